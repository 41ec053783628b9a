"""Labels from a file: CSV, TSV, JSON, JSONL or Parquet, with columns under any of their usual names.

Not for: tables that :meth:`saetext.features.labels.FeatureLabels.write` made, which keep everything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.errors import LabelError
from saetext.features.labels import KINDS, FeatureLabel
from saetext.io.csv_text import restored
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
    frame = _frame(path)
    names = {str(c).strip().lower(): c for c in reversed(frame.columns)}
    feature = _first(names, _FEATURE)
    label = _first(names, _LABEL)
    if feature is None or label is None:
        missing = "feature (an index)" if feature is None else "label"
        raise LabelError(
            f"{path} has no column for the {missing}; its columns: {', '.join(map(str, frame.columns[:12]))}"
        )
    description = _first({k: v for k, v in names.items() if v != label}, _DESCRIPTION)
    optional = {key: names[key] for key in ("kind", "score", "density") if key in names}
    notes = [f"{path.name}: features from {feature!r}, labels from {label!r}"]
    if description is not None:
        notes[0] += f", descriptions from {description!r}"
    rows: dict[int, FeatureLabel] = {}
    left_out = repeated = 0
    for row in frame.iter_rows(named=True):
        number, text = _number(row[feature]), _text(row[label])
        if number is None or not text:
            left_out += 1
            continue
        if not 0 <= number < d_sae:
            raise LabelError(f"{path} names feature {number}, but the reader has features 0 to {d_sae - 1}")
        repeated += number in rows
        kind = str(row.get(optional.get("kind", "")) or "other").strip().lower()
        score = _share(row.get(optional.get("score", "")))
        rows[number] = FeatureLabel(
            number,
            text,
            _text(row[description]) if description is not None else "",
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


def _frame(path: Path) -> Any:
    import polars as pl

    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            separator = "\t" if suffix == ".tsv" else ","
            # no glob: a name may have brackets in it
            return restored(pl.read_csv(path, separator=separator, infer_schema_length=None, glob=False))
        if suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        if suffix in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
        if suffix == ".json":
            return _json(path)
    except FileNotFoundError as error:
        raise LabelError(f"there is no file {path}") from error
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise LabelError(f"cannot read {path}: {' '.join(str(error).split())[:150]}") from error
    raise LabelError(f"labels are read from .csv, .tsv, .json, .jsonl or .parquet, not {path.name}")


def _json(path: Path) -> Any:
    """Return a list of objects as they are; an object of feature -> label (or -> object) as rows."""
    import json

    import polars as pl

    content = json.loads(path.read_text("utf-8"))
    if isinstance(content, dict):
        if len(content) == 1 and isinstance(only := next(iter(content.values())), list):
            content = only  # {"explanations": [...]}
        else:
            content = [
                {"feature": key, **value} if isinstance(value, dict) else {"feature": key, "label": value}
                for key, value in content.items()
            ]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ValueError("expected a list of objects, or an object of feature -> label")
    return pl.from_dicts(content, infer_schema_length=None) if content else pl.DataFrame()


def _first(names: dict[str, str], wanted: Sequence[str]) -> str | None:
    return next((names[w] for w in wanted if w in names), None)


def _number(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number == int(number if abs(number) < 1e15 else 0) else None


def _text(value: Any) -> str:
    return " ".join(printable(str(value)).split())[:_LONGEST] if value is not None else ""


def _share(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= 1 else None
