"""Search again from documents that were called right or wrong: what they share beside the search before.

Rocchio's method on features and on sentence embeddings, added to the scores there were: no model is fitted
and nothing is embedded. Not for: which documents are meant (:mod:`saetext.analysis.search.judging`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.judging import Judged
from saetext.analysis.search.paging import Because, Order, fused_order
from saetext.analysis.search.profile import Sample, direction, feature_profile
from saetext.analysis.search.rankings import Reach, by_features, by_vector
from saetext.analysis.search.standard import background, standardised
from saetext.text.one_line import many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saetext.analysis.search.searcher import Searcher

# Chosen on the development half of benchmarks/feedback.py.
FEATURES, DENSE = 0.4, 0.8  # what they count, against 1 for the scores of the search before
WRONG = 0.5  # what the documents called wrong count, against 1 for those called right
# The same where none was called right: what is unlike a few wrong documents is mostly wrong too.
WRONG_ALONE = 0.15

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Found:
    """Documents in order, what they were found by, what to say about it, and rows that may not be found."""

    order: Order
    because: Because
    notes: tuple[str, ...]
    left_out: Rows = field(default_factory=lambda: np.empty(0, np.int64))


def refit(
    searcher: Searcher,
    first: Found,
    judgement: Judged,
    reach: Reach,
    values: Sequence[str | None] | None = None,
) -> Found:
    """Return the documents of a search in the order that judged ones ask for, those judged left out.

    Parameters
    ----------
    searcher : Searcher
        Of the corpus.
    first : Found
        What the search found before, and by what; its words are marked where no feature is.
    judgement : Judged
        Rows called right and wrong.
    reach : Reach
        How far rankings go, and which documents may be found.
    values : sequence of str, optional
        What documents are grouped by.
    """
    rows = np.array(judgement.rows, np.int64)
    sides = np.array([1.0] * len(judgement.more) + [-1.0] * len(judgement.less))
    sample = Sample(rows, sides, WRONG)
    trust = 1.0 if judgement.more else WRONG_ALONE
    live = np.ones(searcher.whole.n_documents, bool) if reach.live is None else reach.live.copy()
    live[rows] = False
    live[first.left_out] = False
    reach = Reach(reach.deep, live)
    usual = background(searcher.whole.n_documents)
    query = feature_profile(
        searcher.whole, searcher.sae, searcher.scorer, searcher.labels, sample, "documents judged"
    )
    scored = None if query is None else searcher.scorer.score(query)
    candidates = [first.order.rows]
    if scored is not None:
        candidates.append(by_features(scored, reach).rows)
    vector = None
    index = searcher.resources.vectors("dense") if "dense" in searcher.available else None
    if index is not None:
        vector = direction(index, sample, searcher.resources.middle())
        candidates.append(by_vector(index, vector, reach).rows)
    pool = np.unique(np.concatenate(candidates))
    pool = pool[live[pool]]
    parts = {"before": _before(first.order, pool)}
    columns: dict[str, dict[int, float]] = {}
    if scored is not None:
        parts["features"] = trust * FEATURES * standardised(scored.score[pool], scored.score[usual])
        columns["score_features"] = dict(zip(pool.tolist(), scored.score[pool].tolist(), strict=True))
    if index is not None and vector is not None:
        cosine = (index.vectors(pool) @ vector).astype(np.float64)
        parts["dense"] = (
            trust * DENSE * standardised(cosine, (index.vectors(usual) @ vector).astype(np.float64))
        )
        columns["score_dense"] = dict(zip(pool.tolist(), cosine.tolist(), strict=True))
    right, wrong = many(len(judgement.more), "document"), f"{len(judgement.less):,}"
    note = f"fitted to {right} called right and {wrong} called wrong; they are left out"
    because = first.because
    if query is not None:
        because = Because(query, scored, because.words, because.literal)
    return Found(fused_order(pool, parts, columns, values), because, (*first.notes, note))


def _before(ordered: Order, pool: Rows) -> Floats:
    """float64[k]: the scores of the search before in standard deviations; its lowest where it had none."""
    if not len(ordered.rows):
        return np.zeros(len(pool))
    known = standardised(ordered.score, ordered.score)
    found = np.full(len(pool), float(known.min()))
    order = np.argsort(ordered.rows)
    at = np.searchsorted(ordered.rows, pool, sorter=order)
    at = np.minimum(at, len(order) - 1)
    there = ordered.rows[order[at]] == pool
    found[there] = known[order[at[there]]]
    return found
