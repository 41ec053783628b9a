"""A result as JSON, CSV or Parquet. Not for: the terminal (:mod:`saetext.report.console.reading`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.io.csv_text import csv_of
from saetext.io.files import atomic_path, write_atomic, writing
from saetext.io.strict_json import dumps

if TYPE_CHECKING:
    from saetext.analysis.base import Result, Source


def to_json(result: Result) -> str:
    """Return ``{"kind", "params", "metrics", "rows"}`` as strict JSON in one line.

    Row keys are the columns of the table. Lists beside the table (:meth:`Result.lists`) come before it. NaN
    and infinities become null; text stays Unicode. The corpora the result came from are in
    ``params["sources"]``.
    """
    return dumps(as_object(result))


def as_object(result: Result) -> dict[str, Any]:
    """Return what :func:`to_json` writes, before it is JSON."""
    sources = [_known(source) for source in result.sources]
    return {
        "kind": result.kind,
        "params": {**result.params, "sources": sources},
        "metrics": result.metrics,
        **{name: table.to_dicts() for name, table in result.lists().items()},
        "rows": result.table.to_dicts(),
    }


def to_csv(result: Result, *, raw: bool = False) -> str:
    """Return the table as CSV; see :func:`saetext.io.csv_text.csv_of` on formulas, which ``raw`` keeps."""
    return csv_of(result.table, raw=raw)


def to_parquet(result: Result, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the table as Parquet with kind, params and metrics as JSON in the file's metadata.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    import pyarrow.parquet as pq

    about = {
        f"saetext.{key}": dumps(value)
        for key, value in (("kind", result.kind), ("params", result.params), ("metrics", result.metrics))
    }
    table = result.table.to_arrow()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **about})
    return atomically(Path(path), lambda beside: pq.write_table(table, beside), overwrite)


def write_text(path: str | Path, text: str, *, overwrite: bool = False) -> Path:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all, and return the path.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    path = _free(Path(path), overwrite)
    with writing(path, InputError):
        write_atomic(path, text.encode())
    return path


def atomically(path: Path, write: Callable[[Path], object], overwrite: bool) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then move it into place, and return ``path``.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    _free(path, overwrite)
    with writing(path, InputError), atomic_path(path) as beside:
        write(beside)
    return path


def _free(path: Path, overwrite: bool) -> Path:
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a directory; name a file in it")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already; choose another name or allow overwriting")
    return path


def _known(source: Source) -> dict[str, Any]:
    """Return what is told of a source."""
    return {key: value for key, value in dataclasses.asdict(source).items() if value is not None}
