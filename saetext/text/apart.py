"""A text taken apart: prose without code and addresses, its words, lines, and how it ends.

Not for: what is counted on the parts (:mod:`saetext.text.marks`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from saetext.text.emoji import is_piece
from saetext.text.words import spelled

CODE = "\ufffc"  # stands for a block or span of code
PARAGRAPH = "\0"  # a line with it alone is a run of blank lines


@dataclass(frozen=True)
class Parts:
    """A text taken apart.

    Attributes
    ----------
    prose : str
        The text without the code and the addresses; see :func:`take_apart`.
    blocks, spans, links : int
        How many blocks and spans of code and how many addresses were taken out.
    """

    prose: str
    blocks: int
    spans: int
    links: int

    @cached_property
    def signs(self) -> frozenset[str]:
        """Characters of the prose."""
        return frozenset(self.prose)

    @cached_property
    def words(self) -> Counter[str]:
        """Words of the prose as they are spelled, with how often each occurs."""
        return Counter(spelled(self.prose))

    @cached_property
    def lines(self) -> list[str]:
        """Lines of the prose that are not blank, without blanks around them."""
        found = (line.strip() for line in self.prose.replace(PARAGRAPH, "").split("\n"))
        return [line for line in found if line]

    @cached_property
    def ending(self) -> str:
        """The marks that end the text: its last run of marks, or its last other character; may be empty.

        Emoji, smileys, brackets, quotation marks and bold after it are left out.
        """
        at = len(self.prose)
        while at and (self.prose[at - 1] in _AFTER_END or is_piece(self.prose, at - 1)):
            at -= 1
        if self.prose[at : at + 1] in _MOUTHS and (smiley := _EYES.search(self.prose, max(at - 2, 0), at)):
            at = smiley.start()
            while at and (self.prose[at - 1] in _AFTER_END or is_piece(self.prose, at - 1)):
                at -= 1
        start = at
        while start and self.prose[start - 1] in ENDS:
            start -= 1
        return self.prose[min(start, max(at - 1, 0)) : at]

    @cached_property
    def one_sentence(self) -> bool:
        """Whether the text is a single line in which no sentence ends before the last word."""
        if len(self.lines) != 1 or not self.words:
            return False
        line = self.lines[0]
        last = len(line)
        while last and not line[last - 1].isalnum():
            last -= 1
        return not any(_ends_sentence(line, end) for end in _BOUNDARY.finditer(line, 0, last))


ENDS = ".!?…。！？؟۔।"
_AFTER_END = " \t\n\r\v\f\xa0\u3000\u200e\u200f\0\"'”’»›)]）」』】*_~<>"
_MOUTHS = (")", "]")
_EYES = re.compile(r"[:;=]-?$")
_BOUNDARY = re.compile(r"[.!?…؟۔।]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”）]*+")
_ABBREVIATION = re.compile(
    r"(?:^|(?<=[\W_]))(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|approx|e\.g|i\.e|a\.m|p\.m|[A-HJ-Z](?:\.[A-Z])*)$"
)


def _ends_sentence(line: str, end: re.Match[str]) -> bool:
    """Whether a mark within a line ends a sentence: no small letter after it, no abbreviation before it."""
    if end.group()[0] in "。！？":
        return True
    if line[end.end() : end.end() + 40].lstrip()[:1].islower():
        return False  # "e.g. this", "Yahoo! is"
    return end.group() != "." or not _ABBREVIATION.search(line[max(end.start() - 8, 0) : end.start()])


def take_apart(text: str) -> Parts:
    r"""Take code and addresses out of a text, so that their signs are not counted as the writer's.

    In ``prose`` lines end in ``\n``, a block or span of code is U+FFFC, and each run of blank lines is a line
    of its own with NUL in it, at which bold, quotations and parentheses end.

    Examples
    --------
    >>> parts = take_apart("Run `ls`!\n\nSee https://example.org.")
    >>> parts.prose, parts.spans, parts.links
    ('Run ￼!\n\x00\nSee ￼.', 1, 1)
    """
    prose = text.replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n")
    prose, blocks = _without_blocks(prose) if "```" in prose or "~~~" in prose else (prose, 0)
    prose = _BLANK_LINES.sub("\n\0\n", prose.strip())
    prose, spans = _without_spans(prose) if "`" in prose else (prose, 0)
    links = 0
    if "](" in prose or "://" in prose:
        prose, links = _LINK.subn(_label, prose)
    return Parts(prose, blocks, spans, links)


_BLANK_LINES = re.compile(r"\n[^\S\n]*+\n\s*+")
_FENCE = re.compile(r"[ \t>]*+(?:(`{3,}+)[^`]*+|(~{3,}+).*+)$")
# Addresses end before closing punctuation; a destination may hold one level of parentheses.
_LINK = re.compile(
    r"!?\[([^\[\]\0]*+)\]\((?!\))(?=[^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?:[ \t]++[\"'][^()\n]*+)?\))"
    r"[^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+\)"
    r"|(?i:https?)://[^\s<>()\[\]{}|\"“”.,;:!?*_]++(?:[.,;:!?*_]++[^\s<>()\[\]{}|\"“”.,;:!?*_]++)*+"
)


def _label(link: re.Match[str]) -> str:
    return link[1] or CODE


def _without_blocks(text: str) -> tuple[str, int]:
    """Put U+FFFC for fenced blocks; as in Markdown, one without an end goes to the end of the text."""
    blocks, kept, fence = 0, [], ""
    for line in text.split("\n"):
        if fence:
            inner = line.strip(" \t>")
            if len(inner) >= len(fence) and inner == fence[0] * len(inner):
                fence = ""
        elif ("```" in line or "~~~" in line) and (opening := _FENCE.match(line)):
            fence = opening[1] or opening[2]
            blocks += 1
            kept.append(CODE)
        else:
            kept.append(line)
    return "\n".join(kept), blocks


def _without_spans(text: str) -> tuple[str, int]:
    """Put U+FFFC for code between runs of backticks of one length in one paragraph."""
    runs = list(re.finditer(r"`++|\0", text))
    closing = [-1] * len(runs)
    waiting: dict[int, int] = {}
    for at in range(len(runs) - 1, -1, -1):
        if runs[at][0] == "\0":
            waiting = {}
            continue
        length = runs[at].end() - runs[at].start()
        closing[at] = waiting.get(length, -1)
        waiting[length] = at
    kept, start, spans, at = [], 0, 0, 0
    while at < len(runs):
        if (end := closing[at]) < 0:
            at += 1
            continue
        kept += [text[start : runs[at].start()], CODE]
        start, spans, at = runs[end].end(), spans + 1, end + 1
    return "".join([*kept, text[start:]]), spans
