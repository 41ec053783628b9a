"""What features mean together: a ridge regression from them to MiniLM's sentence embeddings.

Fitted on a sample of the very documents that are clustered and checked on documents it has not seen; it is
linear in the features, so that what brings two documents together stays a sum over named features. Not for:
clustering by the embeddings themselves, of which only a sample is computed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saetext import embed
from saetext.cache import cache_dir
from saetext.cluster.representation import Floats32, Meaning, unit
from saetext.corpus.files import write_atomic
from saetext.protocols import CorpusLike, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST = 6000  # documents that are embedded
TOKENS = 250_000  # of them together, about
FEWEST = 200  # documents below which nothing is fitted
CHARACTERS = 1200  # of a text that are embedded
HELD_OUT = 0.1
PENALTY = 1.0  # of the ridge, on rows of length 1
DIMS = 100  # of the meaning that are kept
LEAST = 0.05  # share explained below which the features do not tell the meaning
BLEND = 1.5
_LONGEST = 3.0
_FORMAT = 1


def choose(n_tokens: Ints, seed: int) -> Ints:
    """Return the documents to embed, increasing: at most 6,000 and about 250,000 tokens, drawn at random."""
    mixed = np.random.default_rng([seed, 11]).permutation(len(n_tokens))[:MOST]
    cost = np.cumsum(np.minimum(n_tokens[mixed], CHARACTERS // 4))
    return np.sort(mixed[: max(int(np.searchsorted(cost, TOKENS, side="right")), min(FEWEST, len(mixed)))])


def fit_meaning(rows: csr_matrix, vectors: Floats32, seed: int) -> Meaning | None:
    """Fit the map.

    Parameters
    ----------
    rows : csr_matrix, m x F
        Weighted features of the sample, rows of length 1.
    vectors : float32[m, w]
        Their sentence embeddings.
    seed : int
        Which tenth is held out to measure how much is told.

    Returns
    -------
    Meaning or None
        None if features tell less than 5 % of the variance of held-out embeddings. The longer its part of a
        vector, the more they tell: 1.5 times the root of explained to unexplained variance, 0.5 to 3.
    """
    mixed = np.random.default_rng([seed, 12]).permutation(len(vectors))
    held = mixed[: max(1, int(HELD_OUT * len(mixed)))]
    directions, offset, mean = _ridge(rows, vectors, np.setdiff1d(mixed, held))
    truth = vectors[held] - mean
    left = rows[held] @ directions - offset - truth
    explained = 1 - float((left**2).sum() / max(float((truth**2).sum()), 1e-30))
    if explained < LEAST:
        return None
    directions, offset, _ = _ridge(rows, vectors, np.arange(len(vectors)))
    told = rows @ directions - offset
    # the directions in which documents differ: what is beyond them is noise to the neighbours
    _, _, turn = np.linalg.svd(told.T @ told)
    turn = turn[:DIMS].T
    blend = BLEND * math.sqrt(min(explained, 0.99) / (1 - min(explained, 0.99)))
    return Meaning(
        np.ascontiguousarray(directions @ turn, np.float32),
        (offset @ turn).astype(np.float32),
        explained,
        len(vectors),
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


def embed_texts(texts: list[str], on_done: Callable[[int, int], None] | None = None) -> Floats32:
    """Return float32[m, w]: MiniLM's sentence embeddings, of length 1.

    They are kept in the user's cache: the same sample is wanted again for another axis.
    """
    from saetext.embed import Embedder

    path = _kept_at(texts)
    found = _read(path, len(texts))
    if found is not None:
        return found
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        if on_done is not None:
            on_done(done, len(texts))

    vectors = unit(Embedder.load().embed(texts, count))
    data = io.BytesIO()
    np.save(data, vectors)
    with contextlib.suppress(OSError):  # a cache that cannot be written is done without
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data.getvalue())
    return vectors


def _kept_at(texts: list[str]) -> Path:
    digest = hashlib.sha256(f"{_FORMAT} {embed.MODEL_SHA256}".encode())
    for text in texts:
        digest.update(text.encode("utf-8", "replace") + b"\0")
    return cache_dir() / "meaning" / f"{digest.hexdigest()[:24]}.npy"


def _read(path: Path, rows: int) -> Floats32 | None:
    """Return what is kept; None if it is missing, damaged or of another size."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.shape == (rows, embed.WIDTH) and found.dtype == np.float32
    return found if fits and np.isfinite(found).all() else None


def _ridge(rows: csr_matrix, vectors: Floats32, chosen: Ints) -> tuple[Floats32, Floats32, Floats32]:
    """Return directions float32[F, w], offset and mean of the embeddings; both sides are centred.

    Solved for documents or for features, whichever are fewer.
    """
    part, wanted = rows[chosen], vectors[chosen].astype(np.float64)
    mean, middle = wanted.mean(0), np.asarray(part.mean(0), np.float64).ravel()
    m, width = part.shape
    if m <= width:
        along = np.asarray(part @ middle).ravel()
        gram = (
            (part @ part.T).toarray().astype(np.float64) - along[:, None] - along[None, :] + middle @ middle
        )
        gram[np.diag_indices(m)] += PENALTY
        dual = np.linalg.solve(gram, wanted - mean)
        directions = part.T @ dual - np.outer(middle, dual.sum(0))
    else:
        gram = (part.T @ part).toarray().astype(np.float64) - m * np.outer(middle, middle)
        gram[np.diag_indices(width)] += PENALTY
        directions = np.linalg.solve(gram, part.T @ (wanted - mean))
    found = directions.astype(np.float32)
    return found, (middle @ directions).astype(np.float32), mean.astype(np.float32)
