"""What every text report shares: a console of a given width, bars, numbers, and output a terminal can show.

Not for: any report itself.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

NARROWEST, WIDEST = 40, 200
COLORS = ("cyan", "magenta")  # of A and of B
INDENT = 2
LABEL = 60  # widest label; beyond that the eye loses the line
# What a terminal that lacks a character gets instead, one column each.
_PLAIN = {
    "█": "#", "▌": "#", "▐": "#", "│": "|", "─": "-", "…": "~", "«": "[", "»": "]", "↵": "/", "␣": "_",
    "−": "-", "–": "-", "≥": ">", "’": "'", "‘": "'", "“": '"', "”": '"', "✓": "*", "░": ".", "▒": ":",
    "▓": "+", "‹": "<", "›": ">", "‖": "|", "⇄": "!",
    "▁": "_", "▂": ".", "▃": ":", "▄": "-", "▅": "=", "▆": "+", "▇": "*",
}  # fmt: skip


def bar(share: float, arm: int) -> str:
    """Draw -1..1 around a middle line, in steps of half a column."""
    halves = round(abs(share) * arm * 2)
    full, half = divmod(halves, 2)
    if share < 0:
        return f"{'▐' * half + '█' * full:>{arm}}│{'':<{arm}}"
    return f"{'':>{arm}}│{'█' * full + '▌' * half:<{arm}}"


def score_text(score: float | None) -> str:
    """Return a label's score as `` .87``; nothing where it was not scored."""
    return "" if score is None else f" {score:.2f}".replace("0.", ".")


def probability(value: float) -> str:
    """Return a p or q in at most six characters."""
    if value >= 0.9995:
        return "1"
    if value >= 0.001:
        return f"{value:.3f}"[1:]
    return "<1e-99" if value < 1e-99 else f"{value:.0e}"


def figure(value: float | None, form: str) -> str:
    """Return a number in a format; nothing where there is none."""
    return "" if value is None else format(value, form)


def others(n: int, named: bool) -> str:
    """Return how many say the same, beside those ``named`` or where none of them is: they are features.

    Examples
    --------
    >>> from saetext.report.console.lines import others
    >>> others(3, True), others(1, False)
    ('3 more', '1 feature')
    """
    return f"{n:,} more" if named else many(n, "feature")


def that_fit(columns: Mapping[str, int], room: int, least: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return the columns that stand whole beside each other, and those for which there is no room.

    A number that is cut off reads as another number, so columns go as a whole.

    Parameters
    ----------
    columns : mapping
        Width of each, in their order; a blank stands between two.
    room : int
        Columns of the window.
    least : sequence of str
        Those that go where the room is too small, the first of them first.

    Examples
    --------
    >>> from saetext.report.console.lines import that_fit
    >>> that_fit({"name": 8, "p": 5, "TV": 5, "JS": 5}, 20, ["TV", "JS"])
    (['name', 'p', 'JS'], ['TV'])
    """
    kept, gone = list(columns), list[str]()
    for name in least:
        if sum(columns[one] + 1 for one in kept) - 1 <= room:
            break
        kept.remove(name)
        gone.append(name)
    return kept, gone


def side_by_side(
    cells: Mapping[str, str], columns: Mapping[str, int], style: str = "", dim: Collection[str] = ()
) -> Text:
    """Return cells in the widths of their columns; the first is a name, in a style, and stands left.

    Examples
    --------
    >>> from saetext.report.console.lines import side_by_side
    >>> side_by_side({"name": "one", "p": ".03"}, {"name": 8, "p": 5}).plain
    'one        .03'
    """
    first, *others = cells
    line = styled(f"{cells[first]:<{columns[first]}}", style)
    for name in others:
        line.append(f" {cells[name]:>{columns[name]}}", "dim" if name in dim else None)
    return line


def heads(kept: Sequence[str], columns: Mapping[str, int], first: str | None = None) -> Text:
    """Return the line above such cells; the first column may be called otherwise."""
    named = {name: name for name in kept}
    if first is not None:
        named[kept[0]] = first
    return side_by_side(named, columns, "dim", kept)


def no_room(gone: Sequence[str], columns: Mapping[str, int]) -> str:
    """Return where the columns are that a window has no room for; nothing where it has.

    Examples
    --------
    >>> from saetext.report.console.lines import no_room
    >>> no_room(["JS", "TV"], {"name": 8, "TV": 5, "JS": 5})
    'no room here for TV, JS: they are in --json and --html'
    """
    names = [name for name in columns if name in gone]
    told = ", ".join(names)
    where = "it is" if len(names) == 1 else "they are"
    return f"no room here for {told}: {where} in --json and --html" if names else ""


def styled(content: str, style: str = "") -> Text:
    """Return text that is never parsed as markup."""
    from rich.text import Text

    text = Text()  # append, so that the style covers the words alone and not what is added later
    text.append(content, style or None)
    return text


def make_console(width: int, color: bool) -> Console:
    """Return a console that writes into memory, visible characters only."""
    from rich.console import Console

    from saetext.report.console.clean import Visible

    console = Console(
        file=io.StringIO(),
        width=min(max(width, NARROWEST), WIDEST),
        force_terminal=color,
        color_system="256" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    console.push_render_hook(Visible())
    return console


def end(console: Console, notes: Iterable[str], encoding: str) -> str:
    """Return what was printed with the notes below it, as :func:`finish` does."""
    for note in notes:
        console.print(styled("note: ", "yellow").append(printable(note)))
    return finish(console, encoding)


def finish(console: Console, encoding: str) -> str:
    """Return what was printed, in characters that ``encoding`` has."""
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
