"""The tables of a diff: a row a finding, with labels and snippets. Not for: which rows or examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.findings import Findings, Rows
from saetext.analysis.differences.result import COLUMNS, Evidence
from saetext.corpus.protocol import Ints
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

#: What the numbers of a contrast are called where it is one set against several others.
_SEVERAL = {"n_a": "n", "rate_a": "rate", "rate_b": "rate_rest"}
_FIRST = ("n", "rate", "rate_rest", "diff", "ci_low", "ci_high", "diff_mean", "diff_max")
_OF_TWO = ("diff_mean", "diff_max")  # the difference itself
_OF_SEVERAL = ("n_b", "early_diff")


def illustrated(asked: Asked, rows: Rows, findings: Findings) -> Ints:
    """int64[n]: the features of the rows that have snippets, each once."""
    wanted = asked.request.snippets
    at = findings.at if wanted is True else findings.at[: int(wanted)]
    return np.array(list(dict.fromkeys(rows.columns["feature"][at].tolist())), np.int64)


def table_of(asked: Asked, rows: Rows, findings: Findings, evidence: Mapping[int, Evidence]) -> pl.DataFrame:
    """Return the table: the columns of ``result.COLUMNS``, or those of several sets."""
    import polars as pl

    numbers = {key: column[findings.at] for key, column in rows.columns.items()}
    feature, number = numbers.pop("feature"), numbers.pop("set")
    labels = [printable(asked.labels.label(f)) for f in feature.tolist()]
    labelled = {
        "feature": feature,
        "label": pl.Series(labels, dtype=pl.String),
        "label_score": pl.Series([asked.labels.score(f) for f in feature.tolist()], dtype=pl.Float32),
    }
    if asked.two:
        data = {
            **labelled,
            "group": findings.leaders,
            "snippet_a": _snippets(evidence, feature, np.zeros_like(number)),
            "snippet_b": _snippets(evidence, feature, np.ones_like(number)),
            **as_columns({key: column for key, column in numbers.items() if key not in _OF_TWO}),
        }
        return pl.DataFrame({key: data[key] for key in (*COLUMNS, *(k for k in data if k not in COLUMNS))})
    named = {_SEVERAL.get(key, key): column for key, column in numbers.items() if key not in _OF_SEVERAL}
    return pl.DataFrame(
        {
            **labelled,
            "set": pl.Series([asked.names[i] for i in number.tolist()], dtype=pl.String),
            **as_columns({key: named[key] for key in (*_FIRST, *(k for k in named if k not in _FIRST))}),
            "group": findings.leaders,
            "snippet": _snippets(evidence, feature, number),
        }
    )


def rates_of(asked: Asked, rows: Rows, table: pl.DataFrame) -> pl.DataFrame:
    """Return the features of a table, each once and in its order, with their rate in each set."""
    features = table.select("feature", "label").unique("feature", keep="first", maintain_order=True)
    rates = rows.rates[np.searchsorted(rows.features, features["feature"].to_numpy())]
    return features.with_columns(**{name: rates[:, i] for i, name in enumerate(asked.names)})


def as_columns(found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the numeric columns as Polars series: NaN is null, verdicts are text."""
    import polars as pl

    columns: dict[str, Any] = {}
    for name, column in found.items():
        if column.dtype == object:
            columns[name] = pl.Series(column.tolist(), dtype=pl.String)
        elif column.dtype.kind == "f":
            columns[name] = pl.Series(column).fill_nan(None)
        else:
            columns[name] = column
    return columns


def _snippets(evidence: Mapping[int, Evidence], features: Ints, number: Ints) -> pl.Series:
    import polars as pl

    pairs = zip(features.tolist(), number.tolist(), strict=True)
    shown = [evidence[feature][i] if feature in evidence else None for feature, i in pairs]
    return pl.Series([example and example.snippet.marked() for example in shown], dtype=pl.String)
