"""Shares of clusters where documents of two sets belong together: answers to the same prompts.

Not for: which design a diff has (:mod:`saetext.analysis.differences.design`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import PAIR_COLUMNS, columns, keys, require_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.stats.exact import mcnemar_exact_p
from saetext.stats.paired import paired
from saetext.stats.proportions import newcombe_paired
from saetext.stats.shares import SetShares

_OFTEN = 0.05  # share of documents with a repeated prompt from which on it is said


@dataclass(frozen=True, eq=False)
class Units:
    """Which documents of two sets belong together.

    ``unit`` is int64[n], -1 for a document without a partner; ``kind`` is ``paired`` (one document of each
    set) or ``by prompt``.
    """

    unit: Ints
    kind: Literal["paired", "by prompt"]
    notes: tuple[str, ...]

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which documents have a partner."""
        return self.unit >= 0


def units_of(sets: Sequence[CorpusLike], names: Sequence[str], column: str) -> Units:
    """Return which documents of two sets share a value of a column.

    Raises
    ------
    InputError
        If a set has no such column, or no value is in both.
    """
    for corpus, name in zip(sets, names, strict=True):
        require_column(corpus, column, name)
    key = np.concatenate(keys(sets, column))
    side = np.repeat([0, 1], [corpus.n_documents for corpus in sets])
    size = int(key.max(initial=-1)) + 1
    count = [np.bincount(key[(key >= 0) & (side == s)], minlength=size) for s in (0, 1)]
    both = (count[0] > 0) & (count[1] > 0)
    live = (key >= 0) & np.append(both, False)[key]
    if not live.any():
        raise InputError(f"no {column} of {names[0]} occurs in {names[1]}, so no documents pair")
    once = bool((np.maximum(count[0], count[1])[both] == 1).all())
    unit = np.full(len(key), -1, np.int64)
    unit[live] = np.unique(key[live], return_inverse=True)[1]
    kind: Literal["paired", "by prompt"] = "paired" if once else "by prompt"
    left = [int(((side == s) & ~live).sum()) for s in (0, 1)]
    return Units(unit, kind, _notes(kind, column, names, int(both.sum()), left, ""))


def units_among(
    units: Units, counted: NDArray[np.bool_], side: Ints, names: Sequence[str], column: str
) -> Units:
    """Return the units of which documents of both sets are counted; notes have their number.

    Raises
    ------
    InputError
        If there are none.
    """
    if counted.all():
        return units
    size = int(units.unit.max(initial=-1)) + 1
    live = units.live & counted
    both = np.all([np.bincount(units.unit[live & (side == s)], minlength=size) > 0 for s in (0, 1)], axis=0)
    live &= np.append(both, False)[units.unit]
    if not live.any():
        raise InputError(
            f"of no {column} documents of both {names[0]} and {names[1]} were fitted, at random: "
            "raise --fit-on, or give sets of like size (--where)"
        )
    unit = np.full(len(live), -1, np.int64)
    unit[live] = np.unique(units.unit[live], return_inverse=True)[1]
    left = [int(((side == s) & counted & ~live).sum()) for s in (0, 1)]
    notes = _notes(units.kind, column, names, int(both.sum()), left, " among the fitted ones")
    return Units(unit, units.kind, notes)


def _notes(
    kind: str, column: str, names: Sequence[str], number: int, left: Sequence[int], where: str
) -> tuple[str, ...]:
    how = "compared within" if kind == "by prompt" else "paired by"
    notes = [f"documents were {how} {number:,} values of {column}"]
    if any(left):
        notes.append(
            f"documents without a partner on {column}{where} were left out: {left[0]:,} of {names[0]}, "
            f"{left[1]:,} of {names[1]}"
        )
    return tuple(notes)


def paired_shares(
    cluster: NDArray[Any], side: Ints, counted: NDArray[np.bool_], units: Units, k: int, seed: int
) -> tuple[SetShares, NDArray[np.float64]]:
    """Compare the shares of clusters within units: of the second set less those of the first.

    Pairs: McNemar's exact test and Newcombe's interval for pairs. Units of several documents: shares within
    each, their mean difference by a sign-flip test, with a bootstrap interval.

    Returns
    -------
    found : SetShares
        Of clusters 1 to k, then of no cluster.
    shares : float64[k + 1, 2]
        Mean of the units' shares.
    """
    unit = np.where(counted, units.unit, -1)
    n = int(unit.max(initial=-1)) + 1
    per = np.stack([np.bincount(unit[(unit >= 0) & (side == s)], minlength=n) for s in (0, 1)])
    whole = (per > 0).all(0)
    order = [*range(1, k + 1), 0]
    rates = np.empty((k + 1, 2, int(whole.sum())))
    for row, number in enumerate(order):
        for s in (0, 1):
            mine = (unit >= 0) & (side == s) & (cluster == number)
            rates[row, s] = (np.bincount(unit[mine], minlength=n) / np.maximum(per[s], 1))[whole]
    shares = rates.mean(2)
    chosen = np.ones(k + 1, np.int64)
    if units.kind == "paired":
        a, b = rates[:, 0] > 0, rates[:, 1] > 0
        both, only_a, only_b = (a & b).sum(1), (a & ~b).sum(1), (b & ~a).sum(1)
        low, high = newcombe_paired(both, only_b, only_a, a.shape[1])
        change = shares[:, 1] - shares[:, 0]
        return SetShares(chosen, change, low, high, mcnemar_exact_p(only_b, only_a)), shares
    told = [paired(rates[row, 1] - rates[row, 0], seed=seed) for row in range(k + 1)]
    change, low, high, p = np.array([(t.mean, t.low, t.high, t.p) for t in told]).T
    return SetShares(chosen, change, np.maximum(low, -1), np.minimum(high, 1), p), shares


def shared_keys(sets: Sequence[CorpusLike]) -> tuple[str, int] | None:
    """Return the column of prompts that repeat, and how many documents of the first set share theirs.

    None where there is no such column, or few share it.
    """
    for column in PAIR_COLUMNS:
        if not all(column in columns(corpus) for corpus in sets):
            continue
        key = np.concatenate(keys(sets, column))
        first = key[: sets[0].n_documents]
        count = np.bincount(key[key >= 0], minlength=1)
        number = int((count[first[first >= 0]] > 1).sum())
        if number > _OFTEN * max(len(first), 1):
            return column, number
    return None
