"""A corpus for each column of one file of texts: two answers in one row. Not for: comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saetext.analysis.differences.request import DiffRequest
from saetext.encoding.opening import as_corpora
from saetext.errors import InputError


def columns_of(sets: Sequence[Any], columns: str | Sequence[str], **settings: Any) -> list[Any]:
    """Return a corpus for each of the columns of one file of texts, or of texts in memory.

    Parameters
    ----------
    sets : sequence
        The file, alone.
    columns : sequence of str
        Columns or paths.
    **settings
        As for :func:`saetext.encoding.opening.as_corpora`.

    Raises
    ------
    InputError
        If there is more than one file, or it is a corpus already.
    """
    if len(sets) != 1:
        raise InputError(f"columns are those of one file of texts, and {len(sets)} were given")
    return [as_corpora(sets, part=name, **{**settings, "text": name})[0] for name in columns]


def by_rows(request: DiffRequest) -> DiffRequest:
    """Return the request for the columns' corpora: called by the columns, paired row by row."""
    columns = request.columns
    pair_on = "id" if request.pair_on is None else request.pair_on
    return request.replace(columns=None, names=request.names or columns, pair_on=pair_on)
