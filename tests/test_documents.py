"""saetext.documents: every format gives the same documents, every row ends as one Document or Reject."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import gzip
import io
import json
import math
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from saetext.documents import REASONS, Columns, Document, Message, Reject, open_documents
from saetext.documents import text as text_module
from saetext.documents.convert import IdSet, parse_messages, plain_value
from saetext.documents.text import ByteSource, JsonArray
from saetext.errors import InputError, SaetextError

ROWS = [
    {"id": "a", "text": "One line.", "n": 1, "score": 0.5, "good": True, "label": "x"},
    {
        "id": "b",
        "text": 'Quotes ", commas,\nand a line break',
        "n": -2,
        "score": 2.0,
        "good": False,
        "label": None,
    },
    {"id": "c", "text": "Ünïcode 漢字 🙂", "n": 3, "score": 1e-7, "good": True, "label": "z"},
]


def jsonl_bytes(rows: list, newline: str = "\n") -> bytes:
    return "".join(json.dumps(row) + newline for row in rows).encode()


def jsonl(path: Path, rows: list, newline: str = "\n") -> Path:
    path.write_bytes(jsonl_bytes(rows, newline))
    return path


def csv_bytes(rows: list[dict], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def outcome(source) -> tuple[list, list]:
    items = list(source)
    assert [item.position for item in items] == list(range(len(items)))
    assert all(
        item.reason in REASONS and "\n" not in item.detail for item in items if isinstance(item, Reject)
    )
    return [i for i in items if isinstance(i, Document)], [i for i in items if isinstance(i, Reject)]


def documents(source) -> list[Document]:
    good, bad = outcome(source)
    assert bad == []
    return good


def content(source) -> list[tuple]:
    return [(d.position, d.id, d.text, d.prompt, d.meta) for d in documents(source)]


def reasons(source) -> list[str]:
    return [item.reason if isinstance(item, Reject) else "ok" for item in source]


def expected(rows: list[dict]) -> list[tuple]:
    """What the rows mean, without any of the code under test."""
    return [
        (i, row["id"], row["text"], None, {k: v for k, v in row.items() if k not in ("id", "text")})
        for i, row in enumerate(rows)
    ]


def write_stream(path: Path, table: pa.Table, batch: int = 2) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)


def write_file(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


WRITERS = {
    "a.jsonl": jsonl,
    "a.ndjson": jsonl,
    "polars.ndjson": lambda p, rows: pl.DataFrame(rows).write_ndjson(p),
    "a.json": lambda p, rows: p.write_bytes(json.dumps(rows).encode()),
    "indented.json": lambda p, rows: p.write_bytes(json.dumps(rows, indent=2, ensure_ascii=False).encode()),
    "a.csv": lambda p, rows: p.write_bytes(csv_bytes(rows)),
    "polars.csv": lambda p, rows: pl.DataFrame(rows).write_csv(p),
    "a.tsv": lambda p, rows: p.write_bytes(csv_bytes(rows, "\t")),
    "a.jsonl.gz": lambda p, rows: p.write_bytes(
        b"".join(gzip.compress(json.dumps(r).encode() + b"\n") for r in rows)  # several gzip members
    ),
    "a.json.gz": lambda p, rows: p.write_bytes(gzip.compress(json.dumps(rows).encode())),
    "a.CSV.GZ": lambda p, rows: p.write_bytes(gzip.compress(csv_bytes(rows))),
    "zipped.jsonl": lambda p, rows: p.write_bytes(gzip.compress(jsonl_bytes(rows).rstrip())),
    "a.parquet": lambda p, rows: pq.write_table(pa.Table.from_pylist(rows), p, row_group_size=2),
    "polars.pq": lambda p, rows: pl.DataFrame(rows).write_parquet(p),
    "stream.arrow": lambda p, rows: write_stream(p, pa.Table.from_pylist(rows)),
    "file.arrow": lambda p, rows: write_file(p, pa.Table.from_pylist(rows)),
    "polars.feather": lambda p, rows: pl.DataFrame(rows).write_ipc(p, compression="zstd"),
    "polars.ipc": lambda p, rows: pl.DataFrame(rows).write_ipc_stream(p),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_documents(tmp_path, name):
    path = tmp_path / "dir with spaces, é 漢" / f"ä {name}"
    path.parent.mkdir()
    WRITERS[name](path, ROWS)
    source = open_documents(path)
    assert content(source) == expected(ROWS)
    assert content(source) == expected(ROWS)  # restartable
    assert source.columns.describe() == "text from 'text' (guessed), ids from 'id' (guessed)"
    assert source.progress() == 1.0 and source.notices == [] and source.restartable
    assert source.size_bytes == path.stat().st_size
    assert source.n_rows == (3 if source.format in ("parquet", "arrow") else None)
    unit = "line" if source.format in ("jsonl", "csv", "tsv") else "row"
    first = 2 if source.format in ("csv", "tsv") else 1
    where = [d.where for d in source]
    assert where[:2] == [f"{path.name}, {unit} {first}", f"{path.name}, {unit} {first + 1}"]
    # the second CSV row spans two lines
    assert where[2].endswith(f" {first + 3}" if source.format in ("csv", "tsv") else f" {first + 2}")
    assert [type(v) for d in source for v in d.meta.values()] == [
        type(v) for row in ROWS for k, v in row.items() if k not in ("id", "text")
    ]


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        pl.DataFrame,
        pl.LazyFrame,
        pa.Table.from_pylist,
        lambda rows: pl.DataFrame(rows).lazy().filter(pl.col("n") > -9),
    ],
)
def test_python_objects(make):
    source = open_documents(make(ROWS))
    assert content(source) == content(source) == expected(ROWS)
    assert source.size_bytes is None and source.n_rows in (3, None)
    if source.n_rows:
        assert source.progress() == 1.0
    assert open_documents(make(ROWS), text="label").columns.text == "label"


def test_callers_rows_are_left_alone():
    rows = [{"text": "a", "nested": {"k": [1]}, "raw": b"x"}]
    before = json.dumps(rows, default=repr)
    list(open_documents(rows))
    assert json.dumps(rows, default=repr) == before


def test_iterator_is_read_once_and_lazily():
    taken = []

    def rows():
        for i in range(1000):
            taken.append(i)
            yield {"id": i, "text": f"text {i}"}

    source = open_documents(rows())
    assert len(taken) == 100 and not source.restartable
    got = documents(source)
    assert [d.id for d in got] == [str(i) for i in range(1000)]
    assert got[5].meta == {"id": 5} and source.columns.id is None  # a guess that cannot be checked
    assert any("'id'" in notice and "metadata" in notice for notice in source.notices)
    with pytest.raises(InputError, match="only once"):
        iter(source)
    named = open_documents(({"id": i // 2, "text": "t"} for i in range(6)), id="id")
    assert reasons(named) == ["ok", "duplicate id"] * 3


def test_datasets_directories(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    rows = [{"id": str(i), "text": f"text {i}", "n": i, "tags": ["a", str(i)]} for i in range(2500)]
    saved = datasets.Dataset.from_list(rows)
    path = tmp_path / "my dätaset"
    saved.save_to_disk(path, num_shards=3)
    source = open_documents(path)
    assert source.n_rows == 2500 and source.format == "dataset" and source.name == "my dätaset"
    assert source.size_bytes == sum(p.stat().st_size for p in path.glob("*.arrow"))
    got = documents(source)
    assert [(d.id, d.text, d.meta) for d in got] == [
        (r["id"], r["text"], {"n": r["n"], "tags": json.dumps(r["tags"])}) for r in rows
    ]
    assert got[2400].where == "my dätaset, row 2401"
    assert [d.id for d in documents(open_documents(saved))] == [r["id"] for r in rows]  # the object itself

    filtered = tmp_path / "odd"
    saved.filter(lambda row: row["n"] % 2 == 1).save_to_disk(filtered)
    assert [d.meta["n"] for d in documents(open_documents(filtered))] == list(range(1, 2500, 2))

    both = tmp_path / "both"
    datasets.DatasetDict({"train": saved, "test": saved.select(range(3))}).save_to_disk(both)
    with pytest.raises(InputError, match=r"several splits \(train, test\); name one"):
        open_documents(both)
    assert open_documents(both / "test").n_rows == 3

    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "../odd/data-00000-of-00001.arrow"}]})
    )
    with pytest.raises(InputError, match="not in the directory"):
        open_documents(path)
    (path / "state.json").write_text(json.dumps(state))
    (path / "data-00001-of-00003.arrow").unlink()
    with pytest.raises(InputError, match=r"lacks its data file data-00001-of-00003\.arrow"):
        open_documents(path)


def test_reading_imports_neither_torch_nor_datasets(tmp_path):
    WRITERS["a.parquet"](tmp_path / "a.parquet", ROWS)
    code = (
        "import sys; from saetext.documents import open_documents\n"
        "print(len(list(open_documents(sys.argv[1]))), {'torch', 'datasets', 'polars'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", code, tmp_path / "a.parquet"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.stdout == "3 set()\n", done.stderr


# --- property-based: all formats agree, every row is accounted for -----------------------------------------

characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, min_size=1).filter(lambda s: not s.isspace())
table_rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": texts,
            "n": st.integers(-(1 << 63), (1 << 63) - 1),
            "score": st.floats(allow_nan=False, allow_infinity=False),
            "good": st.booleans(),
            "label": st.none() | texts.map("L {}".format),
        }
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=table_rows)
@example(rows=[{"text": "\x00 nul", "n": 0, "score": -0.0, "good": True, "label": "L \r"}])
@example(rows=[{"text": "\r\n\u2028\x85x", "n": 0, "score": 1e16, "good": True, "label": None}] * 2)
def test_formats_agree(tmp_path, rows):
    rows = [{"id": f"r{i}", **row} for i, row in enumerate(rows)]
    want = expected(rows)
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("n", pa.int64()),
            ("score", pa.float64()),
            ("good", pa.bool_()),
            ("label", pa.string()),
        ]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "a.parquet")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv_bytes(rows), 1))
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8", newline="")
    jsonl(tmp_path / "a.jsonl", rows, "\r\n")
    for name in ("a.parquet", "a.csv.gz", "a.json", "a.jsonl"):
        assert content(open_documents(tmp_path / name)) == want, name
    assert content(open_documents(rows)) == want
    assert content(open_documents(pl.from_arrow(pa.Table.from_pylist(rows, schema=schema)))) == want


LINES = [
    (b'{"text": "fine"}', "ok"),
    (b'{"text": "fine", "k": 1}\r', "ok"),
    (b'  {"text": "\\u00e9\\u0000 nul"}', "ok"),
    (b'{"text": "\\ud83d\\ude42 a pair"}', "ok"),
    (b'{"text": "x", "big": ' + b"9" * 5000 + b"}", "ok"),
    (b'{"text": null}', "null text"),
    (b'{"other": 1}', "null text"),
    (b"{}", "null text"),
    (b'{"text": ""}', "empty text"),
    (b'{"text": " \\n\\t\\u00a0"}', "empty text"),
    (b'{"text": 5}', "not text"),
    (b'{"text": true}', "not text"),
    (b'{"text": ["a"]}', "not text"),
    (b'{"text": {"a": 1}}', "not text"),
    (b'{"text": "lone \\ud800"}', "undecodable bytes"),
    (b'{"text": "x", "meta": "lone \\udfff"}', "undecodable bytes"),
    (b'{"text": "x", "meta": ["\\ud800"]}', "undecodable bytes"),
    (b'{"text": "x", "\\ud800": 1}', "undecodable bytes"),
    (b'{"text": "caf\xe9"}', "undecodable bytes"),
    (b'{"text": "\xed\xa0\x80"}', "undecodable bytes"),
    (b"\xff", "undecodable bytes"),
    (b'{"text": "cut', "malformed line"),
    (b'{"text": "raw \x00 nul"}', "malformed line"),
    (b"[1, 2]", "malformed line"),
    (b"null", "malformed line"),
    (b"\x00\x00", "malformed line"),
    (b'{"text": "a"} {"text": "b"}', "malformed line"),
    (b'{"text": "a", "deep": ' + b"[" * 100_000, "malformed line"),
    (b"", None),
    (b"  \t\r", None),
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from(LINES), max_size=30), tail=st.booleans())
@example(lines=LINES, tail=True)
def test_every_line_is_one_document_or_one_reject(tmp_path, lines, tail):
    lines = [LINES[0], *lines]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(line for line, _ in lines) + b"\n" * tail)
    items = list(open_documents(path))
    rows = [(number, want) for number, (_, want) in enumerate(lines, 1) if want is not None]
    assert [(i.reason if isinstance(i, Reject) else "ok") for i in items] == [want for _, want in rows]
    assert [i.where for i in items] == [f"a.jsonl, line {number}" for number, _ in rows]
    assert [i.position for i in items] == list(range(len(rows)))
    assert all(len(i.detail) <= 200 and "\n" not in i.detail for i in items if isinstance(i, Reject))
    for item in items:
        if isinstance(item, Document):
            pa.array([item.text, *map(str, item.meta.values())]).validate(full=True)
            item.text.encode()


@settings(max_examples=100, deadline=None)
@given(lines=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b" "))))
def test_any_bytes(lines):
    data = b"\n".join([b'{"text": "x"}', *lines])
    items = list(open_documents(io.BytesIO(data)))
    assert len(items) == 1 + sum(bool(line.strip()) for line in lines)
    assert all(isinstance(item, Document | Reject) for item in items)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(characters),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(characters), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(json_values, max_size=8), step=st.integers(1, 20), indent=st.none() | st.integers(0, 3)
)
@example(values=[1234567, 'ab\\"c\\', -1.5e30, {"é漢🙂": [True, None]}], step=1, indent=None)
def test_sliding_json_array_against_json_loads(values, step, indent):
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "_BUFFER", step)
        reader = JsonArray(ByteSource(io.BytesIO(text.encode()), "a", rewind=True))
        rows = list(reader.rows())
    assert [number for number, _ in rows] == list(range(1, len(values) + 1))
    objects = [row if isinstance(row, dict) else None for _, row in rows]
    assert objects == [value if isinstance(value, dict) else None for value in values]


@settings(max_examples=100, deadline=None)
@given(
    fields=st.lists(st.lists(st.text(characters, max_size=8), min_size=3, max_size=3), max_size=8),
    delimiter=st.sampled_from(["csv", "tsv"]),
)
def test_csv_against_the_csv_module(fields, delimiter):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t" if delimiter == "tsv" else ",")
    writer.writerows([["text", "b", "c"], ["first", "x", "y"], *fields])
    items = list(open_documents(io.BytesIO(out.getvalue().encode()), format=delimiter, prompt="", id=""))
    wanted = list(
        csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter="\t" if delimiter == "tsv" else ",")
    )[1:]
    assert len(items) == len(wanted) == len(fields) + 1
    for item, (text, b, c) in zip(items, wanted, strict=True):
        if text.strip():
            assert item.text == text
            assert item.meta == {"b": plain_value(b) if b else None, "c": plain_value(c) if c else None}
        else:
            assert item.reason == "empty text"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(characters, max_size=3), max_size=200))
def test_id_set_against_set(ids):
    compact, plain = IdSet(), set()
    for id in ids:
        assert compact.add(id) == (id not in plain)
        plain.add(id)


def test_id_set_is_small():
    tracemalloc.start()
    compact = IdSet()
    assert all(compact.add(f"document {i}") for i in range(10_000))
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(compact.add(f"document {i}") for i in range(0, 10_000, 97))
    assert held < 48 * 10_000 and peak < 72 * 10_000


# --- columns -----------------------------------------------------------------------------------------------

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    ("row", "text", "prompt", "messages", "id"),
    [
        (
            {"instruction": "i", "output": "o", "generator": "g", "dataset": "d"},
            "output",
            "instruction",
            None,
            None,
        ),
        (
            {"id": 1, "text": "t", "output": "o", "prompt": "p", "instruction": "i"},
            "text",
            "prompt",
            None,
            "id",
        ),
        ({"question": "q", "answer": "a", "doc_id": "x"}, "answer", "question", None, "doc_id"),
        ({"Response": "r", "Prompt": "p", "UUID": "u"}, "Response", "Prompt", None, "UUID"),
        ({"Text": "ci", "output": "exact"}, "output", None, None, None),
        ({"text": ["not text"], "response": "r"}, "response", None, None, None),
        ({"input": 5, "output": "o"}, "output", None, None, None),
        ({"id": "x", "poem": "p", "year": 1901}, "poem", None, None, "id"),
        ({"id": "x", "question": "q"}, "question", None, None, "id"),
        ({"messages": CHAT, "prompt": "p", "prompt_id": "z"}, None, None, "messages", None),
        ({"conversations": [{"from": "human", "value": "h"}], "id": "x"}, None, None, "conversations", "id"),
        ({"chat": json.dumps(CHAT), "source": "s"}, None, None, "chat", None),
        ({"text": "t", "messages": CHAT}, "text", None, None, None),
        ({"messages": "no chat", "body": "b"}, "body", None, None, None),
        ({"text": 5, "n": 1}, "text", None, None, None),
    ],
)
def test_guesses(row, text, prompt, messages, id):
    columns = open_documents([row]).columns
    assert (columns.text, columns.prompt, columns.messages, columns.id) == (text, prompt, messages, id)
    assert set(columns.guessed) == {k for k in ("text", "prompt", "messages", "id") if getattr(columns, k)}
    assert columns.available == tuple(row)


def test_named_columns_and_guesses_switched_off():
    rows = [{"id": "x", "text": "t", "prompt": "p", "output": "o", "messages": CHAT}]
    got = documents(open_documents(rows, text="output", prompt="", id=""))
    assert got == [
        Document(
            "0",
            "o",
            None,
            None,
            {"id": "x", "text": "t", "prompt": "p", "messages": json.dumps(CHAT)},
            0,
            "list, row 1",
        )
    ]
    source = open_documents(rows, text="")
    assert source.columns.messages == "messages" and source.columns.text is None
    assert documents(source)[0].messages == (Message("user", "q"), Message("assistant", "a"))
    assert documents(source)[0].text == "" and documents(source)[0].meta == {
        "text": "t",
        "prompt": "p",
        "output": "o",
    }
    with pytest.raises(InputError, match="cannot tell which column of list holds the text"):
        open_documents([{"a": CHAT, "messages": CHAT, "n": 1}], messages="")


def test_describe():
    columns = Columns("output", None, "instruction", None, ("text", "prompt"), ())
    assert columns.describe() == (
        "text from 'output' (guessed), prompt from 'instruction' (guessed), ids made from row numbers"
    )
    assert Columns(None, "k", None, "chat").describe() == "messages from 'chat', ids from 'k'"


def test_keys_may_be_missing_in_the_first_row(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"n": 1}] * 60 + [{"n": 2, "response": "r", "query": "q"}])
    source = open_documents(path)
    assert source.columns.describe().startswith(
        "text from 'response' (guessed), prompt from 'query' (guessed)"
    )
    good, bad = outcome(source)
    assert len(bad) == 60 and {r.reason for r in bad} == {"null text"} and good[0].prompt == "q"


def test_prompts():
    rows = [{"output": "o", "prompt": p} for p in ("p", None, "", "  ", "é")] + [{"output": "o"}]
    assert [d.prompt for d in documents(open_documents(rows))] == ["p", None, None, None, "é", None]
    assert reasons(open_documents([*rows, {"output": "o", "prompt": [1]}])) == ["ok"] * 6 + ["not text"]


# --- ids ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "stream.arrow", "polars.ndjson"])
def test_guessed_id_that_repeats_becomes_metadata(tmp_path, name):
    rows = [{"id": f"p{i % 150}", "text": f"t{i}"} for i in range(300)]
    WRITERS[name](tmp_path / name, rows)
    source = open_documents(tmp_path / name)
    assert source.columns.id is None and "id" not in source.columns.guessed
    assert source.notices == ["column 'id' repeats: kept as metadata, rows get ids of their own"]
    got = documents(source)
    assert [(d.id, d.meta["id"]) for d in got] == [(str(i), f"p{i % 150}") for i in range(300)]

    named = open_documents(tmp_path / name, id="id")
    for _ in range(2):  # each pass starts with no ids used
        good, bad = outcome(named)
        assert [d.id for d in good] == [f"p{i}" for i in range(150)]
        assert Counter(r.reason for r in bad) == {"duplicate id": 150} and bad[0].position == 150
        assert bad[0].detail == "'p0' was used before"


def test_ids_are_strings_and_null_ids_cannot_collide():
    rows = [
        {"id": v, "text": "t"} for v in (None, 0, 1, 2.0, "é", float("nan"), "", 10**30, dt.date(2024, 1, 2))
    ]
    want = ["row-0", "0", "1", "2", "é", "row-5", "row-6", str(10**30), "2024-01-02"]
    for options in ({}, {"id": "id"}):
        assert [d.id for d in documents(open_documents(rows, **options))] == want
    rows = [
        {"k": 1, "text": "t"},
        {"text": "t"},
        {"k": "1", "text": "t"},
        {"k": True, "text": "t"},
        {"k": [1], "text": "t"},
        {"k": "\ud800", "text": "t"},
    ]
    assert reasons(open_documents(rows, id="k")) == [
        "ok",
        "ok",
        "duplicate id",
        "unusable id",
        "unusable id",
        "unusable id",
    ]
    source = open_documents([{"id": {"a": 1}, "text": "t"}])
    assert source.columns.id is None and documents(source)[0].meta == {"id": '{"a": 1}'}


def test_a_rejected_row_does_not_use_up_its_id():
    rows = [{"id": "a", "text": ""}, {"id": "a", "text": "t"}]
    assert reasons(open_documents(rows, id="id")) == ["empty text", "ok"]


def test_csv_ids_keep_their_spelling():
    source = open_documents(io.BytesIO(b"id,text\n007,a\n7,b\n7.0,c\n"), format="csv")
    assert [d.id for d in documents(source)] == ["007", "7", "7.0"]


# --- chats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (CHAT, [("user", "q"), ("assistant", "a")]),
        (tuple(CHAT), [("user", "q"), ("assistant", "a")]),
        (json.dumps(CHAT), [("user", "q"), ("assistant", "a")]),
        (
            [
                {"from": "human", "value": "h"},
                {"from": "gpt", "value": "g"},
                {"from": "system", "value": "s"},
            ],
            [("user", "h"), ("assistant", "g"), ("system", "s")],
        ),
        (
            [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "tool", "content": "t"}],
            [("tool", "t")],
        ),
        ([{"role": "assistant", "tool_calls": []}], []),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]}],
            [("user", "a\nb")],
        ),
        ([{"role": "user", "content": [{"type": "image_url"}]}], []),
        ([{"role": "user", "content": ""}], [("user", "")]),
        ([], []),
        ("plain", None),
        ("[", None),
        ("[" * 100_000, None),
        ("{}", None),
        (5, None),
        (["a"], None),
        ([{"a": 1}], None),
        ([{"role": 1, "content": "x"}], None),
        ([{"role": "user", "content": 5}], None),
        ([{"role": "user", "content": {"text": "x"}}], None),
        ([{"from": ["x"], "value": "x"}], None),
    ],
)
def test_chat_shapes(value, want):
    got = parse_messages(value)
    assert got == (None if want is None else tuple(Message(*turn) for turn in want))


def test_chat_roles_and_rejects(tmp_path):
    system = {"role": "system", "content": "s"}
    rows = [
        {"messages": [system, *CHAT]},
        {"messages": CHAT[:1]},
        {"messages": None},
        {"other": 1},
        {"messages": "?"},
        {"messages": [{"role": "assistant", "content": " "}]},
        {"messages": [{"role": "assistant", "content": "\ud800"}]},
        {"messages": []},
    ]
    path = jsonl(tmp_path / "a.jsonl", rows)
    tail = ["null text", "null text", "malformed messages"]
    assert reasons(open_documents(path)) == [
        "ok",
        "no counted turn",
        *tail,
        "empty text",
        "undecodable bytes",
        "no counted turn",
    ]
    assert reasons(open_documents(path, role="user")) == [
        "ok",
        "ok",
        *tail,
        "no counted turn",
        "undecodable bytes",
        "no counted turn",
    ]
    assert reasons(open_documents(path, role="system"))[:2] == ["ok", "no counted turn"]
    assert reasons(open_documents(path, role="all"))[:2] == ["ok", "ok"]
    got = next(iter(open_documents(path)))
    assert got.text == "" and got.messages == (
        Message("system", "s"),
        Message("user", "q"),
        Message("assistant", "a"),
    )
    with pytest.raises(
        InputError, match=r"role 'model' is unknown; choose one of assistant, user, system, all"
    ):
        open_documents(path, role="model")


def test_chats_in_columnar_files(tmp_path):
    rows = [{"id": "x", "messages": CHAT}, {"id": "y", "messages": None}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    good, bad = outcome(open_documents(tmp_path / "a.parquet"))
    assert (
        good[0].messages == (Message("user", "q"), Message("assistant", "a")) and bad[0].reason == "null text"
    )
    good, bad = outcome(open_documents(pl.DataFrame(rows)))
    assert good[0].messages == (Message("user", "q"), Message("assistant", "a")) and len(bad) == 1


# --- metadata ----------------------------------------------------------------------------------------------


def test_metadata_values():
    when = dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    meta = {
        "b": True, "i": 5, "f": 1.5, "inf": math.inf, "s": "é", "none": None, "date": dt.date(2024, 1, 2),
        "dt": when,
        "decimal": decimal.Decimal("1.25"), "huge": 1 << 63, "least": -(1 << 63), "digits": 10**5000,
        "list": [1, "é", None, dt.date(2024, 1, 2)], "dict": {"a": {"b": 1.5, "c": b"x"}}, "tuple": (1, 2),
        "np_int": np.int32(7), "np_float": np.float32(0.5), "np_bool": np.bool_(True), "array": np.arange(3),
        "time": dt.time(1, 2), "raw": b"bytes", 5: "key",
    }  # fmt: skip
    source = open_documents([{"text": "t", **meta}] * 2)
    got = documents(source)[0].meta
    assert got == {
        "b": True, "i": 5, "f": 1.5, "inf": math.inf, "s": "é", "none": None, "date": dt.date(2024, 1, 2),
        "dt": when,
        "decimal": 1.25, "huge": "9223372036854775808", "least": -(1 << 63), "digits": hex(10**5000),
        "list": '[1, "é", null, "2024-01-02"]', "dict": '{"a": {"b": 1.5, "c": null}}', "tuple": "[1, 2]",
        "np_int": 7, "np_float": 0.5, "np_bool": True, "array": "[0, 1, 2]", "time": "01:02:00", "5": "key",
    }  # fmt: skip
    assert type(got["b"]) is bool and type(got["np_int"]) is int and type(got["np_bool"]) is bool
    assert source.notices == ["column 'dict' holds bytes: left out", "column 'raw' holds bytes: left out"]
    loop: list = []
    loop.append(loop)
    assert reasons(open_documents([{"text": "t"}, {"text": "t", "x": loop}])) == ["ok", "malformed line"]


def test_mixed_types_stay(tmp_path):
    rows = [{"text": "t", "x": v} for v in (1, "one", 1.5, None, True, [1])]
    assert [d.meta["x"] for d in documents(open_documents(jsonl(tmp_path / "a.jsonl", rows)))] == [
        1,
        "one",
        1.5,
        None,
        True,
        "[1]",
    ]


def test_columnar_types(tmp_path):
    table = pa.table({
        "text": pa.array(["a", "b"], pa.large_string()),
        "cat": pa.array(["x", "y"]).dictionary_encode(),
        "ns": pa.array([1, 2], pa.timestamp("ns", "UTC")),
        "day": pa.array([dt.date(2024, 1, 2), None]),
        "dec": pa.array([decimal.Decimal("1.50"), None]),
        "u64": pa.array([(1 << 64) - 1, 1], pa.uint64()),
        "pic": pa.array([{"bytes": b"\x89", "path": "p"}] * 2),
        "raw": pa.array([b"\xff", None]),
        "view": pa.array(["v", "w"], pa.string_view()),
        "far": pa.array([1 << 60, 0], pa.timestamp("s")),
    })  # fmt: skip
    write_file(tmp_path / "a.arrow", table)
    source = open_documents(tmp_path / "a.arrow")
    assert source.notices == ["column 'pic' holds bytes: left out", "column 'raw' holds bytes: left out"]
    good, bad = outcome(source)
    assert [(r.position, r.reason) for r in bad] == [(0, "undecodable bytes")] and "'far'" in bad[0].detail
    assert good[0].meta == {"cat": "y", "ns": dt.datetime(1970, 1, 1, tzinfo=dt.UTC), "day": None,
                            "dec": None,
                            "u64": 1, "view": "w", "far": dt.datetime(1970, 1, 1)}  # fmt: skip
    write_file(tmp_path / "b.arrow", table.drop_columns(["far"]))
    first = documents(open_documents(tmp_path / "b.arrow"))[0].meta
    assert first["u64"] == str((1 << 64) - 1) and first["dec"] == 1.5 and first["day"] == dt.date(2024, 1, 2)


def test_text_stored_as_bytes(tmp_path):
    pq.write_table(
        pa.table({"text": [b"caf\xc3\xa9", b"\xff"], "pic": [b"\xff", b""]}), tmp_path / "a.parquet"
    )
    source = open_documents(tmp_path / "a.parquet")
    good, bad = outcome(source)
    assert good[0].text == "café" and bad[0].reason == "undecodable bytes"
    assert good[0].meta == {} and source.notices == ["column 'pic' holds bytes: left out"]
    frame = open_documents(pl.DataFrame({"text": ["a"], "pic": [b"\xff"]}))
    assert documents(frame)[0].meta == {} and frame.notices == ["column 'pic' holds bytes: left out"]


def test_invalid_utf8_in_parquet(tmp_path):
    broken = pa.array([b"fine", b"\xff\xfe", b"ok"]).view(pa.string())
    pq.write_table(pa.table({"text": broken, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    assert reasons(open_documents(tmp_path / "a.parquet")) == ["ok", "undecodable bytes", "ok"]


@pytest.mark.parametrize(("field", "want"), [
    ("5", 5), ("-5", -5), ("0", 0), ("007", "007"), ("+5", "+5"), ("-0", "-0"), ("1.50", 1.5), ("-0.5", -0.5),
    ("9223372036854775807", (1 << 63) - 1), ("9223372036854775808", "9223372036854775808"),
    ("9" * 5000, "9" * 5000),
    ("1e5", 1e5), ("1e-05", 1e-5), ("12e4", "12e4"), ("1.5e300", 1.5e300), ("1.0e999", "1.0e999"),
    ("1,000", "1,000"),
    ("true", True), ("False", False), ("yes", "yes"), ("nan", "nan"), ("inf", "inf"), (" 5", " 5"),
    ("٣", "٣"),
    ("1_000", "1_000"), ("", ""), (".5", ".5"), ("5.", "5."), ("2024-01-02", "2024-01-02"),
])  # fmt: skip
def test_csv_values(field, want):
    assert plain_value(field) == want and type(plain_value(field)) is type(want)


# --- bytes: byte order marks, line ends, damage ------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.csv.gz"])
def test_byte_order_mark(tmp_path, name):
    data = {"jsonl": b'{"text": "t"}\r\n', "json": b'[{"text": "t"}]', "csv": b"text\r\nt\r\n"}[
        name.split(".")[1]
    ]
    data = b"\xef\xbb\xbf" + data
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert [d.text for d in documents(open_documents(tmp_path / name))] == ["t"]
    (tmp_path / name).write_bytes('{"text": "t"}'.encode("utf-16"))
    with pytest.raises(InputError, match=r"UTF-16 text; save it as UTF-8"):
        open_documents(tmp_path / name)


def test_csv_rows_that_are_broken():
    data = (
        b"text,n\n"
        b"good,1\n"
        b"too,many,fields\n"
        b"few\n"
        b"\n"
        b'"text ""quoted""\nover lines",2\n'
        b"caf\xe9,3\n"
        b"meta,\xff\n"
        b'"a"b,4\n'
        b",5\n"
        b"nul \x00,6\n"
        b"last,7\n"
        b'"never closed,8\n'
    )
    items = list(open_documents(io.BytesIO(data), format="csv"))
    assert [(i.where, i.reason if isinstance(i, Reject) else i.text) for i in items] == [
        ("stream, line 2", "good"),
        ("stream, line 3", "malformed line"),
        ("stream, line 4", "malformed line"),
        ("stream, line 6", 'text "quoted"\nover lines'),
        ("stream, line 8", "undecodable bytes"),
        ("stream, line 9", "undecodable bytes"),
        ("stream, line 10", "malformed line"),
        ("stream, line 11", "empty text"),
        ("stream, line 12", "nul \x00"),
        ("stream, line 13", "last"),
        ("stream, line 14", "malformed line"),
    ]
    assert items[1].detail == "3 fields where the header has 2"


def test_csv_headers():
    assert documents(open_documents(io.BytesIO(b",text\n0,a\n"), format="csv"))[0].meta == {"column_1": 0}
    numbers = open_documents(io.BytesIO(b"n,story\n1,12\n2,once\n"), format="csv")
    assert numbers.columns.text == "story" and [d.text for d in documents(numbers)] == ["12", "once"]


def test_json_array_with_bad_items_and_bytes(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "a"}, 5, {"text": "caf\xe9"}, null, {"text": "\\ud800"}, {"text": "z"}]\n')
    assert reasons(open_documents(path)) == [
        "ok",
        "malformed line",
        "undecodable bytes",
        "malformed line",
        "undecodable bytes",
        "ok",
    ]


def test_json_file_of_json_lines(tmp_path):
    path = jsonl(tmp_path / "a.json", ROWS)
    source = open_documents(path)
    assert source.format == "jsonl" and content(source) == expected(ROWS)
    assert source.notices == ["a.json holds one object a line: read as JSON Lines"]


def test_overlong_rows_are_rejected_without_being_held(monkeypatch):
    monkeypatch.setattr(text_module, "MAX_ROW", 1000)
    monkeypatch.setattr(text_module, "_BUFFER", 64)
    long = "x" * 5000
    data = "".join(json.dumps({"text": t}) + "\n" for t in ("a", long, "b", "y" * 900)).encode()
    assert reasons(open_documents(io.BytesIO(data))) == ["ok", "malformed line", "ok", "ok"]
    table = f"text,n\na,1\n{long},2\nb,3\n".encode()
    assert reasons(open_documents(io.BytesIO(table), format="csv")) == ["ok", "malformed line", "ok"]
    array = json.dumps([{"text": "a"}, {"text": long * 100}]).encode()
    with pytest.raises(InputError, match="item 2"):
        list(open_documents(io.BytesIO(array), format="json"))


def test_damaged_files(tmp_path):
    rows = [{"text": os.urandom(40).hex(), "n": i} for i in range(3000)]
    whole = gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in rows))
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.jsonl\.gz cannot be read to its end"):
        list(open_documents(tmp_path / "cut.jsonl.gz"))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    (tmp_path / "bad.jsonl.gz").write_bytes(flipped)
    with pytest.raises(InputError, match=r"bad\.jsonl\.gz cannot be read to its end"):
        list(open_documents(tmp_path / "bad.jsonl.gz"))

    (tmp_path / "cut.json").write_text(json.dumps(rows)[:-10])
    with pytest.raises(InputError, match=r"cut\.json is no valid JSON at or after item 3000 of its array"):
        list(open_documents(tmp_path / "cut.json"))
    for tail in ("] x", ",]", ""):
        (tmp_path / "tail.json").write_text('[{"text": "a"}' + tail)
        with pytest.raises(InputError, match=r"tail\.json is no valid JSON"):
            open_documents(tmp_path / "tail.json")

    path = tmp_path / "bad.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.parquet is damaged"):
        list(open_documents(path))
    path.write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"bad\.parquet is no readable Parquet file"):
        open_documents(path)

    write_stream(tmp_path / "bad.arrow", pa.table({"text": [f"row {i}" for i in range(200)]}), 200)
    data = bytearray((tmp_path / "bad.arrow").read_bytes())
    offsets = np.array([0, 5, 10, 15], "<i4").tobytes()
    at = data.index(offsets)
    data[at + 8 : at + 12] = np.array([1 << 30], "<i4").tobytes()  # an offset far outside the buffer
    (tmp_path / "bad.arrow").write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.arrow is damaged"):
        list(open_documents(tmp_path / "bad.arrow"))


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "a.pq", "a.arrow", "a.feather", "a.jsonl.gz"]
)
@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\x00" * 300, b"PAR1", b"ARROW1\0\0", b"\x1f\x8b", bytes(range(256)) * 9]
)
def test_garbage_is_an_input_error_of_one_line(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    assert name in one_line_error(path, {})


GOOD = jsonl_bytes([{"ident": 1, "body_text": "t", "n": 5, "kind": "k"}] * 3)
BAD_FILES = [  # name, bytes, options, what the message says
    ("e.jsonl", b"", {}, "e.jsonl is empty"),
    ("b.jsonl", b"\n \n", {}, "b.jsonl has no rows"),
    ("h.csv", b"text,n\n", {}, "h.csv has no rows"),
    ("z.json", b"[]", {}, "z.json has no rows"),
    ("n.txt", b"x", {}, "cannot tell the format of n.txt; saetext reads .jsonl .ndjson .json"),
    ("n.parquet.gz", b"x", {}, "cannot tell the format of n.parquet.gz"),
    ("a.jsonl", GOOD, {"format": "xml"}, "format 'xml' is unknown; choose one of jsonl, json, csv"),
    ("a.jsonl", GOOD, {"format": "dataset"}, "a.jsonl is a file"),
    ("a.jsonl", GOOD, {"text": "body_txt"}, "did you mean 'body_text'? (columns: 'ident', 'body_text'"),
    ("a.jsonl", GOOD, {"text": "BODY_TEXT"}, "did you mean 'body_text'?"),
    ("a.jsonl", GOOD, {"text": "kind", "id": "zzz"}, "no column 'zzz' in its first 3 rows (columns: 'ident'"),
    ("a.jsonl", GOOD, {}, "cannot tell which column of a.jsonl holds the text or messages; name one of"),
    ("a.jsonl", GOOD, {"text": "kind", "prompt": "kind"}, "column 'kind' is named for"),
    ("a.jsonl", GOOD, {"text": "kind", "messages": "n"}, "messages were named together with a text column"),
    ("x.jsonl", b"a\nb\n", {}, "none of the first 2 lines can be read as jsonl (line 1: "),
    ("y.jsonl", b"[\n1]", {}, "none of the first 2 lines"),
    ("o.json", b'{"data": [{"text": "a"}]}', {}, "is one object (keys 'data'); save the list"),
    ("s.json", b'"text"', {}, "is no JSON array of objects: it does not start with '['"),
    ("s.csv", b"id;text\n1;a\n", {}, "expected fields separated by commas"),
    ("t.csv", b"id\ttext\n1\ta\n", {}, "say format='tsv'"),
    ("d.csv", b"a,a\n1,2\n", {}, "d.csv has two columns named 'a'"),
    ("u.csv", b"a,\xff\n1,2\n", {}, "header that is not UTF-8"),
    ("q.csv", b'"a"b,c\n1,2\n', {}, "header that cannot be read"),
]


def one_line_error(source, options: dict) -> str:
    with pytest.raises(InputError) as caught:
        list(open_documents(source, **options))
    assert isinstance(caught.value, SaetextError) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "data", "options", "message"), BAD_FILES)
def test_bad_files_are_one_clear_line(tmp_path, name, data, options, message):
    path = tmp_path / f"é {name}"
    path.write_bytes(data)
    assert message.replace(name, f"é {name}") in one_line_error(path, options)


def test_bad_places_are_one_clear_line(tmp_path):
    missing = tmp_path / "nö such.jsonl"
    assert one_line_error(missing, {}) == f"no such file: {missing}"
    assert one_line_error(str(missing), {}) == f"no such file: {missing}"
    assert "no saved Hugging Face dataset" in one_line_error(tmp_path, {})
    assert "cannot be opened" in one_line_error("x" * 5000, {})


@pytest.mark.parametrize(("source", "options", "message"), [
    ([], {}, "list has no rows"),
    (pl.DataFrame({"text": []}), {}, "frame has no rows"),
    (["a", "b"], {}, "(row 1: malformed line, a str, not a dict)"),
    ([{"prompt": "p", "messages": CHAT}], {"prompt": "prompt"}, "cannot tell which column"),
    ({"text": ["a"]}, {}, "got a dict"),
    (5, {}, "got an int"),
    (io.StringIO("x"), {}, "open it in binary mode"),
    (io.BytesIO(b"x"), {"format": "parquet"}, "parquet has to be read from a file by its path"),
    (pl.LazyFrame({"text": ["a"]}).select("nope"), {}, "the frame cannot be evaluated"),
    (pa.table([["a"], ["b"]], names=["text", "text"]), {}, "two columns named 'text'"),
])  # fmt: skip
def test_bad_objects_are_one_clear_line(source, options, message):
    assert message in one_line_error(source, options)


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_named_pipe(tmp_path):
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes("\n".join(map(json.dumps, ROWS)).encode()))
    writer.start()
    assert [d.text for d in documents(open_documents(pipe))] == [row["text"] for row in ROWS]
    writer.join()


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_file_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    source = open_documents(jsonl(path, ROWS))
    assert content(source) == expected(ROWS)
    assert source.name == "caf\ufffd.jsonl" and next(iter(source)).where == "caf\ufffd.jsonl, line 1"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.parquet", "stream.arrow"])
def test_progress_grows(tmp_path, name, monkeypatch):
    monkeypatch.setattr(text_module, "_BUFFER", 4096)
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
    for options in ({"text": "label"}, {"id": ""}, {"role": "user"}):
        assert open_documents(path, **options).identity() != one
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
