"""Which features are strongest in examples of one kind more often than in others.

Not for: which features there are (:mod:`saetext.intervene.expression.matrix`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.stats import benjamini_hochberg, fisher_exact_p
from saetext.text.one_line import quoted

LEAST = 2  # examples of a value
_MOST_VALUES = 100
COLUMNS = {
    "feature": pl.Int64,
    "value": pl.String,
    "n": pl.Int64,
    "of": pl.Int64,
    "n_rest": pl.Int64,
    "of_rest": pl.Int64,
    "p": pl.Float64,
    "q": pl.Float64,
}


def enrichment(
    features: Sequence[int], top: NDArray[np.bool_], values: Sequence[object], column: str
) -> pl.DataFrame:
    """Return a row for each feature and value: Fisher's exact test, with Benjamini and Hochberg over all.

    Parameters
    ----------
    features : sequence of int
    top : bool[features, examples]
        Whether the feature is among the strongest of the example.
    values : sequence
        The column's value of each example; None is no value.
    column : str
        Its name, for messages.

    Returns
    -------
    polars.DataFrame
        Columns :data:`COLUMNS`: in ``n`` of the ``of`` examples with the value and in ``n_rest`` of the
        ``of_rest`` others, the most certain first.

    Raises
    ------
    InputError
        If fewer than two values have two examples, or there are more than 100.
    """
    names = np.array(["" if value is None else str(value) for value in values], object)
    known = np.array([value is not None for value in values])
    kinds = [kind for kind in dict.fromkeys(names[known].tolist()) if (names == kind).sum() >= LEAST]
    if len(kinds) < 2 or len(kinds) > _MOST_VALUES:
        raise InputError(
            f"column {quoted(column)} has {len(kinds):,} values with {LEAST} examples or more; name one that "
            f"has 2 to {_MOST_VALUES}"
        )
    tables = []
    for kind in sorted(kinds):
        with_it = (names == kind) & known
        rest = known & ~with_it
        counts = {"n": top[:, with_it].sum(axis=1), "n_rest": top[:, rest].sum(axis=1)}
        sizes = {"of": np.full(len(features), with_it.sum()), "of_rest": np.full(len(features), rest.sum())}
        p = fisher_exact_p(counts["n"], sizes["of"], counts["n_rest"], sizes["of_rest"])
        columns = {"feature": list(features), "value": [kind] * len(features), **counts, **sizes, "p": p}
        tables.append(pl.DataFrame(columns))
    whole = pl.concat(tables)
    whole = whole.with_columns(q=pl.Series(benjamini_hochberg(whole["p"].to_numpy())))
    return whole.select([pl.col(name).cast(kind) for name, kind in COLUMNS.items()]).sort(
        ["q", "p", "feature", "value"]
    )


def enriched(tests: pl.DataFrame, alpha: float = 0.05) -> dict[int, tuple[str, float]]:
    """Return feature -> the value in which it is strongest more often, and its q, where q < alpha."""
    over = pl.col("n") * pl.col("of_rest") > pl.col("n_rest") * pl.col("of")
    found = tests.filter(over & (pl.col("q") < alpha)).sort(["q", "p"])
    best: dict[int, tuple[str, float]] = {}
    for row in found.to_dicts():
        best.setdefault(row["feature"], (row["value"], row["q"]))
    return best
