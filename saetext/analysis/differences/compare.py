"""How sets of documents differ: every feature tested, adjusted for length, confirmed, grouped.

One path for two sets and for more: each set is contrasted with all others, and of two sets that is one
contrast. Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked, resolve
from saetext.analysis.differences.contrast import Contrast, contrasts
from saetext.analysis.differences.findings import findings_of, rows_of
from saetext.analysis.differences.notes import notes_of
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.differences.result import DiffResult, Family, NullCheck
from saetext.analysis.differences.summary import metrics_of, params_of
from saetext.analysis.differences.table import evidence_of, illustrated, rates_of, table_of
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpora, names_of
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Stages

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus


def diff(
    *sets: AnyCorpus | Sequence[AnyCorpus],
    names: Sequence[str] | None = None,
    labels: FeatureLabels | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> DiffResult:
    """Test every feature for a difference in how often it is present in two or more sets of documents.

    Two sets are compared with each other, each of several with all others together. The sets are corpora
    (``diff(a, b)``, ``diff(a, b, c)`` or ``diff([a, b, c])``), or the values of a column of one corpus
    (``diff(corpus, by="model", values=["x", "y"])``).

    Parameters
    ----------
    *sets : Corpus, path, or what can be encoded
        Two to fifty sets, read by comparable readers; or one with ``by``. See
        :func:`saetext.encoding.opening.as_corpora` on files and texts.
    names : sequence of str, optional
        What to call the sets; by default the names of their files, else a, b, c and so on, or the values of
        the column.
    labels : FeatureLabels, optional
        What to call the features; by default the labels of the first set, see
        :func:`saetext.features.known_labels.labels_for`.
    on_progress : callable, optional
        Called with what is being done.
    **options
        ``pair_on``, ``group``, ``control``, ``tap``, ``min_support``, ``top``, ``seed``, ``snippets``,
        ``plain``, ``null``, ``sample``, ``by``, ``values`` and ``against``: the fields of
        :class:`saetext.analysis.differences.DiffRequest`. ``plain`` and ``null`` are for two sets.

    Returns
    -------
    DiffResult

    Raises
    ------
    IncompatibleError
        If different readers made the sets.
    InputError
        If a set is empty, a column is missing, a key pairs nothing, or an option is out of its range.
    TypeError
        If there is no such option.

    Examples
    --------
    >>> import saetext
    >>> gentle, brisk = (saetext.Corpus.open(f"{name}.corpus") for name in ("gentle", "brisk"))
    >>> result = saetext.diff(gentle, brisk, pair_on="prompt_id", names=("gentle", "brisk"))
    >>> result.table.select("label", "confirmed").row(0)
    ('opinionated informal commentary, loosely', True)
    """
    given, request = _listed(sets), DiffRequest.of(options)
    if names is None and request.by is None:
        names = names_of(given)
    asked = resolve(as_corpora(given), request, names, labels)
    warn_of(*asked.sets)
    return compare(asked, on_progress=on_progress)


def compare(
    asked: Asked, *, without: NDArray[np.bool_] | None = None, on_progress: OnProgress | None = None
) -> DiffResult:
    """Compare the sets.

    Parameters
    ----------
    asked : Asked
        The sets and how they are compared.
    without : bool[rows], optional
        Rows to leave out, those of the first set first (for a judge who must not know them).
    on_progress : callable, optional
        Called with what is being done.
    """
    say = Stages(on_progress)
    done = contrasts(asked, without, on_progress)
    rows = rows_of(done)
    notes = notes_of(asked, done, rows)
    say("grouping")
    findings = findings_of(asked, done, rows)
    say("looking for examples")
    evidence, told = evidence_of(asked, done, illustrated(asked, rows, findings))
    table = table_of(asked, rows, findings, evidence)
    families, missing = _families(asked, done, on_progress)
    null = _null(asked, done, say)
    return DiffResult(
        "diff" if asked.two else "diff_sets",
        table,
        params_of(asked, done),
        metrics_of(asked, done, rows, findings, families, null),
        (*notes, *told, *missing, *([null.describe()] if null else [])),
        asked.sources(),
        rates=rates_of(asked, rows, table),
        evidence=evidence,
        families=families,
        null=null,
        design=done[0].design if asked.two else None,
    )


def _listed(sets: Sequence[Any]) -> list[Any]:
    """Return the sets, whether they were given one by one or as one list; a list beside another is texts."""
    if len(sets) == 1 and isinstance(sets[0], list | tuple):
        return list(sets[0])
    return list(sets)


def _families(
    asked: Asked, done: Sequence[Contrast], on_progress: OnProgress | None
) -> tuple[tuple[Family, ...], list[str]]:
    if not (asked.two if asked.request.plain is None else asked.request.plain):
        return (), []
    from saetext.analysis.differences.families import compare_families

    return compare_families(done[0], seed=asked.request.seed, on_progress=on_progress)


def _null(asked: Asked, done: Sequence[Contrast], say: Stages) -> NullCheck | None:
    times = asked.request.null
    if not times:
        return None
    from saetext.analysis.differences.null import null_check

    tell = say.counting("shuffling labels")
    return null_check(done[0].entries, done[0].design, times, asked.request.seed, tell)
