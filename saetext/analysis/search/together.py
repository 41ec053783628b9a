"""A search in words by all rankings together: their candidates, their scores in one unit, what is not wanted.

Not for: what each ranking counts (:mod:`saetext.analysis.search.combining`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.asking import NoFeatureError
from saetext.analysis.search.by_detector import Meant, detector_meant
from saetext.analysis.search.combining import (
    NEAREST,
    RELATED,
    UNWANTED_FROM,
    USUAL_FIT,
    WEIGHTS,
    Facts,
    Signal,
    Weights,
    combined,
    first_of,
    fit_of,
)
from saetext.analysis.search.paging import Combined, Ranking
from saetext.analysis.search.profile import Sample, direction, feature_profile
from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.rankings import Reach, by_features, by_vector, meaning
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.scoring import Scored
from saetext.analysis.search.standard import background
from saetext.analysis.search.unanswered import is_unanswered

if TYPE_CHECKING:
    from saetext.analysis.search.searcher import Searcher

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
#: From rows of the corpus to their scores.
Way = Callable[[Rows], Floats]
_LEAST = 1e-4  # probability of a detector below which documents are the same


@dataclass(frozen=True, eq=False)
class Asking:
    """What is asked for.

    Attributes
    ----------
    texts : sequence of (str, bool)
        Descriptions, and whether each is what documents should not have.
    query : FeatureQuery or None
        Features; None where none answers.
    meant : Meant or None
        The detector that is meant.
    request : SearchRequest
        The options. Features set by hand count even where nothing fits the words.
    """

    texts: Sequence[tuple[str, bool]]
    query: FeatureQuery | None
    meant: Meant | None
    request: SearchRequest = field(default_factory=SearchRequest)

    @property
    def wanted(self) -> list[str]:
        """Descriptions of what is wanted."""
        return [text for text, negated in self.texts if not negated]


def together(
    searcher: Searcher, asking: Asking, rankings: Iterable[Ranking], reach: Reach, weights: Weights = WEIGHTS
) -> Combined:
    """Return the documents of any ranking, with what each way of searching gives to their scores.

    Parameters
    ----------
    searcher : Searcher
        Of a corpus with an index.
    asking : Asking
        What is asked for.
    rankings : iterable of Ranking
        The first documents by each way.
    reach : Reach
        How far to go, and which documents may be found.
    weights : Weights
        What each way counts.
    """
    facts = _facts(searcher, asking)
    scored = _by_words_features(searcher, asking, facts)
    ways = _ways(searcher, asking, scored)
    found = [each.rows for each in rankings]
    if asking.meant is not None and scored is not None:
        found.append(by_features(scored, reach).rows)  # the ranking by features is that of the detector
    rows = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    parts = combined(_signals(ways, rows), facts, weights)
    shared = _shared(searcher, Sample(*first_of(parts, rows, weights.first)), facts) if weights.first else {}
    if shared:
        rows = np.unique(np.concatenate([rows, *_candidates(searcher, shared, reach)]))
        parts = combined(_signals(ways, rows), facts, weights)
        for name, count in (("features", weights.shared_features), ("dense", weights.shared_dense)):
            if name in shared:
                more = count * _signals({name: shared[name].way}, rows)[name].standard()
                parts[name] = parts.get(name, 0.0) + more
    if "detector" in parts:  # it goes by features
        parts["features"] = parts.pop("detector") + parts.get("features", 0.0)
    if unwanted := [text for text, negated in asking.texts if negated]:
        usual = background(searcher.whole.n_documents)
        have, usually = (_total(ways, facts, each) for each in (rows, usual))
        lost = sum(_had(searcher, asking, text, (rows, have), (usual, usually)) for text in unwanted)
        parts["not"] = -weights.unwanted * np.asarray(lost, float)
    told = {"score_bm25": ways["bm25"]} if "bm25" in ways else {}
    told["score_dense"] = ways["dense"]
    columns = {name: dict(zip(rows.tolist(), way(rows).tolist(), strict=True)) for name, way in told.items()}
    return Combined(rows, parts, columns)


class _Once:
    """A way of searching that scores each document once, however often it is asked for.

    Vectors are read from the index, and in a search with unwanted parts the same ones are needed many times.
    """

    def __init__(self, way: Way, n_documents: int) -> None:
        self._way = way
        self._score = np.zeros(n_documents)
        self._known = np.zeros(n_documents, bool)
        self.usual = self(background(n_documents))

    def __call__(self, rows: Rows) -> Floats:
        if len(new := rows[~self._known[rows]]):
            self._score[new] = self._way(new)
            self._known[new] = True
        return self._score[rows]


@dataclass(frozen=True, eq=False)
class _Shared:
    """What the first documents have in common, as a way of searching."""

    way: _Once
    scored: Scored | None = None
    vector: NDArray[np.float32] | None = None


def _ways(searcher: Searcher, asking: Asking, scored: Scored | None) -> dict[str, _Once]:
    """Return the ways that answer: a detector that is meant, and features (``scored``) where any fits."""
    ways = _worded(searcher, asking.wanted)
    if asking.meant is not None:
        ways["detector"] = _logits(asking.meant.scored.score)
    if scored is not None:
        ways["features"] = _everywhere(scored.score)
    return {name: _Once(way, searcher.whole.n_documents) for name, way in ways.items()}


def _by_words_features(searcher: Searcher, asking: Asking, facts: Facts) -> Scored | None:
    """Return scores by the features that the words ask for; None where none fits them.

    The query of a detector that is meant has the features of the detector.
    """
    wanted = None
    if asking.meant is not None:
        with contextlib.suppress(NoFeatureError):
            wanted = FeatureQuery(tuple(searcher.clause(text) for text in asking.wanted))
    elif asking.query is not None:
        wanted = FeatureQuery(asking.query.asked)
    if wanted is None or not wanted.n_terms or facts.fit <= 0:
        return None
    return searcher.scorer.score(wanted)


def _worded(searcher: Searcher, texts: Sequence[str]) -> dict[str, Way]:
    """Return the ways by meaning and by words."""
    resources = searcher.resources
    vector = meaning(resources.meaning, [(text, False) for text in texts])
    ways = {"dense": _by_vector(searcher, vector)}
    if words := [term for text in texts for term in resources.words.known(text)]:
        ways["bm25"] = _everywhere(resources.words.scores(words))
    return ways


def _facts(searcher: Searcher, asking: Asking) -> Facts:
    """Return what is known of what is asked for; of several descriptions the least fit counts."""
    resources = searcher.resources
    known = [resources.asked(text) for text in asking.wanted]
    fits = [0.0 if is_unanswered(each) else fit_of(each.best) for each in known if each is not None]
    vector = meaning(resources.meaning, [(text, False) for text in asking.wanted])
    _, near = resources.vectors("dense").search(vector, NEAREST)
    fit = min(fits, default=USUAL_FIT)
    if asking.request.features:
        fit = max(fit, USUAL_FIT)
    return Facts(fit, float(near.mean()) if len(near) else 0.0)


def _shared(searcher: Searcher, first: Sample, facts: Facts) -> dict[str, _Shared]:
    """Return what the first documents have in common, by meaning, and by features if any fits the query."""
    found: dict[str, _Shared] = {}
    n = searcher.whole.n_documents
    if not len(first.rows):
        return {}
    args = (searcher.whole, searcher.sae, searcher.scorer, searcher.labels)
    if facts.fit > 0 and (query := feature_profile(*args, first, "the first documents")) is not None:
        scored = searcher.scorer.score(query)
        found["features"] = _Shared(_Once(_everywhere(scored.score), n), scored=scored)
    resources = searcher.resources
    vector = direction(resources.vectors("dense"), first, resources.middle())
    found["dense"] = _Shared(_Once(_by_vector(searcher, vector), n), vector=vector)
    return found


def _candidates(searcher: Searcher, shared: Mapping[str, _Shared], reach: Reach) -> list[Rows]:
    found = []
    for each in shared.values():
        if each.scored is not None:
            found.append(by_features(each.scored, reach).rows)
        if each.vector is not None:
            found.append(by_vector(searcher.resources.vectors("dense"), each.vector, reach).rows)
    return found


def _had(
    searcher: Searcher, asked: Asking, text: str, rows: tuple[Rows, Floats], usual: tuple[Rows, Floats]
) -> Floats:
    """float64[k]: by how many standard deviations documents have more than they may of what is not wanted.

    Half of what follows from having what is wanted is allowed for: "religious but not christian" should not
    lose all that is religious.

    Parameters
    ----------
    asked : Asking
        Where it stands.
    text : str
        What is not wanted.
    rows, usual : (int64[k], float64[k])
        Documents, with how much of what is wanted they have: those to put in order, and those that say
        what is usual.
    """
    query = _alone(searcher, asked, text)
    meant = detector_meant(searcher, [(text, False)], asked.request)
    asking = Asking([(text, False)], query, meant, asked.request.replace(features=None))
    facts = _facts(searcher, asking)
    ways = _ways(searcher, asking, _by_words_features(searcher, asking, facts))
    mine, usually = (_total(ways, facts, each) for each, _ in (rows, usual))
    spread = float(usual[1].var())
    slope = 0.0
    if spread > 1e-12:
        slope = RELATED * max(float(np.cov(usually, usual[1], bias=True)[0, 1]) / spread, 0.0)
    beyond = mine - slope * rows[1] - float((usually - slope * usual[1]).mean())
    return np.maximum(beyond - UNWANTED_FROM, 0.0)


def _alone(searcher: Searcher, asked: Asking, text: str) -> FeatureQuery | None:
    """Return the features of what is not wanted, as if it were wanted; None where none answers."""
    known = () if asked.query is None else asked.query.clauses
    for clause in known:
        if clause.negated and clause.text == text:
            return FeatureQuery((replace(clause, negated=False),))
    with contextlib.suppress(NoFeatureError):
        return FeatureQuery((searcher.clause(text, settings=asked.request.settings),))
    return None


def _total(ways: Mapping[str, _Once], facts: Facts, rows: Rows) -> Floats:
    """float64[k]: the scores of documents by all ways together, without what the first ones share."""
    total: Floats = np.sum(list(combined(_signals(ways, rows), facts, WEIGHTS).values()), axis=0)
    return total


def _signals(ways: Mapping[str, _Once], rows: Rows) -> dict[str, Signal]:
    return {name: Signal(way(rows), way.usual) for name, way in ways.items()}


def _everywhere(scores: Floats) -> Way:
    return lambda rows: scores[rows]


def _logits(probability: Floats) -> Way:
    bounded = np.clip(probability, _LEAST, 1 - _LEAST)
    return _everywhere(np.log(bounded / (1 - bounded)))


def _by_vector(searcher: Searcher, vector: NDArray[np.float32]) -> Way:
    index = searcher.resources.vectors("dense")
    return lambda rows: (index.vectors(rows) @ vector).astype(np.float64)
