"""Take out of a description who writes or says it, so that what is done counts: "the writer is sad" is "sad".

Not for: comparing descriptions with labels (:mod:`saetext.analysis.search.asked`).
"""

from __future__ import annotations

import re

_WHO = (
    "writer|author|assistant|speaker|user|reviewer|narrator|person|text|sentence|passage|document|headline|"
    "response|answer|reply|message"
)
_FRAME = re.compile(
    rf"^(?:(?:the|an?|this)\s+(?:{_WHO})\s+(?:(?:is|are|feels?|mentions|says|states|shows?)\s+(?:that\s+)?)?"
    r"|says\s+that\s+|mentions\s+that\s+)",
    re.IGNORECASE,
)


def without_frame(text: str) -> str:
    """Return a description without its first words if they only say who writes.

    A text that is nothing else stays as it is.

    Examples
    --------
    >>> without_frame("the writer is not sure")
    'not sure'
    >>> without_frame("says that it is a language model")
    'it is a language model'
    >>> without_frame("a letter to the writer")
    'a letter to the writer'
    """
    return _FRAME.sub("", text).strip() or text
