"""One ranking of documents: by features, by a vector, by words.

Not for: which of them a search uses (:mod:`saetext.analysis.search.in_words`,
:mod:`saetext.analysis.search.by_document`) or fusing them (:mod:`saetext.analysis.search.fusing`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.paging import Ranking
from saetext.analysis.search.scoring import Scored, top
from saetext.analysis.search.vectors import VectorIndex
from saetext.analysis.search.words import WordIndex


@dataclass(frozen=True, eq=False)
class Reach:
    """How far rankings go.

    Attributes
    ----------
    deep : int
        Documents of each ranking.
    live : bool[n_documents] or None
        Which documents may be found; None for all.
    """

    deep: int
    live: NDArray[np.bool_] | None


def by_features(scored: Scored, reach: Reach) -> Ranking:
    """Rank by scores, those above the least one alone."""
    rows = top(scored, reach.deep, reach.live)
    fits = scored.score > scored.least
    return Ranking(rows, scored.score[rows], int((fits if reach.live is None else fits & reach.live).sum()))


def by_vector(index: VectorIndex, vector: NDArray[np.float32], reach: Reach) -> Ranking:
    """Rank by cosine similarity to a vector."""
    rows, score = index.search(vector, reach.deep, reach.live)
    return Ranking(rows, score, len(index) if reach.live is None else int(reach.live.sum()))


def by_words(words: WordIndex, plus: Sequence[str], minus: Sequence[str], reach: Reach) -> Ranking:
    """Rank by BM25 scores of words, less those of words that are not wanted."""
    score = words.scores(plus)
    if minus:
        score = score - words.scores(minus)
    return by_features(Scored(score, (), 0.0), reach)


def meaning(
    embed: Callable[[str], NDArray[np.float32]], texts: Sequence[tuple[str, bool]]
) -> NDArray[np.float32]:
    """Return the unit vector of what is asked for, less what is not wanted; ``embed`` embeds one."""
    vectors = np.stack([embed(text) for text, _ in texts])
    negated = np.array([negated for _, negated in texts])
    mean = vectors[~negated].mean(0)
    if negated.any():
        mean = mean - vectors[negated].mean(0)
    found: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-30)
    return found
