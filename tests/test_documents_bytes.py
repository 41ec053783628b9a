"""saetext.documents: byte order marks, line ends, damaged files, and errors of one clear line."""

from __future__ import annotations

import gzip
import io
import json
import os

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_helpers import (
    CHAT,
    ROWS,
    content,
    documents,
    expected,
    jsonl,
    jsonl_bytes,
    reasons,
    write_stream,
)

from saetext.documents import Reject, open_documents
from saetext.documents import text as text_module
from saetext.errors import InputError, SaetextError

# --- bytes: byte order marks, line ends, damage ------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.csv.gz"])
def test_byte_order_mark(tmp_path, name):
    data = {"jsonl": b'{"text": "t"}\r\n', "json": b'[{"text": "t"}]', "csv": b"text\r\nt\r\n"}[
        name.split(".")[1]
    ]
    data = b"\xef\xbb\xbf" + data
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert [d.text for d in documents(open_documents(tmp_path / name))] == ["t"]
    data = data[3:].decode().encode("utf-16")
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert [d.text for d in documents(open_documents(tmp_path / name))] == ["t"]


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
        ("stream, line 9", "meta"),  # what is not UTF-8 is beside the text
        ("stream, line 10", "malformed line"),
        ("stream, line 11", "empty text"),
        ("stream, line 12", "nul \x00"),
        ("stream, line 13", "last"),
        ("stream, line 14", "malformed line"),
    ]
    assert items[1].detail == "3 fields where the header has 2"


def test_csv_headers():
    assert documents(open_documents(io.BytesIO(b",text\n0,a\n"), format="csv"))[0].meta == {"column_1": 0}
    numbers = open_documents(io.BytesIO(b"n,story\n1,12\n2,once upon a time\n"), format="csv")
    assert numbers.columns.text == "story"
    assert [d.text for d in documents(numbers)] == ["12", "once upon a time"]


def test_json_array_with_bad_items_and_bytes(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"text": "a"}, 5, {"text": "caf\xe9"}, null, {"text": "\\ud800"}, {"text": "z"}]\n')
    assert reasons(open_documents(path)) == [
        "ok",
        "malformed line",
        "undecodable bytes",
        "malformed line",
        "ok",
        "ok",
    ]


def test_json_file_of_json_lines(tmp_path):
    path = jsonl(tmp_path / "a.json", ROWS)
    source = open_documents(path)
    assert source.format == "jsonl" and content(source) == expected(ROWS)
    assert source.notices == ["a.json holds one object a line: read as JSON Lines"]


def test_overlong_rows_are_rejected_without_being_held(monkeypatch):
    monkeypatch.setattr(text_module, "MAX_ROW", 1000)
    monkeypatch.setattr(text_module, "BUFFER", 64)
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
    assert reasons(open_documents(tmp_path / "cut.json")) == ["ok"] * 2999 + ["malformed line"]
    (tmp_path / "broken.json").write_text(
        json.dumps(rows)[:-10].replace('"n": 7,', '"n" 7,').replace("7}", "7")
    )
    with pytest.raises(InputError, match=r"broken\.json is no valid JSON at or after item 8 of its array"):
        list(open_documents(tmp_path / "broken.json"))
    for tail, after in (("] x", ["malformed line"]), (",]", []), ("", ["malformed line"])):
        (tmp_path / "tail.json").write_text('[{"text": "a"}' + tail)
        assert reasons(open_documents(tmp_path / "tail.json")) == ["ok", *after]

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
    ("n.doc", b"x", {}, "cannot tell the format of n.doc; saetext reads .jsonl .ndjson .json"),
    ("n.xlsx", b"x", {}, "n.xlsx cannot be read as a workbook: "),
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
    ("y.jsonl", b"[\n1]", {}, "its only row cannot be read as json (row 1: malformed line, an int"),
    (
        "o.json",
        b'{"a": [{"text": "a"}], "b": [{"text": "a"}]}',
        {},
        "name one: --records a (1 row), --records b",
    ),
    ("s.json", b'"text"', {}, "is no JSON array of objects: it does not start with '['"),
    (
        "s.csv",
        b"id;text\n1;a;b;c\n",
        {},
        "expected fields separated by commas; name what separates them with",
    ),
    ("f.jsonl", b'{"text": 5, "n": 1}', {}, "column 'text' holds an int; name one of its columns with"),
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
    ([1, 2], {}, "(row 1: malformed line, an int, neither a text nor a dict)"),
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
