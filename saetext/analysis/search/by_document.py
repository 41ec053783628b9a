"""Search by documents: by examples to be like and unlike, or by similarity to one.

Not for: words (:mod:`saetext.analysis.search.in_words`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.answer import Answer
from saetext.analysis.search.paging import Because, Ranking
from saetext.analysis.search.rankings import Reach, by_features, by_vector, by_words
from saetext.analysis.search.request import SearchRequest
from saetext.errors import InputError

if TYPE_CHECKING:
    from saetext.analysis.search.searcher import Searcher

_WORDS_OF_A_DOCUMENT = 200  # of a document that others should be similar to, that BM25 looks for
_FEW = (
    "with fewer than three examples nothing can be cross-validated: name more, or look for "
    "documents that are similar to one (--similar)"
)


def search_by_examples(searcher: Searcher, request: SearchRequest) -> Answer:
    """Return what is like the examples; they themselves are left out."""
    like, unlike = list(request.like or ()), list(request.unlike)
    request.require_used("features", words=bool(request.exclude))
    query = searcher.learn(like, unlike, seed=request.seed)
    if request.features or request.exclude:
        query = searcher.build_query(
            query, features=request.features, exclude=request.exclude, settings=request.settings
        )
    named = [searcher.resources.row_of(id) for id in (*like, *unlike)]
    deep = request.deep(searcher.whole.n_documents)
    scored = searcher.scorer.score(query)
    ranking = by_features(scored, Reach(deep, _others(searcher, request, named)))
    notes = (_FEW,) if len(set(like)) < 3 else ()
    return Answer("features", {"features": ranking}, Because(query, scored), notes, left_out=np.array(named))


def search_similar(searcher: Searcher, id: str, request: SearchRequest) -> Answer:
    """Return what is similar to one document: in features (projected), in meaning, in words, or in all."""
    request.require_used("hybrid", words=False)
    request.require_random()
    row = searcher.resources.row_of(id)
    names = _rankings_of(searcher, request)
    deep = request.deep(searcher.whole.n_documents)
    reach = Reach(deep, _others(searcher, request, [row]))
    rankings: dict[str, Ranking] = {}
    known: list[str] = []
    for name in names:
        if name == "bm25":
            text = searcher.whole.document(row)["text"] or ""
            known = list(dict.fromkeys(searcher.resources.words.known(text)))[:_WORDS_OF_A_DOCUMENT]
            if known:
                rankings[name] = by_words(searcher.resources.words, known, [], reach)
        else:
            index = searcher.resources.vectors(name)
            rankings[name] = by_vector(index, index.vector(row), reach)
    return Answer(
        "hybrid" if len(names) > 1 else names[0], rankings, Because(words=known), left_out=np.array([row])
    )


def _rankings_of(searcher: Searcher, request: SearchRequest) -> list[str]:
    """Return the rankings to use, of those there are."""
    there: list[str] = [name for name in ("projected", "dense", "bm25") if name in searcher.available]
    wanted = "hybrid" if request.mode is None else str(request.mode)
    names = there if wanted == "hybrid" else [wanted]
    for name in names or ["projected"]:
        if name not in there:
            raise InputError(searcher.resources.missing(name))
    if len(names) == 1:
        request.require_one_ranking()
    return names


def _others(searcher: Searcher, request: SearchRequest, named: list[int]) -> NDArray[np.bool_]:
    """Return which documents may be found: not those that are named."""
    others = np.ones(searcher.whole.n_documents, bool)
    others[named] = False
    live = searcher.mask(request)
    return others if live is None else others & live
