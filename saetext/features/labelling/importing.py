"""Labels from a file: CSV, TSV, JSON, JSONL or Parquet, with columns under any of their usual names.

Not for: tables that :meth:`saetext.features.labels.FeatureLabels.write` made, which keep everything.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.errors import LabelError
from saetext.features.labels import KINDS, FeatureLabel
from saetext.io.csv_text import restored
from saetext.io.json_file import loads
from saetext.io.opener import HUGE, read_bytes, shown, why
from saetext.io.shape import Table
from saetext.io.table_file import read_table
from saetext.text.passages import printable

_FEATURE = ("feature", "feature_id", "feature_index", "index", "idx", "neuron", "latent", "id")
_LABEL = ("label", "name", "title", "explanation", "description", "text", "interpretation")
_DESCRIPTION = ("description", "explanation", "details", "text")
_LONGEST = 2000


@dataclass(frozen=True)
class Imported:
    """Labels of a file, and what was guessed and left out, a line each."""

    labels: list[FeatureLabel]
    notes: list[str]


def from_file(path: str | os.PathLike[str], d_sae: int) -> Imported:
    """Read labels of an SAE with ``d_sae`` features.

    Raises
    ------
    LabelError
        If the file cannot be read, has no columns of features and labels, or names other features.
    """
    path = Path(path)
    table = _table(path)
    names = {str(c).strip().lower(): c for c in reversed(table.columns)}
    feature = _first(names, _FEATURE)
    label = _first(names, _LABEL)
    if feature is None or label is None:
        missing = "feature (an index)" if feature is None else "label"
        raise LabelError(
            f"{path} has no column for the {missing}; its columns: "
            f"{', '.join(shown(str(c)) for c in table.columns[:8])}"
        )
    description = _first({k: v for k, v in names.items() if v != label}, _DESCRIPTION)
    optional = {key: names[key] for key in ("kind", "score", "density") if key in names}
    notes = [f"{path.name}: features from {feature!r}, labels from {label!r}"]
    if description is not None:
        notes[0] += f", descriptions from {description!r}"
    rows: dict[int, FeatureLabel] = {}
    left_out = repeated = 0
    for at, row in enumerate(table.rows):
        number = _number(_scalar(row.get(feature), f"{feature} of row {at + 1:,}", path, "a whole number"))
        text = _text(_scalar(row.get(label), f"{label} of row {at + 1:,}", path, "a text"))
        if number is None or not text:
            left_out += 1
            continue
        if not 0 <= number < d_sae:
            raise LabelError(
                f"{path} names feature {shown(number)}, but the reader has features 0 to {d_sae - 1}"
            )
        repeated += number in rows
        kind = str(row.get(optional.get("kind", "")) or "other").strip().lower()
        score = _share(row.get(optional.get("score", "")))
        rows[number] = FeatureLabel(
            number,
            text,
            _text(row.get(description)) if description is not None else "",
            kind if kind in KINDS else "other",
            source=f"file:{path.name}",
            score=score,
            score_method=None if score is None else f"file:{path.name}",
            density=_share(row.get(optional.get("density", ""))),
        )
    if not rows:
        raise LabelError(f"{path} holds no labels: {left_out:,} rows without a feature number or a label")
    if left_out:
        notes.append(f"{left_out:,} rows without a feature number or a label were left out")
    if repeated:
        notes.append(f"{repeated:,} features have several labels: the last one is taken")
    return Imported([rows[f] for f in sorted(rows)], notes)


@dataclass(frozen=True)
class _Table:
    columns: Sequence[str]
    rows: Iterable[Mapping[str, Any]]


def _table(path: Path) -> _Table:
    import polars as pl
    import pyarrow as pa

    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json"):
        raise LabelError(f"labels are read from .csv, .tsv, .json, .jsonl or .parquet, not {path.name}")
    try:
        if suffix == ".parquet":
            return _framed(pl.DataFrame(pl.from_arrow(read_table(path))))
        content = read_bytes(path, HUGE)
        if suffix in (".csv", ".tsv"):
            separator = "\t" if suffix == ".tsv" else ","
            return _framed(restored(pl.read_csv(content, separator=separator, infer_schema_length=None)))
        return _of_rows(_json(content) if suffix == ".json" else _lines(content))
    except FileNotFoundError as error:
        raise LabelError(f"there is no file {path}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException) as error:
        raise LabelError(f"cannot read {path}: {why(error)[:150]}") from error
    except (OSError, ValueError, TypeError) as error:
        raise LabelError(f"cannot read {path}: {why(error)}") from error


def _framed(frame: Any) -> _Table:
    return _Table(frame.columns, frame.iter_rows(named=True))


def _of_rows(rows: list[dict[str, Any]]) -> _Table:
    return _Table(list(dict.fromkeys(name for row in rows for name in row)), rows)


def _lines(content: bytes) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            try:
                rows.append(loads(line, Table()))
            except ValueError as error:
                raise ValueError(f"line {number:,}: {error}") from error
    return rows


def _json(content: bytes) -> list[dict[str, Any]]:
    """Return a list of objects as they are; an object of feature -> label (or -> object) as rows."""
    whole = loads(content, most=HUGE)
    if isinstance(whole, dict):
        if len(whole) == 1 and isinstance(only := next(iter(whole.values())), list):
            whole = only  # {"explanations": [...]}
        else:
            whole = [
                {"feature": key, **value} if isinstance(value, dict) else {"feature": key, "label": value}
                for key, value in whole.items()
            ]
    if not isinstance(whole, list) or not all(isinstance(row, dict) for row in whole):
        raise ValueError("expected a list of objects, or an object of feature -> label")
    return whole


def _scalar(value: Any, what: str, path: Path, expected: str) -> Any:
    if isinstance(value, dict | list | bool):
        raise LabelError(f"{path}: the {shown(what)[1:-1]} is {shown(value)}; expected {expected}")
    return value


def _first(names: dict[str, str], wanted: Sequence[str]) -> str | None:
    return next((names[w] for w in wanted if w in names), None)


def _number(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number == int(number) else None


def _text(value: Any) -> str:
    return " ".join(printable(str(value)).split())[:_LONGEST] if value is not None else ""


def _share(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None
