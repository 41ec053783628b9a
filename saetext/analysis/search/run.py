"""search: find documents of a corpus, opened for this one search.

Not for: many searches of one corpus (:mod:`saetext.analysis.search.searcher`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.result import SearchResult
from saetext.analysis.search.searcher import Searcher
from saetext.encoding.opening import as_corpus
from saetext.io.request import verb_of_one_or_two

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus


def opened(corpus: AnyCorpus, request: SearchRequest) -> Searcher:
    """Return a searcher of a corpus, opened as a request says."""
    known = request.with_clusters(as_corpus(corpus))
    if request.where is not None:
        known.select(request.where)  # refused before labels and scales are read
    return Searcher(
        known,
        sae=request.sae,
        labels=None if request.labels is None else request.labels_of(known),
        lexical=request.lexical,
        reader=request.reader,
        device=request.device,
    )


@verb_of_one_or_two(SearchRequest)
def search(corpus: AnyCorpus, query: str | FeatureQuery | None, request: SearchRequest) -> SearchResult:
    """Find documents by a description, by features, by examples, by similarity, or by a saved query.

    For many searches of one corpus open a :class:`Searcher`.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        Where to search; of a view, only its documents are found.
    query : str or FeatureQuery, optional
        Words, with AND and NOT in capitals between several questions; or a query made or saved earlier.

    Returns
    -------
    SearchResult

    Raises
    ------
    InputError
        If nothing is asked for, no feature answers, the mode's index is missing or stale, or documents
        without stored texts should be reranked.
    CorpusError
        If there is no document of that id.
    EndpointError
        If the language model cannot be asked.

    Examples
    --------
    >>> import saetext
    >>> saetext.search(saetext.Corpus.open("gentle.corpus"), "apologising to somebody", top=1).ids
    ['travel-12-gentle']
    """
    return opened(corpus, request).answer(query, request)
