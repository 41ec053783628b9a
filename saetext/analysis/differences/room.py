"""How much of a diff may be in memory at once, within a bound: entries in parts, and threads.

Counted are the arrays that grow with the corpus: by row, by feature, by entry, and those of each thread. Not
for: texts, of which a sample of 20,000 is looked at, and tables of results.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import BUDGET, ENTRY
from saetext.analysis.differences.testing import Adjusting
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.memory import Bound

_ROW = 64  # bytes of a row: set, side, half, unit, length twice, bins, and sorting them
_SORTED = 24  # bytes of an entry of the feature that a thread is at, while its ranks are made
_UNIT = 24  # bytes of a unit, in each thread
_READ = 40  # bytes of an entry of the shard that is read
_COUNT = 8  # bytes of a count
_COUNTS = 48  # of each feature and of the table's columns, beside those by bin
_MODEL = 200  # bytes of a row in the models of an outcome: covariates, residuals, of both halves
_BLOCKS = 8  # of a thread, while effects are estimated
INSTEAD = "take a sample (--sample)"


@dataclass(frozen=True)
class Room:
    """How many entries are in memory at once where they come in parts, and how many threads count."""

    entries: int
    threads: int | None = None


ROOMY = Room(BUDGET)


def room_for(
    bound: Bound, design: Design, counts: Ints, length: Adjusting, control: Adjusting, shard: int = 0
) -> Room:
    """Return the room that a bound leaves.

    Parameters
    ----------
    bound : Bound
        What was asked for, or a share of what is free.
    design : Design
        Rows and units.
    counts : int64[F]
        Entries of each feature.
    length, control : Adjusting
        Bins by which features are counted.
    shard : int
        Rows of the largest shard, which are read at once.

    Raises
    ------
    InputError
        If the bound was asked for, and the entries of the most frequent feature do not fit.
    """
    bins = length.rows.shape[1] + control.rows.shape[1]
    rows = len(design.side)
    fixed = _ROW * rows + _COUNT * (_COUNTS + 2 * bins) * len(counts) + _read(counts, rows, shard)
    most = int(counts.max(initial=0))
    thread = _SORTED * most + _UNIT * design.n_units
    bound.require(fixed + thread + ENTRY * most, "this comparison", INSTEAD)
    left = max(bound.bytes - fixed, 0)
    # threads first, up to half of it: parts cost a pass over the corpus each, but may lie in a file
    threads = max(1, min(os.cpu_count() or 1, left // 2 // max(thread, 1)))
    return Room(max(most, (left - threads * thread) // ENTRY, 1), threads)


def room_for_models(bound: Bound, rows: int, compared: int, counts: Ints, cells: int, shard: int = 0) -> Room:
    """Return the room for models of an outcome: each thread has some blocks of ``cells`` numbers.

    Parameters
    ----------
    bound : Bound
        See :func:`room_for`, which raises alike.
    rows, compared : int
        All rows, and those that are compared.
    counts : int64[F]
        Entries of each feature.
    cells : int
        Numbers of a block, at least one for each row compared.
    shard : int
        See :func:`room_for`.
    """
    fixed = (_ROW + _MODEL) * rows + _COUNT * _COUNTS * len(counts) + _read(counts, rows, shard)
    most = int(counts.max(initial=0))
    thread = _COUNT * _BLOCKS * max(cells, compared)
    bound.require(fixed + thread + ENTRY * most, "this comparison", INSTEAD)
    left = max(bound.bytes - fixed, 0)
    threads = max(1, min(os.cpu_count() or 1, left // 2 // thread))
    return Room(max(most, (left - threads * thread) // ENTRY, 1), threads)


def largest_shard(sets: Sequence[CorpusLike]) -> int:
    """Return the rows of the largest shard; 0 for corpora that are not in shards."""
    found = [getattr(corpus, "manifest", None) for corpus in sets]
    return max((entry.rows for one in found if one is not None for entry in one.shards), default=0)


def _read(counts: Ints, rows: int, shard: int) -> int:
    """Return about how many bytes reading a shard takes."""
    return _READ * min(shard, rows) * (int(counts.sum()) // max(rows, 1) + 1)
