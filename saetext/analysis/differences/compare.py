"""How sets of documents differ: every feature tested, adjusted for length, confirmed, grouped.

One path for two sets and for more: each set is contrasted with all others, and of two sets that is one
contrast. Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast, contrasts
from saetext.analysis.differences.examples import MarkedExamples
from saetext.analysis.differences.families import Families, compare_families
from saetext.analysis.differences.findings import Rows, findings_of, rows_of
from saetext.analysis.differences.found import (
    ILLUSTRATED,
    features_of_list,
    figures_of,
    found_table,
    name_of_term,
)
from saetext.analysis.differences.naming import Names, by_names, names_of
from saetext.analysis.differences.notes import notes_of
from saetext.analysis.differences.of_several import found_of_several, illustrated_of_each, joined
from saetext.analysis.differences.result import DiffResult, Evidence, Family, NullCheck
from saetext.analysis.differences.shown import evidence_of
from saetext.analysis.differences.simplest import Description, Led, simplest
from saetext.analysis.differences.summary import metrics_of, params_of
from saetext.analysis.differences.table import illustrated, rates_of, table_of
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
    led, names = _named(asked, done, rows, findings.groups, families)
    say("looking for examples")
    both = [*illustrated(asked, rows, findings).tolist(), *_illustrated(asked, led)]
    wanted = np.array(list(dict.fromkeys(both)), np.int64)
    evidence, told = evidence_of(asked, done, wanted, say.counting("looking for examples"))
    table = table_of(asked, rows, findings, evidence)
    beside = _beside(asked, rows, families)
    listed = [one for part in led for one in part]
    found, marked = _found(asked, rows, led, families, names, evidence) if families else (None, {})
    return DiffResult(
        "diff" if asked.two else "diff_sets",
        table,
        params_of(asked, done),
        {**metrics_of(asked, done, rows, findings, beside, null), **(figures_of(listed) if families else {})},
        (
            *notes, *told, *(families[0].notes if families else ()), *([null.describe()] if null else []),
        ),
        asked.sources(),
        rates=rates_of(asked, rows, table),
        evidence=evidence,
        families=beside,
        found=found,
        marked=marked,
        null=null,
        design=done[0].design if asked.two else None,
    )  # fmt: skip


def _illustrated(asked: Asked, led: Sequence[Sequence[Led]]) -> list[int]:
    """Return the features of the list that get an example."""
    if not asked.request.snippets:
        return []
    most = ILLUSTRATED if asked.two else illustrated_of_each(len(asked.sets))
    return [feature for mine in led for feature in features_of_list(mine, most).tolist()]


def _beside(asked: Asked, rows: Rows, families: Sequence[Families]) -> tuple[Family, ...]:
    if asked.two or not families:
        return families[0].tested if families else ()
    return joined(families, rows, asked.names)


def _named(
    asked: Asked,
    done: Sequence[Contrast],
    rows: Rows,
    groups: Mapping[int, int],
    families: Sequence[Families],
) -> tuple[list[list[Led]], list[Names]]:
    """Return the findings of each contrast in order, and what their features are called."""
    found: list[list[Led]] = []
    called: list[Names] = []
    for number, one in enumerate(families):
        led = simplest(rows.of(number), groups, one, asked.labels)
        most = ILLUSTRATED if asked.two else illustrated_of_each(len(done))
        names = names_of(
            led, done[number], groups, asked.labels, most=most, on_progress=asked.request.on_progress
        )
        found.append(by_names(led, names))
        called.append(names)
    return found, called


def _called(names: Names, one: Description) -> str | None:
    """Return what a description is called; None for a feature that was not looked at."""
    if one.kind != "feature":
        return name_of_term(one.kind, one.key, of_format=one.of_format)
    return names[int(one.key)].name if int(one.key) in names else None


def _found(
    asked: Asked,
    rows: Rows,
    led: Sequence[Sequence[Led]],
    families: Sequence[Families],
    names: Sequence[Names],
    evidence: Mapping[int, Evidence],
) -> tuple[pl.DataFrame, MarkedExamples]:
    namers = [partial(_called, of) for of in names]
    if not asked.two:
        return found_of_several(asked, rows, led, families, namers, names, evidence)
    most = ILLUSTRATED if asked.request.snippets else 0
    return found_table(led[0], families[0], namers[0], names[0], evidence, most)


def _families(asked: Asked, done: Sequence[Contrast]) -> list[Families]:
    """Return what other descriptions find of each contrast; nothing where only features were asked for."""
    if asked.request.families == "features":
        return []
    return compare_families(done, seed=asked.request.seed, on_progress=asked.request.on_progress)


def _null(asked: Asked, done: Sequence[Contrast], say: Stages) -> NullCheck | None:
    times = asked.request.null
    if not times:
        return None
    from saetext.analysis.differences.null import null_check

    tell = say.counting("shuffling labels")
    one = done[0]
    return null_check(
        one.entries, one.design, len(one.features), times, asked.request.seed, tell, one.room.threads
    )
