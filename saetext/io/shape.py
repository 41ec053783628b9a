"""Shapes: what a JSON value should be, declared once; checked with one line that names the field.

A shape is plain data: ``Record({"d_sae": Whole(1, 10), "name": Text()}, {"note": Text()})`` is an object with
two fields and one that may be left out. Values are checked, never changed: ``true`` is not 1, and "4096" is
not 4096. Not for: what two fields say of each other, which is for whoever reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from saetext.io.opener import shown

INT32 = 2**31 - 1
INT64 = 2**63 - 1


class Unfit(ValueError):
    """A value that does not have its shape; the message names the field and what was expected."""


@dataclass(frozen=True)
class Anything:
    """Any JSON value."""

    expected = "anything"


@dataclass(frozen=True)
class Whole:
    """A whole number from ``least`` to ``most``, not a truth value or a text."""

    least: int = 0
    most: int = INT64

    @property
    def expected(self) -> str:
        """In words."""
        if (self.least, self.most) == (0, INT64):
            return "a whole number from 0 that fits 64 bits"
        return f"a whole number from {self.least:,} to {self.most:,}"


@dataclass(frozen=True)
class Number:
    """A finite number from ``least`` to ``most``; with ``above``, greater than ``least``."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False

    @property
    def expected(self) -> str:
        """In words."""
        low = f" {'above' if self.above else 'from'} {self.least:g}" if self.least > -math.inf else ""
        return f"a finite number{low}{f' to {self.most:g}' if self.most < math.inf else ''}"


@dataclass(frozen=True)
class Text:
    """A text of at most ``longest`` characters that has the ``pattern`` and is one of ``choices``."""

    longest: int = 1_000_000
    least: int = 0
    pattern: str = ""
    choices: tuple[str, ...] = ()
    means: str = ""  # what the pattern means, for the message

    @property
    def expected(self) -> str:
        """In words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.means:
            return self.means
        return f"a text of {self.least:,} to {self.longest:,} characters"


@dataclass(frozen=True)
class Flag:
    """``true`` or ``false``."""

    expected = "true or false"


@dataclass(frozen=True)
class List:
    """A list of ``least`` to ``most`` items of one shape."""

    item: Shape = field(default_factory=Anything)
    least: int = 0
    most: int = INT32

    @property
    def expected(self) -> str:
        """In words."""
        if self.most < INT32:
            return f"a list of {self.least:,} to {self.most:,} items"
        return f"a list of at least {self.least:,} items" if self.least else "a list"


@dataclass(frozen=True)
class Table:
    """An object with any keys, and values of one shape."""

    value: Shape = field(default_factory=Anything)
    key: Text = field(default_factory=Text)
    expected = "an object"


@dataclass(frozen=True)
class Record:
    """An object with these fields; with ``closed``, no others."""

    needed: Mapping[str, Shape] = field(default_factory=dict)
    more: Mapping[str, Shape] = field(default_factory=dict)
    closed: bool = False
    expected = "an object"


@dataclass(frozen=True)
class Maybe:
    """``null``, or a value of the shape."""

    shape: Shape

    @property
    def expected(self) -> str:
        """In words."""
        return f"{self.shape.expected}, or null"


@dataclass(frozen=True)
class Either:
    """A value of one of these shapes."""

    shapes: tuple[Shape, ...]

    @property
    def expected(self) -> str:
        """In words."""
        return " or ".join(shape.expected for shape in self.shapes)


Shape: TypeAlias = Anything | Whole | Number | Text | Flag | List | Table | Record | Maybe | Either
ANY = Anything()


def check(shape: Shape, value: Any, field: str = "") -> Any:
    """Return ``value`` if it has the shape.

    Parameters
    ----------
    shape : Shape
        What is expected.
    value : any
        What :func:`json.loads` gives.
    field : str
        Where the value stands, for the message; empty for a whole file.

    Raises
    ------
    Unfit
        In one line that names the field, what it is and what was expected.
    """
    return value if _fit(shape)(value) else _check_slowly(shape, value, field)


def _check_slowly(shape: Shape, value: Any, field: str) -> Any:
    """Do what :func:`check` does, field by field, with the name of each."""
    match shape:
        case Anything():
            return value
        case Maybe():
            return value if value is None else _told(shape.shape, value, field, shape.expected)
        case Either():
            if not any(_has(each, value) for each in shape.shapes):
                raise _unfit(field, value, shape.expected)
        case List():
            if not isinstance(value, list) or not shape.least <= len(value) <= shape.most:
                raise _unfit(field, value, shape.expected)
            for at, item in enumerate(value):
                _check_slowly(shape.item, item, f"{field}[{at}]")
        case Table():
            for key, item in _object(value, field).items():
                _check_slowly(shape.key, key, f"a key of {field or 'the file'}")
                _check_slowly(shape.value, item, _below(field, key))
        case Record():
            _check_record(shape, _object(value, field), field)
        case _:
            if not _scalar(shape, value):
                raise _unfit(field, value, shape.expected)
    return value


def fits(shape: Shape, value: Any) -> bool:
    """Return whether ``value`` has the shape: whether :func:`check` lets it pass, several times as fast."""
    return _fit(shape)(value)


#: By the identity of a shape, which is kept beside it so that no other gets its number.
_known: dict[int, tuple[Shape, Callable[[Any], bool]]] = {}


def _fit(shape: Shape) -> Callable[[Any], bool]:
    found = _known.get(id(shape))
    if found is None:
        found = _known[id(shape)] = shape, _made_fit(shape)
    return found[1]


def _made_fit(shape: Shape) -> Callable[[Any], bool]:
    match shape:
        case Anything():
            return lambda value: True
        case Maybe():
            inner = _made_fit(shape.shape)
            return lambda value: value is None or inner(value)
        case Either():
            several = [_made_fit(each) for each in shape.shapes]
            return lambda value: any(each(value) for each in several)
        case List():
            item, least, most = _made_fit(shape.item), shape.least, shape.most
            return lambda value: (
                isinstance(value, list) and least <= len(value) <= most and all(map(item, value))
            )
        case Table():
            key, each = _made_fit(shape.key), _made_fit(shape.value)
            return lambda value: (
                isinstance(value, dict) and all(map(key, value)) and all(map(each, value.values()))
            )
        case Record():
            return _fit_of_record(shape)
        case Whole():
            low, high = shape.least, shape.most
            return lambda value: type(value) is int and low <= value <= high
        case Text() if not shape.choices and not shape.pattern:
            shortest, longest = shape.least, shape.longest
            return lambda value: isinstance(value, str) and shortest <= len(value) <= longest
        case _:
            return lambda value: _scalar(shape, value)


def _fit_of_record(shape: Record) -> Callable[[Any], bool]:
    needed = [(name, _made_fit(each)) for name, each in shape.needed.items()]
    more = [(name, _made_fit(each)) for name, each in shape.more.items()]
    known = {*shape.needed, *shape.more} if shape.closed else None

    def fit(value: Any) -> bool:
        if not isinstance(value, dict) or (known is not None and not value.keys() <= known):
            return False
        for name, each in needed:
            if name not in value or not each(value[name]):
                return False
        return all(each(value[name]) for name, each in more if name in value)

    return fit


def _told(shape: Shape, value: Any, field: str, expected: str) -> Any:
    """Check what may be null; the message says so where the value itself is at fault."""
    if isinstance(shape, Whole | Number | Text | Flag) and not _scalar(shape, value):
        raise _unfit(field, value, expected)
    return _check_slowly(shape, value, field)


def _has(shape: Shape, value: Any) -> bool:
    try:
        _check_slowly(shape, value, "")
    except Unfit:
        return False
    return True


def _scalar(shape: Shape, value: Any) -> bool:
    match shape:
        case Whole():
            return type(value) is int and shape.least <= value <= shape.most
        case Number():
            if type(value) not in (int, float) or (isinstance(value, float) and not math.isfinite(value)):
                return False
            low = shape.least < value if shape.above else shape.least <= value
            return low and value <= shape.most and abs(value) < 1e300
        case Text():
            if not isinstance(value, str) or not shape.least <= len(value) <= shape.longest:
                return False
            fits = re.fullmatch(shape.pattern, value) is not None if shape.pattern else True
            return fits and (not shape.choices or value in shape.choices)
        case Flag():
            return isinstance(value, bool)
    return False


def _object(value: Any, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unfit(field, value, "an object")
    return value


def _check_record(shape: Record, value: dict[str, Any], field: str) -> None:
    of = field or "it"
    for name in shape.needed:
        if name not in value:
            raise Unfit(f"{of} has no {name}")
    if shape.closed:
        known = [*shape.needed, *shape.more]
        for name in value:
            if name not in known:
                raise Unfit(f"{of} has the key {shown(name)}; known are {', '.join(known)}")
    for name, each in _fields(shape):
        if name in value:
            _check_slowly(each, value[name], _below(field, name))


def _fields(shape: Record) -> Iterator[tuple[str, Shape]]:
    yield from shape.needed.items()
    yield from shape.more.items()


def _below(field: str, name: str) -> str:
    plain = name[:60]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else " " for c in plain)
    return f"{field[-100:]}.{plain}" if field else plain


def _unfit(field: str, value: Any, expected: str) -> Unfit:
    found = shown(value)
    if isinstance(value, list):
        found = f"a list of {len(value):,} items"
    elif isinstance(value, str) and len(value) > 40:
        found = f"a text of {len(value):,} characters"
    return Unfit(f"{field or 'it'} is {found}; expected {expected}"[:250])
