"""Readers of JSON: a value on each line, an array, objects one after another; and which of them a file is.

Not for: a JSON file that is one object (``records``), or bytes and lines (``text``).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import cast

from saetext.documents import text
from saetext.documents.json_values import DECODER, decode_json
from saetext.documents.paths import opened
from saetext.documents.reading import BadRow, NumberedRow, Row, kind_of, shorten
from saetext.documents.record import MALFORMED, UNDECODABLE
from saetext.documents.text import ByteSource, Stream, TextReader
from saetext.errors import InputError


def json_row(value: object, texts: bool = False) -> Row:
    """Return the row that a JSON value is: an object, one that a string or a list of one holds, a chat.

    ``texts`` says whether a string is a text.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        inner = opened(value)
        if isinstance(inner, dict):
            return inner
        if texts:
            return {"text": value}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        if all("role" in item or "from" in item for item in value):
            return {"messages": value}
        if len(value) == 1:
            return cast(Row, value[0])
    return BadRow(MALFORMED, f"{kind_of(value)}, not an object")


def _starts_cut(error: ValueError, content: str) -> bool:
    """Whether JSON is broken because it ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(content.rstrip()) - 1


class JsonLines(TextReader):
    """One JSON object a line; blank lines are no rows. A line may be a string that holds it, or a text."""

    format = "jsonl"
    unit = "line"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        texts: bool | None = None
        for number, line in enumerate(text.lines(stream), 1):
            if line is None:
                yield number, text.TOO_LONG
            elif not line.isspace():
                texts = line.lstrip().startswith(b'"') if texts is None else texts
                yield number, self._row(line, texts)

    @staticmethod
    def _row(line: bytes, texts: bool) -> Row:
        try:
            return json_row(decode_json(line.decode()), texts)
        except UnicodeDecodeError as error:
            at = error.start
            return BadRow(UNDECODABLE, f"byte {line[at]:#04x} at position {at + 1} is not UTF-8")
        except json.JSONDecodeError as error:
            if line.lstrip().startswith(b"{'"):
                return BadRow(MALFORMED, "single quotes, as Python prints a dict: write rows with json.dumps")
            return BadRow(MALFORMED, f"{error.msg} at character {error.pos + 1}")
        except RecursionError:
            return BadRow(MALFORMED, "nested too deeply")


class JsonArray(TextReader):
    """One JSON array of objects or texts, decoded item by item from a sliding buffer.

    A comma before the closing bracket is passed over. Where the file ends within an item, the items before it
    are rows, and the last is a bad one.
    """

    format = "json"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        buffer = _Sliding(stream)
        if buffer.peek() != "[":
            raise InputError(self._no_array(buffer))
        buffer.at += 1
        number = 0
        texts = buffer.peek() == '"'
        while (mark := buffer.peek()) != "]":
            if number:
                if not mark:
                    yield number + 1, BadRow(MALFORMED, "the array is not closed: the file is cut off")
                    return
                if mark != ",":
                    raise self._broken(number, f"expected ',' or ']', found {mark!r}")
                buffer.at += 1
                if buffer.peek() == "]":
                    break
            number += 1
            try:
                value = buffer.item()
            except (ValueError, RecursionError) as error:
                if number > 1 and isinstance(error, ValueError) and buffer.ended and buffer.is_cut(error):
                    yield number, BadRow(MALFORMED, "the file is cut off within it")
                    return
                raise self._broken(number, shorten(str(error))) from error
            yield number, json_row(value, texts)
        buffer.at += 1
        if buffer.peek():
            if not number:
                raise self._broken(number, "something follows the closing ']'")
            yield number + 1, BadRow(MALFORMED, "something follows the closing ']' of the array")

    def _broken(self, number: int, what: str) -> InputError:
        return InputError(f"{self.name} is no valid JSON at or after item {number} of its array: {what}")

    def _no_array(self, buffer: _Sliding) -> str:
        if not buffer.peek():
            return f"{self.name} is empty: expected a JSON array of objects"
        what = "it does not start with '['"
        if buffer.peek() == "{":
            what = "it starts with '{'; if it holds one object a line, say --format jsonl"
        return f"{self.name} is no JSON array of objects: {what}"


class JsonValues(TextReader):
    """JSON objects one after another, each over several lines, with or without commas between them."""

    format = "json"

    def _parse(self, stream: Stream) -> Iterator[NumberedRow]:
        buffer = _Sliding(stream)
        number = 0
        while mark := buffer.peek():
            if mark == ",":
                buffer.at += 1
                continue
            number += 1
            try:
                value = buffer.item()
            except (ValueError, RecursionError) as error:
                if number == 1:
                    raise InputError(f"{self.name} is no valid JSON: {shorten(str(error))}") from error
                yield number, BadRow(MALFORMED, f"not JSON from here to the end: {shorten(str(error))}")
                return
            yield number, json_row(value)


class _Sliding:
    """Text from a stream, of which only what is not consumed yet (from ``at`` on) is kept.

    Bytes that are not UTF-8 become lone surrogates: the rows that hold one are rejected later.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self.at = 0
        self.ended = False

    def is_cut(self, error: ValueError) -> bool:
        """Whether what starts here is broken because the text ends too early."""
        return _starts_cut(error, self._text)

    def _more(self) -> bool:
        """Append at least as much as is pending, so that a long item costs linear time; False at the end."""
        data = self._stream.read(max(text.BUFFER, len(self._text) - self.at))
        more = self._decoder.decode(data, final=not data)
        if not data and not more:
            self.ended = True
            return False
        self._text, self.at = self._text[self.at :] + more, 0
        return True

    def peek(self) -> str:
        """Skip white space and return the next character, ``""`` at the end."""
        while True:
            while self.at < len(self._text):
                if self._text[self.at] not in " \t\r\n":
                    return self._text[self.at]
                self.at += 1
            if not self._more():
                return ""

    def item(self) -> object:
        """Decode the value that starts here; a ValueError if it is broken, cut or too long."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self.at)
            except ValueError as error:
                if len(self._text) - self.at > text.MAX_ROW:
                    raise ValueError(f"broken, or longer than {text.MAX_ROW >> 20} Mi characters") from error
                if not self._more():
                    raise
                continue
            number = not isinstance(value, dict | list | str)
            if number and end + 3 > len(self._text) and self._more():  # "12" may be cut from "12e+3"
                continue
            self.at = end
            return value


def holds_json_lines(source: ByteSource) -> bool:
    """Whether a ``.json`` file is really JSON Lines: an object on its first line, and then another."""
    head = source.head(text.BUFFER).decode("utf-8", "replace").lstrip()
    try:
        value, end = DECODER.raw_decode(head)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "\n" in head[end:] and head[end:].lstrip().startswith("{")


def kind_of_json(source: ByteSource) -> str:
    """Return how a file of JSON is written, by its beginning, whatever it is called.

    Returns
    -------
    str
        ``lines`` (a value on each line), ``line`` (one object on one, or one that does not end in what was
        looked at: its extension decides), ``array``, ``object`` (one that may hold the rows), or ``values``
        (objects over several lines).
    """
    head = source.head(text.BUFFER).decode("utf-8", "replace").lstrip()
    first, _, rest = head.partition("\n")
    try:
        alone = DECODER.decode(first)
    except (ValueError, RecursionError):
        alone = None
    if head.startswith("["):
        lines = isinstance(alone, list) and rest.lstrip().startswith("[")
        return "lines" if lines else "array"
    if not head.startswith("{") or alone is not None:
        return "lines" if rest.strip() or not head.startswith("{") else "line"
    try:
        _, end = DECODER.raw_decode(head)
    except ValueError:
        if first.strip() == "{":
            return "object"
        # an object larger than what was looked at, or a broken first line
        return "line" if len(head) >= text.BUFFER // 2 else "lines"
    except RecursionError:
        return "lines"
    return "values" if head[end:].strip(" \t\r\n,") else "object"
