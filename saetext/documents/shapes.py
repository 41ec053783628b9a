"""Rows of a known shape -> rows of plain columns, one for each document in them.

A shape is a preset, paths that the user named, or messages that stand one a row. Not for: which columns hold
what (:mod:`saetext.documents.guess`) or the presets themselves (:mod:`saetext.documents.presets`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from saetext.documents.chat import answers, asked
from saetext.documents.paths import at, opened, parse_path
from saetext.documents.presets import Preset
from saetext.documents.presets.base import plain
from saetext.documents.reading import BadRow, NumberedRow, Row, RowReader
from saetext.documents.record import MALFORMED

_INNER: Final = 40  # plain values of an object that become columns


class Shape(ABC):
    """How rows become rows of documents.

    Attributes
    ----------
    name : str
        For the line that says what was recognised; empty for paths that the user named.
    reads : str
        Where the text is.
    text, messages, prompt, id : str or None
        Columns of the rows that are made.
    part : str or None
        The file that the latest row is of, where rows of more than one are read before it is known.
    notices : list of str
        What the user should know; grows while rows are read.
    """

    part: str | None = None
    name: str = ""
    reads: str = ""
    text: str | None = None
    messages: str | None = None
    prompt: str | None = None
    id: str | None = None

    def __init__(self) -> None:
        self.notices: list[str] = []
        self._unread: Counter[str] = Counter()

    @abstractmethod
    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield what the rows become; called anew for each pass."""

    def note(self, kind: str) -> None:
        """Take note of a kind of part that is not read, and say so once."""
        self._unread[kind] += 1
        if self._unread[kind] == 1 and len(self._unread) <= 20:
            self.notices.append(f"parts of kind {kind!r} are not read")


class PresetShape(Shape):
    """Rows that a tool wrote.

    Parameters
    ----------
    preset : Preset
        How they are read.
    named : str, optional
        The column that the user named for the ids.

    Several texts of one row get ids of their own, ``q7/0`` and ``q7/1``.
    """

    def __init__(self, preset: Preset, named: str | None = None) -> None:
        super().__init__()
        self._preset = preset
        self._named = named
        self.name, self.reads = preset.name, preset.reads
        self.text = None if preset.text is None else "text"
        self.messages, self.prompt = preset.messages, preset.prompt
        self.id = None if preset.id is None else "id"
        self._kept: Any = None

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield the documents of each row; rows of another shape become rejects."""
        for number, row in rows:
            if isinstance(row, BadRow):
                yield number, row
            elif not self._preset.fits(row):
                yield number, BadRow(MALFORMED, f"it is not of the shape of {self._preset.name}")
            elif self._keeps(row):
                yield from _numbered(number, self._with_ids(list(self._preset.read(row, self.note))))

    def _with_ids(self, rows: list[Row]) -> Iterator[Row]:
        """Yield the rows with their ids, which stay columns under their own names: they pair rows."""
        name = self._preset.id
        for number, row in enumerate(rows):
            end = f"/{number}" if len(rows) > 1 else ""
            if isinstance(row, BadRow):
                yield row
                continue
            if name is not None and row.get(name) is not None and (name != "id" or end):
                row = {**row, "id": f"{row[name]}{end}" if end else row[name]}
            if end and self._named not in (None, "id") and plain(row.get(str(self._named))):
                row = {**row, str(self._named): f"{row[str(self._named)]}{end}"}
            yield row

    def _keeps(self, row: Mapping[str, Any]) -> bool:
        column = self._preset.filtered
        if column is None or column not in row:
            return True
        if self._kept is None:
            self._kept = row[column]
        kept = bool(row[column] == self._kept)
        if not kept:
            said = f"{column} {self._kept!r} is kept: each sample stands there once for each {column}"
            if said not in self.notices:
                self.notices.append(said)
        return kept


def _numbered(number: int, made: Iterable[Row]) -> Iterator[NumberedRow]:
    """Yield rows with the number of the row they came from; several of one row know it as a column."""
    several = list(made)
    for row in several:
        if len(several) > 1 and not isinstance(row, BadRow):
            row = {**row, "source_row": number}
        yield number, row


class PathShape(Shape):
    """Columns that are named by paths, or hold several texts or one in a list.

    Parameters
    ----------
    parts : mapping
        ``text``, ``messages``, ``prompt`` and ``id`` to a column or a path; None where nothing was named.
    columns : sequence of str
        Columns there are; a name that is one of them is no path.
    number_ids : bool
        Whether several texts of one row get ids of their own, ``q7/0`` and ``q7/1``.
    """

    def __init__(
        self, parts: Mapping[str, str | None], columns: Sequence[str], *, number_ids: bool = False
    ) -> None:
        super().__init__()
        named = {part: name for part, name in parts.items() if name}
        self.text, self.messages = named.get("text"), named.get("messages")
        self.prompt, self.id = named.get("prompt"), named.get("id")
        self.reads = self.text or self.messages or ""
        self._steps = {name: [name] if name in columns else parse_path(name) for name in named.values()}
        self._roots = {steps[0] for name, steps in self._steps.items() if steps and name not in columns}
        self._number_ids = number_ids

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield rows with a column for each path, named as the path."""
        for number, row in rows:
            yield from [(number, row)] if isinstance(row, BadRow) else self._of(number, row)

    def _of(self, number: int, row: Mapping[str, Any]) -> Iterator[NumberedRow]:
        found = {name: at(row, steps or [name]) for name, steps in self._steps.items()}
        made = {name: value for name, value in row.items() if name not in self._roots}
        for root in self._roots:
            made |= _inner_values(row, str(root), set(found))
        for name, value in found.items():
            made[name] = asked(value) if name == self.prompt and not isinstance(value, str) else value
        if self.text is None or found[self.text] is None or isinstance(found[self.text], str | bytes):
            yield number, made
            return
        texts = answers(opened(found[self.text]), self.note)
        if not texts:
            yield number, made  # what it holds is said by whoever wants a text
            return
        for sample, text in enumerate(texts):
            one = {**made, self.text: text}
            if len(texts) > 1:
                one |= {"sample": sample, "source_row": number}
                if self._number_ids and self.id and one.get(self.id) is not None:
                    one[self.id] = f"{one[self.id]}/{sample}"
            yield number, one


def _inner_values(row: Mapping[str, Any], root: str, taken: set[str]) -> dict[str, Any]:
    """Return the plain values in an object as columns with dots in their names, but lists and the texts."""
    found: dict[str, Any] = {}
    todo = deque([(root, opened(row.get(root)))])
    while todo and len(found) < _INNER:
        name, value = todo.popleft()
        if isinstance(value, Mapping):
            todo += [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif plain(value) and name not in taken:
            found[name] = value
    return found


class Transcripts(Shape):
    """A column of texts that go "Human: ... Assistant: ...", read as chats."""

    def __init__(self, column: str) -> None:
        super().__init__()
        self.name = "transcripts of turns"
        self.reads = self.messages = column

    def rows(self, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
        """Yield the rows as they are: whoever reads a chat takes transcripts too."""
        yield from rows


class Reshaped(RowReader):
    """A reader whose rows are put into shape."""

    def __init__(self, reader: RowReader, shape: Shape) -> None:
        self._reader = reader
        self.shape = shape
        self.name, self.format, self.unit = reader.name, reader.format, reader.unit
        self.restartable, self.untyped = reader.restartable, reader.untyped
        self.size_bytes, self.notices = reader.size_bytes, reader.notices
        self.binary = reader.binary

    @property
    def part(self) -> str:
        """The file that the latest row is of."""
        return self.shape.part or self._reader.part

    @property
    def decimal_comma(self) -> bool:
        """Whether ``3,5`` is a number in the file that the latest row is of."""
        return self._reader.decimal_comma

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield all rows in shape; a part of their columns cannot be had."""
        wanted = self._reader.columns
        if wanted is not None and self.binary:
            wanted = tuple(name for name in wanted if name not in self.binary)
        return self.shape.rows(self._reader.rows(wanted))

    def progress(self) -> float | None:
        """Return the share of the input consumed."""
        return self._reader.progress()
