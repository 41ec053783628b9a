"""What pairs are asked for: the column that takes the place of b, and the features that words mean.

Not for: which rows are counted (:mod:`saetext.analysis.cooccurrence.rows`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import as_text, require_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels

FEW_VALUES = 2  # values of a number up to which it is a category

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """A column: the number of each document, or its values and the code of each; and who has none."""

    known: NDArray[np.bool_]
    number: Floats | None
    values: tuple[str, ...]
    code: Ints
    drop: int | None  # the other of two values
    dated: bool
    notes: tuple[str, ...]


def target_of(corpus: CorpusLike, column: str) -> Target:
    """Read a column.

    Raises
    ------
    InputError
        If it is missing, holds lists or has one value only.
    """
    import polars as pl

    require_column(corpus, column)
    dtype = corpus.documents.collect_schema()[column]
    notes: list[str] = []
    if dtype.is_numeric():
        values = corpus.documents.select(pl.col(column).cast(pl.Float64)).collect()[column]
        number = values.fill_null(float("nan")).to_numpy()
        fine = np.isfinite(number)
        distinct = np.unique(number[fine])
        if len(distinct) > FEW_VALUES:
            if not fine.all():
                notes.append(f"{int((~fine).sum()):,} documents without a {column} were left out")
            return Target(
                fine, np.where(fine, number, 0.0), (), np.empty(0, np.int64), None, False, tuple(notes)
            )
    if dtype == pl.Duration:
        raise InputError(f"column {column!r} of {corpus.path} is {dtype}; choose one of text or numbers")
    known_values = as_text(corpus, column)
    if dtype.is_float():
        known_values = pl.when(pl.col(column).is_finite()).then(known_values)
    text = corpus.documents.select(known_values.alias("value")).collect()["value"]
    if dtype.is_float():
        text = text.str.strip_suffix(".0")
    counts = text.drop_nulls().value_counts(sort=True).sort(["count", "value"], descending=[True, False])
    if counts.height < 2:
        had = f"only {counts['value'][0]!r}" if counts.height else "no value"
        raise InputError(f"{column} of {corpus.path} has {had}, so nothing can go with it")
    names = counts["value"].to_list()
    place_of = {value: at for at, value in enumerate(names)}
    code = np.array([-1 if value is None else place_of[value] for value in text.to_list()], np.int64)
    known = code >= 0
    if not known.all():
        notes.append(f"{int((~known).sum()):,} documents without a {column} were left out")
    drop = None
    if len(names) == 2:
        # what one value attracts the other avoids
        drop = place_of["false"] if set(names) == {"true", "false"} else 0
        notes.append(
            f"{column} has two values, so pairs are with {names[1 - drop]!r} alone: what goes with it avoids "
            f"{names[drop]!r}"
        )
    return Target(known, None, tuple(names), code, drop, dtype.is_temporal(), tuple(notes))


def wanted(
    to: int | str | Sequence[int] | None, labels: FeatureLabels, d_sae: int
) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """Return bool[d_sae], the features that ``to`` means, and what was understood."""
    if to is None:
        return None, []
    notes: list[str] = []
    if isinstance(to, str) and not (to.strip().isascii() and to.strip().isdecimal()):
        from saetext.features.label_index import LabelIndex
        from saetext.features.similarity import named

        index = LabelIndex(labels)
        matches = named(index, to)
        if not matches.found:
            best = matches.nearest
            near = f"; the nearest is {labels.label(best.feature)!r} ({best.feature})" if best else ""
            raise InputError(f"no feature's label is like {to!r}{near}; name features by number")
        picked = [m.feature for m in matches.found]
        notes += index.notes
        listed = "; ".join(f"{f} {labels.label(f)}" for f in picked)
        notes.append(f"{to!r} was taken to mean: {listed}")
    else:
        picked = [int(to)] if isinstance(to, str | int | Integral) else [int(f) for f in to]
    for feature in picked:
        if not 0 <= feature < d_sae:
            raise InputError(f"there is no feature {feature}; there are 0 to {d_sae - 1}")
    if not picked:
        raise InputError("no feature was named")
    only = np.zeros(d_sae, bool)
    only[picked] = True
    return only, notes


def told_to(only: NDArray[np.bool_] | None) -> list[int] | None:
    """Return the numbers of the features that were asked for."""
    return None if only is None else np.flatnonzero(only).tolist()


def nothing_to(only: NDArray[np.bool_], labels: FeatureLabels, support: int, n: int) -> str:
    """Say why none of the features that were asked for can be paired."""
    listed = "; ".join(f"{f} ({labels.label(f)})" for f in np.flatnonzero(only)[:5].tolist())
    return f"{listed}: present in fewer than {support:,} of the {n:,} documents, or in all of them"
