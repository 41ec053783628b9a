"""Which documents a condition picks, from columns that are kept in memory, so that each is read once.

Not for: the syntax of conditions (:mod:`saetext.corpus.where`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.corpus.selecting import rows_where
from saetext.corpus.where import parse_where
from saetext.report.explore.kept import Kept

if TYPE_CHECKING:
    import polars as pl

_LONG = ("text", "prompt")  # columns that are read where they lie
_ROOM = 512 * 2**20  # bytes of columns that are kept
_columns: Kept[pl.Series] = Kept(48, room=_ROOM, size=lambda column: int(column.estimated_size()))


def column_of(corpus: Corpus, name: str) -> pl.Series:
    """Return a column of a whole corpus, read once; texts that repeat are held once."""
    import polars as pl

    whole = corpus.whole

    def read() -> pl.Series:
        column = whole.documents.select(pl.col(name)).collect()[name]
        whole.give_back_pages()
        return column.rechunk()

    return _columns.get((whole.path, whole.manifest.fingerprint, name), read)


def view_of(corpus: Corpus, where: str) -> Corpus:
    """Return the view of the documents of a whole corpus for which a condition is true.

    Raises
    ------
    InputError
        If it names unknown columns or is no condition.
    """
    import polars as pl

    condition = parse_where(where, corpus.documents.collect_schema())
    names = condition.meta.root_names()
    if set(names) & set(_LONG):
        return corpus.select(condition)
    frame = pl.DataFrame([column_of(corpus, name) for name in dict.fromkeys([*names, "row"])])
    rows: NDArray[np.int64] = rows_where(condition, frame.lazy())
    return corpus.select(rows)
