"""Words that carry grammar rather than content, for telling "of the" from phrases that say something.

"Not" and its kind are no such words here: "I cannot" and "do not" say something. Not for: telling languages
apart (:mod:`saetext.text.language`).
"""

from __future__ import annotations

from collections.abc import Sequence

from saetext.text.language import OTHER_WORDS

_ENGLISH = """
    a about above across after against all along also am among an and another any are around as at
    be because been before being below between both but by can could did do does doing done down
    during each either else even every few for from further had has have having he he'd he'll he's
    her here hers herself him himself his how however i i'd i'll i'm i've if in into is it it'd
    it'll it's its itself just many may me might more most much must my myself of off on once one
    only onto or other our ours ourselves out over own per shall she she'd she'll she's should since
    so some such than that that's the their theirs them themselves then there there's these they
    they'd they'll they're they've this those though through to too toward towards under until up
    upon us very was we we'd we'll we're we've were what what's when where whether which while who
    who's whom whose why will with within without would yet you you'd you'll you're you've your
    yours yourself yourselves
"""
_ENGLISH_WORDS = frozenset(_ENGLISH.split())


def only_function_words(words: Sequence[str]) -> bool:
    """Return whether all words, in lower case with straight apostrophes, are function words of one kind.

    Those of English, or those of other European languages.

    Examples
    --------
    >>> only_function_words(["of", "the"]), only_function_words(["i", "cannot"])
    (True, False)
    """
    return _ENGLISH_WORDS.issuperset(words) or OTHER_WORDS.issuperset(words)
