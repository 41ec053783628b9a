"""Says where else to look when a description is of length or of signs, which features are not about.

"Very short" finds documents that speak of what is short. Not for: the search itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from saetext.text.one_line import quoted

_DEGREE = r"(?:(?:is|are|it\s+is|very|quite|really|rather|extremely|too|only)\s+)*"
_THINGS = r"(?:\s+(?:texts?|documents?|answers?|replies|responses?|messages?|reviews?|sentences?|ones))?"
_SIGN = r"(?:(?:ends?|ending|closes?|closing)\s+(?:with|in)|contains?|containing|has|have|with|uses?|using)"
_LENGTH = "to find documents by their length add"
_FORMS = (
    (rf"{_DEGREE}(?:short|brief|terse){_THINGS}", _LENGTH, '--where "n_tokens < 20"'),
    (rf"{_DEGREE}(?:long|lengthy){_THINGS}", _LENGTH, '--where "n_tokens > 200"'),
    (
        rf"(?:{_SIGN}\s+(?:an?\s+|any\s+)?question\s+marks?"
        r"|(?:phrased|written|formulated)\s+as\s+(?:an?\s+)?questions?|in\s+the\s+form\s+of\s+(?:an?\s+)?questions?)",
        "to find the sign use", '--words "?"',
    ),
    (rf"{_SIGN}\s+(?:an?\s+|any\s+)?exclamation\s+(?:marks?|points?)", "to find the sign use", '--words "!"'),
    (
        rf"{_SIGN}\s+(?:an?\s+|any\s+)?(?:emojis?|emoticons?|smileys?)",
        "to find one of these signs use", '--words "\N{SLIGHTLY SMILING FACE}"',
    ),
)  # fmt: skip
_KNOWN = tuple((re.compile(pattern, re.IGNORECASE), how, option) for pattern, how, option in _FORMS)


def form_notes(texts: Iterable[str]) -> tuple[str, ...]:
    """Return a line for each description that only says how long documents are, or what signs they have.

    Examples
    --------
    >>> for note in form_notes(["very short", "a short temper"]):
    ...     print(note)
    'very short' was searched for as words; to find documents by their length add --where "n_tokens < 20"
    """
    found = []
    for text in texts:
        for pattern, how, option in _KNOWN:
            if pattern.fullmatch(text.strip(" .")):
                found.append(f"{quoted(text)} was searched for as words; {how} {option}")
    return tuple(found)
