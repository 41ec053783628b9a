"""Labels from a file: CSV, TSV, JSON, JSONL or Parquet, with columns under any of their usual names.

Among them what Neuronpedia and SAEDashboard export. A feature that comes with examples and no explanation is
called by the tokens at its maxima. Not for: tables that
:meth:`saetext.features.labels.FeatureLabels.write` made, which keep everything.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from collections import Counter
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
_LARGEST = 1_000_000_000  # bytes of a packed file, unpacked
_WORDS = 5  # tokens that name a feature without an explanation


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
    if table.by_tokens:
        notes.append(
            f"{table.by_tokens:,} features have examples and no explanation: their label is the tokens at "
            "their maxima"
        )
    if left_out:
        notes.append(f"{left_out:,} rows without a feature number or a label were left out")
    if repeated:
        notes.append(f"{repeated:,} features have several labels: the last one is taken")
    return Imported([rows[f] for f in sorted(rows)], notes)


@dataclass(frozen=True)
class _Table:
    columns: Sequence[str]
    rows: Iterable[Mapping[str, Any]]
    by_tokens: int = 0  # features that are called by their tokens


def _table(path: Path) -> _Table:
    import polars as pl
    import pyarrow as pa

    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json") or (
        packed and suffix == ".parquet"
    ):
        raise LabelError(f"labels are read from .csv, .tsv, .json, .jsonl or .parquet, not {path.name}")
    try:
        if suffix == ".parquet":
            return _framed(pl.DataFrame(pl.from_arrow(read_table(path))))
        content = _unpacked(read_bytes(path, HUGE)) if packed else read_bytes(path, HUGE)
        if suffix in (".csv", ".tsv"):
            separator = "\t" if suffix == ".tsv" else ","
            return _framed(restored(pl.read_csv(content, separator=separator, infer_schema_length=None)))
        return _of_rows(*_flattened(_json(content) if suffix == ".json" else _lines(content)))
    except FileNotFoundError as error:
        raise LabelError(f"there is no file {path}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException) as error:
        raise LabelError(f"cannot read {path}: {why(error)[:150]}") from error
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise LabelError(f"cannot read {path}: {why(error)}") from error


def _framed(frame: Any) -> _Table:
    return _Table(frame.columns, frame.iter_rows(named=True))


def _of_rows(rows: list[dict[str, Any]], by_tokens: int) -> _Table:
    return _Table(list(dict.fromkeys(name for row in rows for name in row)), rows, by_tokens)


def _unpacked(content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        found = file.read(_LARGEST + 1)
    if len(found) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST:,} bytes unpacked")
    return found


def _flattened(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Return a row a label: those of a feature's ``explanations``, else the tokens of its ``activations``."""
    flat: list[dict[str, Any]] = []
    by_tokens = 0
    for row in rows:
        nested, examples = row.get("explanations"), row.get("activations")
        if not isinstance(nested, list) and not isinstance(examples, list):
            flat.append(row)
            continue
        own = {name: row[name] for name in _FEATURE if name in row}
        told = [{**one, **own} for one in nested or () if isinstance(one, dict) and one.get("description")]
        if not told and (words := _tokens(examples)):
            by_tokens += 1
            told = [{**own, "description": words}]
        flat += told or [own]
    return flat, by_tokens


def _tokens(examples: Any) -> str:
    """Return the tokens on which a feature is strongest in its examples, the most frequent first."""
    counted: Counter[str] = Counter()
    for one in examples if isinstance(examples, list) else ():
        tokens, values = (one.get("tokens"), one.get("values")) if isinstance(one, dict) else (None, None)
        if not isinstance(tokens, list) or not isinstance(values, list) or not values:
            continue
        known = [v if isinstance(v, int | float) and v == v else 0.0 for v in values[: len(tokens)]]
        at = max(range(len(known)), key=known.__getitem__) if known else 0
        if known and known[at] > 0 and (word := _text(tokens[at]).strip("▁Ġ ")):
            counted[word] += 1
    return ", ".join(word for word, _ in counted.most_common(_WORDS))


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
        lists = [name for name in ("features", "explanations") if isinstance(whole.get(name), list)]
        if any(name in whole for name in ("index", "feature_index")) and {
            "explanations",
            "activations",
        } & set(whole):
            whole = [whole]  # one feature, as Neuronpedia's API gives it
        elif lists:
            whole = whole[lists[0]]  # a batch of SAEDashboard; {"modelId": ..., "explanations": [...]}
        elif len(whole) == 1 and isinstance(only := next(iter(whole.values())), list):
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
