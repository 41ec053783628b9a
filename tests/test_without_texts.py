"""Metadata and lengths without the texts: the same values, all damage found, no text read or brought."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xxhash
from corpus_factory import make_calibration, make_corpus, make_shards, make_spec
from object_store import Shelf, serving
from test_cli import place, saetext

import saetext.io.store as stores
from saetext.corpus import Corpus, CorpusWriter, elsewhere
from saetext.corpus import files as corpus_files
from saetext.corpus.compacting import compact
from saetext.corpus.journal import JournalEntry, lines
from saetext.corpus.manifest import JOURNAL, NAME, Manifest
from saetext.corpus.merging import merge
from saetext.corpus.shard import docs_name
from saetext.corpus.transfer import pull, push
from saetext.corpus.upgrading import upgrade
from saetext.corpus.without_texts import TEXTS, WithoutTexts
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.sealed import sealed

__all__ = ["place"]

URL = "s3://shelf/a.corpus"
DOCS = "docs/part-00000.arrow"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.setattr(stores, "WAITS", ())
    monkeypatch.setattr(stores, "_TRIES_OF_SDK", 1)
    monkeypatch.setattr(elsewhere, "_WORTH", 0)
    with serving(monkeypatch) as found:
        yield found


def looked_at(corpus: Corpus) -> list[Any]:
    """Return what needs no text."""
    frame = corpus.documents.select("row", "id", "n_tokens", "n_unknown", "model", "score")
    return [
        corpus.n_tokens.tolist(), corpus.ids.to_pylist(), frame.collect().to_dicts(),
        corpus.select("n_tokens > 4 AND model <> 'gpt4'").selection.tolist(),
        corpus.csr("mean").toarray().tolist(),
        [each.to_dicts() for each in corpus.frames(["model", "id"])],
    ]  # fmt: skip


def as_first(home: Path) -> None:
    """Make a corpus one of schema 1.0: manifest and journal without the new checksums, nothing else."""
    told = json.loads((home / NAME).read_text("utf-8"))
    for shard in told["shards"]:
        shard.pop("without_texts", None)  # an upgrade that failed left none
    (home / NAME).write_text(json.dumps(sealed({**told, "schema": "1.0"})), "utf-8")
    (home / JOURNAL).write_bytes(lines(Manifest.read(home).shards))


def fresh(home: Path) -> Corpus:
    """Open a corpus as a process that has read none of it."""
    corpus_files._intact.clear()
    return Corpus.open(home)


# ---- values and bytes


def test_what_is_looked_at_is_what_whole_files_say(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", sizes=(5, 0, 9, 1))
    new = looked_at(corpus)
    assert new[0] == truth.n_tokens and new[1] == truth.ids
    as_first(corpus.path)
    assert fresh(corpus.path).manifest.schema == "1.0" and looked_at(fresh(corpus.path)) == new


def test_the_file_is_as_before_and_its_texts_alone_are_left_out(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", sizes=(9,))
    told = corpus.manifest.shards[0].without_texts
    content = (corpus.path / DOCS).read_bytes()
    assert told is not None and WithoutTexts.of(pa.py_buffer(content)) == told
    batch = pa.ipc.open_file(content).get_batch(0)
    plain = pa.BufferOutputStream()
    with pa.ipc.new_file(plain, batch.schema) as writer:
        writer.write_batch(batch)
    assert plain.getvalue() == content  # Arrow's own file and nothing else
    inside = [content[first:last] for first, last in told.left_out]
    kept = b"".join(content[first:last] for first, last in told.kept(len(content)))
    assert len(inside) == 2 and sum(map(len, inside)) + len(kept) == len(content)
    for text in filter(None, truth.texts):
        assert text.encode() in inside[0] and text.encode() not in kept
    assert all(id.encode() in kept for id in truth.ids)


def test_every_damaged_byte_is_found_by_whoever_uses_it(tmp_path: Path) -> None:
    """Of a text: by who reads texts, and by nobody else. Of all others: by both."""
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3,))
    right, entry = looked_at(corpus), corpus.manifest.shards[0]
    path = corpus.path / DOCS
    content = path.read_bytes()
    assert entry.without_texts is not None
    left_out = {at for first, last in entry.without_texts.left_out for at in range(first, last)}
    assert 100 < len(left_out) < len(content) - 100
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :])
        with pytest.raises(ShardCorruptError, match="checksum should be"):
            fresh(corpus.path).document(0)
        if at in left_out:
            found = fresh(corpus.path)
            assert found.n_tokens.tolist() == right[0] and found.ids.to_pylist() == right[1]
        else:
            with pytest.raises(ShardCorruptError, match="checksum should be"):
                fresh(corpus.path).n_tokens
    path.write_bytes(content)
    assert looked_at(fresh(corpus.path)) == right


def test_verify_reads_texts_and_compares_both_checksums(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 4))
    corpus.verify()
    path = corpus.path / DOCS
    content = path.read_bytes()
    at = corpus.manifest.shards[0].without_texts.left_out[0][0]
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(ShardCorruptError, match="part-00000"):
        fresh(corpus.path).verify()
    path.write_bytes(content)
    told = json.loads((corpus.path / NAME).read_text("utf-8"))
    told["shards"][1]["without_texts"]["xxh3_128"] = "0" * 32
    (corpus.path / NAME).write_text(json.dumps(sealed(told)), "utf-8")
    with pytest.raises(ShardCorruptError, match="part-00001"):
        fresh(corpus.path).verify()
    assert [v.path.name for v in fresh(corpus.path).verdicts() if v.state == "damaged"] == [
        "part-00001.arrow", "journal",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        3, {}, {"left_out": [[0, 10**9]], "xxh3_128": ""}, {"left_out": [[9, 3]], "xxh3_128": ""},
        {"left_out": [[5, 9], [7, 12]], "xxh3_128": ""}, {"left_out": [[1]], "xxh3_128": ""},
        {"left_out": [[-4, 9]], "xxh3_128": ""}, {"left_out": [], "xxh3_128": 4},
    ],
)  # fmt: skip
def test_a_forged_checksum_is_one_line(tmp_path: Path, told: Any) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3,))
    manifest = json.loads((corpus.path / NAME).read_text("utf-8"))
    manifest["shards"][0]["without_texts"] = told
    (corpus.path / NAME).write_text(json.dumps(sealed(manifest)), "utf-8")
    with pytest.raises(CorpusError, match=r"manifest.json is damaged") as caught:
        Corpus.open(corpus.path)
    assert "\n" not in str(caught.value)


def test_columns_that_lie_where_no_checksum_looks_are_refused(tmp_path: Path) -> None:
    """Whoever forges the manifest too could leave out the lengths."""
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3,))
    content = (corpus.path / DOCS).read_bytes()
    manifest = json.loads((corpus.path / NAME).read_text("utf-8"))
    (first, _), (_, last) = manifest["shards"][0]["without_texts"]["left_out"]
    kept = content[:first] + content[last:]
    forged = WithoutTexts(((first, last),), xxhash.xxh3_128_hexdigest(kept))
    manifest["shards"][0]["without_texts"] = forged.to_dict()
    (corpus.path / NAME).write_text(json.dumps(sealed(manifest)), "utf-8")
    with pytest.raises(ShardCorruptError, match="columns elsewhere than the manifest says"):
        fresh(corpus.path).n_tokens


# ---- versions


def test_an_append_leaves_an_older_corpus_of_its_version(tmp_path: Path) -> None:
    made, _ = make_corpus(tmp_path / "a.corpus", sizes=(3,), d_sae=8)
    as_first(made.path)
    (shard,) = make_shards(1, [4], 8)
    for schema in ("1.0", "1.1"):
        spec = Corpus.open(made.path).spec
        cards = {"main": Corpus.open(made.path).calibration()}
        with CorpusWriter.append(made.path, plan={"n": schema}, spec=spec, calibrations=cards) as writer:
            shard.write(writer, 0)
            grown = writer.finish()
        assert grown.manifest.schema == schema
        has = [entry.without_texts is not None for entry in grown.manifest.shards]
        assert has == ([False] * 2 if schema == "1.0" else [True] * 3)
        assert '"without_texts"' not in (made.path / JOURNAL).read_text("utf-8") or schema == "1.1"
        grown.verify()
        assert upgrade(made.path) == "1.1"


def test_upgrade_writes_what_a_new_corpus_has_and_touches_no_file(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 0, 6))
    shards, whole = corpus.manifest.shards, corpus.fingerprint
    before = {path: path.read_bytes() for path in sorted(corpus.path.rglob("*")) if path.is_file()}
    as_first(corpus.path)
    assert upgrade(corpus.path) == "1.1" and upgrade(corpus.path) == "1.1"
    found = fresh(corpus.path)
    assert found.manifest.shards == shards and found.fingerprint == whole
    assert {path: path.read_bytes() for path in before} == before  # byte for byte what it was made as
    assert {v.state for v in found.verdicts()} == {"intact"}


def test_upgrade_names_a_damaged_file_and_changes_nothing(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 6))
    as_first(corpus.path)
    manifest = (corpus.path / NAME).read_bytes()
    path = corpus.path / docs_name(1)
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    corpus_files._intact.clear()
    with pytest.raises(ShardCorruptError, match="part-00001"):
        upgrade(corpus.path)
    assert (corpus.path / NAME).read_bytes() == manifest
    path.write_bytes(content)
    (corpus.path / "append.json").write_text("{}")
    with pytest.raises(CorpusError, match=r"append to .* is unfinished"):
        upgrade(corpus.path)


def test_upgrade_that_is_killed_leaves_a_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 6))
    as_first(corpus.path)

    def fails(*_: object) -> None:
        raise OSError("gone")

    for target in ("saetext.corpus.manifest.Manifest.write", "saetext.corpus.upgrading.write_atomic"):
        with monkeypatch.context() as patch:
            patch.setattr(target, fails)
            with pytest.raises(CorpusError, match="cannot write"):
                upgrade(corpus.path)
        fresh(corpus.path).verify()
        assert "damaged" not in {v.state for v in fresh(corpus.path).verdicts()}
        as_first(corpus.path)
    assert upgrade(corpus.path) == "1.1"


def test_an_entry_is_read_by_who_knows_no_such_checksum() -> None:
    """Schema 1.0 ignores what it does not know: the rest of an entry is as it wrote it."""
    old = {
        "shard": 0, "rows": 0, "input_rows": 0, "input_hash": "", "tokens": 0, "entries": {}, "rejects": {},
        "rejects_bytes": 0, "files": {}, "meta": {}, "stats": {},
    }  # fmt: skip
    assert JournalEntry.from_dict(old).to_dict() == old
    new = {**old, "without_texts": {"left_out": [[1, 2]], "xxh3_128": "a"}}
    assert JournalEntry.from_dict(new).to_dict() == new and set(new) - set(old) == {"without_texts"}


# ---- other ways to a corpus


def test_merged_compacted_and_pushed_corpora_have_it_too(tmp_path: Path) -> None:
    one, _ = make_corpus(tmp_path / "a.corpus", sizes=(3, 5))
    few = compact(one, tmp_path / "few.corpus")
    assert all(entry.without_texts for entry in few.manifest.shards)
    few.verify()
    url = (tmp_path / "shelf" / "x.corpus").as_uri()
    push(one.path, url)
    back = pull(url, tmp_path / "back.corpus")
    assert isinstance(back, Corpus) and back.manifest.shards == one.manifest.shards
    back.verify()
    assert looked_at(fresh(few.path))[:4] == looked_at(fresh(one.path))[:4] == looked_at(back)[:4]


def test_a_merge_with_an_older_corpus_is_mixed_until_it_is_upgraded(tmp_path: Path) -> None:
    calibrations = {"main": make_calibration(8)}
    made = []
    for number in range(2):
        path = tmp_path / f"{number}.corpus"
        spec = make_spec(calibrations)
        with CorpusWriter.open(
            path, plan={}, spec=spec, calibrations=calibrations, stores_text=True
        ) as writer:
            for at, shard in enumerate(make_shards(number, [4, 3], 8)):
                shard.docs = shard.docs.set_column(
                    0, "id", pa.array([str(at * 4 + i) for i in range(shard.docs.num_rows)])
                ).cast(shard.docs.schema)
                shard.write(writer, at)
            made.append(writer.finish(extra={"columns": "ids made from row numbers"}))
    as_first(made[0].path)
    both = merge([one.path for one in made], tmp_path / "both.corpus")
    assert [entry.without_texts is not None for entry in both.manifest.shards] == [False] * 2 + [True] * 2
    assert both.ids.to_pylist() == [str(n) for n in range(14)]
    both.verify()
    assert upgrade(both.path) == "1.1"
    assert all(entry.without_texts for entry in fresh(both.path).manifest.shards)
    fresh(both.path).verify()


# ---- elsewhere


def test_a_condition_brings_no_texts(place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(40, 50))
    push(here.path, URL)
    right = looked_at(here)[:4]
    brought: list[int] = []
    pieces = stores.Store.pieces

    def counted(self: Any, name: str, size: int, first: int = 0) -> Iterator[bytes]:
        if "docs/" in name:
            brought.append(size - first)
        yield from pieces(self, name, size, first)

    monkeypatch.setattr(stores.Store, "pieces", counted)
    shelf.asked.clear()
    there = Corpus.open(URL)
    assert there.n_tokens.tolist() == right[0]
    assert there.select("n_tokens > 4 AND model <> 'gpt4'").selection.tolist() == right[3]
    kept = [
        last - first
        for entry in here.manifest.shards
        for first, last in entry.without_texts.kept(entry.files[docs_name(entry.shard)].bytes)
    ]
    assert brought == kept and len(kept) == 6
    assert not [key for key in shelf.got() if "/features/" in key]
    assert there.to_polars().equals(here.to_polars())  # now with the texts
    assert truth.texts == there.to_polars()["text"].to_list()
    brought.clear()
    assert looked_at(Corpus.open(URL))[:4] == right and not brought


@pytest.mark.parametrize("kind", ["500", "drop", "cut", "flipped", "403"])
def test_columns_that_cannot_be_brought_are_named_and_the_next_try_is_right(
    place: Path, shelf: Shelf, kind: str
) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(30, 7))
    push(here.path, URL)
    there = Corpus.open(URL)
    shelf.fault = lambda method, key, number: kind if key.endswith("docs/part-00001.arrow") else ""
    with pytest.raises((InputError, ShardCorruptError), match="docs/part-00001") as caught:
        there.n_tokens
    assert "\n" not in str(caught.value)
    shelf.fault = lambda method, key, number: ""
    assert there.n_tokens.tolist() == truth.n_tokens


def test_damaged_columns_in_the_cache_are_mended_and_the_limit_counts_no_holes(
    place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, truth = make_corpus(place / "a.corpus", sizes=(30, 7))
    push(here.path, URL)
    there = Corpus.open(URL)
    assert there.n_tokens.tolist() == truth.n_tokens
    path = there.path / "docs" / "part-00000.columns.arrow"
    content = bytearray(path.read_bytes())
    assert len(content) == (here.path / DOCS).stat().st_size
    assert truth.texts[0].encode() not in content and truth.ids[0].encode() in content
    content[-30] ^= 1
    path.write_bytes(bytes(content))
    corpus_files._intact.clear()
    assert Corpus.open(URL).ids.to_pylist() == truth.ids
    monkeypatch.setenv("SAETEXT_ELSEWHERE_GB", "1e-9")  # no room: each is used, then dropped
    assert Corpus.open(URL).n_tokens.tolist() == truth.n_tokens
    done = saetext("export", URL, "--where", "n_tokens > 4", "-o", "some.parquet")
    assert done.code == 0, done.err


def test_small_texts_are_brought_at_once(place: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking three times takes longer than the bytes."""
    monkeypatch.setattr(elsewhere, "_WORTH", 1 << 18)
    here, _ = make_corpus(place / "a.corpus", sizes=(3,))
    push(here.path, URL)
    shelf.asked.clear()
    there = Corpus.open(URL)
    assert there.n_tokens.tolist() == here.n_tokens.tolist()
    assert [key for key in shelf.got() if "/docs/" in key] == ["a.corpus/docs/part-00000.arrow"]


def test_what_is_left_out_is_what_documents_are_made_of() -> None:
    from saetext.corpus.meta import DOCS_FIELDS

    assert {field.name for field in DOCS_FIELDS} - {*TEXTS} == {"id", "n_tokens", "n_unknown"}
