"""The table of what changed: a row a cluster, its share in each set or bin side by side. Not for: tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.stats.shares import SetShares, Trends

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]

#: Columns of sets that were compared, in this order.
COMPARED = (
    "cluster", "name", "set", "change", "ci_low", "ci_high", "p", "q", "only_in", "copies", "copied_in",
    "change_once", "q_once", "counts", "shares",
)  # fmt: skip
#: Columns of one corpus over time, in this order.
OVER = (
    "cluster", "name", "trend", "ci_low", "ci_high", "p", "q", "peak", "peak_share", "peak_q", "counts",
    "shares",
)  # fmt: skip


def changes_table(
    clusters: Sequence[int],
    names: Sequence[str | None],
    sets: Sequence[str],
    counts: NDArray[Any],
    shares: Floats,
    found: SetShares,
    q: Floats,
    *,
    only_in: Sequence[str | None],
    copies: Sequence[tuple[int, str | None]],
    once: tuple[SetShares, Floats] | None,
) -> pl.DataFrame:
    """Return the table of sets that were compared, what changed most surely first, no cluster last."""
    import polars as pl

    k = len(clusters)
    table = pl.DataFrame(
        {
            "cluster": pl.Series(clusters, dtype=pl.Int32),
            "name": pl.Series(names, dtype=pl.String),
            "set": pl.Series([sets[i] for i in found.set.tolist()], dtype=pl.String),
            "change": found.change, "ci_low": found.low, "ci_high": found.high, "p": found.p, "q": q,
            "only_in": pl.Series(only_in, dtype=pl.String),
            "copies": pl.Series([number for number, _ in copies], dtype=pl.Int64),
            "copied_in": pl.Series([where for _, where in copies], dtype=pl.String),
            "change_once": pl.Series([None] * k if once is None else once[0].change, dtype=pl.Float64),
            "q_once": pl.Series([None] * k if once is None else once[1], dtype=pl.Float64),
            "counts": _by_name(sets, counts, pl.Int64),
            "shares": _by_name(sets, shares, pl.Float64),
        }
    ).select(COMPARED)  # fmt: skip
    return _sorted(table, "change")


def over_table(
    clusters: Sequence[int],
    names: Sequence[str | None],
    bins: Sequence[str],
    counts: NDArray[Any],
    shares: Floats,
    found: Trends,
    q: Floats,
    peak: SetShares,
    peak_q: Floats,
) -> pl.DataFrame:
    """Return the table of clusters over time, the surest trend first, no cluster last."""
    import polars as pl

    at = np.arange(len(clusters))
    table = pl.DataFrame(
        {
            "cluster": pl.Series(clusters, dtype=pl.Int32),
            "name": pl.Series(names, dtype=pl.String),
            "trend": found.change, "ci_low": found.low, "ci_high": found.high, "p": found.p, "q": q,
            "peak": pl.Series([bins[i] for i in peak.set.tolist()], dtype=pl.String),
            "peak_share": shares[at, peak.set],
            "peak_q": peak_q,
            "counts": _by_name(bins, counts, pl.Int64),
            "shares": _by_name(bins, shares, pl.Float64),
        }
    ).select(OVER)  # fmt: skip
    return _sorted(table, "trend")


def flat(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose counts and shares of each set or bin are columns: for CSV."""
    import polars as pl

    columns: list[pl.Series] = []
    for column in table:
        if isinstance(column.dtype, pl.Struct):
            what = "documents" if column.name == "counts" else "share"
            columns += [one.alias(f"{what} {one.name}") for one in column.struct.unnest()]
        else:
            columns.append(column)
    return pl.DataFrame(columns)


def _by_name(names: Sequence[str], values: NDArray[Any], kind: Any) -> pl.Series:
    import polars as pl

    columns = [pl.Series(name, values[:, i], dtype=kind) for i, name in enumerate(names)]
    return pl.DataFrame(columns).to_struct()


def _sorted(table: pl.DataFrame, change: str) -> pl.DataFrame:
    import polars as pl

    return table.sort(pl.col("cluster") == 0, pl.col("q") >= 0.05, -pl.col(change).abs(), "cluster")
