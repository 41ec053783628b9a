"""Search by a description in words, by weighted features, or by a query that was made or saved earlier.

Not for: examples and similar documents (:mod:`saetext.analysis.search.by_document`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from saetext.analysis.search.answer import Answer
from saetext.analysis.search.asking import NoFeatureError
from saetext.analysis.search.by_detector import Meant, detector_meant
from saetext.analysis.search.by_llm import LLMReranker, reranked, wanted_of, weighed
from saetext.analysis.search.form import form_notes
from saetext.analysis.search.negation import unquoted
from saetext.analysis.search.paging import Because, Order, Ranking
from saetext.analysis.search.query import Clause, FeatureQuery, pieces_of, question_of, split_clauses
from saetext.analysis.search.rankings import Reach, by_features, by_vector, by_words, meaning
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.together import Asking, together
from saetext.analysis.search.unanswered import is_nonsense, require_words, unanswered_notes
from saetext.errors import InputError
from saetext.reader import sentences
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from saetext.analysis.search.searcher import Searcher
    from saetext.corpus import Corpus

Texts = Sequence[tuple[str, bool]]


def search_in_words(searcher: Searcher, query: str | FeatureQuery | None, request: SearchRequest) -> Answer:
    """Return what answers; see :meth:`saetext.analysis.search.searcher.Searcher.search`."""
    texts = split_clauses(query) if isinstance(query, str) else []
    told = _split_notes(query, texts) if isinstance(query, str) else ()
    texts += [(question_of(text), True) for text in request.exclude]
    for text, _ in texts:
        require_words(text)
    mode, notes = searcher.resources.mode(request.mode, texts, isinstance(query, FeatureQuery))
    notes = (*notes, *told)
    request.require_used(mode, bool(texts))
    request.require_random()
    reranker = request.llm_reranker()
    wanted = ""
    if reranker is not None:  # refused before anything is asked for
        wanted = _wanted(searcher.whole, reranker, texts, query, mode)
    _require_known(searcher, texts, mode)
    if texts and mode in ("features", "hybrid"):
        searcher.resources.read_labels(request.on_progress)  # the only part of a search that may take minutes
    meant, asked, told = _features(searcher, query, texts, request, mode)
    notes = (*notes, *told)
    if meant is None:
        notes = (*notes, *form_notes(text for text, negated in texts if not negated))
    reach = Reach(_depth(searcher, request, mode, reranker), searcher.mask(request))
    rankings: dict[str, Ranking] = {}
    scored = None
    if asked is not None:
        scored = searcher.scorer.score(asked) if meant is None else meant.scored
    if asked is not None and scored is not None:
        rankings["features"] = by_features(scored, reach)
    known: list[str] = []
    if mode in ("dense", "hybrid"):
        vector = meaning(searcher.resources.meaning, texts)
        rankings["dense"] = by_vector(searcher.resources.vectors("dense"), vector, reach)
    if mode in ("bm25", "hybrid"):
        known = _add_words(searcher, texts, rankings, reach)
        if mode == "bm25" and not known:
            raise InputError(
                f"no word of {query!r} occurs in {searcher.whole.path}; try --mode features or dense"
            )
    notes = (*searcher.resources.label_notes(asked), *notes)
    everything = None
    if mode == "hybrid":
        everything = together(searcher, Asking(texts, asked, meant, request), rankings.values(), reach)
    regrade = None
    if reranker is not None and reranker.rerank:
        regrade = partial(_regraded, whole=searcher.whole, reranker=reranker, wanted=wanted)
    return Answer(mode, rankings, Because(asked, scored, known), notes, regrade, everything)


def _features(
    searcher: Searcher, query: str | FeatureQuery | None, texts: Texts, request: SearchRequest, mode: str
) -> tuple[Meant | None, FeatureQuery | None, tuple[str, ...]]:
    """Return the detector that is meant, the features to search by (None where none answers), and notes."""
    meant = detector_meant(searcher, texts, request, alone=mode == "features")
    if meant is not None:
        return meant, meant.query, (meant.note,)
    if mode not in ("features", "hybrid"):
        return None, None, ()
    asked, notes = _query(searcher, query, texts, request, mode)
    if asked is None or (request.features and mode == "features"):
        return None, asked, notes
    told = _unanswered(searcher, texts, mode, bool(request.features))
    if told and mode == "hybrid":  # nothing that fits is among the features, but for those set by hand
        asked = searcher.build_query(features=request.features) if request.features else None
    return None, asked, (*notes, *told)


def _query(
    searcher: Searcher,
    query: str | FeatureQuery | None,
    texts: Texts,
    request: SearchRequest,
    mode: str,
) -> tuple[FeatureQuery | None, tuple[str, ...]]:
    """Return the features to search by, None where none answers a hybrid search, and notes."""
    told: tuple[str, ...] = ()
    try:
        asked = searcher.build_query(
            query, features=request.features, exclude=request.exclude, settings=request.settings
        )
    except NoFeatureError as error:
        if mode == "features":
            raise InputError(f"{error}; {searcher.resources.other_ways()}") from error
        clauses, told = _answered(searcher, texts, request)
        if clauses is None:
            told = (f"{error}: documents were ranked by {_other_ways(bool(request.features))}",)
            if not request.features:
                return None, told
        asked = searcher.build_query(FeatureQuery(clauses or ()), features=request.features)
    reranker = request.llm_reranker()
    if reranker is None or not reranker.rerank_features:
        return asked, told
    weighed_query, notes = weighed(asked, reranker.client)
    return weighed_query, (*told, *notes)


def _answered(
    searcher: Searcher, texts: Texts, request: SearchRequest
) -> tuple[tuple[Clause, ...] | None, tuple[str, ...]]:
    """Return clauses without what is not wanted where no feature answers that, and notes on it.

    None where no feature answers something that is wanted.
    """
    clauses: list[Clause] = []
    notes: list[str] = []
    for text, negated in texts:
        try:
            clauses.append(searcher.clause(text, negated=negated, settings=request.settings))
        except NoFeatureError as error:
            if not negated:
                return None, ()
            notes.append(f"{error}: what is not wanted was told by words and sentence embeddings alone")
    return tuple(clauses), tuple(notes)


def _split_notes(query: str, texts: Texts) -> tuple[str, ...]:
    """Return a note on how a description was read where that is not what it says in so many words."""
    pieces = [query, *(words for _, words in pieces_of(query))]
    said = [unquoted(words) or words.strip() for words in pieces]
    if all(text in said for text, _ in texts):
        return ()
    wanted = " and ".join(quoted(text) for text, negated in texts if not negated)
    without = " and ".join(quoted(text) for text, negated in texts if negated)
    read = f"{wanted} without {without}" if without else wanted
    return (f"read as {read}; in double quotes it is searched for as it stands",)


def _require_known(searcher: Searcher, texts: Texts, mode: str) -> None:
    """Raise :class:`InputError` if every word of a description is nonsense to the model and not in a text."""
    if mode == "bm25" or searcher.resources.by_words or not sentences.available():
        return
    for text, negated in texts:
        if negated:
            continue
        pieces = searcher.resources.embedder.pieces(text)
        if is_nonsense(pieces) and not _occurs(searcher.whole, [word for word, _ in pieces]):
            raise InputError(
                f"no word of {quoted(text)} is known to the model or occurs in {searcher.whole.path}: "
                "say it in other words, or find literal text with --words TEXT"
            )


def _other_ways(by_hand: bool) -> str:
    """Say what a hybrid search goes by where no feature answers its words."""
    if by_hand:
        return "words, sentence embeddings and the features set by hand"
    return "words and sentence embeddings alone"


def _unanswered(searcher: Searcher, texts: Texts, mode: str, by_hand: bool) -> tuple[str, ...]:
    """Return notes on what is asked for and nothing of the reader is close to."""
    resources = searcher.resources
    wanted = [resources.asked(text) for text, negated in texts if not negated]
    what = f"what was found is uncertain; try --like ID, or {resources.other_ways()}"
    if mode == "hybrid":
        what = f"what was found is uncertain, ranked by {_other_ways(by_hand)}"
    return unanswered_notes([each for each in wanted if each is not None], what)


def _occurs(corpus: Corpus, words: Sequence[str]) -> bool:
    """Whether any of these words stands in a text of a corpus; where no texts are stored, it may."""
    import polars as pl

    if not corpus.stores_text:
        return True
    anyone = "|".join(re.escape(word) for word in words)
    found = corpus.documents.select(pl.col("text").str.contains(f"(?i){anyone}").any()).collect()
    return bool(found.item())


def _depth(searcher: Searcher, request: SearchRequest, mode: str, reranker: LLMReranker | None) -> int:
    graded = 0 if reranker is None else reranker.rerank
    return max(request.deep(searcher.whole.n_documents), graded)


def _add_words(searcher: Searcher, texts: Texts, rankings: dict[str, Ranking], reach: Reach) -> list[str]:
    """Add the ranking by words, if any occurs in the corpus; return those words."""
    words = searcher.resources.words
    plus = [term for text, negated in texts if not negated for term in words.known(text)]
    minus = [term for text, negated in texts if negated for term in words.known(text)]
    if plus:
        rankings["bm25"] = by_words(words, plus, minus, reach)
    return plus


def _wanted(
    whole: Corpus, reranker: LLMReranker, texts: Texts, query: str | FeatureQuery | None, mode: str
) -> str:
    """Return what an LLM reranker is told is wanted; refuse what it could not be asked."""
    if reranker.rerank_features and mode not in ("features", "hybrid"):
        raise InputError(f"a search by {mode} has no features that an LLM reranker could grade")
    if reranker.rerank and not whole.stores_text:
        raise InputError(f"{whole.path} stores no texts that an LLM reranker could grade")
    return wanted_of(texts, query if isinstance(query, FeatureQuery) else None)


def _regraded(
    ordered: Order, *, whole: Corpus, reranker: LLMReranker, wanted: str
) -> tuple[Order, list[str]]:
    places = ordered.places[: reranker.rerank]
    texts = [whole.document(int(ordered.rows[at]))["text"] or "" for at in places]
    return reranked(ordered, wanted, texts, reranker.client, reranker.on_progress)
