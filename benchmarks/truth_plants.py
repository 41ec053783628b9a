"""Putting a phrase, a habit, a topic or a mark of format into a text, in a natural place.

Every plant knows how to tell a text that has it (``present``), by a count that shares no code with saetext.
Not for: the wordings (``truth_sentences.py``) or which texts get what (``truth_cases.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from truth_sentences import CODE, EMOJI, HABITS, HEADINGS, PHRASES, QUESTIONS, TOPICS, Said

_BOUNDARY = re.compile(r"(?<=[.!?])[ ]+(?=[A-Z\"'(])|(?<=[.!?])[ ]+(?=[a-z])|\n+")
_WORD = re.compile(r"[a-z]{4,}")
# too common to tell what a name is about
_COMMON = frozenset(
    {
        "about", "after", "also", "always", "another", "anything", "away", "because", "been", "before",
        "being", "both", "cannot", "come", "each", "else", "even", "every", "from", "give", "given", "goes",
        "have", "having", "here", "hers", "into", "just", "less", "like", "long", "made", "make", "many",
        "mine", "more", "most", "much", "must", "myself", "need", "needs", "never", "nobody", "once",
        "only", "other", "over", "part", "past", "right", "said", "same", "seem", "seems", "should", "show",
        "showed", "some", "something", "such", "take", "taken", "than", "that", "their", "them", "then",
        "there", "these", "they", "thing", "this", "those", "three", "time", "took", "twice", "used",
        "very", "want", "well", "were", "what", "when", "which", "while", "will", "with", "without",
        "would", "write", "year", "your", "yourself", "came", "everybody", "everything", "look", "looks",
        "late", "last", "latest", "left", "worth", "side", "such", "tell", "told", "gets",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """Something to put into texts.

    Attributes
    ----------
    name, kind : str
        Kind is ``phrase``, ``habit``, ``topic`` or ``mark``.
    put : callable
        From a text and a source of randomness to the text with the plant.
    present : callable
        Whether a text has it, by its wordings or a regular expression.
    accepted, related : tuple of str
        Patterns of names, see ``truth_sentences.py``.
    stems : frozenset of str
        The first five letters of the longer words that are put in.
    """

    name: str
    kind: str
    put: Callable[[str, Random], str]
    present: Callable[[str], bool]
    accepted: tuple[str, ...]
    related: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()


def stems_of(words: Sequence[str]) -> frozenset[str]:
    """Return the first five letters of all words of four letters and more that are not everywhere."""
    found = {w for text in words for w in _WORD.findall(text.lower())}
    return frozenset(w[:5] for w in found - _COMMON)


def boundaries(text: str) -> list[re.Match[str]]:
    """Return the gaps between sentences and lines, code blocks left alone."""
    code = [m.span() for m in re.finditer(r"```.*?(?:```|\Z)", text, re.S)]
    gaps = _BOUNDARY.finditer(text)
    return [gap for gap in gaps if not any(low <= gap.start() < high for low, high in code)]


def insert(text: str, words: str, place: str, rng: Random) -> str:
    """Put words into a text: see :class:`truth_sentences.Said` on places."""
    text = text.strip()
    if place == "opening":
        first = text[:1].lower() if not re.match(r"I\b|[A-Z]{2}", text) else text[:1]
        return f"{words} {first}{text[1:]}"
    if place == "start":
        return f"{words} {text}"
    if place == "paragraph":
        return f"{text}\n\n{words}"
    gaps = boundaries(text) if place == "middle" else []
    if not gaps:
        closed = text if text.endswith((".", "!", "?", ":", "`", '"', "…")) else f"{text}."
        return f"{closed} {words}"
    gap = rng.choice(gaps)
    after = gap[0] if gap[0].startswith("\n") else " "
    return f"{text[: gap.start()]} {words}{after}{text[gap.end() :]}"


def said(name: str, kind: str, what: Said) -> Plant:
    """Return the plant that puts one of the wordings into a text."""

    def put(text: str, rng: Random) -> str:
        return insert(text, rng.choice(what.variants), what.place, rng)

    def present(text: str) -> bool:
        return any(words in text for words in what.variants)

    return Plant(name, kind, put, present, what.accepted, what.related, stems_of(what.variants))


# ---- marks of format -------------------------------------------------------------------------------------


def _sentences(text: str) -> list[str]:
    parts = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    return [part for part in parts if part]


def _listed(marker: Callable[[int], str]) -> Callable[[str, Random], str]:
    def put(text: str, rng: Random) -> str:
        """Keep the first sentence and make a list of up to five that follow."""
        head, *rest = _sentences(text) or [text]
        items, tail = rest[:5], rest[5:]
        lines = [f"{marker(n)} {item}" for n, item in enumerate(items or [head], start=1)]
        parts = [head, "\n".join(lines), *([" ".join(tail)] if tail else [])]
        return "\n\n".join(parts if items else parts[1:])

    return put


def _some_words(change: Callable[[str], str], least: int, most: int) -> Callable[[str, Random], str]:
    def put(text: str, rng: Random) -> str:
        found = list(re.finditer(r"(?<![\w*])[a-zA-Z]{4,}(?![\w*])", text))
        chosen = rng.sample(found, min(len(found), rng.randint(least, most)))
        for m in sorted(chosen, key=lambda m: -m.start()):
            text = text[: m.start()] + change(m[0]) + text[m.end() :]
        return text

    return put


def _exclaim(text: str, rng: Random) -> str:
    """Let one to three sentences end in an exclamation mark."""
    stops = [m.start() for m in re.finditer(r"(?<=[a-z])\.(?=\s|$)", text)]
    for at in rng.sample(stops, min(len(stops), rng.randint(1, 3))):
        text = text[:at] + "!" + text[at + 1 :]
    return text if stops else text.rstrip() + "!"


def _emoji(text: str, rng: Random) -> str:
    return insert(text, rng.choice(EMOJI), rng.choice(("end", "middle")), rng)


def _heading(text: str, rng: Random) -> str:
    return f"## {rng.choice(HEADINGS)}\n\n{text.strip()}"


def _code(text: str, rng: Random) -> str:
    return insert(text, rng.choice(CODE), "paragraph", rng)


def _has(pattern: str, flags: int = re.M) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags)
    return lambda text: compiled.search(text) is not None


#: Marks that can be counted without saetext: the words a name says it with, and the expression.
MARKS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "bold": (r"\bbold", _has(r"\*\*[^*\n]+\*\*")),
    "numbered": (r"\bnumbered|\bordered list", _has(r"^\s*\d{1,3}[.)]\s")),
    "bullets": (r"\bbullet|unordered list", _has(r"^\s*[-*•]\s")),
    "list": (r"\blist", _has(r"^\s*(?:[-*•]|\d{1,3}[.)])\s")),
    "heading": (r"\bheading|\bheader", _has(r"^\s*#{1,6}\s\S")),
    "code": (r"\bcode\b", _has(r"`")),
    "final period": (r"\bfinal (period|full stop)", _has(r"\.\s*\Z", 0)),
    "exclamation": (r"\bexclamation mark|\bexclamation point", _has("!")),
    "closing question": (
        r"(ends|closes|closing|final|last)\b.*\bquestion|question at the end",
        _has(r"\?\W*\Z", 0),
    ),
    "question": (r"\bquestion mark", _has(r"\?")),
    "emoji": (r"\bemoji", _has("[\u2600-\u27bf\u2b50\U0001f300-\U0001faff]")),
    "capitals": (r"\bcapitals|\ball.caps|upper.?case", _has(r"(?<!\w)[A-Z]{3,}(?!\w)")),
    "quotation": (r"\bquotation", _has('["“][^"”]+["”]')),
    "dash": (r"semicolon|\bdash", _has("[;–—]")),
    "parenthesis": (r"\bparenthes", _has(r"\([^()]+\)")),
    "number": (r"\bnumber\b|\bdigits?\b", _has(r"\d")),
    "paragraph": (r"\bparagraph", _has(r"\n\s*\n")),
}


def _mark(
    name: str,
    put: Callable[[str, Random], str],
    accepted: Sequence[str],
    related: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Plant:
    return Plant(name, "mark", put, MARKS[name][1], tuple(accepted), tuple(related), stems_of(words))


PLANTS: dict[str, Plant] = {
    **{name: said(name, "phrase", what) for name, what in PHRASES.items()},
    **{name: said(name, "habit", what) for name, what in HABITS.items()},
    **{name: said(name, "topic", what) for name, what in TOPICS.items()},
    "bold": _mark(
        "bold",
        _some_words(lambda w: f"**{w}**", 1, 3),
        (r"\bbold", r"\basterisk", r"\bemphasis"),
        (r"\bmarkup",),
    ),
    "bullets": _mark(
        "bullets",
        _listed(lambda n: "-"),
        (r"\bbullet", r"\blist\b", r"\blist item", r"\blists\b"),
        (r"\bhyphen", r"\bparagraph", r"line.?break", r"\bdash"),
    ),
    "numbered": _mark(
        "numbered",
        _listed(lambda n: f"{n}."),
        (r"\bnumbered", r"\blist\b", r"\blists\b", r"list item", r"\bsteps\b"),
        (r"\bdigit", r"\bnumbers?\b", r"\bparagraph", r"line.?break"),
    ),
    "heading": _mark(
        "heading", _heading, (r"\bheading", r"\bheader", r"\btitle"), (r"\bhash", r"\bparagraph"), HEADINGS
    ),
    "exclamation": _mark(
        "exclamation",
        _exclaim,
        (r"\bexclam",),
        (r"\benthusias", r"full stop", r"\bperiod", r"\bearnest", r"\bemotion"),
    ),
    "emoji": _mark("emoji", _emoji, (r"\bemoji", r"\bpictograph", r"\bemoticon"), (r"unknown", r"\bsymbol")),
    "closing question": Plant(
        "closing question",
        "mark",
        lambda text, rng: insert(text, rng.choice(QUESTIONS.variants), "end", rng),
        MARKS["closing question"][1],
        QUESTIONS.accepted,
        QUESTIONS.related,
        stems_of(QUESTIONS.variants),
    ),
    "code": _mark(
        "code",
        _code,
        (r"\bcode\b", r"\bprogram"),
        (r"\bbacktick", r"\bsyntax", r"\bidentifier", r"\bmarkup"),
        CODE,
    ),
    "capitals": _mark(
        "capitals", _some_words(str.upper, 2, 4), (r"\bcapital", r"\bcaps\b", r"upper.?case"), ()
    ),
    "quotation": _mark("quotation", _some_words(lambda w: f'"{w}"', 1, 3), (r"\bquot",), (r"\bspeech",)),
}
