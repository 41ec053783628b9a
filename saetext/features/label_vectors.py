"""Label vectors that come with the package, so that the first search embeds no 4,096 labels.

A reader's ``label_vectors.npy`` holds one vector per label in float16 and is sealed with what it was made
from: the labels' texts and the sentence model. Any change of either makes it stale, and the labels are
embedded as those of anybody else are. Not for: the cache of indexes (:mod:`saetext.features.label_index`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saetext.io.sealed_file import SealedFile, array_bytes, array_of
from saetext.reader import sentences as embed
from saetext.reader.shipped import READERS

NAME = "label_vectors.npy"


def shipped_vectors(n_labels: int, made_from: str) -> NDArray[np.float32] | None:
    """Return the vectors that came with the package for these labels, None if there are none.

    Parameters
    ----------
    n_labels : int
    made_from : str
        What :class:`~saetext.features.label_index.LabelIndex` seals its index with.

    Returns
    -------
    float32[n_labels, 384] or None
        Of length 1; cosines are within 0.0001 of those of labels embedded anew.
    """
    for reader in READERS:
        kept = SealedFile(reader.home / NAME, made_from)
        _, found = kept.checked(array_of((n_labels, embed.WIDTH), np.float16))
        if found is not None:
            vectors = found.astype(np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return None


def write_vectors(kept: SealedFile, vectors: NDArray[np.float32]) -> None:
    """Write vectors as they come with the package."""
    kept.write(array_bytes(vectors.astype(np.float16)))
