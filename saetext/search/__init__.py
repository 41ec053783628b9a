"""Find documents by what they are like, and say why each was found.

Not for: features by their labels (:mod:`saetext.features`), or what sets documents apart
(:mod:`saetext.diff`).
"""

from saetext.search.asking import NoFeatureError, Settings
from saetext.search.by_llm import SecondOpinion
from saetext.search.indexing import build_index
from saetext.search.query import Clause, FeatureQuery, Term
from saetext.search.result import SearchResult
from saetext.search.searcher import Searcher, search

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
