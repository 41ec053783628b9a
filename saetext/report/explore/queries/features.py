"""The table of all features of a corpus or view, with themes, searched, sorted and paged.

Not for: one feature (feature.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.counts import Counts, calibration_of, counts_of
from saetext.report.explore.queries.shades import themes_of
from saetext.text.passages import printable

SORTS = ("telling", "documents", "label", "score", "mean", "max", "density", "feature")
_UNSCORED = 0.05  # what a label without a score counts for beside one with a score of .5 + this
_DOWN = {
    "telling",
    "documents",
    "score",
    "mean",
    "max",
    "density",
}  # the largest first, unless it is turned round
_named: Kept[Named] = Kept(16)


@dataclass(frozen=True, eq=False)
class Named:
    """The labels of all features as columns, made once for a table of labels; ``search`` is case-folded."""

    labels: FeatureLabels
    label: list[str]
    search: list[str]
    score: NDArray[np.float64]
    source: list[str]
    density: NDArray[np.float64]
    by_label: NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """A line of the table; what is not known is None."""

    feature: int
    label: str
    documents: int
    share: float
    mean: float | None
    largest: float | None
    score: float | None
    source: str
    density: float | None


@dataclass(frozen=True)
class ThemeRow:
    """A theme: how many of its features occur, and the most frequent of them with their labels."""

    id: str
    name: str
    kind: str
    description: str
    features: int
    present: int
    examples: tuple[tuple[int, str], ...]


def named(corpus: Corpus, sae: str, labels: FeatureLabels) -> Named:
    """Return the labels of all features as columns."""
    return _named.get((corpus.path, sae, id(labels)), lambda: _columns(corpus, sae, labels))


def _columns(corpus: Corpus, sae: str, labels: FeatureLabels) -> Named:
    d_sae = corpus.spec.sae(sae).d_sae
    label = [f"feature {feature}" for feature in range(d_sae)]
    search = [""] * d_sae
    score, source = np.full(d_sae, np.nan), [""] * d_sae
    density = np.asarray(calibration_of(corpus, sae).density, np.float64).copy()
    for one in labels:
        f = one.feature
        label[f], source[f] = printable(one.label), printable(one.source)
        search[f] = " ".join((one.label, one.description, *one.top_words)).casefold()
        score[f] = np.nan if one.score is None else one.score
        density[f] = density[f] if one.density is None else one.density
    by_label = np.array(sorted(range(d_sae), key=lambda f: (label[f].casefold(), f)), np.int64)
    return Named(labels, label, search, score, source, density, by_label)


def features_of(
    corpus: Corpus, sae: str, labels: FeatureLabels, *, words: str, sort: str, turned: bool, absent: bool
) -> NDArray[np.int64]:
    """Return the features of the table in its order.

    Parameters
    ----------
    words : str
        Each of these words is part of the label, description or top words; or a feature's number.
    sort : str
        One of :data:`SORTS`.
    turned : bool
        The other way round.
    absent : bool
        Those that are in no document too.
    """
    known, counts = named(corpus, sae, labels), counts_of(corpus, sae)
    keep = np.ones(len(known.label), bool) if absent else counts.support > 0
    if words:
        parts = words.casefold().split()
        fits = np.fromiter((all(p in text for p in parts) for text in known.search), bool, len(known.search))
        if words.isascii() and words.isdigit() and int(words[:12]) < len(fits):
            fits[int(words[:12])] = keep[int(words[:12])] = True
        keep = keep & fits
    if sort == "label":
        order = known.by_label
    else:
        values = {
            "telling": _telling(known, counts),
            "documents": counts.support.astype(np.float64),
            "score": known.score,
            "mean": counts.mean,
            "max": counts.largest,
            "density": known.density,
            "feature": np.arange(len(keep), dtype=np.float64),
        }[sort]
        down = (sort in _DOWN) != turned
        order = np.argsort(np.where(np.isnan(values), np.inf, -values if down else values), kind="stable")
        return order[keep[order]]
    found = order[keep[order]]
    return found[::-1] if turned else found


def _telling(known: Named, counts: Counts) -> NDArray[np.float64]:
    """Return what a first look is ordered by: in many documents, not in all, rare elsewhere, well labelled.

    The variance of its presence, times how rare it is on reference text (in nats), times by how much its
    label's score is above chance.
    """
    share = counts.support / max(counts.documents, 1)
    rarity = -np.log(np.clip(known.density, 1e-6, 1.0))
    fits = np.where(np.isnan(known.score), _UNSCORED, np.maximum(known.score - 0.5, 0.0))
    return share * (1 - share) * rarity * fits


def rows_of(corpus: Corpus, sae: str, labels: FeatureLabels, features: NDArray[np.int64]) -> list[Row]:
    """Return some lines of the table."""
    known, counts = named(corpus, sae, labels), counts_of(corpus, sae)

    def maybe(values: NDArray[np.float64], f: int) -> float | None:
        return None if np.isnan(values[f]) else float(values[f])

    return [
        Row(
            feature=f,
            label=known.label[f],
            documents=int(counts.support[f]),
            share=float(counts.support[f]) / max(counts.documents, 1),
            mean=maybe(counts.mean, f),
            largest=maybe(counts.largest, f),
            score=maybe(known.score, f),
            source=known.source[f],
            density=maybe(known.density, f),
        )
        for f in features.tolist()
    ]


def theme_rows(corpus: Corpus, sae: str, labels: FeatureLabels, words: str) -> list[ThemeRow]:
    """Return the themes whose name, description or kind has all these words, by name."""
    counts = counts_of(corpus, sae)
    parts = words.casefold().split()
    found = []
    for theme in sorted(themes_of(corpus, sae), key=lambda theme: theme.name.casefold()):
        if not all(p in f"{theme.name} {theme.description} {theme.kind}".casefold() for p in parts):
            continue
        features = np.array(theme.features)
        support = counts.support[features]
        top = features[np.argsort(-support, kind="stable")][:4].tolist()
        found.append(
            ThemeRow(
                theme.id,
                theme.name,
                theme.kind,
                theme.description,
                len(features),
                int((support > 0).sum()),
                tuple((f, printable(labels.label(f))) for f in top if counts.support[f]),
            )
        )
    return found
