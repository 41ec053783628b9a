"""How sets of documents differ: every feature tested, adjusted for length, confirmed, grouped.

One path for two sets and for more: each set is contrasted with all others, and of two sets that is one
contrast. Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast, contrasts
from saetext.analysis.differences.families import Families, compare_families
from saetext.analysis.differences.findings import findings_of, rows_of
from saetext.analysis.differences.found import (
    ILLUSTRATED,
    features_of_list,
    figures_of,
    found_table,
    name_of_term,
)
from saetext.analysis.differences.naming import FeatureName, by_names, names_of
from saetext.analysis.differences.notes import notes_of
from saetext.analysis.differences.result import DiffResult, Evidence, NullCheck
from saetext.analysis.differences.shown import evidence_of
from saetext.analysis.differences.simplest import Description, Led, simplest
from saetext.analysis.differences.summary import metrics_of, params_of
from saetext.analysis.differences.table import illustrated, rates_of, table_of
from saetext.corpus.protocol import Ints
from saetext.io.progress import Stages

if TYPE_CHECKING:
    import polars as pl


def compare(asked: Asked, *, without: NDArray[np.bool_] | None = None) -> DiffResult:
    """Compare the sets.

    Parameters
    ----------
    asked : Asked
        The sets and how they are compared.
    without : bool[rows], optional
        Rows to leave out, those of the first set first (for a judge who must not know them).
    """
    on_progress = asked.request.on_progress
    say = Stages(on_progress)
    done = contrasts(asked, without, on_progress)
    rows = rows_of(done)
    notes = notes_of(asked, done, rows)
    say("grouping")
    findings = findings_of(asked, done, rows)
    null = _null(asked, done, say)
    families = _families(asked, done)
    say("listing findings")
    led = [] if families is None else simplest(done[0], rows, findings.groups, families, asked.labels)
    names = names_of(led, done[0], findings.groups, asked.labels, on_progress=on_progress)
    led = by_names(led, names)
    say("looking for examples")
    both = [*illustrated(asked, rows, findings).tolist(), *_illustrated(asked, led).tolist()]
    wanted = np.array(list(dict.fromkeys(both)), np.int64)
    evidence, told = evidence_of(asked, done, wanted)
    table = table_of(asked, rows, findings, evidence)
    beside = families.tested if families else ()
    return DiffResult(
        "diff" if asked.two else "diff_sets",
        table,
        params_of(asked, done),
        {**metrics_of(asked, done, rows, findings, beside, null), **(figures_of(led) if families else {})},
        (
            *notes, *told, *(families.notes if families else ()), *([null.describe()] if null else []),
        ),
        asked.sources(),
        rates=rates_of(asked, rows, table),
        evidence=evidence,
        families=beside,
        found=None if families is None else _found(asked, led, families, names, evidence),
        null=null,
        design=done[0].design if asked.two else None,
    )  # fmt: skip


def _illustrated(asked: Asked, led: Sequence[Led]) -> Ints:
    """int64[n]: the features of the list that get an example."""
    return features_of_list(led) if asked.request.snippets else np.empty(0, np.int64)


def _found(
    asked: Asked,
    led: Sequence[Led],
    families: Families,
    names: Mapping[int, FeatureName],
    evidence: Mapping[int, Evidence],
) -> pl.DataFrame:
    def name_of(one: Description) -> str | None:
        if one.kind != "feature":
            return name_of_term(one.kind, one.key)
        return names[int(one.key)].name if int(one.key) in names else None

    return found_table(led, families, name_of, names, evidence, ILLUSTRATED if asked.request.snippets else 0)


def _families(asked: Asked, done: Sequence[Contrast]) -> Families | None:
    if not asked.two or asked.request.families == "features":
        return None
    return compare_families(done[0], seed=asked.request.seed, on_progress=asked.request.on_progress)


def _null(asked: Asked, done: Sequence[Contrast], say: Stages) -> NullCheck | None:
    times = asked.request.null
    if not times:
        return None
    from saetext.analysis.differences.null import null_check

    tell = say.counting("shuffling labels")
    return null_check(done[0].entries, done[0].design, times, asked.request.seed, tell)
