"""From words to features: when a label is like some words, for every part of saetext that asks.

All thresholds stand in one table. Not for: computing the similarity (:mod:`saetext.features.label_index`),
or what is done with the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels


@dataclass(frozen=True)
class Threshold:
    """A number, what it is a number of, and how it was chosen."""

    value: float
    unit: str
    why: str


_COSINE = "cosine similarity of sentence embeddings"
THRESHOLDS: dict[str, Threshold] = {
    "search": Threshold(
        0.2, _COSINE,
        "The best label must have it, or no feature answers the query. Chosen on the development half of "
        "benchmarks/retrieval.py: .3 refused good questions.",
    ),
    "concept": Threshold(
        0.33, _COSINE,
        "The best label must have it, or the words are no concept of these features. For nonsense words the "
        "best label has .31 to .36, for 'tone' .47.",
    ),
    "concept_sure": Threshold(
        0.4, _COSINE,
        "Below it a note says that the best label is uncertain: nonsense reaches .36.",
    ),
    "concept_apart": Threshold(
        2.0, "standard deviations above the mean similarity of all labels",
        "Labels above it belong to a concept. How similar labels are in general depends on the table and on "
        "the words, so no fixed cosine similarity works.",
    ),
    "named": Threshold(
        0.3, _COSINE,
        "The best label must have it to count as what the words name. Stricter than a search: only the "
        "best five are taken.",
    ),
    "named_share": Threshold(
        0.85, "share of the best label's similarity",
        "Labels above it are taken with the best one: they say the same in other words.",
    ),
    "pair": Threshold(
        0.45, _COSINE,
        "Above it the two labels of a pair say the same. For two random labels of the embedded reader "
        "it is below .39 in 95 of 100 cases.",
    ),
}  # fmt: skip
# By how much the nearest theme must be more similar than the nearest label to count at all, and in full.
# Chosen on the development halves of benchmarks/retrieval.py and agreement.py.
THEME_NONE, THEME_ALL = -0.025, 0.125
NAMED_MOST = 5  # features that words can name


@dataclass(frozen=True)
class Match:
    """A feature whose label is like some words.

    Attributes
    ----------
    feature : int
        Its number.
    similarity : float
        Cosine of the sentence embeddings; of a lexical index the BM25 score.
    apart : float
        Standard deviations above the mean of all labels, where that was asked for; of a lexical index the
        BM25 score, else NaN.
    counts : float
        Where themes are asked too, the similarity that counts: the mean of the label's and the feature's
        themes' (see :func:`answering_by_theme`), else NaN.
    """

    feature: int
    similarity: float
    apart: float = float("nan")
    counts: float = float("nan")


@dataclass(frozen=True)
class Matches:
    """What words match.

    Attributes
    ----------
    found : tuple of Match
        Best first; empty where nothing is like the words.
    nearest : Match or None
        The best label, also where it is not like the words; None if no label shares a word with them.
    lexical : bool
        Whether words were compared and not meaning: then every label that shares a word matches.
    """

    found: tuple[Match, ...]
    nearest: Match | None
    lexical: bool


def value(name: str) -> float:
    """Return a threshold of the table."""
    return THRESHOLDS[name].value


def answering(index: LabelIndex, query: str, most: int) -> Matches:
    """Return up to ``most`` features that may answer a query, if the best label is like it at all."""
    return _ranked(index, query, most, "search")


def answering_by_theme(
    feature: NDArray[np.int64],
    similarity: NDArray[np.float64],
    themed: NDArray[np.float64] | None,
    most: int,
    weight: float,
) -> Matches:
    """Return up to ``most`` features that may answer a query, by their labels and their themes.

    A feature counts by ``(label + b * theme) / (1 + b)``: labels name words, themes say what the words do.
    ``b`` is ``weight`` where the nearest theme is at least :data:`THEME_ALL` more similar than the nearest
    label, 0 where it is less than :data:`THEME_NONE`, and between them in proportion: of a question that has
    its own label ("a cover letter") the theme (work) knows less.

    Parameters
    ----------
    feature : int64[n]
        Features with a label, the most similar first.
    similarity : float64[n]
        Cosine of each label and the query.
    themed : float64[d_sae] or None
        Cosine of the query and the nearest theme of each feature; without it labels count alone.
    most : int
        Number of features.
    weight : float
        How much themes count at most, against 1 for the labels.
    """
    if not len(feature):
        return Matches((), None, False)
    counts = similarity
    if themed is not None:
        ahead = (float(themed.max()) - float(similarity[0]) - THEME_NONE) / (THEME_ALL - THEME_NONE)
        part = weight * min(max(ahead, 0.0), 1.0)
        counts = (similarity + part * themed[feature]) / (1 + part)
    order = np.argsort(-counts, kind="stable")[:most].tolist()
    nearest = Match(int(feature[0]), float(similarity[0]))
    if nearest.similarity < value("search"):
        return Matches((), nearest, False)
    found = (Match(int(feature[i]), float(similarity[i]), counts=float(counts[i])) for i in order)
    return Matches(tuple(found), nearest, False)


def named(index: LabelIndex, words: str) -> Matches:
    """Return the few features that words name: the best label, and those about as good."""
    ranked = _ranked(index, words, NAMED_MOST, "named")
    if not ranked.found:
        return ranked
    least = value("named_share") * ranked.found[0].similarity
    kept = tuple(m for m in ranked.found if m.similarity >= least)
    return Matches(kept, ranked.nearest, ranked.lexical)


def concept(index: LabelIndex, words: str, most: int) -> Matches:
    """Return the features whose labels stand out among all ``most`` labels for their similarity to words."""
    ranked = _ranked(index, words, most, "concept")
    if not ranked.found:
        return ranked
    if ranked.lexical:
        kept = tuple(Match(m.feature, m.similarity, m.similarity) for m in ranked.found)
        return Matches(kept, ranked.nearest, True)
    similarity = np.array([m.similarity for m in ranked.found])
    apart = (similarity - similarity.mean()) / max(float(similarity.std()), 1e-12)
    # a table of few labels may have none that stands out so far
    least = min(value("concept_apart"), float(apart[0]))
    kept = tuple(
        Match(m.feature, m.similarity, float(z))
        for m, z in zip(ranked.found, apart, strict=True)
        if z >= least
    )
    return Matches(kept, ranked.nearest, False)


def is_unsure(matches: Matches) -> bool:
    """Return whether the best label of a concept is little more like the words than chance would have it."""
    best = matches.nearest
    return not matches.lexical and best is not None and best.similarity < value("concept_sure")


def of_pairs(
    first: LabelIndex,
    second: LabelIndex,
    labels: tuple[FeatureLabels, FeatureLabels],
    features_a: NDArray[np.integer],
    features_b: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return the similarity of the two labels of each pair, NaN where one has none."""
    found = np.full(len(features_a), np.nan)
    a, b = labels
    pairs = zip(features_a.tolist(), features_b.tolist(), strict=True)
    known = np.array([x in a and y in b for x, y in pairs], bool)
    one, mine = np.unique(features_a[known], return_inverse=True)
    two, theirs = np.unique(features_b[known], return_inverse=True)
    x, y = first.vectors(one.tolist()), second.vectors(two.tolist())
    found[known] = np.einsum("pd,pd->p", x[mine], y[theirs])
    return found


def _ranked(index: LabelIndex, words: str, most: int, threshold: str) -> Matches:
    ranked = tuple(Match(feature, score) for feature, score in index.search(words, most))
    nearest = ranked[0] if ranked else None
    like = nearest is not None and (index.lexical or nearest.similarity >= value(threshold))
    return Matches(ranked if like else (), nearest, index.lexical)
