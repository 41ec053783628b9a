"""What a description means: its sentence embedding, and what of the reader's vocabulary is like it.

The vocabulary is its labels, its themes and its detectors. Not for: turning that into weighted features
(:mod:`saetext.analysis.search.asking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.framing import without_frame
from saetext.features.detectors import Detector, DetectorIndex
from saetext.features.label_index import LabelIndex
from saetext.features.theme_index import ThemeIndex
from saetext.features.themes import Theme
from saetext.reader.sentences import Embedder


@dataclass(frozen=True, eq=False)
class Asked:
    """A description and what is like it.

    Attributes
    ----------
    text : str
        The description.
    vector : float32[d]
        Of length 1: the mean of its embedding and of that without the words that say who writes.
    feature : int64[n]
        Features with a label, the most similar first.
    similarity : float64[n]
        Cosine of each label and ``vector``.
    themed : float64[d_sae] or None
        The largest cosine of a theme of each feature; None where the reader has no themes.
    theme : tuple of Theme and float, or None
        The most similar theme, with its cosine.
    detector : tuple of Detector and float, or None
        The most similar detector, by title or description, with its cosine.
    best : float
        The largest cosine of a label, a theme or a detector and the description, with or without the words
        that say who writes.
    closest : str
        The label, the theme's name or the detector's title that has it.
    pieces : int
        Pieces that the sentence model cuts the least known word of the description into.
    """

    text: str
    vector: NDArray[np.float32]
    feature: NDArray[np.int64]
    similarity: NDArray[np.float64]
    themed: NDArray[np.float64] | None
    theme: tuple[Theme, float] | None
    detector: tuple[Detector, float] | None
    best: float
    closest: str
    pieces: int


class Vocabulary:
    """Labels, themes and detectors of a reader, embedded once.

    Parameters
    ----------
    embedder : Embedder
        The sentence model.
    labels : LabelIndex
        By meaning.
    themes : ThemeIndex or None
        None where the reader has none.
    detectors : sequence of Detector
        May be empty.
    """

    def __init__(
        self, embedder: Embedder, labels: LabelIndex, themes: ThemeIndex | None, detectors: Sequence[Detector]
    ) -> None:
        self._embedder, self._labels, self._themes = embedder, labels, themes
        self._detectors = DetectorIndex(detectors, embedder.embed)

    def asked(self, text: str) -> Asked:
        """Return what a description means."""
        whole, plain = self._embedder.embed([text, without_frame(text)])
        mean = whole + plain
        vector: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-30)
        feature, similarity = self._labels.similarities(vector)
        themed = None
        if self._themes is not None:
            themed = self._themes.of_features(self._themes.similarities(vector))
        best, closest = max(self._closest(each) for each in (vector, whole, plain))
        most = max((count for _, count in self._embedder.pieces(text)), default=0)
        return Asked(
            text, vector, feature, similarity.astype(np.float64), themed, self._theme(vector),
            self._detectors.nearest(vector), best, closest, most,
        )  # fmt: skip

    def _theme(self, vector: NDArray[np.float32]) -> tuple[Theme, float] | None:
        return None if self._themes is None else self._themes.nearest(vector)

    def _closest(self, vector: NDArray[np.float32]) -> tuple[float, str]:
        """Return the largest cosine of anything with a vector, and what that is called."""
        feature, similarity = self._labels.similarities(vector)
        found = [(float(similarity[0]), self._labels.label(int(feature[0])))]
        if (theme := self._theme(vector)) is not None:
            found.append((theme[1], theme[0].name))
        if (detector := self._detectors.nearest(vector)) is not None:
            found.append((detector[1], detector[0].title))
        return max(found)
