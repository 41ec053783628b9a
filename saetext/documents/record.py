"""The plain data of reading documents: Document, Reject, Message, and the columns they came from.

Not for: reading anything; this module knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

NULL_TEXT: Final = "null text"
EMPTY_TEXT: Final = "empty text"
NOT_TEXT: Final = "not text"
UNDECODABLE: Final = "undecodable bytes"
MALFORMED: Final = "malformed line"
DUPLICATE_ID: Final = "duplicate id"
UNUSABLE_ID: Final = "unusable id"
MALFORMED_MESSAGES: Final = "malformed messages"
NO_COUNTED_TURN: Final = "no counted turn"
FAILED: Final = "failed request"

REASONS: Final = (
    NULL_TEXT,
    EMPTY_TEXT,
    NOT_TEXT,
    UNDECODABLE,
    MALFORMED,
    DUPLICATE_ID,
    UNUSABLE_ID,
    MALFORMED_MESSAGES,
    NO_COUNTED_TURN,
    FAILED,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Document:
    """One input row that can be encoded.

    Attributes
    ----------
    id : str
        From the id column, or made from the row number.
    text : str
        The text to count; ``""`` when ``messages`` is given.
    prompt : str or None
        Context before the text, not counted. An empty prompt is None.
    messages : tuple of Message or None
        The turns of a chat, instead of ``text``.
    meta : dict
        All other columns: bool, int (64 bits), float, str, date, datetime or None. Nested values are JSON
        strings, and whatever else is found is a string.
    position : int
        0-based row number over the whole source, rejected rows included.
    where : str
        The row's place for messages, ``answers.jsonl, line 12`` or ``answers.parquet, row 12`` (from 1).
    """

    id: str
    text: str
    prompt: str | None
    messages: tuple[Message, ...] | None
    meta: dict[str, Any]
    position: int
    where: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One input row that cannot be encoded, and why.

    ``reason`` is one of :data:`REASONS`; ``detail`` says in one line what was found. ``position`` and
    ``where`` are as in :class:`Document`.
    """

    position: int
    where: str
    reason: str
    detail: str


#: How a corpus says that its ids were not in its input.
ROW_NUMBERS = "ids made from row numbers"


@dataclass(frozen=True)
class Columns:
    """Which column of the input plays which part; None where there is none.

    ``guessed`` holds the parts (``"text"``, ``"id"``, ``"prompt"``, ``"messages"``) that nobody named;
    ``available`` all column names seen.
    """

    text: str | None
    id: str | None
    prompt: str | None
    messages: str | None
    guessed: tuple[str, ...] = ()
    available: tuple[str, ...] = ()

    def chosen(self) -> dict[str, str]:
        """Return part -> column name for the parts that have a column."""
        parts = {"text": self.text, "messages": self.messages, "prompt": self.prompt, "id": self.id}
        return {part: name for part, name in parts.items() if name is not None}

    def describe(self) -> str:
        """Return one line, ``text from 'output' (guessed), ids made from row numbers``."""
        chosen = self.chosen()
        said = [
            f"{'ids' if part == 'id' else part} from {name!r}{' (guessed)' if part in self.guessed else ''}"
            for part, name in chosen.items()
        ]
        if "id" not in chosen:
            said.append(ROW_NUMBERS)
        return ", ".join(said)
