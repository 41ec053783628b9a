"""Commands whose every file operation fails or is followed by a power cut: what they start from and make.

A helper for tests, not a test. Each job works in a folder of its own; run again after a failure it must end
with the same bytes, times aside.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tiny_reader import contents, some_rows, tiny

import saetext
from saetext.corpus import Corpus
from saetext.corpus import files as corpus_files
from saetext.corpus.export import export
from saetext.documents import open_documents
from saetext.encoding.encoder import append, encode
from saetext.errors import SaetextError
from saetext.io import derived
from saetext.reader.reader import Reader
from saetext.reader.thresholds.policy import ready

_DONE = re.compile("is a finished corpus already|already finished|already exists|exists already")
_LEFT = re.compile(
    r"(^|/)\.(building-)?[^/]*\.tmp(/|$)"
)  # what a killed process may leave, known by its name
Files = dict[str, bytes]


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
    read : callable
        Reads in a folder, in whatever state it is, what the command makes or changes, and returns it; None
        where there is nothing (yet). Of a dictionary each value may be there or not. May raise a
        SaetextError.
    """

    name: str
    start: Callable[[Path], object]
    run: Callable[[Path], object]
    read: Callable[[Path], object]

    def files(self, folder: Path) -> Files:
        """Return every file's bytes, manifests without their times, without what has a temporary name."""
        return {name: data for name, data in contents(folder).items() if not _LEFT.search(name)}

    def afresh(self, bases: Path, folder: Path) -> Path:
        """Make a folder anew with what the job begins with, which is made once, in ``bases``, and copied."""
        base = bases / self.name
        if not base.exists():
            base.mkdir(parents=True)
            self.start(base)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base, folder)
        forget()
        return folder

    def attempt(self, folder: Path) -> str | None:
        """Run it; return what it says if it fails, which must be one short line of ours."""
        try:
            self.run(folder)
        except SaetextError as error:
            message = str(error)
            assert "\n" not in message and len(message.replace(str(folder), "")) < 300, message
            return message
        return None

    def finish(self, folder: Path, whole: Files) -> None:
        """Run it again, as whoever was told of a failure would, and see that its end is that of ``whole``."""
        if self.files(folder) != whole:
            said = self.attempt(folder)
            assert said is None or _DONE.search(said), said
        found = self.files(folder)
        different = [name for name in {**found, **whole} if found.get(name) != whole.get(name)]
        assert not different, different


def forget() -> None:
    """Let no file count as checked already: others come under the same names."""
    corpus_files._intact.clear()
    derived._seen.clear()


@functools.cache
def reader() -> Reader:
    """Return a tiny reader with thresholds of its own."""
    return ready(tiny().reader(), open_documents(some_rows(60, seed=9)))


def _opened(folder: Path) -> Corpus:
    return Corpus.open(folder / "c.corpus")


def _texts(folder: Path) -> list[str]:
    corpus = _opened(folder)
    corpus.verify()
    return [document.text for document in corpus]


def _base(folder: Path) -> None:
    encode(some_rows(6, seed=4), folder / "c.corpus", reader=reader(), shard_rows=5)


def _encode(folder: Path) -> None:
    encode(some_rows(9, empty_every=4), folder / "made" / "c.corpus", reader=reader(), shard_rows=5)


def _slices(folder: Path) -> None:
    """Both slices and the books, as a scheduler runs them: what is done already is not done again."""
    from saetext.corpus.finishing import finish_slices
    from saetext.encoding.slices import encode_slice

    home = folder / "made" / "c.corpus"
    if not (home / "manifest.json").exists():
        for part in ("0/2", "1/2"):
            encode_slice(some_rows(9, empty_every=4), home, part, reader=reader(), shard_rows=5)
    finish_slices(home)


def _two_corpora(folder: Path) -> None:
    _base(folder)
    encode([{"id": "other", "text": "fox"}, {"text": ""}], folder / "d.corpus", reader=reader(), text="text")


def _merge(folder: Path) -> None:
    from saetext.corpus.merging import merge

    merge([folder / "c.corpus", folder / "d.corpus"], folder / "made" / "c.corpus")


def _compact(folder: Path) -> None:
    from saetext.corpus.compacting import compact

    compact(folder / "c.corpus", folder / "made" / "c.corpus")


def _append(folder: Path) -> None:
    rows = some_rows(8, seed=3, empty_every=4)
    append(rows, folder / "c.corpus", reader=reader(), shard_rows=5, id="")


def _indexed_and_grown(folder: Path) -> None:
    """A corpus with an index of what it was before an append: the new one takes its place."""
    _base(folder)
    _index(folder)
    _append(folder)


def _index(folder: Path) -> None:
    saetext.build_index(_opened(folder), dense=False)


def _found(folder: Path) -> dict[str, object]:
    """What is looked up by way of the index; a question that needs a part that is not there has no answer."""
    corpus = _opened(folder)
    postings = corpus.postings(corpus.saes[0])
    found: dict[str, object] = {
        str(feature): [part.tolist() for part in postings.documents(feature)] for feature in range(64)
    }
    questions: dict[str, dict[str, object]] = {
        "features": {"features": {3: 1.5, 5: -1.0}},
        "projected": {"similar": "d3", "mode": "projected"},
    }
    for name, asked in questions.items():
        try:
            found[name] = saetext.search(corpus, top=3, **asked).table.to_dicts()
        except SaetextError:
            found[name] = None
    return found


def _label(folder: Path) -> None:
    made = saetext.label(_opened(folder), "words", features=[1, 2, 3, 5, 8, 13, 21])
    made.labels.write(folder / "labels.parquet")


def _content(name: str) -> Callable[[Path], bytes | None]:
    """Return what reads a file that is whole or absent."""
    return lambda folder: (folder / name).read_bytes() if (folder / name).exists() else None


def _contents(*names: str) -> Callable[[Path], dict[str, bytes | None]]:
    return lambda folder: {name: _content(name)(folder) for name in names}


def _cluster(folder: Path) -> None:
    from saetext.analysis.clusters.model import save_clusters

    save_clusters(_clustered(), _opened(folder).spec, folder / "out" / "k.clusters")


@functools.cache
def _clustered() -> saetext.ClusterResult:
    rows = some_rows(60, seed=4)
    corpus = encode(rows, reader=reader())
    return saetext.cluster(corpus, min_cluster_size=5, semantic=False)


def _model(folder: Path) -> object:
    from saetext.analysis.clusters.model import load_model

    path = folder / "out" / "k.clusters"
    return load_model(path).names if path.exists() else None


@functools.cache
def _sides() -> list[Corpus]:
    return [encode(some_rows(40, seed=seed), reader=reader()) for seed in (4, 5)]


@functools.cache
def _compared() -> saetext.DiffResult:
    return saetext.diff(*_sides(), families="features")


def _diff(folder: Path) -> None:
    """The files of a diff, as the command writes them: both or none."""
    from saetext_cli.analysing import write_report, write_table
    from saetext_cli.outputs import all_or_none

    page, table = folder / "d.html", folder / "d.parquet"
    with all_or_none(table, page):
        write_table(_compared(), table)
        write_report(_compared(), _sides(), None, page, "cpu", "float32", reads=False)


def _printed(folder: Path) -> None:
    """What a diff prints for programs, into files, as a shell puts it there."""
    from saetext_cli.analysing import print_data
    from saetext_cli.options import PageOutput

    for kind in ("json", "csv"):
        try:
            with (folder / f"d.{kind}").open("w") as file, contextlib.redirect_stdout(file):
                print_data(_compared(), PageOutput(as_json=kind == "json", as_csv=kind == "csv"))
        except OSError as error:  # of opening and closing, which is the shell's
            raise SaetextError(f"d.{kind}: {error.strerror}") from error


def _exporting(kind: str) -> Job:
    name = f"out.{kind}"

    def run(folder: Path) -> None:
        export(_opened(folder), folder / name, kind)  # type: ignore[arg-type]

    return Job(kind, _base, run, _content(name))


JOBS = {
    job.name: job
    for job in (
        Job("encode", lambda folder: None, _encode, lambda folder: _texts(folder / "made")),
        Job("slices", lambda folder: None, _slices, lambda folder: _texts(folder / "made")),
        Job("merge", _two_corpora, _merge, lambda folder: _texts(folder / "made")),
        Job("compact", _base, _compact, lambda folder: _texts(folder / "made")),
        Job("append", _base, _append, _texts),
        Job("index", _indexed_and_grown, _index, _found),
        Job("label", _base, _label, _content("labels.parquet")),
        Job("cluster", _base, _cluster, _model),
        Job("diff", lambda folder: None, _diff, _contents("d.html", "d.parquet")),
        Job("printed", lambda folder: None, _printed, _contents("d.json", "d.csv")),
        *map(_exporting, ("npz", "parquet", "arrow")),
    )
}
