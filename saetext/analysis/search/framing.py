"""Take out of a description who writes it and what kind of document it is, so that what is said counts.

"The writer is sad" is "sad", and "statements about money" is "money".

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
    r"|(?:somebody|someone)\s+(?:(?:is|feels?)\s+)?"
    r"|(?:it\s+is\s+)?written\s+by\s+"
    r"|says\s+that\s+|mentions\s+that\s+)",
    re.IGNORECASE,
)
# Kinds of document that say nothing of one. Stories, letters, lists, poems and code are forms, and asked for.
_KINDS = (
    r"(?:(?:anything|something|everything|those|ones|people|somebody|someone)"
    r"|(?:(?:(?:all|any|some|the|those|these)\s+)?(?:texts?|documents|statements|sentences|passages|answers|replies"
    r"|responses|reviews|messages|comments|posts|conversations|dialogues?|dialogs|chats|articles|entries|examples"
    r"|headlines|prompts|requests|queries)))"
)
_KIND = re.compile(
    rf"^(?:find\s+|show\s+(?:me\s+)?|search\s+for\s+|look\s+for\s+)?{_KINDS}\s+"
    r"(?:(?:(?:that|which|who)\s+(?:(?:is|are|were|was)\s+)?|where\s+|in\s+which\s+)"
    r"(?:(?:about|on|talk(?:s|ing)?\s+about|mentions?|discuss(?:es)?|deals?\s+with)\s+)?"
    r"|(?:talking|speaking|written|mostly)?\s*about\s+|concerning\s+|regarding\s+|mentioning\s+|discussing\s+"
    r"|on\s+the\s+(?:topic|subject)\s+of\s+|(?=(?:with|without|written|phrased|full\s+of|from|saying|asking"
    r"|complaining|praising)\b))",
    re.IGNORECASE,
)
# "The speaker is lonely" found music. "The writer" stays in what is compared by meaning (see without_frame).
_ONE = re.compile(
    r"^(?:the|an?|this)\s+(?:speaker|user|reviewer|narrator|person|text|sentence|passage|document|review|statement"
    r"|conversation|message)\s+(?:is|feels|seems|sounds|mentions|says|talks\s+about)\s+(?:(?:about|that)\s+)?",
    re.IGNORECASE,
)
_ASKING = re.compile(r"^(?:(?:the|any|all|some)\s+)?questions\s+(?=asking\b)", re.IGNORECASE)


_BARE = re.compile(
    rf"^(?:{_KINDS}|(?:(?:all|any|some|the|those|these|an?|most|many)\s+)?(?:persons?|wom[ae]n|m[ae]n|child(?:ren)?"
    r"|kids|parents|famil(?:y|ies)|users?|writers?|authors?|speakers?|reviewers?|anybody|anyone|everybody|everyone"
    r"|text|document|statement|sentence|passage|answer|reply|response|review|message|comment|post|conversation"
    r"|li(?:fe|ves|ving)|worlds?|days?))(?:\s+(?:who|that|which)\s+(?:(?:is|are|was|were)\s+)?\S+)?$",
    re.IGNORECASE,
)


def is_bare(text: str) -> bool:
    """Whether a description names nothing but a kind of document, people or life: what follows is the point.

    Examples
    --------
    >>> [is_bare(text) for text in ("people", "those who live", "life", "polite people", "questions")]
    [True, True, True, False, False]
    """
    return _BARE.match(text.strip()) is not None


def without_kind(text: str) -> str:
    """Return a description without its first words if they only say what kind of document is looked for.

    Every document of a pile of reviews is a review: the word would find those that speak of reviews.

    Examples
    --------
    >>> without_kind("Statements about money")
    'money'
    >>> without_kind("reviews that hate the ending")
    'hate the ending'
    >>> without_kind("people who lost a pet")
    'lost a pet'
    >>> without_kind("questions asking for advice")
    'asking for advice'
    >>> without_kind("questions about money")
    'questions about money'
    >>> without_kind("answers")
    'answers'
    """
    return _ASKING.sub("", _ONE.sub("", _KIND.sub("", text))).strip() or text


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
