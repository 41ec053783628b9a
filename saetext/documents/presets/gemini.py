"""Gemini: batches of Vertex AI and of the Gemini API, single responses, and chats with ``contents``."""

from __future__ import annotations

from saetext.documents.chat import Note
from saetext.documents.paths import at, has
from saetext.documents.presets.base import Given, Preset, columns, declared, said
from saetext.documents.reading import Row

_TOLD = {
    "model": "modelVersion",
    "finish_reason": "candidates[0].finishReason",
    "prompt_tokens": "usageMetadata.promptTokenCount",
    "output_tokens": "usageMetadata.candidatesTokenCount",
    "total_tokens": "usageMetadata.totalTokenCount",
}


#: What a request that failed has: any more, and somebody else wrote it.
_FAILED = {"key", "error", "status", "request", "response", "metadata"}


def _failure(row: Given) -> str | None:
    error = said(row.get("error")) or said(row.get("status")) or said(at(row, "response.error"))
    if error is not None and not has(row, "response.candidates"):
        return error
    blocked = at(row, "response.promptFeedback.blockReason")
    return f"blocked: {blocked}" if blocked and not has(row, "response.candidates") else None


def _is_batch(row: Given) -> bool:
    asked = has(row, "request.contents")
    failed = "key" in row and said(row.get("error")) is not None and set(row) <= _FAILED
    return has(row, "response.candidates") or has(row, "response.promptFeedback") or asked or failed


def _chat(row: Given, _: Note) -> list[Row]:
    turns = list(row["contents"])
    system = row.get("systemInstruction") or row.get("system_instruction")
    if isinstance(system, dict) and "parts" in system:
        turns.insert(0, {"role": "system", "parts": system["parts"]})
    return [{**columns(row, {}), "messages": turns}]


def _is_chat(row: Given) -> bool:
    turns = row.get("contents")
    return isinstance(turns, list) and bool(turns) and all(has(turn, "parts") for turn in turns)


PRESETS = (
    declared(
        "Gemini batch output",
        has_all=[],
        text="response.candidates",
        reads="response.candidates[0].content.parts",
        prompt="request",
        id="key",
        meta={name: f"response.{path}" for name, path in _TOLD.items()},
        failed=_failure,
        fits=_is_batch,
    ),
    declared(
        "Gemini responses",
        has_all=["candidates"],
        text="candidates",
        reads="candidates[0].content.parts",
        meta=_TOLD,
        fits=lambda row: has(row, "candidates[0].content.parts"),
    ),
    Preset("Gemini chats", _is_chat, _chat, "contents", text=None, messages="messages"),
)
