"""The documents' table: fixed columns, and the user's metadata as one struct whose types come from its rows.

Each shard has its own metadata types, taken from its rows alone, so that shards can be written one by one;
the manifest holds the types that fit all of them. Not for: files (shard.py) or reading a corpus (frame.py).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from saetext.errors import InputError

META_TYPES: dict[str, pa.DataType] = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "datetime_utc": pa.timestamp("us", "UTC"),
}
_NAMES = {kind: name for name, kind in META_TYPES.items()}
_INT32_LIST = pa.list_(pa.field("item", pa.int32(), nullable=False))
DOCS_FIELDS = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("text", pa.string()),
    pa.field("prompt", pa.string()),
    pa.field("n_tokens", pa.int32(), nullable=False),
    pa.field("n_unknown", pa.int32(), nullable=False),
    pa.field("token_start", _INT32_LIST, nullable=False),
    pa.field("token_end", _INT32_LIST, nullable=False),
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def docs_table(
    ids: Sequence[str],
    texts: Sequence[str | None],
    prompts: Sequence[str | None],
    n_tokens: Sequence[int] | np.ndarray,
    n_unknown: Sequence[int] | np.ndarray,
    token_start: Sequence[Sequence[int] | np.ndarray],
    token_end: Sequence[Sequence[int] | np.ndarray],
    metas: Sequence[Mapping[str, Any]],
) -> pa.Table:
    """Build the documents' table of one shard.

    Parameters
    ----------
    ids, texts, prompts : sequences of str
        One per document; text and prompt may be None.
    n_tokens, n_unknown : sequences of int
        Counted tokens, and those of them the tokenizer does not know.
    token_start, token_end : sequences of int sequences
        First code point of each counted token in the text, and one past its last.
    metas : sequence of mappings
        The user's columns. A column of whole numbers and fractions becomes float, other mixtures become
        strings; lists and records become JSON strings; missing values become null.

    Raises
    ------
    InputError
        If a text, prompt or id cannot be stored as UTF-8.
    """
    columns = [
        _strings(ids, "id"),
        _strings(texts, "text"),
        _strings(prompts, "prompt"),
        pa.array(np.asarray(n_tokens, np.int32)),
        pa.array(np.asarray(n_unknown, np.int32)),
        _int_lists(token_start),
        _int_lists(token_end),
        _meta(metas),
    ]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"columns of different lengths: {[len(column) for column in columns]}")
    return pa.table(columns, schema=_schema(columns[-1].type))


def conform(docs: pa.Table, *, stores_text: bool) -> pa.RecordBatch:
    """Return the table as one record batch of exactly the stored types, without texts if they are not wanted.

    Raises
    ------
    ValueError
        If a column is missing, a list is null, or a metadata column is of a nested type.
    InputError
        If a column does not fit one Arrow array (2 GB of text).
    """
    meta = _one_chunk(docs.column("meta"), "meta")
    children = [child.cast(meta_type(child.type)) for child in meta.flatten()]
    fields = [pa.field(f.name, c.type) for f, c in zip(meta.type, children, strict=True)]
    struct = (
        pa.StructArray.from_arrays(children, fields=fields)
        if fields
        else pa.array([{}] * docs.num_rows, pa.struct([]))
    )
    columns: list[pa.Array] = []
    for field in DOCS_FIELDS:
        if field.name in ("text", "prompt") and not stores_text:
            columns.append(pa.nulls(docs.num_rows, field.type))
            continue
        column = _one_chunk(docs.column(field.name), field.name).cast(field.type)
        if column.null_count and not field.nullable:
            raise ValueError(f"column {field.name} of a shard has {column.null_count} nulls")
        columns.append(column)
    return pa.RecordBatch.from_arrays([*columns, struct], schema=_schema(struct.type))


def meta_type(kind: pa.DataType) -> pa.DataType:
    """Return the stored type that an Arrow type becomes; ValueError for a nested or binary one."""
    if kind in _NAMES:
        return kind
    if pa.types.is_integer(kind):
        return pa.float64() if kind == pa.uint64() else pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_dictionary(kind):
        return meta_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_date(kind):
        return pa.date32()
    if pa.types.is_timestamp(kind):
        return META_TYPES["datetime_utc" if kind.tz else "datetime"]
    raise ValueError(f"metadata of type {kind} cannot be stored; build the table with docs_table")


def meta_types(batch: pa.RecordBatch) -> dict[str, str]:
    """Return the names of the metadata types of a stored batch, in order."""
    return {field.name: _NAMES[field.type] for field in batch.schema.field("meta").type}


def unify(shards: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the type that fits every shard, for each metadata column, in the order of first sight."""
    kinds: dict[str, set[str]] = {}
    for shard in shards:
        for name, kind in shard.items():
            kinds.setdefault(name, set()).add(kind)
    return {name: _common(found) for name, found in kinds.items()}


def _schema(meta: pa.DataType) -> pa.Schema:
    return pa.schema([*DOCS_FIELDS, pa.field("meta", meta, nullable=False)])


def _common(kinds: set[str]) -> str:
    kinds = kinds - {"null"}
    if len(kinds) <= 1:
        return next(iter(kinds), "null")
    return "float" if kinds == {"int", "float"} else "string"


def _one_chunk(column: pa.ChunkedArray | pa.Array, name: str) -> pa.Array:
    """Return one array; pyarrow makes several of what does not fit one, and cannot join them again."""
    try:
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    except pa.ArrowInvalid as error:
        raise InputError(
            f"column {name} is too large for one shard (over 2 GB); use smaller shards"
        ) from error


def _strings(values: Sequence[str | None], name: str) -> pa.Array:
    try:
        array = pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise InputError(f"a document's {name} has lone surrogates, which UTF-8 cannot hold") from error
    return _one_chunk(array, name)


def _int_lists(values: Sequence[Sequence[int] | np.ndarray]) -> pa.Array:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(v) for v in values], out=offsets[1:])
    parts = [np.asarray(v, np.int32) for v in values]
    flat = np.concatenate(parts) if parts else np.empty(0, np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), type=_INT32_LIST)


def _meta(metas: Sequence[Mapping[str, Any]]) -> pa.StructArray:
    columns: dict[str, list[Any]] = {}
    for row, meta in enumerate(metas):
        for key, value in meta.items():
            column = columns.setdefault(_clean(str(key)), [])
            column.extend([None] * (row - len(column)))
            if len(column) == row:  # two keys may read the same as text; the first one counts
                column.append(value.item() if isinstance(value, np.generic) else value)
    if not columns:
        return pa.array([{}] * len(metas), pa.struct([]))
    arrays = [_column(values + [None] * (len(metas) - len(values))) for values in columns.values()]
    return pa.StructArray.from_arrays(arrays, list(columns))


def _column(values: list[Any]) -> pa.Array:
    kind = _common({_kind(value) for value in values})
    if kind == "string":
        values = [None if v is None else _clean(_as_text(v)) for v in values]
    elif kind == "float":
        values = [None if v is None else float(v) for v in values]
    return _one_chunk(pa.array(values, META_TYPES[kind]), "of metadata")


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int" if -(2**63) <= value < 2**63 else "string"
        case float() | Decimal():
            return "float"
        case dt.datetime():  # before date, which it is a kind of
            return "datetime" if value.utcoffset() is None else "datetime_utc"
        case dt.date():
            return "date"
        case _:
            return "string"


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Mapping() | list() | tuple() | set() | frozenset() | np.ndarray():
            try:
                return json.dumps(value, ensure_ascii=False, default=_plain)
            except (TypeError, ValueError, RecursionError):  # keys that are no strings, circles
                return str(value)
        case _:
            return str(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value, key=str)  # a set's own order changes from run to run
        case np.ndarray() | np.generic():
            return value.tolist()
        case dt.date() | dt.time():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "replace")
        case Decimal():
            return float(value)
        case _:
            return str(value)


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
