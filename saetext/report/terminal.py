"""A result as text for a terminal: a table that fits the window, or a document with features on its words.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: files (:mod:`saetext.report.tables`) or HTML.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saetext.diff import ALPHA, DiffResult
from saetext.evidence import Example, Hit, Segment, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_NARROWEST, _WIDEST = 40, 200
_TWO_SNIPPETS = 130  # columns from which the snippets of both sides share a line
_COLORS = ("cyan", "magenta")  # of A and of B
_INDENT = 2
_LABEL = 60  # widest label; beyond that the eye loses the line
# What a terminal that lacks a character gets instead, one column each.
_PLAIN = {
    "█": "#", "▌": "#", "▐": "#", "│": "|", "─": "-", "…": "~", "«": "[", "»": "]", "↵": "/", "␣": "_",
    "−": "-", "–": "-", "≥": ">", "’": "'", "‘": "'", "“": '"', "”": '"',
}  # fmt: skip


def render_diff(
    result: DiffResult,
    console_width: int = 100,
    color: bool = False,
    *,
    top: int | None = None,
    encoding: str = "utf-8",
) -> str:
    r"""Return a diff as a heading in words, a table and its notes.

    Parameters
    ----------
    result : DiffResult
        What to show; all rows of its table unless ``top`` says fewer.
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours. Without them the firing word is marked «so».
    top : int, optional
        Rows to show.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one, so bars are ``#`` in ASCII.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = _console(console_width, color)
    rows = result.table.head(result.table.height if top is None else top).to_dicts()
    console.print(_heading(result))
    if rows:
        console.print()
        _print_rows(console, result, rows, color)
    for note in result.notes:
        console.print()
        console.print(_text(f"Note: {printable(note)}", "italic"))
    return _finish(console, encoding)


def render_document(
    segments: Sequence[Segment],
    hits: Sequence[Hit],
    console_width: int = 100,
    color: bool = False,
    *,
    title: str = "",
    encoding: str = "utf-8",
) -> str:
    """Return a text with its strongest words numbered, and the features behind the numbers below it.

    Parameters
    ----------
    segments : sequence of Segment
        The text, from :func:`saetext.evidence.highlights`.
    hits : sequence of Hit
        The features to list, in the order of their numbers; a word carries the numbers of those that fire
        on it.
    console_width, color, encoding
        As :func:`render_diff`.
    title : str
        A line above the text.

    Returns
    -------
    str
    """
    console = _console(console_width, color)
    number = {hit.feature: index for index, hit in enumerate(hits, start=1)}
    strongest = max((segment.value for segment in segments), default=0.0)
    text = _text("")
    for segment in segments:
        numbers = sorted(number[feature] for feature in segment.features if feature in number)
        if not numbers:
            text.append(segment.text)
            continue
        word = segment.text if segment.text.strip() else f"↵{segment.text}"
        style = f"{'bold ' if segment.value >= strongest / 2 else ''}black on yellow"
        text.append(word if color else f"«{word}»", style)
        text.append(f"[{','.join(map(str, numbers))}]", "dim")
    if title:
        console.print(_text(printable(title), "bold"))
        console.print()
    console.print(text)
    console.print()
    if hits:
        width = console.width
        room = min(max(len(hit.word) for hit in hits), width // 3)
        lines = [("no.", "feature", "value", "word", "label", "")]
        lines += [
            (str(number[h.feature]), str(h.feature), f"{h.value:.2f}", h.word, h.label, _score(h.label_score))
            for h in hits
        ]
        for position, (index, feature, value, word, label, score) in enumerate(lines):
            dim = "" if position else "dim"
            line = _text(f"{index:>3} {feature:>7} {value:>8}  ", "dim")
            cell = _text(printable(word).strip() or "↵", dim or "bold")
            cell.truncate(max(room, 4), overflow="ellipsis", pad=True)
            line.append_text(cell).append("  ").append(printable(label), dim).append(score, "dim")
            line.truncate(width, overflow="ellipsis")
            console.print(line)
    else:
        console.print(_text("No feature is present in this text."))
    return _finish(console, encoding)


def _heading(result: DiffResult) -> Text:
    metrics, params = result.metrics, result.params
    heading = _text("")
    for side, name, link in zip("ab", result.names, (" against ", ""), strict=True):
        heading.append(side.upper(), f"bold {_COLORS['ab'.index(side)]}")
        heading.append(f" {printable(name)}", "bold")
        heading.append(f" ({_many(metrics[f'documents_{side}'], 'document')}){link}")
    if result.paired:
        heading.append(f", as {_many(metrics['pairs'], 'pair')} on {printable(params['pair_on'])}.\n")
    else:
        heading.append(", not paired.\n")
    heading.append(f"{metrics['significant']:,}", "bold")
    test = "McNemar's exact test" if result.paired else "Fisher's exact test"
    heading.append(
        f" of {_many(metrics['tested'], 'feature')} tested differ at q < .05 ({test}, Benjamini-Hochberg). "
    )
    rare = metrics["features"] - metrics["tested"]
    heading.append(f"Not tested: {rare:,} in fewer than {_many(params['min_support'], 'document')}.")
    return heading


def _print_rows(console: Console, result: DiffResult, rows: list[dict[str, Any]], color: bool) -> None:
    """Print each row as a line of numbers with the label, and its snippets below."""
    width = console.width
    arm = 4 if width < 80 else 7 if width < _TWO_SNIPPETS else 12
    scale = max(abs(row["diff"]) for row in rows) or 1.0
    interval, index = width >= 90, width >= 100

    def line(label: str, label_style: str, cells: Sequence[tuple[str, str]], score: str = "") -> None:
        numbers = _text("")
        for cell, style in cells:
            numbers.append(" ").append(cell, style)
        room = min(width - len(numbers), _LABEL)
        text = _text(label, label_style)
        text.truncate(room - len(score), overflow="ellipsis")
        text.append(score, "dim")
        text.truncate(room, pad=True)
        console.print(text.append_text(numbers))

    header = [(f"{'B':>{arm}}│{'A':<{arm}}", "dim"), ("A − B", "dim")]
    header += [("   95 % interval", "dim")] * interval
    header += [("  A %", _COLORS[0]), ("  B %", _COLORS[1]), ("     q", "dim")]
    header += [("feature", "dim")] * index
    line("label", "dim", header)
    for position, row in enumerate(rows):
        significant = row["q"] < ALPHA
        if not significant and (position == 0 or rows[position - 1]["q"] < ALPHA):
            console.print(_text("── not significant (q ≥ .05) ".ljust(width, "─"), "dim"))
        style = _COLORS[row["diff"] < 0] if significant else "dim"
        cells = [(_bar(row["diff"] / scale, arm), style), (f"{100 * row['diff']:+5.1f}", style)]
        if interval:
            limits = f"[{100 * row['ci_low']:+.1f}, {100 * row['ci_high']:+.1f}]"
            cells.append((f"{limits:>16}", ""))
        cells += [(f"{100 * row[key]:5.1f}", "") for key in ("rate_a", "rate_b")]
        cells.append((f"{_probability(row['q']):>6}", "" if significant else "dim"))
        if index:
            cells.append((f"{row['feature']:>7}", "dim"))
        line(printable(row["label"]), "bold" if significant else "", cells, _score(row.get("label_score")))
        _print_snippets(console, result.evidence.get(row["feature"], (None, None)), color)


def _print_snippets(console: Console, examples: tuple[Example | None, Example | None], color: bool) -> None:
    if examples == (None, None):
        return
    share = console.width >= _TWO_SNIPPETS
    room = (console.width - _INDENT) // 2 if share else console.width - _INDENT
    sides = []
    for side, example, style in zip("AB", examples, _COLORS, strict=True):
        text = _text(f"{side} ", style)
        if example is None:
            text.append("–", "dim")
        else:
            shown = example.snippet.fit(room - len("A «» "))
            text.append(shown.before)
            text.append(shown.match if color else f"«{shown.match}»", f"bold underline {style}")
            text.append(shown.after)
        text.truncate(room - 1, overflow="ellipsis", pad=share)
        sides.append(text)
    if share:
        console.print(_text(" " * _INDENT).append_text(sides[0]).append(" ").append_text(sides[1]))
        return
    for text in sides:
        console.print(_text(" " * _INDENT).append_text(text))


def _bar(share: float, arm: int) -> str:
    """Draw -1..1 around a middle line, in steps of half a column."""
    halves = round(abs(share) * arm * 2)
    full, half = divmod(halves, 2)
    if share < 0:
        return f"{'▐' * half + '█' * full:>{arm}}│{'':<{arm}}"
    return f"{'':>{arm}}│{'█' * full + '▌' * half:<{arm}}"


def _score(score: float | None) -> str:
    """Return a label's score as `` .87``; nothing where it was not scored."""
    return "" if score is None else f" {score:.2f}".replace("0.", ".")


def _probability(value: float) -> str:
    if value >= 0.9995:
        return "1"
    if value >= 0.001:
        return f"{value:.3f}"[1:]
    return "<1e-99" if value < 1e-99 else f"{value:.0e}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _text(content: str, style: str = "") -> Text:
    from rich.text import Text

    text = Text()  # append, so that the style covers the words alone and not what is added later
    text.append(content, style or None)
    return text


def _console(width: int, color: bool) -> Console:
    from rich.console import Console

    return Console(
        file=io.StringIO(),
        width=min(max(width, _NARROWEST), _WIDEST),
        force_terminal=color,
        color_system="256" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def _finish(console: Console, encoding: str) -> str:
    assert isinstance(console.file, io.StringIO)
    text = "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return "".join(_encodable(character, encoding) for character in text)
    return text


def _encodable(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except LookupError:
        return _encodable(character, "ascii")
    except UnicodeEncodeError:
        return _PLAIN.get(character, "?")
    return character
