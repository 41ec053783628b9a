"""pull and push: the right bytes or one line, at every request that fails; a second run completes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus_factory import make_corpus, make_shards
from object_store import SECRET, Fault, Shelf, serving
from test_cli import place, saetext

import saetext.corpus.transfer as transfer
import saetext.io.store as stores
from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.transfer import pull, push
from saetext.errors import CorpusError, InputError, SaetextError, ShardCorruptError
from saetext.io.sealed import sealed
from saetext.io.store import Store

__all__ = ["place"]

URL = "s3://shelf/a.corpus"
# each is tried at every second or third request, from another one on
FAULTS = ("500", "drop", "403", "cut", "flipped")
FAULTS_OF_PUTS = ("500", "drop", "403", "half", "lost", "unheard")


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr(stores, "WAITS", ())
    monkeypatch.setattr(stores, "_TRIES_OF_SDK", 1)
    with serving(monkeypatch) as found:
        yield found


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 2))
    return made


def files(home: Path) -> dict[str, bytes]:
    """Return the bytes of all that is copied of a corpus."""
    names = [path for path in home.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in names}


def hashes(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def after(number: int, kind: str) -> Fault:
    """Return the fault of every request from one on: a store that went away."""
    return lambda method, key, at: kind if at >= number else ""


def test_there_and_back_are_the_same_bytes(tmp_path: Path, shelf: Shelf, corpus: Corpus) -> None:
    (corpus.path / "labels.parquet").write_bytes(b"labels go along")
    (corpus.path / "index").mkdir()
    (corpus.path / "index" / "made.npy").write_bytes(b"an index does not")
    assert push(corpus.path, URL) == URL
    puts = [key for method, key in shelf.asked if method == "PUT"]
    assert puts[0] == "a.corpus/pushed.json" and puts[-1] == "a.corpus/manifest.json"
    pulled = pull(URL, tmp_path / "b.corpus")
    assert isinstance(pulled, Corpus) and pulled.fingerprint == corpus.fingerprint
    pulled.verify()
    wanted = files(corpus.path)
    del wanted["index/made.npy"]
    assert files(pulled.path) == wanted
    assert hidden(tmp_path) == []
    before = len(puts)
    push(corpus.path, URL)  # nothing is put again
    assert [key for method, key in shelf.asked if method == "PUT"][before:] == []
    assert isinstance(pull(URL, tmp_path / "b.corpus"), Corpus)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_pull_may_fail_at_every_request(tmp_path: Path, shelf: Shelf, corpus: Corpus, kind: str) -> None:
    push(corpus.path, URL)
    began = len(shelf.asked)
    pull(URL, tmp_path / "whole")
    target, failed = tmp_path / "b.corpus", 0
    for number in range(FAULTS.index(kind) % 2, len(shelf.asked) - began, 2):
        first = len(shelf.asked)
        shelf.fault = after(first + number, kind)
        try:
            pull(URL, target)
        except SaetextError as error:
            failed += 1
            assert "\n" not in str(error) and SECRET not in str(error) and "shelf" in str(error)
            assert not target.exists()
        else:
            shutil.rmtree(target)
        shelf.fault = after(first, "") if number % 3 else shelf.fault
        if number % 3:  # what was kept goes on; else the next failure meets what this one left
            pull(URL, target)
            assert files(target) == files(tmp_path / "whole")
            shutil.rmtree(target)
    assert failed > 2
    shelf.fault = after(0, "")
    first = len(shelf.asked)
    pull(URL, target)
    assert files(target) == files(tmp_path / "whole") and hidden(tmp_path) == []


@pytest.mark.parametrize("kind", FAULTS_OF_PUTS)
def test_a_push_may_fail_at_every_request(tmp_path: Path, shelf: Shelf, corpus: Corpus, kind: str) -> None:
    push(corpus.path, URL)
    wanted, steps = dict(shelf.objects), len(shelf.asked)
    failed = 0
    for number in range(FAULTS_OF_PUTS.index(kind) % 3, steps, 3):
        shelf.objects.clear()
        first = len(shelf.asked)
        shelf.fault = after(first + number, kind)
        try:
            push(corpus.path, URL)
        except SaetextError as error:
            failed += 1
            assert "\n" not in str(error) and SECRET not in str(error) and "s3://shelf" in str(error)
            if "a.corpus/manifest.json" in shelf.objects:  # broken off within it: all else is whole
                assert {**shelf.objects, "a.corpus/manifest.json": b""} == {
                    **wanted,
                    "a.corpus/manifest.json": b"",
                }
        shelf.fault = after(0, "")
        push(corpus.path, URL)
        assert shelf.objects == wanted
    assert failed > 0


def test_a_request_that_fails_once_is_asked_again(
    tmp_path: Path, shelf: Shelf, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "WAITS", (0,))
    shelf.fault = lambda method, key, number: "" if number % 3 else "drop"
    push(corpus.path, URL)
    shelf.fault = lambda method, key, number: "" if number % 3 else "500"
    assert isinstance(pull(URL, tmp_path / "b.corpus"), Corpus)
    shelf.fault = lambda method, key, number: "slow"
    assert isinstance(pull(URL, tmp_path / "c.corpus"), Corpus)


def test_an_interrupted_pull_reads_no_file_twice(
    tmp_path: Path, shelf: Shelf, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(corpus.path, URL)
    target = tmp_path / "b.corpus"

    def stops(progress: object) -> None:
        if sum(key.endswith(".arrow") for key in shelf.got()) == 3:
            raise KeyboardInterrupt

    shelf.asked.clear()
    with pytest.raises(KeyboardInterrupt):
        pull(URL, target, on_progress=stops)
    assert not target.exists() and hidden(tmp_path) == [".b.corpus.pulling"]
    shelf_got = {key for key in shelf.got() if key.endswith(".arrow")}
    shelf.asked.clear()
    assert isinstance(pull(URL, target), Corpus)
    again = {key for key in shelf.got() if key.endswith(".arrow")}
    assert len(shelf_got & again) <= 1  # the one that was under way
    assert hidden(tmp_path) == []


def test_damage_there_is_named_and_mended_by_another_push(
    tmp_path: Path, shelf: Shelf, corpus: Corpus
) -> None:
    push(corpus.path, URL)
    key = "a.corpus/docs/part-00001.arrow"
    whole = shelf.objects[key]
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), None):
        if damaged is None:
            del shelf.objects[key]
        else:
            shelf.put(key, damaged)
        with pytest.raises(ShardCorruptError, match=r"a\.corpus/docs/part-00001"):
            pull(URL, tmp_path / "b.corpus")
        assert not (tmp_path / "b.corpus").exists()
        push(corpus.path, URL)
        assert shelf.objects[key] == whole


def test_nothing_of_others_is_written_over(tmp_path: Path, shelf: Shelf, corpus: Corpus) -> None:
    other, _ = make_corpus(tmp_path / "other.corpus", seed=5, sizes=(2,))
    push(corpus.path, URL)
    before = dict(shelf.objects)
    with pytest.raises(InputError, match="another corpus"):
        push(other.path, URL)
    del shelf.objects["a.corpus/manifest.json"]
    with pytest.raises(InputError, match="unfinished push of another corpus"):
        push(other.path, URL)
    with pytest.raises(InputError, match="being pushed and not whole"):
        pull(URL, tmp_path / "b.corpus")
    shelf.put("things/x", b"x")
    with pytest.raises(InputError, match="not empty"):
        push(other.path, "s3://shelf/things")
    with pytest.raises(InputError, match="is a file"):
        push(other.path, "s3://shelf/things/x")
    shelf.objects["a.corpus/manifest.json"] = before["a.corpus/manifest.json"]
    with pytest.raises(CorpusError, match="is another corpus than"):
        pull(URL, other.path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(CorpusError, match="exists already"):
        pull(URL, tmp_path / "full")
    del shelf.objects["things/x"]
    assert shelf.objects == before and files(tmp_path / "full") == {"x": b"mine"}


def test_a_corpus_that_has_grown_goes_over_its_earlier_self(
    tmp_path: Path, shelf: Shelf, corpus: Corpus
) -> None:
    push(corpus.path, URL)
    early = dict(shelf.objects)
    calibrations = {name: corpus.calibration(name) for name in corpus.saes}
    with CorpusWriter.append(corpus.path, plan={}, spec=corpus.spec, calibrations=calibrations) as writer:
        [shard] = make_shards(9, (2,), first=100)
        shard.write(writer, 3)
        grown = writer.finish()
    push(grown.path, URL)
    pulled = pull(URL, tmp_path / "b.corpus")
    assert isinstance(pulled, Corpus) and pulled.fingerprint == grown.fingerprint
    shutil.rmtree(tmp_path / "b.corpus")
    # before the second manifest, the earlier corpus is whole still, without what lay beside it
    shelf.objects["a.corpus/manifest.json"] = early["a.corpus/manifest.json"]
    for beside in (grown.path / "journal", None):
        if beside is None:
            shelf.objects["a.corpus/journal"] = early["a.corpus/journal"]
        old = pull(URL, tmp_path / "b.corpus")
        assert isinstance(old, Corpus) and old.fingerprint == corpus.fingerprint
        old.verify()
        assert not (old.path / "journal").exists()
        shutil.rmtree(old.path)


def test_two_pushes_into_one_place_end_in_no_corpus(tmp_path: Path, shelf: Shelf, corpus: Corpus) -> None:
    other, _ = make_corpus(tmp_path / "other.corpus", seed=5, sizes=(2, 4))
    record: list[bytes] = []

    def begins(progress: object) -> None:  # another push, which saw the place empty, puts its record
        if not record and "a.corpus/docs/part-00000.arrow" in shelf.objects:
            record.append(shelf.objects["a.corpus/pushed.json"])
            push(other.path, "s3://shelf/z.corpus")
            shelf.put("a.corpus/pushed.json", shelf.objects["z.corpus/pushed.json"])

    with pytest.raises(InputError, match="another push into it has begun"):
        push(corpus.path, URL, on_progress=begins)
    assert "a.corpus/manifest.json" not in shelf.objects
    assert "a.corpus/docs/part-00001.arrow" not in shelf.objects  # nor is anything put after that
    shelf.put("a.corpus/pushed.json", record[0])
    push(corpus.path, URL)
    assert isinstance(pull(URL, tmp_path / "b.corpus"), Corpus)


def test_another_record_at_the_end_ends_in_no_corpus(
    tmp_path: Path, shelf: Shelf, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(corpus.path, URL)
    del shelf.objects["a.corpus/manifest.json"]
    whole = shelf.objects["a.corpus/pushed.json"]

    def begins(progress: object) -> None:  # as many bytes, and all files are there already
        shelf.put("a.corpus/pushed.json", whole.replace(b'"bytes": ', b'"Bytes": '))

    with pytest.raises(InputError, match="another push into it has begun"):
        push(corpus.path, URL, on_progress=lambda told: begins(told) if told.stage == "pushing" else None)
    assert "a.corpus/manifest.json" not in shelf.objects


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "docs/../../evil", "labels/../x.parquet"])
def test_a_hostile_record_leads_nowhere(tmp_path: Path, shelf: Shelf, corpus: Corpus, name: str) -> None:
    push(corpus.path, URL)
    shelf.put(f"a.corpus/{name}", b"evil")
    told = json.loads(shelf.objects["a.corpus/pushed.json"])
    told.pop("seal")
    told["beside"][name] = {"bytes": 4, "xxh3_128": "0" * 32}
    shelf.put("a.corpus/pushed.json", json.dumps(sealed(told)).encode())
    with pytest.raises(ShardCorruptError, match="is damaged: it names"):
        pull(URL, tmp_path / "deep" / "b.corpus")
    assert [path.name for path in tmp_path.rglob("evil*")] == []


def test_a_hostile_manifest_or_listing_leads_nowhere(tmp_path: Path, shelf: Shelf, corpus: Corpus) -> None:
    push(corpus.path, URL)
    shelf.put("a.corpus/../../evil", b"evil")
    shelf.put("a.corpus//tmp/evil", b"evil")
    pulled = pull(URL, tmp_path / "b.corpus")
    assert isinstance(pulled, Corpus) and files(pulled.path) == files(corpus.path)
    content = shelf.objects["a.corpus/manifest.json"].decode()
    for evil in ("docs/../../evil.arrow", "/tmp/evil.arrow"):
        told = json.loads(content.replace("docs/part-00000.arrow", evil))
        told.pop("seal")
        shelf.put("a.corpus/manifest.json", json.dumps(sealed(told)).encode())
        with pytest.raises(CorpusError, match="damaged"):
            pull(URL, tmp_path / "c.corpus")
    shelf.put("a.corpus/manifest.json", b" " * (1 << 20) + b"[" * 100_000)
    with pytest.raises(CorpusError, match="damaged"):
        pull(URL, tmp_path / "c.corpus")
    assert not (tmp_path / "c.corpus").exists() and hidden(tmp_path) == []


def test_sizes_are_bounded_before_anything_is_read(
    tmp_path: Path, shelf: Shelf, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(corpus.path, URL)
    monkeypatch.setattr("saetext.corpus.transfer.HUGE", 10)
    shelf.asked.clear()
    with pytest.raises(InputError, match="at most 10 are read"):
        pull(URL, tmp_path / "b.corpus")
    assert shelf.got() == []
    monkeypatch.undo()


def test_no_pipe_is_opened(tmp_path: Path, corpus: Corpus) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("platform: it has no named pipes")
    url = (tmp_path / "shelf" / "a.corpus").as_uri()
    push(corpus.path, url)
    path = tmp_path / "shelf" / "a.corpus" / "docs" / "part-00000.arrow"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ShardCorruptError, match="is missing"):
        pull(url, tmp_path / "b.corpus")
    with pytest.raises(InputError, match="cannot be pushed"):
        push(path, url + "-2")


def test_two_pulls_at_once_are_told_apart(tmp_path: Path, shelf: Shelf, corpus: Corpus) -> None:
    push(corpus.path, URL)
    going, go_on = threading.Event(), threading.Event()

    def waits(progress: object) -> None:
        if shelf.got():
            going.set()
            go_on.wait(20)

    shelf.asked.clear()
    thread = threading.Thread(target=lambda: pull(URL, tmp_path / "b.corpus", on_progress=waits))
    thread.start()
    assert going.wait(20)
    with pytest.raises(CorpusError, match="pulled by another process"):
        pull(URL, tmp_path / "b.corpus")
    go_on.set()
    thread.join(20)
    Corpus.open(tmp_path / "b.corpus").verify()


def test_files_go_both_ways(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "x.bin"
    source.write_bytes(os.urandom(23_000_000))  # in several parts, read in several pieces
    assert push(source, "s3://shelf/in/x.bin") == "s3://shelf/in/x.bin"
    assert shelf.objects["in/x.bin"] == source.read_bytes()
    (tmp_path / "to").mkdir()
    assert pull("s3://shelf/in/x.bin", tmp_path / "to") == tmp_path / "to" / "x.bin"
    assert (tmp_path / "to" / "x.bin").read_bytes() == source.read_bytes()
    pull("s3://shelf/in/x.bin", tmp_path / "to" / "x.bin")  # the same is there
    source.write_bytes(b"another")
    with pytest.raises(InputError, match="another file"):
        push(source, "s3://shelf/in/x.bin")
    with pytest.raises(CorpusError, match="another file"):
        pull("s3://shelf/in/x.bin", source)
    packed = tmp_path / "z.jsonl.gz"
    packed.write_bytes(gzip.compress(b"packed once"))
    push(packed, "s3://shelf/in/z.jsonl.gz")
    assert shelf.objects["in/z.jsonl.gz"] == packed.read_bytes()
    assert Store.open("s3://shelf/in/z.jsonl.gz").version().split()[1] == hashes(packed)
    monkeypatch.setattr(stores, "_IN_MEMORY", 3)  # a mapped file is put as any other
    push(source, "s3://shelf/in/y.bin")
    assert shelf.objects["in/y.bin"] == b"another"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nowhere", "is no URL"),
        ("s3://shelf/nothing", "there is no corpus and no file"),
        ("s3://other/a.corpus", "there is no bucket other"),
        ("s3://me:hidden-secret@other/a.corpus", "there is no bucket other"),
        ("s3://shelf/a?key=hidden-secret", "unknown in its query"),
        ("zip9://shelf/a", "no kind of place"),
        ("s3://", "is no URL"),
        ("memory://none/a.corpus", "there is no corpus and no file"),
    ],
)
def test_a_wrong_url_is_one_line(place: Path, shelf: Shelf, url: str, says: str) -> None:
    done = saetext("pull", url, "b.corpus")
    assert done.code == 1 and says in done.err and done.err.count("\n") == 1
    assert "hidden" not in done.err and not any(place.iterdir())


def test_keys_are_not_shown_when_a_store_repeats_them(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open("s3://tester:hidden-secret@shelf/a")

    def fails(*_: object) -> None:
        raise OSError(f"AWS Error: tester hidden-secret {SECRET} at https://u:pw-pw@host/a?sig=hidden-secret")

    monkeypatch.setattr(store, "system", type("System", (), {"get_file_info": fails})())
    with pytest.raises(InputError) as caught:
        store.look()
    assert not [key for key in ("hidden-secret", SECRET, "pw-pw") if key in str(caught.value)]


def test_an_endpoint_that_is_not_there_is_one_line(
    place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = saetext("pull", URL, "b.corpus")
    assert done.code == 1 and "connection failed" in done.err and done.err.count("\n") == 1


def test_a_file_of_this_machine_goes_both_ways_by_its_url(
    tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "WAITS", ())
    source, there = tmp_path / "x.bin", tmp_path / "shelf" / "y.bin"
    source.write_bytes(b"some bytes")
    put = Store.put

    def breaks_off(self: Store, name: str, content: bytes | Path) -> None:
        there.write_bytes(b"some")
        raise InputError("the disk is full")

    monkeypatch.setattr(Store, "put", breaks_off)
    there.parent.mkdir()
    with pytest.raises(InputError, match="disk is full"):
        push(source, there.as_uri())
    assert not there.exists()
    monkeypatch.setattr(Store, "put", put)
    push(source, there.as_uri())
    assert pull(there.as_uri(), tmp_path / "z.bin").read_bytes() == b"some bytes"  # type: ignore[union-attr]
    with pytest.raises(InputError, match="is a file; choose another URL"):
        push(corpus.path, there.as_uri())


def test_a_lost_connection_is_not_taken_for_a_change(tmp_path: Path, shelf: Shelf) -> None:
    shelf.put("x.bin", b"some bytes")
    shelf.fault = after(len(shelf.asked) + 1, "403")  # it is looked for, then its ETag is asked for
    with pytest.raises(InputError, match="access is denied"):
        Store.open("s3://shelf/x.bin").version()


def test_nothing_is_made_here_in_the_name_of_a_url(place: Path, shelf: Shelf) -> None:
    for name in "ab":
        make_corpus(place / f"{name}.corpus", sizes=(1,))
    push("a.corpus", URL)
    for command in (
        ["pull", URL, "s3://me:hidden@shelf/c.corpus"],
        ["merge", "a.corpus", "b.corpus", "-o", "s3://me:hidden@shelf/c.corpus"],
        ["upgrade", "s3://me:hidden@shelf/c.corpus"],
        ["finish", "s3://me:hidden@shelf/c.corpus"],
    ):
        done = saetext(*command)
        says = "is not being made in slices" if command[0] == "finish" else "is elsewhere"
        assert done.code == 1 and f"s3://shelf/c.corpus {says}" in done.err, done.err
        assert done.err.count("\n") == 1 and "hidden" not in done.err
    assert not Path("s3:").exists()


def test_the_lock_goes_while_it_is_held(
    tmp_path: Path, shelf: Shelf, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be that of the next process which is removed."""
    push(corpus.path, URL)
    left: list[list[str]] = []
    release = transfer.FileLock.release

    def ends(self: transfer.FileLock, **more: bool) -> None:
        left.append(hidden(tmp_path))
        release(self, **more)

    monkeypatch.setattr(transfer.FileLock, "release", ends)
    pull(URL, tmp_path / "b.corpus")
    assert left[0] == []


def test_by_command_and_by_fsspec_s_memory(place: Path, shelf: Shelf) -> None:
    make_corpus(place / "a.corpus", sizes=(2, 1))
    for url in (URL, "memory://transfer/a.corpus", (place / "shelf" / "a.corpus").as_uri()):
        pushed = saetext("push", "a.corpus", url)
        assert (pushed.code, pushed.err) == (0, f"{url}: whole, and read back\n")
        pulled = saetext("pull", url, "b.corpus")
        assert pulled.code == 0 and pulled.err.startswith("b.corpus: 3 documents")
        shutil.rmtree(place / "b.corpus")
    refused = saetext("push", "a.corpus", "hf://datasets/me/a")
    assert refused.code == 1 and "can be read but not written" in refused.err
