"""Documents as short dense vectors: features weighted by rarity, a truncated SVD, and a semantic map.

The same :class:`Basis` serves the documents it was fitted on and new ones. Not for: which features count
(:mod:`saetext.analysis.clusters.axis`), fitting the semantic map
(:mod:`saetext.analysis.clusters.semantic_map`) or what is near what
(:mod:`saetext.analysis.clusters.neighbours`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.request import SCALINGS
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.io.progress import Count

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats32 = NDArray[np.float32]

_BLOCK = 20_000  # rows projected at a time


@dataclass(frozen=True, eq=False)
class SemanticMap:
    """A linear map from weighted features to what a sentence embedding would say.

    Attributes
    ----------
    directions : float32[F, d]
        What each feature adds.
    offset : float32[d]
        What is subtracted: the mean over the documents it was fitted on.
    explained : float
        Share of the variance of embeddings it tells, on documents it was not fitted on.
    documents : int
        How many it was fitted on.
    blend : float
        How long this part of a vector is, where the SVD's is 1.
    """

    directions: Floats32
    offset: Floats32
    explained: float
    documents: int
    blend: float


@dataclass(frozen=True, eq=False)
class Basis:
    """How a document becomes a vector.

    Attributes
    ----------
    features : int64[F]
        Features that count, increasing.
    weight : float32[F]
        What each one's scaled strength is multiplied with: a power of the inverse document frequency
        ln((1 + n) / (1 + df)), times the weight it has on the axis.
    scale : float32[F]
        What each one's strength is divided by first: its mean where it is present.
    components : float32[F, d] or None
        The SVD's right singular vectors; None where presence itself is compared (Jaccard).
    pooling, scaling : str
        How strengths are pooled (:meth:`saetext.corpus.Corpus.blocks`) and then scaled.
    semantic_map : SemanticMap or None
        The second part of the vectors.
    """

    features: Ints
    weight: Floats32
    scale: Floats32
    components: Floats32 | None
    pooling: str
    scaling: str
    semantic_map: SemanticMap | None = None

    def sparse(self, matrix: csr_matrix) -> csr_matrix:
        """Return float32[n, F]: weighted rows of length 1, empty for documents without any of the features.

        Where presence is compared, the entries are ones.
        """
        chosen = matrix[:, self.features].astype(np.float32)
        chosen.sort_indices()
        if self.components is None:
            chosen.data = np.ones_like(chosen.data)
            return chosen
        chosen.data = (_scaled(chosen, self.scale, self.scaling) * self.weight[chosen.indices]).astype(
            np.float32
        )
        chosen.data /= np.repeat(_lengths(chosen), np.diff(chosen.indptr))
        return chosen

    def project(self, matrix: csr_matrix) -> Floats32:
        """Return float32[n, d]: rows of length 1, all 0 for documents without any of the features."""
        if self.components is None:
            raise ValueError("presence is compared as it is")
        width = self.components.shape[1] + (
            0 if self.semantic_map is None else self.semantic_map.directions.shape[1]
        )
        found = np.zeros((matrix.shape[0], width), np.float32)
        for start in range(0, matrix.shape[0], _BLOCK):
            part = slice(start, min(start + _BLOCK, matrix.shape[0]))
            found[part] = self._dense(self.sparse(matrix[part]))
        return found

    def _dense(self, rows: csr_matrix) -> Floats32:
        assert self.components is not None
        first = unit(np.asarray(rows @ self.components, np.float32))
        if self.semantic_map is None:
            return first
        told = np.asarray(rows @ self.semantic_map.directions, np.float32)
        second = unit(told - self.semantic_map.offset)
        both = np.hstack([first, self.semantic_map.blend * second])
        both[np.diff(rows.indptr) == 0] = 0  # the offset alone says nothing
        return unit(both)


class Strengths(NamedTuple):
    """Documents x d_sae, and which rows are of different texts; None for all of them.

    Shares are counted by those: what a text that stands there hundreds of times is about is not what all
    documents have.
    """

    matrix: csr_matrix
    distinct: Ints | None


def fit_basis(
    matrix: csr_matrix | Strengths,
    *,
    axis: Floats32 | None = None,
    pooling: str = "max",
    scaling: str = "sqrt",
    idf_power: float = 0.5,
    dims: int = 100,
    min_documents: int = 5,
    max_share: float = 0.5,
    jaccard: bool = False,
    seed: int = 0,
) -> Basis:
    """Fit a basis, without a semantic map, to documents.

    Parameters
    ----------
    matrix : csr_matrix or Strengths
        Documents x d_sae, strengths pooled as ``pooling`` says.
    axis : float32[d_sae], optional
        Weight of each feature, 0 to leave it out; 1 for all by default.
    pooling, scaling : str
        ``scaling`` is one of sqrt, log (1 + x), raw, binary.
    idf_power : float
        Power of the inverse document frequency; 0 for none.
    dims : int
        Dimensions of the SVD, at most.
    min_documents : int
        Documents a feature must be present in (fewer where there are fewer than 50 documents).
    max_share : float
        Share of documents above which a feature says nothing.
    jaccard : bool
        Whether presence is compared as it is, without weights or SVD.
    seed : int
        For the SVD.

    Raises
    ------
    InputError
        If no feature is left.
    """
    from sklearn.utils.extmath import randomized_svd

    if scaling not in SCALINGS:
        raise InputError(f"unknown scaling {scaling!r}; choose one of {', '.join(SCALINGS)}")
    matrix, distinct = matrix if isinstance(matrix, Strengths) else (matrix, None)
    n, d_sae = matrix.shape
    present = np.bincount(matrix.indices, minlength=d_sae)
    weight = np.ones(d_sae, np.float32) if axis is None else axis.astype(np.float32)
    enough = (present >= min(min_documents, max(2, n // 10))) & (weight > 0)
    counted, of = present, n
    if distinct is not None:
        counted, of = np.bincount(matrix[distinct].indices, minlength=d_sae), len(distinct)
    kept = enough & (counted <= max_share * of)
    if not kept.any():
        raise InputError(_nothing_left(axis is not None, bool(enough.any()), min_documents, max_share))
    features = np.flatnonzero(kept)
    total = np.bincount(matrix.indices, matrix.data, minlength=d_sae)[features]
    rarity = np.log((1 + of) / (1 + counted[features])) ** idf_power
    basis = Basis(
        features,
        (weight[features] * rarity).astype(np.float32),
        (total / present[features]).astype(np.float32),
        None,
        pooling,
        scaling,
    )
    if jaccard:
        return basis
    # any array of the right length makes sparse() weigh; the components come from what it returns
    weighing = dataclasses.replace(basis, components=np.zeros((len(features), 1), np.float32))
    rows = weighing.sparse(matrix)
    most = min(dims, *rows.shape)  # all of few features: of two, one dimension would only tell which
    _, _, right = randomized_svd(rows, most, n_iter=4, random_state=seed)
    return dataclasses.replace(basis, components=np.ascontiguousarray(right.T, np.float32))


def unit(rows: Floats32) -> Floats32:
    """Scale rows to length 1 in place; zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 1e-12)
    return rows


def rows_of(corpus: CorpusLike, pooling: str, sae: str) -> Iterator[tuple[int, csr_matrix]]:
    """Yield (first row, documents x d_sae) of a corpus, at most 20,000 rows at a time."""
    for positions, block in corpus.blocks(pooling, sae):
        for start in range(0, len(positions), _BLOCK):
            yield int(positions[start]), block[start : start + _BLOCK]


def gather_rows(
    corpus: CorpusLike, pooling: str, sae: str, rows: Ints, on_done: Count | None = None
) -> csr_matrix:
    """Return the matrix of some rows, increasing."""
    from scipy import sparse

    parts = []
    for first, block in rows_of(corpus, pooling, sae):
        low, high = np.searchsorted(rows, (first, first + block.shape[0]))
        if high > low:
            whole = high - low == block.shape[0]
            parts.append(block if whole else block[rows[low:high] - first])
        if on_done is not None:
            on_done(first + block.shape[0], corpus.n_documents)
    if len(parts) == 1:
        return parts[0]
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))


def _scaled(rows: csr_matrix, scale: Floats32, scaling: str) -> Floats32:
    data: Floats32 = (rows.data / np.maximum(scale, 1e-30)[rows.indices]).astype(np.float32)
    if scaling == "binary":
        return np.ones_like(data)
    if scaling == "log":
        return np.log1p(data)
    return np.sqrt(data) if scaling == "sqrt" else data


def _lengths(matrix: csr_matrix) -> Floats32:
    owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    lengths = np.sqrt(np.bincount(owner, matrix.data.astype(np.float64) ** 2, minlength=matrix.shape[0]))
    lengths[lengths == 0] = 1
    return lengths.astype(np.float32)


def _nothing_left(axis: bool, enough: bool, min_documents: int, max_share: float) -> str:
    if axis and not enough:
        return (
            "none of the features on this axis is present in enough documents: name other words with "
            "--include, or more of them"
        )
    return (
        f"no feature is present in {min_documents} or more documents and at most {max_share:.0%} of them, so "
        "nothing tells the documents apart: are they all the same? (--max-share raises the limit)"
    )
