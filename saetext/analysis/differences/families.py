"""What words, format, properties and themes find beside the features, by the same tests on the same rows.

Not for: making them (:mod:`saetext.text.phrases`, :mod:`saetext.text.marks`,
:mod:`saetext.features.detectors`, :mod:`saetext.features.themes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import from_matrix
from saetext.analysis.differences.result import Family
from saetext.analysis.differences.table import as_columns
from saetext.analysis.differences.testing import ALPHA, measure, numbers, order, without_verdict
from saetext.corpus.protocol import CorpusLike
from saetext.features.theme_counts import theme_presence
from saetext.features.themes import Themes
from saetext.io.progress import OnProgress, Stages

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.text.terms import TermMatrix

ROWS = 20_000  # documents whose words are counted; of more, a sample of units
MODEL_ROWS = 4_000  # documents of each half that linear models see


@dataclass(frozen=True, eq=False)
class Families:
    """What descriptions besides the features find.

    Attributes
    ----------
    tested : tuple of Family
        Features, words and format (where texts are stored), properties and themes (where they come with the
        reader).
    design : Design
        The design with the rows on which words and format were compared.
    terms : mapping
        By family, what was tested: its terms, and the rows with a side x terms.
    texts : list of str or None
        Of the rows with a side, in their order; None where they are not stored.
    notes : list of str
    weak : frozenset of str
        Themes that say of what form words are and little more, such as function words.
    """

    tested: tuple[Family, ...]
    design: Design
    terms: Mapping[str, TermMatrix] = field(default_factory=dict)
    texts: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    weak: frozenset[str] = frozenset()

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64[n]: the rows that were compared."""
        return np.flatnonzero(self.design.side >= 0)


def compare_families(
    done: Contrast,
    *,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Families:
    """Test phrases and marks of format as the features were tested, and let each family separate the sets."""
    from saetext.stats.separation import separation

    say = Stages(on_progress)
    design, notes = _sampled(done.design, seed)
    rows = np.flatnonzero(design.side >= 0)
    if len(rows) < int((done.design.side >= 0).sum()):
        notes.append(f"words and linear models are of a sample of {len(rows):,} documents")
    few = _few(design, rows, seed)
    say("linear model of the features")
    columns = done.columns
    auc = _auc(separation, features_of(done, few), design, few, "max", seed)
    found = columns["q"] < ALPHA
    families = [Family("features", len(found), int(found.sum()), int(columns["confirmed"].sum()), auc)]
    texts = _texts(done.sets, rows)
    if texts is None:
        notes.append("the texts are not stored, so words and format were not compared")
    terms: dict[str, TermMatrix] = {}
    for name, make, scale in _makers(done, rows, texts, notes):
        say(f"comparing {name}")
        terms[name] = make()
        families.append(_family(name, terms[name], done, design, rows, few, scale, separation, seed))
    themes = Themes.for_spec(done.sets[0].spec, done.sae) or ()
    weak = frozenset(theme.name for theme in themes if theme.kind == "form")
    return Families(tuple(families), design, terms, texts, notes, weak)


def _makers(
    done: Contrast, rows: NDArray[np.int64], texts: list[str] | None, notes: list[str]
) -> list[tuple[str, Callable[[], TermMatrix], str]]:
    """Return the name of each family that can be had, what makes it, and how a linear model scales it.

    What cannot be had is added to the notes.
    """
    from saetext.features.detectors import LONG_SHARE, LONGEST, long_share, presence, shipped
    from saetext.text.marks import mark_matrix
    from saetext.text.phrases import phrase_matrix
    from saetext.text.terms import TermMatrix

    found: list[tuple[str, Callable[[], TermMatrix], str]] = []
    least = max(5, -(-len(rows) // 2000))
    if texts is not None:
        found.append(("words", lambda: phrase_matrix(texts, min_documents=least), "tfidf"))
        found.append(("format", lambda: mark_matrix(texts), "standard"))
    spec = done.sets[0].spec
    detectors = shipped(spec, done.sae)
    if detectors and (share := long_share(done.sets, done.sae)) > LONG_SHARE:
        notes.append(
            f"properties were not compared: {100 * share:.0f} % of the documents have more than {LONGEST} "
            "features, and detectors see what is not there in texts of more than about 370 words"
        )
    elif detectors:
        titles = tuple(detector.title for detector in detectors)

        def properties() -> TermMatrix:
            from scipy import sparse

            parts = [presence(corpus, detectors, done.sae) for corpus in done.sets]
            return TermMatrix(titles, sparse.csr_matrix(sparse.vstack(parts, format="csr")[rows]))

        found.append(("properties", properties, "max"))
    if (themes := Themes.for_spec(spec, done.sae)) is not None:
        names = tuple(theme.name for theme in themes)

        def counted() -> TermMatrix:
            return TermMatrix(names, theme_presence(done.sets, done.sae, themes, rows=rows))

        found.append(("themes", counted, "max"))
    return found


def _family(
    name: str,
    terms: TermMatrix,
    done: Contrast,
    design: Design,
    rows: NDArray[np.int64],
    few: NDArray[np.int64],
    scale: str,
    separation: Any,
    seed: int,
) -> Family:
    import polars as pl

    whole = _spread(terms.matrix, rows, len(design.side))
    entries = from_matrix(whole, design.side >= 0)
    # bins of the documents that are compared here; length means what it means for the features
    length = type(done.length).by(done.length.code, design, done.length.n_tokens)
    control = None if done.control is None else type(done.control).by(done.control.code, design)
    sums = measure([entries], design, length, control or length)
    found = numbers(sums, design, length, control)
    without_verdict(found)
    at = order(found, entries.features, np.abs(found["diff"]))
    table = pl.DataFrame(
        {
            "term": pl.Series([terms.names[i] for i in at], dtype=pl.String),
            **as_columns({key: column[at] for key, column in found.items() if key != "early_diff"}),
        }
    )
    auc = _auc(separation, terms.matrix[np.searchsorted(rows, few)], design, few, scale, seed)
    significant = int((found["q"] < ALPHA).sum())
    return Family(name, len(at), significant, int(found["confirmed"].sum()), auc, table)


def _sampled(design: Design, seed: int) -> tuple[Design, list[str]]:
    """Return the design with at most :data:`ROWS` rows, whole units of them."""
    live = design.side >= 0
    if int(live.sum()) <= ROWS:
        return design, []
    return design.without(~design.within(ROWS, seed)), []


def _few(design: Design, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    if len(rows) <= 2 * MODEL_ROWS:
        return rows
    return np.flatnonzero(design.within(2 * MODEL_ROWS, seed))


def _auc(
    separation: Any, matrix: csr_matrix, design: Design, rows: NDArray[np.int64], scale: str, seed: int
) -> float | None:
    if not design.split:
        return None
    found: float | None = separation(
        matrix, design.side[rows], design.half[rows] == 0, scale=scale, seed=seed
    )
    return found


def features_of(done: Contrast, rows: NDArray[np.int64]) -> csr_matrix:
    """Return float32[rows, d_sae]: the features of some rows, increasing."""
    from scipy import sparse

    parts = []
    start = 0
    for corpus in done.sets:
        for block in corpus.rows(done.sae):
            low, high = np.searchsorted(rows, (start, start + len(block)))
            mine = block.take(rows[low:high] - start)
            start += len(block)
            shape = (len(mine), len(done.support))
            parts.append(sparse.csr_matrix((mine.value, mine.feature, mine.indptr), shape=shape))
    return sparse.vstack(parts, format="csr")


def _texts(sets: Sequence[CorpusLike], rows: NDArray[np.int64]) -> list[str] | None:
    texts: list[str] = []
    start = 0
    for corpus in sets:
        column = corpus.documents.select("text").collect()["text"]
        low, high = np.searchsorted(rows, (start, start + corpus.n_documents))
        texts += column.gather(rows[low:high] - start).to_list()
        start += corpus.n_documents
    return None if any(text is None for text in texts) else texts


def _spread(matrix: csr_matrix, rows: NDArray[np.int64], n: int) -> csr_matrix:
    """Return the matrix with its rows where they are among all rows."""
    from scipy import sparse

    lengths = np.zeros(n + 1, np.int64)
    lengths[rows + 1] = np.diff(matrix.indptr)
    return sparse.csr_matrix((matrix.data, matrix.indices, np.cumsum(lengths)), shape=(n, matrix.shape[1]))
