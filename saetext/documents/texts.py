"""Whatever is given to a function -> the texts or documents in it.

:func:`texts_in` is for what must keep to its rows, such as those of a classifier's targets: nothing is
rejected, and what is no text is an error. :func:`documents_in` leaves out what cannot be read. Not for:
choosing columns (:func:`saetext.documents.open_documents`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa

from saetext.documents.memory import is_missing, open_in_memory, require_one_column
from saetext.documents.reading import BadRow, kind_of
from saetext.documents.record import Document, Reject
from saetext.documents.rejects import nothing_readable
from saetext.documents.source import DocumentSource, open_documents
from saetext.errors import InputError


def texts_in(source: Any) -> list[str]:
    """Return the texts of a source, one a row.

    Parameters
    ----------
    source : list, iterable, array, series, or a frame or table with one column
        Of strings: Python's own, NumPy's, pandas', Polars', Arrow's or ``datasets``'. An array may have one
        column.

    Raises
    ------
    InputError
        If it is one text, has several columns, or something in it is no text.
    """
    if isinstance(source, str | bytes | bytearray | os.PathLike | Mapping):
        raise InputError(f"expected texts, a list or a series of them, not {_one(source)}")
    return [_text(value, at) for at, value in enumerate(_values(source))]


def is_frame(source: object) -> bool:
    """Return whether a source is a series, frame, array, table or dataset of another library."""
    return type(source).__module__.split(".")[0] in ("pandas", "polars", "pyarrow", "datasets", "numpy")


def _one(source: object) -> str:
    return "a single text: put it in a list" if isinstance(source, str) else kind_of(source)


def _values(source: Any) -> Iterable[Any]:
    if isinstance(source, np.ndarray):
        require_one_column(source.shape)
        return source.ravel().tolist()
    if isinstance(source, pa.Array | pa.ChunkedArray):
        return source.to_pylist()
    if hasattr(source, "iloc"):  # pandas: what its index is called is no column here
        require_one_column(source.shape)
        return (source if len(source.shape) == 1 else source.iloc[:, 0]).tolist()
    reader = open_in_memory(source)
    if reader is None:
        raise InputError(f"expected texts, a list or a series of them, not {kind_of(source)}")
    if reader.columns is None or reader.format == "list":
        # of an iterator its first is taken already, so it is gone on with
        return list(source) if reader.restartable else [_only(row) for _, row in reader.rows()]
    require_one_column((0, len(reader.columns)), reader.columns)
    return [_only(row) for _, row in reader.rows()]


def _only(row: Any) -> Any:
    if isinstance(row, BadRow):
        raise InputError(f"a row cannot be read: {row.detail}")
    return next(iter(row.values()))


def _text(value: Any, at: int) -> str:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"text {at} is not valid Unicode (undecodable bytes)") from error
        return str(value)  # NumPy's are a class of their own
    if is_missing(value):
        raise InputError(f"text {at} is missing: drop the row, or put '' in its place")
    raise InputError(f"text {at} is {kind_of(value)}; expected a string")


def documents_in(source: Any) -> Iterator[Document]:
    """Yield the documents of a source: documents as they are, of anything else what can be read in it.

    Parameters
    ----------
    source : iterable of Document, or what :func:`saetext.documents.open_documents` takes
        A path, a list of texts, a frame, a series, an Arrow table, a dataset, ...

    Raises
    ------
    InputError
        If nothing can be read in it.
    """
    first = None
    if isinstance(source, Iterator | list | tuple):
        seen = list(islice(source, 1))
        if not seen:
            return
        first = seen[0]
        source = chain(seen, source) if isinstance(source, Iterator) else source
    opened = isinstance(source, DocumentSource) or isinstance(first, Document | Reject)
    name = source.name if isinstance(source, DocumentSource) else "the source"
    rejects: Counter[str] = Counter()
    found = False
    for item in source if opened else open_documents(source):
        if isinstance(item, Document):
            found = True
            yield item
        else:
            rejects[item.reason] += 1
    if not found and rejects:
        raise nothing_readable(name, rejects)
