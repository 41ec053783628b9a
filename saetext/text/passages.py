"""The words behind a number: a snippet around a feature's strongest token, and features on a text's words.

Positions are code points of the document's text. Everything returned is safe to print: control characters,
terminal escapes and invisible formatting are gone. Not for: drawing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from saetext.text.joiners import JOINERS
from saetext.text.terminal import visible
from saetext.text.words import APOSTROPHES, is_unspaced

_LONGEST_WORD = 40  # code points added on either side of a token; beyond that it is no word


@dataclass(frozen=True)
class Snippet:
    """A piece of text with one word singled out; the three parts join to one printable line."""

    before: str
    match: str
    after: str

    def marked(self, left: str = "«", right: str = "»") -> str:
        """Return the line with the word between marks."""
        return f"{self.before}{left}{self.match}{right}{self.after}"

    def fit(self, width: int) -> Snippet:
        """Return the snippet cut to ``width`` characters without marks, at word boundaries if it can."""
        match = self.match if len(self.match) <= width else self.match[: max(width - 1, 0)] + "…"
        room = max(width - len(match), 0)
        left = max(room // 2, room - len(self.after))
        before = _last(self.before, left)
        return Snippet(before, match, _first(self.after, room - len(before)))


@dataclass(frozen=True)
class Span:
    """A token on which a feature is active: code points ``start:end`` and the activation."""

    start: int
    end: int
    feature: int
    value: float


@dataclass(frozen=True)
class Segment:
    """A stretch of a text with the features that are active on it, strongest first; none for plain text."""

    text: str
    features: tuple[int, ...] = ()
    value: float = 0.0


def snippet(
    text: str, token_start: Sequence[int], token_end: Sequence[int], peak: int, width: int = 80
) -> Snippet:
    """Return the surroundings of token ``peak``, widened to whole words, as one printable line.

    Parameters
    ----------
    text : str
        The document.
    token_start, token_end : sequence of int
        Code points each counted token covers.
    peak : int
        Ordinal of the token to show.
    width : int
        Most characters in the three parts together.

    Raises
    ------
    IndexError
        If there is no such token.
    """
    if not 0 <= peak < len(token_start):
        raise IndexError(f"token {peak} of a document with {len(token_start)} tokens")
    start, end = word_bounds(text, int(token_start[peak]), int(token_end[peak]))
    reach = 4 * width  # whitespace collapses, so look further than the line is long
    before, after = text[max(start - reach, 0) : start], text[end : end + reach]
    whole = Snippet(
        ("…" if start > reach else "") + printable(before).lstrip(),
        piece_shown(text[start:end]),
        printable(after).rstrip() + ("…" if end + reach < len(text) else ""),
    )
    return whole.fit(width)


def word_bounds(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen the code points ``start:end`` to whole words, without the whitespace some tokenizers include.

    Words are those of :mod:`saetext.text.words`; in scripts without spaces the span is left as it is, or the
    "word" would be the sentence. A span of nothing but whitespace is returned unchanged.
    """
    start, end = max(min(start, len(text)), 0), max(min(end, len(text)), 0)
    inner = text[start:end]
    if inner and not inner.strip():
        return start, end
    start += len(inner) - len(inner.lstrip())
    end = max(end - (len(inner) - len(inner.rstrip())), start)
    left, right = start, end
    while 0 < left < len(text) and start - left <= _LONGEST_WORD and _continues(text, left):
        left -= 1
    while 0 < right < len(text) and right - end <= _LONGEST_WORD and _continues(text, right):
        right += 1
    if start - left > _LONGEST_WORD:
        left = start
    if right - end > _LONGEST_WORD:
        right = end
    if left == right and right < len(text):
        right += 1  # an empty span between two words: show the character it stands at
    return left, right


def printable(text: str, *, newlines: bool = False) -> str:
    r"""Return ``text`` safe for a terminal: no control characters, escapes, or invisible formatting.

    Runs of whitespace become one space; with ``newlines``, ``\n`` is kept. Zero-width joiners stay, since
    emoji and some scripts need them.
    """
    return re.sub("  +", " ", visible(text, newlines=newlines))


def highlights(text: str, spans: Sequence[Span]) -> list[Segment]:
    """Cut a text into segments so that the words of ``spans`` stand alone.

    Parameters
    ----------
    text : str
        The document.
    spans : sequence of Span
        Tokens with their features, in any order; each is widened to whole words. Where they overlap, the
        stretch carries all their features, strongest first.

    Returns
    -------
    list of Segment
        In order of the text, together all of it (made printable, newlines kept).
    """
    widened = [(*word_bounds(text, span.start, span.end), span) for span in spans]
    cuts = sorted({0, len(text), *(s for s, _, _ in widened), *(e for _, e, _ in widened)})
    at = {cut: index for index, cut in enumerate(cuts)}
    found: list[dict[int, float]] = [{} for _ in cuts]
    for start, end, span in widened:
        for features in found[at[start] : at[end]]:
            features[span.feature] = max(span.value, features.get(span.feature, span.value))
    segments = []
    for start, end, features in zip(cuts, cuts[1:], found, strict=False):
        shown = printable(text[start:end], newlines=True)
        ranked = sorted(features, key=lambda feature: (-features[feature], feature))
        segments.append(Segment(shown, tuple(ranked), features[ranked[0]] if ranked else 0.0))
    return segments


def _continues(text: str, at: int) -> bool:
    """Whether the characters before and after position ``at`` belong to one word."""
    before, after = text[at - 1], text[at]
    if after in JOINERS or before in JOINERS or unicodedata.category(after)[0] == "M":
        return not before.isspace()
    if _in_word(before) and _in_word(after):
        return True
    if after in APOSTROPHES:
        return _in_word(before) and at + 1 < len(text) and _in_word(text[at + 1])
    if before in APOSTROPHES:
        return _in_word(after) and at > 1 and _in_word(text[at - 2])
    return False


def _in_word(character: str) -> bool:
    wordlike = character == "_" or unicodedata.category(character)[0] in "LMN"
    return wordlike and not is_unspaced(character)


def piece_shown(match: str) -> str:
    """Return a token or another piece of text as it can be seen alone: white space has a sign.

    Examples
    --------
    >>> from saetext.text.passages import piece_shown
    >>> piece_shown(" word"), piece_shown(" "), piece_shown(".\\n"), piece_shown("\\n\\n")
    ('word', '␣', '.', '↵')
    """
    shown = printable(match).strip()
    if shown:
        return shown
    return "↵" if any(c in match for c in "\n\r\u2028\u2029") else "␣"


def _last(text: str, width: int) -> str:
    """Return the end of ``text`` in at most ``width`` characters, with an ellipsis where it was cut."""
    if len(text) <= width:
        return text
    if width < 2:
        return ""
    cut = text[-(width - 1) :]
    if not (text[-width].isspace() or cut[0].isspace()) and " " in cut:
        cut = cut[cut.index(" ") :]
    return "…" + cut.lstrip() if cut.strip() else "…" + cut[:1]


def _first(text: str, width: int) -> str:
    """Return the start of ``text`` in at most ``width`` characters, with an ellipsis where it was cut."""
    if len(text) <= width:
        return text
    if width < 2:
        return ""
    cut = text[: width - 1]
    if not (text[width - 1].isspace() or cut[-1].isspace()) and " " in cut:
        cut = cut[: cut.rindex(" ") + 1]
    return cut.rstrip() + "…" if cut.strip() else cut[:1] + "…"
