"""Sentence embeddings made by workers: real processes, really killed, with the bytes of a plain build."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest
from corpus_factory import make_corpus
from engine_kills import Letters, LettersJob

from saetext.analysis.search import build_index, dense, embedding
from saetext.analysis.search.embedding import EmbedJob, EmbedWorker, embed_on
from saetext.analysis.search.kept import embeddings_folder
from saetext.corpus import Corpus
from saetext.encoding.engines.driver import WorkerError
from saetext.encoding.engines.processes import ProcessEngine
from saetext.errors import CorpusError, InputError
from saetext.io.progress import Progress
from saetext.reader import sentences

pytestmark = pytest.mark.skipif(os.name != "posix", reason="platform: no SIGKILL")

SIZES = (5, 0, 7, 1, 6, 4)


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences.Embedder, "load", lambda *_: Letters())
    monkeypatch.setattr(sentences, "available", lambda: True)
    monkeypatch.setattr(embedding, "EmbedJob", LettersJob)


def of_sizes(path: Path) -> Corpus:
    return make_corpus(path, 3, SIZES)[0]


def index_bytes(corpus: Corpus) -> dict[str, bytes]:
    home = corpus.path / "index"
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def plain(tmp_path: Path) -> dict[str, bytes]:
    corpus = of_sizes(tmp_path / "plain.corpus")
    build_index(corpus)
    return index_bytes(corpus)


def text_of(corpus: Corpus, row: int) -> str:
    return str(corpus.documents.collect()["text"][row])


def test_workers_leave_the_bytes_of_a_plain_build_though_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = of_sizes(tmp_path / "by.corpus")
    killed = tmp_path / "killed"
    deadly = functools.partial(LettersJob, deadly=text_of(corpus, 8), once=killed)
    monkeypatch.setattr(embedding, "EmbedJob", deadly)
    told: list[Progress] = []
    done = build_index(corpus, engine=ProcessEngine(workers=2, cpus=1), on_progress=told.append)
    assert done["dense"] == "built" and killed.exists()
    assert index_bytes(corpus) == plain(tmp_path)
    stages = [progress.stage for progress in told]
    assert "starting 2 workers" in stages and "embedding documents" in stages
    at = [progress.done for progress in told if progress.stage == "embedding documents"]
    by_workers = at[: at.index(sum(SIZES)) + 1]
    assert by_workers == sorted(by_workers)


def test_a_shard_that_kills_workers_is_named_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = of_sizes(tmp_path / "by.corpus")
    monkeypatch.setattr(embedding, "EmbedJob", functools.partial(LettersJob, deadly=text_of(corpus, 12)))
    with pytest.raises(WorkerError, match=r"shard 3 \(rows 13 to 13\) has ended 3 workers.*SIGKILL"):
        build_index(corpus, engine=ProcessEngine(workers=1))
    kept = {path.name for path in embeddings_folder(corpus.path).glob("*.npy")}
    assert kept  # what has landed
    made: list[int] = []
    real = dense.embed_shard

    def counted(corpus: Corpus, place: dense.Place, *rest: Any) -> Any:
        made.append(place.shard)
        return real(corpus, place, *rest)

    monkeypatch.setattr(dense, "embed_shard", counted)
    build_index(corpus)  # this process does what is left
    assert 3 in made and len(made) + len(kept) == sum(size > 0 for size in SIZES)
    assert index_bytes(corpus) == plain(tmp_path)


def test_nothing_is_started_where_nothing_is_missing(tmp_path: Path) -> None:
    corpus = of_sizes(tmp_path / "by.corpus")
    dense.embed_shards(corpus, dense.Slice(0, 1))

    class Unwilling(ProcessEngine):
        def start(self, job: Any) -> Any:
            raise AssertionError

    embed_on(Unwilling(workers=1), corpus)
    assert build_index(corpus, engine=Unwilling(workers=1))["dense"] == "built"


def test_a_worker_that_sees_another_corpus_is_an_error(tmp_path: Path) -> None:
    corpus = of_sizes(tmp_path / "by.corpus")
    for home, fingerprint in ((tmp_path / "none", "f"), (corpus.path, "another")):
        with pytest.raises(CorpusError, match=r"does not see .* as the driver does"):
            EmbedWorker(EmbedJob(home, fingerprint, "cpu", 1))


def test_what_does_not_go_together_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, engine = of_sizes(tmp_path / "by.corpus"), ProcessEngine(workers=2)
    with pytest.raises(InputError, match="a slice is embedded by the process that is asked"):
        build_index(corpus, engine=engine, part="0/2")
    with pytest.raises(InputError, match="dense=False leaves that out"):
        build_index(corpus, engine=engine, dense=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(InputError, match="2 workers would share one GPU"):
        build_index(corpus, engine=engine)
    with pytest.raises(InputError, match="is to run on cpu"):
        build_index(corpus, engine=ProcessEngine(workers=1, gpus=1), device="cpu")


def test_the_sentence_model_itself_leaves_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    if not sentences.available():
        pytest.skip("package: the sentence model is not installed")
    import torch

    by = of_sizes(tmp_path / "by.corpus")
    build_index(by, engine=ProcessEngine(workers=1, cpus=1))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert index_bytes(by) == plain(tmp_path)
    finally:
        torch.set_num_threads(before)
