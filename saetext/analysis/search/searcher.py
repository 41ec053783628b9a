"""Searcher: a corpus that stays open for searches by description, example or similarity; safe in threads.

Not for: building the index (:mod:`saetext.analysis.search.indexing`) or drawing results
(:mod:`saetext.report`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.search.answer import Answer
from saetext.analysis.search.asking import Settings, clause_of
from saetext.analysis.search.by_detector import search_by_detector
from saetext.analysis.search.by_document import search_by_examples, search_similar
from saetext.analysis.search.in_words import search_in_words
from saetext.analysis.search.indexing import scales_of
from saetext.analysis.search.judging import Judged, judged, written
from saetext.analysis.search.literal import search_literal
from saetext.analysis.search.paging import Pages, order
from saetext.analysis.search.probe import Examples, learn
from saetext.analysis.search.query import (
    Clause,
    FeatureQuery,
    Term,
    edited,
    parse_edits,
    question_of,
    require_feature,
    split_clauses,
)
from saetext.analysis.search.rankings import Reach
from saetext.analysis.search.refitting import Found, refit
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.resources import Resources
from saetext.analysis.search.result import SearchResult, table_of
from saetext.analysis.search.scoring import Scorer
from saetext.analysis.search.stored import Entries
from saetext.corpus import Corpus
from saetext.corpus.keys import as_text, require_column
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpus
from saetext.errors import InputError
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.request import method_of_none_or_one
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus
    from saetext.reader.reader import Reader


class Searcher:
    """Searches a corpus; open one and keep it: all searches after the first find everything in memory.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        Where to search; of a view, only its documents are found.
    sae : str, optional
        Which SAE's features, if the corpus has several.
    labels : FeatureLabels, optional
        By default those known for the corpus.
    lexical : bool, optional
        Whether labels are searched by their words instead of by meaning.
    reader : Reader, optional
        Reads the words of a query too. The embedded reader is loaded when it is needed; another one, which
        may be large, only if it is given.
    device : str
        Where models run.

    Examples
    --------
    >>> import saetext
    >>> searcher = saetext.Searcher(saetext.Corpus.open("gentle.corpus"))
    >>> searcher.search("an apology", where="topic = 'travel'", top=1).ids
    ['travel-12-gentle']
    """

    def __init__(
        self,
        corpus: AnyCorpus,
        *,
        sae: str | None = None,
        labels: FeatureLabels | None = None,
        lexical: bool | None = None,
        reader: Reader | None = None,
        device: str = "auto",
    ) -> None:
        self.corpus: Corpus = as_corpus(corpus)
        warn_of(self.corpus)
        self.whole = self.corpus.whole
        self.sae = self.corpus.spec.sae(sae).name
        self.labels = labels if labels is not None else labels_for(self.corpus, self.sae)
        self.resources = Resources(
            self.whole, self.sae, self.labels, lexical=lexical, reader=reader, device=device
        )
        self._masks: Callable[[str | None, int | None, int], NDArray[np.bool_] | None] = lru_cache(16)(
            self._find_mask
        )
        self._values: Callable[[str], list[str | None]] = lru_cache(4)(self._read_values)
        entries = Entries(*self.whole.postings(self.sae).whole())
        known = scales_of(self.whole, self.sae, entries) or (None, None)
        self.scorer = Scorer(entries, self.whole.n_documents, *known)
        self._pages = Pages(self.whole, self.sae, self.labels, self.scorer)

    def __repr__(self) -> str:
        where = quoted(self.corpus.path.name, 50)
        return about(self, f"{where}, {len(self.corpus):,} documents, by {', '.join(self.available)}")

    # ---- what can be asked -----------------------------------------------------------------------------

    @property
    def available(self) -> tuple[str, ...]:
        """The rankings there are: ``features``, and those that ``saetext index`` built for this content."""
        return self.resources.available

    @method_of_none_or_one(SearchRequest)
    def search(self, query: str | FeatureQuery | None, request: SearchRequest) -> SearchResult:
        """Find documents by a description, by features, by examples, by similarity, or by a query.

        Found by examples (``like``), the result's ``query`` is what was learnt, and the examples are left
        out. ``sae``, ``labels``, ``lexical``, ``reader``, ``device`` and ``clusters`` are those of the
        searcher.

        Parameters
        ----------
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
        """
        request.require_opened()
        return self.answer(query, request)

    def answer(self, query: str | FeatureQuery | None, request: SearchRequest) -> SearchResult:
        """Return the result of a request, whatever it says of how the searcher was opened."""
        request.require_one(query is not None)
        self.mask(request)  # what is wrong with a condition or a column is told before a model is loaded
        if request.group_by is not None:
            require_column(self.whole, request.group_by)
        if request.similar is not None:
            found = search_similar(self, request.similar, request)
        elif request.detector is not None:
            found = search_by_detector(self, request)
        elif request.like:
            found = search_by_examples(self, request)
        elif request.literal is not None:
            found = search_literal(self, request.literal, request)
        else:
            found = search_in_words(self, query, request)
        params = {
            **request.params(),
            "query": query if isinstance(query, str) else None,
            "mode": found.mode,
            "sae": self.sae,
            "corpus": getattr(self.corpus, "elsewhere", None) or str(self.corpus.path),
        }
        return self._result(found, request, params)

    def build_query(
        self,
        query: str | FeatureQuery | None = None,
        *,
        features: str | Mapping[int, float] | None = None,
        exclude: Sequence[str] = (),
        settings: Settings | None = None,
    ) -> FeatureQuery:
        """Return the features and weights that documents would be scored by, to look at or to edit.

        Raises
        ------
        InputError
            If nothing is asked for, or no feature answers.
        """
        clauses = list(query.clauses) if isinstance(query, FeatureQuery) else []
        texts = split_clauses(query) if isinstance(query, str) else []
        if query is None and not features and not clauses:
            raise InputError("what to search for? name words, features or examples")
        for text, negated in (*texts, *((question_of(text), True) for text in exclude)):
            clauses.append(self.clause(text, negated=negated, settings=settings))
        about = dict(query.about) if isinstance(query, FeatureQuery) else {}
        made = FeatureQuery(tuple(clauses), about)
        edits = parse_edits(features) if isinstance(features, str) else dict(features or {})
        if not edits:
            return made
        terms = []
        for feature, weight in edits.items():
            require_feature(feature, self.scorer.d_sae)
            share = int(self.scorer.frequency[feature]) / max(self.scorer.n_documents, 1)
            terms.append(
                Term(
                    feature,
                    float(weight),
                    self.scorer.scale(feature),
                    self.labels.label(feature),
                    share=share,
                )
            )
        return edited(made, terms)

    def clause(self, text: str, *, negated: bool = False, settings: Settings | None = None) -> Clause:
        """Return the features that one question asks for; AND, NOT and quotes in it have no meaning.

        Raises
        ------
        InputError
            If no feature answers.
        """
        return clause_of(
            text, self.labels, self.resources.label_index, self.scorer,
            asked=self.resources.asked(text), read=self.resources.read if self.resources.reads() else None,
            negated=negated, settings=settings,
        )  # fmt: skip

    def learn(self, like: Sequence[str], unlike: Sequence[str] = (), *, seed: int = 0) -> FeatureQuery:
        """Return the query that tells documents like these from others, without searching.

        Raises
        ------
        CorpusError
            If there is no such document.
        InputError
            If nothing can be learnt.
        """
        examples = Examples(
            tuple(map(self.resources.row_of, like)), tuple(map(self.resources.row_of, unlike))
        )
        return learn(self.whole, self.sae, self.scorer, examples, self.labels, seed=seed)

    # ---- rows and columns ------------------------------------------------------------------------------

    def mask(self, request: SearchRequest) -> NDArray[np.bool_] | None:
        """Return which rows of the whole corpus may be found; None for all."""
        if request.sample is None:
            return self._masks(request.where, None, 0)
        return self._masks(request.where, request.sample, request.seed)

    def _find_mask(self, where: str | None, sample: int | None, seed: int) -> NDArray[np.bool_] | None:
        view = self.corpus if where is None else self.corpus.select(where)
        rows = view.selection
        if sample is not None and sample < view.n_documents:
            rows = np.arange(self.whole.n_documents) if rows is None else rows
            rows = np.random.default_rng(seed).choice(rows, sample, replace=False)
        if rows is None:
            return None
        mask = np.zeros(self.whole.n_documents, bool)
        mask[rows] = True
        return mask

    def _read_values(self, column: str) -> list[str | None]:
        require_column(self.whole, column)
        values = self.whole.documents.select(as_text(self.whole, column).alias("value")).collect()["value"]
        return list(values.to_list())

    def _result(self, found: Answer, request: SearchRequest, params: Mapping[str, Any]) -> SearchResult:
        values = None if request.group_by is None else self._values(request.group_by)
        ordered = order(found.rankings, found.mode, values, found.combined)
        notes = found.notes
        if found.regrade is not None:
            ordered, told = found.regrade(ordered)
            notes = (*notes, *told)
        first = Found(ordered, found.because, notes, found.left_out)
        if not (request.more or request.less):
            return self._shown(first, first, Judged(), request, params)
        shown = ordered.rows[ordered.places].tolist()
        judgement = judged(request.more, request.less, shown, self.resources.row_of)
        return self._refined(first, judgement, request, params)

    def _refined(
        self, first: Found, judgement: Judged, request: SearchRequest, params: Mapping[str, Any]
    ) -> SearchResult:
        """Return the result of a search after documents were judged."""
        values = None if request.group_by is None else self._values(request.group_by)
        deep = request.deep(self.whole.n_documents)
        now = refit(self, first, judgement, Reach(deep, self.mask(request)), values)
        return self._shown(first, now, judgement, request, params)

    def _shown(
        self, first: Found, now: Found, judgement: Judged, request: SearchRequest, params: Mapping[str, Any]
    ) -> SearchResult:
        """Return a page of what was found as a result that can be refined."""
        ordered = now.order
        table, lines = self._pages.page(ordered, request.most, request.offset, now.because)
        self.whole.give_back_pages()  # a searcher stays open, and would come to hold the whole corpus
        if self.corpus.selection is not None:
            for each in table:
                each["row"] = int(np.searchsorted(self.corpus.selection, each["row"]))
        query = now.because.query
        name, where = self.corpus.path.name, request.where or ""
        source = Source(name, str(self.corpus.path), self.corpus.fingerprint, where)
        metrics = self._metrics(ordered.found, query, request)
        if judgement:
            metrics |= {"right": len(judgement.more), "wrong": len(judgement.less)}

        def refine(
            more: Sequence[str | int], less: Sequence[str | int], top: int | None, offset: int
        ) -> SearchResult:
            if request.reranks or request.reranker is not None:
                raise InputError(
                    "a refit would drop the grades of a reranked result: search without rerank, then refine"
                )
            rows = ordered.rows[ordered.places].tolist()
            given = judged(more, less, rows, self.resources.row_of)
            if not given:
                raise InputError("name documents that are right (more) or wrong (less)")
            asked = request.replace(top=request.top if top is None else top, offset=offset)
            every = judgement.with_others(given)
            told = {
                **params, "top": asked.top, "offset": offset,
                "more": [written(self.whole.document(row)["id"]) for row in every.more],
                "less": [written(self.whole.document(row)["id"]) for row in every.less],
            }  # fmt: skip
            return self._refined(first, every, asked, told)

        return SearchResult(
            "search", table_of(table), params, metrics, now.notes, (source,), query=query, lines=tuple(lines),
            refiner=refine,
        )  # fmt: skip

    def _metrics(self, found: int, query: FeatureQuery | None, request: SearchRequest) -> dict[str, Any]:
        live = self.mask(request)
        metrics = {
            "documents": self.whole.n_documents if live is None else int(live.sum()),
            "found": found,
            "features": 0 if query is None else query.n_terms,
        }
        if query is not None and "auc" in query.about:
            metrics |= {"auc": query.about["auc"], "strength": query.about["strength"]}
        return metrics
