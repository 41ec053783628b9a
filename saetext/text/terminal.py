r"""What may reach a terminal: text without control characters, escapes and invisible formatting.

The one place that decides it, for snippets (:func:`saetext.text.passages.printable`), for every line that is
printed, and for JSON, in which the same characters are escaped. Not for: how a page shows a text.
"""

from __future__ import annotations

import re
import unicodedata

from saetext.text.joiners import JOINERS

LONGEST = 380  # characters of a message on one line
_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")  # what rich sets colours with: nothing else of ANSI's


def safe(character: str) -> str:
    """Return what stands for one character: itself, a space, U+FFFD, or nothing (invisible formatting)."""
    if character.isprintable() or character in JOINERS:
        return character
    category = unicodedata.category(character)
    if category == "Cc" or character.isspace():
        return " "
    if category == "Cs":
        return "\ufffd"
    return "" if category == "Cf" else character


class _Shown(dict[int, str]):
    """What stands for each code point; found when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = safe(chr(code))
        return found


class _Escaped(dict[int, str]):
    r"""The same for JSON: ``\uXXXX`` of what is not shown as it is, in two halves beyond U+FFFF."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if safe(character) == character:
            found = character
        else:
            units = character.encode("utf-16-be", "surrogatepass")
            found = "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
        self[code] = found
        return found


_LINE, _LINES = _Shown(), _Shown({10: "\n"})
_JSON = _Escaped({9: "\t", 10: "\n"})  # between values; within strings JSON has them escaped already


def visible(text: str, *, newlines: bool = False, colours: bool = False) -> str:
    r"""Return ``text`` as it may be printed: control characters are spaces, invisible formatting is gone.

    Parameters
    ----------
    text : str
        Anything, from anyone.
    newlines : bool
        Keep ``\n``. Without, the text stays on one line.
    colours : bool
        Keep the escapes that set colours: for what rich has drawn, whose texts were made visible before.
    """
    if text.isprintable():
        return text
    if colours and "\x1b" in text:
        parts = _COLOURS.split(text)
        return "".join(part if at % 2 else visible(part, newlines=newlines) for at, part in enumerate(parts))
    return text.translate(_LINES if newlines else _LINE)


def in_json(text: str) -> str:
    r"""Return JSON with the same values in which what :func:`visible` would change is escaped as ``\uXXXX``.

    Examples
    --------
    >>> from saetext.text.terminal import in_json
    >>> in_json('"a\x9bb"')
    '"a\\u009bb"'
    """
    return text if text.isprintable() else text.translate(_JSON)


def cut(text: str, most: int = LONGEST) -> str:
    """Return ``text`` in at most ``most`` characters, cut in the middle: its ends say most."""
    if len(text) <= most:
        return text
    kept = most - 3
    return f"{text[: kept - kept // 2].rstrip()} … {text[len(text) - kept // 2 :].lstrip()}"


def message(text: str, most: int = LONGEST) -> str:
    """Return a message as one visible line of at most ``most`` characters."""
    return cut(" ".join(visible(text).split()), most)


def typed(path: object) -> str:
    """Return a path as it is typed in a shell, in double quotes where it needs some: for a command to copy.

    Examples
    --------
    >>> from saetext.text.terminal import typed
    >>> typed("a.corpus"), typed("my texts.corpus")
    ('a.corpus', '"my texts.corpus"')
    """
    text = str(path)
    if re.fullmatch(r"[\w@%+=:,./-]+", text):
        return text
    escaped = re.sub(r'(["$`\\])', r"\\\1", text)
    return f'"{escaped}"'
