"""Damage to every byte of a small corpus and of all that is derived from it, and what comes of each.

A helper for tests, and a script: ``python -m tests.every_byte`` flips a bit of every byte of every file,
zeroes every eighth byte, each sector and each file, cuts files at every eighth byte, deletes each, and
prints how often the damage was detected, mended or without effect (two minutes of CPU); ``--sample N``
tries N places of each file, as the suite does. Each case opens what the file belongs to, asks it
everything, and compares with the answers before the damage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from saetext.analysis.base import Source
from saetext.analysis.clusters.fitting import Fitted
from saetext.analysis.clusters.model import load_model, save_clusters
from saetext.analysis.clusters.representation import Basis
from saetext.analysis.clusters.result import ClusterResult
from saetext.analysis.clusters.semantic_map import embed_texts
from saetext.analysis.search import build_index
from saetext.analysis.search.indexing import scales_of
from saetext.analysis.search.kept import Kept
from saetext.analysis.search.resources import Resources
from saetext.analysis.search.stored import Entries
from saetext.analysis.verification import verdicts
from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus import files as corpus_files
from saetext.corpus.calibration import Calibration
from saetext.corpus.manifest import Manifest
from saetext.errors import LabelError, SaetextError, SaetextWarning
from saetext.features.known_labels import labels_for
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io import derived
from saetext.reader import sentences as embed
from tests.corpus_factory import make_calibration, make_shards, make_spec

D_SAE = 6
WIDTH = 4  # of the sentence model's stand-in
SAID = 300  # characters of an error's line
NAME = "x.corpus"


class WordVectors:
    """Stands in for the sentence model."""

    @classmethod
    def load(cls, device: str = "auto") -> WordVectors:
        return cls()

    def embed(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> np.ndarray:
        found = np.ones((len(texts), WIDTH), np.float32)
        for row, text in enumerate(texts):
            for at, character in enumerate(text):
                found[row, at % WIDTH] += ord(character) % 17
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@contextlib.contextmanager
def small_world(home: Path) -> Iterator[None]:
    """Stand in for the sentence model, spare the disk, and keep the cache in ``home``."""
    with (
        mock.patch.object(embed, "WIDTH", WIDTH),
        mock.patch.object(embed, "Embedder", WordVectors),
        mock.patch.object(embed, "available", lambda: True),
        mock.patch.object(os, "fsync", lambda _: None),
        mock.patch.dict(os.environ, {"SAETEXT_CACHE": str(home / "cache")}),
    ):
        yield


# ---- what is damaged -----------------------------------------------------------------------------------


def make(home: Path) -> None:
    """Make a corpus with everything that is derived from one, in the least of bytes."""
    corpus = write_corpus(home / NAME)
    labels().write(corpus.path / "labels.parquet")
    build_index(corpus)
    save_clusters(clusters(corpus), corpus.spec, home / "x.clusters")
    LabelIndex(labels()).search("river", 2)
    embed_texts(["one", "two"])
    make_calibration(4).write(home / "cache" / "card.arrow", "this reader")


def write_corpus(path: Path) -> Corpus:
    """Write one shard of five documents, and a rejected one."""
    calibrations = {"main": make_calibration(D_SAE)}
    (shard,) = make_shards(3, [5], D_SAE, density=0.6)
    shard.rejects = [{"row": 5, "reason": "empty"}]
    spec = make_spec(calibrations)
    with CorpusWriter.open(path, plan={}, spec=spec, calibrations=calibrations, stores_text=True) as writer:
        shard.write(writer, 0)
        return writer.finish(extra={"made by": "tests"})


def labels() -> FeatureLabels:
    rows = [
        FeatureLabel(
            f, f"label {f}", "more", "topic", "words", None if f else 0.75, "embedding", f, 0.1, ("a", "b")
        )
        for f in range(D_SAE)
    ]
    return FeatureLabels.from_rows(rows, {"sae": "tests/main", "weights_sha256": "0" * 64})


def clusters(corpus: Corpus) -> ClusterResult:
    """Return clusters that nobody fitted: two of documents, and one document in none."""
    n = corpus.n_documents
    rng = np.random.default_rng(0)
    basis = Basis(
        np.arange(3), rng.random(3, np.float32), rng.random(3, np.float32), rng.random((3, 2), np.float32),
        "max", "sqrt", None,
    )  # fmt: skip
    fitted = Fitted(
        basis, np.arange(n), rng.random((n, 2), np.float32), rng.random((n, 2), np.float32),
        rng.random((n, 2), np.float32), np.array([0, 1, 1, 2, 2], np.int32), rng.random(n, np.float32),
        0.5, 2,
    )  # fmt: skip
    return ClusterResult(
        "cluster",
        pl.DataFrame({"cluster": [1, 2], "name": ["rivers", "plains"]}),
        {"sae": "main", "where": None, "sample": None},
        {"n_clusters": 2, "noise": 0.2},
        ("a note",),
        (Source(NAME, str(corpus.path), corpus.fingerprint),),
        documents=pl.DataFrame({"row": range(n), "cluster": fitted.cluster}),
        fitted=fitted,
    )


# ---- what is asked -------------------------------------------------------------------------------------


def of_corpus(home: Path) -> Any:
    corpus = Corpus.open(home / NAME)
    card = corpus.calibration()
    return [
        corpus.spec.to_dict(), corpus.n_tokens.tolist(), corpus.stores_text, corpus.manifest.counts,
        [{k: plain(v) for k, v in corpus.document(row).items()} for row in range(len(corpus))],
        [plain(corpus.csr(pooling)) for pooling in ("max", "mean", "total", "count")],
        card.table.to_pydict(), card.percentile, card.min_tokens, corpus.to_polars().to_dicts(),
        corpus.manifest.runs, corpus.manifest.extra, corpus.manifest.created,
    ]  # fmt: skip


def of_postings(home: Path) -> Any:
    return plain(Corpus.open(home / NAME).postings().whole())


def of_scales(home: Path) -> Any:
    corpus = Corpus.open(home / NAME)
    return plain(scales_of(corpus, "main", Entries(*corpus.postings().whole())))


def resources(home: Path) -> Resources:
    return Resources(Corpus.open(home / NAME), "main", labels(), lexical=True, reader=None, device="cpu")


def of_words(home: Path) -> Any:
    words = resources(home).words
    return [words.known("the river of café Zürich"), plain(words.scores(["river"]))]


def of_dense(home: Path) -> Any:
    return plain(resources(home).vectors("dense").search(np.ones(WIDTH, np.float32), 4))


def of_projected(home: Path) -> Any:
    index = resources(home).vectors("projected")
    return plain([index.vector(2), *index.search(index.vector(1), 4)])


def of_embeddings(home: Path) -> Any:
    corpus = Corpus.open(home / NAME)
    (entry,) = corpus.manifest.shards
    kept = Kept.of(corpus.path, entry.files, entry.rows)
    found = kept.read(tell_of_damage=True)
    # what is not kept is embedded again: the texts are the corpus's
    made = WordVectors().embed(corpus.to_polars()["text"].to_list()).astype(np.float16)
    return plain(made if found is None else found)


def of_labels(home: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SaetextWarning)
        try:
            found = labels_for(Corpus.open(home / NAME))
        except SaetextWarning as told:  # other labels are shown, and it is said
            raise LabelError(str(told)) from None
    return [found.table.to_pylist(), dict(found.about)]


def of_clusters(home: Path) -> Any:
    found = load_model(home / "x.clusters")
    fitted = {**vars(found.fitted), "basis": plain(vars(found.fitted.basis))}
    return [found.spec.to_dict(), found.sae, found.names, dict(found.params), plain(fitted)]


def of_label_index(home: Path) -> Any:
    return plain(LabelIndex(labels()).similarities(np.ones(WIDTH, np.float32)))


def of_texts(home: Path) -> Any:
    return plain(embed_texts(["one", "two"]))


def of_card(home: Path) -> Any:
    found = Calibration.read(home / "cache" / "card.arrow", "this reader")
    return [found.table.to_pydict(), found.percentile, found.min_tokens, dict(found.about)]


def plain(value: Any) -> Any:
    """Return arrays and matrices, in whatever holds them, as what can be compared."""
    if isinstance(value, np.ndarray | np.generic):
        return [str(value.dtype), value.tolist()]
    if hasattr(value, "indptr") and hasattr(value, "toarray"):
        return [plain(value.data), plain(value.indices), plain(value.indptr), value.shape]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return plain(vars(value)) if hasattr(value, "__dataclass_fields__") else value


# by the beginning of a file's path: what is asked of what it belongs to; the first that fits
ASKED: dict[str, tuple[Callable[[Path], Any], ...]] = {
    f"{NAME}/index/main/postings": (of_postings,),
    f"{NAME}/index/main/scales": (of_scales,),
    f"{NAME}/index/main/projected": (of_projected,),
    f"{NAME}/index/text/bm25": (of_words,),
    f"{NAME}/index/text/dense": (of_dense,),
    f"{NAME}/index/text/embeddings": (of_embeddings,),
    f"{NAME}/labels.": (of_labels,),
    f"{NAME}/manifest.json": (of_corpus, of_postings, of_words),
    f"{NAME}/rejects.jsonl": (of_corpus, lambda home: Corpus.open(home / NAME).verify()),
    f"{NAME}/": (of_corpus,),
    "x.clusters/": (of_clusters,),
    "cache/label-index": (of_label_index,),
    "cache/meaning": (of_texts,),
    "cache/card": (of_card,),
}


def asked_of(name: str) -> tuple[Callable[[Path], Any], ...]:
    return next(asked for start, asked in ASKED.items() if name.startswith(start))


# ---- what comes of it ----------------------------------------------------------------------------------


@dataclass
class Tally:
    """How often each came of damage, and the cases that should not have been."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, verdict: str, case: str, told: str = "") -> None:
        self.counts[verdict] += 1
        if verdict not in ("detected", "mended", "equal"):
            self.faults.append(f"{verdict}: {case}: {told}")


class Trial:
    """A corpus that is damaged, asked and put back, again and again."""

    def __init__(self, home: Path) -> None:
        self.home, self.tally = home, Tally()
        make(home)
        self.files = {
            path.relative_to(home).as_posix(): path.read_bytes()
            for path in sorted(home.rglob("*"))
            if path.is_file() and not path.name.endswith(".lock") and path.stat().st_size
        }
        self.right = {ask: repr(ask(home)) for name in self.files for ask in asked_of(name)}
        self.manifest = Manifest.read(home / NAME)

    def damage(self, name: str, content: bytes | None, case: str) -> None:
        """Put other bytes in a file's place (None: no file), ask, judge, and put back what was there."""
        path = self.home / name
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        # where it is another file that is damaged, the manifest is read once for all cases
        known = contextlib.nullcontext() if path.name == "manifest.json" else self._manifest_known()
        try:
            with known:
                for ask in asked_of(name):
                    self._judge(ask, path, f"{name} {case}")
        finally:
            self._restore(path)

    def _manifest_known(self) -> contextlib.AbstractContextManager[Any]:
        return mock.patch.object(Manifest, "read", lambda root: self.manifest)

    def _judge(self, ask: Callable[[Path], Any], path: Path, case: str) -> None:
        derived._seen.clear()  # as in a process that has not read it yet
        corpus_files._intact.clear()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                answer = repr(ask(self.home))
            except SaetextError as error:
                return self._judge_line("detected", str(error), path, case)
            except Exception:  # whatever it is, it is no SaetextError: a fault, and told as one
                return self.tally.add("traceback", case, traceback.format_exc()[-1500:])
        lines = [str(w.message) for w in told if issubclass(w.category, SaetextWarning)]
        if answer != self.right[ask]:
            return self.tally.add("wrong", case, "; ".join(lines))
        if lines:
            return self._judge_line("mended", lines[0], path, case)
        return self.tally.add("equal", case)

    def _judge_line(self, verdict: str, line: str, path: Path, case: str) -> None:
        """Judge what was said: one short line with the file's name, or its directory's, and never "stale"."""
        names = (path.name, path.parent.name, path.stem)
        named = any(name in line for name in names if name != "cache")
        short = "\n" not in line and len(line) < SAID + len(str(self.home)) * 2
        good = named and short and "stale" not in line and "has changed since" not in line
        self.tally.add(verdict if good else "badly said", case, line)

    def _restore(self, path: Path) -> None:
        folder = path.parent.relative_to(self.home).as_posix()
        path.parent.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            if name.rpartition("/")[0] == folder:
                there = self.home / name
                if not there.is_file() or there.read_bytes() != content:
                    there.unlink(missing_ok=True)
                    there.write_bytes(content)

    def places(self, name: str, sample: int | None, draw: random.Random) -> Iterator[int]:
        """Yield places of a file: all, or its beginning and end and some drawn at random."""
        n = len(self.files[name])
        if sample is None or n <= sample:
            yield from range(n)
            return
        edge = sample // 3
        drawn = draw.sample(range(edge, n - edge), sample - 2 * edge) if n > sample else []
        yield from sorted({*range(edge), *range(n - edge, n), *drawn})

    def run(self, sample: int | None = None, seed: int = 0) -> Tally:
        """Try flips, zeros and cuts at these places of every file, and every file deleted."""
        draw, every = random.Random(seed), 8 if sample is None else 4
        for name, content in self.files.items():
            for at in self.places(name, sample, draw):
                bit = 1 << draw.randrange(8)
                flipped = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
                self.damage(name, flipped, f"byte {at} flipped by {bit}")
                if content[at] and at % every == 1:
                    self.damage(name, content[:at] + b"\0" + content[at + 1 :], f"byte {at} zeroed")
                if at % every == 0:
                    self.damage(name, content[:at], f"cut at {at}")
            self.damage(name, bytes(len(content)), "zeroed")
            for at in range(0, len(content), 512):
                sector = content[:at] + bytes(len(content[at : at + 512])) + content[at + 512 :]
                self.damage(name, sector, f"sector at {at} zeroed")
            self.damage(name, None, "deleted")
        return self.tally

    def verdicts_of_damage(self) -> dict[str, list[tuple[str, str]]]:
        """Return, for a byte changed in the middle of each file, what --verify finds not to be intact."""
        found = {}
        for name, content in self.files.items():
            # in the middle of a table of labels are figures of Parquet's that nobody reads
            at = 40 if name.endswith("labels.parquet") else len(content) // 2
            path = self.home / name
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            try:
                bad = [v for v in verdicts(Corpus.open(self.home / NAME)) if v.state != "intact"]
                found[name] = [(v.path.relative_to(self.home).as_posix(), v.state) for v in bad]
            except SaetextError as error:
                found[name] = [(name if Path(name).name in str(error) else "?", "damaged")]
            finally:
                self._restore(path)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="files whose path has this in it")
    asked = parser.parse_args()
    memory = Path("/dev/shm")  # where there is one
    home = Path(tempfile.mkdtemp(prefix="every-byte-", dir=memory if memory.is_dir() else None))
    try:
        with small_world(home):
            began = time.process_time()
            trial = Trial(home)
            trial.files = {name: content for name, content in trial.files.items() if asked.only in name}
            tally = trial.run(asked.sample, asked.seed)
    finally:
        shutil.rmtree(home)
    print("\n".join(tally.faults[:20]))
    total = sum(len(content) for content in trial.files.values())
    print(json.dumps({"files": len(trial.files), "bytes": total, **tally.counts}))
    print(f"{time.process_time() - began:.0f} s of CPU")
    raise SystemExit(bool(tally.faults))


if __name__ == "__main__":
    main()
