"""saetext.documents: streams, progress, identity, bounded memory, and the project's shared data."""

from __future__ import annotations

import gc
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_helpers import (
    ROWS,
    WRITERS,
    content,
    csv_bytes,
    documents,
    expected,
    jsonl,
    outcome,
)

from saetext.documents import Document, open_documents
from saetext.documents import text as text_module
from saetext.errors import InputError

# --- streams -----------------------------------------------------------------------------------------------


class OneWay(io.RawIOBase):
    """A pipe: gives few bytes at a time and cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(memoryview(buffer)[:7])


@pytest.mark.parametrize("zipped", [False, True])
def test_standard_input(monkeypatch, zipped):
    data = "\n".join(map(json.dumps, ROWS)).encode()
    pipe = OneWay(gzip.compress(data) if zipped else data)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": pipe})())
    source = open_documents("-", id="id")
    assert (source.name, source.size_bytes, source.n_rows, source.restartable) == (
        "standard input",
        None,
        None,
        False,
    )
    assert content(source) == expected(ROWS)
    assert source.progress() is None
    with pytest.raises(InputError, match="standard input can be read only once"):
        iter(source)
    assert not pipe.closed


def test_file_objects(tmp_path):
    """A file object that can seek is rewound to where it stood; one that cannot is read once."""
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    with path.open("rb") as file:
        source = open_documents(file)
        assert content(source) == content(source) == expected(ROWS)
        assert source.name == "a.jsonl" and source.progress() == 1.0 and not file.closed
    assert content(open_documents(OneWay(path.read_bytes()), id="id")) == expected(ROWS)
    assert content(open_documents(io.BytesIO(csv_bytes(ROWS)), format="csv")) == expected(ROWS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="platform: no named pipes")
def test_named_pipe(tmp_path):
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes("\n".join(map(json.dumps, ROWS)).encode()))
    writer.start()
    assert [d.text for d in documents(open_documents(pipe))] == [row["text"] for row in ROWS]
    writer.join()


@pytest.mark.skipif(sys.platform != "linux", reason="platform: no file names of any bytes")
def test_file_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    source = open_documents(jsonl(path, ROWS))
    assert content(source) == expected(ROWS)
    assert source.name == "caf\ufffd.jsonl" and next(iter(source)).where == "caf\ufffd.jsonl, line 1"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.parquet", "stream.arrow"])
def test_progress_grows(tmp_path, name, monkeypatch):
    monkeypatch.setattr(text_module, "BUFFER", 4096)
    rows = [{"text": os.urandom(30).hex(), "n": i} for i in range(2000)]
    WRITERS[name](tmp_path / name, rows)
    source = open_documents(tmp_path / name)
    shares = []
    for i, _ in enumerate(source):
        if i % 100 == 0:
            shares.append(source.progress())
    assert shares == sorted(shares) and shares[0] < 0.1 and 0.4 < shares[10] < 0.7
    assert source.progress() == 1.0
    next(iter(source))
    assert source.progress() < 0.1


def test_identity(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", ROWS)
    one = open_documents(path).identity()
    os.utime(path, (0, 0))
    assert one == open_documents(path).identity() == json.loads(json.dumps(one))
    assert one["columns"] == {"text": "text", "id": "id"} and one["name"] == "a.jsonl"
    for options in ({"text": "label"}, {"id": ""}):
        assert open_documents(path, **options).identity() != one
    chats = jsonl(tmp_path / "c.jsonl", [{"messages": [{"role": "user", "content": "a"}]}] * 3)
    assert open_documents(chats, role="user").identity() != open_documents(chats).identity()
    jsonl(path, ROWS[:2])
    assert open_documents(path).identity() != one


# --- memory ------------------------------------------------------------------------------------------------


def big_rows(megabytes: int):
    for i in range(megabytes * 200):
        yield {"id": f"d{i}", "text": f"{i:05d} word " * 450, "note": "é"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv.gz"])
def test_memory_is_bounded_for_text_formats(tmp_path, name):
    path = tmp_path / name
    megabytes = 12 if name == "a.csv.gz" else 50
    rows = big_rows(megabytes)
    if name == "a.csv.gz":
        path.write_bytes(gzip.compress(csv_bytes(list(rows)), 1))
    else:
        array = name == "a.json"
        with path.open("w") as file:
            file.write("[" * array)
            for i, row in enumerate(rows):
                file.write(("," if array and i else "") + json.dumps(row) + "\n")
            file.write("]" * array)
        assert path.stat().st_size > 45e6
    tracemalloc.start()
    source = open_documents(path, id=None if name == "a.csv.gz" else "id")
    assert source.columns.id == "id"  # named, or guessed and checked for repeats over the whole file
    count = sum(isinstance(item, Document) for item in source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == megabytes * 200
    assert peak < 10e6


def test_memory_is_bounded_for_parquet_with_one_row_group(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [f"{i} {row['text']}" for i, row in enumerate(big_rows(40))]
    table = pa.table({"text": rows})
    pq.write_table(table, path, row_group_size=len(rows), compression="none", use_dictionary=False)
    assert path.stat().st_size > 35e6
    code = (
        "import pyarrow, sys; from saetext.documents import open_documents\n"
        "print(sum(1 for _ in open_documents(sys.argv[1])), pyarrow.default_memory_pool().max_memory())"
    )
    root = Path(__file__).resolve().parents[1]  # a process of its own: the high-water mark is never reset
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    count, peak = map(int, done.stdout.split())
    assert count == 8000 and peak < 15e6


def test_bytes_columns_are_not_read(tmp_path, monkeypatch):
    pq.write_table(pa.table({"text": ["a"] * 500, "pic": [b"x" * 1000] * 500}), tmp_path / "a.parquet")
    asked = []
    original = pq.ParquetFile.iter_batches

    def spy(self, **options):
        asked.append(options["columns"])
        return original(self, **options)

    source = open_documents(tmp_path / "a.parquet")
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    assert len(documents(source)) == 500 and asked == [["text"]]


def test_no_file_is_left_open(tmp_path):
    path = tmp_path / "a.jsonl"
    jsonl(path, ROWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        assert documents(open_documents(path))
        gc.collect()
    assert not caught


# --- the project's shared data -----------------------------------------------------------------------------


@pytest.mark.data
def test_shared_data_reads_whole():
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    for path in sorted(folder.glob("*.parquet")):
        if path.stat().st_size > 6e5:
            continue
        frame = pl.read_parquet(path)
        source = open_documents(path)
        good, bad = outcome(source)
        empty = [not (t or "").strip() for t in frame["text"]]
        assert len(good) == frame.height - sum(empty) and len(bad) == sum(empty)
        kept = frame.filter(~pl.Series(empty))
        assert [d.text for d in good] == kept["text"].to_list() and [d.id for d in good] == kept[
            "id"
        ].to_list()
