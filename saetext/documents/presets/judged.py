"""Arenas and judges: answers of FastChat and Arena-Hard, judgments, and two answers in one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saetext.documents.chat import Note, answers, parse_messages, transcript, vars_of
from saetext.documents.paths import at, opened
from saetext.documents.presets.base import Given, Preset, columns, samples
from saetext.documents.reading import BadRow, Row
from saetext.documents.record import EMPTY_TEXT

#: Pairs of columns that hold two answers to the same prompt.
PAIRS = (
    ("chosen", "rejected"),
    ("preferred_output", "non_preferred_output"),
    ("preferred", "rejected"),
    ("output_1", "output_2"),
    ("response_1", "response_2"),
    ("answer_1", "answer_2"),
    ("response_a", "response_b"),
    ("output_a", "output_b"),
    ("answer_a", "answer_b"),
    ("conversation_a", "conversation_b"),
    ("completion_a", "completion_b"),
    ("response_0", "response_1"),
    ("output_0", "output_1"),
    ("completion_1", "completion_2"),
)
_PROMPTS = ("prompt", "instruction", "question", "query", "input")


def pair_of(row: Given) -> tuple[str, str] | None:
    """Return the two columns of a row that hold answers to the same prompt."""
    for one, two in PAIRS:
        if one in row and two in row and _holds(row[one]) and _holds(row[two]):
            return one, two
    return None


def _holds(value: Any) -> bool:
    return isinstance(value, str | list | Mapping) and bool(value)


def turns_of(value: Any) -> list[dict[str, str]] | None:
    """Return the turns that a value holds as a chat or a transcript; None if it is neither."""
    value = opened(value)
    chat = transcript(value) if isinstance(value, str) else parse_messages(value)
    return [vars_of(turn) for turn in chat] if chat else None


def _sides(row: Given, note: Note) -> list[Row]:
    pair = pair_of(row)
    if pair is None:
        return [BadRow(EMPTY_TEXT, "it does not hold two answers")]
    more = columns(row, {})
    known = {name: value for name, value in more.items() if name not in pair}
    made: list[Row] = []
    for name in pair:
        chat = turns_of(row[name])
        own = {**known, "answer": name, **_own(known, pair, name)}
        if chat is not None:
            made.append({**own, "messages": chat})
            continue
        found = answers(opened(row[name]), note)
        asked_of = next((known[key] for key in _PROMPTS if isinstance(known.get(key), str)), None)
        turns = [{"role": "user", "content": asked_of}] if asked_of else []
        if found:
            made.append({**own, "messages": [*turns, {"role": "assistant", "content": "\n".join(found)}]})
        else:
            made.append(BadRow(EMPTY_TEXT, f"column {name!r} holds no text"))
    return made


def _own(known: Mapping[str, Any], pair: tuple[str, str], name: str) -> dict[str, Any]:
    """Return the columns that are of one answer alone: of ``response_a`` what ``model_a`` says."""
    mine, other = (_ending(name), _ending(pair[0] if name == pair[1] else pair[1]))
    found = {}
    for column, value in known.items():
        stem = column.removesuffix(mine)
        if mine and other and column.endswith(mine) and f"{stem}{other}" in known:
            found[stem] = value
    return found


def _ending(name: str) -> str:
    return name[-2:] if len(name) > 2 and name[-2] == "_" else f"_{name}"


def _is_answer(row: Given) -> bool:
    chat = "model" in row and isinstance(row.get("messages"), list)
    return ("question_id" in row or "uid" in row) and (isinstance(at(row, "choices[0].turns"), list) or chat)


def _answer(row: Given, note: Note) -> list[Row]:
    more = columns(row, {"model": "model_id"})
    if isinstance(row.get("messages"), list):
        return samples(answers({"messages": row["messages"]}, note), more, "messages")
    made: list[Row] = []
    choices = row["choices"]
    for number, choice in enumerate(choices):
        for turn, text in enumerate(at(choice, "turns") or []):
            found = answers(text, note)
            if found:
                several = {"sample": number} if len(choices) > 1 else {}
                made.append({**more, **several, "turn": turn + 1, "text": found[0]})
    return made or [BadRow(EMPTY_TEXT, "there is no text in choices")]


def _is_judgment(row: Given) -> bool:
    judged = isinstance(row.get("judgment"), str) or isinstance(at(row, "games[0].judgment"), str)
    return judged and ("judge" in row or "question_id" in row or "games" in row)


def _judgment(row: Given, _: Note) -> list[Row]:
    games = row.get("games")
    if not isinstance(games, list):
        return [{**columns(row, {}), "text": row["judgment"]}]
    more = columns(row, {})
    return [
        {**more, **columns(game, {}), "game": number + 1, "text": game["judgment"]}
        for number, game in enumerate(games)
        if isinstance(game, Mapping) and isinstance(game.get("judgment"), str)
    ] or [BadRow(EMPTY_TEXT, "there is no judgment in games")]


PRESETS = (
    Preset("judgments", _is_judgment, _judgment, "judgment", prompt="user_prompt"),
    Preset("arena answers", _is_answer, _answer, "choices[*].turns[*]", id="answer_id"),
    Preset(
        "two answers in one row (preference pairs)",
        lambda row: pair_of(row) is not None,
        _sides,
        "both answers, told apart by the column 'answer'",
        text=None,
        messages="messages",
    ),
)
