"""Find documents by what they are like, and say why each was found.

Loaded when first used: a command names its options without what computes them. Not for: features by their
labels (:mod:`saetext.features`), or what sets documents apart (:mod:`saetext.analysis.differences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.analysis.search.asking import NoFeatureError, Settings
    from saetext.analysis.search.by_llm import LLMReranker
    from saetext.analysis.search.indexing import build_index
    from saetext.analysis.search.query import Clause, FeatureQuery, Term
    from saetext.analysis.search.request import IndexRequest, SearchRequest
    from saetext.analysis.search.result import SearchResult
    from saetext.analysis.search.run import search
    from saetext.analysis.search.searcher import Searcher

__all__ = [
    "Clause",
    "FeatureQuery",
    "IndexRequest",
    "LLMReranker",
    "NoFeatureError",
    "SearchRequest",
    "SearchResult",
    "Searcher",
    "Settings",
    "Term",
    "build_index",
    "search",
]

_HOMES = {
    "Clause": "query",
    "FeatureQuery": "query",
    "IndexRequest": "request",
    "LLMReranker": "by_llm",
    "NoFeatureError": "asking",
    "SearchRequest": "request",
    "SearchResult": "result",
    "Searcher": "searcher",
    "Settings": "asking",
    "Term": "query",
    "build_index": "indexing",
    "search": "run",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
