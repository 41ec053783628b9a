"""Which rows are compared with which, what stays together, and which half confirms: the design of a diff.

Chosen from the shape of the data and said in words. Not for: counting or testing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import PAIR_COLUMNS, columns, copies, example, half_of, keys, require_column, united
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.io.progress import Stages

Kind = Literal["independent", "paired", "by prompt", "by group"]

OVERLAP = 0.9  # share of the larger set that must find partners before rows are paired without being told to
FEWEST = 4  # units, of each set where they do not pair, from which on halves are worth having


@dataclass(frozen=True, eq=False)
class Design:
    """Rows of all sets one after the other, with what a test must know of each.

    Attributes
    ----------
    kind : str
        ``independent`` rows; ``paired`` one to one; ``by prompt``, stratified by a key that several rows of a
        set may share; ``by group``, rows of a group belong together and groups to one set each.
    column : str or None
        What pairs or groups them.
    side : int8[n]
        0 for A, 1 for B, -1 for rows that are left out.
    unit : int32[n]
        Pair, prompt or group of each row, from 0; where rows are independent, each row its own.
    n_units : int
        Number of units.
    half : int8[n]
        0 where differences are discovered, 1 where they are confirmed; the same for all rows of a unit.
    split : bool
        Whether there were enough units to split; otherwise all is 0.
    notes : tuple of str
        What was decided and left out, one line each.
    block : int64[n_units] or None
        Units with one number share a text and stay together in halves and samples; None if each is its own.
    """

    kind: Kind
    column: str | None
    side: NDArray[np.int8]
    unit: NDArray[np.int32]
    n_units: int
    half: NDArray[np.int8]
    split: bool
    notes: tuple[str, ...] = ()
    block: Ints | None = None

    def rows(self, side: int, half: int | None = None) -> int:
        """Return the number of rows of a side, or of one half of it."""
        mine = self.side == side
        return int((mine if half is None else mine & (self.half == half)).sum())

    def per_unit(self, side: int) -> NDArray[np.int32]:
        """int32[n_units]: rows of a side in each unit."""
        return np.bincount(self.unit[self.side == side], minlength=self.n_units).astype(np.int32)

    def with_sides(self, side: NDArray[np.int8]) -> Design:
        """Return the design with other sides (the null check's)."""
        return replace(self, side=side)

    def within(self, most: int, seed: int) -> NDArray[np.bool_]:
        """bool[n]: a random choice of whole units with at most ``most`` rows in all (one unit at least)."""
        live = self.side >= 0
        size = np.bincount(self.unit[live], minlength=self.n_units)
        first = np.full(self.n_units, -1)
        first[self.unit[live]] = self.side[live]
        rng = np.random.default_rng([seed, 5])
        chosen = np.zeros(self.n_units, bool)
        # units of one side each are drawn from both sides alike
        pools = [np.arange(self.n_units)]
        if self.kind in ("independent", "by group"):
            pools = [np.flatnonzero(first == s) for s in (0, 1)]
        for pool in pools:
            mixed = rng.permutation(pool)
            share = most * size[pool].sum() / max(int(live.sum()), 1)
            taken = mixed[np.cumsum(size[mixed]) <= share]
            chosen[taken if len(taken) else mixed[:1]] = True
        if self.block is not None:  # a block of which not all was drawn stays out
            split = np.unique(self.block[~chosen & (first >= 0)])
            whole = chosen & ~np.isin(self.block, split)
            chosen = whole if whole.any() else chosen
        return live & chosen[self.unit]

    def without(self, out: NDArray[np.bool_]) -> Design:
        """Return the design with more rows left out."""
        return replace(self, side=np.where(out, np.int8(-1), self.side))


def make_design(
    sets: Sequence[CorpusLike],
    side: NDArray[np.int8],
    names: Sequence[str],
    *,
    sides: Sequence[str] = (),
    pair_on: str | None = None,
    group: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Design:
    """Design the comparison of the rows with side 0 against those with side 1.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    side : int8[n]
        Which side each row is on.
    names : sequence of str
        What to call the sets.
    sides : sequence of str
        What to call the two sides, by default as the first and the last set.
    pair_on : str, optional
        Column on which rows belong together. By default ``prompt_id`` or ``prompt``, if at least 90 % of the
        larger side find a partner; an empty string never pairs. Keys that occur once on each side make
        pairs, others strata.
    group : str, optional
        Column of groups (users, conversations) whose documents are not independent. If most are on both
        sides they are strata, else whole groups are exchanged; halves never split one.
    seed : int
        For the halves.
    say : callable, optional
        Called with what is being done.

    Raises
    ------
    InputError
        If a column is missing or pairs nothing.
    """
    tell = say or Stages(None)
    tell("looking for partners")
    chosen: tuple[Kind, str | None, Ints | None, list[str]] = ("independent", None, None, [])
    if group:
        if pair_on:
            raise InputError("rows either pair on a column or stay together in groups; choose one")
        chosen = _grouped(sets, side, names, group)
    elif pair_on:
        chosen = _named(sets, side, names, sides or (names[0], names[-1]), pair_on)
    elif pair_on is None:
        chosen = _guessed(sets, side)
    kind, column, key, notes = chosen
    if key is None:
        key = np.arange(len(side))
    side = np.where(key < 0, np.int8(-1), side).astype(np.int8)
    live = side >= 0
    _, number = np.unique(key[live], return_inverse=True)
    unit = np.zeros(len(side), np.int32)
    unit[live] = number
    n_units = int(number.max(initial=-1)) + 1
    tell("looking for copies")
    block = _blocks(kind, copies(sets), side, unit, n_units)
    tell("drawing halves")
    half, split = _halves(kind, side, unit, block, seed)
    if not split:
        notes.append("too few rows to confirm anything on a second half")
    if n_copies := n_units - len(np.unique(block)):
        stay = "copy of another document stays" if n_copies == 1 else "copies of other documents stay"
        notes.append(f"{n_copies:,} {stay} in one half with it: nothing is confirmed by its own copy")
    return Design(kind, column, side, unit, n_units, half, split, tuple(notes), block)


def _named(
    sets: Sequence[CorpusLike],
    side: NDArray[np.int8],
    names: Sequence[str],
    sides: Sequence[str],
    column: str,
) -> tuple[Kind, str, Ints, list[str]]:
    for name, corpus in zip(names, sets, strict=True):
        require_column(corpus, column, name)
    key = np.concatenate(keys(sets, column))
    kept, kind = _both_sides(key, side)
    if not kept.any():
        raise InputError(f"no {column} of {sides[0]} occurs in {sides[1]}, so no rows pair")
    left = [int(((side == s) & ~kept).sum()) for s in (0, 1)]
    notes = []
    if any(left):
        notes.append(
            f"rows without a partner on {column} were left out: "
            f"{left[0]} of {sides[0]}, {left[1]} of {sides[1]}"
        )
    if kind == "by prompt":
        notes.append(_told(sets, key, side, kept, column))
    return kind, column, np.where(kept, key, -1), notes


def _guessed(
    sets: Sequence[CorpusLike], side: NDArray[np.int8]
) -> tuple[Kind, str | None, Ints | None, list[str]]:
    for column in PAIR_COLUMNS:
        if not all(column in columns(corpus) for corpus in sets):
            continue
        key = np.concatenate(keys(sets, column))
        kept, kind = _both_sides(key, side)
        sizes = [int((side == s).sum()) for s in (0, 1)]
        found = [int((kept & (side == s)).sum()) for s in (0, 1)]
        if all(f >= OVERLAP * n for f, n in zip(found, sizes, strict=True)) and (
            kind == "by prompt" or found[0] >= OVERLAP * max(sizes)
        ):
            left = sum(sizes) - sum(found)
            rest = f"; {left} without a partner were left out" if left else ""
            if kind == "paired":
                note = f"each {column} occurs once per set, so rows with the same {column} were paired{rest}"
            else:
                note = f"{_told(sets, key, side, kept, column)}{rest}"
            return kind, column, np.where(kept, key, -1), [note]
        if any(found):
            note = f"{min(found)} rows share their {column}; pair on {column} to compare those alone"
            return "independent", None, None, [note]
    return "independent", None, None, []


def _grouped(
    sets: Sequence[CorpusLike], side: NDArray[np.int8], names: Sequence[str], column: str
) -> tuple[Kind, str, Ints, list[str]]:
    for name, corpus in zip(names, sets, strict=True):
        require_column(corpus, column, name)
    key = np.concatenate(keys(sets, column))
    known = (key >= 0) & (side >= 0)
    notes = []
    if missing := int(((key < 0) & (side >= 0)).sum()):
        notes.append(f"rows without a {column} were left out: {missing}")
    if not known.any():
        raise InputError(f"no row has a {column}, so nothing is left to compare")
    kept, kind = _both_sides(key, side)
    if kept.sum() >= OVERLAP * known.sum():
        notes.append(f"most values of {column} occur in both sets, so rows are compared within each")
        return kind, column, np.where(kept, key, -1), notes
    both = np.intersect1d(key[known & (side == 0)], key[known & (side == 1)])
    straddling = np.isin(key, both) & known
    if straddling.any():
        left = int(straddling.sum())
        notes.append(f"{left} rows of {len(both)} values of {column} that occur in both sets were left out")
        key = np.where(straddling, -1, key)
        known &= ~straddling
    if not all((known & (side == s)).any() for s in (0, 1)):
        raise InputError(f"no {column} is left in one of the sets")
    counts = [len(np.unique(key[known & (side == s)])) for s in (0, 1)]
    notes.append(f"whole groups of {column} are compared: {counts[0]} against {counts[1]}")
    return "by group", column, np.where(known, key, -1), notes


def _both_sides(key: Ints, side: NDArray[np.int8]) -> tuple[NDArray[np.bool_], Kind]:
    """Return which rows have a partner on the other side, and whether keys occur once on each."""
    live = (side >= 0) & (key >= 0)
    size = int(key.max(initial=-1)) + 1
    count = [np.bincount(key[live & (side == s)], minlength=size) for s in (0, 1)]
    both = (count[0] > 0) & (count[1] > 0)
    kept = live.copy()
    kept[live] = both[key[live]]
    once = bool((np.maximum(count[0], count[1])[both] == 1).all())
    return kept, "paired" if once else "by prompt"


def _told(
    sets: Sequence[CorpusLike], key: Ints, side: NDArray[np.int8], kept: NDArray[np.bool_], column: str
) -> str:
    """Say which key repeats most, and what is done about it."""
    most = int(np.bincount(key[kept]).argmax())
    row = int(np.argmax(kept & (key == most)))
    starts = np.cumsum([0] + [corpus.n_documents for corpus in sets])
    number = int(np.searchsorted(starts, row, side="right")) - 1
    shown = example(sets[number], column, row - int(starts[number]))
    times = " and ".join(str(int((kept & (key == most) & (side == s)).sum())) for s in (0, 1))
    return (
        f"{column} repeats ({shown} occurs {times} times in A and B), "
        f"so rows are compared within each {column}"
    )


def _blocks(kind: Kind, text: Ints, side: NDArray[np.int8], unit: NDArray[np.int32], n_units: int) -> Ints:
    """Return the block of each unit: units with a common text, numbered in the order of their first.

    Pairs and prompts are told apart by their key: one short answer to two prompts is two answers.
    """
    own = np.arange(n_units, dtype=np.int64)
    live = side >= 0
    if kind in ("paired", "by prompt") or not live.any():
        return own
    joined = united(unit[live].astype(np.int64), text[live])
    _, first = np.unique(unit[live], return_index=True)
    found, at, block = np.unique(joined[first], return_index=True, return_inverse=True)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(at)] = np.arange(len(found))
    result: Ints = rank[block]
    return result


def _halves(
    kind: Kind, side: NDArray[np.int8], unit: NDArray[np.int32], block: Ints, seed: int
) -> tuple[NDArray[np.int8], bool]:
    """Split blocks of units at random; where units belong to one side each, both sides in halves."""
    rng = np.random.default_rng(seed)
    half = np.zeros(len(block), np.int8)
    pools = [np.arange(len(block))]
    if kind in ("independent", "by group"):
        mine = [np.unique(unit[side == s]) for s in (0, 1)]
        if min(len(np.unique(block[pool])) for pool in mine) < FEWEST:
            return np.zeros(len(side), np.int8), False
        both = np.intersect1d(block[mine[0]], block[mine[1]])  # one text on both sides
        pools = [pool[~np.isin(block[pool], both)] for pool in mine]
        pools.append(np.flatnonzero(np.isin(block, both)))
    if len(np.unique(block)) < FEWEST:
        return np.zeros(len(side), np.int8), False
    for pool in pools:
        if len(pool):
            _, number = np.unique(block[pool], return_inverse=True)
            half[pool[half_of(number.reshape(-1).astype(np.int64), rng)[number.reshape(-1)]]] = 1
    return np.where(side >= 0, half[unit], np.int8(0)).astype(np.int8), True
