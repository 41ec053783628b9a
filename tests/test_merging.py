"""Merging corpora is what appending their texts would have been."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tiny_reader import ready_reader, some_rows, tiny

from saetext.corpus import Corpus
from saetext.corpus.merging import merge
from saetext.documents import open_documents
from saetext.encoding.encoder import append, encode
from saetext.errors import CorpusError, IncompatibleError, InputError, ShardCorruptError
from saetext.io.progress import Progress
from saetext.reader.reader import Reader
from saetext.reader.thresholds.policy import ready


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


def renamed(rows: list[dict[str, object]], prefix: str) -> list[dict[str, object]]:
    return [{**row, "id": f"{prefix}{row['id']}"} for row in rows]


@pytest.mark.parametrize("named", [True, False])
def test_merged_is_appended(tmp_path: Path, reader: Reader, named: bool) -> None:
    piles = [renamed(some_rows(n, seed=n, empty_every=5), f"{n}-") for n in (23, 8, 17)]
    if not named:
        piles = [[{key: row[key] for key in ("text", "topic")} for row in pile] for pile in piles]
    parts = [
        encode(pile, tmp_path / f"{i}.corpus", reader=reader, shard_rows=6, text="text")
        for i, pile in enumerate(piles)
    ]
    grown = encode(piles[0], tmp_path / "grown.corpus", reader=reader, shard_rows=6, text="text")
    for pile in piles[1:]:
        grown = append(pile, grown.path, reader=reader, shard_rows=6, text="text")
    seen: list[Progress] = []
    merged = merge([part.path for part in parts], tmp_path / "all é.corpus", on_progress=seen.append)
    assert merged.fingerprint == grown.fingerprint and merged.ids.equals(grown.ids)
    assert merged.manifest.counts == grown.manifest.counts
    assert merged.to_polars().equals(grown.to_polars())
    assert (merged.path / "rejects.jsonl").read_bytes() == (grown.path / "rejects.jsonl").read_bytes()
    assert len(merged.manifest.runs) == 3 and seen[-1].share == 1
    merged.verify()
    for part in parts:  # it stands by itself
        for file in sorted(part.path.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    merged.verify()
    assert append([{"id": "zz", "text": "fox"}], merged.path, reader=reader).n_documents == len(merged) + 1


def test_ids_of_ones_own_stay_after_a_second_merge(tmp_path: Path, reader: Reader) -> None:
    def made(name: str, ids: list[str] | None) -> Corpus:
        rows = [{"text": "the fox"} for _ in range(3)]
        if ids is not None:
            rows = [{**row, "id": id} for row, id in zip(rows, ids, strict=True)]
        return encode(rows, tmp_path / name, reader=reader)

    mixed = merge([made("a", None), made("b", ["7001", "7002", "7003"])], tmp_path / "ab")
    with pytest.raises(InputError, match=r"the id '0' of .* is in an earlier corpus too"):
        merge([made("c", None), mixed], tmp_path / "abc")
    assert merge([mixed, made("d", None)], tmp_path / "abd").ids.to_pylist() == [
        *("0", "1", "2", "7001", "7002", "7003", "7004", "7005", "7006"),
    ]


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        encode(renamed(some_rows(9), name), tmp_path / f"{name}.corpus", reader=reader) for name in ("a", "b")
    ]
    linked = merge(parts, tmp_path / "linked.corpus")

    def refuses(*args: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuses)
    copied = merge(parts, tmp_path / "copied.corpus")
    assert copied.fingerprint == linked.fingerprint
    file = copied.path / "docs" / "part-00000.arrow"
    assert file.stat().st_nlink == 1 and (linked.path / "docs" / "part-00000.arrow").stat().st_nlink > 1


def test_what_cannot_be_merged_is_refused_before_anything_is_written(tmp_path: Path, reader: Reader) -> None:
    a = encode(some_rows(6), tmp_path / "a.corpus", reader=reader)
    b = encode(some_rows(6, seed=2), tmp_path / "b.corpus", reader=reader)
    out = tmp_path / "out.corpus"
    with pytest.raises(InputError, match=r"the id 'd0' of .*b.corpus is in an earlier corpus too"):
        merge([a, b], out)
    with pytest.raises(InputError, match="two corpora or more"):
        merge([a], out)
    with pytest.raises(InputError, match=r"a.corpus is given more than once"):
        merge([a, b, Path(a.path, "..", "a.corpus")], out)
    with pytest.raises(InputError, match="selection"):
        merge([a, b.select("topic = 'a'")], out)
    bare = encode(renamed(some_rows(6), "x"), tmp_path / "bare.corpus", reader=reader, store_text=False)
    with pytest.raises(CorpusError, match=r"bare.corpus keeps no texts and .*a.corpus does"):
        merge([a, bare], out)
    other = ready(tiny().reader(both=True), open_documents(some_rows(50, seed=3)), threshold=50)
    c = encode(renamed(some_rows(6), "y"), tmp_path / "c.corpus", reader=other)
    with pytest.raises(IncompatibleError, match="made by different readers"):
        merge([a, c], out)
    with pytest.raises(CorpusError, match="exists already"):
        merge([a, Corpus.open(b.path)], a.path)
    with pytest.raises(CorpusError, match="inside the corpus"):
        merge([a, encode(renamed(some_rows(3), "z"), tmp_path / "z.corpus", reader=reader)], a.path / "in")
    assert not out.exists() and not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name != "posix", reason="platform: symbolic links")
def test_a_corpus_of_symbolic_links_is_merged_as_files(tmp_path: Path, reader: Reader) -> None:
    """As a download cache has them: a link to a link would lead nowhere from another folder."""
    a, b = (encode(renamed(some_rows(9), n), tmp_path / f"{n}.corpus", reader=reader) for n in "ab")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, file in enumerate(sorted(b.path.glob("*/**/*.arrow"))):
        file.rename(blobs / str(number))
        file.symlink_to(os.path.relpath(blobs / str(number), file.parent))
    merged = merge([a, b.path], tmp_path / "deep" / "er" / "all.corpus")
    merged.verify()
    assert not any(file.is_symlink() for file in merged.path.rglob("*"))


def test_damaged_rejects_get_no_new_checksum(tmp_path: Path, reader: Reader) -> None:
    a, b = (
        encode(renamed(some_rows(9, empty_every=3), n), tmp_path / f"{n}.corpus", reader=reader) for n in "ab"
    )
    rejects = b.path / "rejects.jsonl"
    rejects.write_bytes(rejects.read_bytes().replace(b"empty", b"emqty"))
    with pytest.raises(ShardCorruptError, match=r"b.corpus/rejects.jsonl is damaged"):
        merge([a, b], tmp_path / "all.corpus")
    assert not (tmp_path / "all.corpus").exists()
