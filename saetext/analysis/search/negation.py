"""What a description says documents should not have: "polite but not apologising" is two questions.

Rules for plain English, no more: a connecting word and a negation side by side. Not for: AND and NOT in
capitals (:func:`saetext.analysis.search.query.split_clauses`).
"""

from __future__ import annotations

import re

from saetext.analysis.search.framing import is_bare

_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)(?:\s+not|n['\u2019]t|\s+never)"
    r"|(?:can|won|ca)(?:not|['\u2019]t|n['\u2019]t)"
)
_CUT = re.compile(
    rf"(?:,?\s+(?:but|though|yet)\s+(?:{_AUXILIARY}|not|no|never|without|nothing)"
    rf"|,?\s+and\s+(?:{_AUXILIARY}|not|without)"
    r"|,?\s+(?:that|which|who)\s+(?:is|are|was|were)\s+not(?=\s+(?:about|on|from|in|by)\b)"
    r"|,\s*not|,?\s+(?P<lack>with\s+no|without|except(?:\s+for)?|excluding|other\s+than))\s+",
    re.IGNORECASE,
)
# "hmm, not sure" and "a question without one answer" are themselves what is asked for
_ITSELF = re.compile(
    r"(?:(?:so|very|too|quite|entirely|at\s+all)\s+)?(?:sure|certain|clear|convinced|knowing|understanding|only|just"
    r"|always|one|any\s+doubt|a\s+doubt|doubt|exception)\b",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^(?:(?:being|about|on|any|some|a|an|the|for|to|in|saying|much|many|mention\s+of|mentioning)\s+)+",
    re.IGNORECASE,
)
_IN_QUOTES = r'["\u201c]([^"\u201c\u201d]*[^\s"\u201c\u201d][^"\u201c\u201d]*)["\u201d]'
_QUOTED = re.compile(rf"^\s*{_IN_QUOTES}\s*$")
_QUOTATION = re.compile(rf"(?<![^\s(]){_IN_QUOTES}(?=[\s,.;:!?)]|$)")
# "apps that do not work without internet": the negation before it takes it in
_NEGATED = re.compile(r"(?:\b(?:not|never|no|nothing|nobody|none|cannot)\b|n['\u2019]t\b)", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;:.!?]|\b(?:but|and|though|yet)\b", re.IGNORECASE)


def unquoted(text: str) -> str | None:
    """Return what stands in double quotes if the text is nothing else, else None.

    Examples
    --------
    >>> unquoted('"rude but not angry"')
    'rude but not angry'
    >>> unquoted('"polite" but not "rude"') is None
    True
    """
    found = _QUOTED.match(text)
    return None if found is None else found[1].strip()


def masked(text: str) -> str:
    """Return a text of the same length in which what stands in double quotes can be mistaken for no operator.

    Examples
    --------
    >>> masked('"salt AND pepper" AND rain')
    'xxxxxxxxxxxxxxxxx AND rain'
    """
    return _QUOTATION.sub(lambda found: "x" * len(found[0]), text)


def split_negation(text: str) -> tuple[str, tuple[str, ...]]:
    """Return what documents should be like, and what they should not have.

    A description in double quotes is one question as it stands. So is one whose negation is all that it says
    ("the writer does not understand"), or belongs to what is asked for ("life without children").

    Parameters
    ----------
    text : str
        A description.

    Returns
    -------
    wanted : str
        Without quotes around all of it.
    unwanted : tuple of str
        Empty where nothing is negated; articles and prepositions before it are left out.

    Examples
    --------
    >>> split_negation("polite but not apologising")
    ('polite', ('apologising',))
    >>> split_negation("news that is not about death, and without names")
    ('news', ('death', 'names'))
    >>> split_negation("maybe, not certain about this")
    ('maybe, not certain about this', ())
    >>> split_negation('"rude but not angry"')
    ('rude but not angry', ())
    """
    wanted, unwanted = cut_negation(text)
    return unquoted(wanted) or wanted, tuple(unquoted(each) or each for each in unwanted)


def cut_negation(text: str) -> tuple[str, tuple[str, ...]]:
    """Return what :func:`split_negation` returns, with quotes."""
    plain = masked(text)  # offsets are the same
    cuts = [cut for cut in _CUT.finditer(plain) if not _ITSELF.match(plain, cut.end())]
    cuts = [cut for cut in cuts if not (cut["lack"] and _belongs(plain[: cut.start("lack")], cut["lack"]))]
    cuts = [cut for cut in cuts if text[: cut.start()].strip(" ,;:") and text[cut.end() :].strip(" ,;:.!?")]
    if not cuts:
        return text, ()
    ends = [cut.start() for cut in cuts[1:]] + [len(text)]
    unwanted = [text[cut.end() : end].strip(" ,;:.!?") for cut, end in zip(cuts, ends, strict=True)]
    said = tuple(_LEADING.sub("", each) or each for each in unwanted if each)
    return text[: cuts[0].start()].strip(" ,;:"), said


def _belongs(before: str, lack: str) -> bool:
    """Whether "without" and the like belong to what is asked for: nothing before says what that would be."""
    clause = _CLAUSE_END.split(before)[-1]
    return bool(_NEGATED.search(clause)) or (lack[0] in "wW" and is_bare(before.rstrip(" ,")))
