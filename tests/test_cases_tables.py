"""CSV as spreadsheets write it, compressed files and archives, several files, JSON that is nearly JSON."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile

import polars as pl
import pyarrow as pa
import pytest
from document_helpers import jsonl, jsonl_bytes, outcome, reasons

from saetext.documents import Document, Reject, decoding, open_documents
from saetext.documents.dialect import dialect_of
from saetext.errors import InputError

TEXTS = [
    "It’s the “café” again; the bill was wrong, twice.",
    "Nobody answers the phone on Mondays.",
    'A line\nand another; with, all "signs" in it',
]
ROWS = [{"id": f"r{i}", "answer": text, "score": i + 0.5} for i, text in enumerate(TEXTS)]


def table(delimiter: str = ",", end: str = "\r\n", comma: bool = False) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(["id", "answer", "score"])
    for row in ROWS:
        score = str(row["score"]).replace(".", ",") if comma else row["score"]
        writer.writerow([row["id"], row["answer"], score])
    return out.getvalue()


def require_rows(source) -> None:
    good, bad = outcome(source)
    assert not bad and [d.text for d in good] == TEXTS
    assert [d.id for d in good] == ["r0", "r1", "r2"] and [d.meta for d in good] == [
        {"score": row["score"]} for row in ROWS
    ]


SHEETS = {
    "plain": table().encode(),
    "semicolon": b"\xef\xbb\xbf" + table(";", comma=True).encode(),
    "sep": b"sep=;\r\n" + table(";", comma=True).encode(),
    "tab": table("\t").encode(),
    "bar": table("|").encode(),
    "utf-16": table().encode("utf-16"),
    "utf-16 without mark": table().encode("utf-16-le"),
    "utf-16 tabs": table("\t").encode("utf-16"),
    "cp1252": table().encode("cp1252"),
    "line feeds": table(end="\n").encode(),
    "carriage returns": table(end="\r").encode(),
    "trailing": table().replace("score\r\n", "score,,\r\n").replace("5\r\n", "5,,\r\n").encode(),
    "trailing in rows": table().replace("5\r\n", "5,,\r\n").encode(),
    "titles": b"Survey export,,\r\n,,\r\n" + table().encode(),
    "titles, short": b"Survey export\r\n\r\n" + table().encode(),
}


@pytest.mark.parametrize("name", SHEETS)
def test_spreadsheets(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_bytes(SHEETS[name])
    require_rows(open_documents(path))
    require_rows(open_documents(io.BytesIO(SHEETS[name]), format="csv"))
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(SHEETS[name]))
    require_rows(open_documents(path.with_suffix(".csv.gz")))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("semicolon", "fields are separated by semicolons"),
        ("tab", "fields are separated by tabs"),
        ("cp1252", "it is not UTF-8: read as cp1252 (Windows); --encoding names another"),
        ("titles", "the 2 rows above the header are left out"),
        ("carriage returns", "rows end in carriage returns"),
        ("plain", None),
    ],
)
def test_what_was_found_out_is_said(tmp_path, name, told):
    path = tmp_path / "a.csv"
    path.write_bytes(SHEETS[name])
    notices = open_documents(path).notices
    assert notices == [] if told is None else told in notices


def test_unicode_text_of_excel(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(table("\t").encode("utf-16"))
    require_rows(open_documents(path))


def test_named_delimiter_and_encoding(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table("~").encode("cp1251", "ignore").replace(b"Nobody", "Никто".encode("cp1251")))
    good, _ = outcome(open_documents(path, delimiter="~", encoding="cp1251"))
    assert good[1].text == "Никто answers the phone on Mondays."
    for options, message in (
        ({"delimiter": "ab"}, "--delimiter is one character"),
        ({"encoding": "zip"}, "encoding 'zip' is unknown"),
        ({"encoding": "rot13"}, "is unknown"),
        ({"format": "jsonl", "delimiter": ";"}, "which has no delimiter"),
    ):
        with pytest.raises(InputError, match=message):
            open_documents(path, **options)
    russian = "id;text\n" + "".join(f"{i};Никто не отвечает по понедельникам\n" for i in range(5))
    path.write_bytes(russian.encode("cp1251"))
    source = open_documents(path, text="text")
    assert "some of it is not UTF-8: name what it is with --encoding" in source.notices
    assert set(reasons(source)) == {"undecodable bytes"}
    assert outcome(open_documents(path, encoding="cp1251"))[0][0].text == "Никто не отвечает по понедельникам"


def test_a_delimiter_that_cannot_be_told_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id;text\n1;a;b\n2\n3;x;y;z\n", "utf-8")
    with pytest.raises(InputError, match="name what separates them with --delimiter"):
        open_documents(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("default", [",", "\t"])
def test_delimiters_against_csv_that_was_written_with_them(delimiter, default):
    found = dialect_of(table(delimiter), "a", default, None, whole=True)
    assert (found.delimiter, found.skipped, found.old_ends) == (delimiter, 0, False)


def test_headers_that_are_no_titles(tmp_path):
    path = tmp_path / "a.csv"
    for content in (
        b"text\nonce upon a time\nand then again\n",
        b"text,\nonce upon a time,5\n",
        b",text\n0,word\n",
    ):
        path.write_bytes(content)
        assert outcome(open_documents(path, text="text"))[1] == []


# --- compressed, archives -----------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_compressed(tmp_path, suffix, name):
    content = {"jsonl": jsonl_bytes(ROWS), "csv": table().encode(), "json": json.dumps(ROWS).encode()}[
        name[2:]
    ]
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(PACKED[suffix](content))
    require_rows(open_documents(path))
    require_rows(open_documents(path))
    assert open_documents(path).size_bytes == path.stat().st_size
    packed = PACKED[suffix](content * 50)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=path.name.replace(".", r"\.")):
        list(open_documents(path))


@pytest.mark.parametrize("suffix", PACKED)
def test_bombs(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(decoding, "FREE", 1 << 20)
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(PACKED[suffix](b'{"text": "a"}\n' + b" " * (40 << 20)))
    with pytest.raises(InputError, match="expands to more than 300 times its size"):
        list(open_documents(path))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", b'{"text": "a"}\n' + b" " * (40 << 20))
    with pytest.raises(InputError, match="expands to more than 300 times its size"):
        list(open_documents(tmp_path / "a.zip"))


def test_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.jsonl", jsonl_bytes(ROWS))
        archive.writestr("__MACOSX/._a.jsonl", b"\0\0")
        archive.writestr("readme.txt", "about this")
    require_rows(open_documents(path))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("in/b.jsonl", jsonl_bytes([{"id": "b", "answer": TEXTS[1]}]))
    good, _ = outcome(open_documents(path))
    assert [d.meta["file"] for d in good] == ["a.zip:a.jsonl"] * 3 + ["a.zip:b.jsonl"]
    assert good[-1].where == "a.zip:b.jsonl, line 1"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chat.html", "<p>")
        archive.writestr("user.json", "{}")
        archive.writestr("conversations.json", json.dumps([{"text": text} for text in TEXTS]))
    assert [d.text for d in open_documents(path)] == TEXTS  # of an export, the conversations
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.bin", b"1")
    with pytest.raises(InputError, match=r"holds no file of texts \(x\.bin\)"):
        open_documents(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(InputError, match="is no zip archive"):
        open_documents(path)


# --- several files, text files ------------------------------------------------------------------------------


def test_folders_patterns_and_several_files(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in (10, 9):
        pl.DataFrame({"text": [f"{text} {i}" for text in TEXTS]}).write_parquet(folder / f"part-{i}.parquet")
    (folder / "README.md").write_text("about")
    for source in (
        folder,
        str(folder / "*.parquet"),
        [folder / "part-9.parquet", folder / "part-10.parquet"],
    ):
        opened = open_documents(source)
        good, bad = outcome(opened)
        assert not bad and [d.text for d in good] == [f"{text} {i}" for i in (9, 10) for text in TEXTS]
        assert good[3].meta == {"file": "part-10.parquet"} and good[3].where == "part-10.parquet, row 1"
        assert opened.progress() == 1.0 and opened.n_rows == 6 and len(list(opened)) == 6
    jsonl(folder / "x.jsonl", ROWS)
    with pytest.raises(InputError, match="holds files of several kinds"):
        open_documents(folder)
    with pytest.raises(InputError, match=r"no file fits .*nothing"):
        open_documents(str(folder / "nothing*.parquet"))
    with pytest.raises(InputError, match="mixes csv and jsonl"):
        (folder / "y.csv").write_text(table())
        open_documents([folder / "x.jsonl", folder / "y.csv"])


def test_columns_of_shards_may_differ(tmp_path):
    jsonl(tmp_path / "a.jsonl", [{"text": TEXTS[0], "n": 1}])
    jsonl(tmp_path / "b.jsonl", [{"text": TEXTS[1], "m": 2}])
    (tmp_path / "c.jsonl").write_text("")
    source = open_documents(tmp_path)
    assert [d.meta for d in source] == [{"file": "a.jsonl", "n": 1}, {"file": "b.jsonl", "m": 2}]
    assert "empty: c.jsonl" in source.notices


def test_text_files(tmp_path):
    for i, text in enumerate(TEXTS):
        (tmp_path / f"t{i}.txt").write_text(text, "utf-8")
    good, _ = outcome(open_documents(tmp_path))
    assert [(d.id, d.text) for d in good] == [(f"t{i}.txt", text) for i, text in enumerate(TEXTS)]
    path = tmp_path / "t2.txt"
    whole = open_documents(path)
    assert [d.text for d in whole] == TEXTS[2:]
    assert whole.notices == ["read as one document; --format lines reads one from each line"]
    assert [d.text for d in open_documents(path, format="lines")] == TEXTS[2].split("\n")
    path.write_bytes("\r\n\r\nÜber\r\n".encode("utf-16"))
    assert [d.text for d in open_documents(path, format="lines")] == ["Über"]


# --- nearly JSON --------------------------------------------------------------------------------------------

LINES = [json.dumps(row) for row in ROWS]
NEARLY = {
    "array.jsonl": f"[{', '.join(LINES)}]",
    "array over lines.jsonl": "[\n" + ",\n".join(LINES) + "\n]\n",
    "pretty.jsonl": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "pretty with commas.json": ",\n".join(json.dumps(row, indent=2) for row in ROWS),
    "trailing.json": "[\n" + ",\n".join(LINES) + ",\n]\n",
    "twice.jsonl": "\n".join(json.dumps(line) for line in LINES),
    "twice.json": json.dumps(LINES),
    "lines.json": "\n".join(LINES),
    "marked.jsonl": "\ufeff" + "\n".join(LINES),
    "orient columns.json": json.dumps(
        {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}
    ),
    "orient split.json": json.dumps(
        {"columns": list(ROWS[0]), "index": [0, 1, 2], "data": [list(row.values()) for row in ROWS]}
    ),
    "orient index.json": json.dumps(
        {row["id"]: {"answer": row["answer"], "score": row["score"]} for row in ROWS}
    ),
    "orient table.json": json.dumps({"schema": {"fields": []}, "data": ROWS}),
    "orient list.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "plural lists.json": json.dumps(
        {f"{n}s" if n == "answer" else n: [row[n] for row in ROWS] for n in ROWS[0]}
    ),
}


@pytest.mark.parametrize("name", NEARLY)
def test_nearly_json(tmp_path, name):
    path = tmp_path / name
    path.write_text(NEARLY[name], "utf-8")
    require_rows(open_documents(path))


def test_strings_alone(tmp_path):
    for name, content in (("a.json", json.dumps(TEXTS)), ("a.jsonl", "\n".join(map(json.dumps, TEXTS)))):
        (tmp_path / name).write_text(content, "utf-8")
        assert [d.text for d in open_documents(tmp_path / name)] == TEXTS


def test_a_file_that_is_cut_off_keeps_its_good_rows(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(NEARLY["array over lines.jsonl"][:-30])
    items = list(open_documents(path))
    assert [type(item) for item in items] == [Document, Document, Reject]
    assert items[2].detail == "the file is cut off within it"
    path.write_text(NEARLY["array over lines.jsonl"][:-3])
    assert list(open_documents(path))[3].detail == "the array is not closed: the file is cut off"
    (tmp_path / "b.jsonl").write_text(NEARLY["pretty.jsonl"][:-30])
    assert [type(item) for item in open_documents(tmp_path / "b.jsonl")] == [Document, Document, Reject]


def test_what_python_prints_is_refused_with_advice(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(str(row) for row in ROWS))
    with pytest.raises(
        InputError, match=r"single quotes, as Python prints a dict: write rows with json\.dumps"
    ):
        open_documents(path)


def test_spreadsheets_of_numbers_are_refused_with_advice(tmp_path):
    (tmp_path / "a.numbers").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="is a spreadsheet of Numbers: export it as CSV or Excel"):
        open_documents(tmp_path / "a.numbers")


# --- values -------------------------------------------------------------------------------------------------


def test_nan_is_null(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "s": NaN}\n{"text": "b", "s": 1.5}\n{"text": "c", "s": Infinity}\n')
    assert [d.meta["s"] for d in open_documents(path)] == [None, 1.5, float("inf")]
    frame = pl.DataFrame({"text": ["a", "b"], "s": [float("nan"), 2.0]})
    assert [d.meta["s"] for d in open_documents(frame)] == [None, 2.0]


def test_halves_of_characters_are_replaced_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": "1", "text": "cut \\ud83d here", "title": "cut \\ud83d"}\n'
        '{"id": "2", "text": "x \\udc00"}\n'
        '{"id": "3", "prompt": "cut \\ud83d", "text": "fine"}\n'
    )
    source = open_documents(path)
    good, bad = outcome(source)
    assert not bad and [d.text for d in good] == ["cut \ufffd here", "x \ufffd", "fine"]
    assert good[0].meta == {"title": "cut \ufffd"} and good[2].prompt == "cut \ufffd"
    assert "halves of characters in column 'text' are replaced by \ufffd (2 rows)" in source.notices


def test_a_bad_side_field_does_not_cost_the_document():
    rows = [
        {"text": "a", "prompt": [1, 2], "x": {"k": {1, 2}}, "when": b"\xff"},
        {"text": "b", "prompt": "p"},
    ]
    source = open_documents(rows)
    good, bad = outcome(source)
    assert not bad and [(d.text, d.prompt) for d in good] == [("a", None), ("b", "p")]
    assert any(
        "prompts are left out: column 'prompt' holds a list (1 row)" in notice for notice in source.notices
    )


def test_reading_again_says_the_same(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(SHEETS["titles"])
    source = open_documents(path)
    list(source)
    before = list(source.notices)
    list(source)
    assert source.notices == before
