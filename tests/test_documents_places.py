"""Workbooks, databases and files elsewhere: the rows they were made from, and refusals in one line."""

from __future__ import annotations

import datetime
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from test_cli import place, saetext

from saetext.documents import Document, Reject, open_documents
from saetext.documents.databases import SqliteReader
from saetext.errors import InputError

__all__ = ["place"]

ROWS = [
    {"id": 1, "text": "Hello there, my friend: two\nlines and é ☃", "score": 3.5, "good": True},
    {"id": 2, "text": "=1+1 is no formula here, but a text", "score": None, "good": False},
    {"id": 30, "text": "  NaN is a text, too, and so is null  ", "score": -1.0, "good": True},
]


def texts(source: Any, **how: Any) -> list[tuple[str, str, Any, Any]]:
    found = list(open_documents(source, **how))
    assert all(isinstance(item, Document) for item in found), found
    return [(d.id, d.text, d.meta["score"], bool(d.meta["good"])) for d in found]  # type: ignore[union-attr]


EXPECTED = [(str(row["id"]), row["text"], row["score"], row["good"]) for row in ROWS]


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for at, row in enumerate(rows, 1):
            for column, value in enumerate(row, 1):
                cell = sheet.cell(at, column)
                cell.value = value
                if isinstance(value, str):
                    cell.data_type = "s"
    book.save(path)
    return path


def answers() -> list[list[Any]]:
    return [list(ROWS[0]), *(list(row.values()) for row in ROWS)]


def test_a_sheet_is_the_rows_it_holds(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a b é.xlsx", {"Notes": [], "Answers": answers()})
    assert texts(path) == EXPECTED
    source = open_documents(path)
    assert "sheet 'Answers' of 2" in source.notices and source.n_rows == 3
    assert list(source) == list(source)


def test_a_sheet_has_dates_mixed_cells_and_columns_without_a_name(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 2, 3)
    rows = [["text", "when", "mixed", None], ["A text that says something", day, "a", "x"],
            ["Another text that says more", day, 7, "y"]]  # fmt: skip
    first, second = open_documents(workbook(tmp_path / "b.xlsx", {"One": rows}))
    assert isinstance(first, Document) and isinstance(second, Document)
    assert first.meta == {"when": day, "mixed": "a", "column 4": "x"}
    assert second.meta["mixed"] == "7"


TABLE = [["text", "score"], ["A text that says something", 3], ["Another text that says more", 4]]
IMPORT = [['{"ImportId":"QID1"}', '{"ImportId":"QID2"}']]


@pytest.mark.parametrize(
    ("rows", "notices"),
    [
        (TABLE, []),
        ([["Answers of May", None], [None, None], *TABLE], ["the 2 rows above the header are left out"]),
        ([TABLE[0], ["What do you say?", "How many?"], *IMPORT, *TABLE[1:]],
         ["the 2 rows below the header are left out"]),
        ([["Answers of May"], TABLE[0], ["What do you say?", "How many?"], *IMPORT, *TABLE[1:]],
         ["the row above the header is left out", "the 2 rows below the header are left out"]),
    ],
)  # fmt: skip
def test_titles_and_rows_about_columns_are_no_data_of_a_sheet(
    rows: list[list[Any]], notices: list[str], tmp_path: Path
) -> None:
    source = open_documents(workbook(tmp_path / "d.xlsx", {"One": rows}))
    assert [(d.text, d.meta) for d in source] == [(t, {"score": n}) for t, n in TABLE[1:]]  # type: ignore[union-attr]
    assert [notice for notice in source.notices if "left out" in notice] == notices


def test_a_time_of_day_has_no_date(tmp_path: Path) -> None:
    early, late = datetime.time(1, 1), datetime.time(23, 59, 1)
    rows = [["text", "at", "mixed"], [TABLE[1][0], early, early], [TABLE[2][0], late, "soon"]]
    metas = [d.meta for d in open_documents(workbook(tmp_path / "e.xlsx", {"One": rows}))]  # type: ignore[union-attr]
    assert metas == [{"at": "01:01:00", "mixed": "01:01:00"}, {"at": "23:59:01", "mixed": "soon"}]


def test_several_sheets_are_named(tmp_path: Path) -> None:
    other = [["text"], ["A text on the other sheet"]]
    path = workbook(tmp_path / "c.xlsx", {"Answers": answers(), "Other one": other})
    with pytest.raises(
        InputError, match=r"several sheets with rows \(Answers, Other one\).*--records 'Answers'"
    ):
        open_documents(path)
    [document] = open_documents(path, records="Other one")
    assert isinstance(document, Document) and document.text == other[1][0]
    with pytest.raises(InputError, match="no sheet 'none'"):
        open_documents(path, records="none")


def test_what_is_no_workbook_is_one_line(tmp_path: Path) -> None:
    for name, raw in (
        ("a.xlsx", b"text\nhello"),
        ("b.xls", b"\xd0\xcf\x11\xe0" + bytes(600)),
        ("c.ods", b"PK\3\4" + bytes(90)),
    ):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(InputError, match="cannot be read as a workbook") as caught:
            open_documents(tmp_path / name)
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<worksheet/>")
    with pytest.raises(InputError, match="cannot be read as a workbook"):
        open_documents(tmp_path / "d.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.documents.sheets._MOST_UNPACKED", 100)
    with pytest.raises(InputError, match="save its sheet as CSV"):
        open_documents(workbook(tmp_path / "a.xlsx", {"Answers": answers()}))


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.iterdir())


def sqlite(path: Path, more: str = "") -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table answers(id integer primary key, text, score real, good, picture blob)"
        )
        connection.executemany(
            "insert into answers values(?, ?, ?, ?, ?)", [(*row.values(), b"\0\1") for row in ROWS]
        )
        connection.executescript(more)
    connection.close()
    return path


def duck(path: Path, more: str = "") -> Path:
    duckdb = pytest.importorskip("duckdb")
    frame = pl.DataFrame(ROWS)  # noqa: F841 - duckdb reads it by its name
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table answers as select * from frame; {more}")
    return path


@pytest.mark.parametrize(("make", "name"), [(sqlite, "a #?é.db"), (duck, "a b.duckdb"), (duck, "other.db")])
def test_a_database_is_the_rows_it_holds(make: Any, name: str, tmp_path: Path) -> None:
    path = make(tmp_path / name)
    before = path.read_bytes()
    assert texts(path) == EXPECTED == texts(path, records="answers")
    query = "select * from answers where score > 0;"
    assert texts(path, records=query) == EXPECTED[:1]
    source = open_documents(path)
    assert source.n_rows == 3 and list(source) == list(source)
    assert path.read_bytes() == before and files(tmp_path) == 1


@pytest.mark.parametrize("make", [sqlite, duck])
def test_which_table_is_meant_is_said(make: Any, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", 'create table "an ""odd"" one" as select text from answers;')
    with pytest.raises(InputError, match=r"several tables .*--records \"select \* from"):
        open_documents(path)
    assert len(list(open_documents(path, records='an "odd" one'))) == 3
    with pytest.raises(InputError, match="no table 'none'"):
        open_documents(path, records="none")


@pytest.mark.parametrize(
    ("make", "query"),
    [
        (sqlite, "select load_extension('x') as text"),
        (sqlite, "with a as (select 1) insert into answers(text) select 'more text' returning text"),
        (sqlite, "select 1 as text) ; drop table answers; --"),
        (sqlite, "select writefile('stolen', 'x') as text"),
        (sqlite, "select text from nowhere"),
        (duck, "select content as text from read_text('FILE')"),
        (duck, "select * from read_csv('FILE')"),
        (duck, "select 1 as text); drop table answers; --"),
        (duck, "with a as (select 1) insert into answers(text) select 'more text' returning text"),
        (duck, "select text from nowhere"),
    ],
)
def test_a_query_only_reads_its_own_file(make: Any, query: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    other = tmp_path / "other.txt"
    other.write_text("a secret text that is elsewhere\nand more of it")
    with pytest.raises(InputError) as caught:
        list(open_documents(path, records=query.replace("FILE", str(other))))
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    assert len(list(open_documents(path))) == 3 and files(tmp_path) == 2


@pytest.mark.parametrize("make", [sqlite, duck])
@pytest.mark.parametrize(
    "end", [" -- the good", "; -- the good ones; all", ";\n/* the\ngood */ ; ", " -- it's"]
)
def test_a_query_may_end_in_a_comment(make: Any, end: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    query = f"select *, '-- ; /*' as \"--\" from answers -- of it;\n where score > 0{end}"
    [only] = open_documents(path, records=query, text="text")
    assert isinstance(only, Document) and only.meta["--"] == "-- ; /*"


SAID = [f"Text number {n} of those that are here" for n in range(4)]


@pytest.mark.parametrize("kind", ["fts5(text, topic)", "fts4(text, topic)"])
def test_tables_of_full_text_are_read_and_their_parts_are_not_offered(kind: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(f"create virtual table said using {kind}")
        connection.executemany("insert into said values (?, 'a')", [(text,) for text in SAID])
    connection.close()
    assert [d.text for d in open_documents(tmp_path / "a.db")] == SAID  # type: ignore[union-attr]
    [found] = open_documents(tmp_path / "a.db", records="select * from said where said match '2'")
    assert isinstance(found, Document) and found.text == SAID[2]


@pytest.mark.parametrize(
    ("columns", "table", "expected"),
    [
        ("id integer primary key, text, topic, extra", "said", [2, 0, 3, 1]),
        ("id, text, topic, extra, rowid, oid", "said", [2, 0, 3, 1]),
        ("id, text, topic, extra, rowid, oid, _rowid_", "said", None),
        ("id, text primary key, topic, extra", "said", [2, 0, 3, 1]),
        ("id, text primary key, topic, extra) without rowid --", "said", [0, 1, 2, 3]),
        ("id, text, topic, extra", "view_of", [3, 2, 1, 0]),
    ],
)
def test_rows_have_one_order_whichever_columns_are_asked(
    columns: str, table: str, expected: list[int] | None, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(f"create table said({columns}\n)".replace(" --\n)", ""))
        put = [(at, SAID[n], "a") for at, n in enumerate([2, 0, 3, 1])]
        connection.executemany("insert into said(id, text, topic) values (?, ?, ?)", put)
        connection.execute("create index by_text on said(topic, text, id)")
        connection.execute("create view view_of as select * from said order by text desc")
    connection.close()
    reader = SqliteReader(tmp_path / "a.db", table)
    few, every = ([row["text"] for _, row in reader.rows(asked)] for asked in (["text"], None))  # type: ignore[index]
    assert sorted(few) == sorted(every) == SAID
    if expected is not None:
        assert few == every == [SAID[n] for n in expected]


def test_duckdb_has_schemas_and_whole_numbers_of_any_size(tmp_path: Path) -> None:
    more = (
        "create schema s; create table s.said as select text, 9007199254740993::bigint as n, "
        "170141183460469231731687303715884105727::hugeint as most from frame; "
        "create table s.answers as select text from frame limit 1;"
    )
    path = duck(tmp_path / "a.duckdb", more)
    with pytest.raises(InputError, match=r"several tables \(answers, s.answers, s.said\)"):
        open_documents(path)
    assert len(list(open_documents(path, records="s.answers"))) == 1
    query = "select text, sum(n) as n, any_value(most) as most from s.said group by text order by text"
    for records, n in (("s.said", 9007199254740993), (query, 9007199254740993)):
        metas = [d.meta for d in open_documents(path, records=records)]  # type: ignore[union-attr]
        assert metas == [{"n": n, "most": str(2**127 - 1)}] * 3 and all(type(m["n"]) is int for m in metas)


def test_a_text_that_is_not_utf8_is_a_reject(tmp_path: Path) -> None:
    path = sqlite(tmp_path / "a.db", "insert into answers(id, text) values (31, cast(x'ff41' as text));")
    *_, last = open_documents(path)
    assert isinstance(last, Reject) and last.reason == "undecodable bytes"


def test_damaged_databases_are_one_line(tmp_path: Path) -> None:
    whole = sqlite(
        tmp_path / "a.db", "insert into answers(text) select hex(randomblob(900)) from answers;"
    ).read_bytes()
    (tmp_path / "none.db").write_bytes(b"something else")
    with pytest.raises(InputError, match="is no SQLite file"):
        open_documents(tmp_path / "none.db")
    for size in range(100, len(whole), 700):
        (tmp_path / "cut.db").write_bytes(whole[:size])
        with pytest.raises(InputError) as caught:
            list(open_documents(tmp_path / "cut.db", text="text"))
        assert "\n" not in str(caught.value)


def remote(files: dict[str, bytes]) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name, raw in files.items():
        system.pipe(name, raw)


def test_a_file_elsewhere_is_the_file(place: Path) -> None:
    remote({"/one/answers.jsonl": b'{"text": "one text that is elsewhere"}\n' * 3})
    source = open_documents("memory://one/answers.jsonl")
    assert source.name == "memory://one/answers.jsonl" and source.n_rows is None
    assert [d.text for d in source] == ["one text that is elsewhere"] * 3  # type: ignore[union-attr]
    done = saetext("encode", "memory://one/answers.jsonl", "-r", "embedded")
    assert done.code == 0, done.err
    assert Path("answers.jsonl.corpus").is_dir()
    refused = saetext("diff", "memory://one/answers.jsonl", "memory://one/answers.jsonl")
    assert refused.code == 1 and "encode what is elsewhere first" in refused.error


def test_a_url_of_this_machine_is_opened_as_a_path_is(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one text that is here"}\n')
    assert len(list(open_documents(f"file://{tmp_path}/a.jsonl"))) == 1
    with pytest.raises(InputError, match="is a device"):
        open_documents("file:///dev/zero")


def test_a_folder_elsewhere_is_its_files_of_rows() -> None:
    shard = b'{"text": "text number %d is here"}\n'
    two = {"/two/data/part-10.jsonl": shard % 10, "/two/data/part-9.jsonl": shard % 9}
    remote({**two, "/two/README.md": b"# x", "/two/.hidden.jsonl": b"{}"})
    remote({"/three/a/x.jsonl": shard % 1, "/three/b/y.jsonl": shard % 2})
    found = [d.text for d in open_documents("memory://two")]  # type: ignore[union-attr]
    assert found == ["text number 9 is here", "text number 10 is here"]
    with pytest.raises(InputError, match=r"several folders \(a, b\); name one of them"):
        open_documents("memory://three")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://none/at/all.jsonl", "no such file"),
        ("nothing://x/y.jsonl", "no kind of place is called nothing://"),
        ("zip://x::memory://b", "chains protocols"),
        ("https://me:secret@localhost:1/x.jsonl?key=secret", "https://localhost:1/x.jsonl"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_without_its_key(url: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        open_documents(url)
    assert (
        message in str(caught.value) and "\n" not in str(caught.value) and "secret" not in str(caught.value)
    )


def test_a_dataset_of_the_hub_that_is_taken_for_a_file_is_told() -> None:
    with pytest.raises(InputError, match="no such file: owner/name; a dataset of Hugging Face is hf://"):
        open_documents("owner/name")
