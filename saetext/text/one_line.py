"""What an object says of itself on one short line. Not for: tables, pages, or texts to be read whole."""

from __future__ import annotations

MOST = 200  # characters of a repr


def one_line(text: str, most: int = MOST) -> str:
    """Return ``text`` as one line of at most ``most`` characters, without control or invisible characters."""
    start = text[: 8 * most]  # of a long text no more is looked at
    line = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    return line if len(line) <= most and len(start) == len(text) else line[: most - 1].rstrip() + "…"


def quoted(text: str, most: int = 60) -> str:
    """Return the beginning of ``text`` in quotation marks."""
    return repr(one_line(text, most))


def about(value: object, facts: str) -> str:
    """Return ``<ClassName: facts>`` for a repr, cut to :data:`MOST` characters."""
    name = type(value).__name__
    return f"<{name}: {one_line(facts, MOST - len(name) - 4)}>"


def many(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where that is right."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
