"""What servers and libraries say, in one short line and without the secrets that they were given.

Not for: texts of documents (:func:`saetext.text.passages.printable`).
"""

from __future__ import annotations

import html
import json
import re
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_SHORTEST = 4  # characters of a key that is hidden: fewer stand in any text
_SHORTEST_IN_ANSWERS = 8
_IN_URL = re.compile(r"(?<=//)[^\s/@]*(?::[^\s@]*)?@")


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
        forms = {key, quote(key, safe=""), quote_plus(key), html.escape(key), json.dumps(key)[1:-1]}
        self._pattern = (
            re.compile("|".join(map(_loose, sorted(forms, key=len, reverse=True)))) if known else None
        )
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


def _loose(form: str) -> str:
    """Return a pattern of ``form`` in any case, also where control characters or line breaks divide it."""
    return "(?i:" + r"[^!-~]*".join(map(re.escape, form)) + ")"
