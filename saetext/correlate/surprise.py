"""What makes a pair no surprise: labels that say the same, directions that are, or words that are one phrase.

Not for: whether the pair holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.features.search import LabelIndex
from saetext.labels import FeatureLabels
from saetext.protocols import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Above which a pair is hidden.

    Attributes
    ----------
    label_similarity : float
        Cosine of the sentence embeddings of the two labels (without the sentence model: the share of their
        words that is common).
    decoder_cosine : float
        Cosine of the two decoder directions.
    same_phrase : float
        Share of the documents with both in which they peak within two tokens of each other.
    """

    label_similarity: float = 0.45
    decoder_cosine: float = 0.3
    same_phrase: float = 0.5


REASONS = {
    "label_similarity": "similar labels",
    "decoder_cosine": "similar directions",
    "same_phrase": "one phrase",
}


def label_similarity(
    a: FeatureLabels,
    b: FeatureLabels,
    features_a: Ints,
    features_b: Ints,
    on_done: Callable[[int], None] | None = None,
) -> tuple[Floats, tuple[str, ...]]:
    """Return how alike the labels of each pair are, NaN where one has none, and notes."""
    found = np.full(len(features_a), np.nan)
    known = np.array([int(x) in a and int(y) in b for x, y in zip(features_a, features_b, strict=True)], bool)
    if not known.any():
        return found, ()
    one, mine = np.unique(features_a[known], return_inverse=True)
    two, theirs = np.unique(features_b[known], return_inverse=True)
    first = LabelIndex(a, on_done=on_done)
    second = first if b is a else LabelIndex(b, on_done=on_done)
    x, y = first.vectors(one.tolist()), second.vectors(two.tolist())
    found[known] = np.einsum("pd,pd->p", x[mine], y[theirs])
    notes = tuple(note.replace("searched", "compared") for note in first.notes)
    return found, notes


def decoder_cosine(
    a: NDArray[np.float32] | None, b: NDArray[np.float32] | None, features_a: Ints, features_b: Ints
) -> Floats:
    """Return the cosine of each pair's decoder directions, NaN where they are not known."""
    if a is None or b is None or a.shape[1] != b.shape[1]:
        return np.full(len(features_a), np.nan)
    x, y = a[features_a].astype(np.float64), b[features_b].astype(np.float64)
    scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.divide((x * y).sum(1), scale, out=np.full(len(x), np.nan), where=scale > 0)


def hidden(measures: dict[str, Floats], limits: Limits) -> list[str | None]:
    """Return why each pair is hidden, None where it is not."""
    n = len(next(iter(measures.values()))) if measures else 0
    reasons: list[list[str]] = [[] for _ in range(n)]
    for name, values in measures.items():
        over = values > getattr(limits, name)
        for k in np.flatnonzero(over).tolist():
            reasons[k].append(REASONS[name])
    return [", ".join(found) or None for found in reasons]
