"""saetext.documents: files that once lost rows, merged chats, or were taken for something else."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from document_helpers import documents, jsonl, outcome, reasons

from saetext.documents import open_documents
from saetext.documents import text as text_module
from saetext.errors import InputError

PROSE = "This is a text that somebody wrote, with more than a few words."


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def chats(source: Any) -> list[list[tuple[str, str]]]:
    return [[(turn.role, turn.content) for turn in d.messages or ()] for d in documents(source)]


# --- bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le", "utf-32"])
def test_half_a_character_costs_no_other_row(tmp_path, encoding):
    rows = [json.dumps({"text": f"Row {i} " + "x" * 30}) for i in range(3000)]
    rows[1500] = '{"text": "half \ud83d here"}'
    (tmp_path / "a.jsonl").write_bytes("\n".join(rows).encode(encoding, "surrogatepass"))
    found = [d.text for d in documents(open_documents(tmp_path / "a.jsonl", encoding=encoding))]
    assert len(found) == 3000 and found[1499].startswith("Row 1499 ") and found[2999].startswith("Row 2999 ")
    assert found[1500].replace("\ufffd", "") == "half  here"


def test_bytes_that_an_encoding_lacks_cost_one_row(tmp_path):
    rows = [f"Zeile {i} mit einigen Worten darin" for i in range(3000)]
    data = "\n".join(rows).encode("gb18030").replace(b"Zeile 1500 ", b"Zeile \x81\x20 ")
    (tmp_path / "a.txt").write_bytes(data)
    good, bad = outcome(open_documents(tmp_path / "a.txt", format="lines", encoding="gb18030"))
    assert len(good) + len(bad) == 3000 and len(good) >= 2999


# --- JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [None, "jsonl"])
def test_a_long_first_row_is_a_line(tmp_path, monkeypatch, named):
    monkeypatch.setattr(text_module, "BUFFER", 1 << 12)
    rows = [{"text": "long " * 2000}, {"text": "Short and sweet."}]
    assert len(documents(open_documents(jsonl(tmp_path / "a.jsonl", rows), format=named))) == 2
    broken = '{"text": "cut' + "\n" + "\n".join(json.dumps({"text": f"Row {i}."}) for i in range(400))
    good, bad = outcome(open_documents(write(tmp_path / "b.jsonl", broken), format=named))
    assert len(good) == 400 and len(bad) == 1


def test_a_long_object_in_json_is_one_object(tmp_path, monkeypatch):
    monkeypatch.setattr(text_module, "BUFFER", 1 << 12)
    value = {"samples": [{"text": f"{PROSE} {i}"} for i in range(200)]}
    for indent in (None, 1):
        path = write(tmp_path / "a.json", json.dumps(value, indent=indent))
        assert len(documents(open_documents(path))) == 200


# --- chats -------------------------------------------------------------------------------------------------


def test_turns_of_a_csv_are_sorted_as_numbers(tmp_path):
    rows = [f"c1,{turn},{('assistant', 'user')[turn % 2]},said {turn}" for turn in (1, 10, 11, 2, 3)]
    path = write(tmp_path / "a.csv", "conversation_id,turn,role,content\n" + "\n".join(rows) + "\n")
    (chat,) = chats(open_documents(path))
    assert [content for _, content in chat] == [f"said {turn}" for turn in (1, 2, 3, 10, 11)]


def test_chats_of_two_files_stay_apart(tmp_path):
    for name in "ab":
        turns = [
            {"conversation_id": "1", "role": role, "content": f"{name} {role}"} for role in ("User", "Assistant")
        ]
        jsonl(tmp_path / f"{name}.jsonl", turns)
    found = chats(open_documents(tmp_path))
    assert found == [[("user", f"{name} User"), ("assistant", f"{name} Assistant")] for name in "ab"]


def test_a_list_for_an_id_is_a_reject(tmp_path):
    rows = [{"conversation_id": "1", "role": role, "content": role} for role in ("user", "assistant")]
    rows += [{"conversation_id": ["1"], "role": "user", "content": "x"}]
    rows = [{**rows[0], "conversation_id": f"c{i}"} for i in range(120)] + rows
    good, bad = outcome(open_documents(jsonl(tmp_path / "a.jsonl", rows), role="user"))
    assert len(good) == 121 and "a list" in bad[0].detail


def test_a_list_for_the_current_node_is_none(tmp_path):
    said = {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Hello there."]}}
    row = {"mapping": {"n": {"message": said, "parent": ["x"], "children": []}}, "current_node": ["n"]}
    assert chats(open_documents(write(tmp_path / "a.json", [row]))) == [[("assistant", "Hello there.")]]


TURNS = [{"role": "user", "content": "How are you?"}, {"role": "assistant", "content": "Fine, thank you."}]
SPOKEN = [("user", "How are you?"), ("assistant", "Fine, thank you.")]


@pytest.mark.parametrize(
    "value",
    [
        {"id": "c1", "messages": TURNS},
        {"id": "c1", "messages": TURNS, "tools": [{"name": "search"}]},
        {"id": "c1", "conversations": [{"from": "human", "value": "How are you?"},
                                       {"from": "gpt", "value": "Fine, thank you."}]},
        TURNS,
    ],
)  # fmt: skip
def test_a_file_that_is_one_chat(tmp_path, value):
    assert chats(open_documents(write(tmp_path / "a.json", value))) == [SPOKEN]


def test_files_that_are_one_chat_each(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.json", TURNS)
    assert chats(open_documents(tmp_path)) == [SPOKEN, SPOKEN]


def test_turns_in_an_object_that_say_their_chat_are_rows(tmp_path):
    turns = [{**turn, "conversation_id": id} for id in ("a", "b") for turn in TURNS]
    assert chats(open_documents(write(tmp_path / "a.json", {"messages": turns}))) == [SPOKEN, SPOKEN]


def test_lists_beside_a_text_are_no_rows(tmp_path):
    value = {"title": "T", "text": PROSE, "authors": [{"name": "Ann Other"}, {"name": "B. Body"}]}
    assert [d.text for d in documents(open_documents(write(tmp_path / "a.json", value)))] == [PROSE]
    value = {"text": PROSE, "samples": [{"text": PROSE + " One."}, {"text": PROSE + " Two."}]}
    assert len(documents(open_documents(write(tmp_path / "b.json", value)))) == 2


# --- several files -----------------------------------------------------------------------------------------


def test_a_pipe_among_several_files_keeps_its_rows(tmp_path):
    plain = jsonl(tmp_path / "a.jsonl", [{"text": f"Row {i}."} for i in range(3)])
    pipe = tmp_path / "b.jsonl"
    os.mkfifo(pipe)
    data = "".join(json.dumps({"text": f"Piped {i}."}) + "\n" for i in range(200))
    writer = threading.Thread(target=lambda: pipe.write_text(data), daemon=True)
    writer.start()
    source = open_documents([plain, pipe])
    assert not source.restartable
    assert [d.text for d in documents(source)][2:5] == ["Row 2.", "Piped 0.", "Piped 1."]
    writer.join(5)


def test_a_pattern_names_each_file_once(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    jsonl(tmp_path / "x" / "y" / "a.jsonl", [{"text": "Once only."}])
    assert len(documents(open_documents(str(tmp_path / "**" / "**" / "*.jsonl")))) == 1
