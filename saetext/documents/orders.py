"""What turns are sorted by: numbers, dates and times as exports write them. Not for: which column it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import mktime_tz, parsedate_tz
from itertools import pairwise
from typing import Any, Final

_DATE: Final = r"(?P<a>\d{1,4})(?P<mark>[/.-])(?P<b>\d{1,2})(?:(?P=mark)(?P<c>\d{4}|\d{1,2}))?"
_CLOCK: Final = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?"
)
_TIME: Final = re.compile(rf"(?:{_DATE})?(?:(?:\A|[T,\s]\s*){_CLOCK})?", re.I | re.A)
_MONTH: Final = re.compile(r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.I)
_DIGIT: Final = re.compile(r"\d", re.A)


def order_of(values: Sequence[Any]) -> list[int] | None:
    """Return the places of values from first to last; None if that cannot be told of them.

    Numbers and times are sorted as such, also where they are strings; dates such as ``1/9`` if the day and
    the month are told apart, or make no difference. Other strings are sorted only if they are of one shape.

    Examples
    --------
    >>> order_of(["10:00", "9:59", "10:01"])
    [1, 0, 2]
    >>> order_of(["2/1/2024", "1/2/2024"]) is None
    True
    """
    if not all(isinstance(value, str) for value in values):
        try:
            return _sorted(values)
        except TypeError:  # of several types
            return None
    for keys in (_numbers, _named_months):
        if (found := keys(values)) is not None:
            return _sorted(found)
    matches = [_TIME.fullmatch(value.strip()) if value.strip() else None for value in values]
    times = [match for match in matches if match is not None]
    if len(times) < len(values):
        return _sorted(values) if len({_DIGIT.sub("0", value) for value in values}) == 1 else None
    if len({_kind(match) for match in times}) > 1:
        return None
    readings = (_keys(times, reading) for reading in (_year_first, _day_first, _month_first))
    orders = [_sorted(keys) for keys in readings if keys is not None]
    return orders[0] if orders and all(a == b for a, b in pairwise(orders)) else None


def _sorted(keys: Sequence[Any]) -> list[int]:
    return sorted(range(len(keys)), key=keys.__getitem__)


def _numbers(values: Sequence[str]) -> list[Decimal] | None:
    try:
        numbers = [Decimal(value) for value in values]
    except InvalidOperation:
        return None
    return numbers if all(number.is_finite() for number in numbers) else None


def _named_months(values: Sequence[str]) -> list[int] | None:
    """Return the seconds of times with the month in letters, as mail and Twitter write them."""
    if not all(_MONTH.search(value) for value in values):
        return None
    parsed = [parsedate_tz(value) for value in values]
    if any(each is None or each[9] is None for each in parsed):
        return None
    try:
        return [mktime_tz(each) for each in parsed if each is not None]
    except (ValueError, OverflowError):
        return None


def _kind(match: re.Match[str]) -> tuple[bool, ...]:
    """Return what a time tells of itself; those that tell different things are not compared."""
    return tuple(match[name] is not None for name in ("a", "c", "hour", "half", "zone"))


_Reading = Callable[[str, str, str | None], tuple[int, int, int] | None]


def _year_first(a: str, b: str, c: str | None) -> tuple[int, int, int] | None:
    return (int(a), int(b), int(c)) if len(a) == 4 and c is not None and len(c) <= 2 else None


def _day_first(a: str, b: str, c: str | None) -> tuple[int, int, int] | None:
    return (_year(c), int(b), int(a)) if len(a) <= 2 else None


def _month_first(a: str, b: str, c: str | None) -> tuple[int, int, int] | None:
    return (_year(c), int(a), int(b)) if len(a) <= 2 else None


def _year(c: str | None) -> int:
    if c is None:
        return 2000  # one with a 29th of February
    if len(c) == 1:
        raise ValueError("no year")
    return int(c) + (2000 if len(c) == 2 else 0)


def _keys(times: Sequence[re.Match[str]], reading: _Reading) -> list[datetime] | None:
    """Return the moments that times stand for in one reading of their dates; None if it does not fit."""
    try:
        return [_moment(match, reading) for match in times]
    except (ValueError, OverflowError):
        return None


def _moment(match: re.Match[str], reading: _Reading) -> datetime:
    day = (2000, 1, 1) if match["a"] is None else reading(match["a"], match["b"], match["c"])
    if day is None:
        raise ValueError("another order of day, month and year")
    hour = int(match["hour"] or 0)
    if half := match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("no hour of half a day")
        hour = hour % 12 + 12 * (half in "pP")
    micro = int((match["part"] or "0").ljust(6, "0")[:6])
    moment = datetime(*day, hour, int(match["minute"] or 0), int(match["second"] or 0), micro)
    zone = match["zone"] or "Z"
    if zone[0] in "+-":
        east = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        moment -= east if zone[0] == "+" else -east
    return moment
