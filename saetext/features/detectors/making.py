"""Make a detector of two corpora: texts with a property, and texts without. Not for: the fit itself."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from saetext.corpus.protocol import CorpusLike
from saetext.corpus.spec import SaeSpec, require_comparable
from saetext.errors import InputError
from saetext.features.detectors.detector import Detector
from saetext.features.detectors.fitting import fit
from saetext.features.detectors.scoring import matrix_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def make(
    name: str, like: CorpusLike, unlike: CorpusLike, *, title: str, sae: str | None = None, seed: int = 0
) -> Detector:
    """Return a detector of what the texts of ``like`` have and those of ``unlike`` lack.

    One document in four is set aside for the calibration, the threshold and the AUC.

    Raises
    ------
    InputError
        If there are too few texts, the same text is on both sides, or nothing tells them apart.
    IncompatibleError
        If different readers made the corpora.
    """
    from scipy import sparse

    require_comparable(like.spec, unlike.spec, sae, names=(str(like.path), str(unlike.path)))
    spec = like.spec.sae(sae)
    parts = [_pooled(corpus, spec) for corpus in (like, unlike)]
    matrix = sparse.vstack(parts, "csr")
    target = np.arange(matrix.shape[0]) < parts[0].shape[0]
    copies = _keys(parts[0]) & _keys(parts[1])
    if copies:
        raise InputError(f"{len(copies):,} texts are both like and unlike (they have the same features)")
    rng = np.random.default_rng(seed)
    held = np.zeros(len(target), bool)
    for side in (True, False):  # as many of each as the share says
        rows = rng.permutation(np.flatnonzero(target == side))
        held[rows[: -(-len(rows) // 4)]] = True
    made_from = {"like": like.fingerprint, "unlike": unlike.fingerprint, "seed": seed}
    return fit(matrix, target, held, spec, name=name, title=title, made_from=made_from)


def _pooled(corpus: CorpusLike, spec: SaeSpec) -> csr_matrix:
    from scipy import sparse

    parts = [matrix_of(block, spec.d_sae) for block in corpus.rows(spec.name)]
    none = sparse.csr_matrix(np.zeros((0, spec.d_sae), np.float32))
    return sparse.vstack([none, *parts], "csr")


def _keys(matrix: csr_matrix) -> set[bytes]:
    indptr, indices, data = matrix.indptr, matrix.indices, matrix.data
    return {indices[a:b].tobytes() + data[a:b].tobytes() for a, b in itertools.pairwise(indptr) if b > a}
