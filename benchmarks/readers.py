"""Readers by name for the benchmarks, and what they make of texts as a matrix.

A name is one of the package's readers, ``RELEASE/SAE_ID`` or a directory with an SAE. Not for: what is
measured on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress
from scipy.sparse import csr_matrix

from saetext.documents import Document
from saetext.reader.reader import Reader

CHUNK = 256  # documents read between two steps of the bar


def shown(name: str) -> str:
    """Return the name of a reader as results have it: of a directory its last two parts."""
    path = Path(name)
    return "/".join(path.resolve().parts[-2:]) if path.is_dir() else name


@dataclass(frozen=True)
class Activations:
    """What a reader with one SAE finds in texts.

    Attributes
    ----------
    values : csr_matrix float32[texts, features]
        log(1 + the largest activation), of all above zero.
    thresholds : float32[features]
        The reader's own, in activations.
    tokens : int
        Counted tokens.
    """

    values: csr_matrix
    thresholds: np.ndarray
    tokens: int

    @property
    def present(self) -> csr_matrix:
        """Only the activations above the reader's thresholds."""
        kept = self.values.copy()
        kept.data[kept.data <= np.log1p(self.thresholds)[kept.indices]] = 0
        kept.eliminate_zeros()
        return kept


def activations(reader: Reader, documents: Sequence[Document]) -> Activations:
    """Read documents; one that cannot be read has no features.

    Raises
    ------
    SystemExit
        If the reader has several SAEs or no thresholds.
    """
    if len(reader.saes) != 1 or not reader.calibrated:
        raise SystemExit(f"{reader.name!r} needs one SAE with thresholds: run 'saetext calibrate' first")
    ((name, calibration),) = reader.calibrations.items()
    bare = reader.with_calibrations({name: calibration.without_thresholds()})
    ends, feature, value, tokens = [np.zeros(1, np.int64)], [], [], 0
    with Progress(transient=True) as bar:
        for start in bar.track(range(0, len(documents), CHUNK), description=f"reading with {name}"):
            chunk = documents[start : start + CHUNK]
            reading = bare.read(chunk)
            rows = reading.rows[name]
            readable = [hasattr(p, "n_tokens") for p in reading.prepared]
            sizes = np.zeros(len(chunk), np.int64)
            sizes[np.flatnonzero(readable)] = np.diff(rows.indptr)
            ends.append(np.cumsum(sizes) + ends[-1][-1])
            feature.append(np.array(rows.feature))
            value.append(np.log1p(np.array(rows.value)))
            tokens += sum(p.n_tokens for p in reading.readable)
    shape = (len(documents), len(calibration))
    values = csr_matrix((np.concatenate(value), np.concatenate(feature), np.concatenate(ends)), shape=shape)
    return Activations(values, np.asarray(calibration.thresholds), tokens)


def documents_of(texts: Sequence[str]) -> list[Document]:
    """Return plain texts as documents."""
    return [Document(str(i), text, None, None, {}, i, "") for i, text in enumerate(texts)]
