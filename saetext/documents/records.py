"""JSON files that are one object: the rows in it, wherever tools put them.

Known are a list of objects under some name (``samples``, ``results.results``, ``data``), and the ways in
which pandas writes a table. Not for: arrays and JSON Lines, which are streamed (``text``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from saetext.documents.chat import parse_messages
from saetext.documents.grouping import CONVERSATION_IDS
from saetext.documents.guess import ID_NAMES, MESSAGES_NAMES, PROMPT_NAMES, TEXT_NAMES
from saetext.documents.json_text import json_row
from saetext.documents.json_values import decode_json
from saetext.documents.paths import at, parse_path, write_path
from saetext.documents.presets import preset_of
from saetext.documents.presets.base import plain
from saetext.documents.reading import NumberedRow, shorten
from saetext.documents.text import ByteSource, Stream, TextReader
from saetext.documents.words import is_prose
from saetext.errors import InputError

MOST: Final = 512 << 20  # bytes of a JSON file that is held whole
_DEPTH: Final = 4
_SAMPLE: Final = 20
_FIELDS: Final = {*TEXT_NAMES, *PROMPT_NAMES, *MESSAGES_NAMES, *ID_NAMES, "title"}


class JsonObject(TextReader):
    """A JSON file that is one object, held whole.

    Parameters
    ----------
    source : ByteSource
        The bytes.
    records : str, optional
        Path to the list of rows; found if left out.
    """

    format = "json"

    def __init__(self, source: ByteSource, records: str | None = None) -> None:
        super().__init__(source)
        self._records = records
        self._told = False

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        content = stream.read(MOST + 1)
        if len(content) > MOST:
            raise InputError(
                f"{self.name} is one JSON object of more than {MOST >> 20} MiB; save its rows as JSON Lines"
            )
        try:
            value = decode_json(content.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else shorten(str(error))
            raise InputError(
                f"{self.name} is no valid JSON: {what}; if it holds one object a line, say --format jsonl"
            ) from error
        rows, where = rows_in(value, self.name, self._records)
        if where and not self._told:
            self.notices += (f"rows are {where}",)
        self._told = True
        for number, row in enumerate(rows, 1):
            yield number, json_row(row, True)


def rows_in(value: Any, name: str, records: str | None = None) -> tuple[Sequence[Any], str]:
    """Return the rows in a JSON value, and where they are in words; empty for the value itself.

    Raises
    ------
    InputError
        If there are several lists that may be the rows, or none at the path that was named.
    """
    if records is not None:
        found = at(value, records) if parse_path(records) else None
        if isinstance(found, Mapping):
            found = _table(found) or [dict(found)]
        if not isinstance(found, list):
            raise InputError(f"{name} has no list at {records}{_offered(_lists(value))}")
        return found, f"at {records}"
    if isinstance(value, list):
        return value, ""
    if not isinstance(value, Mapping):
        raise InputError(f"{name} is no object or array of rows")
    table = _table(value)
    if table is not None:
        return table, "those of a table as pandas writes it"
    if said := _of_all_chats(value):
        return said, "the messages of all chats, at chats.list[].messages"
    lists = _lists(value)
    if not lists:
        return _inner_table(value)
    if preset_of([value]) is not None or any(_is_chat(value.get(name)) for name in MESSAGES_NAMES):
        return [value], ""
    if _is_text_itself(value, lists):
        return [value], ""
    path = _best(value, lists)
    if path is None:
        raise InputError(f"{name} holds several lists of objects{_offered(lists)}")
    told = _around(value, path)
    rows = at(value, path)
    return [{**told, **row} for row in rows] if told else rows, f"at {path}"


def _of_all_chats(value: Mapping[str, Any]) -> list[Any]:
    """Return the messages of Telegram's export of an account, each with its chat; none of anything else.

    Their ids count within a chat alone.
    """
    chats = at(value, "chats.list")
    if not isinstance(chats, list) or not all(isinstance(chat, Mapping) for chat in chats):
        return []
    found = [
        {**row, "id": f"{at(chat, 'id')}/{row['id']}", "chat": at(chat, "name")}
        for chat in chats
        for row in (chat.get("messages") if isinstance(chat.get("messages"), list) else ())
        if isinstance(row, Mapping) and "id" in row and "text_entities" in row
    ]
    return found


def _is_chat(value: Any) -> bool:
    """Whether a list holds the turns of one chat, rather than rows that say which chat they are of."""
    if not isinstance(value, list) or not value or not parse_messages(value):
        return False
    return not any(name in turn for turn in value[:_SAMPLE] for name in CONVERSATION_IDS)


def _is_text_itself(value: Mapping[str, Any], lists: Mapping[str, int]) -> bool:
    """Whether an object is a document that has lists beside its text, such as its authors."""
    if not any(is_prose(value.get(name)) for name in TEXT_NAMES):
        return False
    samples = [list(at(value, path)[:_SAMPLE]) for path in lists]
    return not any(
        preset_of(rows) is not None or any(is_prose(inner) for row in rows for inner in row.values())
        for rows in samples
    )


def _offered(lists: Mapping[str, int]) -> str:
    if not lists:
        return ""
    shown = ", ".join(
        f"--records {path} ({rows:,} row{'' if rows == 1 else 's'})" for path, rows in list(lists.items())[:5]
    )
    return f"; name one: {shown}"


def _lists(value: Any) -> dict[str, int]:
    """Return the paths of lists of objects in objects, and their lengths."""
    found: dict[str, int] = {}
    todo: deque[tuple[list[Any], Any]] = deque([([], value)])
    while todo:
        steps, inner = todo.popleft()
        for key, item in inner.items():
            here = [*steps, str(key)]
            if isinstance(item, list) and item and all(isinstance(each, Mapping) for each in item[:_SAMPLE]):
                found[write_path(here)] = len(item)
            elif isinstance(item, Mapping) and len(here) < _DEPTH:
                todo.append((here, item))
    return found


def _best(value: Any, lists: Mapping[str, int]) -> str | None:
    """Return the list whose rows a tool is known to write, or the only one that holds prose."""
    samples = {path: list(at(value, path)[:_SAMPLE]) for path in lists}
    known = [path for path, rows in samples.items() if preset_of(rows) is not None]
    if len(known) == 1:
        return known[0]
    if len(lists) == 1:
        return next(iter(lists))
    prose = [path for path, rows in samples.items() if any(is_prose(v) for row in rows for v in row.values())]
    return prose[0] if len(prose) == 1 else None


def _around(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return what inspect_ai's logs say of all their samples."""
    if path != "samples":
        return {}
    told = {name: at(value, f"eval.{name}") for name in ("task", "model")}
    return {name: found for name, found in told.items() if plain(found)}


def _table(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of a table that pandas or a script wrote as an object; None if it is none."""
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        return [dict(zip(map(str, columns), row, strict=False)) for row in data]
    if isinstance(data, list) and isinstance(value.get("schema"), Mapping):
        return [row for row in data if isinstance(row, dict)]
    inner = list(value.values())
    if inner and all(isinstance(item, Mapping) and item for item in inner):
        return _nested(value)
    if inner and all(isinstance(item, list) for item in inner):
        flat = all(not isinstance(each, Mapping) for item in inner for each in item[:_SAMPLE])
        if flat and len({len(item) for item in inner}) == 1 and inner[0]:
            return [dict(zip(map(str, value), row, strict=True)) for row in zip(*inner, strict=True)]
    if len(inner) > 2 and all(is_prose(item) for item in inner):
        if all(any(c.isdigit() for c in key) for key in value):
            return [{"id": str(key), "text": item} for key, item in value.items()]
        if all(is_prose(key) for key in value):
            return [{"prompt": str(key), "text": item} for key, item in value.items()]
    return None


def _inner_table(value: Mapping[str, Any]) -> tuple[Sequence[Any], str]:
    """Return the rows of an object in an object that is a table; without one, the object is the only row."""
    found = {
        name: rows
        for name, item in value.items()
        if isinstance(item, Mapping)
        and len(item) > 2
        and all(isinstance(inner, Mapping) for inner in item.values())
        and (rows := _nested(item)) is not None
        and all(any(is_prose(cell) for cell in row.values()) for row in rows[:_SAMPLE])
    }
    if len(found) != 1 or any(is_prose(value.get(name)) for name in TEXT_NAMES):
        return [value], ""
    name, rows = next(iter(found.items()))
    return rows, f"at {write_path([name])}"


def _nested(value: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Return the rows of an object of objects: columns by row names, or rows by their names."""
    first = next(iter(value.values()))
    keys = set(first)
    if len(value) == 1 and keys & _FIELDS:
        return None  # one record under a name
    if all(set(item) == keys for item in value.values()) and all(_flat(item) for item in value.values()):
        numbered = all(key.isdigit() for key in keys)
        if numbered or (len(keys) > len(value) and not all(key.isdigit() for key in value)):
            return [
                {**({} if numbered else {"id": key}), **{name: column[key] for name, column in value.items()}}
                for key in first
            ]
    elif len(value) < 3 or 2 * len(keys & set().union(*value.values())) < len(set().union(*value.values())):
        return None
    if len(value) < 2 or not all(keys & set(item) for item in value.values()):
        return None
    return [{"id": str(key), **item} for key, item in value.items()]


def _flat(item: Mapping[str, Any]) -> bool:
    return all(value is None or isinstance(value, str | int | float) for value in item.values())
