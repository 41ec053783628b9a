"""How much memory a correlation needs: what grows with rows and items, and the buffers of each thread.

Rows of items, items of rows, strengths and peaks are on the context's shelf (:mod:`saetext.io.shelf`), which
puts into files what does not fit. Not for: texts, of which a sample is looked at, and tables of results.
"""

from __future__ import annotations

import os

import numpy as np

from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.rows import Rows
from saetext.analysis.cooccurrence.strata import Strata
from saetext.analysis.cooccurrence.streaming import BLOCK, KEEP, SPARE, STANDING
from saetext.io.shelf import Shelf

_ROW = 96  # bytes of a row: document, unit, half, lengths, strata, and sorting them
_RANKED = 24  # bytes of a row, in each thread that sorts the strengths of an item
_PAIR = 56  # bytes of a pair that is held
_COPIES = 5  # of what is held, while the weakest are dropped
_HISTOGRAMS = 22_000_000  # bytes of the two histograms of p
_ROUGH = 4  # tables of rough moments, of 4 bytes a pair
_TABLES = 6  # tables of items by strata, of 4 bytes: counts of both halves, and what multiplies to moments
_SPARSE = 48  # bytes of an entry where strata are many: two sparse matrices, and making them
WHAT, INSTEAD = "this correlation", "take a sample (--sample)"


def reserve(
    shelf: Shelf, rows: Rows, left: int, right: int, *, two: bool = False, picked: int | None = None
) -> None:
    """Reserve what is needed beside the shelf, before the first array is put there.

    Parameters
    ----------
    shelf : Shelf
        Empty yet.
    rows : Rows
        What is counted.
    left, right : int
        Items of each side at most; none on the right where a number is correlated, not pairs.
    two : bool
        Whether the items on the right are others than those on the left.
    picked : int, optional
        How many of the left ones are paired, if not all.

    Raises
    ------
    InputError
        If the bound was asked for, and one thread does not fit.
    """
    strata = Strata.of(rows.stratum)
    tables = (left + (right if two else 0)) * len(strata.size) if strata.few else 0
    paired = left if picked is None else picked
    fixed = _fixed(len(rows), paired * right, tables)
    shelf.reserve(fixed + (_thread(paired, right) if right else _RANKED * len(rows)), WHAT, INSTEAD)


def threads_for(shelf: Shelf, left: Items, right: Items | None, strata: Strata) -> int:
    """Reserve what counting pairs needs beside what is on the shelf; return how many threads may do it.

    Raises
    ------
    InputError
        If the bound was asked for, and one thread does not fit.
    """
    other = left if right is None else right
    sides = [left] if right is None else [left, right]
    tables = sum(len(side) for side in sides) * len(strata.size) if strata.few else 0
    fixed = _fixed(len(strata.code), len(left) * len(other), tables)
    if not strata.few:
        fixed += _SPARSE * sum(len(side.row) for side in sides)
    thread = _thread(len(left), len(other))
    shelf.reserve(fixed + thread, WHAT, INSTEAD)
    more = (shelf.left - 4 * len(other.row)) // thread  # the items of each row come next
    threads = int(np.clip(1 + more, 1, os.cpu_count() or 1))
    shelf.reserve(fixed + threads * thread, WHAT, INSTEAD)
    return threads


def threads_beside(shelf: Shelf, left: Items, right: Items | None, strata: Strata) -> int:
    """Return how many threads may count pairs of some more items, at least one: it is late to refuse."""
    other = left if right is None else right
    fixed = _fixed(len(strata.code), len(left) * len(other), 0)
    return _within((shelf.unused - fixed) // _thread(len(left), len(other)))


def threads_for_ranks(shelf: Shelf, rows: int) -> int:
    """Return how many threads may correlate items with a number, at least one."""
    return _within(shelf.unused // (_RANKED * max(rows, 1)))


def _within(threads: int) -> int:
    return int(np.clip(threads, 1, os.cpu_count() or 1))


def _fixed(rows: int, pairs: int, tables: int) -> int:
    held = _HISTOGRAMS + _PAIR * _COPIES * min(2 * KEEP, pairs) if pairs else 0
    return _ROW * rows + held + 4 * _TABLES * tables


def _thread(left: int, right: int) -> int:
    return STANDING * (right + SPARE) + 4 * _ROUGH * min(BLOCK + right, left * right)
