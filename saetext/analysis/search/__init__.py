"""Find documents by what they are like, and say why each was found.

Not for: features by their labels (:mod:`saetext.features`), or what sets documents apart
(:mod:`saetext.analysis.differences`).
"""

from saetext.analysis.search.asking import NoFeatureError, Settings
from saetext.analysis.search.by_llm import SecondOpinion
from saetext.analysis.search.indexing import build_index
from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.analysis.search.result import SearchResult
from saetext.analysis.search.searcher import Searcher, search

__all__ = [
    "Clause",
    "FeatureQuery",
    "NoFeatureError",
    "SearchResult",
    "Searcher",
    "SecondOpinion",
    "Settings",
    "Term",
    "build_index",
    "search",
]
