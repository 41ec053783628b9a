"""The semantic map: a ridge regression from features to MiniLM's sentence embeddings.

Fitted on a sample of the very documents that are clustered and checked on documents it has not seen; it is
linear in the features, so that what brings two documents together stays a sum over named features. Not for:
clustering by the embeddings themselves, of which only a sample is computed.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.representation import Floats32, SemanticMap, unit
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.cache import cache_dir
from saetext.io.files import make_directory
from saetext.io.progress import Count
from saetext.io.sealed_file import SealedFile, array_bytes, array_of
from saetext.io.warning import warn
from saetext.reader import sentences as embed

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix, csr_matrix

Floats64 = NDArray[np.float64]

MOST = 12_000  # documents that are embedded
TOKENS = 250_000  # of them together, about
FEWEST = 200  # documents below which nothing is fitted
CHARACTERS = 1200  # of a text that are embedded
HELD_OUT, HELD_MOST = 0.1, 500
PENALTIES = (0.3, 1.0, 3.0)  # of the ridge, on rows of length 1: short texts want less than long ones
CHOOSING = 3000  # documents on which the penalty is chosen
DIMS = 200  # of the map that are kept
LEAST = 0.05  # share explained below which the features do not predict the embeddings
BLEND = 1.5
_LONGEST = 3.0
_BLOCK = 1000  # rows of a product that are sparse at a time
_FORMAT = 1


def choose(n_tokens: Ints, seed: int, text: Ints | None = None) -> Ints:
    """Return the documents to embed, increasing: at most 12,000 and about 250,000 tokens, drawn at random.

    Of documents with one ``text`` (int64[n], a number for each text) one is drawn: a copy among the held-out
    ones would tell of the map what it was fitted on.
    """
    mixed = np.random.default_rng([seed, 11]).permutation(len(n_tokens))
    if text is not None:
        mixed = mixed[np.sort(np.unique(text[mixed], return_index=True)[1])]
    mixed = mixed[:MOST]
    cost = np.cumsum(np.minimum(n_tokens[mixed], CHARACTERS // 4))
    return np.sort(mixed[: max(int(np.searchsorted(cost, TOKENS, side="right")), min(FEWEST, len(mixed)))])


def fit_semantic_map(rows: csr_matrix, vectors: Floats32, seed: int) -> SemanticMap | None:
    """Fit the map.

    Parameters
    ----------
    rows : csr_matrix, m x F
        Weighted features of the sample, rows of length 1.
    vectors : float32[m, w]
        Their sentence embeddings.
    seed : int
        Which documents, a tenth or 500, are held out: by them the penalty is chosen, and what is told
        is measured.

    Returns
    -------
    SemanticMap or None
        None if features tell less than 5 % of the variance of held-out embeddings. The longer its part of a
        vector, the more they tell: 1.5 times the root of explained to unexplained variance, 0.5 to 3.
    """
    mixed = np.random.default_rng([seed, 12]).permutation(len(vectors))
    held, used = np.split(mixed, [max(1, min(HELD_MOST, int(HELD_OUT * len(mixed))))])

    def explained_by(ridge: _Ridge, directions: Floats64) -> float:
        truth = vectors[held] - ridge.mean
        left = rows[held] @ directions - ridge.middle @ directions - truth
        return 1 - float((left**2).sum() / max(float((truth**2).sum()), 1e-30))

    some = _Ridge.of(rows[used[:CHOOSING]], vectors[used[:CHOOSING]])
    solved = [(explained_by(some, some.solve(penalty)), penalty) for penalty in PENALTIES]
    ridge = some if len(used) <= CHOOSING else _Ridge.of(rows[used], vectors[used])
    directions = ridge.solve(max(solved)[1], last=True)
    explained = explained_by(ridge, directions)
    if explained < LEAST:
        return None
    # the directions in which documents differ: what is beyond them is noise to the neighbours
    told = rows[used] @ directions - ridge.middle @ directions
    _, _, turn = np.linalg.svd(told.T @ told)
    directions = directions @ turn[:DIMS].T
    blend = BLEND * math.sqrt(min(explained, 0.99) / (1 - min(explained, 0.99)))
    return SemanticMap(
        np.ascontiguousarray(directions, np.float32),
        (ridge.middle @ directions).astype(np.float32),
        explained,
        len(used),
        float(np.clip(blend, 0.5, _LONGEST)),
    )


def texts_of(corpus: CorpusLike, rows: Ints, longest: int = CHARACTERS) -> list[str] | None:
    """Return the beginnings of the texts of some rows, increasing; None if texts are not stored."""
    import polars as pl

    from saetext.corpus import Corpus

    beginning = pl.col("text").str.slice(0, longest)
    if isinstance(corpus, Corpus):  # a view reads its own rows only: not all texts fit into memory
        found = corpus.select(rows).documents.select(beginning).collect()["text"]
    else:
        found = corpus.documents.select(beginning).collect()["text"].gather(rows)
    return None if found.null_count() else found.to_list()


def embed_texts(texts: list[str], on_done: Count | None = None) -> Floats32:
    """Return float32[m, w]: MiniLM's sentence embeddings, of length 1.

    They are kept in the user's cache: the same sample is wanted again for another axis.
    """
    from saetext.reader.sentences import Embedder

    kept = _kept_at(texts)
    verdict, found = kept.checked(array_of((len(texts), embed.WIDTH), np.float32))
    if found is not None:
        return found
    if verdict.state == "damaged":
        warn(f"{verdict}: its texts are embedded again")
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if on_done is not None:
            on_done(done, len(texts))

    vectors = unit(Embedder.load().embed(texts, count))
    with contextlib.suppress(OSError):  # a cache that cannot be written is done without
        make_directory(kept.path.parent)
        kept.write(array_bytes(vectors))
    return vectors


def _kept_at(texts: list[str]) -> SealedFile:
    digest = hashlib.sha256(f"{_FORMAT} {embed.MODEL_SHA256}".encode())
    for text in texts:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    return SealedFile(cache_dir() / "meaning" / f"{digest.hexdigest()[:24]}.npy", digest.hexdigest())


@dataclass(frozen=True, eq=False)
class _Ridge:
    """Ridge regression of centred embeddings on centred rows, for any penalty.

    Solved for documents (``dual``) or for features, whichever are fewer: ``gram`` is of these.
    """

    rows: csr_matrix
    wanted: Floats64
    mean: Floats64
    middle: Floats64
    gram: Floats64
    dual: bool

    @classmethod
    def of(cls, rows: csr_matrix, vectors: Floats32) -> _Ridge:
        m, width = rows.shape
        wanted = vectors.astype(np.float64)
        mean, middle = wanted.mean(0), np.asarray(rows.mean(0), np.float64).ravel()
        dual = m <= width
        if dual:
            gram = _product(rows, rows.T.tocsc())
            along = rows @ middle
            gram -= along[:, None]
            gram -= along[None, :]
            gram += middle @ middle
        else:
            gram = _product(rows.T.tocsr(), rows.tocsc())
            gram -= m * np.outer(middle, middle)
        return cls(rows, wanted - mean, mean, middle, gram, dual)

    def solve(self, penalty: float, *, last: bool = False) -> Floats64:
        """Return float64[F, w]: what each feature adds; the ``last`` time the gram, a gigabyte, is lost."""
        from scipy.linalg import solve

        gram = self.gram if last else self.gram.copy()
        gram[np.diag_indices(len(gram))] += penalty
        if self.dual:
            each = solve(gram, self.wanted, assume_a="pos", overwrite_a=True)
            return np.asarray(self.rows.T @ each - np.outer(self.middle, each.sum(0)))
        return np.asarray(solve(gram, self.rows.T @ self.wanted, assume_a="pos", overwrite_a=True))


def _product(left: csr_matrix, right: csc_matrix) -> Floats64:
    """Return left times right, dense; a sparse product of all rows at once would take several times that."""
    found = np.empty((left.shape[0], right.shape[1]))
    for start in range(0, len(found), _BLOCK):
        found[start : start + _BLOCK] = (left[start : start + _BLOCK] @ right).toarray()
    return found
