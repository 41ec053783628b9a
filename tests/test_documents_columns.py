"""saetext.documents: which columns are read, and what becomes of ids, chats and metadata."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import math
from collections import Counter

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_helpers import (
    CHAT,
    WRITERS,
    documents,
    jsonl,
    outcome,
    reasons,
    write_file,
)

from saetext.documents import Columns, Document, Message, open_documents
from saetext.documents.convert import parse_messages, plain_value
from saetext.errors import InputError

# --- columns -----------------------------------------------------------------------------------------------


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
        ({"id": "x", "poem": "The sea is a bell", "year": 1901}, "poem", None, None, "id"),
        ({"id": "x", "question": "Why is the sea so loud?"}, "question", None, None, "id"),
        ({"messages": CHAT, "prompt": "p", "prompt_id": "z"}, None, None, "messages", None),
        ({"conversations": [{"from": "human", "value": "h"}], "id": "x"}, None, None, "conversations", "id"),
        ({"chat": json.dumps(CHAT), "source": "s"}, None, None, "chat", None),
        ({"text": "t", "messages": CHAT}, "text", None, None, None),
        ({"messages": "no chat", "body": "b"}, "body", None, None, None),
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
    assert reasons(open_documents([*rows, {"output": "o", "prompt": [1]}])) == ["ok"] * 7


# --- ids ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "stream.arrow", "polars.ndjson"])
def test_guessed_id_that_repeats_becomes_metadata(tmp_path, name):
    rows = [{"id": f"p{i % 150}", "text": f"t{i}"} for i in range(300)]
    WRITERS[name](tmp_path / name, rows)
    source = open_documents(tmp_path / name)
    assert source.columns.id is None and "id" not in source.columns.guessed
    assert source.notices == ["column 'id' repeats: kept as metadata, and rows get new ids"]
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
        "ok",
        "no counted turn",
    ]
    assert reasons(open_documents(path, role="user")) == [
        "ok",
        "ok",
        *tail,
        *["no counted turn"] * 3,
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
    circle = open_documents([{"text": "t"}, {"text": "t", "x": loop}])
    assert [document.meta for document in documents(circle)] == [{}, {"x": None}]
    assert "column 'x' is left empty" in circle.notices[-1]


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
