"""Which documents are compared with which: within prompts, across all, and what stays together.

Not for: reading the outcome (:mod:`saetext.analysis.differences.outcome.column`) or estimating effects
(:mod:`saetext.analysis.differences.outcome.measuring`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.circular import circular_notes
from saetext.analysis.differences.design import FEWEST, Design
from saetext.analysis.differences.outcome.column import Outcome
from saetext.analysis.differences.request import DiffRequest
from saetext.corpus.keys import PAIR_COLUMNS, columns, copies, half_of, keys, require_column, united
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import column_bins
from saetext.errors import InputError

Floats = NDArray[np.float64]

SHARED = 0.5  # share of documents whose prompt occurs again, from which on they are compared within prompts
VARYING = 0.1  # share of prompts whose documents differ, from which on they are compared within prompts
FEW = 15  # prompts below which intervals and halves count documents, not prompts
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
        Whether units are prompts, or rows with two answers, with a rate of their own.
    together : str or None
        The column of documents that stay together in intervals and halves; None where each counts.
    tells : bool[n]
        Rows that can stand for more or less: those of prompts whose documents differ in the outcome.
    n_tokens : float64[n]
        Lengths.
    covariates : float64[n, K]
        A curve of log length, and what else is adjusted for; 0 in rows that are left out.
    of_length : int
        How many of the covariates are the curve.
    controls : tuple of str
        The columns that the others are made of; with few prompts that of the prompts too.
    notes : tuple of str
        What was decided and left out.
    """

    sets: tuple[CorpusLike, ...]
    outcome: Outcome
    design: Design
    within: bool
    together: str | None
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
        return _drawn(self.design, most, seed) if int(self.live.sum()) > most else self.live


@dataclass(frozen=True, eq=False)
class _Units:
    """Which documents are compared with which, and which stay together.

    Attributes
    ----------
    column : str or None
        Of the units.
    unit : int64[n]
        The unit of each row.
    within : bool
        Whether each unit has a rate of its own.
    together : str or None
        The column of what stays together.
    block : int64[n] or None
        What stays together, where that is more than a unit.
    rates : int64[n] or None
        Few prompts, whose rates are adjusted for.
    prompt : str or None
        Their column.
    """

    column: str | None
    unit: Ints
    within: bool
    together: str | None
    block: Ints | None = None
    rates: Ints | None = None
    prompt: str | None = None

    @property
    def called(self) -> str:
        """What stays together, for messages."""
        named = {None: "documents", "id": "rows", "prompt": "prompts", "prompt_id": "prompts"}
        return named.get(self.together, f"values of {self.together}")


def setting_of(
    sets: Sequence[CorpusLike], outcome: Outcome, request: DiffRequest, *, in_rows: bool = False
) -> Setting:
    """Decide which documents are compared with which.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    outcome : Outcome
        Of all rows.
    request : DiffRequest
        The options.
    in_rows : bool
        Whether documents of one id are answers in one row.

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
    notes = [*circular_notes(sets[0], outcome.column), *outcome.notes]
    if missing := int((~live).sum()):
        notes.append(f"{missing:,} of {len(live):,} documents have no {outcome.column} and were left out")
    if in_rows and request.pair_on in (None, "", "id"):
        units = _of_rows(sets, request, live, notes)
    else:
        own = _keyed(sets, "id") if in_rows else copies(sets)
        units = _units(sets, outcome, request, live, notes, own)
    within = units.within
    design = _design(units, request, live, outcome.values, notes)
    if request.sample is not None and int((design.side >= 0).sum()) > request.sample:
        kept = _drawn(design, request.sample, request.seed)
        notes.append(f"a sample of {int(kept.sum()):,} documents was looked at")
        design = design.without(~kept)
    live = design.side >= 0
    left = _left(outcome.values, np.asarray(design.unit, np.int64), live, within)
    tells = live & (np.abs(left) > _EPSILON) if within else live
    n_tokens = np.concatenate(
        [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.float64) for c in sets]
    )
    controls = tuple(dict.fromkeys([*([units.prompt] if units.prompt else []), *request.controls]))
    covariates, of_length = _covariates(sets, controls, units, live, n_tokens, design)
    notes += _authors(sets, outcome, request, live)
    return Setting(
        tuple(sets), outcome, design, within, units.together, tells, n_tokens, covariates, of_length,
        controls, tuple(notes),
    )  # fmt: skip


def _units(
    sets: Sequence[CorpusLike],
    outcome: Outcome,
    request: DiffRequest,
    live: NDArray[np.bool_],
    notes: list[str],
    own: Ints,
) -> _Units:
    """Return what is compared with what; ``own`` numbers documents where nothing else belongs together."""
    if request.group:
        notes.append(f"documents of one {request.group} belong together; they are compared across all")
        return _Units(request.group, _keyed(sets, request.group), False, request.group)
    if request.pair_on:
        return _named(sets, outcome, request.pair_on, live, notes, own)
    for column in PAIR_COLUMNS:
        if not all(column in columns(corpus) for corpus in sets):
            continue
        unit = _keyed(sets, column)
        often = _often(unit, live) & live
        if not often.any():
            continue
        enough = often.sum() >= SHARED * live.sum()
        varying, several = _varying(outcome.values, unit, often)
        if request.pair_on is None and enough and varying >= VARYING * several:
            return _within(column, unit, live, notes, own)
        share = f"{100 * often.sum() / live.sum():.0f} % of the documents share their {column}"
        if request.pair_on is not None:
            why = f"{share}, and as asked"
        elif not enough:
            why = f"only {share}, so"
        elif not varying:
            why = f"documents of one {column} all have the same {outcome.column}, so"
        else:
            why = f"documents differ in {outcome.column} within {varying:,} of {several:,} {column} only, so"
        few = len(np.unique(unit[live])) < FEW
        notes.append(
            f"{why} documents are compared across all prompts: what makes prompts hard or easy is not "
            "adjusted for; "
            + (
                "the prompts are too few for intervals that are robust to their documents being alike"
                if few
                else f"intervals are robust to documents of one {column} being alike"
            )
            + (f"; --pair-on {column} compares within each" if varying and request.pair_on is None else "")
        )
        return _Units(None, own, False, None) if few else _Units(column, unit, False, column)
    return _Units(None, own, False, None)


def _named(
    sets: Sequence[CorpusLike],
    outcome: Outcome,
    column: str,
    live: NDArray[np.bool_],
    notes: list[str],
    own: Ints,
) -> _Units:
    """Compare within a column that was asked for."""
    unit = _keyed(sets, column)
    often = _often(unit, live) & live
    if not often.any():
        raise InputError(f"no {column} occurs twice, so nothing can be compared within one")
    varying, several = _varying(outcome.values, unit, often)
    if not varying:
        raise InputError(
            f"documents of one {column} all have the same {outcome.column}, so nothing can be "
            "compared within one; leave out --pair-on"
        )
    if varying < VARYING * several:
        notes.append(
            f"documents differ in {outcome.column} within {varying:,} of {several:,} {column} only, and the "
            "others tell little; --pair-on '' compares across all"
        )
    return _within(column, unit, live, notes, own)


def _within(column: str, unit: Ints, live: NDArray[np.bool_], notes: list[str], own: Ints) -> _Units:
    """Compare within units; where there are few, their rates are covariates and documents are counted."""
    _drop_lone(column, unit, live, notes)
    number = len(np.unique(unit[live]))
    if number >= FEW:
        return _Units(column, unit, True, column)
    prompts = "prompts" if column in PAIR_COLUMNS else f"values of {column}"
    if number == 1:
        notes.append(f"all documents share one {column}: what is found is about that one")
        return _Units(None, own, False, None)
    notes.append(
        f"there are only {number} {prompts}: each has a rate of its own, but intervals and halves count "
        "documents, so what is found is about these"
    )
    return _Units(None, own, False, None, rates=unit, prompt=column)


def _of_rows(
    sets: Sequence[CorpusLike], request: DiffRequest, live: NDArray[np.bool_], notes: list[str]
) -> _Units:
    """Compare the answers in one row with each other; rows of one prompt stay together."""
    row = _keyed(sets, "id")
    within = request.pair_on != ""
    if within:
        _drop_lone("row", row, live, notes)
    else:
        notes.append("as asked, answers are compared across rows: what rows differ in is not adjusted for")
    for column in [request.group] if request.group else PAIR_COLUMNS:
        if not request.group and not all(column in columns(corpus) for corpus in sets):
            continue
        block = united(row, _keyed(sets, str(column)))
        number, rows = len(np.unique(block[live])), len(np.unique(row[live]))
        if request.group or FEW <= number < rows:
            if number < rows:
                notes.append(f"rows of one {column} stay together in intervals and halves")
            return _Units("id", row, within, column, block)
    return _Units("id", row, within, "id")


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


def _varying(values: Floats, unit: Ints, live: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many units have live rows that differ, and how many have live rows."""
    differs = np.abs(_left(values, unit, live, True)) > _EPSILON
    return len(np.unique(unit[live & differs])), len(np.unique(unit[live]))


def _design(
    units: _Units, request: DiffRequest, live: NDArray[np.bool_], values: Floats, notes: list[str]
) -> Design:
    unit, within = units.unit, units.within
    left = _left(values, unit, live, within)
    middle = 0.0 if within or len(np.unique(values[live])) == 2 else float(np.median(left[live]))
    high = left > middle if (left[live] > middle).any() else left >= middle
    side = np.where(live, np.where(high, 0, 1), -1).astype(np.int8)
    number = np.zeros(len(unit), np.int32)
    _, mine = np.unique(unit[live], return_inverse=True)
    number[live] = mine
    n_units = int(mine.max(initial=-1)) + 1
    block = np.arange(n_units, dtype=np.int64)
    if units.block is not None:
        block[mine] = np.unique(units.block[live], return_inverse=True)[1]
    n_blocks = int(block.max(initial=-1)) + 1
    half = np.zeros(len(unit), np.int8)
    split = n_blocks >= 2 * FEWEST
    if split:
        chosen = half_of(block, np.random.default_rng(request.seed))
        half[live] = chosen[block[number[live]]]
    else:
        notes.append(f"{n_blocks} {units.called} are too few to confirm anything on a second half")
    kind = "by prompt" if within else "independent" if units.column is None else "by group"
    return Design(
        kind, units.column, side, number, n_units, half, split,  # type: ignore[arg-type]
        block=None if units.block is None else block,
    )  # fmt: skip


def _drawn(design: Design, most: int, seed: int) -> NDArray[np.bool_]:
    """bool[n]: a random choice of what stays together, with at most so many rows."""
    if design.block is None:
        return design.within(most, seed)
    unit = design.block[design.unit].astype(np.int32)
    whole = replace(design, unit=unit, n_units=int(design.block.max(initial=-1)) + 1, block=None)
    return whole.within(most, seed)


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
    controls: Sequence[str],
    units: _Units,
    live: NDArray[np.bool_],
    n_tokens: Floats,
    design: Design,
) -> tuple[Floats, int]:
    number = design.unit[live] if design.block is None else design.block[design.unit[live]]
    found = [stats.curve(n_tokens[live], len(np.unique(number)))]
    names = [str(corpus.path) for corpus in sets]
    for column in controls:
        if column == units.prompt and units.rates is not None:
            code = units.rates[live].astype(np.int32)
        else:
            code = column_bins(sets, names, column, live)[live]
        found.append((code[:, None] == np.unique(code)[None, 1:]).astype(np.float64))
    table = np.zeros((len(live), sum(part.shape[1] for part in found)))
    table[live] = np.hstack(found)
    return table, found[0].shape[1]
