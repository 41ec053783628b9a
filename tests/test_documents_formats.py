"""saetext.documents: every format gives the same documents, every row ends as one Document or Reject."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
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
    reasons,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from saetext.documents import Document, Reject, open_documents
from saetext.documents import text as text_module
from saetext.documents.convert import IdSet, plain_value
from saetext.documents.json_text import JsonArray
from saetext.documents.text import ByteSource
from saetext.errors import InputError


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_documents(tmp_path, name):
    path = tmp_path / "dir with spaces, é 漢" / f"ä {name}"
    path.parent.mkdir()
    WRITERS[name](path, ROWS)
    source = open_documents(path)
    assert content(source) == expected(ROWS)
    assert content(source) == expected(ROWS)  # restartable
    assert source.columns.describe() == "text from 'text' (guessed), ids from 'id' (guessed)"
    assert source.progress() == 1.0 and source.restartable
    assert source.notices == []
    assert source.examples == "'One line.', 'Quotes \", commas, and a line break'"
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
    (b'{"text": "lone \\ud800"}', "ok"),
    (b'{"text": "x", "meta": "lone \\udfff"}', "ok"),
    (b'{"text": "x", "meta": ["\\ud800"]}', "ok"),
    (b'{"text": "x", "\\ud800": 1}', "ok"),
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
        patch.setattr(text_module, "BUFFER", step)
        reader = JsonArray(ByteSource(io.BytesIO(text.encode()), "a", rewind=True))
        rows = list(reader.rows())
    assert [number for number, _ in rows] == list(range(1, len(values) + 1))
    assert [row if isinstance(row, dict) else None for _, row in rows] == [
        value if isinstance(value, dict)
        else {"text": value} if isinstance(value, str) and isinstance(values[0], str)
        else value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
        else None
        for value in values
    ]  # fmt: skip


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
