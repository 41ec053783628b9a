"""A column of dates, numbers or ordered values in bins, in order. Not for: what is counted in them."""

from __future__ import annotations

import calendar
import datetime as dt
import email.utils
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import as_text, require_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.text.one_line import many, quoted

if TYPE_CHECKING:
    import polars as pl

Width = Literal["hour", "day", "week", "month", "quarter", "year"]
MOST = 31  # bins of dates that are chosen without being told to
MOST_TOLD = 400  # bins at all
MOST_VALUES = 30  # values that are a bin each
_QUANTILES = 10
_EACH = 20  # documents of a bin on average, at least, where the width is chosen
_READABLE = 0.95  # share of values that are dates from which on the others are left out
_SOME = 0.5
_EVERY = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}
_SHOWN = {"hour": "%Y-%m-%d %Hh", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_SECONDS = (1e9, 2.2e9)  # since 1970: 2001 to 2039
_MONTH = re.compile(r"\d{4}[-/]\d{1,2}")
_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%B %Y", "%b %Y", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y",
            "%a %b %d %H:%M:%S %z %Y")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bins:
    """Where each document stands along a column.

    Attributes
    ----------
    column, width : str
        The column, and how wide a bin is: a unit of time, ``value`` or ``tenth``.
    labels : tuple of str
        What the bins are called, in order.
    position : float64[B]
        Where they are.
    code : int64[n]
        The bin of each document, -1 where its value is not known.
    notes : tuple of str
        What was decided and left out.
    """

    column: str
    width: str
    labels: tuple[str, ...]
    position: NDArray[np.float64]
    code: Ints
    notes: tuple[str, ...] = ()


def bins_of(corpus: CorpusLike, column: str, width: str | None = None) -> Bins:
    """Put the documents of a corpus into bins along a column.

    Dates are binned by a unit of time that gives at most 31 bins with 20 documents each on average. Up to 30
    numbers or other values are a bin each, more numbers are binned by tenths of the documents.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    column : str
        A column of theirs.
    width : str, optional
        Unit of time by which dates are binned.

    Raises
    ------
    InputError
        If there is no such column, it has neither dates nor an order, or all documents are in one bin.
    """
    import polars as pl

    require_column(corpus, column)
    as_text(corpus, column)  # lists and records are refused
    values = _known(corpus.documents.select(column).collect()[column])
    if values.null_count() == values.len():
        raise InputError(f"column {quoted(column)} of {corpus.path} is empty: no document has a value")
    dates, notes = _dates(values, column)
    if dates is not None:
        found = _of_dates(dates, column, width)
    elif width is not None:
        raise InputError(
            f"column {quoted(column)} has no dates, so there is no {width} of them: leave out bin"
        )
    elif values.dtype.is_numeric() and values.drop_nulls().n_unique() > MOST_VALUES:
        found = _of_numbers(values.cast(pl.Float64), column)
    else:
        found = _of_values(values, column)
    if len(found.labels) < 2:
        told = f"; name a shorter one than {found.width} with bin" if dates is not None and width else ""
        raise InputError(
            f"all documents of {corpus.path} have one {quoted(column)}, {quoted(found.labels[0])}: there is "
            f"no order to follow{told}"
        )
    if missing := int((found.code < 0).sum()):
        what = f"date in {quoted(column)}" if dates is not None else quoted(column)
        notes = [*notes, f"{many(missing, 'document')} without a {what}: left out of the shares"]
    return Bins(found.column, found.width, found.labels, found.position, found.code, (*found.notes, *notes))


def _known(values: pl.Series) -> pl.Series:
    """Return a column with null for what says nothing: blank texts, and numbers that are none."""
    import polars as pl

    if values.dtype == pl.String:
        return values.set(values.str.strip_chars() == "", None)
    return values.set(~values.is_finite(), None) if values.dtype.is_float() else values


# ---- dates ---------------------------------------------------------------------------------------------


def _dates(values: pl.Series, column: str) -> tuple[pl.Series | None, list[str]]:
    """Return a column as times without a zone (UTC); None where it holds no dates."""
    import polars as pl

    if values.dtype == pl.Date:
        return values.cast(pl.Datetime("us")), []
    if isinstance(values.dtype, pl.Datetime):
        if values.dtype.time_zone:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return values.cast(pl.Datetime("us")), []
    if values.dtype.is_numeric():
        return _of_seconds(values, column)
    if values.dtype != pl.String:
        return None, []
    known = values.drop_nulls().unique().to_list()
    read, unread = _best(known, column)
    count = values.is_in(list(read)).sum() if read else 0
    total = values.len() - values.null_count()
    if count < _SOME * total:
        return None, []
    if count < _READABLE * total:
        raise InputError(
            f"{total - count:,} of {total:,} values of {quoted(column)} are no dates, such as "
            f"{quoted(unread, 40)}: write dates as 2024-10-31"
        )
    return pl.Series(values.name, [read.get(v) for v in values.to_list()], dtype=pl.Datetime("us")), []


def _of_seconds(values: pl.Series, column: str) -> tuple[pl.Series | None, list[str]]:
    import polars as pl

    for unit, parts in (("seconds", 1.0), ("milliseconds", 1e3)):
        low, high = values.min(), values.max()
        if low is not None and _SECONDS[0] <= float(low) / parts and float(high) / parts <= _SECONDS[1]:  # type: ignore[arg-type]
            micro = (values.cast(pl.Float64) * (1e6 / parts)).round().cast(pl.Int64)
            return micro.cast(pl.Datetime("us")), [
                f"numbers in {quoted(column)} were read as {unit} since 1970 (UTC)"
            ]
    return None, []


def _best(known: Sequence[str], column: str) -> tuple[dict[str, dt.datetime], str]:
    """Return the values that are dates in the way that most are, and one that is none."""
    readings = [{v: t for v in known if (t := way(v)) is not None} for way in _WAYS]
    day_first, month_first = readings[-2:]
    both = [v for v in day_first if v in month_first and day_first[v] != month_first[v]]
    if both and len(day_first) == len(month_first) >= max(map(len, readings)):
        raise InputError(f"{quoted(both[0])} in {quoted(column)} may be two dates: write dates as 2024-10-31")
    best = max(readings, key=len)
    return best, next((v for v in known if v not in best), "")


def _iso(text: str) -> dt.datetime | None:
    told = text.strip()
    if _MONTH.fullmatch(told):
        told = f"{told[:4]}-{int(told[5:]):02d}-01"
    elif told.isdecimal() and len(told) != 8:
        return None
    elif re.match(r"\d{4}/\d{2}/\d{2}", told):
        told = told.replace("/", "-", 2)
    try:
        return _utc(dt.datetime.fromisoformat(told))
    except (ValueError, OverflowError):
        return None


def _written(text: str) -> dt.datetime | None:
    for form in _FORMATS:
        if (found := _by(form, text)) is not None:
            return found
    try:
        return _utc(email.utils.parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _by(form: str, text: str) -> dt.datetime | None:
    try:
        return _utc(dt.datetime.strptime(text.strip(), form))
    except (ValueError, OverflowError):
        return None


def _utc(at: dt.datetime) -> dt.datetime:
    return at if at.tzinfo is None else at.astimezone(dt.UTC).replace(tzinfo=None)


_WAYS: tuple[Callable[[str], dt.datetime | None], ...] = (
    _iso, _written, lambda text: _by("%d/%m/%Y", text), lambda text: _by("%m/%d/%Y", text),
)  # fmt: skip


def _of_dates(dates: pl.Series, column: str, width: str | None) -> Bins:
    if width is None:
        width = _width(dates)
    starts, every = _starts(dates, width)
    if len(every) > MOST_TOLD:
        longer = f"name a longer one than {width} with bin"
        advice = longer if width != "year" else "leave out dates that are wrong with where"
        raise InputError(
            f"{len(every):,} bins of one {width}, from {_label(every[0], width)} to "
            f"{_label(every[-1], width)}, are too many: {advice}"
        )
    place = {start: at for at, start in enumerate(every)}
    code = np.array([-1 if start is None else place[start] for start in starts], np.int64)
    position = np.array([start.replace(tzinfo=dt.UTC).timestamp() for start in every])
    return Bins(column, width, tuple(_label(start, width) for start in every), position, code)


def _width(dates: pl.Series) -> str:
    """Return the shortest unit with few enough bins and documents enough in each."""
    known = dates.drop_nulls()
    sizes = {
        unit: len(_starts(known, unit)[1]) for unit in get_args(Width) if unit != "hour" or _short(known)
    }
    few = [unit for unit, size in sizes.items() if 2 <= size <= MOST]
    filled = [unit for unit in few if known.len() >= _EACH * sizes[unit]]
    return (filled or few[-1:] or ["year"])[0]


def _short(dates: pl.Series) -> bool:
    first, last = dates.min(), dates.max()
    return bool(last - first < dt.timedelta(days=3))  # type: ignore[operator]


def _starts(dates: pl.Series, width: str) -> tuple[list[Any], list[dt.datetime]]:
    """Return the start of each date's bin, and of all bins from the first to the last."""
    import polars as pl

    starts = dates.dt.truncate(_EVERY[width])
    first, last = starts.min(), starts.max()
    every: Any = pl.datetime_range(first, last, interval=_EVERY[width], eager=True)  # type: ignore[arg-type]
    return starts.to_list(), every.to_list()


def _label(start: dt.datetime, width: str) -> str:
    if width == "quarter":
        return f"{start.year}-Q{(start.month + 2) // 3}"
    return start.strftime(_SHOWN[width])


# ---- numbers and ordered values ------------------------------------------------------------------------


def _of_numbers(values: pl.Series, column: str) -> Bins:
    number = values.fill_null(float("nan")).to_numpy()
    known = np.isfinite(number)
    code = np.searchsorted(_least(number[known]), number, side="right") - 1
    code = np.where(known, code, -1).astype(np.int64)
    labels, position = [], []
    for at in range(int(code.max()) + 1):
        mine = number[code == at]
        low, high = f"{mine.min():g}", f"{mine.max():g}"
        labels.append(low if mine.min() == mine.max() else f"{low}–{high}")
        position.append(mine.mean())
    return Bins(column, "tenth", tuple(labels), np.array(position), code)


def _least(number: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest value of each bin: tenths, and apart a value that fills one tenth and more."""
    starts = np.sort(number)[[-(-(len(number) - 1) * i // _QUANTILES) for i in range(_QUANTILES)]]
    least, times = np.unique(starts, return_counts=True)
    behind = [number[number > value].min(initial=np.inf) for value in least[times > 1]]
    found = np.unique([*least, *behind])
    return found[np.isfinite(found)]


def _of_values(values: pl.Series, column: str) -> Bins:
    import polars as pl

    known = values.drop_nulls().unique().to_list()
    if len(known) > MOST_VALUES:
        raise InputError(
            f"column {quoted(column)} has {len(known):,} different texts that are no dates, such as "
            f"{quoted(min(map(str, known)), 40)}: write dates as 2024-10-31, or name a column with at most "
            f"{MOST_VALUES} ordered values"
        )
    if values.dtype.is_numeric():
        order = sorted(value for value in known if np.isfinite(value))
        position = np.array(order, np.float64)
        labels = [f"{value:g}" if isinstance(value, float) else str(value) for value in order]
        notes: tuple[str, ...] = ()
    else:
        values = values.cast(pl.String)
        order = sorted(map(str, values.drop_nulls().unique().to_list()), key=_ordering(list(map(str, known))))
        position, labels = np.arange(len(order), dtype=np.float64), order
        notes = (f"values of {quoted(column)} in this order: {', '.join(quoted(v, 20) for v in order)}",)
    place = {value: at for at, value in enumerate(order)}
    code = np.array([place.get(value, -1) for value in values.to_list()], np.int64)
    return Bins(column, "value", tuple(labels), position, code, notes)


def _ordering(known: Sequence[str]) -> Callable[[str], Any]:
    """Return by what values are sorted: months and days of the week by the calendar, else numbers in them."""
    for names in (calendar.month_name, calendar.month_abbr, calendar.day_name, calendar.day_abbr):
        place = {name.lower(): at for at, name in enumerate(names) if name}
        if all(value.strip().lower() in place for value in known):
            return lambda value, place=place: place[value.strip().lower()]  # type: ignore[misc]
    return lambda value: [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.lower())
        for part in re.split(r"(\d+)", value)
        if part
    ]
