"""Compile what the tests need compiled, before there are workers: ``python warm_up.py PART``.

A helper for tests, not a test. Kernels are compiled when they are first called with arrays of some types, and
kept in files. In a fresh checkout, each worker and each command that a test starts would compile the same at
the same time, for more than a minute. The parts take about as long as each other and run side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def comparisons(folder: Path) -> None:
    """Pairs and differences, of documents in files and in memory."""
    import numpy as np
    from cluster_factory import planted
    from corpus_factory import make_big_corpus

    from saetext import correlate, diff

    stored = make_big_corpus(folder / "a.corpus", 200, entries=8, d_sae=64, tokens=8)
    held = planted(200)
    for corpus, column in ((stored, "group"), (held, "topic")):
        correlate(corpus)
        correlate(corpus, column=column)
    correlate(held, column="n_tokens")
    correlate(held, group="topic")
    half = np.arange(100)
    diff(held.take(half), held.take(half + 100), null=1)
    diff(stored, by="group", null=1)


def others(folder: Path) -> None:
    """Reading, search, clusters."""
    from cluster_factory import planted
    from tiny_reader import some_rows, tiny

    from saetext import cluster, encode, search

    read = encode(some_rows(20), folder / "read.corpus", reader=tiny().reader())
    search(read, features={1: 1.0})
    cluster(planted(200), min_cluster_size=12, epochs=5)


FAILED = "SAETEXT_WARM_UP_FAILED"  # what workers are told
PARTS = {part.__name__: part for part in (comparisons, others)}


def run_all() -> None:
    """Run all parts side by side. One that fails stops nothing, prints why, and makes one test fail."""
    program = [sys.executable, "-W", "ignore", __file__]
    started = {part: subprocess.Popen([*program, part]) for part in PARTS}
    os.environ[FAILED] = " ".join(part for part, process in started.items() if process.wait())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        PARTS[sys.argv[1]](Path(name))
