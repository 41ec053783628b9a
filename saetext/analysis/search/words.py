"""The words of documents, ranked by BM25 (bm25s): what a search by meaning misses when the very word counts.

Not for: features or embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.room import PIECE
from saetext.analysis.search.stored import Part
from saetext.errors import CorpusError, InputError
from saetext.io.opener import why
from saetext.io.progress import Count, nobody
from saetext.io.shelf import Shelf, roomy
from saetext.text.words import parts

if TYPE_CHECKING:
    from saetext.corpus import Corpus

_AT_ONCE = 500  # documents whose words are lists meanwhile
_FORMAT = 2  # in 1 marks cut words, so that those of Hindi or Tamil were in pieces


def words_part(corpus: Corpus) -> Part:
    """Return where the index of a corpus's words is, or would be."""
    return Part(corpus.path / "index" / "text", "bm25", f"{_FORMAT} {corpus.manifest.fingerprint}")


def terms_of(text: str) -> list[str]:
    """Return what texts are searched by: parts of words, case-folded.

    Single letters and the commonest English words are left out.
    """
    from bm25s.stopwords import STOPWORDS_EN

    return [part for part in parts(text) if len(part) > 1 and part not in STOPWORDS_EN]


def build_words(corpus: Corpus, shelf: Shelf | None = None, count: Count = nobody) -> Path | None:
    """Build the index of a whole corpus's texts; None if they have no words.

    What is counted lies on the shelf: in files, if memory is short. ``count`` gets how many texts have been
    read, and of how many.

    Raises
    ------
    CorpusError
        If it cannot be written.
    """
    import bm25s

    # numbered in the order of first use: bm25s's own vocabulary depends on the process's hash seed
    vocabulary: dict[str, int] = {}
    shelf = shelf or roomy()
    blocks, few, done = [], [], 0
    for frame in corpus.frames(["text"]):
        texts = frame["text"].to_list()
        for start in range(0, len(texts), _AT_ONCE):  # a shard may have ten million words
            each = [
                [vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(text or "")]
                for text in texts[start : start + _AT_ONCE]
            ]
            few.append(_Block.of(each))
            if sum(len(block.term) for block in few) >= PIECE:
                blocks.append(_Block.join(few, shelf))
                few = []
            done += len(each)
            count(done, corpus.n_documents)
    if not vocabulary:
        return None
    blocks.append(_Block.join(few, shelf))
    index = bm25s.BM25()
    index.vocab_dict = vocabulary
    index.scores = _scores(blocks, len(vocabulary), index.k1, index.b, shelf)
    index.nonoccurrence_array = None
    return words_part(corpus).build(lambda folder: index.save(folder, show_progress=False))


@dataclass(frozen=True, eq=False)
class _Block:
    """The words of some documents, counted: eight bytes a word and document, where lists take forty.

    ``term`` and ``times`` are int32, document by document, ``different`` of each; ``length`` is its words.
    """

    length: NDArray[np.int64]
    different: NDArray[np.int64]
    term: NDArray[np.int32]
    times: NDArray[np.int32]

    @classmethod
    def of(cls, each: list[list[int]]) -> _Block:
        length = np.array([len(ids) for ids in each], np.int64)
        term = np.array([i for ids in each for i in ids], np.int64)
        owner = np.repeat(np.arange(len(each)), length)
        key, times = np.unique(owner << 32 | term, return_counts=True)
        different = np.bincount(key >> 32, minlength=len(each))
        return cls(length, different, (key & 0xFFFFFFFF).astype(np.int32), times.astype(np.int32))

    @classmethod
    def join(cls, parts: list[_Block], shelf: Shelf) -> _Block:
        """Put the documents of several one after the other."""
        found = shelf.array(2 * sum(len(part.term) for part in parts), np.int32)
        term, times = found[: len(found) // 2], found[len(found) // 2 :]  # of one array: each may be a file
        at = 0
        for part in parts:
            end = at + len(part.term)
            term[at:end], times[at:end] = part.term, part.times
            at = end
        ints = np.empty(0, np.int64)
        length = np.concatenate([ints, *(part.length for part in parts)])
        return cls(length, np.concatenate([ints, *(part.different for part in parts)]), term, times)


def _scores(blocks: list[_Block], n_terms: int, k1: float, b: float, shelf: Shelf) -> dict[str, Any]:
    """Return what bm25s's own ``index`` computes for its standard method (Lucene's), to the last bit."""
    length = np.concatenate([block.length for block in blocks])
    n, mean = len(length), length.mean()
    frequency = np.zeros(n_terms, np.int64)
    for block in blocks:
        np.add.at(frequency, block.term, 1)
    rarity = np.array([math.log(1 + (n - f + 0.5) / (f + 0.5)) for f in frequency.tolist()], np.float32)
    indptr = np.concatenate([[0], np.cumsum(frequency)])
    entries = int(indptr[-1])
    indices, data = shelf.array(entries, np.int32), shelf.array(entries, np.float32)
    fill = indptr[:-1].copy()
    start = 0
    for block in blocks:
        short = k1 * ((1 - b) + b * block.length / mean)
        score = rarity[block.term] * (block.times / (np.repeat(short, block.different) + block.times))
        owner = np.repeat(np.arange(start, start + len(block.length), dtype=np.int32), block.different)
        order = np.argsort(block.term, kind="stable")  # documents ascending within a term
        terms, first, sizes = np.unique(block.term[order], return_index=True, return_counts=True)
        place = np.repeat(fill[terms] - first, sizes) + np.arange(len(order))
        indices[place], data[place] = owner[order], score[order]
        fill[terms] += sizes
        start += len(block.length)
    return {"data": data, "indices": indices, "indptr": indptr, "num_docs": n}


class WordIndex:
    """An index built by :func:`build_words`, mapped into memory; searches are safe in several threads.

    Parameters
    ----------
    folder : Path
        Where it lies.
    n : int, optional
        Documents that it should have.

    Raises
    ------
    CorpusError
        If it cannot be read or is of another number of documents.
    """

    def __init__(self, folder: Path, n: int | None = None) -> None:
        import bm25s

        try:
            self._index: Any = bm25s.BM25.load(folder, mmap=True, allow_pickle=False, load_corpus=False)
            _require_whole(self._index.scores, self._index.vocab_dict, n)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorpusError(
                f"{folder} is damaged ({why(error)}): run 'saetext index' on its corpus"
            ) from error

    def known(self, text: str) -> list[str]:
        """Return the words of a text that occur in the corpus."""
        return [term for term in terms_of(text) if term in self._index.vocab_dict]

    def scores(self, terms: Sequence[str]) -> NDArray[np.float64]:
        """Return float64[n_documents], the BM25 scores for words that occur in the corpus.

        Raises
        ------
        InputError
            If there are none.
        """
        if not terms:
            raise InputError("no word of the query occurs in the corpus")
        return np.asarray(self._index.get_scores(list(terms)), np.float64)


def _require_whole(scores: Mapping[str, Any], vocabulary: Mapping[str, int], n: int | None) -> None:
    """Raise ValueError if words lead beyond the arrays: checksums do not tell of an index that was forged."""
    indptr, indices = scores["indptr"], scores["indices"]
    if n is not None and scores["num_docs"] != n:
        raise ValueError(f"words of {scores['num_docs']} documents, not of {n:,}")
    if len(indptr) < 2 or int(indptr[0]) != 0 or not int(indptr[-1]) == len(indices) == len(scores["data"]):
        raise ValueError("its arrays do not fit each other")
    inside = not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < scores["num_docs"])
    if not inside or not all(0 <= place < len(indptr) - 1 for place in vocabulary.values()):
        raise ValueError("it names words or documents that are not there")
