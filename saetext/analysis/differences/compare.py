"""How sets of documents differ: every feature tested, adjusted for length, confirmed, grouped.

One path for two sets and for more: each set is contrasted with all others, and of two sets that is one
contrast. Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast, contrasts
from saetext.analysis.differences.findings import findings_of, rows_of
from saetext.analysis.differences.notes import notes_of
from saetext.analysis.differences.result import DiffResult, Family, NullCheck
from saetext.analysis.differences.summary import metrics_of, params_of
from saetext.analysis.differences.table import evidence_of, illustrated, rates_of, table_of
from saetext.io.progress import OnProgress, Stages


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
