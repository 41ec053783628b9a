"""Which units of a text a mark of format is made of, where it is made of a sign or of a few words.

A unit is a word in small letters, a run of one sign, or ``⏎`` for a line break. Not for: counting marks
(:mod:`saetext.text.marks`).
"""

from __future__ import annotations

_BREAK = "⏎"
#: Mark to the signs it is made of; a run of one of them is a unit.
_SIGNS = {
    "list": "-*+•–▪●", "bullet list": "-*+•–▪●", "heading": "#", "table": "|", "code": "`",
    "code block": "`", "bold": "*", "question mark": "?？؟", "closing question": "?？؟",
    "exclamation mark": "!！", "exclamation mark at the end": "!！", "ellipsis": "…", "semicolon": ";；؛",
    "long dash": "–—", "parenthesis": "()（）", "quotation": "\"“”„«»「」", "line breaks": _BREAK,
    "several paragraphs": _BREAK,
}  # fmt: skip
#: Mark to the words it is made of.
_WORDS = {
    "first person (I, me, my)": "i me my mine myself i'm i've i'll i'd",
    "first person (we, us, our)": "we us our ours ourselves we're we've we'll we'd let's",
    "second person (you, your)": "you your yours yourself yourselves you're you've you'll you'd",
}
_DIGITS = ("number", "numbered list")
#: Marks that a text has if a part of it has them: no matter where the part stands, and what else there is.
OF_PARTS = frozenset({
    "code", "bold", "link", "emoji", "question mark", "exclamation mark", "ellipsis", "semicolon",
    "long dash", "parenthesis", "quotation", "number", "word in capitals", "accented letter",
    "letters of a script other than Latin", "contraction (don't, it's)", *_WORDS,
})  # fmt: skip
_SHORT = ("n't", "'m", "'re", "'ve", "'ll", "'d", "'s")  # ends of contractions


def is_made_of(mark: str, unit: str) -> bool:
    """Return whether a unit is one of those that a mark of format is made of.

    Examples
    --------
    >>> from saetext.text.mark_units import is_made_of
    >>> is_made_of("bold", "**"), is_made_of("question mark", "!"), is_made_of("number", "42")
    (True, False, True)
    """
    plain = unit.casefold().replace("’", "'")
    if mark in _DIGITS:
        return plain[:1].isdigit()
    if mark.startswith("contraction"):
        return "'" in plain and plain.endswith(_SHORT)
    if mark in _WORDS:
        return plain in _WORDS[mark].split()
    return bool(plain) and plain[0] in _SIGNS.get(mark, "")
