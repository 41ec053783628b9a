"""What a feature is called in the texts at hand: its label where that fits, else the words at its peaks.

A label was written for other texts. Not for: measuring whether it fits (:mod:`saetext.features.peaks.local`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks.local import LocalEvidence
from saetext.features.peaks.signals import expected_at
from saetext.text.function_words import only_function_words
from saetext.text.words import words as words_of

WORDS = 3  # words in a name
BORROWED = 0.5  # share of a feature's peaks at words of a label that it borrows
PART = 0.05  # share of the peaks at what a part of a label names
COVERED = 0.5  # share of its peaks that words must cover to name a feature
NEAR = "near "  # names that are words begin so
LOOSE = "loose"  # labels that begin so name nothing
_PARTS = re.compile(r";|\(also ")
_LISTED = re.compile(r",\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+")
#: Words that tie what a label lists to what stands before: of '"to" after "how" or "learn"' nothing can go.
_TIED = re.compile(r"\b(?:after|before|between|beside|followed|following|like|near|than)\b")
_LIST = 3  # things that a label lists, at least, where each is looked at by itself
_SHORT = 2  # words that such a thing has, at most
_SETTING = re.compile(r"\s(?:in|inside|within)\s")
_QUOTED = re.compile(r"[\"“]([^\"“”]+)[\"”]")
#: What labels call things that are no words of English: of little use where they are not at the peaks.
_PIECES = re.compile(r"\b(?:pieces?|fragments?|tokens|stray|prefix(?:es)?|suffix(?:es)?)\b")
_DEBRIS = re.compile(
    r"\b(?:pieces?|fragments?|tokens|stray|prefix(?:es)?|suffix(?:es)?"
    r"|Chinese|Cyrillic|Japanese|Korean|Russian|Vietnamese)\b"
)
_LATIN_ENDS = "\u0250"
_BETWEEN_QUOTED = re.compile(r"\b(?:and|or|the|words?|forms? of)\b|[\s,;/]")
#: Words of settings that no peak can bear out: what kind of text it is.
_KINDS_OF_TEXT = frozenset({
    "arguments", "argument", "articles", "casual", "chat", "conversation", "dialogue", "documentary",
    "emotional", "essays", "fiction", "film", "formal", "informal", "instructions", "literary", "narrative",
    "news", "novels", "opinion", "passage", "poetry", "prose", "reflective", "reports", "reviews", "running",
    "speech", "speeches", "stories", "story", "talk", "technical", "text",
})  # fmt: skip
_BESIDE_WORDS = " \t⏎.,;:!?\"'“”‘’()[]{}*_#-–—"  # marks around a phrase that say nothing of it
#: How much a name says: words, function words, nothing.
BY_WORDS, BY_FUNCTION_WORDS, BY_NOTHING = 0.8, 0.5, 0.3


@dataclass(frozen=True)
class FeatureName:
    """What a feature is called in some texts.

    Attributes
    ----------
    name : str
        Its label if that fits, less the parts that none of its peaks bear out; else that of a feature of its
        concept group which fits and peaks at the same words; else the words at its peaks.
    label : str
        Its own label.
    words : tuple of str
        Words and phrases that set its peaks apart in these texts, strongest first.
    fits : bool or None
        Whether its own label describes what it does here; None where there was no text to tell by.
    labelled : bool
        Whether ``name`` is a label.
    weight : float
        How much the name says, 1 for a label: findings are ranked by it too.
    at : mapping
        Unit to the share of its peaks that stand at it, as of
        :class:`~saetext.features.peaks.local.LocalEvidence`.
    """

    name: str
    label: str
    words: tuple[str, ...] = ()
    fits: bool | None = None
    labelled: bool = True
    weight: float = 1.0
    at: Mapping[str, float] = field(default_factory=dict)

    @property
    def telling(self) -> bool:
        """Whether the name says something: it is a label, or words at enough of the peaks."""
        return self.labelled or self.weight > BY_NOTHING


def names_here(
    read: Mapping[int, LocalEvidence], labels: FeatureLabels, groups: Mapping[int, int] | None = None
) -> dict[int, FeatureName]:
    """Name features by what was read of them.

    Parameters
    ----------
    read : mapping
        Feature to what it does in the texts.
    labels : FeatureLabels
        What features are called elsewhere.
    groups : mapping, optional
        Feature to the feature that leads its concept group, by default itself. A label that fits is borrowed
        within a group if the two have a word in common, and half of the feature's own peaks stand at words
        of that label: it was found to fit at the other's peaks.

    Returns
    -------
    dict
        Every feature of ``read``. One of which nothing is known, as texts are not stored, has its label, and
        ``fits`` is None.

    Examples
    --------
    >>> from saetext.features.labels import FeatureLabel, FeatureLabels
    >>> from saetext.features.peaks import LocalEvidence, names_here
    >>> labels = FeatureLabels.from_rows([FeatureLabel(7, "greetings"), FeatureLabel(9, "mail headers")])
    >>> read = {7: LocalEvidence(("Hi",), 0.9, 0.8, True), 9: LocalEvidence(("Sadly,",), 0.9, 0.2, False)}
    >>> [each.name for each in names_here(read, labels).values()]
    ['greetings', 'near “Sadly”']
    """
    groups = groups or {}
    known = {f: one for f, one in read.items() if one.words or one.fit is not None}
    members: dict[int, list[int]] = {}
    for f in known:
        members.setdefault(groups.get(f, f), []).append(f)
    named = {f: _name(f, {m: known[m] for m in members[groups.get(f, f)]}, labels) for f in known}
    return {f: FeatureName(labels.label(f), labels.label(f)) for f in read} | named


def _name(feature: int, group: Mapping[int, LocalEvidence], labels: FeatureLabels) -> FeatureName:
    """Name a feature by what was read of it and of its concept group."""
    mine, label = group[feature], labels.label(feature)
    words = _plain(mine.words)
    fitting = [f for f, one in group.items() if one.fits and not labels.label(f).startswith(LOOSE)]
    fits = feature in fitting and not _misquoted(label, mine.at)
    if not fits:
        others = [f for f in fitting if f != feature and not _misquoted(labels.label(f), group[f].at)]
        fitting = [f for f in others if _share_a_word(mine, group[f]) and _says(labels, f, mine)]
    if fitting:
        best = feature if fits else max(fitting, key=lambda f: group[f].fit or 0.0)
        return FeatureName(_borne_out(labels.label(best), mine.at), label, words, fits, at=mine.at)
    if not words:
        return FeatureName(
            f"feature {feature}, which no word tells", label, (), fits, False, BY_NOTHING, mine.at
        )
    name = NEAR + ", ".join(f"“{word}”" for word in words[:WORDS])
    if mine.coverage < COVERED:
        return FeatureName(f"{name} and others", label, words, fits, False, BY_NOTHING, mine.at)
    told = BY_FUNCTION_WORDS if not tokens(words) else BY_WORDS
    return FeatureName(name, label, words, fits, False, told, mine.at)


def _plain(phrases: Sequence[str]) -> tuple[str, ...]:
    """Return phrases without marks around them.

    Single letters of abbreviations, then marks, then words like "and" are left out where others are left.
    """
    plain = list(dict.fromkeys(map(bare, phrases)))
    longer = [word for word in plain if len(word) > 1 or not word.isalpha() or word in "AaI"]
    named = [word for word in longer if any(map(str.isalnum, word))]
    telling = [word for word in named if tokens([word])]
    return tuple(telling or named or longer or plain)


def bare(word: str) -> str:
    """Return a phrase without the marks and line breaks around its words; a mark by itself as it is."""
    return word.strip(_BESIDE_WORDS) or word


def _borne_out(label: str, at: Mapping[str, float]) -> str:
    """Return a label without the parts that hardly a peak is at: "oh; Java" is "oh" where nothing is of Java.

    Parts are what semicolons or "(also ...)" set apart. A label of which no part is at the peaks stays whole:
    it speaks of something else than words. So does a list of things such as "tool, software, question and
    bugs", unless most peaks are at some of them: then it is those. Pieces of words and of other scripts are
    left out of any list whose other things most peaks are at. What stands after a colon is kept. Of
    "full stops in reviews" the reviews are left out: the signs are there, what the text is nobody looked at.
    Of words in quotation marks, those at the peaks are left: '"Jack" and "girl"' is 'the word "Jack"'.
    """
    if quoted := _only_quoted(label):
        told = [word for word in quoted if _at(f'"{word}"', at) >= PART]
        if not told or len(told) == len(quoted):
            return label
        return f'the word "{told[0]}"' if len(told) == 1 else _listed([f'"{word}"' for word in told])
    parts = [_closed(part) for part in _PARTS.split(label) if part.strip()]
    if not all(map(_is_whole, parts)):
        return label
    told = [part for part in parts if _at(part, at) >= PART]
    left = told if told and len(told) < len(parts) else parts
    fewer = [_of_list(_without_setting(part, at), at) for part in left]
    return "; ".join(fewer) if fewer != parts else label


def _without_setting(part: str, at: Mapping[str, float]) -> str:
    """Return a sign without the kind of text that it was found in, if most peaks are at the sign."""
    if (found := _SETTING.search(part)) is None or _KINDS_OF_TEXT.isdisjoint(words_of(part[found.end() :])):
        return part
    sign = part[: found.start()]
    marks = {unit: share for unit, share in at.items() if not any(map(str.isalnum, unit))}
    return sign if _at(sign, marks) >= COVERED else part


def _of_list(part: str, at: Mapping[str, float]) -> str:
    """Return the things of a list that are at the peaks, if most peaks are at these; else the list."""
    things = [thing.strip() for thing in _LISTED.split(part) if thing.strip()]
    if not all(map(_is_whole, things)) or _TIED.search(part) or _has_head(things):
        return part
    if ":" in part or sum(share for unit, share in at.items() if not _is_latin(unit)) >= PART:
        return part
    left = [thing for thing in things if not _is_debris(thing) or _at(thing, at) >= PART]
    if left == things or _at(" ".join(left), at) < COVERED:
        left = things
    told = [thing for thing in left if _at(thing, at) >= PART]
    if len(left) < _LIST or any(len(words_of(thing)) > _SHORT for thing in left):
        told = [thing for thing in left if thing in told or not _can_go(thing, told)]
    if told == things or _at(" ".join(told), at) < COVERED:
        return part
    return f"the word {told[0]}" if len(told) == 1 and _QUOTED.fullmatch(told[0]) else _listed(told)


def _closed(part: str) -> str:
    """Return a part of a label without spaces around it, and without the bracket that ends "(also ...)"."""
    part = part.strip()
    return part[:-1].rstrip() if part.endswith(")") and part.count("(") < part.count(")") else part


def _is_whole(thing: str) -> bool:
    """Whether brackets and quotation marks that open in a thing close in it."""
    return (
        thing.count("(") == thing.count(")")
        and thing.count('"') % 2 == 0
        and thing.count("“") == thing.count("”")
    )


def _has_head(things: Sequence[str]) -> bool:
    """Whether what is listed may be of one word that only the last has: "Vietnamese and Korean food"."""
    if len(things) < 2 or any(len(thing.split()) > 1 for thing in things[:-1]):
        return False
    return len(things[-1].split()) > 1 and not _PIECES.search(things[-1])


def _can_go(thing: str, told: Sequence[str]) -> bool:
    """Whether a thing not at the peaks is no part of a short list: a quoted word, or one beside such."""
    short = len(words_of(thing)) <= _SHORT and any(map(_QUOTED.fullmatch, told))
    return short or _QUOTED.fullmatch(thing) is not None


def _is_debris(thing: str) -> bool:
    """Whether a thing that a label lists is pieces of words or of other scripts."""
    return _DEBRIS.search(thing) is not None or not _is_latin(thing)


def _is_latin(text: str) -> bool:
    return all(c < _LATIN_ENDS for c in text if c.isalpha())


def _listed(things: Sequence[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)


def _only_quoted(label: str) -> list[str]:
    """Return the words in quotation marks of a label that names nothing but such; else none."""
    return [] if _BETWEEN_QUOTED.sub("", _QUOTED.sub("", label)) else _QUOTED.findall(label)


def _misquoted(label: str, at: Mapping[str, float]) -> bool:
    """Whether a label names nothing but words in quotation marks, and most peaks are at others."""
    return bool(at) and bool(_only_quoted(label)) and _at(label, at) < COVERED


def _at(part: str, at: Mapping[str, float]) -> float:
    return expected_at(FeatureLabel(0, part), at) if part else 0.0


def _says(labels: FeatureLabels, feature: int, mine: LocalEvidence) -> bool:
    """Whether enough of a feature's own peaks stand at what the label of another leads one to expect."""
    other = labels.get(feature)
    return not mine.at or (other is not None and expected_at(other, mine.at) >= BORROWED)


def _share_a_word(one: LocalEvidence, other: LocalEvidence) -> bool:
    return bool({bare(w).casefold() for w in one.words} & {bare(w).casefold() for w in other.words})


def tokens(phrases: Sequence[str]) -> frozenset[str]:
    """Return the words of phrases that mean something by themselves."""
    return frozenset(w for phrase in phrases for w in words_of(phrase) if not only_function_words([w]))
