"""What a chat completion holds: its text, or the reason that there is none. Not for: getting one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saetext.io.json_file import loads

NO_COMPLETION = "not a chat completion"
TOO_LONG = "longer than max_tokens allows"
_BROKEN_OFF = {"length": "cut off at max_tokens", "content_filter": "filtered", "error": "broken off"}
_MOST_TOKENS = 10**9  # of one answer; what claims more is not counted
_CHARACTERS_PER_TOKEN = 100  # at most: tokens of blanks or of rules are that long
_SHORTEST_LIMIT = 1 << 16  # characters


@dataclass(frozen=True)
class Answer:
    """What came back: ``text``, or ``error`` with the reason that there is none."""

    text: str | None
    error: str | None = None
    cached: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


def answer_of(content: Any, max_tokens: int) -> Answer:
    """Return the text of a completion; what is not one, has none, or was broken off is an error."""
    counts = _count(content, "prompt_tokens"), _count(content, "completion_tokens")
    try:
        choice = content["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, role, index = message.get("content"), message.get("role"), choice.get("index")
    except (AttributeError, LookupError, TypeError):
        return Answer(None, NO_COMPLETION, False, *counts)
    if content.get("error") or role not in (None, "assistant") or index not in (None, 0):
        return Answer(None, NO_COMPLETION, False, *counts)
    if isinstance(reason, str) and reason in _BROKEN_OFF:
        return Answer(None, _BROKEN_OFF[reason], False, *counts)
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty answer", False, *counts)
    if len(text) > max(_SHORTEST_LIMIT, _CHARACTERS_PER_TOKEN * max_tokens):
        return Answer(None, TOO_LONG, False, *counts)
    return Answer(text, None, False, *counts)


def body_of(data: bytes) -> Any:
    """Return the JSON of a response; None where it is none."""
    try:
        return loads(data)
    except ValueError:
        return None


def message_of(data: bytes) -> str:
    """Return what a server says about an error: its message, or whatever it sent."""
    content = body_of(data)
    error = content.get("error", content) if isinstance(content, dict) else content
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else data.decode("utf-8", "replace")


def _count(content: Any, name: str) -> int:
    """Return a number of tokens; 0 where the endpoint tells none, which is no reason to lose its answer."""
    usage = content.get("usage") if isinstance(content, dict) else None
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 < count <= _MOST_TOKENS else 0
