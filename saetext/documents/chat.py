"""Chats and answers in the shapes that tools write -> turns and texts.

Known are ``{"role", "content"}``, ShareGPT's ``{"from", "value"}``, Claude's ``{"sender", "text"}``, Gemini's
``{"role", "parts"}``, LangChain's ``{"type", "content"}``, ChatGPT's ``{"author", "content": {"parts"}}``,
and transcripts with "Human:" and "Assistant:". Of parts, those with text are read; thinking, tool calls and
their results, pictures and other kinds are dropped, and named to the caller. Not for: which column holds a
chat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from saetext.documents.json_values import decode_json
from saetext.documents.record import Message
from saetext.documents.words import word_set

Note = Callable[[str], None]

_ROLES: Final = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "prompter": "user",
    "aimessagechunk": "assistant",
    **{role: role for role in ("user", "assistant", "system", "tool")},
}
#: How LangChain says in ``type`` who speaks.
_SPOKEN: Final = ("human", "ai", "AIMessageChunk", "system", "tool")
#: Kinds of parts and turns that are not what was said.
UNSAID: Final = word_set(
    "thinking redacted_thinking reasoning reasoning_content thought thoughts tool_use tool_call tool_calls "
    "tool_result tool_response function function_call function_call_output functionCall functionResponse "
    "server_tool_use web_search_tool_result mcp_tool_use mcp_tool_result image image_url input_image "
    "inlineData fileData input_audio audio input_file file document video refusal_reason"
)
_TRANSCRIPT: Final = re.compile(r"(?:^|\n\n)(Human|Assistant|User|System):[ \t]*")
_SPEAKERS: Final = {"Human": "user", "User": "user", "Assistant": "assistant", "System": "system"}
_DEPTH: Final = 6


def ignore(_: str) -> None:
    """Take note of nothing."""


def parse_messages(value: object, note: Note = ignore) -> tuple[Message, ...] | None:
    """Return the turns of a chat, None if ``value`` has no shape that is known.

    The content may be a string, parts, of which the texts are joined with line breaks, or null (a tool
    call): such a turn is left out. ``note`` gets the kind of each part that is not read.
    """
    if isinstance(value, str):
        spoken = transcript(value)
        if spoken is not None:
            return spoken
        try:
            value = decode_json(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        inner = next((value[name] for name in ("messages", "contents", "turns") if name in value), None)
        value = inner
    if not isinstance(value, list | tuple):
        return None
    turns = []
    for turn in value:
        taken = _role_and_content(turn)
        if taken is None:
            return None
        role, content = taken
        text, known = _content(content, note)
        if not known:
            return None
        if text is not None:
            turns.append(Message(role, text))
    return tuple(turns)


def transcript(text: str) -> tuple[Message, ...] | None:
    """Return the turns of a text that goes "Human: ... Assistant: ..."; None if it does not."""
    marks = list(_TRANSCRIPT.finditer(text))
    speakers = {_SPEAKERS[mark[1]] for mark in marks}
    if not speakers >= {"user", "assistant"} or text[: marks[0].start()].strip():
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return tuple(
        Message(_SPEAKERS[mark[1]], text[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    )


def _role_and_content(turn: object) -> tuple[str, object] | None:
    if not isinstance(turn, Mapping):
        return None
    author = turn.get("author")
    role: object
    if "role" in turn and "content" in turn:
        role, content = turn["role"], turn["content"]
    elif "from" in turn and "value" in turn:
        role, content = turn["from"], turn["value"]
    elif "role" in turn and "parts" in turn:
        role, content = turn["role"], turn["parts"]
    elif "sender" in turn and ("text" in turn or "content" in turn):
        role, content = turn["sender"], turn.get("content") or turn.get("text")
        if isinstance(turn.get("isCreatedByUser"), bool):  # LibreChat: the model's name is the sender
            role = "user" if turn["isCreatedByUser"] else "assistant"
    elif isinstance(author, Mapping) and "role" in author and "content" in turn:
        role, content = author["role"], turn["content"]
    elif "role" in turn and ("text" in turn or "message" in turn):
        role, content = turn["role"], turn.get("text", turn.get("message"))
    elif "role" in turn and "tool_calls" in turn:
        role, content = turn["role"], None
    elif turn.get("type") in _SPOKEN and ("content" in turn or isinstance(turn.get("data"), Mapping)):
        role, content = turn["type"], turn.get("content", (turn.get("data") or {}).get("content"))
    else:
        return None
    return (_ROLES.get(role.lower(), role), content) if isinstance(role, str) else None


def _content(content: object, note: Note) -> tuple[str | None, bool]:
    """Return the text of a turn, None where it has none, and whether its shape is known."""
    if content is None or isinstance(content, str):
        return content, True
    if isinstance(content, Mapping) and isinstance(content.get("parts"), list | tuple):
        content = content["parts"]
    if isinstance(content, Mapping) and isinstance(content.get("answer"), str):
        return content["answer"], True
    if not isinstance(content, list | tuple):
        return None, False
    kept = [text for part in content if (text := part_text(part, note)) is not None]
    return ("\n".join(kept) if kept else None), True


def part_text(part: object, note: Note = ignore) -> str | None:
    """Return the text of one part of a content; None if it is of a kind that is not read, which is noted."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return None
    kind = part.get("type", part.get("content_type"))
    if part.get("thought") is True:
        note("thought")
        return None
    text = part.get("text")
    if isinstance(text, Mapping):  # OpenAI's assistants: {"text": {"value": ...}}
        text = text.get("value")
    if isinstance(text, str) and kind not in UNSAID:
        return text
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    named = kind if isinstance(kind, str) else next((str(key) for key in part), "an empty part")
    note(named)
    return None


#: Names under which an object holds what was answered, in the order they are tried.
_HOLDERS: Final = (
    "output_text", "generated_text", "completion", "text", "content", "answer", "response", "output",
    "message", "result", "generation", "kwargs", "outputs",
)  # fmt: skip
_SEVERAL: Final = ("choices", "candidates", "generations", "outputs", "samples", "responses", "completions")


def answers(value: Any, note: Note = ignore, depth: int = 0) -> list[str]:
    """Return the texts that a value holds as answers: several where a model was sampled several times."""
    if isinstance(value, str):
        return [value]
    if depth > _DEPTH or value is None:
        return []
    if isinstance(value, list | tuple):
        return _of_list(value, note, depth)
    if not isinstance(value, Mapping):
        return []
    if isinstance(value.get("messages"), list):
        return last_answer(value["messages"], note)
    if isinstance(value.get("parts"), list | tuple):
        text, _ = _content(value["parts"], note)
        return [] if text is None else [text]
    for name in _SEVERAL:
        if isinstance(value.get(name), list | tuple) and value[name]:
            if name == "outputs" or not _is_parts(value[name]):
                return [text for item in value[name] for text in answers(item, note, depth + 1)]
            return _of_list(value[name], note, depth)
    for name in _HOLDERS:
        if value.get(name) not in (None, "", [], {}):
            found = answers(value[name], note, depth + 1)
            if found:
                return found
    strings = [inner for inner in value.values() if isinstance(inner, str)]
    return strings if len(strings) == len(value) == 1 else []


def _of_list(value: Sequence[Any], note: Note, depth: int) -> list[str]:
    if _is_parts(value):
        text, _ = _content(value, note)
        return [] if text is None else [text]
    if value and all(isinstance(turn, Mapping) and "role" in turn for turn in value):
        return last_answer(value, note)
    if any(isinstance(item, Mapping) and item.get("type") == "message" for item in value):  # Responses
        said = [item for item in value if isinstance(item, Mapping) and item.get("type") == "message"]
        for item in value:
            if isinstance(item, Mapping) and item.get("type") != "message":
                note(str(item.get("type")))
        texts = [text for item in said for text in answers(item.get("content"), note, depth + 1)]
        return ["\n".join(texts)] if texts else []
    return [text for item in value for text in answers(item, note, depth + 1)]


def _is_parts(value: Sequence[Any]) -> bool:
    """Whether a list is the parts of one content, rather than several answers."""
    return bool(value) and all(
        isinstance(part, Mapping)
        and (("type" in part and "role" not in part and part["type"] != "message") or _gemini(part))
        for part in value
    )


def _gemini(part: Mapping[str, Any]) -> bool:
    return bool(part.keys() & {"functionCall", "inlineData", "thought", "executableCode"}) or (
        set(part) == {"text"}
    )


def last_answer(turns: Sequence[Any], note: Note = ignore) -> list[str]:
    """Return the text of a chat's last turn of the assistant, as a list of one, or an empty one."""
    parsed = parse_messages(turns, note) or ()
    said = [turn.content for turn in parsed if turn.role == "assistant" and turn.content.strip()]
    return said[-1:]


def asked(value: Any, note: Note = ignore) -> str | None:
    """Return what was asked as one text: a string, or the turns of a chat, one below the other."""
    if isinstance(value, str):
        chat = parse_messages(value, note) if value.lstrip()[:1] in ("[", "{") else None
        return asked([vars_of(turn) for turn in chat]) if chat else value
    if isinstance(value, Mapping):
        for name in ("messages", "contents", "prompt", "question", "input", "query", "text", "instruction"):
            if value.get(name) not in (None, "", [], {}):
                return asked(value[name], note)
        strings = [inner for inner in value.values() if isinstance(inner, str)]
        return strings[0] if len(strings) == 1 else None
    turns = parse_messages(value, note) if isinstance(value, list | tuple) else None
    if turns:
        if len(turns) == 1:
            return turns[0].content
        return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)
    if isinstance(value, list | tuple) and len(value) == 1:
        return asked(value[0], note)
    return None


def vars_of(turn: Message) -> dict[str, str]:
    """Return a turn as a mapping."""
    return {"role": turn.role, "content": turn.content}
