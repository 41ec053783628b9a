"""Words, marks of format, properties and themes of the documents compared, counted once for all sets.

Not for: testing them (:mod:`saetext.analysis.differences.families`), or making them
(:mod:`saetext.text.phrases`, :mod:`saetext.text.marks`, :mod:`saetext.features.detectors`,
:mod:`saetext.features.themes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.entries import blocks
from saetext.corpus.protocol import CorpusLike
from saetext.features.theme_counts import theme_presence
from saetext.features.themes import Themes
from saetext.io.progress import Count, Stages, nobody

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

    from saetext.text.terms import TermMatrix

FEATURES = "features"  # the family of the reader's features


@dataclass(frozen=True, eq=False)
class Counted:
    """What descriptions the rows have, by family.

    Attributes
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    sae : str
        On which SAE.
    rows : int64[n]
        The rows that were counted, increasing.
    terms : mapping
        By family, its terms, and rows x terms.
    scales : mapping
        By family, how a linear model scales its columns.
    texts : list of str or None
        Of the rows; None where they are not stored.
    notes : list of str
        What could not be counted.
    weak : mapping
        Themes that say of what form words are or how a text looks, such as function words or commas, to their
        kind: ``form`` or ``format``.
    """

    sets: Sequence[CorpusLike]
    sae: str
    rows: NDArray[np.int64]
    terms: dict[str, TermMatrix] = field(default_factory=dict)
    scales: dict[str, str] = field(default_factory=dict)
    texts: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    weak: Mapping[str, str] = field(default_factory=dict)
    _columns: dict[str, csc_matrix] = field(default_factory=dict)

    def columns(self, family: str) -> csc_matrix:
        """Return rows x descriptions of a family by column, made once; of the features, rows x d_sae."""
        if family not in self._columns:
            whole = features_of(self.sets, self.sae, self.rows) if family == FEATURES else None
            self._columns[family] = (self.terms[family].matrix if whole is None else whole).tocsc()
        return self._columns[family]


def count_terms(
    sets: Sequence[CorpusLike], sae: str, rows: NDArray[np.int64], say: Stages | None = None
) -> Counted:
    """Count what there is to be counted of some rows.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    sae : str
        On which SAE.
    rows : int64[n]
        Which rows, increasing.
    say : Stages, optional
        Called with what is being counted.
    """
    tell = say or Stages(None)
    tell("reading texts")
    texts, notes = _texts(sets, rows), []
    if texts is None:
        notes.append("the texts are not stored, so words and format were not compared")
    themes = Themes.for_spec(sets[0].spec, sae)
    weak = {theme.name: theme.kind for theme in themes or () if theme.kind in ("form", "format")}
    counted = Counted(sets, sae, rows, texts=texts, notes=notes, weak=weak)
    for name, make, scale in _makers(sets, sae, rows, texts, notes, themes):
        tell(f"counting {name}")
        counted.terms[name], counted.scales[name] = make(tell.counting(f"counting {name}")), scale
    return counted


def features_of(
    sets: Sequence[CorpusLike], sae: str, rows: NDArray[np.int64], count: Count = nobody
) -> csr_matrix:
    """Return float32[rows, d_sae]: the features of some rows, increasing."""
    from scipy import sparse

    parts = []
    for start, block in blocks(sets, sae, count):
        low, high = np.searchsorted(rows, (start, start + len(block)))
        mine = block.take(rows[low:high] - start)
        shape = (len(mine), sets[0].spec.sae(sae).d_sae)
        parts.append(sparse.csr_matrix((mine.value, mine.feature, mine.indptr), shape=shape))
    return sparse.vstack(parts, format="csr")


def _makers(
    sets: Sequence[CorpusLike],
    sae: str,
    rows: NDArray[np.int64],
    texts: list[str] | None,
    notes: list[str],
    themes: Themes | None,
) -> list[tuple[str, Callable[[Count], TermMatrix], str]]:
    """Return the name of each family that can be had, what makes it, and how a linear model scales it.

    What cannot be had is added to the notes.
    """
    from saetext.features.detectors import LONGEST, of_such_length, presence, shipped
    from saetext.text.marks import mark_matrix
    from saetext.text.phrases import phrase_matrix
    from saetext.text.terms import TermMatrix

    found: list[tuple[str, Callable[[Count], TermMatrix], str]] = []
    least = max(5, -(-len(rows) // 2000))
    if texts is not None:
        found.append(("words", lambda count: phrase_matrix(texts, min_documents=least, count=count), "tfidf"))
        found.append(("format", lambda count: mark_matrix(texts, count=count), "standard"))
    known = shipped(sets[0].spec, sae, topics=True)
    detectors = of_such_length(sets, known, sae)
    if missing := [detector.title for detector in known if detector not in detectors]:
        notes.append(
            f"not compared: {', '.join(missing)}. Many documents have more than {LONGEST} features (about "
            "370 words), and these detectors see what is not there in texts of such length"
        )
    if detectors:
        titles = tuple(detector.title for detector in detectors)

        def properties(count: Count) -> TermMatrix:
            from scipy import sparse

            parts = [presence(corpus, detectors, sae, count) for corpus in sets]
            return TermMatrix(titles, sparse.csr_matrix(sparse.vstack(parts, format="csr")[rows]))

        found.append(("properties", properties, "max"))
    if themes is not None:
        names = tuple(theme.name for theme in themes)

        def of_themes(count: Count) -> TermMatrix:
            return TermMatrix(names, theme_presence(sets, sae, themes, rows=rows, count=count))

        found.append(("themes", of_themes, "max"))
    return found


def _texts(sets: Sequence[CorpusLike], rows: NDArray[np.int64]) -> list[str] | None:
    texts: list[str] = []
    start = 0
    for corpus in sets:
        column = corpus.documents.select("text").collect()["text"]
        low, high = np.searchsorted(rows, (start, start + corpus.n_documents))
        texts += column.gather(rows[low:high] - start).to_list()
        start += corpus.n_documents
    return None if any(text is None for text in texts) else texts
