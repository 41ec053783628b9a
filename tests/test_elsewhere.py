"""Sources and corpora at a URL: read as those here, a changed object is noticed, the cache is bounded."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_factory import assert_matrix, make_corpus
from object_store import Shelf, serving
from test_cli import place, saetext
from tiny_reader import ready_reader

import saetext.io.store as stores
from saetext.corpus import Corpus, elsewhere
from saetext.corpus.copying import fetch
from saetext.corpus.elsewhere import limit
from saetext.corpus.transfer import push
from saetext.documents import Document, open_documents
from saetext.encoding.encoder import encode
from saetext.encoding.opening import as_corpora
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.files import FileStamp, checksum, stamp_of
from saetext.io.store import Store

__all__ = ["place"]

URL = "s3://shelf/a.corpus"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr(stores, "WAITS", ())
    monkeypatch.setattr(stores, "_TRIES_OF_SDK", 1)
    with serving(monkeypatch) as found:
        yield found


def line(number: int) -> bytes:
    return (
        json.dumps({"text": f"The fox sleeps, however lazy, and this is text number {number}."}).encode()
        + b"\n"
    )


def numbers(source: object) -> list[int]:
    """Return which texts were read."""
    found = [one for one in open_documents(source) if isinstance(one, Document)]  # type: ignore[arg-type]
    return [int(one.text.split()[-1].rstrip(".")) for one in found]


def cached(place: Path) -> list[str]:
    return sorted(path.name for path in (place.parent / "cache" / "elsewhere").rglob("*.arrow"))


# ---- sources


def test_every_way_to_name_files_reads_their_rows(shelf: Shelf) -> None:
    shelf.put("in/a.jsonl", line(1) + line(2))
    shelf.put("in/b.jsonl.gz", gzip.compress(line(3)))
    table = io.BytesIO()
    pq.write_table(pa.table({"text": [json.loads(line(4))["text"]]}), table)
    shelf.put("tables/c.parquet", table.getvalue())
    for name in ("x/part-10.jsonl", "x/part-9.jsonl", "y/part-1.jsonl", "y/.hidden.jsonl", "../evil.jsonl"):
        shelf.put(f"deep/{name}", line(int("".join(c for c in name if c.isdigit()) or 0)))
    assert numbers("s3://shelf/in/a.jsonl") == [1, 2]
    assert numbers("s3://shelf/in/b.jsonl.gz") == [3]
    assert numbers("s3://shelf/in") == [1, 2, 3]
    assert numbers("s3://shelf/tables/c.parquet") == [4]
    assert numbers("s3://shelf/in/*.jsonl") == [1, 2]
    assert numbers("s3://shelf/deep/**/part-*.jsonl") == [9, 10, 1]
    assert numbers("s3://shelf/deep/[xz]/*") == [9, 10]
    assert numbers([Path("s3://shelf/in/a.jsonl"), Path("s3://shelf/in/b.jsonl.gz")]) == [1, 2, 3]
    for url, says in {
        "deep": "several folders",
        "none.jsonl": "no such file",
        "in/*.csv": "no file fits",
    }.items():
        with pytest.raises(InputError, match=says):
            open_documents(f"s3://shelf/{url}")


@pytest.mark.parametrize("kind", ["500", "drop", "cut", "403"])
def test_a_source_that_cannot_be_read_is_one_line(place: Path, shelf: Shelf, kind: str) -> None:
    key = f"in/{kind}.jsonl"  # a copy of one that was read would do
    shelf.put(key, line(1) * 50)
    shelf.fault = lambda method, key, number: kind if key and (kind != "cut" or method == "GET") else ""
    done = saetext("encode", f"s3://shelf/{key}", "-o", "a.corpus")
    assert done.code == 1 and done.err.count("\n") == 1 and not any(place.iterdir()), done.err
    shelf.fault = lambda method, key, number: ""
    assert numbers(f"s3://shelf/{key}") == [1] * 50


def test_a_resumed_run_notices_a_changed_object(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "s3://shelf/in/a.jsonl"
    shelf.put("in/a.jsonl", line(1) + line(2) + line(3))
    reader = ready_reader()
    seen: list[object] = []

    def stops(progress: object) -> None:
        seen.append(progress)
        if len(seen) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(url, tmp_path / "a.corpus", reader=reader, shard_rows=1, on_progress=stops)
    before = shelf.objects["in/a.jsonl"]
    shelf.put("in/a.jsonl", line(1) + line(2) + line(4))  # as many bytes
    with pytest.raises(CorpusError, match="input version was"):
        encode(url, tmp_path / "a.corpus", reader=reader, shard_rows=1)
    shelf.put("in/a.jsonl", before)
    assert encode(url, tmp_path / "a.corpus", reader=reader, shard_rows=1).n_documents == 3


def test_a_corpus_is_encoded_into_a_bucket(place: Path, shelf: Shelf) -> None:
    Path("a.jsonl").write_bytes(line(1))
    done = saetext("encode", "a.jsonl", "-o", "s3://shelf/b.corpus")
    assert done.code == 0 and "s3://shelf/b.corpus: 1 documents" in done.err and not Path("s3:").exists()
    assert "b.corpus/manifest.json" in shelf.objects and len(Corpus.open("s3://shelf/b.corpus")) == 1


# ---- corpora


def test_a_corpus_there_gives_what_it_gives_here(place: Path, shelf: Shelf) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(5, 0, 7, 1))
    push(here.path, URL)
    shelf.asked.clear()
    there = Corpus.open(URL)
    assert not [key for key in shelf.got() if "/docs/" in key or "/features/" in key]
    assert there.fingerprint == here.fingerprint and there.n_documents == 13 and URL in repr(there)
    assert there.n_tokens.tolist() == here.n_tokens.tolist()
    assert not [key for key in shelf.got() if "/features/" in key]
    assert_matrix(there.csr("max"), truth.pooled("max"))
    assert there.to_polars().equals(here.to_polars())
    assert len(shelf.got()) == len(set(shelf.got()))  # no file twice
    shelf.asked.clear()
    again = Corpus.open(Path(URL))  # as a command gets it
    assert np.array_equal(again.select("score > .5").n_tokens, here.select("score > .5").n_tokens)
    assert set(shelf.got()) == {"a.corpus/manifest.json", "a.corpus/pushed.json"}
    again.verify()
    assert as_corpora([URL, here])[0].fingerprint == here.fingerprint
    shelf.asked.clear()
    assert Corpus.open(there.path).elsewhere == URL  # a saved result names the directory of the cache


@pytest.mark.parametrize("kind", ["500", "drop", "cut", "flipped", "403"])
def test_a_shard_that_cannot_be_read_is_named_and_the_next_try_is_right(
    place: Path, shelf: Shelf, kind: str
) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(5, 7))
    push(here.path, URL)
    there = Corpus.open(URL)
    shelf.fault = lambda method, key, number: kind if key.endswith("main/part-00001.arrow") else ""
    with pytest.raises((InputError, ShardCorruptError), match="a.corpus/features/main/part-00001") as caught:  # noqa: RUF043
        there.csr("max")
    assert "\n" not in str(caught.value)
    shelf.fault = lambda method, key, number: ""
    assert_matrix(there.csr("max"), truth.pooled("max"))


def test_truncated_and_missing_objects_are_named_when_it_is_opened(place: Path, shelf: Shelf) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(5, 7))
    push(here.path, URL)
    key = "a.corpus/features/main/part-00001.arrow"
    shelf.put(key, shelf.objects[key][:-3])
    done = saetext("info", URL)
    assert done.code == 1 and f"s3://shelf/{key} is damaged" in done.err and done.err.count("\n") == 1
    del shelf.objects[key]
    with pytest.raises(ShardCorruptError, match="is missing"):
        Corpus.open(URL)
    for url, says in {"s3://shelf/none": "no such corpus", "s3://other/a": "no bucket"}.items():
        done = saetext("info", url)
        assert done.code == 1 and says in done.err and done.err.count("\n") == 1


def test_damage_in_the_cache_is_mended(place: Path, shelf: Shelf) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(5, 7))
    push(here.path, URL)
    there = Corpus.open(URL)
    there.csr("max")
    path = there.path / "features" / "main" / "part-00001.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert_matrix(Corpus.open(URL).csr("max"), truth.pooled("max"))
    assert_matrix(there.csr("max"), truth.pooled("max"))


def test_the_cache_keeps_to_its_limit_and_drops_what_was_used_longest_ago(
    place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(5, 7, 6, 4))
    push(here.path, URL)
    sizes = [(here.path / f"features/main/part-0000{n}.arrow").stat().st_size for n in range(4)]
    there = Corpus.open(URL)
    home = there.path / "features" / "main"
    monkeypatch.setenv("SAETEXT_ELSEWHERE_GB", str(sum(sizes[:3]) * 1.2 / 1e9))
    rows = [row for row, _ in there.blocks("max")]
    assert len(rows) == 4
    assert not (home / "part-00000.arrow").exists() and (home / "part-00003.arrow").exists()
    kept = sum(path.stat().st_size for path in there.path.rglob("part-*.arrow"))
    assert kept <= limit()
    assert_matrix(there.csr("max"), truth.pooled("max"))
    monkeypatch.setenv("SAETEXT_ELSEWHERE_GB", "1e-9")  # not one file has room: each is used, then dropped
    assert_matrix(Corpus.open(URL).csr("count"), truth.pooled("count"))
    assert len([name for name in cached(place) if name.startswith("part")]) == 1
    monkeypatch.setenv("SAETEXT_ELSEWHERE_GB", "much")
    with pytest.raises(InputError, match="expected gigabytes"):
        limit()


def test_all_shards_are_looked_at_only_when_the_limit_is_near(
    place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(2,) * 6)
    push(here.path, URL)
    looks: list[Path] = []
    look = elsewhere._shards
    monkeypatch.setattr(elsewhere, "_room", elsewhere._Room())
    monkeypatch.setattr(elsewhere, "_shards", lambda home: (looks.append(home), look(home))[1])
    monkeypatch.setenv("SAETEXT_ELSEWHERE_GB", "1")
    Corpus.open(URL).csr("max")
    assert len(looks) == 1 and len(cached(place)) > 6


def test_labels_that_are_gone_there_are_gone_here(place: Path, shelf: Shelf) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(2,))
    for name in ("labels.parquet", "labels.own.parquet"):
        (here.path / name).write_bytes(b"names")
    push(here.path, URL)
    home = Corpus.open(URL).path
    assert {path.name for path in home.glob("labels*")} == {"labels.parquet", "labels.own.parquet"}
    (here.path / "labels.own.parquet").unlink()
    push(here.path, URL)
    assert [path.name for path in Corpus.open(URL).path.glob("labels*")] == ["labels.parquet"]


def test_the_cache_knows_a_corpus_by_a_url_that_leads_there(place: Path, shelf: Shelf) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(2,))
    long = f"s3://shelf/{'deep/' * 50}a.corpus"
    push(here.path, long)
    home = Corpus.open(f"{long}?region=us-east-1").path
    assert elsewhere.url_of_copy(home) == f"{long}?region=us-east-1"
    assert Corpus.open(home).n_documents == 2
    for url, bare in {
        "abfs://container:pass@account.net/a?x=secret": "abfs://container@account.net/a",
        "gs://anonymous@bucket/a": "gs://anonymous@bucket/a",
        "s3://KEY:secret@bucket/a?region=x": "s3://bucket/a?region=x",
    }.items():
        assert elsewhere._without_keys(url) == bare
    for name, called in {"..": "corpus", ".a": "a", "é" * 300: "_" * 100, "b c.corpus": "b_c.corpus"}.items():
        assert elsewhere._called(name) == called


def test_a_corpus_that_is_here_needs_no_cache(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_corpus(place / "a.corpus", sizes=(2,))
    monkeypatch.setenv("SAETEXT_CACHE", "~nobody-of-this-name/cache")
    assert Corpus.open("a.corpus").n_documents == 2


def test_a_file_that_goes_while_it_is_looked_at_is_brought_again(
    place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("x", b"content")
    path = place / "x"
    path.write_bytes(b"content")

    def goes(path: Path) -> FileStamp:
        path.unlink()
        return checksum(path)

    monkeypatch.setattr("saetext.corpus.copying.checksum", goes)
    assert fetch(Store.open("s3://shelf"), "x", stamp_of(b"content"), path)
    assert path.read_bytes() == b"content"


def test_two_processes_share_a_small_cache(place: Path, shelf: Shelf) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(5,) * 6)
    push(here.path, URL)
    program = (
        "from saetext.corpus import Corpus\n"
        f"for _ in range(4): print(Corpus.open('{URL}').csr('max').sum(), end=' ')\n"
    )
    environment = {**os.environ, "SAETEXT_ELSEWHERE_GB": "6e-6"}
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
        for _ in "ab"
    ]
    told = [process.communicate(timeout=120)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [float(each) for one in told for each in one] == pytest.approx([float(here.csr("max").sum())] * 8)


def test_what_would_write_into_the_cache_is_refused(place: Path, shelf: Shelf) -> None:
    here, _ = make_corpus(place / "a.corpus", sizes=(5, 7))
    make_corpus(place / "b.corpus", sizes=(3,))
    push(here.path, URL)
    Path("x.jsonl").write_bytes(line(1))
    for command in (
        ["append", URL, "x.jsonl"],
        ["merge", URL, "b.corpus", "-o", "c.corpus"],
        ["label", URL, "--method", "words"],
    ):
        done = saetext(*command)
        assert done.code == 1 and "is elsewhere" in done.err and done.err.count("\n") == 1, done.err
    assert not Path("c.corpus").exists()
