"""Encoding into an object store: the bytes of one run, whatever fails; a second run completes."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from object_store import SECRET, Shelf, serving
from test_cli import place, saetext
from tiny_reader import OTHER_SAE, contents, ready_reader, some_rows, tiny, write_jsonl

import saetext.io.store as stores
from saetext.corpus import Corpus
from saetext.corpus.finishing import finish_slices, status
from saetext.corpus.landed import Slice
from saetext.corpus.manifest import JOURNAL, NAME, PLAN
from saetext.corpus.outbox import Outbox
from saetext.corpus.transfer import pull, push
from saetext.encoding.encoder import encode
from saetext.encoding.engines.processes import ProcessEngine
from saetext.encoding.slices import encode_slice, prepare_slices
from saetext.errors import CorpusError, InputError, SaetextError
from saetext.io.sealed import sealed
from saetext.reader.reader import Reader

__all__ = ["place"]

URL = "s3://shelf/runs/a.corpus"
AT = "runs/a.corpus/"


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give cache and temporary directory of a test's own; no outbox is left in the latter."""
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    tiny()  # outlives the test
    here = tmp_path / "temporary"
    here.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    return here


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, own_places: Path) -> Iterator[Shelf]:
    monkeypatch.setattr(stores, "WAITS", ())
    monkeypatch.setattr(stores, "_TRIES_OF_SDK", 1)
    with serving(monkeypatch) as found:
        yield found
    assert list(own_places.glob("saetext-outbox-*")) == []


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "in put é.jsonl", some_rows(23, empty_every=7))


@pytest.fixture
def whole(tmp_path: Path, file: Path, reader: Reader) -> Corpus:
    return encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=4)


def same(made: str, whole: Corpus, tmp_path: Path) -> bool:
    """Return whether a corpus there has the bytes of one that was made here."""
    pulled = pull(made, tmp_path / f"pulled{random.random()}.corpus")
    assert isinstance(pulled, Corpus)
    pulled.verify()
    wanted = {name: data for name, data in contents(whole.path).items() if name not in (JOURNAL, PLAN)}
    return pulled.fingerprint == whole.fingerprint and contents(pulled.path) == wanted


def test_one_run_into_a_store_has_the_bytes_of_one_here(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus
) -> None:
    made = encode(file, URL, reader=reader, shard_rows=4)
    assert made.fingerprint == whole.fingerprint
    assert made.csr("max", OTHER_SAE).nnz == whole.csr("max", OTHER_SAE).nnz
    puts = [key.removeprefix(AT) for method, key in shelf.asked if method == "PUT" and not key.endswith("/")]
    assert puts[-1] == NAME and puts.index(PLAN) < puts.index("docs/part-00000.arrow")
    first = [puts.index(f"landed/part-{n:05d}.json") for n in range(6)]
    assert all(puts.index(f"docs/part-{n:05d}.arrow") < first[n] for n in range(6))
    assert not [key for key in shelf.objects if "landed/" in key.rstrip("/")]
    assert same(URL, whole, tmp_path)
    assert push(whole.path, URL) == URL  # it is the same corpus
    with pytest.raises(CorpusError, match=r"s3://shelf/runs/a.corpus already exists and is finished"):
        encode(file, URL, reader=reader, shard_rows=4)
    assert finish_slices(URL).fingerprint == whole.fingerprint and status(URL).finished


def test_an_endpoint_may_stand_in_the_url(
    shelf: Shelf, file: Path, reader: Reader, whole: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path, which commands make of what is typed, keeps one slash of the two in http://."""
    url = f"{URL}?endpoint_override={os.environ['AWS_ENDPOINT_URL']}"
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    made = encode(file, Path(url), reader=reader, shard_rows=4)
    assert made.fingerprint == whole.fingerprint and f"{AT}{NAME}" in shelf.objects
    assert Corpus.open(url).fingerprint == Corpus.open(Path(url)).fingerprint == whole.fingerprint


@pytest.mark.parametrize("of", [1, 3])
def test_slices_that_share_nothing_but_a_store(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus, of: int
) -> None:
    prepare_slices(file, URL, reader=reader, shard_rows=4)
    assert status(URL).landed == ()
    parts = random.Random(of).sample(range(of), of)
    for n, index in enumerate(parts):
        told = encode_slice(file, URL, Slice(index, of), reader=reader, shard_rows=4)
        assert told.whole == (n == of - 1)
        if not told.whole:
            with pytest.raises(CorpusError, match="of 6 shards not there yet, in --slice"):
                finish_slices(URL)
    assert finish_slices(URL).fingerprint == whole.fingerprint
    assert same(URL, whole, tmp_path)


def test_workers_land_there_too(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus
) -> None:
    encode_slice(file, URL, "1/3", reader=reader, shard_rows=4)
    before = [key for key in shelf.objects if "/docs/" in key]
    made = encode(file, URL, reader=reader, shard_rows=4, engine=ProcessEngine(1))
    assert made.fingerprint == whole.fingerprint
    puts = [key for method, key in shelf.asked if method == "PUT"]
    assert len(before) == 2 and all(puts.count(key) == 1 for key in before)  # none was made again
    assert same(URL, whole, tmp_path)


@pytest.mark.parametrize("kind", ["500", "half", "lost", "unheard", "flipped"])
def test_whatever_fails_the_same_call_goes_on(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus, kind: str
) -> None:
    encode(file, URL, reader=reader, shard_rows=4)
    requests = len(shelf.asked)
    failed = 0
    step = requests // 9
    for at in range(len(kind), requests, step):
        shelf.objects.clear()
        shelf.asked.clear()
        shelf.fault = lambda method, key, number, at=at: kind if number >= at else ""
        try:
            encode(file, URL, reader=reader, shard_rows=4)
        except SaetextError as error:
            failed += 1
            assert "\n" not in str(error) and SECRET not in str(error) and "saetext-outbox" not in str(error)
        shelf.fault = lambda method, key, number: ""
        if f"{AT}{NAME}" not in shelf.objects or kind == "half":
            try:
                encode(file, URL, reader=reader, shard_rows=4)
            except CorpusError as error:  # the manifest had been put, and nobody was told
                assert "finished" in str(error)
        assert same(URL, whole, tmp_path), at
    assert (failed > 6) == (kind != "unheard")  # what is read back has arrived, whoever was told


def test_what_a_stranger_put_there_is_refused(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus
) -> None:
    encode_slice(file, URL, "0/2", reader=reader, shard_rows=4)
    good = dict(shelf.objects)
    key = f"{AT}landed/part-00002.json"
    entry = json.loads(good[key])
    entry["entry"]["files"] = {"../../x": {"bytes": 1, "xxh3_128": "0" * 32}}
    record = {name: entry[name] for name in ("entry", "rejected", "slice", "of")}
    shelf.objects[key] = json.dumps(sealed(record)).encode()
    encode_slice(file, URL, "1/2", reader=reader, shard_rows=4)
    with pytest.raises(CorpusError, match="names files that are not of this shard"):
        finish_slices(URL)
    encode_slice(file, URL, "0/2", reader=reader, shard_rows=4)  # makes it again
    docs = f"{AT}docs/part-00001.arrow"
    shelf.objects[docs] = shelf.objects[docs][:-1] + b"?"
    with pytest.raises(CorpusError, match=r"part-00001.* is damaged"):
        finish_slices(URL)
    shelf.objects[docs] = shelf.objects[docs] + b"?"
    encode_slice(file, URL, "1/2", reader=reader, shard_rows=4)
    assert finish_slices(URL).fingerprint == whole.fingerprint
    shelf.objects = {f"{AT}notes.txt": b"mine"}
    with pytest.raises(InputError, match="is no corpus and not empty"):
        encode(file, URL, reader=reader)
    shelf.objects = {}
    with pytest.raises(InputError, match="there is no bucket elsewhere"):
        encode(file, "s3://elsewhere/a.corpus", reader=reader)
    with pytest.raises(InputError, match="no corpora are kept at http"):
        encode(file, "http://example.org/a.corpus", reader=reader)


def test_another_run_is_not_mixed_in(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus
) -> None:
    encode_slice(file, URL, "0/2", reader=reader, shard_rows=4)
    with pytest.raises(CorpusError, match=r"^s3://shelf/runs/a.corpus is unfinished and was started"):
        encode_slice(file, URL, "1/2", reader=reader, shard_rows=5)
    # two that begin at the same moment: one of them ends at its next shard
    shelf.objects.clear()
    real = shelf.put
    state = {"puts": 0}

    def put(key: str, content: bytes) -> None:
        real(key, content)
        state["puts"] += 1
        if key.endswith("docs/part-00001.arrow") and state["puts"] < 100:
            state["puts"] = 100
            plan = json.loads(shelf.objects[f"{AT}{PLAN}"])
            plan["plan"]["rows per shard"] = 9
            real(f"{AT}{PLAN}", json.dumps(plan).encode())

    shelf.put = put  # type: ignore[method-assign]
    with pytest.raises(CorpusError, match="was begun anew by another process"):
        encode(file, URL, reader=reader, shard_rows=4)


def test_who_is_refused_or_stopped_takes_nothing_of_another_away(
    tmp_path: Path, shelf: Shelf, file: Path, reader: Reader, whole: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Outbox.send_common
    others = {"shard_rows": 5}

    def begun_meanwhile(box: Outbox, agree: Any) -> None:
        monkeypatch.setattr(Outbox, "send_common", real)
        monkeypatch.setattr(Outbox, "send", stopped)
        with pytest.raises(KeyboardInterrupt):
            encode_slice(file, URL, "0/1", reader=reader, **others)
        monkeypatch.setattr(Outbox, "send", send)
        real(box, agree)

    def stopped(box: Outbox, landed: Any) -> None:
        raise KeyboardInterrupt

    send = Outbox.send
    monkeypatch.setattr(Outbox, "send_common", begun_meanwhile)
    with pytest.raises(CorpusError, match="was started with other settings"):
        encode(file, URL, reader=reader, shard_rows=4)
    assert json.loads(shelf.objects[f"{AT}{PLAN}"])["plan"]["rows per shard"] == 5
    others["shard_rows"] = 4
    shelf.objects.clear()
    monkeypatch.setattr(Outbox, "send_common", begun_meanwhile)
    made = encode(file, URL, reader=reader, shard_rows=4)  # the same settings: it goes on
    assert made.fingerprint == whole.fingerprint
    # one that lost its plan to another that was stopped puts it again
    shelf.objects.clear()

    def loses_its_plan(box: Outbox, landed: Any) -> None:
        shelf.objects.pop(f"{AT}{PLAN}", None)
        send(box, landed)

    monkeypatch.setattr(Outbox, "send", loses_its_plan)
    assert encode(file, URL, reader=reader, shard_rows=4).fingerprint == whole.fingerprint
    monkeypatch.setattr(Outbox, "send", send)
    shelf.objects.clear()
    encode_slice(file, URL, "0/2", reader=reader, shard_rows=4)
    del shelf.objects[f"{AT}{PLAN}"]
    with pytest.raises(CorpusError, match=r"has shards, and plan\.json is missing"):
        encode(file, URL, reader=reader, shard_rows=4)


def test_a_shard_whose_bytes_are_not_its_record_s_is_made_again(
    shelf: Shelf, file: Path, reader: Reader, whole: Corpus
) -> None:
    for part in ("0/2", "1/2"):
        encode_slice(file, URL, part, reader=reader, shard_rows=4)
    docs = f"{AT}docs/part-00003.arrow"
    good = shelf.objects[docs]
    shelf.objects[docs] = bytes([good[0] ^ 1]) + good[1:]  # of the same size
    with pytest.raises(CorpusError, match=r"part-00003.* is damaged"):
        finish_slices(URL)
    assert not encode_slice(file, URL, "0/2", reader=reader, shard_rows=4).whole
    assert encode_slice(file, URL, "1/2", reader=reader, shard_rows=4).whole
    assert shelf.objects[docs] == good and finish_slices(URL).fingerprint == whole.fingerprint


def test_nothing_is_left_of_a_run_without_documents(shelf: Shelf, tmp_path: Path, reader: Reader) -> None:
    empty = write_jsonl(tmp_path / "empty.jsonl", [{"text": ""}, {"text": " "}])
    with pytest.raises(InputError, match="no document that can be read"):
        encode(empty, URL, reader=reader)
    assert [key for key in shelf.objects if not key.endswith("/")] == []


def test_from_the_command_line(shelf: Shelf, place: Path, tmp_path: Path, file: Path) -> None:
    common = (*tiny().options, "--shard-rows", "8")
    made = saetext("encode", str(file), "-o", URL, "--prepare", *common)
    assert made.code == 0 and f"{URL}: prepared" in made.err, made.err
    first = saetext("encode", str(file), "-o", URL, "--slice", "1/2", *common)
    assert first.code == 0, first.err
    told = saetext("finish", URL, "--status")
    assert "2 of 3 shards not there yet, in --slice 0/2" in told.out, told.out
    second = saetext("encode", str(file), "-o", URL, "--slice", "0/2", *common)
    assert second.code == 0, second.err
    assert f"{URL}: " in second.err and "documents" in second.err
    assert saetext("finish", URL, "--status").out == f"{URL}: finished\n"
    again = saetext("encode", str(file), "-o", URL, *common)
    assert again.code == 1 and "already exists and is finished" in again.err
