"""The words of documents, ranked by BM25 (bm25s): what a search by meaning misses when the very word counts.

Not for: features or embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.stored import Part
from saetext.errors import CorpusError, InputError
from saetext.io.opener import why
from saetext.text.words import parts

if TYPE_CHECKING:
    from saetext.corpus import Corpus

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


def build_words(corpus: Corpus) -> Path | None:
    """Build the index of a whole corpus's texts; None if they have no words.

    Raises
    ------
    CorpusError
        If it cannot be written.
    """
    import bm25s

    # numbered in the order of first use: bm25s's own vocabulary depends on the process's hash seed
    vocabulary: dict[str, int] = {}
    ids = [
        [vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(text or "")]
        for frame in corpus.frames(["text"])
        for text in frame["text"].to_list()
    ]
    if not vocabulary:
        return None
    index = bm25s.BM25()
    index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    return words_part(corpus).build(lambda folder: index.save(folder, show_progress=False))


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
