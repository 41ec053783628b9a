"""Damaged and forged files of a corpus, and other versions: found, named, never read beyond their ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saetext.corpus import Corpus, opened
from saetext.corpus import files as corpus_files
from saetext.corpus import shard as shard_files
from saetext.corpus.rows import ENTRY_COLUMNS
from saetext.corpus.upgrading import upgrade
from saetext.errors import CorpusError, ShardCorruptError
from tests.corpus_factory import make_big_corpus, make_corpus


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("whole") / "c", 5, (3, 0, 4, 2), saes=("main", "b"))[0].path


def test_damage_is_found_and_named(uninterrupted, tmp_path):
    uses = {
        "docs/part-00002.arrow": lambda c: c.document(5),
        "features/main/part-00002.arrow": lambda c: c.postings("main"),
        "features/b/part-00002.arrow": lambda c: c.csr("max", "b"),
        "cards/main.arrow": lambda c: c.calibration("main"),
    }
    for name, use in uses.items():
        copy = tmp_path / name.replace("/", " ")
        shutil.copytree(uninterrupted, copy)
        data = (copy / name).read_bytes()
        for short in (data[:-1], b"", data + b"x"):
            (copy / name).write_bytes(short)
            with pytest.raises(
                ShardCorruptError, match=f"{name} is damaged: it should have {len(data)} bytes"
            ):
                Corpus.open(copy)
        (copy / name).unlink()
        with pytest.raises(ShardCorruptError, match=f"{name} cannot be read"):
            Corpus.open(copy)
        for at in range(0, len(data), max(len(data) // 7, 1)):
            (copy / name).write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            corpus = Corpus.open(copy)
            for check in (use, Corpus.verify):
                with pytest.raises(ShardCorruptError, match=f"{name} is damaged: its checksum"):
                    check(corpus)
            assert corpus.document(0)["id"] == "doc-0"  # other shards can still be used
            assert corpus.documents.head(2).collect().height == 2
            assert corpus.documents.select("id").head(3).collect().height == 3
        (copy / name).write_bytes(data)
        Corpus.open(copy).verify()
    (copy / "rejects.jsonl").write_text("{}")
    with pytest.raises(ShardCorruptError, match=r"rejects\.jsonl"):
        Corpus.open(copy).verify()


def touch(corpus: Corpus) -> None:
    _ = corpus.n_tokens
    for sae in corpus.saes:
        list(corpus.blocks("max", sae))


def test_a_file_is_read_through_once_per_process(uninterrupted, monkeypatch):
    corpus = Corpus.open(uninterrupted)
    corpus.verify()
    monkeypatch.setattr(corpus_files, "checksum", lambda path: pytest.fail(f"read {path} again"))
    touch(Corpus.open(uninterrupted))


def rewrite(path: Path, name: str, batch: pa.RecordBatch) -> None:
    """Put another batch in a shard's place, with the checksums a forger would also fix."""
    stamp = shard_files.write_batch(path / name, batch)
    manifest = json.loads((path / "manifest.json").read_text())
    for shard in manifest["shards"]:
        if name in shard["files"]:
            shard["files"][name] = stamp.to_dict()
    manifest.pop("seal", None)
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_damage_under_an_open_corpus_is_found(uninterrupted, tmp_path):
    """Shards stay mapped between documents, but each use looks whether the file is still the same."""
    copy = tmp_path / "c"
    shutil.copytree(uninterrupted, copy)
    corpus = Corpus.open(copy)
    view = corpus.select([3, 4, 8])
    assert corpus.document(3)["id"] == view.document(0)["id"] == "doc-3"
    name = "docs/part-00002.arrow"
    data = (copy / name).read_bytes()
    at = data.index(b"doc-3")
    # another file in its place, as a tool that writes atomically leaves it: the old mapping stays whole
    (copy / "new").write_bytes(data[:at] + b"doc-9" + data[at + 5 :])
    os.utime(copy / "new", ns=(0, (copy / name).stat().st_mtime_ns))
    (copy / "new").replace(copy / name)
    for one, row in ((corpus, 3), (view, 0)):
        with pytest.raises(ShardCorruptError, match=f"{name} is damaged: its checksum"):
            one.document(row)
    (copy / name).unlink()
    with pytest.raises(ShardCorruptError, match=f"{name} cannot be read"):
        corpus.document(3)
    assert view.document(2)["id"] == "doc-8"


def test_only_so_many_files_stay_mapped(uninterrupted, monkeypatch):
    monkeypatch.setattr(opened, "_FEWEST", 2)
    monkeypatch.setattr(opened, "most_open", lambda: 2)
    corpus = Corpus.open(uninterrupted)
    maps: dict[int, list[object]] = {}  # by thread: one of an earlier test may still be at work
    held = shard_files._map

    def mapped(*given, **how):
        maps.setdefault(threading.get_ident(), []).append(given[0])
        return held(*given, **how)

    monkeypatch.setattr(shard_files, "_map", mapped)
    for row in (0, 0, 0):
        corpus.document(row)
    assert len(corpus._opened._files) == 2
    ours = maps[threading.get_ident()]
    assert len(ours) == 3 * (1 + 2), ours  # documents and two SAEs, three files for two places
    corpus.select([0]).n_tokens
    corpus.n_tokens
    assert len(corpus._opened._files) == 2


def resident(path: Path) -> int:
    """KB of a file's mappings that are in this process's memory."""
    found, here = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            found += int(line.split()[1])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc")
def test_pages_that_were_read_are_given_back(tmp_path):
    corpus = make_big_corpus(tmp_path / "big.corpus", 4000)
    view = corpus.select(range(1, 4000))
    matrix = corpus.csr()
    name = "features/main/part-00000.arrow"
    before = [corpus.document(row) for row in (5, 2000)]
    assert resident(corpus.path / name) > 0
    view.give_back_pages()
    assert resident(corpus.path / name) == 0
    after = [view.document(row - 1) for row in (5, 2000)]
    for old, new in zip(before, after, strict=True):  # what was read before is still there, too
        for column in ENTRY_COLUMNS:
            np.testing.assert_array_equal(
                getattr(old["entries"]["main"], column), getattr(new["entries"]["main"], column)
            )
    assert matrix.sum() > 0


def test_documents_from_many_threads(uninterrupted):
    corpus = Corpus.open(uninterrupted)
    rows = list(range(len(corpus))) * 40
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: corpus.document(row)["id"], rows))
    assert found == [f"doc-{row}" for row in rows]


def test_forged_shards_cannot_reach_beyond_their_arrays(uninterrupted, tmp_path):
    copy = tmp_path / "c"
    shutil.copytree(uninterrupted, copy)
    name = "features/main/part-00000.arrow"
    with pa.memory_map(str(copy / name)) as source:
        batch = pa.ipc.open_file(source).read_all().combine_chunks().to_batches()[0]
    batch = pa.ipc.read_record_batch(batch.serialize(), batch.schema)  # a copy, not the file
    lists = batch.column(0)
    n = len(lists.values)

    def with_feature(feature, offsets):
        forged = pa.Array.from_buffers(
            lists.type, len(lists), [None, pa.array(offsets, pa.int32()).buffers()[1]],
            children=[pa.array(feature, pa.int32())],
        )  # fmt: skip
        return pa.RecordBatch.from_arrays([forged, *batch.columns[1:]], schema=batch.schema)

    def with_offsets(offsets):
        columns = [
            pa.Array.from_buffers(
                column.type,
                n_rows,
                [None, pa.array(offsets, pa.int32()).buffers()[1]],
                children=[column.values],
            )
            for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    offsets = lists.offsets.to_pylist()
    n_rows = len(lists)
    for forged in (
        with_offsets([0, n, 0, n]),
        with_offsets([0, n + 2**20, n, n]),
        with_offsets([0, -(2**20), 0, n]),
        with_feature([10**6] * n, offsets),
        with_feature([-1] * n, offsets),
        with_feature(range(n), [0, n, 0, n]),
        with_feature([0] * n, [0, 0, 0, n]),
        batch.select(["feature", "value"]),
        batch.slice(0, 2),
    ):
        rewrite(copy, name, forged)
        with pytest.raises(ShardCorruptError, match="part-00000"):
            touch(Corpus.open(copy))
    (copy / name).write_bytes(b"ARROW1 but no")
    stamp = corpus_files.checksum(copy / name)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["shards"][0]["files"][name] = stamp.to_dict()
    manifest.pop("seal", None)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ShardCorruptError, match="not a readable Arrow file"):
        touch(Corpus.open(copy))


def change(path: Path, **keys) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    manifest.pop("seal", None)  # as earlier versions wrote it
    (path / "manifest.json").write_text(json.dumps({**manifest, **keys}))


def test_versions(uninterrupted, tmp_path):
    copy = tmp_path / "c"
    shutil.copytree(uninterrupted, copy)
    assert upgrade(copy) == "1.1"
    spec = json.loads((copy / "manifest.json").read_text())["spec"]
    change(
        copy,
        schema="1.7",
        flavour="new",
        spec={**spec, "novelty": 1, "taps": [{**t, "z": 1} for t in spec["taps"]]},
    )
    corpus = Corpus.open(copy)
    assert (len(corpus), corpus.manifest.schema, corpus.spec) == (9, "1.7", Corpus.open(uninterrupted).spec)
    corpus.verify()
    change(copy, schema="2.0")
    for use in (Corpus.open, upgrade):
        with pytest.raises(
            CorpusError, match=r"schema 2\.0 and this saetext reads up to 1\.1; upgrade saetext"
        ):
            use(copy)
    for schema in (None, 1, "one", "1." + "9" * 5000):
        change(copy, schema=schema)
        with pytest.raises(CorpusError, match="which schema"):
            Corpus.open(copy)


@pytest.mark.parametrize(
    "keys",
    [
        {"shards": None},
        {"shards": [{}]},
        {"spec": {"model": "x"}},
        {"cards": {}},
        {"rejects": {"bytes": "many"}},
        {"runs": 3},
    ],
)
def test_a_damaged_manifest_is_one_line(uninterrupted, tmp_path, keys):
    copy = tmp_path / "c"
    shutil.copytree(uninterrupted, copy)
    change(copy, **keys)
    with pytest.raises(CorpusError, match=r"manifest\.json is damaged") as raised:
        Corpus.open(copy)
    assert "\n" not in str(raised.value)


def test_a_manifest_cannot_point_outside(uninterrupted, tmp_path):
    copy = tmp_path / "c"
    shutil.copytree(uninterrupted, copy)
    text = (copy / "manifest.json").read_text()
    for old, new in (("features/b/", "../../b/"), ('"b"', '"../b"'), ("docs/part-00000", "docs/../../etc")):
        (copy / "manifest.json").write_text(text.replace(old, new))
        with pytest.raises(CorpusError, match=r"manifest\.json is damaged"):
            Corpus.open(copy)
    for garbage in (text[: len(text) // 2], "[]", "", "null", "[" * 100_000):
        (copy / "manifest.json").write_text(garbage)
        with pytest.raises(CorpusError):
            Corpus.open(copy)
