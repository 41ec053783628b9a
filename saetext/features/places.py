"""Where in a document a property or a theme shows: in its best passage the token that speaks most for it.

Also what they are made of: the features of each. Not for: counting them
(:mod:`saetext.features.theme_counts`, :mod:`saetext.features.detectors`), or words and marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.rows import PooledRows
from saetext.features.passage_sums import REACH

#: A kind (``property`` or ``theme``) and the name of a term of it.
Term = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Parts:
    """The features of a term: increasing, what each adds, and the activation that counts as full strength.

    Of a property the unit is that of the logarithm of its odds; a feature of a theme adds 1.
    """

    features: Ints
    weights: NDArray[np.float64]
    scales: NDArray[np.float64]
    reach: int = REACH


@dataclass(frozen=True)
class Shown:
    """Where a term shows.

    Attributes
    ----------
    tokens : tuple of int
        Those of the passage at which features add to it, most first.
    features : tuple of (int, int)
        Feature and token of what adds to it there, most first.
    """

    tokens: tuple[int, ...]
    features: tuple[tuple[int, int], ...]

    def token(self, document: Mapping[str, Any]) -> int:
        """Return the token to mark in a document: the first of a word, or the first of all."""
        text, start, end = document["text"], document["token_start"], document["token_end"]
        known = (at for at in self.tokens if at < len(start))  # some corpora have no places of tokens
        words = (at for at in known if any(map(str.isalnum, text[int(start[at]) : int(end[at])])))
        return next(words, self.tokens[0])


def parts_of(sets: Sequence[CorpusLike], sae: str) -> dict[Term, Parts]:
    """Return the features of each property and theme that comes with the reader."""
    from saetext.features.detectors import shipped
    from saetext.features.themes import Themes

    spec = sets[0].spec
    found: dict[Term, Parts] = {}
    for detector in shipped(spec, sae, topics=True):
        # of a passage all weights count, as they do in its score; of a whole text what speaks for it
        used = (detector.weights != 0) if detector.reach else detector.weights > 0
        found["property", detector.title] = Parts(
            detector.features[used].astype(np.int64), detector.slope * detector.weights[used],
            detector.scales[used], detector.reach or REACH,
        )  # fmt: skip
    full = full_strength(sets[0], sae)
    for theme in Themes.for_spec(spec, sae) or ():
        features = np.array(sorted(theme.features), np.int64)
        found["theme", theme.name] = Parts(features, np.ones(len(features)), full[features])
    return found


def full_strength(corpus: CorpusLike, sae: str) -> NDArray[np.float64]:
    """Return float64[d_sae]: the largest activation that the reader knows of each feature, or 1."""
    known = np.asarray(corpus.calibration(sae).maxima, np.float64)
    return np.where(known > 0, known, 1.0)


def places(
    sets: Sequence[CorpusLike], sae: str, wanted: Mapping[int, Sequence[Term]]
) -> dict[tuple[int, Term], Shown]:
    """Say where terms show in documents, in one pass.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    sae : str
        Which SAE.
    wanted : mapping
        Row to the terms that are looked for in it.

    Returns
    -------
    dict
        Row and term to the place; without those of which no feature is present.
    """
    if not wanted:
        return {}
    parts = parts_of(sets, sae)
    rows = np.array(sorted(wanted), np.int64)
    found: dict[tuple[int, Term], Shown] = {}
    start = 0
    for corpus in sets:
        for block in corpus.rows(sae):
            low, high = np.searchsorted(rows, (start, start + len(block)))
            for row in rows[low:high].tolist():
                for term in wanted[row]:
                    shown = _place(block, row - start, parts[term]) if term in parts else None
                    if shown is not None:
                        found[row, term] = shown
            start += len(block)
    return found


def _place(block: PooledRows, row: int, parts: Parts) -> Shown | None:
    """Return where a term shows; None if none of its features is here.

    The passage is that around the peak where its features add most, and in it the token at which they do.
    """
    mine = slice(int(block.indptr[row]), int(block.indptr[row + 1]))
    feature = block.feature[mine].astype(np.int64)
    _, here, there = np.intersect1d(feature, parts.features, return_indices=True)
    if not len(here):
        return None
    peak = block.peak[mine][here].astype(np.int64)
    full = np.minimum(block.value[mine][here] / parts.scales[there], 1.0)
    adds = parts.weights[there] * full
    near = np.abs(peak[:, None] - peak[None, :]) <= parts.reach
    best = np.lexsort((peak, -adds, -np.round(near @ adds, 9)))[0]
    order = np.lexsort((parts.features[there], -adds))
    few = order[near[best][order] & (adds[order] > 0)]
    found = zip(parts.features[there][few].tolist(), peak[few].tolist(), strict=True)
    token, at = np.unique(peak[near[best]], return_inverse=True)
    most_first = np.lexsort((token, -np.round(np.bincount(at, adds[near[best]]), 9)))
    return Shown(tuple(token[most_first].tolist()), tuple(found))
