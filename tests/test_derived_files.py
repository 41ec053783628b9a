"""Derived files: damaged is not stale, what is mended is said, and what has no checksum still opens."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from saetext.analysis.clusters.model import load_model
from saetext.analysis.search import Searcher, build_index
from saetext.analysis.search.dense import dense_part
from saetext.analysis.search.indexing import scales_part
from saetext.analysis.search.words import words_part
from saetext.analysis.verification import verdicts
from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.calibration import Calibration
from saetext.errors import InputError, LabelError, ReaderError, SaetextWarning
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io import derived
from saetext.io.derived import Derived, check_file
from saetext.io.files import checksum
from saetext.io.sealed import Broken, Stale, Unsealed, require_seal, seal_bytes, sealed, unseal_bytes
from tests.corpus_factory import make_calibration, make_corpus, make_shards, make_spec
from tests.every_byte import NAME, clusters, labels, make, small_world


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with small_world(tmp_path):
        make(tmp_path)
        yield tmp_path


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def warned(call: object) -> list[str]:
    """Return what was warned of while ``call`` ran."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        call()  # type: ignore[operator]
    return [str(w.message) for w in told if issubclass(w.category, SaetextWarning)]


# ---- seals ---------------------------------------------------------------------------------------------


def test_sealed_json_does_not_care_how_it_is_laid_out_and_tells_any_change() -> None:
    made = sealed({"b": [1, 2.5, None], "a": {"é": "x"}, 3: True})
    again = json.loads(json.dumps(made, indent=3, sort_keys=True))
    assert require_seal(made) and require_seal(again)
    assert not require_seal({key: value for key, value in made.items() if key != "seal"})
    for key, value in (("b", [1, 2.5, 0]), ("a", {"e": "x"}), ("3", False), ("more", 1), ("seal", "0")):
        with pytest.raises(Broken):
            require_seal({**made, key: value})


def test_sealed_bytes_tell_damage_from_staleness_from_no_seal() -> None:
    content = bytes(range(256))
    whole = seal_bytes(content, "this corpus")
    assert unseal_bytes(whole, "this corpus") == content
    with pytest.raises(Stale):
        unseal_bytes(whole, "that corpus")
    for other in (content, b"", whole[:-1], whole[40:][:20]):
        with pytest.raises(Unsealed):
            unseal_bytes(other, "this corpus")
    for at in (0, 100, 255, len(content) + 20, len(whole) - 1):
        with pytest.raises(Broken):
            unseal_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], "this corpus")


def test_a_directory_is_missing_intact_stale_or_damaged(tmp_path: Path) -> None:
    part = Derived(tmp_path / "index", "sums", "content 1")
    assert part.check().state == "missing" and part.find() is None
    part.build(lambda folder: (folder / "a.txt").write_text("one") and None)
    assert part.check().state == "intact" and part.find() == part.folder
    assert Derived(part.home, "sums", "content 2").check().state == "stale"
    (part.folder / "a.txt").write_text("two")
    found = part.check()
    assert (found.state, found.reason) == ("damaged", "a.txt: its checksum has changed")
    assert str(found) == f"{part.folder} is damaged (a.txt: its checksum has changed)"
    (part.folder / "a.txt").write_text("three")
    assert part.check().reason == "a.txt: it has 5 bytes, not 3"
    (part.folder / "a.txt").unlink()
    assert part.check().reason == "a.txt: it is missing"
    part.build(lambda folder: (folder / "a.txt").write_text("one") and None)
    assert part.check().state == "intact"
    (part.folder / "stamp.json").unlink()
    assert part.check().reason == "stamp.json: it is missing"


def test_a_stamp_cannot_lead_out_of_its_directory(tmp_path: Path) -> None:
    part = Derived(tmp_path, "sums", "content")
    part.build(lambda folder: (folder / "a.txt").write_text("one") and None)
    (tmp_path / "secret").write_text("one")
    told = json.loads((part.folder / "stamp.json").read_text())
    told["files"] = {"../secret": told["files"]["a.txt"]}
    (part.folder / "stamp.json").write_text(
        json.dumps(sealed({k: v for k, v in told.items() if k != "seal"}))
    )
    assert part.check().state == "damaged"


def test_a_file_is_read_once_unless_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    stamp = checksum(path)
    monkeypatch.setattr(derived, "_TICK", -1)
    read: list[Path] = []
    monkeypatch.setattr(derived, "checksum", lambda path: read.append(path) or checksum(path))
    assert [check_file(path, stamp).state for _ in range(3)] == ["intact"] * 3 and len(read) == 1
    assert check_file(path, stamp, again=True).state == "intact" and len(read) == 2
    before = path.stat()
    path.write_bytes(b"12344")
    import os

    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if it had not changed
    assert check_file(path, stamp).state == "damaged"


# ---- a search of a damaged index -----------------------------------------------------------------------


def test_scales_and_postings_are_built_again_with_a_line(home: Path) -> None:
    corpus = Corpus.open(home / NAME)
    right = Searcher(corpus, labels=labels(), lexical=True).search(features="1,4:2").table
    folder = scales_part(corpus, "main").folder
    good = (folder / "lengths.npy").read_bytes()
    flip(folder / "lengths.npy")
    found = []
    told = warned(
        lambda: found.append(Searcher(corpus, labels=labels(), lexical=True).search(features="1,4:2"))
    )
    assert found[0].table.equals(right)
    assert len(told) == 1 and "lengths.npy" in told[0] and "built again" in told[0]
    assert (folder / "lengths.npy").read_bytes() == good
    (postings,) = (home / NAME / "index" / "main").glob("postings-*")
    flip(postings / "value.npy")
    told = warned(lambda: Corpus.open(home / NAME).postings())
    assert len(told) == 1 and "value.npy" in told[0]
    assert warned(lambda: Corpus.open(home / NAME).postings()) == []


def test_damage_is_not_called_stale_and_an_append_is(home: Path) -> None:
    corpus = Corpus.open(home / NAME)
    flip(dense_part(corpus).folder / "vectors.faiss")
    searcher = Searcher(corpus, labels=labels(), lexical=True)
    found = searcher.search("label 1")
    (note,) = [note for note in found.notes if "dense" in note]
    assert found.params["mode"] == "features" and "vectors.faiss" in note and "stale" not in note
    with pytest.raises(InputError, match=r"vectors\.faiss: its checksum has changed.*saetext index"):
        searcher.search("river", mode="dense")
    flip(words_part(corpus).folder / "vocab.index.json")
    with pytest.raises(InputError, match=r"damaged \(vocab\.index\.json"):
        searcher.search("river", mode="bm25")
    done = {}
    told = warned(lambda: done.update(build_index(corpus)))
    assert done["bm25"] == done["dense"] == "built" and len(told) == 2
    calibrations = {"main": make_calibration(corpus.spec.sae().d_sae)}
    spec = make_spec(calibrations)
    with CorpusWriter.append(home / NAME, plan={"n": 1}, spec=spec, calibrations=calibrations) as writer:
        make_shards(9, [3], 6, first=100)[0].write(writer, 1)
        corpus = writer.finish(extra={})
    with pytest.raises(InputError, match="is stale"):
        Searcher(corpus, labels=labels(), lexical=True).search("river", mode="dense")
    states = {v.state for v in verdicts(corpus)}
    assert states == {"intact", "stale"}


def test_an_index_that_cannot_be_written_is_mended_in_memory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus.open(home / NAME)
    right = corpus.postings().csc().toarray()
    (postings,) = (home / NAME / "index" / "main").glob("postings-*")
    flip(postings / "doc.npy")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(derived, "make_directory", refuse)
    again = Corpus.open(home / NAME)
    assert len(warned(lambda: again.postings())) == 1
    np.testing.assert_array_equal(again.postings().csc().toarray(), right)
    flip(scales_part(corpus, "main").folder / "scales.npy")
    found = []
    told = warned(lambda: found.append(Searcher(again, labels=labels(), lexical=True)))
    assert any("scales.npy" in line for line in told)
    assert found[0].search(features="1").table.height > 0


# ---- what earlier versions wrote -------------------------------------------------------------------------


def unsealed(path: Path) -> None:
    told = json.loads(path.read_text())
    del told["seal"]
    path.write_text(json.dumps(told))


def test_what_has_no_checksum_still_opens(home: Path) -> None:
    corpus = Corpus.open(home / NAME)
    for stamp in (home / NAME / "index").rglob("stamp.json"):
        unsealed(stamp)
    unsealed(home / NAME / "manifest.json")
    again = Corpus.open(home / NAME)
    assert again.fingerprint == corpus.fingerprint
    assert set(build_index(again).values()) == {"kept"}
    unsealed(home / "x.clusters" / "manifest.json")
    told = warned(lambda: load_model(home / "x.clusters"))
    assert len(told) == 1 and "cannot be verified" in told[0] and "manifest.json" in told[0]
    table = pq.read_table(home / NAME / "labels.parquet")
    note = json.loads(table.schema.metadata[b"saetext.labels"])
    del note["checked"]
    pq.write_table(
        table.replace_schema_metadata({"saetext.labels": json.dumps(note)}), home / NAME / "labels.parquet"
    )
    assert list(FeatureLabels.read(home / NAME / "labels.parquet")) == list(labels())
    states = {v.path.name: v.state for v in verdicts(again) if v.state != "intact"}
    assert states == {"manifest.json": "unchecked", "labels.parquet": "unchecked"}


def test_embeddings_without_a_seal_are_made_again_with_a_line(home: Path) -> None:
    corpus = Corpus.open(home / NAME)
    (kept,) = (home / NAME / "index" / "text" / "embeddings").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-48])  # as an earlier version wrote it
    shutil.rmtree(dense_part(corpus).folder)
    told = warned(lambda: build_index(corpus))
    assert len(told) == 1 and "no checksum" in told[0] and "embedded again" in told[0]
    assert kept.read_bytes() == whole


# ---- tables ----------------------------------------------------------------------------------------------


def test_labels_changed_without_their_checksum_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.parquet"
    labels().write(path)
    table = pq.read_table(path)
    texts = table.column("label").to_pylist()
    other = table.set_column(1, table.schema.field(1), [["changed", *texts[1:]]])
    pq.write_table(other, path)
    with pytest.raises(LabelError, match=r"labels\.parquet is damaged .*saetext label"):
        FeatureLabels.read(path)
    # another program's cut and compression do not matter
    pq.write_table(table, path, compression="snappy", row_group_size=2)
    assert list(FeatureLabels.read(path)) == list(labels())
    # a seal that was lost is not one that never was
    pq.write_table(
        table.replace_schema_metadata({"saetext.labels": table.schema.metadata[b"saetext.labels"]}), path
    )
    with pytest.raises(LabelError, match="damaged"):
        FeatureLabels.read(path)


def test_nulls_slices_and_empty_tables_have_one_checksum(tmp_path: Path) -> None:
    rows = [
        FeatureLabel(f, f"l{f}", score=None if f % 2 else f / 7, top_words=("é",) * (f % 3)) for f in range(9)
    ]
    whole = FeatureLabels.from_rows(rows)
    for number, part in enumerate((whole.table.slice(2, 4), whole.table.slice(0, 0), whole.table)):
        FeatureLabels(part).write(tmp_path / f"{number}.parquet")
        assert FeatureLabels.read(tmp_path / f"{number}.parquet").table.equals(part)


def test_a_calibration_of_another_reader_is_not_taken_for_this_one(tmp_path: Path) -> None:
    make_calibration(5).write(tmp_path / "c.arrow", "reader a")
    assert Calibration.read(tmp_path / "c.arrow", "reader a").sha256 == make_calibration(5).sha256
    assert Calibration.read(tmp_path / "c.arrow").sha256 == make_calibration(5).sha256
    with pytest.raises(ReaderError, match="another reader"):
        Calibration.read(tmp_path / "c.arrow", "reader b")


def test_clusters_of_a_corpus_that_changed_are_stale(home: Path) -> None:
    from saetext.analysis.clusters.model import check_clusters

    corpus = Corpus.open(home / NAME)
    assert {v.state for v in check_clusters(home / "x.clusters", corpus.fingerprint)} == {"intact"}
    assert check_clusters(home / "x.clusters", "other")[0].state == "stale"
    (home / "x.clusters" / "model.npz").unlink()
    assert [v.state for v in check_clusters(home / "x.clusters")].count("missing") == 1
    other, _ = make_corpus(home / "y.corpus", 4, (5,), 6)
    assert clusters(other).sources != clusters(corpus).sources
