"""Label Studio: tasks with their annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saetext.documents.chat import Note
from saetext.documents.paths import at
from saetext.documents.presets.base import Given, Preset, columns, plain
from saetext.documents.reading import BadRow, Row
from saetext.documents.record import EMPTY_TEXT
from saetext.documents.words import is_prose

_NAMES = ("text", "Text", "document", "content", "response", "answer", "output", "dialogue")
_VALUES = ("choices", "rating", "labels", "number", "text", "taxonomy", "pairwise")


def _fits(row: Given) -> bool:
    return isinstance(row.get("data"), Mapping) and ("annotations" in row or "completions" in row)


def _key(data: Given) -> str | None:
    """Return which of a task's data is its text: one called so, else the only prose."""
    named = [name for name in _NAMES if isinstance(data.get(name), str)]
    prose = [str(name) for name, value in data.items() if is_prose(value)]
    return named[0] if named else prose[0] if len(prose) == 1 else None


def _refuses(rows: Sequence[Given]) -> str | None:
    if any(_key(row["data"]) for row in rows):
        return None
    names = ", ".join(repr(str(name)) for name in rows[0]["data"])
    return f"it cannot be told which of a task's data is the text ({names}): --text-column data.NAME"


def _labels(row: Given) -> dict[str, Any]:
    """Return what was annotated by the names of the controls; of several annotators the first."""
    found: dict[str, Any] = {}
    done = row.get("annotations") or row.get("completions") or []
    for result in at(done, "[*].result[*]") or []:
        for item in result if isinstance(result, list) else [result]:
            value = at(item, "value")
            name = at(item, "from_name")
            if not isinstance(value, Mapping) or not isinstance(name, str) or name in found:
                continue
            labels = next((value[kind] for kind in _VALUES if kind in value), None)
            if isinstance(labels, list):
                labels = ", ".join(str(label) for label in labels)
            if plain(labels):
                found[name] = labels
    return found


def _read(row: Given, _: Note) -> list[Row]:
    data = row["data"]
    key = _key(data)
    if key is None:
        return [BadRow(EMPTY_TEXT, "there is no text in its data")]
    more = {str(name): value for name, value in data.items() if name != key and plain(value)}
    return [{**columns(row, {}), **more, **_labels(row), "text": data[key]}]


PRESETS = (Preset("Label Studio export", _fits, _read, "data.text", id="id", refuses=_refuses),)
