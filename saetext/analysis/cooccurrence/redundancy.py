"""What makes a pair redundant: similar labels or directions, one phrase, or other pairs that explain it.

Not for: whether the pair holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.request import CorrelateRequest
from saetext.corpus.protocol import Ints
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.similarity import of_pairs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """Above which a pair is redundant, and hidden.

    Attributes
    ----------
    label_similarity : float
        Cosine similarity of the sentence embeddings of the two labels (without the
        sentence model: the share of their words that is common).
    decoder_cosine : float
        Cosine similarity of the two decoder directions.
    same_phrase : float
        Share of the documents with both in which they peak within two tokens of each other.
    """

    label_similarity: float
    decoder_cosine: float
    same_phrase: float

    @classmethod
    def of(cls, request: CorrelateRequest) -> Limits:
        """Return the limits that were asked for."""
        return cls(request.max_similarity, request.max_cosine, request.max_same_phrase)


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
    """Return the cosine similarity of each pair's labels, NaN where one has none, and notes."""
    if not any(int(x) in a and int(y) in b for x, y in zip(features_a, features_b, strict=True)):
        return np.full(len(features_a), np.nan), ()
    first = LabelIndex(a, on_done=on_done)
    second = first if b is a else LabelIndex(b, on_done=on_done)
    found = of_pairs(first, second, (a, b), features_a, features_b)
    notes = tuple(note.replace("searched", "compared") for note in first.notes)
    return found, notes


def decoder_cosine(
    a: NDArray[np.float32] | None, b: NDArray[np.float32] | None, features_a: Ints, features_b: Ints
) -> Floats:
    """Return the cosine similarity of each pair's decoder directions, NaN where they are not known."""
    if a is None or b is None or a.shape[1] != b.shape[1]:
        return np.full(len(features_a), np.nan)
    x, y = a[features_a].astype(np.float64), b[features_b].astype(np.float64)
    scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.divide((x * y).sum(1), scale, out=np.full(len(x), np.nan), where=scale > 0)


def explained(left: Ints, right: Ints, attracted: NDArray[np.bool_], usable: NDArray[np.bool_]) -> Floats:
    """Return how far each pair follows from what its two items go with otherwise, 0 to 1.

    It is the share of a's partners (the other items that go with a) that stand to b as a does, and of b's to
    a, on average; one is added to the number of partners, so that few of them say little. In a pile with a
    tight topic everything of the topic goes with everything else of it: their residual association is
    small, however strong the pair, while two items that meet and share no other partner are.

    Parameters
    ----------
    left, right : int64[P]
        Items by number; what is the same on both sides must have the same number on both.
    attracted : bool[P]
        Whether the pair occurs more often than by chance.
    usable : bool[P]
        Pairs from which partners are taken.
    """
    from scipy import sparse

    if not len(left):
        return np.empty(0)
    names, code = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = code[: len(left)], code[len(left) :]

    def graph(which: NDArray[np.bool_]) -> sparse.csr_matrix:
        rows, columns = np.concatenate([a[which], b[which]]), np.concatenate([b[which], a[which]])
        ones = np.ones(len(rows), np.float32)
        found = sparse.csr_matrix((ones, (rows, columns)), shape=(len(names), len(names)))
        found.data[:] = 1
        return found

    more, less = graph(usable & attracted), graph(usable & ~attracted)
    degree = np.asarray(more.sum(1)).ravel()
    out = np.empty(len(left))
    for same, which in ((more, attracted), (less, ~attracted)):
        at = np.flatnonzero(which)
        for start in range(0, len(at), 8192):
            k = at[start : start + 8192]
            # the pair itself is not among the partners that count
            mine = np.asarray(more[a[k]].multiply(same[b[k]]).sum(1)).ravel()
            theirs = np.asarray(more[b[k]].multiply(same[a[k]]).sum(1)).ravel()
            own = which[k] & usable[k] & attracted[k]
            out[k] = (mine / (degree[a[k]] - own + 1) + theirs / (degree[b[k]] - own + 1)) / 2
    return np.clip(out, 0.0, 1.0)


def redundant(measures: dict[str, Floats], limits: Limits) -> list[str | None]:
    """Return why each pair is redundant, None where it is not."""
    n = len(next(iter(measures.values()))) if measures else 0
    reasons: list[list[str]] = [[] for _ in range(n)]
    for name, values in measures.items():
        over = values > getattr(limits, name)
        for k in np.flatnonzero(over).tolist():
            reasons[k].append(REASONS[name])
    return [", ".join(found) or None for found in reasons]
