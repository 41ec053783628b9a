"""Which documents are compared with which: within prompts, across all, and what stays together.

Not for: reading the outcome (:mod:`saetext.analysis.differences.outcome.column`) or estimating effects
(:mod:`saetext.analysis.differences.outcome.measuring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.design import FEWEST, Design
from saetext.analysis.differences.outcome.column import Outcome
from saetext.analysis.differences.request import DiffRequest
from saetext.corpus.keys import PAIR_COLUMNS, columns, copies, half_of, keys, require_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import column_bins
from saetext.errors import InputError

Floats = NDArray[np.float64]

SHARED = 0.5  # share of documents whose prompt occurs again, from which on they are compared within prompts
LEAST = 8  # documents without which nothing is estimated
_EPSILON = 1e-9
_AUTHORS = ("model", "generator", "model_name", "model_id", "system", "author")  # columns of who wrote it


@dataclass(frozen=True, eq=False)
class Setting:
    """Documents with an outcome, and how they are compared.

    Attributes
    ----------
    sets : tuple of Corpus
        The corpora; their rows follow one another.
    outcome : Outcome
        Of all rows.
    design : Design
        Units and halves; side 0 has more of the outcome than is usual (for its unit), 1 has less.
    within : bool
        Whether units are prompts with a rate of their own.
    tells : bool[n]
        Rows that can stand for more or less: those of prompts whose documents differ in the outcome.
    n_tokens : float64[n]
        Lengths.
    covariates : float64[n, K]
        A curve of log length, and what else is adjusted for; 0 in rows that are left out.
    of_length : int
        How many of the covariates are the curve.
    controls : tuple of str
        The columns that the others are made of.
    notes : tuple of str
        What was decided and left out.
    """

    sets: tuple[CorpusLike, ...]
    outcome: Outcome
    design: Design
    within: bool
    tells: NDArray[np.bool_]
    n_tokens: Floats
    covariates: Floats
    of_length: int
    controls: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def between(self) -> str | None:
        """What is adjusted for beside length, in words; None where that is nothing."""
        parts = [str(self.design.column)] * self.within + list(self.controls)
        return " and ".join(parts) or None

    @property
    def live(self) -> NDArray[np.bool_]:
        """bool[n]: the rows that are compared."""
        found: NDArray[np.bool_] = self.design.side >= 0
        return found

    @property
    def shown(self) -> Design:
        """The design with only those rows that can be shown as having more or less."""
        return self.design.without(~self.tells)

    @property
    def varying(self) -> int:
        """Number of units whose documents differ in the outcome."""
        return len(np.unique(self.design.unit[self.tells & self.live]))

    def sampled(self, most: int, seed: int) -> NDArray[np.bool_]:
        """bool[n]: all rows that are compared, or whole units of them with at most so many."""
        return self.design.within(most, seed) if int(self.live.sum()) > most else self.live


def setting_of(sets: Sequence[CorpusLike], outcome: Outcome, request: DiffRequest) -> Setting:
    """Decide which documents are compared with which.

    Raises
    ------
    InputError
        If a column is missing, too few documents have an outcome, or it never varies within a prompt that
        was asked for.
    """
    if request.pair_on and request.group:
        raise InputError("rows either pair on a column or stay together in groups; choose one")
    live = outcome.known.copy()
    if int(live.sum()) < LEAST:
        raise InputError(
            f"{int(live.sum())} documents have a {outcome.column}, and fewer than {LEAST} tell nothing"
        )
    notes = list(outcome.notes)
    if missing := int((~live).sum()):
        notes.append(f"{missing:,} of {len(live):,} documents have no {outcome.column} and were left out")
    column, unit, within = _units(sets, outcome, request, live, notes)
    design = _design(column, unit, within, request, live, outcome.values, notes)
    if request.sample is not None and int((design.side >= 0).sum()) > request.sample:
        kept = design.within(request.sample, request.seed)
        notes.append(f"a sample of {int(kept.sum()):,} documents was looked at")
        design = design.without(~kept)
    live = design.side >= 0
    left = _left(outcome.values, np.asarray(design.unit, np.int64), live, within)
    tells = live & (np.abs(left) > _EPSILON) if within else live
    n_tokens = np.concatenate(
        [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.float64) for c in sets]
    )
    covariates, of_length = _covariates(sets, request, live, n_tokens, design)
    notes += _authors(sets, outcome, request, live)
    return Setting(
        tuple(sets), outcome, design, within, tells, n_tokens, covariates, of_length, request.controls,
        tuple(notes),
    )  # fmt: skip


def _units(
    sets: Sequence[CorpusLike],
    outcome: Outcome,
    request: DiffRequest,
    live: NDArray[np.bool_],
    notes: list[str],
) -> tuple[str | None, Ints, bool]:
    """Return the column of units, the unit of each row, and whether rows are compared within them."""
    if request.group:
        unit = _keyed(sets, request.group)
        notes.append(f"documents of one {request.group} belong together; they are compared across all")
        return request.group, unit, False
    if request.pair_on:
        unit = _keyed(sets, request.pair_on)
        if not (_often(unit, live) & live).any():
            raise InputError(f"no {request.pair_on} occurs twice, so nothing can be compared within one")
        if not _varies(outcome.values, unit, live & _often(unit, live)):
            raise InputError(
                f"documents of one {request.pair_on} all have the same {outcome.column}, so nothing can be "
                "compared within one; leave out --pair-on"
            )
        _drop_lone(request.pair_on, unit, live, notes)
        return request.pair_on, unit, True
    there = [columns(corpus) for corpus in sets]
    for column in PAIR_COLUMNS:
        if not all(column in names for names in there):
            continue
        unit = _keyed(sets, column)
        often = _often(unit, live) & live
        if not often.any():
            continue
        enough = often.sum() >= SHARED * live.sum()
        if request.pair_on is None and enough and _varies(outcome.values, unit, often):
            _drop_lone(column, unit, live, notes)
            return column, unit, True
        share = f"{100 * often.sum() / live.sum():.0f} % of the documents share their {column}"
        why = (
            f"documents of one {column} all have the same {outcome.column}, so"
            if enough
            else f"only {share}, so"
        )
        if request.pair_on is not None:
            why = f"{share}, and as asked"
        notes.append(
            f"{why} documents are compared across all prompts: what makes prompts hard or easy is not "
            f"adjusted for; intervals are robust to documents of one {column} being alike"
        )
        return column, unit, False
    return None, copies(sets), False


def _keyed(sets: Sequence[CorpusLike], column: str) -> Ints:
    for corpus in sets:
        require_column(corpus, column)
    unit = np.concatenate(keys(sets, column))
    alone = unit < 0
    unit[alone] = unit.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return unit


def _often(unit: Ints, live: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[n]: rows whose unit has two live rows or more."""
    size = np.bincount(unit[live], minlength=int(unit.max(initial=-1)) + 1)
    found: NDArray[np.bool_] = size[unit] > 1
    return found


def _drop_lone(column: str, unit: Ints, live: NDArray[np.bool_], notes: list[str]) -> None:
    lone = live & ~_often(unit, live)
    if count := int(lone.sum()):
        notes.append(f"{count:,} documents are the only one of their {column} and were left out")
        live &= ~lone


def _left(values: Floats, unit: Ints, live: NDArray[np.bool_], within: bool) -> Floats:
    """float64[n]: the outcome less the mean of its unit, or of all; 0 in rows that are left out."""
    left = np.zeros(len(values))
    if not within:
        left[live] = values[live] - values[live].mean()
        return left
    size = np.maximum(np.bincount(unit[live], minlength=int(unit.max(initial=-1)) + 1), 1)
    mean = np.bincount(unit[live], values[live], minlength=len(size)) / size
    left[live] = values[live] - mean[unit[live]]
    return left


def _varies(values: Floats, unit: Ints, live: NDArray[np.bool_]) -> bool:
    return bool((np.abs(_left(values, unit, live, True)) > _EPSILON).any())


def _design(
    column: str | None,
    unit: Ints,
    within: bool,
    request: DiffRequest,
    live: NDArray[np.bool_],
    values: Floats,
    notes: list[str],
) -> Design:
    left = _left(values, unit, live, within)
    middle = 0.0 if within or len(np.unique(values[live])) == 2 else float(np.median(left[live]))
    high = left > middle if (left[live] > middle).any() else left >= middle
    side = np.where(live, np.where(high, 0, 1), -1).astype(np.int8)
    number = np.zeros(len(unit), np.int32)
    _, mine = np.unique(unit[live], return_inverse=True)
    number[live] = mine
    units = int(mine.max(initial=-1)) + 1
    half = np.zeros(len(unit), np.int8)
    split = units >= 2 * FEWEST
    if split:
        chosen = half_of(np.arange(units), np.random.default_rng(request.seed))
        half[live] = chosen[number[live]]
    else:
        notes.append("too few documents to confirm anything on a second half")
    kind = "by prompt" if within else "independent" if column is None else "by group"
    return Design(kind, column, side, number, units, half, split)  # type: ignore[arg-type]


def _authors(
    sets: Sequence[CorpusLike], outcome: Outcome, request: DiffRequest, live: NDArray[np.bool_]
) -> list[str]:
    """Say that documents are of several writers, for whom a finding may stand, and how to adjust for them."""
    for column in _AUTHORS:
        if column in (outcome.column, request.group, request.pair_on, *request.controls):
            return []
        if all(column in columns(corpus) for corpus in sets):
            writers = len(np.unique(np.concatenate(keys(sets, column))[live]))
            if 1 < writers <= live.sum() / LEAST:
                return [
                    f"documents are of {writers:,} values of {column}, and a finding may stand for one of "
                    f"them: --control {column} compares documents alike in it"
                ]
    return []


def _covariates(
    sets: Sequence[CorpusLike],
    request: DiffRequest,
    live: NDArray[np.bool_],
    n_tokens: Floats,
    design: Design,
) -> tuple[Floats, int]:
    found = [stats.curve(n_tokens[live], len(np.unique(design.unit[live])))]
    names = [str(corpus.path) for corpus in sets]
    for column in request.controls:
        code = column_bins(sets, names, column, live)[live]
        found.append((code[:, None] == np.unique(code)[None, 1:]).astype(np.float64))
    table = np.zeros((len(live), sum(part.shape[1] for part in found)))
    table[live] = np.hstack(found)
    return table, found[0].shape[1]
