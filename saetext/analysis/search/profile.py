"""What some documents have in common and the corpus has not: features, and a direction of embeddings.

Rocchio's means: no model is fitted, so that it takes milliseconds. Not for: learning from examples with
cross-validation (:mod:`saetext.analysis.search.probe`), or choosing the documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.analysis.search.scoring import CAP, Scorer
from saetext.analysis.search.vectors import VectorIndex
from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels

MOST = 200  # features of a profile
TYPICAL = 0.5  # what a feature counts on average in a document that has it, of 1 at full strength

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


def feature_profile(
    corpus: Corpus, sae: str, scorer: Scorer, labels: FeatureLabels, rows: Rows, weight: Floats, text: str
) -> FeatureQuery | None:
    """Return the features that documents have more, and less, than the corpus has; None where there are none.

    Parameters
    ----------
    corpus, sae, scorer, labels
        The whole corpus, with its scorer and labels.
    rows : int64[k]
        Documents.
    weight : float64[k]
        What each counts; below zero for documents that are no example. Those above zero are averaged, and
        those below zero are.
    text : str
        What the query's clause is called.
    """
    sums = np.zeros(scorer.d_sae)
    order = np.argsort(rows)
    found = corpus.select(rows[order]).csr("max", sae)
    share = scorer.frequency / max(scorer.n_documents, 1)
    for sign in (1.0, -1.0):
        side = np.where(np.sign(weight[order]) == sign, np.abs(weight[order]), 0.0)
        if side.sum() <= 0:
            continue
        features = np.unique(found.indices)
        scale = np.ones(scorer.d_sae)
        scale[features] = [scorer.scale(int(feature)) for feature in features]
        strength = np.minimum(found.data / scale[found.indices], CAP)
        spread = np.repeat(side / side.sum(), np.diff(found.indptr))
        mean = np.bincount(found.indices, spread * strength, minlength=scorer.d_sae)
        sums += sign * (mean - TYPICAL * share)
    sums *= np.log((scorer.n_documents + 1) / (scorer.frequency + 1))
    sums[scorer.frequency == 0] = 0.0
    kept = np.lexsort((np.arange(len(sums)), -np.abs(sums)))[:MOST]
    kept = kept[sums[kept] != 0]
    if not len(kept) or not (sums[kept] > 0).any():
        return None
    most = float(np.abs(sums[kept]).max())
    terms = tuple(
        Term(int(f), float(sums[f]) / most, scorer.scale(int(f)), labels.label(int(f)), share=float(share[f]))
        for f in kept
    )
    return FeatureQuery((Clause(terms, text),))


def direction(
    index: VectorIndex, rows: Rows, weight: Floats, middle: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return float32[width], of length 1: the mean of documents, less that of those of weight below zero.

    ``middle`` is the mean of the corpus: what all documents have in common says nothing.
    """
    vectors = index.vectors(rows)
    found = np.zeros(index.width)
    for sign in (1.0, -1.0):
        side = np.where(np.sign(weight) == sign, np.abs(weight), 0.0)
        if side.sum() > 0:
            found += sign * (side / side.sum() @ (vectors - middle))
    length = float(np.linalg.norm(found))
    return (found / max(length, 1e-30)).astype(np.float32)
