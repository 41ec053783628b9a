"""What servers and libraries say, in one short line and without the secrets that they were given.

Not for: texts of documents (:func:`saetext.text.passages.printable`).
"""

from __future__ import annotations

import html
import re

HIDDEN = "***"
_SHORTEST = 4  # characters of a key that is hidden: fewer stand in any text
_SHORTEST_IN_ANSWERS = 8
_COLOUR = r"(?:\x1b|\\x1b|\\u001b)(?:\[[0-9;]*[A-Za-z])?"
_BETWEEN = rf"(?:[^!-~\x1b]|{_COLOUR}|\\(?:u200b|[nrt]))*\\*"
_IN_URL = re.compile(r"(?<=//)(?:[^\s@]{0,500}@)+")


def one_line(text: object, most: int) -> str:
    """Return ``text`` in one line of at most ``most`` characters, without control or invisible ones."""
    start = str(text)[: 8 * most]  # of what a server sent no more is looked at
    return " ".join("".join(c if c.isprintable() else " " for c in start).split())[:most]


class Secret:
    """A key that must not be shown, whoever repeats it.

    Parameters
    ----------
    key : str
        The key, in ASCII; what stands for "no key needed" (fewer than four characters, or ``none``) is no
        secret.
    """

    def __init__(self, key: str) -> None:
        known = len(key) >= _SHORTEST and key.casefold() != "none"
        self._pattern = re.compile(_loose(key)) if known else None
        # "EMPTY" or "ollama" may be a word of an answer; a key that is worth something is no plain word
        self._in_answers = known and len(key) >= _SHORTEST_IN_ANSWERS and not key.isalpha()

    def __repr__(self) -> str:
        return f"<Secret: {HIDDEN}>"

    def hide(self, text: str) -> str:
        """Return ``text`` with the key, however it is escaped, and passwords of addresses as ``***``."""
        text = text if self._pattern is None else self._pattern.sub(HIDDEN, text)
        return _IN_URL.sub(f"{HIDDEN}@", text)

    def hide_in_answer(self, text: str) -> str:
        """Return what a model wrote with the key as ``***``, unless the key is a plain word."""
        return self._pattern.sub(HIDDEN, text) if self._pattern is not None and self._in_answers else text


def _loose(key: str) -> str:
    """Return a pattern of ``key`` in any case and however its characters are escaped or divided.

    As JSON, HTML and addresses escape them; divided by line breaks, invisible characters and colours of a
    terminal.
    """
    return "(?i:" + _BETWEEN.join(map(_escaped, key)) + ")"


def _escaped(character: str) -> str:
    number, named = ord(character), html.escape(character)
    forms = {re.escape(character), re.escape(named)}
    forms |= {
        rf"\\u00{number:02x}",
        rf"\\x{number:02x}",
        f"%{number:02x}",
        f"&#0*{number};",
        f"&#x0*{number:x};",
    }
    return "(?:" + "|".join(sorted(forms, key=len, reverse=True)) + ")"
