"""The features on an axis that one cares about: those whose labels are like some words, or numbered ones.

Not for: what is done with them (:mod:`saetext.analysis.clusters.representation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.similarity import concept, is_unsure

_NAMED = 12  # kept features that a note names
_LIGHTEST, _HEAVIEST = 1e-6, 1e6  # weights: beyond, float32 loses the other features

Phrases = Sequence[str] | Mapping[str, float]


@dataclass(frozen=True)
class OnAxis:
    """A feature that was kept: number, label, weight, and the words that it matches (empty: by number)."""

    feature: int
    label: str
    weight: float
    words: str
    similarity: float | None


@dataclass(frozen=True, eq=False)
class Axis:
    """Which features count.

    Attributes
    ----------
    weight : float32[d_sae]
        Of each feature, 0 where it does not count.
    kept : tuple of OnAxis
        Those that were chosen, the most alike first; empty if all but some count.
    dropped : int
        Features taken out by ``exclude``.
    notes : tuple of str
        What was understood.
    """

    weight: NDArray[np.float32]
    kept: tuple[OnAxis, ...]
    dropped: int
    notes: tuple[str, ...]


def axis_of(
    labels: FeatureLabels,
    d_sae: int,
    *,
    include: Phrases = (),
    exclude: Sequence[str] = (),
    features: Mapping[int, float] | None = None,
) -> Axis | None:
    """Return the features that are meant; None if all are.

    Parameters
    ----------
    labels : FeatureLabels
        What features are called.
    d_sae : int
        Number of features.
    include : sequence of str, or mapping of str to float
        Phrases, with weights if it is a mapping. A feature is kept whose label's cosine similarity to a
        phrase is two standard deviations above the mean of all labels; its weight is that of the phrase
        it matches best.
    exclude : sequence of str
        Phrases whose features are left out, unless they match a phrase of ``include`` better.
    features : mapping, optional
        Feature to weight, kept as well.

    Raises
    ------
    InputError
        If a phrase matches no label, or a feature is not there.
    """
    phrases = dict(include) if isinstance(include, Mapping) else dict.fromkeys(include, 1.0)
    chosen = dict(features or {})
    for feature in chosen:
        if not 0 <= feature < d_sae:
            raise InputError(f"there is no feature {feature}; there are 0 to {d_sae - 1}")
    for words, weight in [*phrases.items(), *chosen.items()]:
        if not _LIGHTEST <= weight <= _HEAVIEST:
            raise InputError(
                f"the weight of {words!r} must be between {_LIGHTEST:g} and {_HEAVIEST:g}, not {weight:g}"
            )
    if not phrases and not exclude and not chosen:
        return None
    notes: list[str] = []
    best = np.full(d_sae, -np.inf)  # how far a label stands out, for the phrase it matches best
    weight_of = np.zeros(d_sae, np.float32)
    matched: dict[int, tuple[str, float]] = {}
    out = np.full(d_sae, -np.inf)
    if phrases or exclude:
        index = LabelIndex(labels)
        notes += index.notes
        for words, weight in phrases.items():
            for feature, apart, similarity in _matches(index, words, labels, notes):
                if apart > best[feature]:
                    best[feature], weight_of[feature] = apart, weight
                    matched[feature] = (words, similarity)
        for words in exclude:
            for feature, apart, _ in _matches(index, words, labels, notes):
                out[feature] = max(out[feature], apart)
    if not phrases and not chosen:
        weight_of[:] = 1
    removed = np.isfinite(out) & (out >= best) & (weight_of > 0)
    weight_of[removed] = 0
    for feature, weight in chosen.items():
        weight_of[feature] = weight
        matched.setdefault(feature, ("", float("nan")))
    kept = [
        OnAxis(
            f, labels.label(f), float(weight_of[f]), words, None if similarity != similarity else similarity
        )
        for f, (words, similarity) in sorted(matched.items(), key=lambda item: (-best[item[0]], item[0]))
        if weight_of[f] > 0
    ]
    if (phrases or chosen) and not kept:
        raise InputError("no feature is left on the axis: --exclude takes out all that --include keeps")
    if kept:
        named = "; ".join(f"{k.feature} {k.label}" for k in kept[:_NAMED])
        more = f"; and {len(kept) - _NAMED:,} more" if len(kept) > _NAMED else ""
        notes.append(f"kept {len(kept):,} of {d_sae:,} features: {named}{more}")
    if exclude:
        dropped = np.flatnonzero(removed)
        dropped = dropped[np.argsort(-out[dropped], kind="stable")]
        named = "; ".join(f"{f} {labels.label(int(f))}" for f in dropped[:_NAMED].tolist())
        more = f"; and {len(dropped) - _NAMED:,} more" if len(dropped) > _NAMED else ""
        notes.append(
            f"left out {len(dropped):,} features: {named}{more}" if len(dropped) else "left out none"
        )
    return Axis(weight_of, tuple(kept), int(removed.sum()), tuple(notes))


def _matches(
    index: LabelIndex, words: str, labels: FeatureLabels, notes: list[str]
) -> list[tuple[int, float, float]]:
    """Return (feature, standard deviations above the mean, similarity) of labels that stand out."""
    matches = concept(index, words, len(labels))
    best = matches.nearest
    if best is None:
        raise InputError(f"no feature's label shares a word with {words!r}; name features by number")
    if not matches.found:
        raise InputError(
            f"no feature's label is like {words!r}; the nearest is {labels.label(best.feature)!r} "
            f"({best.feature}): use other words, or name features by number with --features"
        )
    if is_unsure(matches):
        notes.append(
            f"the label most like {words!r} has a cosine similarity of only {best.similarity:.2f}: look at "
            "what was taken"
        )
    return [(m.feature, m.apart, m.similarity) for m in matches.found]
