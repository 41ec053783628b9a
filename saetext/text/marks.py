"""Marks of a text that need no reader: its lists, code, emoji, capitals, how it begins and how it ends.

Each has a name that goes into "rate of documents with NAME". A text has a mark if its count is above 0. Words
that are looked for (greetings, "I", "you", offers of help) are mostly English. Not for: other words and
phrases (:mod:`saetext.text.phrases`), first words (:mod:`saetext.text.openings`), or comparing sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from saetext.text.apart import CODE, ENDS, PARAGRAPH, Parts, take_apart
from saetext.text.emoji import count_emoji
from saetext.text.openings import OPENINGS, opening_named, openings
from saetext.text.terms import TOLD_EVERY, TermMatrix

Count = Callable[[Parts], float]
LONGER = "more words than the median document"


def mark_matrix(
    texts: Sequence[str], *, most_openings: int = OPENINGS, count: Callable[[int, int], None] | None = None
) -> TermMatrix:
    """Count the marks of each text.

    Parameters
    ----------
    texts : sequence of str
        The documents.
    most_openings : int
        Openings of one to four words that become marks of their own (``the opening "Sure"``), those of most
        documents first.
    count : callable, optional
        Gets how many of the texts are done, and of how many.

    Returns
    -------
    TermMatrix
        First :data:`LONGER`, whose value is the number of words in texts with more of them than the median
        one; then :data:`MARKS`, in their order; then the openings.

    Examples
    --------
    >>> marks = mark_matrix(["Sure! 😀", "No."])
    >>> [name for name, n in zip(marks.names, marks.matrix.toarray()[0]) if n]
    ['more words than the median document', 'emoji', 'exclamation mark', 'exclamation mark at the end', ...]
    """
    from scipy import sparse

    words = np.array([len(text.split()) for text in texts], np.float32)
    table = np.zeros((len(texts), 1 + len(MARKS)), np.float32)
    table[:, 0] = np.where(words > np.median(words), words, 0) if len(words) else words
    beginnings = []
    for row, text in zip(table, texts, strict=True):
        parts = take_apart(text)
        row[1:] = [mark(parts) for mark in MARKS.values()]
        beginnings.append(parts.prose[:_BEGINNING])
        if count is not None and not len(beginnings) % TOLD_EVERY:
            count(len(beginnings), len(texts))
    first = openings(beginnings, most=most_openings)
    names = (LONGER, *MARKS, *(f'the opening "{name}"' for name in first.names))
    return TermMatrix(names, sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(table), first.matrix])))


def mark_named(name: str) -> Callable[[str], float] | None:
    """Return how often a text has a mark of :func:`mark_matrix`; None if there is no such mark.

    Not for :data:`LONGER`, which depends on the other texts.

    Examples
    --------
    >>> [mark_named(name)("Sure! 1 of 2.") for name in ("number", 'the opening "Sure"')]
    [2, True]
    """
    if name in MARKS:
        count = MARKS[name]
        return lambda text: count(take_apart(text))
    if name.startswith('the opening "') and (begins := opening_named(name[13:-1])) is not None:
        return lambda text: begins(take_apart(text).prose[:_BEGINNING])
    return None


_BEGINNING = 400  # characters in which the first words are looked for


def _matches(pattern: str, needed: str = "", flags: int = 0) -> Count:
    """Count matches in the prose; each has one of the characters ``needed``, which saves most searches."""
    compiled, some = re.compile(pattern, flags), frozenset(needed)

    def count(parts: Parts) -> int:
        if some and some.isdisjoint(parts.signs):
            return 0
        return sum(1 for _ in compiled.finditer(parts.prose))

    return count


# -- Lists, headings, tables ------------------------------------------------------------------------------
_RULE = r"(?:[-*_][ \t]*+){3,}+$"
_BULLET = rf"^[ \t>]*+(?!{_RULE})(?:[-*+–][ \t]++(?=\S)|[•‣◦▪●○][ \t]*+(?=\S))"
_NUMBERED = r"^[ \t>]*+(?:\*\*|__)?+(?:\(?\d{1,3}+[.)](?:\*\*|__)?+[ \t]++(?=\S)|\d{1,3}+、)"
_HASHES = r"^[ \t>]*+\#{1,6}+[ \t]++\S"
_WHOLLY_BOLD = (
    r"^[ \t>]*+(?:\*\*(?![\s*])[^*\n]++(?<!\s)\*\*|__(?![\s_])[^_\n]++(?:_[^_\n]++)*+(?<!\s)__):?[ \t]*+$"
)
_UNDERLINE = re.compile(r"^[ \t]{0,3}+(?:={3,}+|-{3,}+)[ \t]*+$", re.M)
_NO_TITLE = re.compile(
    rf"{_RULE}|={{3,}}|[{PARAGRAPH}{CODE}]$|\s*+\||{_BULLET}|{_NUMBERED}|{_HASHES}|{_WHOLLY_BOLD}"
)
_ROW = re.compile(r"^[ \t>]*+(?=[|:\- \t]*+[^|:\-\s])\|(?:[^|\n]*+\|)++[ \t]*+$", re.M)
_OPEN_ROW = re.compile(r"^(?=[|:\- \t]*+[^|:\-\s])[^|\n]*+\|.*+$", re.M)  # without lines at its sides
_UNDER_HEADER = re.compile(r"^[ \t>]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)++\|?[ \t]*+$", re.M)
_bullets = _matches(_BULLET, "-*+–•‣◦▪●○", re.M)
_numbered = _matches(_NUMBERED, ".)、", re.M)
_marked = _matches(f"{_HASHES}|{_WHOLLY_BOLD}", "#*_", re.M)


def _two(count: Count) -> Count:
    """Let one alone not count: one item is no list, one row no table."""
    return lambda parts: n if (n := count(parts)) > 1 else 0


def _headings(parts: Parts) -> int:
    """Lines that begin with #, are wholly bold, or have a line of = or - under them."""
    found, text = int(_marked(parts)), parts.prose
    for line in _UNDERLINE.finditer(text):
        above = text[text.rfind("\n", 0, max(line.start() - 1, 0)) + 1 : max(line.start() - 1, 0)]
        found += bool(above.strip()) and not _NO_TITLE.match(above)
    return found


def _rows(parts: Parts) -> int:
    """Rows of tables, that under the header left out; one with that line needs no lines at its sides."""
    if "|" not in parts.signs:
        return 0
    row = _OPEN_ROW if "-" in parts.signs and _UNDER_HEADER.search(parts.prose) else _ROW
    return sum(1 for _ in row.finditer(parts.prose))


_bullet_list, _numbered_list = _two(_bullets), _two(_numbered)


# -- Letters ----------------------------------------------------------------------------------------------
def _capitals(parts: Parts) -> int:
    return sum(
        n
        for word, n in parts.words.items()
        if word.isupper() and len(word) > 2 and word.replace("'", "").replace("’", "").isalpha()
    )


def _shouted(parts: Parts) -> int:
    """Letters in upper case, if they are more than half of at least ten that have a case."""
    upper = sum(map(str.isupper, parts.prose)) if parts.prose != parts.prose.lower() else 0
    return upper if upper >= 10 and upper > sum(map(str.islower, parts.prose)) else 0


def _small(parts: Parts) -> int:
    """Letters in lower case, if all are and there are ten."""
    if parts.prose != parts.prose.lower():
        return 0
    small = sum(map(str.islower, parts.prose))
    return small if small >= 10 else 0


def _titled(parts: Parts) -> int:
    """Words with one capital at their beginning, if they are seven in ten and at least four."""
    long = {word: n for word, n in parts.words.items() if len(word) > 2 and word.lower() != word.upper()}
    titled = sum(n for word, n in long.items() if word[0].isupper() and word[1:] == word[1:].lower())
    return titled if titled >= 4 and titled >= 0.7 * sum(long.values()) else 0


_LATIN = (
    "\u0000-\u02ff\u1d00-\u1dbf\u1e00-\u1eff\u2070-\u218f\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f\ufb00-\ufb06"
    "\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff"  # those of other widths, and letters of formulas
)


def _not_ascii(pattern: str) -> Count:
    count = _matches(pattern)
    return lambda parts: 0 if parts.prose.isascii() else count(parts)


# -- Who speaks to whom -----------------------------------------------------------------------------------
def _words(*words: str) -> Count:
    """Count words in any case; capitals of three letters or fewer (US, MY) are abbreviations."""
    forms = [
        form
        for word in words
        for plain in (word, word.capitalize(), *([word.upper()] if len(word) > 3 else []))
        for form in {plain, plain.replace("'", "’")}
    ]
    return lambda parts: sum(parts.words[form] for form in forms) if parts.words else 0


_me = _words("me", "my", "myself", "i'm", "i've", "i'll", "i'd")
_NUMERAL = re.compile(
    r"^[ \t>*#]*+I[.):]|\b(?:War|Part|Type|Phase|Class|Level|Chapter|Section|Article|Act|Volume|Book|Stage"
    r"|King|Elizabeth|Title|Appendix|Table|Step) I\b(?!['’])",
    re.M,
)
_SMALL_I = re.compile(
    r"(?<![\w.'’-])i (?:am|was|have|had|do|did|don['’]t|can|could|can['’]t|will|would|think|know|feel|want"
    r"|need|like|love|just|hope|see|get|got|mean|guess)\b"
)


def _first_person(parts: Parts) -> int:
    found = _me(parts)
    if "I" in parts.words:  # not the number
        found += max(parts.words["I"] - sum(1 for _ in _NUMERAL.finditer(parts.prose)), 0)
    if "i" in parts.words:  # not "i.e." or a variable
        found += sum(1 for _ in _SMALL_I.finditer(parts.prose))
    return int(found)


_SHORTENED = re.compile(
    r"\w+n['’]t|\w+['’](?:m|re|ve|ll|d)|(?:it|that|there|what|he|she|let|here|who|how|where)['’]s", re.I
)


def _contractions(parts: Parts) -> int:
    if parts.signs.isdisjoint("'’"):
        return 0
    return sum(n for w, n in parts.words.items() if ("'" in w or "’" in w) and _SHORTENED.fullmatch(w))


# -- Beginning and end ------------------------------------------------------------------------------------
_GREETING = re.compile(
    r"[\W_]*+(?:(?:hi|hello|hey)(?:[ \t]++(?:there|everyone|all|guys|folks|team|again|i|i['’]m|my|friend)\b"
    r"|(?![\w'’-])(?:[ \t]++[^\s,!.:?…]{1,30}+){0,4}+[ \t]*+(?:[,!.:?…\n\0]|[^\w\s]|$))"
    r"|(?:dear|greetings|good[ \t](?:morning|afternoon|evening|day)|bonjour|hola|hallo"
    r"|guten[ \t](?:tag|morgen|abend)|ciao|buongiorno|olá|bom[ \t]dia|buenos[ \t]días|привет"
    r"|здравствуйте|добрый[ \t]день|नमस्ते|السلام[ \t]عليكم|مرحبا)"
    r"(?![\w-])(?:[ \t]++[^\s,!.:?…،]{1,30}+){0,5}+[ \t]*+(?:[,!.:?…،\n\0]|[^\w\s]|$)"
    r"|你好|您好|こんにちは|안녕하세요)",
    re.I,
)
_SIGN_OFF = re.compile(
    r"(?:(?:with[ \t])?(?:(?:my|best|kind|kindest|warm|warmest|many)[ \t])?(?:regards|wishes)"
    r"|(?:yours[ \t])?(?:sincerely|truly|faithfully)(?:[ \t]yours)?|respectfully(?:[ \t]yours)?|best|cheers"
    r"|love|warmly|many[ \t]thanks|thanks|thank[ \t]you|take[ \t]care|all[ \t]the[ \t]best"
    r"|cordialement|mit[ \t]freundlichen[ \t]grüßen|saludos|atentamente)[,.!]?",
    re.I,
)
_OFFER = re.compile(
    r"let me know|feel free to|(?:happy|glad) to (?:help|assist)|hope (?:this|that|it) helps|anything else"
    r"|(?:any|more|other|further) questions|(?:more|further|additional|any) (?:help|assistance|information)\b"
    r"|would you like (?:me|more|to)|do you (?:want|need) (?:me|more|any)|is there anything",
    re.I,
)


def _sign_off(parts: Parts) -> int:
    """A line such as "Best regards," among the last five, but not the first."""
    lines = parts.lines[1:][-5:]
    return int(any(len(line) <= 40 and _SIGN_OFF.fullmatch(line.strip("*_")) for line in lines))


def _offer(parts: Parts) -> int:
    return int(_OFFER.search(parts.prose, max(len(parts.prose) - 250, 0)) is not None)


def _line_breaks(parts: Parts) -> int:
    return max(len(parts.lines) - 1, 0)


# -- Mathematics ------------------------------------------------------------------------------------------
_FORMULA = re.compile(
    r"\\(?:frac|sqrt|sum|int|begin|end|text|cdot|times|left|right|alpha|beta|pi|theta|leq|geq|infty|boxed)(?![A-Za-z])"
    r"|\\\((?:[^\\\0]|\\(?![()]))*+\\\)|\\\[(?:[^\\\0]|\\(?![\[\]]))*+\\\](?!\()"
    r"|[∑∏∫√∞∂∇∈∉∀∃≤≥≠≈±×÷]|[A-Za-z0-9)]\^[\dA-Za-z{(+-]|\d[ \t]*+[-+*/−][ \t]*+\d++[ \t]*+="
)
_DOLLARS = re.compile(r"(?<![\w\\])\$\$?+(?=\S)([^$\n\0]++)(?<=\S)\$\$?+(?!\w)")
_IN_FORMULA = re.compile(r"[\\^_={}+<>]|[A-Za-z]$")
_TAKES_SIGNS = frozenset("\\^=∑∏∫√∞∂∇∈∉∀∃≤≥≠≈±×÷$")


def _formulas(parts: Parts) -> int:
    if _TAKES_SIGNS.isdisjoint(parts.signs):
        return 0
    found = sum(1 for _ in _FORMULA.finditer(parts.prose))
    if "$" in parts.signs:
        found += sum(1 for m in _DOLLARS.finditer(parts.prose) if _IN_FORMULA.search(m[1]))
    return found


#: What each mark is called and how it is counted.
MARKS: dict[str, Count] = {
    "list": lambda parts: _bullet_list(parts) + _numbered_list(parts),
    "bullet list": _bullet_list,
    "numbered list": _numbered_list,
    "heading": _headings,
    "table": _two(_rows),
    "code": lambda parts: parts.blocks + parts.spans,
    "code block": lambda parts: parts.blocks,
    "bold": _matches(
        r"\*\*(?![\s*\0])[^*\0]++(?:\*(?!\*)[^*\0]*+)*(?<!\s)\*\*"
        r"|(?<!\w)__(?![\s_\0])[^_\0]++(?:_(?!_)[^_\0]*+)*(?<!\s)__(?!\w)",
        "*_",
    ),
    "link": lambda parts: parts.links,
    "mathematical notation": _formulas,
    "emoji": lambda parts: count_emoji(parts.prose),
    "question mark": _matches("[?？؟]", "?？؟"),
    "exclamation mark": _matches("[!！](?!=)", "!！"),
    "closing question": lambda parts: (
        not parts.signs.isdisjoint("?？؟") and any(c in "?？؟" for c in parts.ending)
    ),
    "exclamation mark at the end": lambda parts: any(c in "!！" for c in parts.ending),
    "no punctuation at the end": lambda parts: parts.ending != "" and parts.ending[-1] not in ENDS,
    "ellipsis": _matches(r"…++|\.{3,}+|\.(?: \.){2,}+", ".…"),
    "semicolon": _matches("[;；؛]", ";；؛"),
    "long dash": _matches(
        r"(?<![–—\d])[–—]++|(?<=\d)[–—]++(?!\d)|(?<=\w)--(?=\w)|(?<=[\w,.\"”)] )--(?= )", "–—-"
    ),
    "parenthesis": _matches(r"[(（][^()（）\0]++[)）]", "(（"),
    "quotation": _matches(
        r'(?<!\w)"(?!\s)[^"\0]++(?<!\s)"|“[^“”\0]++”|„[^„“”\0]++[“”]|«[^«»\0]++»|「[^「」\0]++」', '"“„«「'
    ),
    "number": _matches(r"\d++"),
    "word in capitals": _capitals,
    "mostly capital letters": _shouted,
    "no capital letter": _small,
    "a capital at the beginning of most words": _titled,
    "accented letter": _not_ascii(
        "[A-Za-z][\u0300-\u036f]|[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"
    ),
    "letters of a script other than Latin": _not_ascii(rf"[^\W\d_{_LATIN}]{{2,}}+"),
    "first person (I, me, my)": _first_person,
    "first person (we, us, our)": _words(
        "we", "us", "our", "ours", "ourselves", "we're", "we've", "we'll", "we'd", "let's"
    ),
    "second person (you, your)": _words(
        "you", "your", "yours", "yourself", "yourselves", "you're", "you've", "you'll", "you'd"
    ),
    "contraction (don't, it's)": _contractions,
    "line breaks": _line_breaks,
    "several paragraphs": lambda parts: parts.prose.count(PARAGRAPH),
    "a single sentence": lambda parts: parts.one_sentence,
    "greeting at the start": lambda parts: _GREETING.match(parts.prose) is not None,
    "colon at the end of the first line": lambda parts: (
        len(parts.lines) > 1 and parts.lines[0].rstrip("*_ ").endswith((":", "："))
    ),
    "offer of help at the end": _offer,
    "sign-off": _sign_off,
}
