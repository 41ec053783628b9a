"""Where in a text a description stands, in words from its beginning.

Not for: what follows for a pair (:mod:`saetext.analysis.cooccurrence.descriptions.passages`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.descriptions.making import OPENING, Descriptions
from saetext.analysis.cooccurrence.result import Marked
from saetext.analysis.cooccurrence.showing import line_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.detectors import SUBJECTS
from saetext.features.passage_sums import passage_sums
from saetext.features.places import full_strength, parts_of
from saetext.features.theme_passages import STRONG
from saetext.features.themes import Theme, Themes
from saetext.text.apart import Parts, take_apart
from saetext.text.marks import MARKS
from saetext.text.passages import printable
from saetext.text.phrases import plain
from saetext.text.words import matches, words

Floats = NDArray[np.float64]
Span = tuple[int, int]  # words of a text
_HELD = 512  # documents whose words are held at once
_SUMS_UP = 0.3  # share of a property's score that its strongest features make: only these count as its places
_SENTENCE = re.compile(r"(?<=[.!?])[\"”')\]]*\s+|\n+")
_READ = 40  # texts in which the words around a phrase are read
_SAME = 0.9  # share of them that have the same word there, where it belongs to the phrase
_FEW = 4  # texts in which it is looked at which themes a word is of
_AT_WORD = 0.4  # how much the features of a theme add up to at a word of it; one at its full strength adds 1
_LONGEST = 12  # words of a phrase that is shown
AROUND = 2  # words around a place that are taken for the same place
SPREAD = frozenset({"property", "theme"})  # kinds that follow from many features, in many places


class Places:
    """Finds descriptions in texts.

    Parameters
    ----------
    corpus : Corpus
        The documents, with texts.
    sae : str
        Whose features properties and themes are of.
    take : int64[n]
        The document of each row.
    made : Descriptions
        What to find.
    """

    def __init__(self, corpus: CorpusLike, sae: str, take: Ints, made: Descriptions) -> None:
        self._take, self._made = take, made
        self._features = _weights(corpus, sae, made)
        topics = [theme for theme in Themes.for_spec(corpus.spec, sae) or () if theme.kind == "topic"]
        self._topics = frozenset(theme.name for theme in topics)
        self._of_feature = _topics_of(topics, full_strength(corpus, sae))
        self._themes_of: dict[int, frozenset[str]] = {}
        self._entries = _Entries(corpus, sae, take)
        self._words: Any = lru_cache(_HELD)(lambda row: _Words(corpus.document(row)))

    def of(self, description: int, row: int) -> list[Span]:
        """Return where a row has a description, as spans of words in order; empty where it is not known.

        Of a mark of format it is the sentences that have it by themselves, where these are not most of the
        text; of a property where its strongest features peak, of a theme its passages.
        """
        kind, document = self._made.kind[description], int(self._take[row])
        if kind == "word":
            return self._words(document).phrase(tuple(map(plain, words(self._made.term[description]))))
        if kind not in SPREAD:
            return self._words(document).mark(self._made.term[description])
        share, peak = self._shares(description, document)
        peak = _largest(share, peak) if kind == "property" else _passages(share, peak)
        return self._words(document).at(peak.tolist())

    def has_itself(self, phrase: int, mark: int, row: int) -> bool:
        """Return whether a word or opening has a mark of format itself, as a row writes it."""
        count, text = MARKS[self._made.term[mark]], self._words(int(self._take[row]))
        found = (text.text[slice(*text.characters(span))] for span in self.of(phrase, row))
        return any(count(take_apart(part)) > 0 for part in found)

    def document(self, row: int) -> str:
        """Return the id of a row's document."""
        return self._words(int(self._take[row])).id

    def without(self, description: int, row: int, other: Sequence[Span]) -> bool:
        """Return whether a theme or property is present in a row by what is not around other places.

        Features that peak within :data:`AROUND` words of those are left out. Anything else stays present.
        """
        if self._made.kind[description] not in SPREAD:
            return True
        document = int(self._take[row])
        share, peak = self._shares(description, document)
        words_of = self._words(document)
        near = np.array([nearest(words_of.at([token]), other)[0] <= AROUND for token in peak.tolist()], bool)
        if self._made.kind[description] == "theme":
            return len(_passages(share[~near], peak[~near])) > 0
        return self._made.stays(description, row, float(share[near].sum()))

    def called(self, description: int) -> str:
        """Return what a description is called: a phrase by all words that nearly always stand around it.

        Of "In conclusion, there is more than one way to look at it." any four words may be the best
        evidence; whoever reads them wants the sentence.
        """
        kind, term = self._made.kind[description], self._made.term[description]
        if kind != "word":
            return self._made.called(description)
        phrase = tuple(map(plain, words(term)))
        found = []
        for row in self._rows(description)[:_READ].tolist():
            text = self._words(int(self._take[row]))
            found += [(text, spans[0]) for spans in [text.phrase(phrase)] if spans]
        before = _grown(found, -1, _LONGEST - len(phrase))
        after = _grown(found, 1, _LONGEST - len(phrase) - before)
        for text, span in found:
            if before + after and text.around(span, before, after):
                low, high = text.characters((span[0] - before, span[1] + after))
                return f"“{printable(' '.join(text.text[low:high].split()))}”"
        return self._made.called(description)

    def themes(self, description: int) -> frozenset[str]:
        """Return the topics that a description is of: itself, or themes whose features peak at its words.

        "Monday" and "Tuesday" are both of days and weeks, so that they go together is no surprise. Only
        themes of what a text is about count: a "this" in both says nothing.
        """
        if description not in self._themes_of:
            self._themes_of[description] = self._read_themes(description)
        return self._themes_of[description]

    def _read_themes(self, description: int) -> frozenset[str]:
        kind, term = self._made.kind[description], self._made.term[description]
        if kind in SPREAD:
            return frozenset({SUBJECTS.get(term, term)}) & self._topics
        if kind != "word" and not term.startswith(OPENING):
            return frozenset()
        rows = self._rows(description)
        some = rows[np.linspace(0, len(rows) - 1, min(len(rows), _FEW)).astype(np.int64)]
        seen = Counter(theme for row in some.tolist() for theme in self._themes_at(description, row))
        return frozenset(theme for theme, n in seen.items() if 2 * n > len(some))

    def _themes_at(self, description: int, row: int) -> list[str]:
        """Return the themes whose features are active at the words of a description in a row."""
        document = int(self._take[row])
        feature, value, peak = self._entries.of(document)
        text, spans = self._words(document), self.of(description, row)
        inside = np.zeros(len(feature), bool)
        for start, end in spans:
            low, high = text.tokens((start, end))
            inside |= (peak >= low) & (peak < high)
        sums: dict[str, float] = defaultdict(float)
        for f, v in zip(feature[inside].tolist(), value[inside].tolist(), strict=True):
            for theme, scale in self._of_feature.get(f, ()):
                sums[theme] += min(v / scale, 1.0)
        return [theme for theme, added in sums.items() if added >= _AT_WORD]

    def _rows(self, description: int) -> NDArray[np.int32]:
        return self._made.items.rows(int(np.flatnonzero(self._made.items.name == description)[0]))

    def closest(self, row: int, a: Sequence[Span], b: Sequence[Span]) -> tuple[int, int, bool]:
        """Return how two descriptions lie where they are closest in a row.

        Parameters
        ----------
        row : int
            The row.
        a, b : sequence of (int, int)
            Where it has each, as :meth:`of` returns them.

        Returns
        -------
        gap : int
            Words between the two, 0 where they overlap.
        distance : int
            Words from the beginning of ``a`` to that of ``b``.
        apart : bool
            Whether a sentence or a line ends between them.
        """
        gap, ([first], [second]) = nearest(a, b)
        sentence = self._words(int(self._take[row])).sentence
        one, two = sorted((first, second))
        return gap, second[0] - first[0], sentence(one[1] - 1) < sentence(two[0])

    def _shares(self, description: int, document: int) -> tuple[Floats, Ints]:
        """Return what each feature of a theme or property adds in a document, and where it peaks."""
        feature, value, peak = self._entries.of(document)
        weight = self._features[description]
        share = np.array([weight.get(f, (0.0, 1.0)) for f in feature.tolist()]).reshape(-1, 2)
        adds = share[:, 0] * np.minimum(value / share[:, 1], 1.0)
        used = np.flatnonzero((adds > 0) & (peak >= 0))
        return adds[used], peak[used].astype(np.int64)

    def line(self, a: int, b: int, row: int) -> Marked | None:
        """Return words of a row with both marked where they are closest; None where no place is known."""
        found = self._words(int(self._take[row]))
        places = [self.of(description, row) for description in (a, b)]
        if all(places):
            _, places = nearest(*places)
        marked = [found.characters(spans[0]) if spans else None for spans in places]
        return line_of(found.text, *marked) if any(marked) else None


def _grown(found: Sequence[tuple[_Words, Span]], step: int, most: int) -> int:
    """Return how many words before (-1) or after (1) spans are the same in nearly all of these texts."""
    n = 0
    while n < most:
        nearby = Counter(text.beside(span, step, n + 1) for text, span in found)
        del nearby[None]
        if not nearby or max(nearby.values()) < _SAME * len(found):
            break
        n += 1
    return n


def nearest(a: Sequence[Span], b: Sequence[Span]) -> tuple[int, list[list[Span]]]:
    """Return how many words are between the two spans that are closest, 0 where they overlap; and the two."""
    return min(
        ((max(y[0] - x[1], x[0] - y[1], 0), [[x], [y]]) for x in a for y in b), key=lambda found: found[0]
    )


def _largest(share: Floats, peak: Ints) -> Ints:
    """Return the peaks of the features that add most, as many as make :data:`_SUMS_UP` of the sum."""
    order = np.argsort(-share, kind="stable")
    return peak[order[: 1 + int((np.cumsum(share[order]) < _SUMS_UP * share.sum()).sum())]]


def _passages(share: Floats, peak: Ints) -> Ints:
    """Return the peaks around which the features of a theme add up to a passage about it."""
    return peak[passage_sums(np.zeros(len(peak), np.int64), peak, share) >= STRONG - 1e-6]


def _weights(
    corpus: CorpusLike, sae: str, made: Descriptions
) -> dict[int, Mapping[int, tuple[float, float]]]:
    """Return what each feature of a property or theme adds at full strength, and what that is."""
    parts = parts_of([corpus], sae)
    pairs = enumerate(zip(made.kind, made.term, strict=True))
    found: dict[int, Mapping[int, tuple[float, float]]] = {}
    for at, pair in pairs:
        if (of := parts.get(pair)) is not None:
            adds = zip(of.weights.tolist(), of.scales.tolist(), strict=True)
            found[at] = dict(zip(of.features.tolist(), adds, strict=True))
    return found


def _topics_of(topics: Sequence[Theme], full: Floats) -> dict[int, list[tuple[str, float]]]:
    """Return the topics of each feature, with the activation that is its full strength."""
    found: dict[int, list[tuple[str, float]]] = {}
    for theme in topics:
        for feature in theme.features:
            found.setdefault(feature, []).append((theme.name, float(full[feature])))
    return found


class _Entries:
    """The features of some documents, with their activation and their peak; of the others nothing is kept."""

    def __init__(self, corpus: CorpusLike, sae: str, documents: Ints) -> None:
        self._documents = np.unique(documents)
        blocks, start = [], 0
        for block in corpus.rows(sae):
            low, high = np.searchsorted(self._documents, (start, start + len(block)))
            blocks.append(block.take(self._documents[low:high] - start))
            start += len(block)
        lengths = [np.zeros(1, np.int64), *(np.diff(block.indptr) for block in blocks)]
        self._indptr = np.cumsum(np.concatenate(lengths))
        self._columns = [
            np.concatenate([np.empty(0, dtype), *(getattr(block, key) for block in blocks)])
            for key, dtype in (("feature", np.int32), ("value", np.float32), ("peak", np.int32))
        ]

    def of(self, document: int) -> list[Any]:
        at = int(np.searchsorted(self._documents, document))
        low, high = self._indptr[at], self._indptr[at + 1]
        return [column[low:high] for column in self._columns]


class _Words:
    """The words of one text, and where each begins."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.text, self.id = document["text"], str(document["id"])
        found = list(matches(self.text))
        self._start = [match.start() for match in found]
        self._end = [match.end() for match in found]
        self._token_start = document["token_start"]
        self._where: dict[str, list[int]] = {}
        self._sentences: list[tuple[Span, Parts]] | None = None
        self._ends: list[int] | None = None
        self._plain = [plain(match.group()) for match in found]
        for at, word in enumerate(self._plain):
            self._where.setdefault(word, []).append(at)

    def phrase(self, phrase: Sequence[str]) -> list[Span]:
        n = len(phrase)
        return [
            (at, at + n)
            for at in self._where.get(phrase[0], ())
            if n == 1 or self._plain[at : at + n] == list(phrase)
        ]

    def tokens(self, span: Span) -> Span:
        """Return which tokens begin in a span of words, from the first to before the last."""
        low, high = self.characters(span)
        return bisect_left(self._token_start, low), bisect_left(self._token_start, high)

    def beside(self, span: Span, step: int, n: int) -> str | None:
        """Return the n-th word before (-1) or after (1) a span; None if the sentence ends before it."""
        edge = span[0] if step < 0 else span[1] - 1
        at = edge + step * n
        if not 0 <= at < len(self._plain) or self.sentence(at) != self.sentence(edge):
            return None
        return self._plain[at]

    def around(self, span: Span, before: int, after: int) -> bool:
        """Return whether a sentence has so many words before and after a span."""
        return all(n == 0 or self.beside(span, step, n) is not None for step, n in ((-1, before), (1, after)))

    def characters(self, span: Span) -> Span:
        """Return a span of words as one of characters."""
        return self._start[span[0]], self._end[min(span[1], len(self._end)) - 1]

    def sentence(self, word: int) -> int:
        """Return how many sentences and lines end before a word."""
        if self._ends is None:
            self._ends = [gap.start() for gap in _SENTENCE.finditer(self.text)]
        return bisect_right(self._ends, self._start[word]) if self._start else 0

    def mark(self, name: str) -> list[Span]:
        if name.startswith(OPENING):
            return [(0, len(words(name[len(OPENING) :])))] if self._start else []
        count = MARKS[name]
        if self._sentences is None:
            self._sentences = list(self._cut())
        found = [span for span, parts in self._sentences if count(parts) > 0]
        covered = sum(end - start for start, end in found)
        return found if 2 * covered <= len(self._plain) else []

    def _cut(self) -> Iterator[tuple[Span, Parts]]:
        start = 0
        for end in [*(gap.start() for gap in _SENTENCE.finditer(self.text)), len(self.text)]:
            span = bisect_left(self._start, start), bisect_left(self._start, end)
            if span[0] < span[1]:  # or it has no word
                yield span, take_apart(self.text[start:end])
            start = end

    def at(self, tokens: Sequence[int]) -> list[Span]:
        if not self._start:
            return []
        found = (bisect_right(self._start, int(self._token_start[t])) - 1 for t in tokens if t >= 0)
        return [(max(at, 0), max(at, 0) + 1) for at in sorted(set(found))]
