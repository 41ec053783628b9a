"""Searcher: a corpus that stays open for searches, by description, by example, by likeness; safe in threads.

Not for: building the index (:mod:`saetext.analysis.search.indexing`) or drawing results
(:mod:`saetext.report`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.search.asking import NoFeatureError, Settings, clause_of
from saetext.analysis.search.by_llm import SecondOpinion, reranked, wanted_of, weighed
from saetext.analysis.search.indexing import read_scales, scales_part
from saetext.analysis.search.paging import Because, Order, Pages, Ranking, order, require_page
from saetext.analysis.search.probe import Examples, learn
from saetext.analysis.search.query import (
    FeatureQuery,
    Term,
    edited,
    parse_edits,
    require_feature,
    split_clauses,
)
from saetext.analysis.search.resources import Resources
from saetext.analysis.search.result import SearchResult, table_of
from saetext.analysis.search.scoring import Scored, Scorer, top
from saetext.analysis.search.stored import Entries
from saetext.analysis.search.vectors import VectorIndex
from saetext.corpus import Corpus
from saetext.corpus.keys import as_text, require_column
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpus
from saetext.errors import InputError, refuse_unused
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus
    from saetext.reader.reader import Reader

DEPTH = 1000  # documents of each ranking that are fused
_WORDS_OF_A_DOCUMENT = 200  # of a document that others should be similar to, that BM25 looks for


@dataclasses.dataclass(frozen=True)
class _Page:
    """Which part of what is found is shown."""

    where: str | None
    top: int
    offset: int
    group_by: str | None

    def __post_init__(self) -> None:
        require_page(self.top, self.offset)


class Searcher:
    """Searches a corpus; open one and keep it: all searches after the first find everything in memory.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        Where to search; of a view, only its documents are found.
    tap : str, optional
        Which tap, if there are several.
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
    ['travel-02-gentle']
    """

    def __init__(
        self,
        corpus: AnyCorpus,
        *,
        tap: str | None = None,
        labels: FeatureLabels | None = None,
        lexical: bool | None = None,
        reader: Reader | None = None,
        device: str = "auto",
    ) -> None:
        self.corpus: Corpus = as_corpus(corpus)
        warn_of(self.corpus)
        self.whole = self.corpus.whole
        self.tap = self.corpus.spec.tap(tap).name
        self.labels = labels if labels is not None else labels_for(self.corpus, self.tap)
        self.resources = Resources(
            self.whole, self.tap, self.labels, lexical=lexical, reader=reader, device=device
        )
        self._mask: Callable[[str | None], NDArray[np.bool_] | None] = lru_cache(16)(self._find_mask)
        self._values: Callable[[str], list[str | None]] = lru_cache(4)(self._read_values)
        entries = Entries(*self.whole.postings(self.tap).whole())
        folder = scales_part(self.whole, self.tap).find()
        known = (None, None) if folder is None else read_scales(folder)
        self.scorer = Scorer(entries, self.whole.n_documents, *known)
        self._pages = Pages(self.whole, self.tap, self.labels, self.scorer)

    def __repr__(self) -> str:
        where = quoted(self.corpus.path.name, 50)
        return about(self, f"{where}, {len(self.corpus):,} documents, by {', '.join(self.available)}")

    # ---- what can be asked -----------------------------------------------------------------------------

    @property
    def available(self) -> tuple[str, ...]:
        """The rankings there are: ``features``, and those that ``saetext index`` built for this content."""
        return self.resources.available

    def search(
        self,
        query: str | FeatureQuery | None = None,
        *,
        mode: str | None = None,
        features: str | Mapping[int, float] | None = None,
        without: Sequence[str] = (),
        where: str | None = None,
        top: int = 10,
        offset: int = 0,
        group_by: str | None = None,
        settings: Settings | None = None,
        depth: int = DEPTH,
        second: SecondOpinion | None = None,
    ) -> SearchResult:
        """Find documents by a description, by features, or by a query that was made or saved earlier.

        Parameters
        ----------
        query : str or FeatureQuery, optional
            Words, with AND and NOT in capitals between several questions.
        mode : {"features", "dense", "bm25", "hybrid"}, optional
            By default hybrid for words where its index exists, else features.
        features : str or mapping, optional
            Weights that are set by hand, ``"12:1.5,-88"``; see
            :func:`saetext.analysis.search.query.parse_edits`.
        without : sequence of str
            Texts that documents should be unlike.
        where : str, optional
            A condition on metadata.
        top, offset : int
            How many documents to return, and how many to pass over.
        group_by : str, optional
            Only the best document of each value of this column; those without a value stay alone.
        settings : Settings, optional
            How words become features.
        depth : int
            Documents of each ranking that a hybrid search fuses.
        second : SecondOpinion, optional
            A language model that weighs the features or grades the first documents.

        Raises
        ------
        InputError
            If nothing is asked for, no feature answers, the mode's index is missing or stale, or documents
            without stored texts should be graded.
        EndpointError
            If the language model cannot be asked.
        """
        page = _Page(where, top, offset, group_by)
        texts = split_clauses(query) if isinstance(query, str) else []
        texts += [(text, True) for text in without]
        mode, notes = self.resources.mode(mode, texts, isinstance(query, FeatureQuery))
        _require_used(mode, texts, features, settings, depth)
        wanted = ""
        if second is not None:
            wanted = self._wanted(second, texts, query, mode)  # refused before anything is asked for
        asked: FeatureQuery | None = query if isinstance(query, FeatureQuery) else None
        if mode in ("features", "hybrid"):
            try:
                asked = self.explain(query, features=features, without=without, settings=settings)
            except NoFeatureError as error:
                if mode == "features":
                    raise InputError(f"{error}; {self.resources.other_ways()}") from error
                notes = (*notes, f"{error}: documents were ranked by meaning and by words alone")
            if asked is not None and second is not None and second.weigh:
                asked, told = weighed(asked, second.client)
                notes = (*notes, *told)
        live = self._mask(where)
        rankings: dict[str, Ranking] = {}
        graded = 0 if second is None else second.grade
        deep = max(top + offset, graded, depth if mode == "hybrid" else 0)
        if group_by is not None:
            deep = self.whole.n_documents
        scored = None
        if asked is not None and mode in ("features", "hybrid"):
            scored = self.scorer.score(asked)
            rankings["features"] = self._by_features(scored, deep, live)
        known: list[str] = []
        if mode in ("dense", "hybrid"):
            index = self.resources.vectors("dense")
            rankings["dense"] = self._by_vector(index, self._meaning(texts), deep, live)
        if mode in ("bm25", "hybrid"):
            words = self.resources.words
            plus = [term for text, negated in texts if not negated for term in words.known(text)]
            minus = [term for text, negated in texts if negated for term in words.known(text)]
            known = plus
            if plus:
                rankings["bm25"] = self._by_words(plus, minus, deep, live)
            elif mode == "bm25":
                raise InputError(
                    f"no word of {query!r} occurs in {self.whole.path}; try --mode features or dense"
                )
        params = {
            "query": query if isinstance(query, str) else None,
            "mode": mode,
            "features": dict(parse_edits(features)) if isinstance(features, str) else dict(features or {}),
            "without": list(without),
        }
        because = Because(asked if scored is not None else None, scored, known)
        params |= {} if second is None else second.params()
        notes = (*self.resources.label_notes(asked), *notes)
        graded_by = None
        if second is not None and second.grade:
            graded_by = partial(self._graded, second=second, wanted=wanted)
        return self._result(rankings, mode, params, page, because, notes, graded_by)

    def like(
        self,
        like: Sequence[str],
        unlike: Sequence[str] = (),
        *,
        features: str | Mapping[int, float] | None = None,
        without: Sequence[str] = (),
        where: str | None = None,
        top: int = 10,
        offset: int = 0,
        group_by: str | None = None,
        seed: int = 0,
    ) -> SearchResult:
        """Find documents by examples; the query that was learnt is the result's ``query``.

        The examples themselves are not returned. Parameters that are not listed are those of :meth:`search`.

        Parameters
        ----------
        like, unlike : sequence of str
            Ids of examples; three to five that are alike work, more work better.

        Raises
        ------
        CorpusError
            If there is no such document.
        """
        page = _Page(where, top, offset, group_by)
        query = self.learn(like, unlike, seed=seed)
        if features or without:
            query = self.explain(query, features=features, without=without)
        named = np.ones(self.whole.n_documents, bool)
        named[[self.resources.row_of(id) for id in (*like, *unlike)]] = False
        live = self._mask(where)
        live = named if live is None else named & live
        scored = self.scorer.score(query)
        deep = self.whole.n_documents if group_by else top + offset
        ranking = self._by_features(scored, deep, live)
        notes = []
        if len(set(like)) < 3:
            notes.append(
                "with fewer than three examples nothing can be cross-validated: name more, or look for "
                "documents that are similar to one (--similar)"
            )
        params = {
            "query": None, "mode": "features", "like": list(like), "unlike": list(unlike), "seed": seed,
            "features": dict(parse_edits(features)) if isinstance(features, str) else dict(features or {}),
            "without": list(without),
        }  # fmt: skip
        because = Because(query, scored)
        return self._result({"features": ranking}, "features", params, page, because, tuple(notes))

    def similar(
        self,
        id: str,
        *,
        mode: str | None = None,
        where: str | None = None,
        top: int = 10,
        offset: int = 0,
        group_by: str | None = None,
        depth: int = DEPTH,
    ) -> SearchResult:
        """Find documents that are similar to one: in features (projected), in meaning, in words, or all.

        Parameters
        ----------
        id : str
            The document.
        mode : {"projected", "dense", "bm25", "hybrid"}, optional
            By default hybrid, of the rankings there are.

        Raises
        ------
        CorpusError
            If there is no such document.
        InputError
            If the mode's index is missing or stale.
        """
        page = _Page(where, top, offset, group_by)
        row = self.resources.row_of(id)
        there = [name for name in ("projected", "dense", "bm25") if name in self.available]
        if mode in (None, "hybrid"):
            if not there:
                raise InputError(self.resources.missing("projected"))
            names = there
        elif mode in ("projected", "dense", "bm25"):
            if mode not in there:
                raise InputError(self.resources.missing(mode))
            names = [mode]
        else:
            raise InputError(f"similar documents are found by projected, dense, bm25 or hybrid, not {mode!r}")
        if len(names) == 1:
            refuse_unused(_ONE_RANKING, depth=None if depth == DEPTH else depth)
        others = np.ones(self.whole.n_documents, bool)
        others[row] = False
        live = self._mask(where)
        live = others if live is None else others & live
        deep = self.whole.n_documents if group_by else max(depth, top + offset)
        rankings: dict[str, Ranking] = {}
        known: list[str] = []
        for name in names:
            if name == "bm25":
                text = self.whole.document(row)["text"] or ""
                known = list(dict.fromkeys(self.resources.words.known(text)))[:_WORDS_OF_A_DOCUMENT]
                if known:
                    rankings[name] = self._by_words(known, [], deep, live)
            else:
                index = self.resources.vectors(name)
                rankings[name] = self._by_vector(index, index.vector(row), deep, live)
        used = "hybrid" if len(names) > 1 else names[0]
        params = {"query": None, "mode": used, "similar": id}
        return self._result(rankings, used, params, page, Because(words=known))

    def explain(
        self,
        query: str | FeatureQuery | None = None,
        *,
        features: str | Mapping[int, float] | None = None,
        without: Sequence[str] = (),
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
        read = self.resources.read if self.resources.reads() else None
        for text, negated in (*texts, *((text, True) for text in without)):
            clauses.append(
                clause_of(
                    text, self.labels, self.resources.label_index, self.scorer, read=read,
                    negated=negated, settings=settings,
                )
            )  # fmt: skip
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
        return learn(self.whole, self.tap, self.scorer, examples, self.labels, seed=seed)

    # ---- rankings --------------------------------------------------------------------------------------

    def _by_features(self, scored: Scored, k: int, live: NDArray[np.bool_] | None) -> Ranking:
        rows = top(scored, k, live)
        fits = scored.score > scored.least
        return Ranking(rows, scored.score[rows], int((fits if live is None else fits & live).sum()))

    def _by_vector(
        self, index: VectorIndex, vector: NDArray[np.float32], k: int, live: NDArray[np.bool_] | None
    ) -> Ranking:
        rows, score = index.search(vector, k, live)
        return Ranking(rows, score, len(index) if live is None else int(live.sum()))

    def _by_words(
        self, plus: Sequence[str], minus: Sequence[str], k: int, live: NDArray[np.bool_] | None
    ) -> Ranking:
        score = self.resources.words.scores(plus)
        if minus:
            score = score - self.resources.words.scores(minus)
        return self._by_features(Scored(score, (), 0.0), k, live)

    def _meaning(self, texts: Sequence[tuple[str, bool]]) -> NDArray[np.float32]:
        """Return the vector of what is asked for, less what is not wanted."""
        vectors = self.resources.embedder.embed([text for text, _ in texts])
        negated = np.array([negated for _, negated in texts])
        mean = vectors[~negated].mean(0)
        if negated.any():
            mean = mean - vectors[negated].mean(0)
        found: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-30)
        return found

    # ---- rows and columns ------------------------------------------------------------------------------

    def _find_mask(self, where: str | None) -> NDArray[np.bool_] | None:
        """Return which rows of the whole corpus may be found; None for all."""
        view = self.corpus if where is None else self.corpus.select(where)
        if view.selection is None:
            return None
        mask = np.zeros(self.whole.n_documents, bool)
        mask[view.selection] = True
        return mask

    def _read_values(self, column: str) -> list[str | None]:
        require_column(self.whole, column)
        values = self.whole.documents.select(as_text(self.whole, column).alias("value")).collect()["value"]
        return list(values.to_list())

    def _result(
        self,
        rankings: Mapping[str, Ranking],
        mode: str,
        params: Mapping[str, Any],
        page: _Page,
        because: Because,
        notes: tuple[str, ...] = (),
        graded: Callable[[Order], tuple[Order, list[str]]] | None = None,
    ) -> SearchResult:
        values = None if page.group_by is None else self._values(page.group_by)
        ordered = order(rankings, mode, values)
        if graded is not None:
            ordered, told = graded(ordered)
            notes = (*notes, *told)
        table, lines = self._pages.page(ordered, page.top, page.offset, because)
        self.whole.give_back_pages()  # a searcher stays open, and would come to hold the whole corpus
        if self.corpus.selection is not None:
            for each in table:
                each["row"] = int(np.searchsorted(self.corpus.selection, each["row"]))
        full = {**params, **dataclasses.asdict(page), "tap": self.tap, "corpus": str(self.corpus.path)}
        live = self._mask(page.where)
        query = because.query
        metrics = {
            "documents": self.whole.n_documents if live is None else int(live.sum()),
            "found": ordered.found,
            "features": 0 if query is None else query.n_terms,
        }
        if query is not None and "auc" in query.about:
            metrics |= {"auc": query.about["auc"], "strength": query.about["strength"]}
        name, where = self.corpus.path.name, page.where or ""
        source = Source(name, str(self.corpus.path), self.corpus.fingerprint, where)
        return SearchResult(
            "search", table_of(table), full, metrics, notes, (source,), query=query, lines=tuple(lines)
        )

    def _wanted(
        self,
        second: SecondOpinion,
        texts: Sequence[tuple[str, bool]],
        query: str | FeatureQuery | None,
        mode: str,
    ) -> str:
        """Return what a language model is told is wanted; refuse what it could not be asked."""
        if second.weigh and mode not in ("features", "hybrid"):
            raise InputError(f"a search by {mode} has no features that a language model could weigh")
        if second.grade and not self.whole.stores_text:
            raise InputError(f"{self.whole.path} stores no texts that a language model could grade")
        return wanted_of(texts, query if isinstance(query, FeatureQuery) else None)

    def _graded(self, ordered: Order, second: SecondOpinion, wanted: str) -> tuple[Order, list[str]]:
        places = ordered.places[: second.grade]
        texts = [self.whole.document(int(ordered.rows[at]))["text"] or "" for at in places]
        return reranked(ordered, wanted, texts, second.client, second.on_progress)


_ONE_RANKING = "it is how far a hybrid search reads each ranking, and here is one; leave it out"


def _require_used(
    mode: str,
    texts: Sequence[tuple[str, bool]],
    features: str | Mapping[int, float] | None,
    settings: Settings | None,
    depth: int,
) -> None:
    """Refuse what a search in this mode would not use."""
    if mode in ("dense", "bm25"):
        refuse_unused(
            f"a search by {mode} has no features; leave it out, or take mode 'features' or 'hybrid'",
            features=features or None, settings=settings,
        )  # fmt: skip
    if not texts:
        refuse_unused("it says how words become features, and there are no words", settings=settings)
    if mode != "hybrid":
        refuse_unused(_ONE_RANKING, depth=None if depth == DEPTH else depth)


def search(
    corpus: AnyCorpus, query: str | FeatureQuery | None = None, **options: Any
) -> SearchResult:
    """Find documents of a corpus; see :meth:`Searcher.search`; for many searches open a :class:`Searcher`.

    ``tap``, ``labels``, ``lexical``, ``reader`` and ``device`` are those of :class:`Searcher`.

    Examples
    --------
    >>> import saetext
    >>> saetext.search(saetext.Corpus.open("gentle.corpus"), "apologising to somebody", top=1).ids
    ['writing-08-gentle']
    """
    opening = {
        name: options.pop(name)
        for name in ("tap", "labels", "lexical", "reader", "device")
        if name in options
    }
    return Searcher(corpus, **opening).search(query, **options)
