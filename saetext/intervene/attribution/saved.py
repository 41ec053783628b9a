"""Attributions on disk: one JSON file with a checksum, its tables column by column.

Not for: what is in them (:mod:`saetext.intervene.attribution.result`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from saetext.analysis.export import write_text
from saetext.errors import InputError
from saetext.intervene.attribution.tables import TABLES
from saetext.io import json_file
from saetext.io.opener import HUGE, reading, shown
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import ANY, INT32, List, Maybe, Number, Record, Shape, Table, Text, Whole, check
from saetext.io.strict_json import dumps

FORMAT, VERSION = "saetext attribution", 1
_WHAT, _ADVICE = "saved attribution", "saetext attribute -o FILE writes one"
_CELLS: dict[Any, Shape] = {
    pl.Int64: Whole(0, INT32),
    pl.Float64: Maybe(Number()),
    pl.String: Maybe(Text()),
}
_SHAPE = Record(
    {
        "format": Text(choices=(FORMAT,)),
        "version": Whole(1, VERSION),
        "params": Table(),
        "metrics": Table(),
        "notes": List(Text()),
        "meta": List(Table()),
        "labels": Table(Text()),
        "tables": Record(
            {
                name: Record({column: List(_CELLS[kind]) for column, kind in columns.items()})
                for name, columns in TABLES.items()
            }
        ),
        "seal": ANY,
    }
)


class Attribution(Protocol):
    """What is saved beside the tables."""

    @property
    def params(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def metrics(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def notes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def meta(self) -> tuple[Mapping[str, Any], ...]: ...  # noqa: D102
    @property
    def labels(self) -> Mapping[int, str]: ...  # noqa: D102


def save(
    result: Attribution, tables: Mapping[str, pl.DataFrame], path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write an attribution as JSON, whole or not at all, and return the path.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "params": result.params,
        "metrics": result.metrics,
        "notes": list(result.notes),
        "meta": [dict(row) for row in result.meta],
        "labels": {str(feature): label for feature, label in result.labels.items()},
        "tables": {name: _columns(tables[name]) for name in TABLES},
    }
    return write_text(path, dumps(sealed(content)), overwrite=overwrite)


def load(path: str | Path) -> dict[str, Any]:
    """Return what a saved attribution holds, by the names of the result's fields.

    Raises
    ------
    InputError
        If there is no such file, or it is damaged or something else.
    """
    with reading(path, InputError, _WHAT, _ADVICE):
        content = json_file.load(path, most=HUGE)
        _require_known(content, path)
        check(_SHAPE, content)
        require_seal(content)
        tables: dict[str, Any] = {name: _table(name, content["tables"][name]) for name in TABLES}
        _require_consistent(tables, content["meta"])
        labels = {_feature(key): label for key, label in content["labels"].items()}
    return {
        "params": content["params"],
        "metrics": content["metrics"],
        "notes": tuple(content["notes"]),
        "meta": tuple(content["meta"]),
        "labels": labels,
        **tables,
    }


def _require_known(content: Any, path: str | Path) -> None:
    """Raise :class:`InputError` if a newer saetext wrote it, whose fields and checksum may be others."""
    if isinstance(content, dict) and content.get("format") == FORMAT:
        version = content.get("version")
        if type(version) is int and version > VERSION:
            raise InputError(f"{path} is a saved attribution of version {shown(version)}: upgrade saetext")


def _columns(table: pl.DataFrame) -> dict[str, list[Any]]:
    """Return the columns as lists; numbers to nine digits, which is all that float32 has."""
    rounded = table.with_columns(pl.col(pl.Float64).round_sig_figs(9).fill_nan(None))
    return {name: rounded[name].to_list() for name in rounded.columns}


def _table(name: str, columns: Mapping[str, list[Any]]) -> pl.DataFrame:
    known = TABLES[name]
    lengths = {len(columns[column]) for column in known}
    if len(lengths) > 1:
        raise ValueError(f"the columns of its {name} are of different lengths")
    return pl.DataFrame({column: columns[column] for column in known}, schema=dict(known))


def _require_consistent(tables: Mapping[str, pl.DataFrame], meta: list[Any]) -> None:
    prompts = tables["prompts"].height
    if len(meta) != prompts or tables["prompts"]["prompt"].to_list() != list(range(prompts)):
        raise ValueError("its prompts are not numbered from 0, or their columns are missing")
    for name, table in tables.items():
        if table.height and int(table["prompt"].max()) >= prompts:  # type: ignore[arg-type]
            raise ValueError(f"its {name} name a prompt that it does not have")


def _feature(key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) < 10):
        raise ValueError("its labels are not of features")
    return int(key)
