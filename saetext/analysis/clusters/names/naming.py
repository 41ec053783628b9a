"""A short name for every cluster, no two alike: words that set it apart, then a label or trait that fits.

Not for: finding words (:mod:`saetext.analysis.clusters.names.words`), whether labels fit
(:mod:`saetext.analysis.clusters.names.fitting_labels`), traits
(:mod:`saetext.analysis.clusters.names.traits`), or names by a language model
(:mod:`saetext.analysis.clusters.names.by_llm`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saetext.analysis.clusters.describing import Described
from saetext.analysis.clusters.names.halves import Reach
from saetext.analysis.clusters.names.traits import Trait
from saetext.analysis.clusters.names.words import STEM, Words, repeats, stems
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import LocalEvidence
from saetext.text.passages import printable
from saetext.text.words import parts

NOTHING = "nothing sets it apart"
MOST_WORDS = 3  # in a name
LEAST_WORD = 0.2  # a word's score
LEAST_OF_BEST = 0.05  # and its share of the best one's
LEAST_REACH = 0.4  # of the held-out members that have one of the words
LEAST_RATIO = 2.0  # of that share to the others'
LEAST_ALONE = 3.0  # and of one word beside others
LEAST_HAVE = 0.6  # of members with a theme, property or mark that names a cluster
_LEAST_THEME, _CLEAR = 0.5, 5.0  # of members with a theme, and ratio, if it names a cluster that no words do
_MOST_HAVE = 0.5  # of held-out members with its words: then a theme need not come first
_ONE_WORD = 0.5  # share of a theme's peaks at one word from which on it is there by that word
_QUESTIONS = ("question mark", "closing question")  # signs that make a pile one of questions
MIXED = "mixed: "  # begins a name that too few held-out members bear out
LEAST_SHARE = 0.4  # of a cluster's documents that have a feature whose label names it
LEAST_SCORE = 0.7  # of a label or trait beside words
_LONGEST = 40  # characters of a label in a name
# Labels that speak of how words are written or of grammar: true perhaps, but no name for documents
_ABOUT_FORM = re.compile(
    r"""["“”]|\b(?:words?|pieces?|tokens?|fragments?|prefix(?:es)?|suffix(?:es)?|letters?|digits?|numbers?
    |starts?|endings?|(?:beginning|starting)\swith|commas?|periods?|full\sstops?|marks?|brackets?
    |parenthes[ei]s|colons?|quotes?|clauses?|sentences?|verbs?|nouns?|pronouns?|adjectives?|adverbs?|articles?
    |prepositions?|conjunctions?|passages?|names|identifiers|abbreviations?|loosely|loose|forms?|function)\b""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Evidence:
    """What is known of a cluster, to be named by.

    Attributes
    ----------
    described : Described
        The features that set it apart.
    words : tuple
        Its words, each with its score, best first.
    traits : sequence of Trait
        Themes, properties, marks and length that set it apart, the most telling first.
    local : mapping
        Feature to what it does in the cluster's texts; without texts, no words and no fit.
    vocabulary : frozenset of str
        First letters of the words in its texts (:func:`~saetext.analysis.clusters.names.words.stems`);
        empty without texts.
    reach : Reach, optional
        Which held-out documents have the words; None where nothing was held out.
    """

    described: Described
    words: Words = ()
    traits: Sequence[Trait] = ()
    local: Mapping[int, LocalEvidence] | None = None
    vocabulary: frozenset[str] = frozenset()
    reach: Reach | None = None

    def borne_out(self, words: Sequence[str]) -> bool:
        """Return whether enough held-out members have one of these words, and few enough of the others."""
        if self.reach is None:
            return True
        known = [word for word, _ in self.words]
        inside, outside = self.reach.of([known.index(word) for word in words])
        return inside >= LEAST_REACH and inside >= LEAST_RATIO * outside

    def setting_apart(self, words: Sequence[str]) -> list[str]:
        """Return the words that set held-out members apart by themselves; all if none does.

        In a pile about clients "client" is in each name, and adds nothing to any.
        """
        if self.reach is None:
            return list(words)
        known = [word for word, _ in self.words]
        told = [(word, self.reach.of([known.index(word)])) for word in words]
        return [word for word, (a, b) in told if a >= LEAST_ALONE * b] or list(words)

    def fits(self, feature: int, label: str) -> bool | None:
        """Return whether a label is true of this cluster as a whole; None where that was not looked at.

        That a label fits was judged where half of it was true. So each of its words has to be in the texts.
        """
        local = None if self.local is None else self.local.get(feature)
        if local is None or local.fit is None:
            return None
        mine = stems(label)
        return local.fits and bool(mine) and mine <= self.vocabulary


def names(evidence: Sequence[Evidence], labels: FeatureLabels) -> list[str]:
    """Return a name for each cluster, in order; no two have the same parts.

    Up to three words, then a label or trait that fits and says something that the words do not. A cluster
    whose parts are those of another gets more of its words. One with no words, fitting labels or traits is
    said to be set apart by nothing. Where texts are not stored, nothing tells whether a label fits: then
    labels that were told apart well when they were written are names.

    Parameters
    ----------
    evidence : sequence of Evidence
        By number.
    labels : FeatureLabels
        What features are called.
    """
    found: list[str] = []
    taken: set[frozenset[str]] = set()
    for number, one in enumerate(evidence, start=1):
        words, said, more = _parts(one, labels)
        name = _joined(words, said)
        while _key(name) in taken and more:
            words.append(more.pop(0))
            name = _joined(words, said)
        name = name or NOTHING
        plain, again = name, number
        while _key(name) in taken:
            name, again = f"{plain} ({again})", again + 1
        taken.add(_key(name))
        found.append(name)
    return found


def _joined(words: Sequence[str], said: Sequence[str]) -> str:
    return " · ".join(part for part in (", ".join(words), *said) if part)


def _key(name: str) -> frozenset[str]:
    """Return a name's parts, so that "a, b" and "B, a" are one name."""
    return frozenset(re.split(", | · ", name.casefold()))


def _parts(one: Evidence, labels: FeatureLabels) -> tuple[list[str], list[str], list[str]]:
    """Return the words of a name, what is said beside them, and further words."""
    words = one.setting_apart([word for word, _ in one.words])
    scores = dict(one.words)
    best = max((scores[word] for word in words), default=0.0)
    first = [word for word in words[:MOST_WORDS] if scores[word] >= max(LEAST_OF_BEST * best, LEAST_WORD)]
    ranked = sorted(_labels(one, labels) + _traits(one), key=lambda pair: -pair[0])
    said = [(score, part) for score, part in ranked if not _repeated(part, first)]
    if first and one.borne_out(first):
        if wider := _wider(one, first):
            return [], [wider, ", ".join(first[:2])], words[len(first) :]
        return first, [part for score, part in said if score >= LEAST_SCORE][:1], words[len(first) :]
    return _weak(one, words, said)


def _weak(
    one: Evidence, words: list[str], said: Sequence[tuple[float, str]]
) -> tuple[list[str], list[str], list[str]]:
    """Return the parts of a name for a cluster that no words set apart, or too few held-out members have.

    What many members have comes first: themes, labels and traits that fit, or the marks of their texts.
    Without those the name is said to be of a mixed cluster.
    """
    some, more = words[:MOST_WORDS], words[MOST_WORDS:]
    two = [part for _, part in said[:1]]
    two += [part for _, part in said[1:] if not repeats(part, two[0])][:1]
    theme = _theme_of_most(one)
    lead = [*theme, *(part for part in two if part not in theme)][:2] or _shown_by_most(one)
    if not words:
        return [], lead or _fallback(one), []
    if lead:
        return [], [lead[0], ", ".join(some[:2])], more
    return [MIXED + some[0], *some[1:]], [], more


def _theme_of_most(one: Evidence) -> list[str]:
    """Return a theme of half of the members and few others, though labels of few of its features fit."""
    return [t.name for t in one.traits if t.kind == "theme" and _clear(t) and _at_several_words(t, one)][:1]


def _wider(one: Evidence, words: Sequence[str]) -> str:
    """Return a theme or property of clearly more members than words that fewer than half have; or nothing."""
    if one.reach is None:
        return ""
    known = [word for word, _ in one.words]
    reached, _ = one.reach.of([known.index(word) for word in words])
    if reached >= _MOST_HAVE:
        return ""
    themes = _theme_of_most(one)
    clear = (t for t in one.traits if _clear(t) and t.inside > reached)
    return next((t.name for t in clear if t.kind == "property" or t.name in themes), "")


def _clear(trait: Trait) -> bool:
    return trait.inside >= _LEAST_THEME and trait.inside >= _CLEAR * trait.outside


def _at_several_words(theme: Trait, one: Evidence) -> bool:
    """Whether no one word has half of the peaks of a theme's features: it may have another meaning here."""
    if not one.vocabulary:
        return True
    mine = [evidence for f, evidence in (one.local or {}).items() if f in theme.features and evidence.at]
    shares: defaultdict[str, float] = defaultdict(float)
    for evidence in mine:
        for unit, share in evidence.at.items():
            shares[unit[:STEM]] += share / len(mine)
    return len(mine) > 1 and max(shares.values()) < _ONE_WORD


def _shown_by_most(one: Evidence) -> list[str]:
    """Return the most telling sign or opening that most members have; questions are called that."""
    most = [t for t in one.traits if t.kind in ("sign", "opening") and t.inside >= LEAST_HAVE]
    openings = [t.name for t in most if t.kind == "opening"]
    if any(t.name in _QUESTIONS for t in most):
        short = any(t.kind == "length" and t.name.startswith("short") for t in one.traits)
        return ["short questions" if short else "questions", *openings[-1:]]
    return openings[:1] or [t.name for t in most[:1]]


def _repeated(part: str, words: Sequence[str]) -> bool:
    """Whether at least half of a part's words are in the name already."""
    mine = stems(part)
    return bool(mine) and 2 * sum(any(repeats(stem, word) for word in words) for stem in mine) >= len(mine)


def _fallback(one: Evidence) -> list[str]:
    """Return what can be said of a cluster without words, labels and themes of its own."""
    return [t.name for t in one.traits if t.kind in ("sign", "opening", "length")][:1]


def _traits(one: Evidence) -> list[tuple[float, str]]:
    """Return the most telling trait of each kind; of themes, of those that hold here."""
    best: dict[str, Trait] = {}
    for t in one.traits:
        if t.inside < LEAST_HAVE:
            continue
        if t.kind in ("property", "mark") or (t.kind == "theme" and _holds(t, one)):
            best.setdefault(t.kind, t)
    return [(t.score, t.name) for t in best.values()]


def _holds(theme: Trait, one: Evidence) -> bool:
    """Whether labels of at least half of a theme's features in this cluster fit, at two different words.

    In short texts a theme may be there by one word of another meaning: "Size, weight and length" at "pound".
    """
    if not one.vocabulary:
        return True
    mine = [evidence for f, evidence in (one.local or {}).items() if f in theme.features]
    fits = [evidence for evidence in mine if evidence.fits]
    at = [frozenset(stems(evidence.words[0])) for evidence in fits if evidence.words]
    return len(set(at)) >= 2 and 2 * len(fits) >= len(mine)


def _labels(one: Evidence, labels: FeatureLabels) -> list[tuple[float, str]]:
    """Return labels that may name a cluster, each with the feature's score, less the worse it fits."""
    found = []
    for t in one.described.telling:
        if t.feature not in labels or t.explained_by_length == "yes":
            continue
        label = labels.label(t.feature)
        if one.vocabulary:
            if not one.fits(t.feature, label) or t.inside < LEAST_SHARE or _of_form(label):
                continue
            weight = (one.local or {})[t.feature].fit or 0.0
        else:
            weight = _reliability(labels.score(t.feature))
        if part := shortened(label):
            found.append((t.score * weight, part))
    return found


def _of_form(label: str) -> bool:
    """Whether a label speaks of how words are written, or of forms of one word ("update, updated")."""
    named = [word for word in parts(label) if stems(word)]
    return bool(_ABOUT_FORM.search(label)) or len(stems(label)) < len(named)


def shortened(label: str) -> str:
    """Return a label fit for a name: ``the word "job"`` becomes ``"job"``, a long one is cut at a comma."""
    text = printable(label).strip()
    if match := re.fullmatch(r'the words? ("[^"]+")', text):
        return match[1]
    text = re.sub(r"^(loose|loosely|mixed): ", "", text)
    if len(text) > _LONGEST:
        cut = text[:_LONGEST]
        for mark in (",", ";", " "):
            if (at := cut.rfind(mark)) > _LONGEST // 2:
                if (bracket := cut.rfind("(", 1, at)) > cut.rfind(")", 0, at):
                    return cut[:bracket].rstrip(" ,;")  # what was begun in brackets is left out whole
                return cut[:at].rstrip(" ,;") + ("…" if mark == " " else "")
        return cut.rstrip() + "…"
    return text


def vocabulary(texts: Sequence[str]) -> frozenset[str]:
    """Return the first letters of the words of some texts, by which labels are checked."""
    return frozenset(word[:STEM] for text in texts for word in parts(text))


def _reliability(score: float | None) -> float:
    return 0.75 if score is None else min(max((score - 0.5) * 2, 0.1), 1.0)
