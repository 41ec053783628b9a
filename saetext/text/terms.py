"""Terms by document, and the plainest of them: words and pairs of words in lower case, for names of clusters.

Not for: comparing sets, which takes phrases (:mod:`saetext.text.phrases`) and marks
(:mod:`saetext.text.marks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saetext.text.passages import printable
from saetext.text.words import pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_TERMS = 50_000
TOLD_EVERY = 256  # texts after which a loop over them tells how many it has done


@dataclass(frozen=True, eq=False)
class TermMatrix:
    """Terms by document.

    Attributes
    ----------
    names : tuple of str
        What the columns are called, printable.
    matrix : csr_matrix
        float32[documents, terms]; above 0 where a document has the term.
    """

    names: tuple[str, ...]
    matrix: csr_matrix


def word_matrix(texts: Sequence[str], *, min_documents: int, most: int = MOST_TERMS) -> TermMatrix:
    """Count words and pairs of neighbouring words, in lower case.

    Parameters
    ----------
    texts : sequence of str
        The documents.
    min_documents : int
        Documents a term must be in.
    most : int
        Terms to keep, those in most documents first.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(
        ngram_range=(1, 2), token_pattern=pattern(), min_df=1, dtype=np.float32, lowercase=True
    )
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a word
        return TermMatrix((), sparse.csr_matrix(np.zeros((len(texts), 0), np.float32)))
    in_documents = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(in_documents >= max(min_documents, 1))
    kept = np.sort(kept[np.argsort(-in_documents[kept], kind="stable")[:most]])
    names = vectorizer.get_feature_names_out()
    return TermMatrix(tuple(printable(names[i]) for i in kept), sparse.csr_matrix(counts[:, kept]))
