"""Statistics of features over tokens as text for a terminal: a line of numbers and a line of tokens each.

Returns strings and prints nothing; labels and tokens are data, as in :mod:`saetext.report.console.reading`.
Not for: the whole table, which is written as Parquet or CSV.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import end, make_console, score_text, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.text import Text

    from saetext.features import TokenTable

_HEADS = {
    "feature": "feature",
    "tokens": "tokens",
    "log_sparsity": "log10",
    "mean": "mean",
    "std": "std",
    "skewness": "skew",
    "kurtosis": "kurtosis",
    "max": "max",
}
_ALWAYS = ("feature", "tokens", "max")  # in a window too narrow for all
_WIDE = 90  # columns from which all numbers are shown
_GAP = 2
_MARGIN = 4  # before the tokens


def render_token_table(
    found: TokenTable,
    of: str,
    sort: str,
    top: int | None,
    console_width: int = 100,
    color: bool = False,
    *,
    encoding: str = "utf-8",
) -> str:
    r"""Return the ``top`` features of a table by one of its columns, largest first.

    Parameters
    ----------
    found : TokenTable
    of : str
        What the reader is called.
    sort : str
        One of :data:`saetext.features.activity.SORTED_BY`.
    top : int or None
        Features to list.
    console_width, color, encoding
        As :func:`saetext.report.console.differences.render_diff`.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    console.print(styled(heading(found, of)))
    rows = strongest_by(found, sort, top).to_dicts()
    names = [name for name in _HEADS if console.width >= _WIDE or name in _ALWAYS]
    cells = [{name: _number(name, row[name]) for name in names} for row in rows]
    widths = {name: max(len(_HEADS[name]), *(len(row[name]) for row in cells)) for name in names}
    console.print()
    head = "".join(f"{_HEADS[name]:>{widths[name]}}{' ' * _GAP}" for name in names)
    console.print(_cut(styled(f"{head}label", "dim"), console.width))
    for row, numbers in zip(rows, cells, strict=True):
        line = styled("".join(f"{numbers[name]:>{widths[name]}}{' ' * _GAP}" for name in names), "dim")
        line.append(printable(row["label"] or ""), "bold").append(score_text(row["label_score"]), "dim")
        console.print(_cut(line, console.width))
        tokens = "  ".join(token_shown(token) for token in row["top_tokens"])
        console.print(_cut(styled(f"{' ' * _MARGIN}{tokens or '-'}"), console.width))
    if left := found.table.height - len(rows):
        console.print(styled(f"\n{many(left, 'more feature')} (--top, or -o FILE for all)", "dim"))
    return end(console, found.notes, encoding)


def strongest_by(found: TokenTable, sort: str, top: int | None) -> Any:
    """Return the rows of ``top`` features by a column (None: of all), largest first; undefined ones last.

    Of equal ones the strongest first: kurtosis is the same of all features that are active on one token.
    """
    import polars as pl

    by = [pl.col(sort).round_sig_figs(6), pl.col("max"), pl.col("feature")]  # beyond that it is rounding
    rows = found.table.sort(by, descending=[True, True, False], nulls_last=True)
    return rows if top is None else rows.head(top)


def heading(found: TokenTable, of: str) -> str:
    """Return what the statistics are over, in sentences."""
    about = found.about
    active = found.table.height - about["never_active"]
    if "texts" in about:
        over = f"{many(about['tokens'], 'token')} of {many(about['texts'], 'text')} of {found.over}"
    else:
        over = f"the vocabulary: {many(about['tokens'], 'token')}, each read alone"
        left_out = {"special": about["special"], "never used": about["placeholders"]}
        told = " and ".join(f"{n:,} {what}" for what, n in left_out.items() if n)
        over += f" ({told} left out)" if told else ""
    return printable(
        f"{of} over {over}. {active:,} of {many(found.table.height, 'feature')} are active on some."
    )


def token_shown(token: str) -> str:
    r"""Return a token as it can be told from others: spaces and line breaks have signs.

    Examples
    --------
    >>> from saetext.report.console.tokens import token_shown
    >>> token_shown(" word"), token_shown("word"), token_shown("\n\n")
    ('␣word', 'word', '↵↵')
    """
    return printable(token.replace(" ", "␣").replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥"))


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return _FORMATS.get(name, _three_digits)(value)


def _three_digits(value: float) -> str:
    """Return a number in three digits that mean something."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


_FORMATS: dict[str, Callable[[float], str]] = {
    "feature": str,
    "tokens": lambda value: f"{value:,}",
    "log_sparsity": lambda value: f"{value:.2f}",
    "max": lambda value: f"{value:.2f}",
}


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
