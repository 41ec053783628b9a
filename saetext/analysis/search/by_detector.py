"""Search by a detector: named, or meant by a description that is like its title or description.

Not for: detectors themselves (:mod:`saetext.features.detectors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saetext.analysis.search.answer import Answer
from saetext.analysis.search.asked import Asked
from saetext.analysis.search.paging import Because
from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.analysis.search.rankings import Reach, by_features
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.scoring import Scored
from saetext.errors import refuse_unused
from saetext.features.detectors import (
    LEAST,
    LONG_SHARE,
    LONGEST,
    NEAR,
    Detector,
    long_share,
    score,
    shipped,
)
from saetext.features.detectors.scoring import one_named
from saetext.reader import sentences

if TYPE_CHECKING:
    from saetext.analysis.search.searcher import Searcher

# Chosen on the development half of benchmarks/agreement.py; without themes only LEAST counts.
APART = 0.05  # by how much it must be more similar than the most similar theme


@dataclass(frozen=True, eq=False)
class Meant:
    """A detector's probabilities as scores, its features as the query, and what to say about it."""

    query: FeatureQuery
    scored: Scored
    note: str


def search_by_detector(searcher: Searcher, request: SearchRequest) -> Answer:
    """Return documents by the probability of the detector that the request names."""
    refuse_unused(
        "a detector ranks by its own features; leave it out",
        features=request.features or None, exclude=request.exclude or None, mode=request.mode,
        settings=request.settings, rerank=request.rerank or None,
        rerank_features=request.rerank_features or None, reranker=request.reranker,
    )  # fmt: skip
    request.require_one_ranking()
    request.require_no_words()
    request.require_random()
    detector = one_named(shipped(searcher.whole.spec, searcher.sae), str(request.detector))
    meant = _by(searcher, detector, f"ranked by the detector {detector.name!r} ({detector.title})")
    deep = request.deep(searcher.whole.n_documents)
    ranking = by_features(meant.scored, Reach(deep, searcher.mask(request)))
    return Answer("features", {"features": ranking}, Because(meant.query, meant.scored), (meant.note,))


def detector_meant(
    searcher: Searcher, texts: Sequence[tuple[str, bool]], request: SearchRequest, *, alone: bool = True
) -> Meant | None:
    """Return the detector that a description means; None where it means none, or features are asked for.

    Features are asked for by ``--mode``, weights, settings, several clauses or an LLM reranker of features.
    ``alone`` says whether nothing but the detector is searched by; the note tells it.
    """
    if request.mode is not None or request.features or request.settings or request.rerank_features:
        return None
    if len(texts) != 1 or texts[0][1] or request.lexical or not sentences.available():
        return None
    known = shipped(searcher.whole.spec, searcher.sae)
    asked = searcher.resources.asked(texts[0][0]) if known else None
    found = None if asked is None else means_detector(asked)
    if found is None:
        return None
    detector, cosine = found
    how = f"ranked by the detector {detector.name!r}"
    if not alone:
        how = f"the detector {detector.name!r} counts as much as the features that the words ask for"
    said = f"{texts[0][0]!r} is like {detector.title!r} (cosine similarity {cosine:.2f}): {how}"
    return _by(searcher, detector, said)


def means_detector(asked: Asked) -> tuple[Detector, float] | None:
    """Return the detector that a description means, with the cosine similarity; None where it means none.

    It is clear from :data:`~saetext.features.detectors.LEAST` on. Below that, from :data:`NEAR` on, it is
    meant if no theme of the reader is about as similar: "sorrowful and lonely" is as like the detector of
    poetry as "items are listed one by one" is like that of lists, but there is a theme of sadness.
    """
    if asked.detector is None:
        return None
    detector, cosine = asked.detector
    if cosine >= LEAST:
        return detector, cosine
    alone = asked.theme is not None and cosine >= asked.theme[1] + APART
    return (detector, cosine) if cosine >= NEAR and alone else None


def _by(searcher: Searcher, detector: Detector, said: str) -> Meant:
    probability = score(searcher.whole, [detector], searcher.sae)[:, 0].astype(np.float64)
    n = max(searcher.whole.n_documents, 1)
    terms = tuple(
        Term(
            int(feature), float(weight), float(scale), searcher.labels.label(int(feature)),
            share=int(searcher.scorer.frequency[feature]) / n,
        )
        for feature, weight, scale in zip(detector.features, detector.weights, detector.scales, strict=True)
    )  # fmt: skip
    query = FeatureQuery((Clause(terms, detector.title),), {"detector": detector.name})
    above = int((probability >= detector.threshold).sum())
    note = (
        f"{said}; {above:,} of {searcher.whole.n_documents:,} documents have a probability of at least "
        f"{detector.threshold:.2f}, its threshold"
    )
    if not detector.reach and (share := long_share([searcher.whole], searcher.sae)) > LONG_SHARE:
        note += (
            f"; {100 * share:.0f} % have more than {LONGEST} features, and probabilities of such are too high"
        )
    return Meant(query, Scored(probability, (1.0,), 0.0), note)
