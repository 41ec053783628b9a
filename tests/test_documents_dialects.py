"""Backslashes in delimited text, and turns that stand in another order than they were written in."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from saetext.documents import Document, open_documents
from saetext.documents.orders import order_of

TEXTS = [
    'He said "no, no" and left the room',
    "The folder is C:\\",
    "\\",
    'It ends in a quotation mark after one: \\"',
    "Two lines\nof \\\\server\\share, and a \\ alone",
]


@pytest.mark.parametrize("sloppy", [False, True])
def test_backslashes_that_escape_are_read_as_they_were_written(sloppy: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    expected = [TEXTS[0], "C:\\temp\\new is a folder with \\n and \\, in it"] if sloppy else TEXTS
    with path.open("w", newline="") as file:
        if not sloppy:  # an independent writer
            writer = csv.writer(file, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
            writer.writerows([["id", "text", "n"], *([n, text, 5] for n, text in enumerate(expected))])
        else:  # of those that escape quotation marks alone
            quoted = (text.replace('"', '\\"') for text in expected)
            file.write("id,text,n\n" + "".join(f'{n},"{text}",5\n' for n, text in enumerate(quoted)))
    source = open_documents(path, text="text")
    assert 'quotation marks in fields are written as \\"' in source.notices
    found = [(d.id, d.text, d.meta["n"]) for d in source if isinstance(d, Document)]
    assert found == [(str(n), text, 5) for n, text in enumerate(expected)]


@pytest.mark.parametrize(
    "values",  # from first to last
    [
        ["9:59", "10:00", "10:01"],
        ["9:59:59.5", "9:59:59.75", "10:00:00"],
        ["12:10 AM", "1:00 am", "12:05 PM", "1:00 p.m."],
        ["1/9 10:00", "1/10 9:00"],
        ["1/9/2024, 9:05 PM", "1/10/2024, 8:00 AM", "1/13/2024, 7:00 AM"],
        ["9.1.24", "10.1.24", "13.1.24"],
        ["12/31/23 23:59", "1/1/24 0:05"],
        ["2024-1-9", "2024-1-10", "2024-10-1"],
        ["2024-01-09T10:00:00+02:00", "2024-01-09T09:00:00Z", "2024-01-09T09:30:00Z"],
        ["Tue, 9 Jan 2024 10:00:00 +0000", "Fri, 2 Feb 2024 09:00:00 +0000"],
        ["9", "10", "1e2"],
        [datetime(2024, 1, 9), datetime(2024, 1, 10)],
        ["turn-09", "turn-10"],
        [3, 10.5],
    ],
)
def test_turns_are_sorted_by_times_as_exports_write_them(values: list[Any]) -> None:
    for at in (range(len(values)), reversed(range(len(values)))):
        given = [values[place] for place in at]
        order = order_of(given)
        assert order is not None and [given[place] for place in order] == values


@pytest.mark.parametrize(
    "values",
    [
        ["1/2/2024", "2/1/2024"],  # a day apart, or a month, and the other way round
        ["9:59", "10:00 PM"],
        ["9:59", "1/9/2024 10:00"],
        ["2024-01-09T10:00:00", "2024-01-09T10:00:00Z"],
        ["turn 9", "turn 10"],
        ["25:99", "9:00"],
        ["", "9:00"],
        [1, "two"],
    ],
)
def test_what_says_no_order_is_told(values: list[Any]) -> None:
    assert order_of(values) is None


@pytest.mark.parametrize(("times", "told"), [(("10:00", "9:59"), False), (("1/2/2024", "2/1/2024"), True)])
def test_turns_without_an_order_stay_and_it_is_said(
    times: tuple[str, str], told: bool, tmp_path: Path
) -> None:
    said = ["What is a question that is asked?", "This is an answer to the question."]
    rows = [
        {"conversation_id": chat, "role": role, "content": text, "time": time}
        for chat in "ab"
        for role, text, time in zip(["user", "assistant"], said, times, strict=True)
    ]
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_documents(path)
    chats = [[turn.content for turn in d.messages or ()] for d in source if isinstance(d, Document)]
    assert chats == [said if told else said[::-1]] * 2
    assert sum("no order" in notice for notice in source.notices) == told


def test_telegrams_export_of_an_account_is_its_messages(tmp_path: Path) -> None:
    chats = [
        {"name": name, "type": "personal_chat", "id": at, "messages": [
            {"id": n, "type": "message", "text_entities": [], "text": f"Text {n} of {name}, which is said"}
            for n in (1, 2)
        ]}
        for at, name in enumerate(["Bob", "Cat"])
    ]  # fmt: skip
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"about": "x", "chats": {"about": "y", "list": [*chats, {"messages": []}]}}))
    found = [(d.id, d.text, d.meta["chat"]) for d in open_documents(path) if isinstance(d, Document)]
    assert found == [
        (f"{at}/{n}", f"Text {n} of {name}, which is said", name)
        for at, name in enumerate(["Bob", "Cat"])
        for n in (1, 2)
    ]
