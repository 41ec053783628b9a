"""What generators write: vLLM's outputs, Hugging Face pipelines, several samples in one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saetext.documents.chat import Note
from saetext.documents.presets.base import Given, Preset, columns, samples
from saetext.documents.reading import Row
from saetext.documents.words import is_prose

_PROMPTS = ("prompt", "instruction", "question", "query", "input")
_LISTS = ("outputs", "text", "texts", "responses", "completions", "generations", "samples", "generated_text",
          "generated_texts", "response", "output", "completion", "generation", "model_outputs")  # fmt: skip
_TEXTS = ("text", "generated_text", "output", "content", "completion", "response", "answer")
#: Lists that are what was right, rather than what a model wrote, if anything else may be that.
_RIGHT = ("answers", "answer")


def _is_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, str)
            or (isinstance(item, Mapping) and "role" not in item and _text_of(item) is not None)
            for item in value
        )
    )


def _text_of(item: Given) -> str | None:
    for name in _TEXTS:
        if isinstance(item.get(name), str):
            return str(item[name])
    return None


def _column(row: Given) -> str | None:
    # a text beside a list of texts is the text
    if any(isinstance(row.get(name), str) for name in ("text", "output", "response", "completion")):
        return None
    found = next((name for name in _LISTS if _is_texts(row.get(name))), None)
    if found is not None:
        return found
    known = (*_RIGHT, *_PROMPTS)
    if any(name not in known and is_prose(value) for name, value in row.items()):
        return None
    return next((name for name in _RIGHT if _is_texts(row.get(name))), None)


def _read(row: Given, note: Note) -> list[Row]:
    name = _column(row)
    value = [] if name is None else row[name]
    texts = [item if isinstance(item, str) else _text_of(item) or "" for item in value]
    made = samples(texts, columns(row, {}), name or "outputs")
    for item, given in zip(made, value, strict=False):
        if isinstance(item, dict) and isinstance(given, Mapping):
            item |= {
                key: inner for key, inner in columns(given, {}).items() if key not in item and key != "index"
            }
            for key in _TEXTS[1:]:
                if item.get(key) == item["text"]:
                    del item[key]
    return made


PRESETS = (
    Preset(
        "several samples in one row",
        lambda row: _column(row) is not None,
        _read,
        "a list of texts",
        prompt="prompt",
        id="request_id",
    ),
)
