"""Polars frames for users of other libraries. Not for: tables on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return a Polars frame as a pandas frame with the same columns; lists become arrays.

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas  # noqa: F401  # Polars says at length what it lacks
    except ModuleNotFoundError:
        raise InputError("pandas is not installed: 'pip install pandas', or use the Polars frame") from None
    return frame.to_pandas()
