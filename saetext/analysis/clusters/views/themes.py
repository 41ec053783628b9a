"""The views that themes make: which features each looks at. Not for: what is done with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from saetext.corpus.protocol import Ints
from saetext.features.themes import Themes

#: Views by themes, with what each looks at.
THEMED: Mapping[str, str] = {
    "subject": "what the texts are about",
    "function": "what the texts do: ask, instruct, explain, compare",
    "style": "how the texts are written",
    "layout": "how the texts look: lists, headings, numbers, punctuation",
    "emotion": "emotion and stance: praise, doubt, thanks, anger",
}
_OF_KIND = {
    "topic": "subject",
    "discourse": "function",
    "style": "style",
    "form": "style",
    "format": "layout",
}
# Of whatever kind, these are about what somebody feels or thinks of something
_EMOTION = frozenset(
    {
        "agreement", "anger", "apology", "certainty", "criticism", "exclamation", "fear", "feelings",
        "hedging", "intensifiers", "joy", "judgement", "laughter-comedy", "likes", "love", "not-knowing",
        "opinion", "praise", "pride", "sadness", "superlatives", "surprise-strangeness", "thanks",
        "wishes-hopes",
    }
)  # fmt: skip
# Who speaks to whom is manner more than a move; so are short replies
_MANNER = frozenset({"first-person", "second-person", "third-person", "we", "yes-no", "greetings"})


def themed_features(themes: Themes) -> dict[str, Ints]:
    """Return the features of each view that has any, increasing, by the kind of their themes.

    A feature of two themes may be in two views.
    """
    members: dict[str, set[int]] = {}
    for theme in themes:
        members.setdefault(view_of(theme.id, theme.kind), set()).update(theme.features)
    return {name: np.array(sorted(members[name]), np.int64) for name in THEMED if name in members}


def view_of(id: str, kind: str) -> str:
    """Return the view in which a theme counts."""
    if id in _EMOTION:
        return "emotion"
    return "style" if id in _MANNER else _OF_KIND[kind]
