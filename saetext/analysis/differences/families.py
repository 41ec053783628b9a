"""What properties, plain words and counts of format find beside the features, by the same tests and rows.

Not for: making words and counts (:mod:`saetext.text.plain`) or detectors of properties
(:mod:`saetext.features.detectors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import from_matrix
from saetext.analysis.differences.result import Family
from saetext.analysis.differences.table import as_columns
from saetext.analysis.differences.testing import ALPHA, measure, numbers, order
from saetext.corpus.protocol import CorpusLike
from saetext.io.progress import OnProgress, Stages

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.text.plain import TermMatrix

ROWS = 20_000  # documents whose words are counted; of more, a sample of units
MODEL_ROWS = 4_000  # documents of each half that linear models see


def compare_families(
    done: Contrast,
    *,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> tuple[tuple[Family, ...], list[str]]:
    """Test properties, words and format as the features were tested, and let each family separate the sets.

    Returns
    -------
    families : tuple of Family
        Features, properties (where detectors come with the reader), words, format; without the last two where
        texts are not stored.
    notes : list of str
    """
    from saetext.text.plain import format_matrix, separation, word_matrix

    say = Stages(on_progress)
    design, notes = _sampled(done.design, seed)
    rows = np.flatnonzero(design.side >= 0)
    if len(rows) < int((done.design.side >= 0).sum()):
        notes.append(f"words and linear models are of a sample of {len(rows):,} documents")
    few = _few(design, rows, seed)
    say("linear model of the features")
    columns = done.columns
    auc = _auc(separation, _features(done, few), design, few, "max", seed)
    found = columns["q"] < ALPHA
    families = [Family("features", len(found), int(found.sum()), int(columns["confirmed"].sum()), auc)]
    if (properties := _properties(done, rows)) is not None:
        say("comparing properties")
        families.append(_family("properties", properties, done, design, rows, few, "max", separation, seed))
    texts = _texts(done.sets, rows)
    if texts is None:
        notes.append("the texts are not stored, so words and format were not compared")
        return tuple(families), notes
    least = max(5, -(-len(rows) // 2000))
    for name, make, scale in (
        ("words", lambda: word_matrix(texts, min_documents=least), "tfidf"),
        ("format", lambda: format_matrix(texts), "standard"),
    ):
        say(f"comparing {name}")
        families.append(_family(name, make(), done, design, rows, few, scale, separation, seed))
    return tuple(families), notes


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
    length = type(done.length).by(done.length.code, design)
    control = None if done.control is None else type(done.control).by(done.control.code, design)
    sums = measure([entries], design, length, control or length)
    found = numbers(sums, design, length, control)
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


def _features(done: Contrast, rows: NDArray[np.int64]) -> csr_matrix:
    from scipy import sparse

    parts = []
    start = 0
    for corpus in done.sets:
        for block in corpus.rows(done.tap):
            low, high = np.searchsorted(rows, (start, start + len(block)))
            mine = block.take(rows[low:high] - start)
            start += len(block)
            shape = (len(mine), len(done.support))
            parts.append(sparse.csr_matrix((mine.value, mine.feature, mine.indptr), shape=shape))
    return sparse.vstack(parts, format="csr")


def _properties(done: Contrast, rows: NDArray[np.int64]) -> TermMatrix | None:
    """Return the properties present in these rows; None where no detector comes with the reader."""
    from scipy import sparse

    from saetext.features.detectors import presence, shipped
    from saetext.text.plain import TermMatrix

    detectors = shipped(done.sets[0].spec, done.tap)
    if not detectors:
        return None
    whole = sparse.vstack([presence(corpus, detectors, done.tap) for corpus in done.sets], format="csr")
    return TermMatrix(tuple(detector.title for detector in detectors), whole[rows])


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
