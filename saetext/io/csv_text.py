"""CSV of tables, in which no cell is a formula to a spreadsheet, and such cells as they were.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@`` (their wide forms too, in some
languages), a tab or a line break. An apostrophe before it makes it text, as
https://owasp.org/www-community/attacks/CSV_Injection advises. Not for: CSV that is read in as documents
(:mod:`saetext.documents`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saetext.io.strict_json import dumps

if TYPE_CHECKING:
    import polars as pl

# Apostrophes first: what has one of its own gets another, so that taking one away gives back every text
_FORMULA = r"^'*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_ESCAPED = r"^'('*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"
#: What Excel tells UTF-8 by; without it, it reads é as Ã©.
BOM = "\ufeff"
_NUMBER = r"^[+-](?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$"


def csv_of(table: pl.DataFrame, *, raw: bool = False) -> str:
    r"""Return a table as CSV (RFC 4180, ``\n`` line ends) with a header line.

    Fields with a comma, quote or newline are quoted; null is an empty field; lists are written as JSON. Texts
    and column names that a spreadsheet would take for formulas get an apostrophe in front; numbers, such as
    ``-1.5``, do not.

    Parameters
    ----------
    table : polars.DataFrame
        What to write.
    raw : bool
        Leave texts and names as they are.
    """
    import polars as pl

    nested = [name for name, dtype in table.schema.items() if dtype.is_nested()]
    written = [pl.Series(name, [_as_json(value) for value in table[name]], pl.String) for name in nested]
    flat = table.with_columns(written)
    return (flat if raw else _each_text(flat, _escaped)).write_csv()


def restored(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table that was read from our CSV with the texts and names that were written.

    Of other CSV, texts such as ``'=1`` lose their apostrophe.
    """
    return _each_text(table, _unescaped)


def _as_json(value: Any) -> str | None:
    return None if value is None else dumps(value)


def _each_text(table: pl.DataFrame, change: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Change texts and names of columns, all in one query: one a column takes ten seconds for 80,000."""
    import polars as pl

    texts = pl.col(pl.String)  # by type: a name such as "^a$" would be taken for a pattern
    changed = table.with_columns(change(texts))
    changed.columns = (
        pl.DataFrame({"name": pl.Series(table.columns, dtype=pl.String)})
        .select(change(texts))["name"]
        .to_list()
    )
    return changed


def _escaped(texts: pl.Expr) -> pl.Expr:
    import polars as pl

    formula = texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)
    return pl.when(formula).then(pl.lit("'") + texts).otherwise(texts).name.keep()


def _unescaped(texts: pl.Expr) -> pl.Expr:
    return texts.str.replace(_ESCAPED, "$1")
