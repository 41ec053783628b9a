"""The two sides of each pair: features of one corpus, of two, or values of a column.

Not for: what is counted of them (:mod:`saetext.analysis.cooccurrence.pairs`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.asked import Target, nothing_to
from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.items import Items, value_items
from saetext.analysis.cooccurrence.pairs import Paired
from saetext.analysis.cooccurrence.tables import Side
from saetext.errors import InputError


def require_features(context: Context, left: Items, only: NDArray[np.bool_] | None, notes: list[str]) -> None:
    """Refuse a left side without features, and note which of those asked for are missing.

    Raises
    ------
    InputError
        If no feature, or none of those asked for, has the support.
    """
    n, support, labels = len(context.rows), context.support, context.labels[0]
    if only is not None:
        asked = np.flatnonzero(only)
        if not np.isin(asked, left.name).any():
            raise InputError(nothing_to(only, labels, support, n))
        absent = np.setdiff1d(asked, left.name)
        if len(absent):
            listed = ", ".join(f"{f} ({labels.label(f)})" for f in absent[:5].tolist())
            notes.append(f"too rare to be paired, or in every document: {listed}")
    if not len(left):
        raise InputError(
            f"no feature is present in {support:,} or more of the {n:,} documents and absent from "
            "some; use more documents, or a smaller --min-support"
        )


def sides_of(context: Context, left: Items, target: Target | None, only: NDArray[np.bool_] | None) -> Paired:
    """Return both sides: the left features, and what they are paired with.

    Raises
    ------
    InputError
        If nothing on the right has the support.
    """
    labels = context.labels
    first = Side(labels[0], left.name)
    if context.across:
        right, _, _ = context.features(1, None)
        if not len(right):
            raise InputError(f"no feature of {context.names[1]} is present in {context.support:,} documents")
        return Paired(left, right, None, [first, Side(labels[1], right.name)])
    if target is not None:
        right = _values(context, target)
        named = tuple(f"{context.request.column} = {target.values[v]}" for v in right.name)
        return Paired(left, right, None, [first, Side(None, right.name, named)])
    if only is not None:
        some = left.picked(only[left.name])
        place_of = {int(name): i for i, name in enumerate(some.name)}
        back = np.array([place_of.get(int(name), -1) for name in left.name], np.int32)
        return Paired(some, left, back, [Side(labels[0], some.name), Side(labels[0], left.name)])
    return Paired(left, None, None, [first, first])


def _values(context: Context, target: Target) -> Items:
    """Return the values of a column with support, without the other of two."""
    least, column = max(context.support, context.request.min_joint), context.request.column
    right = value_items(target.code[context.rows.take[0]], least)
    if target.drop is not None:
        right = right.picked(right.name != target.drop)
    if len(right):
        return right
    if target.drop is not None:
        raise InputError(
            f"{column} = {target.values[1 - target.drop]!r} occurs in fewer than "
            f"{least:,} documents, so nothing can be said about it"
        )
    raise InputError(
        f"no value of {column} occurs in {least:,} or more documents"
        + (
            "; dates are read as categories: choose a column with fewer values, or a number"
            if target.dated
            else ""
        )
    )
