"""One row of input -> a Document, or a Reject that says why not.

Not for: reading files, or knowing about other rows (except the set of ids already used).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from saetext.documents.chat import parse_messages
from saetext.documents.reading import BadRow, Row, kind_of, shorten
from saetext.documents.record import (
    DUPLICATE_ID,
    EMPTY_TEXT,
    MALFORMED_MESSAGES,
    NO_COUNTED_TURN,
    NOT_TEXT,
    NULL_TEXT,
    UNDECODABLE,
    UNUSABLE_ID,
    Columns,
    Document,
    Message,
    Reject,
)

ROLES: Final = ("assistant", "user", "system", "all")
_INT: Final = re.compile(r"0|-?[1-9][0-9]{0,18}")
# a bare 12e4 may well be a hash; a point or a single digit before the e makes it a number
_FLOAT: Final = re.compile(r"-?(?:(?:0|[1-9]\d*)\.\d+(?:[eE][+-]?\d{1,3})?|\d[eE][+-]?\d{1,3})", re.ASCII)
_COMMA: Final = re.compile(r"-?(?:0|[1-9]\d{0,14}),\d{1,15}", re.ASCII)
_NUMBERS: Final = {"$numberLong": int, "$numberInt": int, "$numberDouble": float, "$numberDecimal": float}
_BOOLS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT64: Final = range(-(1 << 63), 1 << 63)


class _Problem(Exception):
    """Why a row is rejected; never leaves this module."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail


def plain_value(text: str) -> bool | int | float | str:
    """Return what a CSV field means: true/false, an integer, a decimal number, else the string itself.

    ``007``, ``+1``, ``1,000``, ``nan`` and integers beyond 64 bits stay strings.
    """
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        value = int(text)
        return value if value in _INT64 else text
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _encodable(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:  # a lone surrogate
        return False


_UNDECODED: Final = re.compile("[\udc80-\udcff]")  # what bytes that are not UTF-8 are read as
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


_FREE: Final = bytes(16)


class IdSet:
    """A set of strings that takes 24 to 48 bytes for each: an open hash table of 128-bit digests."""

    def __init__(self) -> None:
        self._slots = bytearray(16 * 1024)
        self._count = 0

    def add(self, text: str) -> bool:
        """Add a string; return whether it is new."""
        if self._count * 16 * 3 >= len(self._slots) * 2:
            old, self._slots = self._slots, bytearray(2 * len(self._slots))
            for at in range(0, len(old), 16):
                if (digest := old[at : at + 16]) != _FREE:
                    self._insert(digest)
        new = self._insert(blake2b(text.encode(), digest_size=16).digest())
        self._count += new
        return new

    def _insert(self, digest: bytes | bytearray) -> bool:
        slots, end = self._slots, len(self._slots)
        at = int.from_bytes(digest[:6], "little") * 16 % end
        while (found := slots[at : at + 16]) != _FREE:
            if found == digest:
                return False
            at = (at + 16) % end
        slots[at : at + 16] = digest
        return True


def row_id(value: object, position: int) -> str | None:
    """Return the id that a value of the id column gives; None if it can be none.

    Null and ``""`` give ``row-N``, which cannot be mistaken for a number from the column.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, np.generic):
        value = value.item()
    value = _unwrapped(value)
    if value is None or value == "" or _is_nan(value):
        return f"row-{position}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # integers beside nulls arrive as floats from pandas
    if isinstance(value, bool | list | tuple | Mapping):
        return None
    text = str(value)
    return text if _encodable(text) else None


def _unwrapped(value: Any) -> Any:
    """Return what MongoDB writes as an object of one key: ``{"$oid": "5f..."}``; anything else as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "$date" and isinstance(inner, dict):  # of years that its own notation lacks
        inner = _unwrapped(inner)
    if kind in ("$oid", "$date") and isinstance(inner, str | int):
        return inner
    number = _NUMBERS.get(kind)
    try:
        return value if number is None or not isinstance(inner, str) else number(inner)
    except ValueError:
        return value


class Converter:
    """Turns rows into documents.

    Parameters
    ----------
    columns : Columns
        Which column is what.
    role : str
        The counted role of a chat, one of :data:`ROLES`.
    untyped : bool
        Whether metadata are strings to be typed by :func:`plain_value`.
    notices : list of str
        Gets a line when a column of bytes is left out.
    counted : dict of str to int
        Where in ``notices`` those stand that count rows: a later pass counts anew on the same lines.
    check_ids : bool
        Whether an id that was used before is a reason to reject; False where that is known already.
    """

    def __init__(
        self,
        columns: Columns,
        role: str,
        *,
        untyped: bool,
        notices: list[str],
        counted: dict[str, int],
        check_ids: bool,
    ) -> None:
        self._columns = columns
        self._role = role
        self._untyped = untyped
        self._notices = notices
        self._ids = IdSet() if check_ids else None
        self._told = counted
        self._counts: Counter[str] = Counter()
        self._chosen = frozenset(columns.chosen().values())

    def convert(self, row: Row, position: int, where: str, *, comma: bool = False) -> Document | Reject:
        """Return the document in a row, or the reason why there is none.

        ``comma`` says that ``3,5`` is a number in the file that the row is of.
        """
        if isinstance(row, BadRow):
            return Reject(position, where, row.reason, row.detail)
        try:
            messages = self._messages(row)
            text = self._text(row) if messages is None else ""
            prompt = self._prompt(row)
            meta = self._meta(row, comma)
            id = self._id(row, position)
        except _Problem as problem:
            return Reject(position, where, problem.reason, shorten(problem.detail))
        return Document(id, text, prompt, messages, meta, position, where)

    def _text(self, row: Mapping[str, Any]) -> str:
        column = self._columns.text
        assert column is not None
        value = row.get(column)
        if value is None and self._untyped:
            raise _Problem(EMPTY_TEXT, f"column {column!r} is empty")
        if value is None or _is_nan(value):
            raise _Problem(NULL_TEXT, f"column {column!r} is {'null' if column in row else 'missing'}")
        text = self._text_of(value, column)
        if not text or text.isspace():
            raise _Problem(EMPTY_TEXT, f"column {column!r} is empty or white space")
        return text

    def _prompt(self, row: Mapping[str, Any]) -> str | None:
        column = self._columns.prompt
        value = None if column is None else row.get(column)
        if column is None or value is None or _is_nan(value):
            return None
        try:
            text = self._text_of(value, column)
        except _Problem as problem:  # a prompt is beside the text, and does not cost it
            self._count(f"prompts are left out: {problem.detail}")
            return None
        return text if text and not text.isspace() else None

    def _text_of(self, value: object, column: str) -> str:
        """Return a string or the UTF-8 in bytes."""
        if isinstance(value, bytes):
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise _Problem(UNDECODABLE, f"column {column!r} holds bytes that are not UTF-8") from error
        if not isinstance(value, str):
            raise _Problem(NOT_TEXT, f"column {column!r} holds {kind_of(value)}")
        return self._whole(value, column)

    def _whole(self, text: str, column: str) -> str:
        """Return a text with the halves of characters in it replaced, and count it."""
        if _encodable(text):
            return text
        if _UNDECODED.search(text):
            raise _Problem(UNDECODABLE, f"column {column!r} holds bytes that are not UTF-8")
        self._count(f"halves of characters in column {column!r} are replaced by \ufffd")
        return _SURROGATE.sub("\ufffd", text)

    def _side(self, text: str, column: str) -> str:
        """Return a text that is beside the document, with all that cannot be stored replaced."""
        if _encodable(text):
            return text
        self._count(f"what is not UTF-8 in column {_stored(column)!r} is replaced by \ufffd")
        return _stored(text)

    def _count(self, notice: str) -> None:
        """Take notice of something that several rows may have."""
        self._counts[notice] += 1
        times = self._counts[notice]
        line = f"{notice} ({times:,} row{'s' if times > 1 else ''})"
        if notice in self._told:
            self._notices[self._told[notice]] = line
        else:
            self._told[notice] = len(self._notices)
            self._notices.append(line)

    def _messages(self, row: Mapping[str, Any]) -> tuple[Message, ...] | None:
        column = self._columns.messages
        if column is None:
            return None
        value = row.get(column)
        if value is None:
            raise _Problem(NULL_TEXT, f"column {column!r} is {'null' if column in row else 'missing'}")
        if isinstance(value, bytes):
            value = self._text_of(value, column)
        turns = parse_messages(value, self._note_kind)
        if turns is None:
            expected = "expected a list of {role, content} or {from, value}"
            raise _Problem(MALFORMED_MESSAGES, f"column {column!r} holds {kind_of(value)}: {expected}")
        turns = tuple(Message(self._whole(t.role, column), self._whole(t.content, column)) for t in turns)
        counted = [turn for turn in turns if self._role in ("all", turn.role)]
        if not counted:
            roles = ", ".join(sorted({turn.role for turn in turns})) or "none"
            raise _Problem(NO_COUNTED_TURN, f"no turn of role {self._role} (roles: {roles})")
        if all(not turn.content or turn.content.isspace() for turn in counted):
            raise _Problem(EMPTY_TEXT, f"every turn of role {self._role} is empty or white space")
        return turns

    def _id(self, row: Mapping[str, Any], position: int) -> str:
        column = self._columns.id
        if column is None:
            return str(position)
        value = row.get(column)
        id = row_id(value, position)
        if id is None:
            raise _Problem(UNUSABLE_ID, f"column {column!r} holds {shorten(repr(value), 80)}")
        if self._ids is not None and not self._ids.add(id):
            raise _Problem(DUPLICATE_ID, f"{id!r} was used before")
        return id

    def _meta(self, row: Mapping[str, Any], comma: bool) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        for name, value in row.items():
            if name in self._chosen:
                continue
            name = self._side(name if isinstance(name, str) else str(name), "names")
            if isinstance(value, bytes | bytearray | memoryview):
                self._note_binary(name)
                continue
            kind = type(value)
            if kind is str:
                meta[name] = self._typed(self._side(value, name), comma)
            elif kind is float:
                meta[name] = None if value != value else value  # NaN is no number
            elif value is None or kind is bool or (kind is int and value in _INT64):
                meta[name] = value
            else:
                meta[name] = self._scalar(name, value)
        return meta

    def _typed(self, text: str, comma: bool) -> bool | int | float | str | None:
        if not self._untyped:
            return text
        if comma and _COMMA.fullmatch(text):
            return plain_value(text.replace(",", "."))
        return plain_value(text)

    def _scalar(self, name: str, value: object) -> Any:
        """Return any other value as one that metadata may hold."""
        if isinstance(value, np.generic):
            value = value.item()
        value = _unwrapped(value)
        if isinstance(value, str):
            return self._side(value, name)
        if isinstance(value, date):  # or a datetime; pandas' NaT is one that differs from itself
            return value if value == value else None
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, float):
            return None if _is_nan(value) else value
        if isinstance(value, int):
            return int(value) if value in _INT64 else _digits(value)
        if isinstance(value, Decimal):
            if value.is_finite() and value.as_tuple().exponent == 0:
                whole = int(value)
                return whole if whole in _INT64 else _digits(whole)
            return None if value.is_nan() else float(value)
        if isinstance(value, list | tuple | Mapping | np.ndarray):
            value = self._json(name, value)
            if value is None:
                return None
        return self._side(value.isoformat() if isinstance(value, time) else str(value), name)

    def _json(self, name: str, value: object) -> str | None:
        def other(inner: object) -> Any:
            if isinstance(inner, bytes | bytearray | memoryview):
                self._note_binary(name)
                return None
            if isinstance(inner, np.generic | np.ndarray):
                return inner.tolist()
            if isinstance(inner, date | time):
                return inner.isoformat()
            if isinstance(inner, Decimal):
                return float(inner)
            if isinstance(inner, Mapping):
                return dict(inner)
            return str(inner)

        try:
            return json.dumps(value, ensure_ascii=False, default=other)
        except (TypeError, ValueError, RecursionError) as error:
            self._count(f"column {name!r} is left empty, for it is no JSON: {shorten(str(error), 80)}")
            return None

    def _note_kind(self, kind: str) -> None:
        notice = f"parts of kind {kind!r} are not read"
        if notice not in self._notices and len(self._notices) < 200:
            self._notices.append(notice)

    def _note_binary(self, name: str) -> None:
        notice = f"column {name!r} holds bytes: left out"
        if notice not in self._notices:
            self._notices.append(notice)


def _stored(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return _SURROGATE.sub("\ufffd", text)


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more than 4300 digits
        return hex(value)
