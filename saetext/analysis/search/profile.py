"""What some documents have in common and the corpus has not: features, and a direction of embeddings.

Rocchio's means: no model is fitted, so that it takes milliseconds. Not for: learning from examples with
cross-validation (:mod:`saetext.analysis.search.probe`), or choosing the documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Sample:
    """Documents to describe.

    Attributes
    ----------
    rows : int64[k]
        Of the whole corpus.
    weight : float64[k]
        What each counts; below zero for documents that the others should not be like.
    unlike : float
        What those below zero count together, against 1 for those above it.
    """

    rows: Rows
    weight: Floats
    unlike: float = 1.0

    def sides(self) -> Iterator[tuple[float, Floats]]:
        """Yield for each side there is what it counts, and the share of each document in its mean."""
        for sign, counts in ((1.0, 1.0), (-1.0, -self.unlike)):
            side = np.where(np.sign(self.weight) == sign, np.abs(self.weight), 0.0)
            if side.sum() > 0:
                yield counts, side / side.sum()


def feature_profile(
    corpus: Corpus, sae: str, scorer: Scorer, labels: FeatureLabels, sample: Sample, text: str
) -> FeatureQuery | None:
    """Return the features that documents have more, and less, than the corpus has; None where there are none.

    Parameters
    ----------
    corpus, sae, scorer, labels
        The whole corpus, with its scorer and labels.
    sample : Sample
        The documents.
    text : str
        What the query's clause is called.
    """
    sums = np.zeros(scorer.d_sae)
    order = np.argsort(sample.rows)
    found = corpus.select(sample.rows[order]).csr("max", sae)
    share = scorer.frequency / max(scorer.n_documents, 1)
    features = np.unique(found.indices)
    scale = np.ones(scorer.d_sae)
    scale[features] = [scorer.scale(int(feature)) for feature in features]
    strength = np.minimum(found.data / scale[found.indices], CAP)
    for counts, side in sample.sides():
        spread = np.repeat(side[order], np.diff(found.indptr))
        mean = np.bincount(found.indices, spread * strength, minlength=scorer.d_sae)
        sums += counts * (mean - TYPICAL * share)
    sums *= np.log((scorer.n_documents + 1) / (scorer.frequency + 1))
    sums[scorer.frequency == 0] = 0.0
    kept = np.lexsort((np.arange(len(sums)), -np.abs(sums)))[:MOST]
    kept = kept[sums[kept] != 0]
    if not len(kept):
        return None
    most = float(np.abs(sums[kept]).max())
    terms = tuple(
        Term(int(f), float(sums[f]) / most, scorer.scale(int(f)), labels.label(int(f)), share=float(share[f]))
        for f in kept
    )
    return FeatureQuery((Clause(terms, text),))


def direction(index: VectorIndex, sample: Sample, middle: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[width], of length 1: the mean of documents, less that of those they should not be like.

    ``middle`` is the mean of the corpus: what all documents have in common says nothing.
    """
    vectors = index.vectors(sample.rows) - middle
    found = np.zeros(index.width)
    for counts, side in sample.sides():
        found += counts * (side @ vectors)
    length = float(np.linalg.norm(found))
    return (found / max(length, 1e-30)).astype(np.float32)
