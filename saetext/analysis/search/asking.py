"""From words to weighted features: what the labels mean, and what the reader itself sees in the words.

Not for: scoring documents, or learning from examples (:mod:`saetext.analysis.search.probe`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.asked import Asked
from saetext.analysis.search.query import Clause, Term
from saetext.analysis.search.scoring import Scorer
from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.similarity import Matches, answering, answering_by_theme

#: The features of a text that the reader reads, and their activations.
Read = Callable[[str], tuple[NDArray[np.int32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Settings:
    """How words become weights; the defaults were chosen on the development half of benchmarks/retrieval.py.

    Attributes
    ----------
    features : int
        Most features of a question.
    temperature : float
        Weights fall as exp(-rank / features / temperature).
    sharpness : float
        Power of the similarity of a label.
    rarity : float
        Power of log(documents / documents with the feature) that damps common features.
    reading : float
        Weight of what the reader sees in the words, against 1 for the labels.
    themes : float
        Weight of the similarity of a feature's theme, against 1 for that of its label, where the nearest
        theme is clearly more similar than the nearest label.
    """

    features: int = 100
    temperature: float = 0.5
    sharpness: float = 6.0
    rarity: float = 0.3
    reading: float = 0.1
    themes: float = 1.0


class NoFeatureError(InputError):
    """No feature answers a question."""


def clause_of(
    text: str,
    labels: FeatureLabels,
    index: LabelIndex,
    scorer: Scorer,
    *,
    asked: Asked | None = None,
    read: Read | None = None,
    negated: bool = False,
    settings: Settings | None = None,
) -> Clause:
    """Return the features a text asks for, the largest weight 1; ``missing`` has those no document has.

    Parameters
    ----------
    asked : Asked, optional
        What the text means, for the themes of features and without the words that say who writes; by default
        the labels alone are asked.

    Raises
    ------
    NoFeatureError
        If no label is like the text, or none that is occurs in the corpus.
    """
    settings = settings or Settings()
    matches = _matches(text, index, asked, min(settings.features, len(labels)), settings)
    if not matches.found:
        best = matches.nearest
        near = ""
        if best is not None:
            near = f" (the nearest is {labels.label(best.feature)!r}, similarity {best.similarity:.2f})"
        raise NoFeatureError(f"no feature answers {text!r}{near}")
    top = matches.found[0].similarity if index.lexical else 1.0  # BM25 has no natural unit
    counts = {m.feature: (m.similarity if np.isnan(m.counts) else m.counts) / top for m in matches.found}
    weight: dict[int, float] = {}
    for rank, (feature, like) in enumerate(counts.items()):
        if like <= 0:
            break  # they are in order
        fall = np.exp(-rank / settings.features / settings.temperature)
        weight[feature] = float(fall * like**settings.sharpness)
    unit = max(weight.values(), default=1.0)
    weight = {feature: each / unit for feature, each in weight.items()}
    seen: dict[int, float] = {}
    if read is not None and settings.reading > 0:
        features, values = read(text)
        seen = {
            int(f): min(float(v) / scorer.scale(int(f)), 1.0)
            for f, v in zip(features, values, strict=True)
            if scorer.frequency[f]
        }
        for feature, strength in seen.items():
            weight[feature] = weight.get(feature, 0.0) + settings.reading * strength
    n = scorer.n_documents
    damped = {
        feature: each * float(np.log((n + 1) / (scorer.frequency[feature] + 1)) ** settings.rarity)
        for feature, each in weight.items()
    }
    absent = {feature: damped.pop(feature) for feature in list(damped) if not scorer.frequency[feature]}
    kept = sorted((f for f in damped if damped[f] > 0), key=lambda f: (-damped[f], f))[: settings.features]
    if not kept:
        raise NoFeatureError(f"no document has any of the features that {text!r} asks for")
    most = damped[kept[0]]
    similar = {m.feature: m.similarity for m in matches.found}
    terms = tuple(
        Term(
            f, damped[f] / most, scorer.scale(f), labels.label(f),
            similarity=None if index.lexical else similar.get(f), read=seen.get(f),
            share=int(scorer.frequency[f]) / n,
        )
        for f in kept
    )  # fmt: skip
    return Clause(terms, text, negated, missing=sum(absent.values()) / most)


def _matches(text: str, index: LabelIndex, asked: Asked | None, most: int, settings: Settings) -> Matches:
    if asked is None:
        return answering(index, text, most)
    return answering_by_theme(asked.feature, asked.similarity, asked.themed, most, settings.themes)
