"""A document as text for a terminal, with features on its words.

Returns strings and prints nothing. Texts and labels are data: they are never parsed as markup, and no control
character of theirs gets through. Not for: results (:mod:`saetext.report.console.differences`) or HTML.
"""

from __future__ import annotations

from collections.abc import Sequence

from saetext.features.evidence import Hit
from saetext.report.console.lines import finish, make_console, score_text, styled
from saetext.text.passages import Segment, printable


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
        The text, from :func:`saetext.text.passages.highlights`.
    hits : sequence of Hit
        The features to list, in the order of their numbers; a word has the numbers of those active
        on it.
    console_width, color, encoding
        As :func:`saetext.report.console.differences.render_diff`.
    title : str
        A line above the text.

    Returns
    -------
    str
        With colours, words at half a feature's largest activation on reference text or more are bold.
    """
    console = make_console(console_width, color)
    number = {hit.feature: index for index, hit in enumerate(hits, start=1)}
    full = {hit.feature: hit.full or hit.value for hit in hits}
    text = styled("")
    for segment in segments:
        numbers = sorted(number[feature] for feature in segment.features if feature in number)
        if not numbers:
            text.append(segment.text)
            continue
        word = segment.text if segment.text.strip() else f"↵{segment.text}"
        first = segment.features[0]  # the one with this value; another feature's values are on another scale
        bold = segment.value >= full.get(first, segment.value) / 2
        style = f"{'bold ' if bold else ''}black on yellow"
        text.append(word if color else f"«{word}»", style)
        text.append(f"[{','.join(map(str, numbers))}]", "dim")
    if title:
        console.print(styled(printable(title), "bold"))
        console.print()
    console.print(text)
    console.print()
    if hits:
        width = console.width
        room = min(max(len(hit.word) for hit in hits), width // 3)
        lines = [("no.", "feature", "value", "word", "label", "")]
        lines += [
            (
                str(number[h.feature]),
                str(h.feature),
                f"{h.value:.2f}",
                h.word,
                h.label,
                score_text(h.label_score),
            )
            for h in hits
        ]
        for position, (index, feature, value, word, label, score) in enumerate(lines):
            dim = "" if position else "dim"
            line = styled(f"{index:>3} {feature:>7} {value:>8}  ", "dim")
            cell = styled(printable(word).strip() or "↵", dim or "bold")
            cell.truncate(max(room, 4), overflow="ellipsis", pad=True)
            line.append_text(cell).append("  ").append(printable(label), dim).append(score, "dim")
            line.truncate(width, overflow="ellipsis")
            console.print(line)
    else:
        console.print(styled("No feature is present in this text."))
    return finish(console, encoding)
