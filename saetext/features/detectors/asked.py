"""Which detector a description in words asks for, if any. Not for: searching by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.features.detectors.detector import Detector

LEAST = 0.6  # cosine similarity of a description and a detector's title or description


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
    vectors = embed([text, *(d.title for d in detectors), *(d.description for d in detectors)])
    cosine = vectors[1:] @ vectors[0]
    best = np.maximum(cosine[: len(detectors)], cosine[len(detectors) :])
    at = int(np.argmax(best))
    return (detectors[at], float(best[at])) if best[at] >= least else None
