"""Messages that stand one a row -> chats. Not for: chats that are whole in a row (``chat``, ``presets``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from saetext.documents.orders import order_of
from saetext.documents.presets.base import plain
from saetext.documents.reading import BadRow, NumberedRow, Row, RowReader, kind_of
from saetext.documents.record import MALFORMED
from saetext.documents.several import FILE
from saetext.documents.shapes import Shape
from saetext.documents.words import word_set
from saetext.errors import InputError

CONVERSATION_IDS: Final = (
    *("conversation_id", "conversation", "chat_id", "thread_id", "session_id"),
    *("dialog_id", "dialogue_id", "conversation_hash"),
)
ORDERS: Final = (
    *("turn", "turn_id", "turn_index", "message_index", "message_idx", "index", "position", "order"),
    *("created_at", "timestamp", "time"),
)
_SPEAKERS: Final = word_set("user assistant system human model tool bot gpt prompter")
_CONTENTS: Final = ("content", "text", "message")
_NO_ORDER: Final = "values of {!r} say no order in some chats: their turns stay as they stand"
_MOST_SCATTERED: Final = 256 << 20  # bytes of a file whose messages are out of order


class Grouped(Shape):
    """Messages that stand one a row, joined into chats by what tells the conversation.

    Those of different files are different chats. Without a ``key`` each file is one chat.
    """

    messages = "messages"

    def __init__(
        self, reader: RowReader, key: str | None, content: str, order: str | None, *, scattered: bool
    ) -> None:
        super().__init__()
        self._reader = reader
        self.name = "one message a row" if key is not None else "one chat a file"
        self.reads = f"{content!r}"
        if key is not None:
            self.reads += f", rows grouped by {key!r}" + (f" and sorted by {order!r}" if order else "")
        self.id = key
        self._key, self._content, self._order, self._scattered = key, content, order, scattered

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield a row for each conversation, numbered as its first message."""
        bad: list[_Keyed] = []

        def good() -> Iterator[_Keyed]:
            for key, number, row in _by_conversation(self._reader, rows, self._key):
                if isinstance(row, BadRow):
                    bad.append((key, number, row))
                else:
                    yield key, number, row

        groups: Iterable[list[_Keyed]]
        if self._scattered:
            held: dict[Any, list[_Keyed]] = {}
            for item in good():
                held.setdefault(item[0], []).append(item)
            groups = held.values()
        else:
            groups = (list(group) for _, group in groupby(good(), key=lambda item: item[0]))
        for group in groups:
            yield from self._placed(bad)
            bad.clear()
            rows_of = [row for _, _, row in group if not isinstance(row, BadRow)]
            yield from self._placed([(group[0][0], group[0][1], self._joined(rows_of))])
        yield from self._placed(bad)
        self.part = None

    def _placed(self, rows: Iterable[_Keyed]) -> Iterator[NumberedRow]:
        for (_, part, _), number, row in rows:
            self.part = part
            yield number, row

    def _joined(self, rows: list[Mapping[str, Any]]) -> Row:
        order = self._order
        if order is not None and all(row.get(order) is not None for row in rows):
            places = order_of([row[order] for row in rows])
            if places is not None:
                rows = [rows[at] for at in places]
            elif (told := _NO_ORDER.format(order)) not in self.notices:
                self.notices.append(told)
        turns = [{"role": row.get("role"), "content": row.get(self._content)} for row in rows]
        same = {
            name: value
            for name, value in rows[0].items()
            if name not in ("role", self._content, order) and all(row.get(name) == value for row in rows)
        }
        return {**same, "messages": turns, "turns": len(turns)}


_Keyed = tuple[tuple[int, str, Any], int, Row]


def _by_conversation(reader: RowReader, rows: Iterable[NumberedRow], key: str | None) -> Iterator[_Keyed]:
    """Yield each row after what tells its chat: a count of files, the name of its own, and its id.

    In each file rows are numbered anew. Rows whose id can be none become bad ones.
    """
    files = last = 0
    for number, row in rows:
        files += number <= last
        last = number
        part = reader.part
        id = None if key is None or isinstance(row, BadRow) else row.get(key)
        if key is not None and not isinstance(row, BadRow) and not isinstance(id, str | int | float):
            what = "is null or missing" if id is None else f"holds {kind_of(id)}"
            row = BadRow(MALFORMED, f"column {key!r} {what}")
            id = None
        yield (files, part, id), number, row


def grouped(reader: RowReader, rows: Sequence[Mapping[str, Any]]) -> Grouped | None:
    """Return the shape of messages that stand one a row, if these rows are of it.

    Raises
    ------
    InputError
        If the messages of a conversation are apart in a file too large to hold.
    """
    if not are_turns(rows):
        return None
    content = next((name for name in _CONTENTS if all(name in row for row in rows)), None)
    key = next((name for name in CONVERSATION_IDS if all(row.get(name) is not None for row in rows)), None)
    if content is None:
        return None
    if key is None:
        if not _is_one_chat(reader, rows):
            return None
        return Grouped(reader, None, content, None, scattered=False)
    if not all(plain(row[key]) for row in rows):
        return None
    order = next((name for name in ORDERS if all(name in row for row in rows)), None)
    scattered = _scattered(reader, key) if reader.restartable else False
    if scattered and (reader.size_bytes or 0) > _MOST_SCATTERED:
        raise InputError(
            f"{reader.name} has one message a row, and those of a conversation are not together; sort it by "
            f"{key}, or read each message alone with --text-column {content}"
        )
    return Grouped(reader, key, content, order, scattered=scattered)


def are_turns(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each of the rows says in ``role`` who speaks in it."""
    return bool(rows) and all(str(row.get("role", "")).lower() in _SPEAKERS for row in rows)


def _is_one_chat(reader: RowReader, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows of an array are the turns of one chat: of several speakers, and nothing else."""
    known = {"role", *_CONTENTS, "name", "id", "timestamp", "created_at", "tool_calls", "tool_call_id", FILE}
    speakers = {str(row["role"]).lower() for row in rows}
    return (
        reader.format == "json"
        and bool(speakers & {"user", "human"})
        and bool(speakers - {"user", "human", "system"})
        and all(set(row) <= known for row in rows)
    )


def _scattered(reader: RowReader, key: str) -> bool:
    seen: set[Any] = set()
    last: Any = None
    for value, _, row in _by_conversation(reader, reader.rows(), key):
        if not isinstance(row, BadRow) and value != last:
            if value in seen:
                return True
            seen.add(value)
            last = value
    return False
