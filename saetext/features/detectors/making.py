"""Make a detector of two corpora: texts with a property, and texts without. Not for: the fit itself."""

from __future__ import annotations

import itertools

import numpy as np

from saetext.corpus.protocol import CorpusLike
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import require_comparable
from saetext.errors import InputError
from saetext.features.detectors.detector import Detector
from saetext.features.detectors.fitting import fit


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
    require_comparable(like.spec, unlike.spec, sae, names=(str(like.path), str(unlike.path)))
    spec = like.spec.sae(sae)
    parts = [PooledRows.concatenate(list(corpus.rows(spec.name))) for corpus in (like, unlike)]
    rows = PooledRows.concatenate(parts)
    target = np.arange(len(rows)) < len(parts[0])
    copies = _keys(parts[0]) & _keys(parts[1])
    if copies:
        raise InputError(f"{len(copies):,} texts are both like and unlike (they have the same features)")
    rng = np.random.default_rng(seed)
    held = np.zeros(len(target), bool)
    for side in (True, False):  # as many of each as the share says
        mine = rng.permutation(np.flatnonzero(target == side))
        held[mine[: -(-len(mine) // 4)]] = True
    made_from = {"like": like.fingerprint, "unlike": unlike.fingerprint, "seed": seed}
    return fit(rows, target, held, spec, name=name, title=title, made_from=made_from)


def _keys(rows: PooledRows) -> set[bytes]:
    feature, value = rows.feature, rows.value
    return {
        feature[a:b].tobytes() + value[a:b].tobytes() for a, b in itertools.pairwise(rows.indptr) if b > a
    }
