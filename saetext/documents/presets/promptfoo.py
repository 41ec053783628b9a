"""promptfoo: results as JSON, JSON Lines, and CSV with a column for each provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from saetext.documents.chat import Note, answers, asked
from saetext.documents.paths import at, has
from saetext.documents.presets.base import Given, Preset, columns, plain, said
from saetext.documents.reading import BadRow, Row, shorten
from saetext.documents.record import EMPTY_TEXT, FAILED

_HEADER = re.compile(r"\[([^\]]+)\]\s?(.*)", re.DOTALL)
_CELL = re.compile(r"\s*\[(PASS|FAIL|ERROR)\]\s*(?:\((-?\d+(?:\.\d+)?)\)\s*)?", re.IGNORECASE)
_VARIABLE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def _fits(row: Given) -> bool:
    return has(row, "provider") and has(row, "vars") and (has(row, "response") or has(row, "error"))


def _read(row: Given, note: Note) -> list[Row]:
    output = at(row, "response.output")
    texts = [output] if isinstance(output, str) else answers(output, note)
    error = said(row.get("error")) or said(at(row, "response.error"))
    if not texts or not texts[0].strip():
        return [BadRow(FAILED, shorten(error)) if error else BadRow(EMPTY_TEXT, "response.output is empty")]
    told = {
        "provider": "provider.id",
        "provider_label": "provider.label",
        "prompt_label": "prompt.label",
        "total_tokens": "response.tokenUsage.total",
        "prompt_tokens": "response.tokenUsage.prompt",
        "completion_tokens": "response.tokenUsage.completion",
        "": "vars.*",
        "score_": "namedScores.*",
    }
    more = columns(row, told)
    raw = row.get("prompt")
    question = asked(raw if isinstance(raw, str) else at(row, "prompt.raw"))
    if question is not None:
        more["prompt"] = question
    if isinstance(row.get("success"), bool):
        more["pass"] = more.pop("success")
    more.pop("error", None)
    return [{**more, "text": "\n".join(texts)}]


def _providers(row: Given) -> list[tuple[str, re.Match[str]]]:
    """Return the columns that hold the outputs of a provider, as a CSV file has them."""
    marked = []
    for name, value in row.items():
        found = _HEADER.match(name) if isinstance(name, str) else None
        if found and isinstance(value, str) and _CELL.match(value):
            marked.append((name, found))
    return marked


def _of_cells(row: Given, _: Note) -> list[Row]:
    variables = {name: value for name, value in row.items() if not _HEADER.match(str(name)) and plain(value)}
    made: list[Row] = []
    for name, header in _providers(row):
        cell = str(row[name])
        mark = _CELL.match(cell)
        assert mark is not None
        verdict, score, text = mark[1].upper(), mark[2], cell[mark.end() :]
        if verdict == "ERROR":
            made.append(BadRow(FAILED, shorten(text)))
            continue
        if verdict == "FAIL" and "\n---\n" in text:  # why it failed stands before the output
            text = text.split("\n---\n", 1)[1]
        question = _VARIABLE.sub(lambda found: str(variables.get(found[1], found[0])), header[2])
        more: dict[str, Any] = {**variables, "provider": header[1], "pass": verdict == "PASS"}
        if score is not None:
            more["score"] = float(score)
        made.append({**more, "prompt": question, "text": text} if question else {**more, "text": text})
    return made or [BadRow(EMPTY_TEXT, "no column of a provider has an output")]


def is_table(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of promptfoo's CSV."""
    return bool(_providers(row))


PRESETS = (
    Preset("promptfoo results", _fits, _read, "response.output", prompt="prompt"),
    Preset("promptfoo CSV", is_table, _of_cells, "the columns of the providers", prompt="prompt"),
)
