"""What generators write: vLLM's outputs, Hugging Face pipelines, several samples in one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from saetext.documents.chat import Note
from saetext.documents.presets.base import Given, Preset, columns, samples
from saetext.documents.reading import Row
from saetext.documents.words import is_prose

_PROMPTS = ("prompt", "instruction", "question", "query", "input")
_LISTS = ("outputs", "text", "texts", "responses", "completions", "generations", "samples", "generated_text",
          "generated_texts", "response", "output", "completion", "generation", "model_outputs")  # fmt: skip
_TEXTS = ("text", "generated_text", "output", "content", "completion", "response", "answer")
#: Lists that may be what was right, rather than what was written.
_RIGHT = ("answers", "answer")
_GIVEN = (*_PROMPTS, "title", "context", "passage")


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
    return next((name for name in (*_LISTS, *_RIGHT) if _is_texts(row.get(name))), None)


def _are_right(rows: Sequence[Given]) -> bool:
    """Whether lists called answers are what was right: beside most is a text, or they are no sentences."""
    chosen = [(row, name) for row in rows if (name := _column(row)) in _RIGHT]
    if 2 * len(chosen) < len(rows):
        return False
    times = Counter(name for row, _ in chosen for name, value in row.items() if is_prose(value))
    prose = {name for name in times if 2 * times[name] > len(chosen)}
    found = [item for row, name in chosen for item in row[str(name)]]
    sentences = any(is_prose(item if isinstance(item, str) else _text_of(item)) for item in found)
    return bool(prose - {*_GIVEN}) or (bool(prose - {*_PROMPTS}) and not sentences)


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


def _as_it_is(row: Given, _: Note) -> list[Row]:
    return [dict(row)]


PRESETS = (
    Preset(
        "AlpacaEval outputs",
        lambda row: all(isinstance(row.get(name), str) for name in ("instruction", "output", "generator")),
        _as_it_is,
        "output",
        text="output",
        prompt="instruction",
    ),
    Preset(
        "several samples in one row",
        lambda row: _column(row) is not None,
        _read,
        "a list of texts",
        prompt="prompt",
        id="request_id",
        unless=_are_right,
    ),
)
