"""Embed the labels of the embedded reader, and the themes of all readers, as they come with the package.

    python benchmarks/label_vectors.py            write saetext/reader/embedded/label_vectors.npy and themes'
    python benchmarks/label_vectors.py --check    embed all anew and compare, without writing
    python benchmarks/label_vectors.py --themes   themes alone, a few seconds

About a minute of one core. To be run after every change of labels or themes: a test says so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.features.label_index import LabelIndex
from saetext.features.label_vectors import (
    NAME,
    THEMES,
    shipped_theme_vectors,
    shipped_vectors,
    themes_made_from,
    write_theme_vectors,
    write_vectors,
)
from saetext.features.labels import FeatureLabels
from saetext.features.theme_index import told
from saetext.features.themes import Themes
from saetext.io.sealed_file import SealedFile
from saetext.reader.sentences import Embedder
from saetext.reader.shipped import EMBEDDED, READERS, Shipped

Floats32 = NDArray[np.float32]

#: What rounding to float16 may change of a coordinate.
ROUNDING = 2e-4
#: What another machine may change of one.
LAST_BITS = 1e-5


def main() -> None:
    """Write the vectors, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--themes", action="store_true", help="leave the labels out")
    asked = parser.parse_args()
    embedder = Embedder.load("cpu")
    for reader in READERS:
        _themes(reader, embedder, asked.check)
    if not asked.themes:
        _labels(embedder, asked.check)


def _themes(reader: Shipped, embedder: Embedder, check: bool) -> None:
    texts = told(Themes.load(reader.name))
    vectors = embedder.embed(texts)
    if not check:
        write_theme_vectors(SealedFile(reader.home / THEMES, themes_made_from(texts)), vectors)
    _compare(reader.home / THEMES, shipped_theme_vectors(texts), vectors, LAST_BITS)


def _labels(embedder: Embedder, check: bool) -> None:
    index = LabelIndex(FeatureLabels.read(EMBEDDED.labels_path))
    vectors = embedder.embed(index.texts)
    if not check:
        write_vectors(SealedFile(EMBEDDED.home / NAME, index.made_from), vectors)
    _compare(EMBEDDED.home / NAME, shipped_vectors(len(index.texts), index.made_from), vectors, ROUNDING)


def _compare(path: Path, found: Floats32 | None, vectors: Floats32, most: float) -> None:
    if found is None:
        sys.exit(f"{path} is missing, damaged or of other texts: run this without --check")
    off = float(np.abs(found - vectors).max())
    print(f"{path.parent.name}: {len(found):,} vectors; the largest difference of a coordinate is {off:.1e}")
    if off > most:
        sys.exit(f"more than {most:.0e}: they are not those of these texts")


if __name__ == "__main__":
    main()
