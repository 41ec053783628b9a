"""parse_where: a condition on metadata, written as in SQL, to a Polars expression.

The text is split into tokens here and put together again from the known ones, so that only comparisons,
arithmetic and a list of row-wise functions reach Polars's parser: no subquery, no table, no file, no window.
Not for: evaluating it (Corpus.select).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from saetext.corpus.no_column import no_column, there_are
from saetext.errors import InputError
from saetext.text.one_line import one_line

if TYPE_CHECKING:
    import polars as pl

MAX_LENGTH = 5000  # characters; Polars's parser overflows the stack on very long chains
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`])*`)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)
    | (?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    | (?P<operator>==|!=|<>|<=|>=|\|\||!~|=|<|>|~|\+|-|\*|/|%|\(|\)|,)
    """,
    re.VERBOSE,
)
_LITERALS = {"DATE", "TIMESTAMP"}
_UNITS = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"}
_TYPES = {"INT", "INTEGER", "BIGINT", "DOUBLE", "FLOAT", "VARCHAR", "TEXT", "STRING", "BOOLEAN"}
_KEYWORDS = {
    *("AND", "OR", "NOT", "XOR", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN", "TRUE", "FALSE"),
    *("CASE", "WHEN", "THEN", "ELSE", "END", "AS", "DISTINCT", "FROM"),
    *(_LITERALS | _UNITS | _TYPES),
}
_FUNCTIONS = {
    *("ABS", "ROUND", "FLOOR", "CEIL", "SQRT", "LN", "EXP", "SIGN", "MOD", "GREATEST", "LEAST"),
    *("LOWER", "UPPER", "LENGTH", "CHAR_LENGTH", "TRIM", "LTRIM", "RTRIM", "LEFT", "RIGHT", "SUBSTR"),
    *("REPLACE", "CONCAT", "STRPOS", "STARTS_WITH", "ENDS_WITH", "REGEXP_LIKE"),
    *("COALESCE", "IFNULL", "NULLIF", "CAST", "TRY_CAST", "EXTRACT", "DATE_PART"),
}
_SUCH = "LOWER, LENGTH, SUBSTR, STRPOS, ROUND, COALESCE, CAST, EXTRACT"
# after one of these, a double-quoted word that is no column is taken for a text, as SQLite does
_BEFORE_TEXT = {"=", "==", "!=", "<>", "<", ">", "<=", ">=", "~", "!~", "(", ",", "LIKE", "ILIKE"}


class _Token(NamedTuple):
    kind: str
    text: str


def parse_where(text: str, columns: Iterable[str] | Mapping[str, pl.DataType]) -> pl.Expr:
    """Parse a condition such as ``model = 'gpt4' AND n_tokens > 100``.

    Column names stand as they are, or in double quotes (or backticks) if they have other characters; texts in
    single quotes. ``==`` is ``=``, and a text in double quotes is understood where no column has that name.

    Parameters
    ----------
    text : str
        The condition.
    columns : iterable of str, or mapping of str to type
        The columns there are; with their types, the condition is checked to be true or false.

    Raises
    ------
    InputError
        If it names an unknown column, uses something that is not allowed, or is no condition.
    """
    import polars as pl

    names = list(columns)
    if len(text) > MAX_LENGTH:
        raise InputError(f"the condition has {len(text)} characters; {MAX_LENGTH} are allowed")
    statement = " ".join(_rewritten(text, names))
    if not statement:
        raise InputError("the condition is empty; write one like: model = 'gpt4' AND n_tokens > 100")
    try:
        expression = pl.sql_expr(statement)
    except problems() as error:
        raise InputError(f"cannot understand the condition {_short(text)}: {_first_line(error)}") from error
    if expression.meta != expression.meta.undo_aliases():
        raise InputError(f"cannot understand the condition {_short(text)}: no operator between two values")
    used = expression.meta.root_names()
    if not used:
        raise InputError(f"the condition {_short(text)} uses no column; {there_are(names)}")
    for name in used:
        if name not in names:
            raise _unknown(name, names)
    if isinstance(columns, Mapping):
        _require_condition(expression, columns, text)
    return expression


def problems() -> tuple[type[BaseException], ...]:
    """Return what Polars raises for an expression it cannot take; a panic of its Rust is no Exception."""
    import polars as pl

    return pl.exceptions.PolarsError, pl.exceptions.PanicException


def _rewritten(text: str, columns: list[str]) -> Iterator[str]:
    """Yield the tokens as SQL in which every column is quoted; InputError for what is not allowed."""
    tokens = list(_tokens(text))
    for i, (kind, token) in enumerate(tokens):
        after = tokens[i + 1].text if i + 1 < len(tokens) else ""
        before = tokens[i - 1].text.upper() if i else ""
        upper = token.upper()
        if token + after in ("()", ")("):  # functions of nothing make Polars panic
            told = f"the brackets of {before} hold nothing" if after == ")" else "no operator before '('"
            raise InputError(f"cannot understand the condition {_short(text)}: {told}")
        if kind == "quoted":
            name = token[1:-1].replace('""', '"') if token[0] == '"' else token[1:-1]
            if name in columns:
                yield _quote(name)
            elif token[0] == '"' and before in _BEFORE_TEXT and len(tokens) > 1:
                yield "'" + name.replace("'", "''") + "'"
            else:
                raise _unknown(name, columns)
        elif kind != "word":
            yield "=" if token == "==" else token
        elif after == "(" and upper not in _KEYWORDS:
            if upper not in _FUNCTIONS:
                raise _no_function(token)
            yield upper
        elif token in columns and not (upper in _KEYWORDS and _is_keyword(upper, before, after)):
            yield _quote(token)
        elif upper == "FROM" and before not in {"DISTINCT", *_UNITS}:  # FROM can begin a subquery
            raise InputError(f"{_short(text)} is more than a condition: FROM is not allowed there")
        elif upper in _KEYWORDS:
            yield upper
        else:
            raise _unknown(token, columns)


def _is_keyword(word: str, before: str, after: str) -> bool:
    """Return whether a word that is also a column's name is meant as SQL here."""
    if word in _LITERALS:
        return after.startswith("'") or before == "AS"
    if word in _UNITS:
        return before == "(" and after.upper() == "FROM"
    if word in _TYPES:
        return before == "AS"
    return True


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InputError(f"cannot understand the condition {_short(text)} at {text[at : at + 10]!r}")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group())
        at = match.end()


def _require_condition(expression: pl.Expr, columns: Mapping[str, pl.DataType], text: str) -> None:
    import polars as pl

    try:
        kind = pl.LazyFrame(schema=dict(columns)).select(expression.alias("mask")).collect_schema()["mask"]
    except problems() as error:
        reason = _first_line(error)
        if "date" in reason:
            reason = "write a date as DATE '2024-12-31' and a time as TIMESTAMP '2024-12-31 23:59:59'"
        raise InputError(f"the condition {_short(text)} does not fit the columns: {reason}") from error
    if kind != pl.Boolean:
        raise InputError(f"the condition {_short(text)} is {kind}, not true or false")


def _unknown(name: str, columns: list[str]) -> InputError:
    return no_column(name, columns, more=" (put texts in single quotes)")


def _no_function(name: str) -> InputError:
    near = difflib.get_close_matches(name.upper(), sorted(_FUNCTIONS), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return InputError(f"no function {one_line(name, 40)} here{hint}; there are such as {_SUCH}")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: BaseException) -> str:
    return one_line(str(error).strip().partition("\n")[0], 120)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
