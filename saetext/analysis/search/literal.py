"""Search for literal text, as it is written: a name, a string of code, an emoji.

Texts are read through, so no index is needed. Not for: words that a description is about
(:mod:`saetext.analysis.search.words`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from saetext.analysis.search.answer import Answer
from saetext.analysis.search.paging import Because
from saetext.analysis.search.rankings import Reach, by_features
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.scoring import Scored
from saetext.errors import InputError, refuse_unused
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from saetext.analysis.search.searcher import Searcher

# Of BM25: how soon more occurrences stop counting, and how far long texts need more of them.
_SATURATION, _LENGTH = 1.2, 0.75


def search_literal(searcher: Searcher, text: str, request: SearchRequest) -> Answer:
    """Return documents that contain a text, small and capital letters alike: often in a short one first.

    Raises
    ------
    InputError
        If the corpus stores no texts, or options are given that a search for literal text has no use for.
    """
    if request.exclude or request.mode is not None:
        given = "--not" if request.exclude else "--mode"
        raise InputError(f"--words finds text as it is written: leave {given} out, or describe what to find")
    refuse_unused(
        "a search for literal text has no features; leave it out",
        features=request.features or None, settings=request.settings, rerank=request.rerank or None,
        rerank_features=request.rerank_features or None, reranker=request.reranker,
    )  # fmt: skip
    request.require_one_ranking()
    request.require_no_words()
    request.require_random()
    if not text.strip():
        raise InputError("what text to search for? --words is empty")
    if not searcher.whole.stores_text:
        raise InputError(f"{searcher.whole.path} stores no texts to search for {quoted(text)}")
    counts, lengths = _counts(searcher, text)
    usual = max(float(lengths.mean()) if len(lengths) else 1.0, 1.0)
    norm = _SATURATION * (1 - _LENGTH + _LENGTH * lengths / usual)
    scored = Scored(counts / (counts + norm), (1.0,), 0.0)
    ranking = by_features(scored, Reach(searcher.whole.n_documents, searcher.mask(request)))
    return Answer("bm25", {"bm25": ranking}, Because(literal=text), left_out=np.flatnonzero(counts == 0))


def _counts(searcher: Searcher, text: str) -> tuple[np.ndarray, np.ndarray]:
    """float64[n], float64[n]: how often the text stands in each document, and how long that is."""
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    counts: list[int] = []
    lengths: list[int] = []
    for frame in searcher.whole.frames(["text"]):
        for each in frame["text"].to_list():
            counts.append(len(wanted.findall(each or "")))
            lengths.append(len(each or ""))
    return np.array(counts, np.float64), np.array(lengths, np.float64)
