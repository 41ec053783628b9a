"""Bins of documents that are alike in length or in a column, for comparisons within them.

Not for: the comparison, see :mod:`saetext.stats.stratified`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import keys, require_column
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError

MOST = 20  # bins of a number
ROWS = 20  # documents a bin should have
VALUES = 50  # values of a category that are told apart; rarer ones share a bin
MOST_BINS = 500  # of columns crossed; their counts are held for every feature
LEAST_OVERLAP = 0.2  # share of rows in bins that hold both sets, below which nothing can be separated
_BALANCE = 0.05  # a bin holds both sets if neither's share of it (sets taken as equally large) is below


def bins(
    values: NDArray[np.float64], live: NDArray[np.bool_], most_bins: int = MOST, rows: int = ROWS
) -> NDArray[np.int32]:
    """Return int32[n]: the quantile bin of each row, at most 20 and with about 20 live rows or more each
    (or what ``most_bins`` and ``rows`` say).

    Equal values share a bin; missing values (NaN) have one of their own.
    """
    known = live & ~np.isnan(values)
    code = np.zeros(len(values), np.int32)
    if known.any():
        most = int(np.clip(known.sum() // rows, 1, most_bins))
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, most + 1)[1:-1], method="higher"))
        edges = edges[edges > values[known].min()]
        code = np.searchsorted(edges, values, side="right").astype(np.int32)
    missing = np.isnan(values)
    if missing.any():
        code[missing] = code[~missing].max(initial=-1) + 1
    return code


def column_bins(
    sets: Sequence[CorpusLike], names: Sequence[str], column: str, live: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return int32[n]: numbers with many values in quantile bins, anything else by value.

    Raises
    ------
    InputError
        If a set lacks the column, or it holds lists.
    """
    import polars as pl

    for name, corpus in zip(names, sets, strict=True):
        require_column(corpus, column, name)
    kinds = [corpus.documents.collect_schema()[column] for corpus in sets]
    code = np.concatenate(keys(sets, column))
    distinct = np.unique(code[live & (code >= 0)])
    if all(kind.is_numeric() for kind in kinds) and len(distinct) > MOST:
        columns = [c.documents.select(pl.col(column).cast(pl.Float64)).collect()[column] for c in sets]
        return bins(np.concatenate([c.fill_null(float("nan")).to_numpy() for c in columns]), live)
    if len(distinct) <= 1:
        raise InputError(f"every row has the same {column}, so there is nothing to control for")
    size = np.bincount(code[live & (code >= 0)], minlength=int(code.max(initial=-1)) + 1)
    rank = np.empty(len(size), np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    told = np.where(code >= 0, np.minimum(rank[code], VALUES), VALUES + 1)
    return np.unique(told, return_inverse=True)[1].astype(np.int32)


def crossed(first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the bins of both: rows share one if they share both."""
    code = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
    return np.unique(code, return_inverse=True)[1].astype(np.int32)


def overlap(code: NDArray[np.int32], side: NDArray[np.int8]) -> float:
    """Return the share of rows in bins that hold both sets, each taken as equally large."""
    size = int(code.max(initial=-1)) + 1
    a, b = (np.bincount(code[side == s], minlength=size) for s in (0, 1))
    return overlap_of(a, b)


def overlap_of(rows_a: NDArray[np.int64], rows_b: NDArray[np.int64]) -> float:
    """As :func:`overlap`, from the rows of each set in each bin."""
    a, b, size = rows_a.astype(np.float64), rows_b.astype(np.float64), len(rows_a)
    if not a.sum() or not b.sum():
        return 0.0
    share_a, share_b = a / a.sum(), b / b.sum()
    total = share_a + share_b
    part = np.divide(np.minimum(share_a, share_b), total, out=np.zeros(size), where=total > 0)
    shared = part >= _BALANCE
    return float((a + b)[shared].sum() / (a + b).sum())
