"""OpenAI: outputs and requests of batches, answers of chat completions, completions and Responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saetext.documents.chat import Note
from saetext.documents.paths import at, has
from saetext.documents.presets.base import Given, Preset, columns, declared, said
from saetext.documents.reading import Row

_BODY = "response.body"
_TOLD = {
    "model": "model",
    "finish_reason": "choices[0].finish_reason",
    "prompt_tokens": "usage.prompt_tokens",
    "completion_tokens": "usage.completion_tokens",
    "input_tokens": "usage.input_tokens",
    "output_tokens": "usage.output_tokens",
    "total_tokens": "usage.total_tokens",
}


def _failure(row: Given) -> str | None:
    status = at(row, "response.status_code")
    ok = status is None or (isinstance(status, int) and 200 <= status < 300)
    error = said(at(row, "error")) or said(at(row, f"{_BODY}.error"))
    if ok and error is None:
        return None if has(row, _BODY) else "there is no response"
    return f"status {status}: {error or 'no answer'}" if not ok else error


def _is_batch(row: Given) -> bool:
    return has(row, "response") and (has(row, _BODY) or row.get("error") is not None)


def _has_choices(row: Given) -> bool:
    choices = row.get("choices")
    named = row.get("object") in ("chat.completion", "text_completion")
    return isinstance(choices, list) and (named or has(row, "choices[0].message.content"))


def _requests(rows: Sequence[Given]) -> str | None:
    return (
        "these are the requests of a batch, and the answers are in its output file; to read what was asked: "
        "--messages-column body.messages --role user"
    )


def _request(row: Given, _: Note) -> list[Row]:
    messages: Any = at(row, "body.messages") or at(row, "body.input")
    return [{**columns(row, {"model": "body.model"}), "messages": messages}]


PRESETS = (
    declared(
        "OpenAI batch output",
        has_all=["custom_id", "response"],
        text=_BODY,
        reads=f"{_BODY}.choices[0].message.content",
        id="custom_id",
        meta={name: f"{_BODY}.{path}" for name, path in _TOLD.items()},
        failed=_failure,
        fits=_is_batch,
        keep=False,
    ),
    Preset(
        "OpenAI batch requests",
        lambda row: has(row, "custom_id") and has(row, "body.model") and has(row, "url"),
        _request,
        "body.messages",
        text=None,
        messages="messages",
        id="custom_id",
        refuses=_requests,
    ),
    declared(
        "OpenAI chat completions",
        has_all=["choices"],
        text="choices",
        reads="choices[0].message.content",
        meta=_TOLD,
        fits=_has_choices,
    ),
    declared(
        "OpenAI responses",
        has_all=["output"],
        text="output",
        reads="output[*].content[*].text",
        meta=_TOLD,
        fits=lambda row: row.get("object") == "response" and isinstance(row["output"], list),
    ),
)
