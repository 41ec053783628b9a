"""The one way to read JSON: bounded in size and depth, without what is ambiguous, of a declared shape.

Not for: writing it (:mod:`saetext.io.strict_json`), declaring shapes (:mod:`saetext.io.shape`), or documents
to be encoded, whose bad rows are rejected one by one (:mod:`saetext.documents`).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from saetext.io.opener import SMALL, decoded, read_bytes
from saetext.io.shape import ANY, Shape, check

MOST_DEPTH = 64  # levels of lists and objects
_MOST_DIGITS = 40  # of a whole number; what has to fit 64 bits is the shape's to say
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Damaged(ValueError):
    """JSON that is not as it should be; the message is one line and does not name the file."""


def load(path: str | os.PathLike[str], shape: Shape = ANY, *, most: int = SMALL, loose: bool = False) -> Any:
    """Return the JSON value in a file.

    Parameters
    ----------
    path : path
        A regular file.
    shape : Shape
        What is expected in it.
    most : int
        Bytes that the file may have.
    loose : bool
        Let NaN, infinities, and text that cannot be encoded pass where the shape asks for nothing: other
        programs write them, and saetext did.

    Raises
    ------
    OSError
        If the file is missing, cannot be read, is not a regular file, or is too large.
    ValueError
        :class:`Damaged`, naming the field and what was expected.
    """
    return loads(read_bytes(path, most), shape, most=most, loose=loose)


def loads(
    content: bytes | str,
    shape: Shape = ANY,
    *,
    most: int = SMALL,
    loose: bool = False,
    lines: bool = False,
) -> Any:
    """Return the JSON value in ``content``; as :func:`load`, and :class:`Damaged` if it is too large.

    With ``lines``, texts may hold line breaks as they are, as language models write them.
    """
    if len(content) > most:
        raise Damaged(f"it has {len(content):,} bytes; at most {most:,} are read")
    try:
        text = decoded(content) if isinstance(content, bytes) else content
        value = _DECODERS[loose, lines].decode(text)
        _require_shallow(value)
        if not loose and _SURROGATE.search(text):
            _require_encodable(value)
    except RecursionError:
        raise Damaged(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise Damaged(
            f"it is not JSON: {error.msg.lower()} (line {error.lineno:,}, column {error.colno:,})"
        ) from None
    except Damaged:
        raise
    except ValueError as error:
        raise Damaged(str(error)) from None
    return check(shape, value)


def require_bounded(path: str | os.PathLike[str], most: int = SMALL) -> None:
    """Raise unless a file is JSON of a bounded size and depth, for a library that reads it itself.

    Raises
    ------
    OSError, ValueError
        As :func:`load`; keys that stand twice are the library's business.
    """
    text = decoded(read_bytes(path, most))
    try:
        _require_shallow(_FOREIGN.decode(text))
    except RecursionError:
        raise Damaged(_TOO_DEEP) from None


def plain(value: Any) -> Any:
    """Return ``value`` as it will be read back: tuples as lists, keys as text."""
    return json.loads(json.dumps(value))


_TOO_DEEP = f"it is nested more than {MOST_DEPTH} levels deep"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Damaged(f"the key {json.dumps(double[:60])} stands twice in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise Damaged(f"a whole number has {len(digits):,} digits; at most {_MOST_DIGITS} are read")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Damaged(f"the number {digits[:40]} is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise Damaged(f"{name} is not a JSON number")


def _decoder(loose: bool, lines: bool) -> json.JSONDecoder:
    finite: dict[str, Any] = {} if loose else {"parse_float": _number, "parse_constant": _constant}
    return json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_whole, strict=not lines, **finite)


_FOREIGN = json.JSONDecoder(parse_int=_whole)
_DECODERS = {(loose, lines): _decoder(loose, lines) for loose in (False, True) for lines in (False, True)}


def _require_shallow(value: Any) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_DEPTH + 1):
        level = [
            item
            for each in level
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise Damaged(_TOO_DEEP)


def _require_encodable(value: Any) -> None:
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            todo.extend(each)
        if isinstance(each, str):
            try:
                each.encode()
            except UnicodeEncodeError:
                raise Damaged("a text holds half of a character (a lone surrogate)") from None
        else:
            todo.extend(_items(each))


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
