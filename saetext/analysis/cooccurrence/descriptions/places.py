"""Where in a text a description stands, in words from its beginning.

Not for: what follows for a pair (:mod:`saetext.analysis.cooccurrence.descriptions.passages`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.descriptions.making import OPENING, Descriptions
from saetext.analysis.cooccurrence.result import Marked
from saetext.analysis.cooccurrence.showing import line_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.places import parts_of
from saetext.text.apart import Parts, take_apart
from saetext.text.marks import MARKS
from saetext.text.phrases import plain
from saetext.text.words import matches, words

Floats = NDArray[np.float64]
Span = tuple[int, int]  # words of a text
_HELD = 512  # documents whose words are held at once
_SUMS_UP = 0.3  # share of a property's score that its strongest features make: only these count as its places
_SENTENCE = re.compile(r"(?<=[.!?])[\"”')\]]*\s+|\n+")
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
        self._entries = _Entries(corpus, sae, take)
        self._words: Any = lru_cache(_HELD)(lambda row: _Words(corpus.document(row)))

    def of(self, description: int, row: int) -> list[Span]:
        """Return where a row has a description, as spans of words in order; empty where it is not known.

        Of a mark of format it is the sentences that have it by themselves, where these are not most of the
        text; of properties and themes, where their features peak.
        """
        kind, document = self._made.kind[description], int(self._take[row])
        if kind == "word":
            return self._words(document).phrase(tuple(map(plain, words(self._made.term[description]))))
        if kind not in SPREAD:
            return self._words(document).mark(self._made.term[description])
        share, peak = self._shares(description, document)
        if kind == "property":
            share, peak = _largest(share, peak)
        return self._words(document).at(peak.tolist())

    def without(self, description: int, row: int, other: Sequence[Span]) -> bool:
        """Return whether a theme or property is present in a row by what is not around other places.

        Features that peak within :data:`AROUND` words of those are left out. Anything else stays present.
        """
        if self._made.kind[description] not in SPREAD:
            return True
        document = int(self._take[row])
        share, peak = self._shares(description, document)
        words_of = self._words(document)
        near = [nearest(words_of.at([token]), other)[0] <= AROUND for token in peak.tolist()]
        return self._made.stays(description, row, float(share[near].sum()), float(share.sum()))

    def _shares(self, description: int, document: int) -> tuple[Floats, Ints]:
        """Return what each feature of a theme or property adds in a document, and where it peaks."""
        feature, value, peak = self._entries.of(document)
        weight = self._features[description]
        share = np.array([weight.get(f, (0.0, 1.0)) for f in feature.tolist()]).reshape(-1, 2)
        spread = self._made.kind[description] == "theme"
        adds = share[:, 0] * (1.0 if spread else np.minimum(value / share[:, 1], 1.0))
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


def nearest(a: Sequence[Span], b: Sequence[Span]) -> tuple[int, list[list[Span]]]:
    """Return how many words are between the two spans that are closest, 0 where they overlap; and the two."""
    return min(
        ((max(y[0] - x[1], x[0] - y[1], 0), [[x], [y]]) for x in a for y in b), key=lambda found: found[0]
    )


def _largest(share: Floats, peak: Ints) -> tuple[Floats, Ints]:
    """Return the features that add most, as many as make :data:`_SUMS_UP` of the sum."""
    order = np.argsort(-share, kind="stable")
    some = order[: 1 + int((np.cumsum(share[order]) < _SUMS_UP * share.sum()).sum())]
    return share[some], peak[some]


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
        self.text = document["text"]
        found = list(matches(self.text))
        self._start = [match.start() for match in found]
        self._end = [match.end() for match in found]
        self._token_start = document["token_start"]
        self._where: dict[str, list[int]] = {}
        self._sentences: list[tuple[Span, Parts]] | None = None
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

    def characters(self, span: Span) -> Span:
        """Return a span of words as one of characters."""
        return self._start[span[0]], self._end[min(span[1], len(self._end)) - 1]

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
