"""``saetext.diff``: from what is given to a result. Not for: the comparison itself (``compare.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from saetext.analysis.differences.asked import resolve
from saetext.analysis.differences.compare import compare
from saetext.analysis.differences.of_columns import by_rows, columns_of
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.differences.result import DiffResult
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpora, names_of
from saetext.io.request import verb_of_many

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus


@verb_of_many(DiffRequest)
def diff(sets: tuple[AnyCorpus | Sequence[AnyCorpus], ...], request: DiffRequest) -> DiffResult:
    """Test every feature for a difference in how often it is present in two or more sets of documents.

    Two sets are compared with each other, each of several with all others together. The sets are corpora
    (``diff(a, b)``, ``diff(a, b, c)`` or ``diff([a, b, c])``), or the values of a column of one corpus
    (``diff(corpus, by="model", values=["x", "y"])``). With ``client``, a language model states what the
    confirmed findings come down to, and that is tested on documents that were set aside. With ``outcome``,
    what goes with a column of one corpus is estimated instead (``diff(corpus, outcome="score")``).

    Parameters
    ----------
    *sets : Corpus, path, or what can be encoded
        Two to fifty sets, read by comparable readers; or one with ``by`` or ``outcome``, or one file with
        ``columns``. See
        :func:`saetext.encoding.opening.as_corpora` on files and texts.

    Returns
    -------
    DiffResult
        With ``outcome``, an :class:`saetext.OutcomeResult`.

    Raises
    ------
    IncompatibleError
        If different readers made the sets.
    InputError
        If a set is empty, a column is missing, a key pairs nothing, or an option is out of its range.
    EndpointError
        If the language model cannot be used.
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
    if request.outcome is not None:
        from saetext.analysis.differences.outcome.run import outcome_result

        # another table, for which nobody who compares sets should have to ask
        return cast("DiffResult", outcome_result(_listed(sets), request))
    return diff_of(sets, request)


def diff_of(sets: Sequence[AnyCorpus | Sequence[AnyCorpus]], request: DiffRequest) -> DiffResult:
    """Compare sets as a request asks; see :func:`diff`."""
    given = _listed(sets)
    if request.columns is not None:
        given = columns_of(given, request.columns)
        request = by_rows(request)
    if request.names is None and request.by is None:
        request = request.replace(names=names_of(given))
    asked = resolve(as_corpora(given), request)
    warn_of(*asked.sets)
    if request.client is None:
        return compare(asked)
    from saetext.analysis.differences.judged import compare_and_judge

    return compare_and_judge(asked, request.client)


def _listed(sets: Sequence[Any]) -> list[Any]:
    """Return the sets, whether they were given one by one or as one list; a list beside another is texts."""
    if len(sets) == 1 and isinstance(sets[0], list | tuple):
        return list(sets[0])
    return list(sets)
