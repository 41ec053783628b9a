"""Features as text for a terminal: those found by a search, and one on a compact page.

Returns strings and prints nothing; labels and texts are data, as in :mod:`saetext.report.console.reading`.
Not for: HTML (:mod:`saetext.report.html.feature_page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saetext.features.profile import Histogram, Profile, Related, ShadedContext
from saetext.features.shading import Piece
from saetext.report.console.lines import finish, make_console, score_text, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LEVEL_NAMES = {
    "top": "strongest", "middle": "medium", "weak": "just above the threshold",
    "above": "just above the threshold", "below": "just below the threshold",
}  # fmt: skip
_BLOCKS = " ▁▂▃▄▅▆▇█"
_HEIGHT = 4  # lines of the histogram
# backgrounds from weak to strong in the 256 colours, all light enough for black letters
_SHADES = ("on color(230)", "on color(229)", "on color(228)", "on color(222)", "on color(214)")
_SIDE_BY_SIDE = 110  # columns from which the two lists of features share lines
_MARKED = 0.5  # without colours, words at this share of the strongest activation shown are marked


def render_found(
    rows: Sequence[dict[str, Any]],
    console_width: int = 100,
    color: bool = False,
    *,
    notes: Sequence[str] = (),
    properties: Sequence[str] = (),
    first: bool = False,
    encoding: str = "utf-8",
) -> str:
    """Return the features that a search found, one a line.

    Parameters
    ----------
    rows : sequence of dict
        ``feature``, ``label``, ``score`` (cosine similarity to the query, or BM25), ``density`` and
        ``label_score``.
    console_width, color, encoding
        As :func:`saetext.report.console.differences.render_diff`.
    notes : sequence of str
        Lines below the table.
    properties : sequence of str
        Lines of properties that fit the words, as of
        :func:`saetext.report.console.properties.property_lines`.
    first : bool
        Whether those come before the features.
    """
    console = make_console(console_width, color)
    if first:
        _print_apart(console, [*properties, ""])
    if rows:
        console.print(styled("   score feature  tokens  label", "dim"))
    else:
        console.print(styled("No label contains any of these words."))
    for row in rows:
        line = styled(f"{row['score']:>8.2f} ", "dim")
        line.append(f"{row['feature']:>7} ").append(f"{share_text(row['density']):>7}  ", "dim")
        line.append(printable(row["label"]), "bold").append(score_text(row["label_score"]), "dim")
        line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    if not first and properties:
        _print_apart(console, ["", *properties])
    print_notes(console, notes)
    return finish(console, encoding)


def _print_apart(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(styled(line), soft_wrap=True)  # commands are copied


def render_profile(
    profile: Profile, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    """Return one feature as a compact page: label, histogram, contexts, and similar features.

    Parameters are those of :func:`saetext.report.console.differences.render_diff`. Words are shaded by
    activation; without colours the strongest ones of each context are marked «so».
    """
    console = make_console(console_width, color)
    _print_heading(console, profile)
    if profile.histogram is not None:
        console.print()
        blocks = _BLOCKS if _can_print(_BLOCKS, encoding) else "    #####"
        _print_histogram(console, profile.histogram, blocks)
    print_contexts(console, profile.contexts, full_shade(profile), color)
    _print_related(console, profile)
    print_notes(console, profile.notes)
    return finish(console, encoding)


def print_contexts(console: Console, contexts: Sequence[ShadedContext], darkest: float, color: bool) -> None:
    """Print contexts under the names of their levels, words shaded up to ``darkest``."""
    level = ""
    for context in contexts:
        if context.level != level:
            level = context.level
            console.print()
            console.print(styled(LEVEL_NAMES[level], "bold"))
        words = _shaded(context.pieces, darkest, color)
        words.append(f"  {printable(context.document)}", "dim italic")
        for position, line in enumerate(words.wrap(console, console.width - 8)):
            margin = f"{'' if position else f'{context.value:.2f}':>6}  "
            console.print(styled(margin, "dim").append_text(line))


def full_shade(profile: Profile) -> float:
    """Return the activation at which a token has the darkest shade, the same in every context."""
    return profile.full or max((context.value for context in profile.contexts), default=0.0) or 1.0


def facts(profile: Profile) -> list[str]:
    """Return how often the feature is active, in words."""
    lines = []
    if profile.density is not None:
        lines.append(f"active on {share_text(profile.density)} of reference tokens")
    if profile.support is not None and profile.documents is not None:
        share = profile.support / max(profile.documents, 1)
        here = (
            f"present in {profile.support:,} of {many(profile.documents, 'document')} ({share_text(share)})"
        )
        if profile.support:
            here += f", on {share_text(profile.token_density)} of all tokens"
        lines.append(here)
    if profile.threshold:
        lines.append(f"threshold {profile.threshold:.2f}")
    return lines


def provenance(profile: Profile) -> list[str]:
    """Return the source and the score of the label, in words."""
    label = profile.label
    if label is None:
        return ["not labelled"]
    told = [label.kind] if label.kind != "other" else []
    told.append({"card": "named by its top words", "reading": "written by reading"}.get(label.source, ""))
    if not told[-1]:
        told[-1] = f"label from {printable(label.source) or 'an unnamed source'}"
    if label.score is None:
        told.append("label has no score")
    else:
        trials = f", {many(label.trials, 'trial')}" if label.trials else ""
        method = f" ({printable(label.score_method)}{trials})" if label.score_method else ""
        told.append(f"label score{score_text(label.score)}{method}")
    return told


def _print_heading(console: Console, profile: Profile) -> None:
    console.print(styled(f"feature {profile.feature} of {printable(profile.of)}", "dim"))
    title = styled(printable(profile.name), "bold")
    label = profile.label
    title.append(score_text(label.score if label else None), "dim")
    console.print(title)
    if label is not None and label.description:
        console.print(styled(printable(label.description)))
    if label is not None and label.top_words and label.source != "card":
        console.print(styled(f"top words: {printable(', '.join(label.top_words))}", "dim"))
    console.print(styled("; ".join(provenance(profile)), "dim"))
    if told := facts(profile):
        console.print(styled("; ".join(told)))
    if profile.page:
        console.print(styled(profile.page, "dim"), soft_wrap=True)


def _print_histogram(console: Console, histogram: Histogram, blocks: str) -> None:
    """Draw columns in eighths of a line, the axis below them."""
    most = max(histogram.counts)
    # at least an eighth where there is anything at all
    eighths = [-(-count * _HEIGHT * 8 // most) for count in histogram.counts]
    for line in reversed(range(_HEIGHT)):
        row = "".join(blocks[min(max(e - 8 * line, 0), 8)] for e in eighths)
        note = f"  tallest column: {most:,}" if line == _HEIGHT - 1 else ""
        console.print(styled(f"  {row}").append(note, "dim"))
    low, high = f"{histogram.edges[0]:.2f}", f"{histogram.edges[-1]:.2f}"
    axis = f"  {low}{high.rjust(len(histogram.counts) - len(low))}  documents by maximum activation"
    console.print(styled(axis, "dim"))


def _shaded(pieces: Sequence[Piece], darkest: float, color: bool) -> Text:
    text = styled("")
    pieces = [Piece(printable(piece.text), piece.value) for piece in pieces]
    for piece in pieces if color else _words(pieces):
        share = piece.value / darkest
        if piece.value <= 0:
            text.append(piece.text)
        elif color:
            style = _SHADES[min(int(share * len(_SHADES)), len(_SHADES) - 1)]
            text.append(piece.text, f"{'bold ' if share >= _MARKED else ''}black {style}")
        else:
            local = max(p.value for p in pieces)
            text.append(f"«{piece.text}»" if piece.value >= _MARKED * local else piece.text)
    return text


def _words(pieces: Sequence[Piece]) -> list[Piece]:
    """Join the tokens of a word, so that it is marked once."""
    joined: list[Piece] = []
    for piece in pieces:
        if piece.value > 0 and joined and joined[-1].value > 0 and (joined[-1].text + piece.text).isalnum():
            last = joined.pop()
            piece = Piece(last.text + piece.text, max(last.value, piece.value))
        joined.append(piece)
    return joined


def _print_related(console: Console, profile: Profile) -> None:
    together = list_of("in the same documents", "phi", profile.together)
    nearest = list_of("similar directions", "cosine", profile.nearest)
    if console.width < _SIDE_BY_SIDE:
        for lines in filter(None, (together, nearest)):
            console.print()
            for line in lines:
                line.truncate(console.width, overflow="ellipsis")
                console.print(line)
        return
    room = console.width // 2 - 2
    lists = [lines for lines in (together, nearest) if lines]
    if lists:
        console.print()
    for position in range(max(map(len, lists), default=0)):
        whole = styled("")
        for lines in lists:
            cell = lines[position] if position < len(lines) else styled("")
            cell.truncate(room, overflow="ellipsis", pad=True)
            whole.append_text(cell).append("  ")
        console.print(whole)


def list_of(title: str, measure: str, related: Sequence[Related]) -> list[Text]:
    """Return lines with other features under a heading; none without any."""
    if not related:
        return []
    lines = [styled(title, "bold").append(f"  {measure}", "dim")]
    for other in related:
        line = styled(f"{other.similarity:>6.2f} {other.feature:>7}  ", "dim").append(printable(other.label))
        lines.append(line.append(score_text(other.label_score), "dim"))
    return lines


def print_notes(console: Console, notes: Sequence[str]) -> None:
    """Print lines of what to know."""
    for note in notes:
        console.print()
        console.print(styled(f"Note: {printable(note)}", "italic"))


def share_text(value: float | None) -> str:
    """Return a share as a percentage with two digits that mean something."""
    if value is None:
        return "?"
    percent = 100 * value
    if percent == 0:
        return "0 %"
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %" if percent >= 0.001 else "<.001 %"


def _can_print(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True
