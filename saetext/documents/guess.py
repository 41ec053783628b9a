"""Which column is the text, the prompt, the messages, the id: named by the user, or guessed and said so.

Not for: checking each row; that is ``convert``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from saetext.documents.convert import parse_messages, plain_value
from saetext.documents.reading import shorten
from saetext.documents.record import Columns
from saetext.errors import InputError
from saetext.text.one_line import quoted

TEXT_NAMES: Final = (
    "text",
    "output",
    "response",
    "content",
    "answer",
    "completion",
    "generation",
    "document",
    "body",
)
PROMPT_NAMES: Final = ("prompt", "instruction", "question", "query", "input")
MESSAGES_NAMES: Final = ("messages", "conversation", "conversations", "chat")
ID_NAMES: Final = ("id", "doc_id", "uuid")


class ColumnChooser:
    """Chooses columns by what the user named and what the first rows hold.

    Parameters
    ----------
    source : str
        The source's name, for messages.
    sample : sequence of mappings
        The first readable rows.
    columns : sequence of str or None
        All columns, if the source has a schema; else those of the sample.
    untyped : bool
        Whether the values are strings that have to be told apart by their looks.
    """

    def __init__(
        self, source: str, sample: Sequence[Mapping[str, Any]], columns: Sequence[str] | None, untyped: bool
    ) -> None:
        self._source = source
        self._sample = sample
        self._untyped = untyped
        self._from_schema = columns is not None
        self.available = tuple(dict.fromkeys(str(name) for row in sample for name in row))
        if columns is not None:
            self.available = tuple(columns)

    def choose(self, text: str | None, id: str | None, prompt: str | None, messages: str | None) -> Columns:
        """Return the columns; None asks for a guess and ``""`` for none.

        Raises
        ------
        InputError
            If a named column is not there, one is named twice, or no text can be found.
        """
        given = {"text": text, "messages": messages, "prompt": prompt, "id": id}
        named = [name for name in given.values() if name]
        for part, name in given.items():
            if name and name not in self.available:
                raise InputError(self._missing(name))
            if name and named.count(name) > 1:
                raise InputError(f"column {name!r} is named for {part} and for something else; name it once")
        if messages and (text or prompt):
            other = "a text" if text else "a prompt"
            raise InputError(f"messages were named together with {other} column; they hold the whole chat")
        parts: dict[str, str | None] = {part: name or None for part, name in given.items()}
        if id is None:
            parts["id"] = self._first(ID_NAMES, lambda name: name not in named)
        if not text and not messages:
            self._guess_content(parts, text is None, messages is None)
        if prompt is None and parts["text"]:
            used = [name for name in parts.values() if name]
            parts["prompt"] = self._first(PROMPT_NAMES, lambda name: name not in used and self._is_text(name))
        guessed = tuple(part for part, name in parts.items() if name and not given[part])
        return Columns(**parts, guessed=guessed, available=self.available)

    def _guess_content(self, parts: dict[str, str | None], text: bool, messages: bool) -> None:
        """Fill in ``text`` or ``messages``; strong evidence first."""
        used = [name for name in parts.values() if name]

        def unused_text(name: str) -> bool:
            return name not in used and self._is_text(name)

        if text and (found := self._first(TEXT_NAMES, unused_text)):
            parts["text"] = found
            return
        if messages and not parts["prompt"] and (found := self._first(MESSAGES_NAMES, self._is_messages)):
            parts["messages"] = found
            return
        if text:
            only = [name for name in self.available if name not in used and self._is_prose(name)]
            if len(only) == 1:
                parts["text"] = only[0]
                return
            if found := self._first(TEXT_NAMES, lambda name: name not in used):
                parts["text"] = found  # its rows will say what is wrong with them
                return
        wanted = "text or messages" if text and messages else "text" if text else "messages"
        raise InputError(
            f"cannot tell which column of {self._source} holds the {wanted}; "
            f"name one of its columns: {self._listed()}"
        )

    def _first(self, names: Sequence[str], fits: Callable[[str], bool]) -> str | None:
        """Return the first column called one of ``names`` that fits; case decides only where it must."""
        folded: dict[str, str] = {}
        for name in self.available:
            folded.setdefault(name.casefold(), name)
        for name in (*names, *(folded[n] for n in names if n in folded)):
            if name in self.available and fits(name):
                return name
        return None

    def _is_text(self, name: str) -> bool:
        return any(isinstance(row.get(name), str | bytes) for row in self._sample)

    def _is_prose(self, name: str) -> bool:
        """Whether a column with no telling name holds strings that are not the numbers of a CSV file."""
        values = [row.get(name) for row in self._sample]
        return any(isinstance(v, str) and not (self._untyped and plain_value(v) is not v) for v in values)

    def _is_messages(self, name: str) -> bool:
        value = next((row[name] for row in self._sample if row.get(name) is not None), None)
        return bool(parse_messages(value))

    def _missing(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.available, n=1)
        lowered = [c for c in self.available if c.casefold() == name.casefold()]
        hint = f"; did you mean {(lowered or close)[0]!r}?" if lowered or close else ""
        where = "" if self._from_schema else f" in its first {len(self._sample)} rows"
        return f"{self._source} has no column {quoted(name)}{where}{hint} (columns: {self._listed()})"

    def _listed(self) -> str:
        shown = ", ".join(shorten(repr(name), 60) for name in self.available[:30])
        more = len(self.available) - 30
        return (shown or "none") + (f" and {more} more" if more > 0 else "")
