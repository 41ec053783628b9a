"""inspect_ai: the samples of a log, .json or .eval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saetext.documents.chat import Note, answers, asked
from saetext.documents.paths import at, has
from saetext.documents.presets.base import Given, Preset, columns, plain, said, samples
from saetext.documents.reading import BadRow, Row, shorten
from saetext.documents.record import FAILED

_ATTACHED = "attachment://"


def _fits(row: Given) -> bool:
    said_it = isinstance(row.get("output"), Mapping) or isinstance(row.get("messages"), list)
    return has(row, "epoch") and has(row, "input") and said_it


def _whole(value: Any, attachments: Mapping[str, Any]) -> Any:
    """Return a value with the texts in place that a log keeps apart."""
    if isinstance(value, str) and value.startswith(_ATTACHED):
        return attachments.get(value.removeprefix(_ATTACHED), value)
    if isinstance(value, list):
        return [_whole(item, attachments) for item in value]
    if isinstance(value, Mapping):
        return {name: _whole(item, attachments) for name, item in value.items()}
    return value


def _read(row: Given, note: Note) -> list[Row]:
    stored = row.get("attachments")
    part = {name: row.get(name) for name in ("input", "output", "messages")}
    if isinstance(stored, Mapping) and stored:
        part = _whole(part, stored)
    texts = answers(at(part, "output.choices"), note) or answers(at(part, "output.completion"), note)
    texts = texts or answers({"messages": part["messages"] or []}, note)
    if not texts and (error := said(row.get("error")) or said(at(row, "output.error"))):
        return [BadRow(FAILED, shorten(error))]
    told = {
        "model": "output.model",
        "stop_reason": "output.choices[0].stop_reason",
        "input_tokens": "output.usage.input_tokens",
        "output_tokens": "output.usage.output_tokens",
        "total_tokens": "output.usage.total_tokens",
        "metadata_": "metadata.*",
    }
    more = columns(row, told)
    more.pop("input", None)
    scores = row.get("scores")
    for name, score in scores.items() if isinstance(scores, Mapping) else ():
        value = score.get("value") if isinstance(score, Mapping) else score
        if plain(value):
            more[f"score_{name}"] = value
        elif isinstance(value, Mapping):
            more |= {f"score_{name}_{key}": inner for key, inner in value.items() if plain(inner)}
    if (question := asked(part["input"])) is not None:
        more["prompt"] = question
    return samples(texts, more, "output.choices[*].message.content")


PRESETS = (
    Preset("inspect_ai log", _fits, _read, "output.choices[*].message.content", prompt="prompt", id="id"),
)
