"""In which documents of one corpus subjects are, and how strongly. Not for: counting or comparing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.checking.subjects import OF_TEXTS, Subject
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.features.detectors import presence
from saetext.features.theme_counts import theme_matrix, thresholds
from saetext.features.themes import Theme
from saetext.text.phrases import with_phrases

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Levels:
    """From how many of its features on a theme counts as present, by length of document.

    Attributes
    ----------
    edges : int64[strata - 1]
        Tokens from which the next stratum begins, increasing.
    least : int32[strata, themes]
        The smallest number of features; see :class:`saetext.features.theme_counts.Thresholds`.
    """

    edges: Ints
    least: NDArray[np.int32]

    @classmethod
    def of(cls, sets: Sequence[CorpusLike], sae: str, themes: Sequence[Theme]) -> Levels:
        """Choose them from documents of some sets, as a diff does of both."""
        if not themes:
            return cls(np.empty(0, np.int64), np.ones((1, 0), np.int32))
        found = thresholds(sets, sae, themes)
        length = np.concatenate([tokens_of(corpus) for corpus in sets])
        begins = [
            int(length[found.stratum == k].min()) for k in range(1, int(found.stratum.max(initial=0)) + 1)
        ]
        return cls(np.array(begins, np.int64), found.least)


def tokens_of(corpus: CorpusLike) -> Ints:
    """int64[n]: the length of each document in tokens."""
    found: Ints = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.int64)
    return found


def texts_of(corpus: CorpusLike) -> list[str] | None:
    """Return the texts, None where they are not stored."""
    if "text" not in corpus.documents.collect_schema().names():
        return None
    column = corpus.documents.select("text").collect()["text"]
    return None if column.null_count() else column.to_list()


def flags(corpus: CorpusLike, sae: str, subjects: Sequence[Subject], levels: Levels) -> csr_matrix:
    """Say how strongly each document has each subject.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    subjects : sequence of Subject
        What is looked for.
    levels : Levels
        Of the themes among them, in their order.

    Returns
    -------
    csr_matrix
        float32[n_documents, subjects]: above 0 where it is present. Of detectors it is the probability, of
        marks and phrases their number, of themes the number of features over what is needed, of features the
        activation.

    Raises
    ------
    InputError
        If texts are needed and not stored.
    """
    from scipy import sparse

    found = np.zeros((corpus.n_documents, len(subjects)), np.float32)
    at = {
        kind: [i for i, one in enumerate(subjects) if one.kind == kind] for kind in {s.kind for s in subjects}
    }
    if where := at.get("detector"):
        detectors = [detector for i in where if (detector := subjects[i].detector) is not None]
        found[:, where] = presence(corpus, detectors, sae).toarray()
    if where := at.get("theme"):
        themes = [theme for i in where if (theme := subjects[i].theme) is not None]
        found[:, where] = _themes(corpus, sae, themes, levels)
    if where := at.get("feature"):
        found[:, where] = _features(corpus, sae, [int(subjects[i].key) for i in where])
    if any(kind in at for kind in OF_TEXTS):
        texts = texts_of(corpus)
        if texts is None:
            raise InputError(
                f"the texts are not stored in {corpus.path}, so marks of format and words cannot be checked; "
                "encode it with its texts, or leave these rules out"
            )
        for column, values in _of_texts(texts, subjects, at).items():
            found[:, column] = values
    return sparse.csr_matrix(found)


def _themes(corpus: CorpusLike, sae: str, themes: Sequence[Theme], levels: Levels) -> Floats:
    counts = theme_matrix(corpus, sae, themes).toarray()
    least = levels.least[np.searchsorted(levels.edges, tokens_of(corpus), side="right")]
    found: Floats = np.where(counts >= least, counts / np.maximum(least, 1), 0).astype(np.float32)
    return found


def _features(corpus: CorpusLike, sae: str, wanted: Sequence[int]) -> Floats:
    found = np.zeros((corpus.n_documents, len(wanted)), np.float32)
    start = 0
    for block in corpus.rows(sae):
        owner = start + np.repeat(np.arange(len(block)), np.diff(block.indptr))
        for column, feature in enumerate(wanted):
            mine = block.feature == feature
            found[owner[mine], column] = block.value[mine]
        start += len(block)
    return found


def _of_texts(
    texts: Sequence[str], subjects: Sequence[Subject], at: dict[str, list[int]]
) -> dict[int, Floats]:
    from saetext.text.apart import take_apart
    from saetext.text.marks import MARKS

    found: dict[int, Floats] = {}
    if marks := at.get("format", []):
        counts = [MARKS[subjects[i].key] for i in marks]
        table = np.zeros((len(texts), len(marks)), np.float32)
        for row, text in zip(table, texts, strict=True):
            parts = take_apart(text)
            row[:] = [count(parts) for count in counts]
        found.update(zip(marks, table.T, strict=True))
    for i in at.get("words", []):
        found[i] = with_phrases(texts, subjects[i].phrases).astype(np.float32)
    return found
