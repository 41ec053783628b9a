"""Polars frames for users of other libraries. Not for: tables on disk."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def as_pandas(frame: pl.DataFrame) -> Any:
    """Return a Polars frame as a ``pandas.DataFrame`` with the same columns; lists become arrays.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    if find_spec("pandas") is None:  # Polars says at length what it lacks
        raise InputError("pandas is not installed: 'pip install pandas', or use the Polars frame")
    return frame.to_pandas()
