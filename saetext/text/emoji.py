"""What an emoji is: the pictures of Unicode 16, with their tones, flags and joined sequences.

Not for: counting them where code is left out (:mod:`saetext.text.marks`).
"""

from __future__ import annotations

import re

# Emoji of Unicode 16: those shown as pictures by themselves below U+1F000, those that need U+FE0F or a skin
# tone for it, and all pictographs above.
_PICTURE = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd"
    "\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755"
    "\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f201\U0001f21a\U0001f22f\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f90c-\U0001f93a"
    "\U0001f93c-\U0001f945\U0001f947-\U0001f9ff\U0001fa70-\U0001faff"
)
_SIGN = "\u00a9\u00ae\u203c-\u3299\U0001f170-\U0001f171\U0001f17e-\U0001f17f\U0001f202\U0001f237"
_TONE = "\U0001f3fb-\U0001f3ff"
_EMOJI = (
    rf"[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{1,2}}+"
    rf"|(?:[{_PICTURE}]|[{_SIGN}](?=[\ufe0f{_TONE}]))\ufe0f?+[{_TONE}]?+[\U000e0020-\U000e007f]*+"
    rf"(?:\u200d[{_PICTURE}{_SIGN}]\ufe0f?+[{_TONE}]?+)*+"
)

_found = re.compile(_EMOJI)
_FLAG = "\U0001f1e6-\U0001f1ff"
_PIECE = re.compile(f"[{_PICTURE}{_TONE}{_FLAG}\u200d\u20e3\ufe0f\U000e0020-\U000e007f]")
_ANY_SIGN = re.compile(f"[{_SIGN}]")


def count_emoji(text: str) -> int:
    """Return how many emoji a text has; one of several code points (a flag, a family) is one."""
    return 0 if text.isascii() else sum(1 for _ in _found.finditer(text))


def without_emoji(text: str) -> str:
    """Return a text with each emoji taken out."""
    return text if text.isascii() else _found.sub("", text)


def is_piece(text: str, at: int) -> bool:
    """Whether a character can be a part of an emoji: a picture, or a sign that the next one makes one."""
    if _PIECE.match(text, at):
        return True
    return text[at + 1 : at + 2] == "\ufe0f" and _ANY_SIGN.match(text, at) is not None
