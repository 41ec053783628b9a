"""Chats: the exports of ChatGPT (a tree, walked back from its current node), Claude, Telegram; TRL's rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saetext.documents.chat import Note
from saetext.documents.paths import at, has
from saetext.documents.presets.base import Given, Preset, columns
from saetext.documents.reading import BadRow, Row
from saetext.documents.record import EMPTY_TEXT

_MOST_TURNS = 100_000


def _is_node(name: object, mapping: Mapping[Any, Any]) -> bool:
    return isinstance(name, str | int) and name in mapping


def _branch(row: Given) -> list[Any]:
    """Return the messages from the root to the node that is shown; without one, to the last leaf."""
    mapping = row["mapping"]
    node = row.get("current_node")
    if not _is_node(node, mapping):
        leaves = [name for name, item in mapping.items() if not at(item, "children")]
        node = leaves[-1] if leaves else None
    seen: set[Any] = set()
    turns = []
    while _is_node(node, mapping) and node not in seen and len(seen) < _MOST_TURNS:
        seen.add(node)
        item = mapping[node]
        message = item.get("message") if isinstance(item, Mapping) else None
        if isinstance(message, Mapping) and not at(message, "metadata.is_visually_hidden_from_conversation"):
            turns.append(message)
        node = item.get("parent") if isinstance(item, Mapping) else None
    return turns[::-1]


def _said(message: Given, note: Note) -> bool:
    """Whether a turn is text that somebody wrote for the other: no code that was run, no thoughts."""
    kind = at(message, "content.content_type", "text")
    if kind in ("text", "multimodal_text"):
        return at(message, "recipient", "all") in ("all", None)
    note(str(kind))
    return False


def _tree(row: Given, note: Note) -> list[Row]:
    turns = []
    for message in _branch(row):
        if _said(message, note):
            parts = at(message, "content.parts") or at(message, "content.text")
            turns.append({"role": at(message, "author.role", "unknown"), "content": parts})
    turns = [turn for turn in turns if turn["content"] not in ([""], "", None, [])]
    more = columns(row, {"model": "default_model_slug"})
    more.pop("current_node", None)
    return [{**more, "messages": turns}]


def _claude(row: Given, _: Note) -> list[Row]:
    turns = []
    for message in row["chat_messages"]:
        content = at(message, "content") or at(message, "text")
        turns.append({"role": at(message, "sender", "unknown"), "content": content})
    return [{**columns(row, {}), "messages": turns}]


def _is_asked_and_answered(row: Given) -> bool:
    parts = row.get("prompt"), row.get("completion")
    return all(isinstance(part, list) and part and has(part[0], "role") for part in parts)


def _asked_and_answered(row: Given, _: Note) -> list[Row]:
    return [{**columns(row, {}), "messages": [*row["prompt"], *row["completion"]]}]


def _is_telegram(row: Given) -> bool:
    return isinstance(row.get("text_entities"), list) and "text" in row and "type" in row


def _telegram(row: Given, _: Note) -> list[Row]:
    parts = row["text"] if isinstance(row["text"], list) else [row["text"]]
    texts = [part if isinstance(part, str) else at(part, "text") for part in parts]
    text = "".join(each for each in texts if isinstance(each, str))
    if not text:
        return [BadRow(EMPTY_TEXT, f"a {row['type']} without a text")]
    return [{**columns(row, {}), "text": text}]


def _is_sharegpt(row: Given) -> bool:
    turns = row.get("conversations")
    return isinstance(turns, list) and bool(turns) and all(has(turn, "from") for turn in turns[:2])


PRESETS = (
    Preset(
        "ShareGPT chats",
        _is_sharegpt,
        lambda row, _: [dict(row)],
        "conversations",
        text=None,
        messages="conversations",
        id="id",
    ),
    Preset(
        "ChatGPT export",
        lambda row: isinstance(row.get("mapping"), Mapping) and bool(row["mapping"]),
        _tree,
        "the branch of mapping that ends in current_node",
        text=None,
        messages="messages",
        id="conversation_id",
    ),
    Preset(
        "Claude export",
        lambda row: isinstance(row.get("chat_messages"), list),
        _claude,
        "chat_messages",
        text=None,
        messages="messages",
        id="uuid",
    ),
    Preset(
        "prompts and completions as chats",
        _is_asked_and_answered,
        _asked_and_answered,
        "prompt and completion, joined",
        text=None,
        messages="messages",
    ),
    Preset("Telegram export", _is_telegram, _telegram, "text", id="id"),
)
