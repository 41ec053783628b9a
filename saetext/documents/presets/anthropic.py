"""Anthropic: results of message batches, and single messages."""

from __future__ import annotations

from saetext.documents.paths import at
from saetext.documents.presets.base import Given, declared, said

_TOLD = {
    "model": "model",
    "stop_reason": "stop_reason",
    "input_tokens": "usage.input_tokens",
    "output_tokens": "usage.output_tokens",
}


def _failure(row: Given) -> str | None:
    kind = at(row, "result.type")
    return None if kind == "succeeded" else f"{kind}: {said(at(row, 'result.error')) or 'no answer'}"


PRESETS = (
    declared(
        "Anthropic batch results",
        has_all=["custom_id", "result.type"],
        text="result.message.content",
        reads="result.message.content[*].text",
        id="custom_id",
        meta={name: f"result.message.{path}" for name, path in _TOLD.items()},
        failed=_failure,
    ),
    declared(
        "Anthropic messages",
        has_all=["content"],
        text="content",
        reads="content[*].text",
        meta=_TOLD,
        fits=lambda row: (
            row.get("type") == "message"
            and row.get("role") == "assistant"
            and isinstance(row["content"], list)
        ),
    ),
)
