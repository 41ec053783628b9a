"""Which shape the first rows have: one that the user's paths ask for, or one that a tool writes.

Not for: plain columns, which need no shape (``guess``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from saetext.documents.chat import parse_messages, transcript
from saetext.documents.grouping import grouped
from saetext.documents.guess import TEXT_NAMES
from saetext.documents.paths import at, has, opened, parse_path
from saetext.documents.presets import preset_of
from saetext.documents.reading import BadRow, NumberedRow, RowReader
from saetext.documents.shapes import PathShape, PresetShape, Shape, Transcripts
from saetext.errors import InputError

_NEARLY: Final = 0.9  # share of the cells that hold JSON
_ANSWERS: Final = ("role", "content", "choices", "candidates", "message", "messages", "parts", "text",
                   "generated_text")  # fmt: skip
_CHATS: Final = ("chosen", "text", "conversation", "transcript", "dialogue", "chat")

Rows = Sequence[Mapping[str, Any]]


def recognised(
    reader: RowReader, rows: Rows, parts: Mapping[str, str | None], late: Sequence[str] = ()
) -> Shape | None:
    """Return the shape of rows; None where they have plain columns.

    Parameters
    ----------
    reader : RowReader
        What they come from.
    rows : sequence of mappings
        The first of them.
    parts : mapping
        What the user named for ``text``, ``messages``, ``prompt``, ``id``; ``""`` for none.
    late : sequence of str
        Columns that come later.

    Raises
    ------
    InputError
        If a tool wrote them, but no text.
    """
    if not rows:
        return None
    columns = tuple(
        dict.fromkeys([*(reader.columns or ()), *(str(name) for row in rows for name in row), *late])
    )
    if parts["text"] or parts["messages"]:
        return _named(rows, parts, columns)
    if parts["text"] is None and parts["messages"] is None:
        found = _written_by_a_tool(reader, rows, parts["id"])
        if found is not None:
            return found
    if parts["text"] is None:
        cells = _cells_of_text(rows)
        if cells is not None:
            shape = PathShape({**parts, "text": cells}, columns)
            shape.notices.append(f"column {cells!r} holds JSON: unwrapped")
            return shape
    named = {part: name for part, name in parts.items() if name}
    if any(_is_path(rows, name, columns) for name in named.values()):
        return PathShape(named, columns)
    return None


def holds_turns(rows: Sequence[NumberedRow], column: str) -> bool:
    """Whether nearly all values of a column, or at a path, are chats as lists of turns, or JSON of them.

    Transcripts are texts, too: who names their column as that of the text wants them as they stand.
    """
    given = [row for _, row in rows if not isinstance(row, BadRow)]
    values = [row[column] if column in row else at(row, column) for row in given]
    chats = [value for value in values if value is not None][:20]
    return bool(chats) and sum(map(_is_turns, chats)) >= 0.8 * len(chats)


def _is_turns(value: Any) -> bool:
    return bool(parse_messages(value)) and not (isinstance(value, str) and transcript(value))


def _named(rows: Rows, parts: Mapping[str, str | None], columns: Sequence[str]) -> Shape | None:
    named = [name for name in parts.values() if name]
    text = parts["text"]
    several = bool(text) and text in columns and _mostly_nested(rows, str(text))
    if several or any(_is_path(rows, name, columns) for name in named):
        return PathShape(parts, columns, number_ids=bool(parts["id"]))
    return None


def _is_path(rows: Rows, name: str, columns: Sequence[str]) -> bool:
    if name in columns:
        return False
    steps = parse_path(name)
    return steps is not None and len(steps) > 1 and any(has(row, name) for row in rows)


def _mostly_nested(rows: Rows, column: str) -> bool:
    values = [row[column] for row in rows if row.get(column) is not None]
    nested = [value for value in values if isinstance(value, list | tuple | Mapping)]
    return 2 * len(nested) > len(values)


def _written_by_a_tool(reader: RowReader, rows: Rows, id: str | None) -> Shape | None:
    chats = grouped(reader, rows)
    if chats is not None:
        return chats
    cells = _json_columns(rows)
    if cells:
        rows = [_unwrapped(row, cells) for row in rows]
    preset = preset_of(rows)
    if preset is None:
        column = next((name for name in _CHATS if _transcripts(rows, name)), None)
        return None if column is None else Transcripts(column)
    why = preset.refuses([row for row in rows if preset.fits(row)]) if preset.refuses else None
    if why is not None:
        raise InputError(f"{reader.name} looks like {preset.name}: {why}{_way_out(why)}")
    shape: Shape = PresetShape(preset, id)
    return shape if not cells else _Unwrapping(shape, cells)


def _way_out(why: str) -> str:
    """Return how recognition is turned off, unless it was said."""
    return "" if "--text-column" in why else "; --text-column NAME reads a column as it is"


class _Unwrapping(Shape):
    """A shape of rows some of whose cells hold JSON."""

    def __init__(self, inner: Shape, cells: Sequence[str]) -> None:
        super().__init__()
        self._inner, self._cells = inner, cells
        self.name, self.reads = inner.name, inner.reads
        self.text, self.messages, self.prompt, self.id = inner.text, inner.messages, inner.prompt, inner.id
        self.notices = inner.notices
        said = "columns {} hold" if len(cells) > 1 else "column {} holds"
        self.notices.append(f"{said.format(', '.join(map(repr, cells)))} JSON: unwrapped")

    def rows(self, rows: Any) -> Iterator[NumberedRow]:
        """Yield the rows in shape, after their cells were opened."""
        self._inner.notices = self.notices
        return self._inner.rows(
            (number, row if isinstance(row, BadRow) else _unwrapped(row, self._cells)) for number, row in rows
        )


def _unwrapped(row: Mapping[str, Any], cells: Sequence[str]) -> dict[str, Any]:
    return {name: opened(value) if name in cells else value for name, value in row.items()}


def _json_columns(rows: Rows) -> list[str]:
    """Return the columns nearly all of whose cells hold a list or an object as JSON."""
    found = []
    for name in dict.fromkeys(name for row in rows for name in row):
        texts = [value for row in rows if isinstance(value := row.get(name), str) and value.strip()]
        if texts and sum(opened(text) is not text for text in texts) >= _NEARLY * len(texts):
            found.append(str(name))
    return found


def _cells_of_text(rows: Rows) -> str | None:
    """Return the column called as a text whose cells hold answers as JSON: ``["..."]``, ``{"content"}``."""
    lowered = {str(name).casefold(): str(name) for row in rows for name in row}
    for called in TEXT_NAMES:
        name = lowered.get(called)
        if name is None:
            continue
        values = [row[name] for row in rows if isinstance(row.get(name), str) and row[name].strip()]
        if not values:
            continue
        if sum(_is_answer(opened(value)) for value in values) >= _NEARLY * len(values):
            return name
        return None
    return None


def _is_answer(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, str) or _is_answer(item) for item in value)
    return isinstance(value, Mapping) and any(name in value for name in _ANSWERS)


def _transcripts(rows: Rows, column: str) -> bool:
    values = [value for row in rows if isinstance(value := row.get(column), str)][:20]
    return bool(values) and sum(transcript(value) is not None for value in values) >= 0.8 * len(values)
