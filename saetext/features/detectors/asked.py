"""Which detector a description in words asks for, if any. Not for: searching by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.features.detectors.detector import Detector

LEAST = 0.6  # cosine similarity of a description and a detector's title or description
NEAR = 0.45  # the same, from which a detector may be meant


class DetectorIndex:
    """Detectors by what their titles and descriptions mean.

    Parameters
    ----------
    detectors : sequence of Detector
        May be empty.
    embed : callable
        Texts to float32[n, d], rows of length 1.
    """

    def __init__(
        self, detectors: Sequence[Detector], embed: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> None:
        self._detectors = tuple(detectors)
        self._said = embed(_said(self._detectors)) if self._detectors else None

    def nearest(self, vector: NDArray[np.float32]) -> tuple[Detector, float] | None:
        """Return the detector most similar to a vector of length 1, with the cosine; None without any."""
        if self._said is None:
            return None
        return _nearest(self._detectors, _larger(self._said @ vector))


def resolved(
    text: str,
    detectors: Sequence[Detector],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    least: float = LEAST,
) -> tuple[Detector, float] | None:
    """Return the detector whose title or description is most similar to a text, with the cosine similarity.

    Parameters
    ----------
    text : str
        What is asked for.
    detectors : sequence of Detector
        Those there are.
    embed : callable
        Texts to float32[n, d], rows of length 1.
    least : float
        Similarity below which no detector answers.

    Returns
    -------
    tuple or None
        None where no detector answers.
    """
    if not detectors or not text.strip():
        return None
    found = _nearest(detectors, similarities(text, detectors, embed))
    return found if found[1] >= least else None


def similarities(
    text: str, detectors: Sequence[Detector], embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """float32[n]: the cosine similarity of a text and each detector's title or description."""
    vectors = embed([text, *_said(detectors)])
    return _larger(vectors[1:] @ vectors[0])


def _said(detectors: Sequence[Detector]) -> list[str]:
    """Return all titles, then all descriptions."""
    return [d.title for d in detectors] + [d.description for d in detectors]


def _larger(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the larger cosine of each, by title or description."""
    larger: NDArray[np.float32] = cosine.reshape(2, -1).max(0)
    return larger


def _nearest(detectors: Sequence[Detector], cosine: NDArray[np.float32]) -> tuple[Detector, float]:
    """Return the detector with the largest cosine."""
    at = int(np.argmax(cosine))
    return detectors[at], float(cosine[at])
