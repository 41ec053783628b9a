"""Texts of other people inside a prompt: in one line or whole, cut, and unable to close the tag they are in.

Not for: what is asked, or the endpoint (:mod:`saetext.io.llm`).
"""

from __future__ import annotations

import re

from saetext.text.passages import printable

BEGINNING, END = 4_500, 1_500  # characters of a document that is too long


def one_line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return " ".join(printable(text).split())


def quoted(text: str, longest: int | None = None) -> str:
    """Return a label, passage or statement in one line, at most ``longest`` characters."""
    return one_line(text)[:longest].replace("<", "‹").replace(">", "›")


def document(text: str, *tags: str) -> str:
    """Return a document with its lines, unable to open or close any of ``tags``.

    Of one with more than 6,000 characters the first 4,500 and the last 1,500 are kept.
    """
    left_out = len(text) - BEGINNING - END
    if left_out > 0:
        gap = f"\n[… {left_out:,} characters left out …]\n"
        text = f"{text[:BEGINNING]}{gap}{text[-END:]}"
    own = re.compile(rf"<(?=[\s/\\]*(?:{'|'.join(map(re.escape, tags))}))", re.IGNORECASE)
    return own.sub("‹", printable(text, newlines=True))
