"""Descriptions of documents as items: words and phrases, marks of format, properties, themes.

Not for: testing their pairs (:mod:`saetext.analysis.cooccurrence.descriptions.testing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.items import Items
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.progress import Count, Say, nobody
from saetext.text.passages import printable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.text.terms import TermMatrix

OPENING = 'the opening "'  # what the names of first words begin with
LEAST_WORDS = 8  # rows that must have a word: rarer ones are many, and pairs of theirs seldom certain
_MANY = {"word": "words", "format": "format", "property": "properties", "theme": "themes"}
MOST_WORDS = 4_000  # words and phrases that are paired, those of most documents first


@dataclass(frozen=True, eq=False)
class Descriptions:
    """What can be said of documents, and which rows have it.

    Attributes
    ----------
    items : Items
        Presence; the name of an item is its place in ``kind`` and ``term``.
    kind : tuple of str
        ``word``, ``format``, ``property`` or ``theme``.
    term : tuple of str
        The phrase, the mark's name, the property's title, the theme's name.
    strength : csr_matrix
        float32[rows, descriptions]: of a theme the strength of its strongest passage, of a property its
        probability.
    least : mapping
        Property to the probability from which it counts as present.
    """

    items: Items
    kind: tuple[str, ...]
    term: tuple[str, ...]
    strength: csr_matrix
    least: Mapping[str, float]

    def __len__(self) -> int:
        """Return the number of descriptions with support."""
        return len(self.items)

    def stays(self, description: int, row: int, part: float) -> bool:
        """Return whether a property is present in a row without a part of what adds up to its score."""
        value = float(self.strength[row, description])
        least = self.least[self.term[description]]
        return _logit(value) - part >= _logit(least)

    def called(self, description: int) -> str:
        """Return what a description is called: words stand in quotation marks."""
        term = printable(self.term[description])
        return f"“{term}”" if self.kind[description] == "word" else term


def descriptions(
    corpus: CorpusLike,
    sae: str,
    take: Ints,
    texts: Sequence[str] | None,
    least: int,
    say: Say | None = None,
) -> Descriptions:
    """Describe rows.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        For properties and themes, which are of one SAE's features.
    take : int64[n]
        The document of each row.
    texts : sequence of str, optional
        Of each row; without them there are no words and marks.
    least : int
        Rows that must have a description; one that all rows have is left out.
    say : callable, optional
        Called with what is being counted, and how much of it is done.
    """
    from scipy import sparse

    from saetext.features.detectors import shipped

    kinds: list[str] = []
    terms: list[str] = []
    parts: list[csr_matrix] = []
    for kind, make in _makers(corpus, sae, take, texts, least):
        made = make(nobody if say is None else partial(say, f"counting {_MANY[kind]}"))
        kinds += [kind] * len(made.names)
        terms += made.names
        parts.append(made.matrix)
    whole = (
        sparse.csr_matrix(sparse.hstack(parts, format="csr")) if parts else sparse.csr_matrix((len(take), 0))
    )
    thresholds = {one.title: one.threshold for one in shipped(corpus.spec, sae, topics=True)}
    return Descriptions(_items(whole, least), tuple(kinds), tuple(terms), whole, thresholds)


def _logit(p: float) -> float:
    return math.log(max(p, 1e-9) / max(1 - p, 1e-9))


def _makers(
    corpus: CorpusLike, sae: str, take: Ints, texts: Sequence[str] | None, least: int
) -> list[tuple[str, Callable[[Count], TermMatrix]]]:
    from saetext.features.detectors import SUBJECTS, of_such_length, presence, shipped
    from saetext.features.theme_passages import theme_passages
    from saetext.features.themes import Themes
    from saetext.text.terms import TermMatrix

    found: list[tuple[str, Callable[[Count], TermMatrix]]] = []
    if texts is not None:
        found.append(("word", lambda count: _words(texts, least, count)))
        found.append(("format", lambda count: _marks(texts, count)))
    detectors = of_such_length([corpus], shipped(corpus.spec, sae, topics=True), sae)
    if detectors:
        titles = tuple(one.title for one in detectors)
        found.append(
            ("property", lambda count: TermMatrix(titles, presence(corpus, detectors, sae, count)[take]))
        )
    if (themes := Themes.for_spec(corpus.spec, sae)) is not None:
        # that a theme of word forms is present says next to nothing; what a detector tells, it tells better
        better = {SUBJECTS.get(one.title) for one in detectors}
        told = [theme for theme in themes if theme.kind != "form" and theme.name not in better]
        names = tuple(theme.name for theme in told)
        found.append(
            ("theme", lambda count: TermMatrix(names, theme_passages(corpus, sae, told, count)[take]))
        )
    return found


def _words(texts: Sequence[str], least: int, count: Count) -> TermMatrix:
    """Count words and phrases, without those that say nothing by themselves."""
    from saetext.text.phrases import phrase_matrix, plain
    from saetext.text.terms import TermMatrix

    made = phrase_matrix(texts, min_documents=max(least, LEAST_WORDS), count=count)
    bare = {plain(name) for name in made.names}
    told = [at for at, name in enumerate(made.names) if _says(name, bare)]
    documents = np.bincount(made.matrix.indices, minlength=len(made.names))[told]
    kept = sorted(np.array(told, np.int64)[np.argsort(-documents, kind="stable")[:MOST_WORDS]].tolist())
    return TermMatrix(tuple(made.names[at] for at in kept), made.matrix[:, kept])


def _says(phrase: str, bare: set[str]) -> bool:
    """Whether a phrase says something, and more than a single word of it that is among the phrases."""
    from saetext.text.phrases import plain

    found = content(phrase)
    return len(found) > 1 or (len(found) == 1 and (plain(phrase) == found[0] or found[0] not in bare))


def content(term: str) -> list[str]:
    """Return the words of a term that say something by themselves, in lower case.

    Examples
    --------
    >>> from saetext.analysis.cooccurrence.descriptions.making import content
    >>> content("Let me know")
    ['let', 'know']
    """
    from saetext.text.function_words import only_function_words
    from saetext.text.phrases import plain
    from saetext.text.words import words

    return [word for word in map(plain, words(term)) if not only_function_words([word])]


def _marks(texts: Sequence[str], count: Count) -> TermMatrix:
    """Count marks of format; documents are compared among those of equal length, so length is none."""
    from saetext.text.marks import LONGER, mark_matrix
    from saetext.text.terms import TermMatrix

    made = mark_matrix(texts, count=count)
    kept = [at for at, name in enumerate(made.names) if name != LONGER and _opens(name)]
    return TermMatrix(tuple(made.names[at] for at in kept), made.matrix[:, kept])


def _opens(mark: str) -> bool:
    """Whether a mark is no opening, or one with a word that says something."""
    return not mark.startswith(OPENING) or bool(content(mark[len(OPENING) :]))


def _items(matrix: csr_matrix, least: int) -> Items:
    """Return the columns that enough rows have and not all, most frequent first."""
    from scipy import sparse

    whole = sparse.csc_array(matrix)
    whole.eliminate_zeros()
    whole.sort_indices()
    counts = np.diff(whole.indptr)
    names = np.flatnonzero((counts >= least) & (counts < matrix.shape[0])).astype(np.int64)
    names = names[np.argsort(-counts[names], kind="stable")]
    rows: list[NDArray[np.int32]] = [whole.indices[whole.indptr[i] : whole.indptr[i + 1]] for i in names]
    indptr = np.concatenate([[0], np.cumsum(counts[names])]).astype(np.int64)
    return Items(names, indptr, np.concatenate(rows).astype(np.int32) if rows else np.empty(0, np.int32))
