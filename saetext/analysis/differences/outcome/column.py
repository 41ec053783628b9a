"""A column as an outcome: one of two values as 1 and 0, or a number. Not for: what goes with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import as_text, columns, require_column
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]


def word_set(words: str) -> frozenset[str]:
    """Return the words of a text, as a set."""
    return frozenset(words.split())


#: What is taken for yes, for no and for neither without being told.
_YES = word_set(
    "yes y true t pass passed win won winner correct right good better chosen accept accepted success "
    "succeeded successful solved resolved positive up thumbs_up like liked helpful safe ok 1 1.0"
)
_NO = word_set(
    "no n false f fail failed loss lose lost loser incorrect wrong bad worse rejected reject failure "
    "unsuccessful unsolved unresolved negative down thumbs_down dislike disliked unhelpful unsafe error 0 0.0"
)
TIES = word_set("tie tied draw drawn neutral equal both tie(bothbad) tie_(bothbad) tie_both_bad")
_MISSING = frozenset(("", "nan", "null", "none", "na", "n/a", "-"))
_NOT_OUTCOMES = {
    "text": "it is the text itself",
    "id": "it names the documents",
    "prompt": "it is what the documents answer",
    "n_tokens": "it is the length, which is adjusted for",
    "n_unknown": "it is a count of tokens the reader does not know",
    "token_start": "it says where tokens are",
    "token_end": "it says where tokens are",
}
_SHOWN = 6  # values that a message lists
_OFTEN = 0.05  # share of "none" from which on it is a value beside texts
_STEPS = 10  # different whole numbers up to which an outcome is said to be a scale of steps


@dataclass(frozen=True, eq=False)
class Outcome:
    """An outcome of each row.

    Attributes
    ----------
    column : str
        Where it comes from.
    values : float64[n]
        1 and 0, or a number; NaN where it is missing.
    yes : str or None
        The value that counts as 1, of an outcome with two; None of a number.
    notes : tuple of str
        What was taken for what, one line each.
    """

    column: str
    values: Floats
    yes: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def binary(self) -> bool:
        """Whether its effects are shares of documents, shown in percentage points."""
        return self.yes is not None

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool[n]: the rows that have it."""
        found: NDArray[np.bool_] = ~np.isnan(self.values)
        return found

    @property
    def name(self) -> str:
        """What it is called: the column, with the value that counts."""
        return self.column if self.yes is None else f"{self.column} = {self.yes}"


def outcome_of(corpus: CorpusLike, asked: str) -> Outcome:
    """Read an outcome from a corpus.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    asked : str
        A column, or ``column=value`` with the value that counts as 1, anything else as 0.

    Raises
    ------
    InputError
        If there is no such column, it is empty, has one value only, or values of which nobody can say which
        is better.
    """
    column, text, value = _column(corpus, asked)
    found = (
        _read(corpus, column, text, corpus.documents.collect_schema()[column])
        if value is None
        else _named(column, text, value)
    )
    _require_varying(found, text)
    return found


def values_of(corpus: CorpusLike, asked: str) -> tuple[str, list[str | None], str | None]:
    """Return a column's name, its values as text (None where missing), and the value that was named.

    Raises
    ------
    InputError
        If there is no such column, it is empty, or it cannot be an outcome.
    """
    column, text, value = _column(corpus, asked)
    return column, text.to_list(), value


def _column(corpus: CorpusLike, asked: str) -> tuple[str, pl.Series, str | None]:
    column, mark, value = (asked, "", "") if asked in columns(corpus) else asked.partition("=")
    column = column.strip()
    if column in _NOT_OUTCOMES:
        raise InputError(f"{column} is no outcome: {_NOT_OUTCOMES[column]}; name a column with a result")
    require_column(corpus, column)
    dtype = corpus.documents.collect_schema()[column]
    text = corpus.documents.select(as_text(corpus, column).alias("value")).collect()["value"]
    if dtype.is_temporal():
        raise InputError(f"{column} is a time, not an outcome; name a column of numbers or of two values")
    text = _without_missing(text, value.strip() if mark else None, strings=not dtype.is_numeric())
    if not dtype.is_numeric():
        text = _merged(text)
    if text.null_count() == len(text):
        raise InputError(f"no document has a {column}: all {len(text):,} are empty")
    return column, text, value if mark else None


def _without_missing(text: pl.Series, named: str | None, *, strings: bool) -> pl.Series:
    import polars as pl

    bare = text.str.strip_chars()
    gone = set(_MISSING) if strings else {"nan", "inf", "-inf"}
    if strings and _is_a_value(bare, named):
        gone.discard("none")
    missing = bare.str.to_lowercase().is_in(list(gone))
    return pl.select(pl.when(missing).then(None).otherwise(bare).alias("value")).to_series()


def _is_a_value(text: pl.Series, named: str | None) -> bool:
    """Return whether "none" is an answer of its own, as in none and search, and not a missing one."""
    if named is not None and named.casefold() == "none":
        return True
    counts = _counts(text)
    others = {word(value) for value in counts} - _MISSING
    if not others or all(_is_number(value) for value in others) or (others & _YES and others & _NO):
        return False
    often = sum(n for value, n in counts.items() if value.casefold() == "none")
    known = often + sum(n for value, n in counts.items() if word(value) not in _MISSING)
    return often >= _OFTEN * known


def _merged(text: pl.Series) -> pl.Series:
    """Return values that mean the same as one, the most frequent: True and true, 1 and 1.0."""
    counts = _counts(text)
    number = all(_is_number(value) for value in counts)
    told = _YES | _NO | TIES
    first: dict[object, str] = {}
    same = {}
    for value in counts:
        key = float(value) if number else said if (said := word(value)) in told else (value,)
        same[value] = first.setdefault(key, value)
    return text if len(first) == len(counts) else text.replace(old=same)


def _named(column: str, text: pl.Series, value: str) -> Outcome:
    """Count one value as 1, whatever the others are."""
    counts = _counts(text)
    wanted = value.strip()
    if wanted not in counts:
        alike = [one for one in counts if one.casefold() == wanted.casefold() or _same_number(one, wanted)]
        if len(alike) != 1:
            raise InputError(f"no document has {column} = {value!r}; it has: {listing(counts)}")
        wanted = alike[0]
    others = sorted((one for one in counts if one != wanted), key=lambda one: -counts[one])
    return Outcome(
        column,
        _coded(text, {wanted: 1.0}, 0.0),
        wanted,
        (f"{column} = {wanted} counts as yes; as no: {_several(others)}",) if len(others) > 1 else (),
    )


def _read(corpus: CorpusLike, column: str, text: pl.Series, dtype: pl.DataType) -> Outcome:
    """Take a column for what it is: two values, a number, or won, lost and tied."""
    import polars as pl

    counts = _counts(text)
    numbers = text.cast(pl.Float64, strict=False)
    numeric = numbers.null_count() == text.null_count() and dtype != pl.Boolean
    if len(counts) == 2:
        return _of_two(column, text, counts, numeric)
    if numeric:
        return _number(column, text, numbers.fill_null(float("nan")).to_numpy().astype(np.float64), dtype)
    if tied := _with_ties(column, text, counts):
        return tied
    _refuse_text(corpus, column, text, counts)
    raise InputError(
        f"{column} has {len(counts):,} values, and nobody says which is better: name the one that counts as "
        f"yes, as in --outcome {column}={_first(counts)}; it has: {listing(counts)}"
    )


def _of_two(column: str, text: pl.Series, counts: Mapping[str, int], numeric: bool) -> Outcome:
    one, other = sorted(counts, key=float) if numeric else sorted(counts, key=str.casefold)
    if numeric:
        no, yes, sure = one, other, {float(one), float(other)} == {0.0, 1.0}
    else:
        no, yes, sure = _guessed(one, other)
    how = (
        f"{column} has two values: {yes} counts as yes, {no} as no; --outcome {column}={no} turns that round"
    )
    return Outcome(column, _coded(text, {yes: 1.0, no: 0.0}), yes, () if sure else (how,))


def _guessed(one: str, other: str) -> tuple[str, str, bool]:
    """Return which of two values is no and which yes, and whether their words say so."""
    for no, yes in ((one, other), (other, one)):
        if word(yes) in _YES and word(no) in _NO:
            return no, yes, True
    for no, yes in ((one, other), (other, one)):
        if word(yes) in _YES or word(no) in _NO:
            return no, yes, False
    return other, one, False  # as models and sides are named: the first


def word(value: str) -> str:
    """Return a value as it is compared with words: small letters, one mark between words."""
    return re.sub(r"[\s-]+", "_", value.strip().casefold())


def _with_ties(column: str, text: pl.Series, counts: Mapping[str, int]) -> Outcome | None:
    """Return won as 1, tied as .5 and lost as 0; None if the values are others."""
    code: dict[str, float] = {}
    for value in counts:
        said = word(value)
        known = [points for words, points in ((_YES, 1.0), (TIES, 0.5), (_NO, 0.0)) if said in words]
        if not known:
            return None
        code[value] = known[0]
    won, lost = (sum(points == side for points in code.values()) for side in (1.0, 0.0))
    if (won, lost) != (1, 1):  # good and ok, or unsafe and error: grades, or two things
        return None
    told = ", ".join(f"{value} as {code[value]:g}" for value in sorted(code, key=lambda one: -code[one]))
    return Outcome(column, _coded(text, code), None, (f"{column} counts {told}",))


def _number(column: str, text: pl.Series, values: Floats, dtype: pl.DataType) -> Outcome:
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    whole = bool((known == np.round(known)).all())
    spread = distinct[-1] - distinct[0] + 1
    if whole and len(distinct) == len(known) > _STEPS and (spread <= 2 * len(known) or known.min() > 1e6):
        raise InputError(
            f"{column} is another whole number in every document ({distinct[0]:.0f} to {distinct[-1]:.0f}): "
            "it numbers them, and is no outcome"
        )
    notes = []
    if not dtype.is_numeric():
        notes.append(f"{column} holds numbers as text; they are taken as numbers")
    if whole and len(distinct) <= _STEPS:
        notes.append(
            f"{column} has {len(distinct)} steps from {distinct[0]:.0f} to {distinct[-1]:.0f}, and each "
            "counts as much as any other"
        )
    return Outcome(column, values, None, tuple(notes))


def _refuse_text(corpus: CorpusLike, column: str, text: pl.Series, counts: Mapping[str, int]) -> None:
    known = len(text) - text.null_count()
    if len(counts) == known > 1:
        what = "it names the documents"
    elif np.median([len(value) for value in counts]) > 60:
        what = "it holds texts"
    else:
        return
    raise InputError(
        f"{column} is no outcome: it has another value in every document; {what}"
        if len(counts) == known
        else f"{column} is no outcome: {what}"
    )


def _require_varying(found: Outcome, text: pl.Series) -> None:
    known = found.values[found.known]
    if len(known) and (known == known[0]).all():
        shown = printable(str(text.drop_nulls()[0]))[:40]
        raise InputError(f"every document has the same {found.column} ({shown}), so nothing can go with it")


def _coded(text: pl.Series, code: Mapping[str, float], rest: float = float("nan")) -> Floats:
    values = [float("nan") if one is None else code.get(one, rest) for one in text.to_list()]
    return np.array(values, np.float64)


def _counts(text: pl.Series) -> dict[str, int]:
    counts = text.drop_nulls().value_counts().sort(["count", text.name], descending=[True, False])
    return dict(counts.iter_rows())


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _first(counts: Mapping[str, int]) -> str:
    shown = printable(next(iter(counts)))
    return f"'{shown[:30]}'" if " " in shown or len(shown) > 30 else shown


def listing(counts: Mapping[str, int]) -> str:
    """Return the most frequent values with their counts, for messages."""
    listed = ", ".join(f"{printable(one)[:30]} ({n:,})" for one, n in list(counts.items())[:_SHOWN])
    return listed + (f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else "")


def _several(values: Sequence[str]) -> str:
    shown = ", ".join(printable(one)[:30] for one in values[:_SHOWN])
    return shown + (f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else "")
