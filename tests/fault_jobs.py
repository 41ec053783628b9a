"""Commands whose every file operation is made to fail or followed by a power cut: what they start from and make.

A helper for tests, not a test. Each job works in a folder of its own; run again after a failure it must end
with the same bytes, times aside.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tiny_reader import contents, some_rows, tiny

import saetext
from saetext.corpus import Corpus
from saetext.corpus.export import export
from saetext.documents import open_documents
from saetext.encoding.encoder import append, encode
from saetext.errors import SaetextError
from saetext.features.labels import FeatureLabels
from saetext.reader.reader import Reader
from saetext.reader.thresholds.policy import ready


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes
    ----------
    name : str
        What it is called.
    start : callable
        Fills a folder with what the command begins with.
    run : callable
        The command, in that folder.
    done : callable
        Whether a folder holds the whole result, so that the command would refuse to run again.
    """

    name: str
    start: Callable[[Path], object]
    run: Callable[[Path], object]
    done: Callable[[Path], bool] = lambda folder: False

    def files(self, folder: Path) -> dict[str, bytes]:
        """Return what is in a folder: every file's bytes, manifests without their times."""
        return contents(folder)


@functools.cache
def reader() -> Reader:
    """Return a tiny reader with thresholds of its own."""
    return ready(tiny().reader(), open_documents(some_rows(60, seed=9)))


def opened(folder: Path) -> Corpus:
    """Return the corpus in a folder."""
    return Corpus.open(folder / "c.corpus")


def finished(folder: Path) -> bool:
    """Return whether there is a finished corpus in a folder."""
    return (folder / "c.corpus" / "manifest.json").exists()


def _grown(folder: Path) -> bool:
    return opened(folder).n_documents > _BASE


_BASE = 6


def _encode(folder: Path) -> None:
    encode(some_rows(9, empty_every=4), folder / "made" / "c.corpus", reader=reader(), shard_rows=5)


def _base(folder: Path) -> None:
    encode(some_rows(_BASE, seed=4), folder / "c.corpus", reader=reader(), shard_rows=5)


def _append(folder: Path) -> None:
    append(
        some_rows(8, seed=3, empty_every=4), folder / "c.corpus", reader=reader(), shard_rows=5, id=""
    )


def _stale(folder: Path) -> None:
    """A corpus with an index of what it was before an append: the new one takes its place."""
    _base(folder)
    saetext.build_index(opened(folder), dense=False)
    _append(folder)


def _index(folder: Path) -> None:
    saetext.build_index(opened(folder), dense=False)


def _label(folder: Path) -> None:
    made = saetext.label(opened(folder), "words", features=[1, 2, 3, 5, 8, 13, 21])
    made.labels.write(folder / "labels.parquet")


def _exported(kind: str) -> Callable[[Path], None]:
    return lambda folder: export(opened(folder), folder / f"out.{kind}", kind)  # type: ignore[arg-type]


def _cluster(folder: Path) -> None:
    from saetext.analysis.clusters.model import save_clusters

    corpus = opened(folder)
    save_clusters(saetext.cluster(corpus, min_cluster_size=5), corpus.spec, folder / "out" / "k.clusters")


JOBS = {
    job.name: job
    for job in (
        Job("encode", lambda folder: None, _encode, lambda folder: finished(folder / "made")),
        Job("append", _base, _append, _grown),
        Job("index", _stale, _index),
        Job("label", _base, _label),
        Job("npz", _base, _exported("npz")),
        Job("parquet", _base, _exported("parquet")),
        Job("arrow", _base, _exported("arrow")),
    )
}


def attempt(job: Job, folder: Path) -> str | None:
    """Run a job; return what it says if it fails, which must be one short line of ours."""
    try:
        job.run(folder)
    except SaetextError as error:
        message = str(error)
        assert "\n" not in message and len(message) < 300 + len(str(folder)), message
        return message
    return None


def afresh(job: Job, bases: Path, folder: Path) -> Path:
    """Put what a job begins with into an empty folder; it is made once and copied."""
    base = bases / job.name
    if not base.exists():
        base.mkdir(parents=True)
        job.start(base)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    return folder


def labels_of(folder: Path) -> list[object]:
    """Return the rows of a folder's label file."""
    return list(FeatureLabels.read(folder / "labels.parquet"))
