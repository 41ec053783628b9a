"""Embed the labels of the embedded reader, as they come with the package.

    python benchmarks/label_vectors.py            write saetext/reader/embedded/label_vectors.npy
    python benchmarks/label_vectors.py --check    embed all labels anew and compare, without writing

About a minute of one core. To be run after every change of the labels: a test says so.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from saetext.features.label_index import LabelIndex
from saetext.features.label_vectors import NAME, shipped_vectors, write_vectors
from saetext.features.labels import FeatureLabels
from saetext.io.sealed_file import SealedFile
from saetext.reader.sentences import Embedder
from saetext.reader.shipped import EMBEDDED

#: What rounding to float16 may change of a coordinate.
ROUNDING = 2e-4


def main() -> None:
    """Write the vectors, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    index = LabelIndex(FeatureLabels.read(EMBEDDED.labels_path))
    vectors = Embedder.load("cpu").embed(index.texts)
    if not check:
        write_vectors(SealedFile(EMBEDDED.home / NAME, index.made_from), vectors)
    found = shipped_vectors(len(index.texts), index.made_from)
    if found is None:
        sys.exit(f"{EMBEDDED.home / NAME} is missing, damaged or of other labels: run this without --check")
    off = float(np.abs(found - vectors).max())
    print(f"{len(found):,} vectors; the largest difference of a coordinate is {off:.1e}")
    if off > ROUNDING:
        sys.exit(f"more than {ROUNDING:.0e}: they are not those of these labels")


if __name__ == "__main__":
    main()
