"""saetext.documents: files that once lost rows, merged chats, or were taken for something else."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zipfile
from contextlib import closing
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


def one_line_error(path: Path, options: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        documents(open_documents(path, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


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
            {"conversation_id": "1", "role": role, "content": f"{name} {role}"}
            for role in ("User", "Assistant")
        ]
        jsonl(tmp_path / f"{name}.jsonl", turns)
    source = open_documents(tmp_path)
    assert [d.where for d in documents(source)] == ["a.jsonl, line 1", "b.jsonl, line 1"]
    found = chats(source)
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


def test_what_a_folder_leaves_out_is_said(tmp_path):
    for i in range(3):
        write(tmp_path / f"t{i}.json", [{"text": f"{PROSE} {i}"}])
    write(tmp_path / "stray.csv", "text\nStray words in a table\n")
    assert "3 json" in (error := one_line_error(tmp_path, {})) and "1 csv" in error
    assert error.endswith(f"such as '{tmp_path}/*.json'")
    (tmp_path / "stray.csv").unlink()
    write(tmp_path / "notes.txt", "What I did.")
    write(tmp_path / "README.md", "About")
    write(tmp_path / "sheet.xlsx", "not looked at")
    source = open_documents(tmp_path)
    assert len(documents(source)) == 3
    assert [notice for notice in source.notices if "left out" in notice] == [
        "left out: notes.txt, sheet.xlsx; name them to read them"
    ]
    folder = tmp_path / "shards"
    folder.mkdir()
    jsonl(folder / "a.jsonl", [{"text": PROSE}])
    write(folder / "dataset_infos.json", {"features": [{"name": "text"}]})
    source = open_documents(folder)
    assert (
        len(documents(source)) == 1
        and "left out: dataset_infos.json; name them to read them" in source.notices
    )


def test_members_of_one_name_are_told_apart(tmp_path):
    rows = json.dumps([{"text": PROSE}])
    source = open_documents(archive_of(tmp_path / "a.zip", {"m/a.json": rows, "n/a.json": rows}))
    assert [d.meta["file"] for d in documents(source)] == ["a.zip:m/a.json", "a.zip:n/a.json"]
    assert source.notices[0] == "2 files: a.zip:m/a.json, a.zip:n/a.json"


# --- archives ----------------------------------------------------------------------------------------------


def archive_of(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.eval"])
def test_the_list_of_an_archive_is_read_once(tmp_path, monkeypatch, name):
    sample = {"id": 1, "epoch": 1, "input": "q", "output": {"completion": PROSE}}
    path = archive_of(
        tmp_path / name, {"header.json": "{}", **{f"samples/{i}.json": json.dumps(sample) for i in range(50)}}
    ) if name == "a.eval" else archive_of(
        tmp_path / name, {f"{i}.json": json.dumps([{"text": f"{PROSE} {i}"}]) for i in range(50)}
    )  # fmt: skip
    read = []
    real = zipfile.ZipFile._RealGetContents
    monkeypatch.setattr(zipfile.ZipFile, "_RealGetContents", lambda self: (read.append(1), real(self))[1])
    source = open_documents(path)
    assert len(documents(source)) == len(documents(source)) == 50
    assert len(read) == 1


def test_a_damaged_header_of_a_log_costs_only_what_it_says(tmp_path):
    sample = {"id": 1, "epoch": 1, "input": "q", "output": {"completion": PROSE}}
    for content in ("{not json", "[" * 100_000, ""):
        path = archive_of(tmp_path / "a.eval", {"header.json": content, "samples/1.json": json.dumps(sample)})
        source = open_documents(path)
        assert [d.text for d in documents(source)] == [PROSE]
        assert any(notice.startswith("header.json cannot be read") for notice in source.notices)


def test_an_empty_member_costs_no_other(tmp_path):
    rows = json.dumps([{"text": PROSE}])
    path = archive_of(tmp_path / "a.zip", {"a.json": rows, "b.json": "", "c.json": rows})
    source = open_documents(path)
    assert len(documents(source)) == 2 and "empty: b.json" in source.notices
    path = archive_of(tmp_path / "b.zip", {"a.json": ""})
    assert "holds no file of texts (a.json)" in one_line_error(path, {})


# --- shapes of tools that are not theirs --------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who was it?", "answers": ["Ann", "A. Other"], "prediction": PROSE},
        {"context": PROSE, "question": "Who was it?", "answers": ["somebody", "they"]},
        {"key": "k", "comment": PROSE, "error": None},
        {"key": "k", "comment": PROSE, "error": "no such file"},
        {"epoch": 3, "input": "Translate this sentence for me", "output": PROSE},
    ],
)
def test_rows_that_only_resemble_those_of_a_tool(tmp_path, row):
    source = open_documents(jsonl(tmp_path / "a.jsonl", [row, row]))
    assert [d.text for d in documents(source)] == [PROSE] * 2 and source.shape == ""


def test_answers_alone_are_texts(tmp_path):
    row = {"question": "Why does it rain?", "answers": [PROSE, PROSE + " Indeed."]}
    assert [d.text for d in documents(open_documents(jsonl(tmp_path / "a.jsonl", [row])))] == row["answers"]
    rows = [{"title": "Why does it rain so much?", "answers": [PROSE]}] * 20 + [{**row, "note": PROSE}]
    assert len(documents(open_documents(jsonl(tmp_path / "a.jsonl", rows)))) == 22


def test_what_is_refused_can_be_read_by_its_column(tmp_path):
    row = {"custom_id": "1", "error": "failed again", "response": None, "note": PROSE}
    path = jsonl(tmp_path / "a.jsonl", [row])
    assert "--text-column NAME reads a column as it is" in one_line_error(path, {})
    assert [d.text for d in documents(open_documents(path, text="note"))] == [PROSE]


# --- tables ------------------------------------------------------------------------------------------------


def test_a_decimal_comma_is_one_in_numbers_only(tmp_path):
    rows = ["id;text;prompt;score;code", "3,5;7,25;1,5;3,5;1,2,3", "4,5;Some words here;0,5;-0,25;007,5"]
    path = write(tmp_path / "a.csv", "\n".join(rows) + "\n")
    first, second = documents(open_documents(path, text="text", id="id", prompt="prompt"))
    assert (first.id, first.text, first.prompt, first.meta) == (
        "3,5", "7,25", "1,5", {"score": 3.5, "code": "1,2,3"}
    )  # fmt: skip
    assert second.meta == {"score": -0.25, "code": "007,5"}
    write(tmp_path / "b.csv", 'id,text,score\n9,Some words here,"3,5"\n')
    both = open_documents([path, tmp_path / "b.csv"], text="text")
    assert [d.meta["score"] for d in documents(both)] == [3.5, -0.25, "3,5"]


def test_a_text_with_tabs_is_a_text(tmp_path):
    indented = "".join(f"\t{PROSE} {i}\n" for i in range(20))
    path = write(tmp_path / "a.txt", indented)
    source = open_documents(path)
    assert [d.text for d in documents(source)] == [indented]
    assert any("--format tsv" in notice for notice in source.notices)
    table = write(tmp_path / "b.txt", "id\ttext\n" + "".join(f"{i}\t{PROSE}\n" for i in range(5)))
    for options in ({"format": "tsv"}, {"delimiter": "tab"}):
        assert len(documents(open_documents(table, **options))) == 5
    table.write_bytes(table.read_bytes().decode().encode("utf-16"))  # as Excel's "Unicode text"
    assert len(documents(open_documents(table))) == 5
    (whole,) = documents(open_documents(table, format="txt"))
    assert whole.text.startswith("id\ttext\n0\t")


# --- options that would change nothing, named columns, ids ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.parquet", "delimiter encoding records"),
        ("a.arrow", "delimiter encoding records"),
        ("saved", "delimiter encoding records"),
        ("a.eval", "delimiter encoding records"),
        ("a.sqlite", "delimiter encoding"),
        ("a.csv", "records"),
        ("a.jsonl", "records"),
        ("a.txt", "records"),
    ],
)
def test_options_that_would_change_nothing_are_refused(tmp_path, name, options):
    path = tmp_path / name
    frame = pl.DataFrame({"text": [PROSE, PROSE]})
    if name == "saved":
        path.mkdir()
        frame.write_ipc(path / "data.arrow")
        write(path / "state.json", {"_data_files": [{"filename": "data.arrow"}]})
    elif name == "a.eval":
        archive_of(path, {"header.json": "{}", "samples/1.json": json.dumps({"text": PROSE})})
    elif name == "a.txt":
        write(path, PROSE)
    elif name == "a.sqlite":
        with closing(sqlite3.connect(path)) as base:
            base.execute("create table answers (text)")
            base.executemany("insert into answers values (?)", [(PROSE,)] * 2)
            base.commit()
    else:
        writers = {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "csv": frame.write_csv}
        writers.get(path.suffix[1:], frame.write_ndjson)(path)
    assert len(documents(open_documents(path))) == (1 if name in ("a.eval", "a.txt") else 2)
    for option in options.split():
        value = {"delimiter": ",", "encoding": "utf-8", "records": "samples"}[option]
        assert f"{option} would change nothing" in one_line_error(path, {option: value})


def test_records_of_a_pipe():
    end, begin = os.pipe()
    os.write(begin, json.dumps({"rows": [{"text": PROSE}], "others": [{"text": PROSE}] * 2}).encode())
    os.close(begin)
    with os.fdopen(end, "rb") as file:
        assert len(documents(open_documents(file, format="json", records="others"))) == 2


def test_a_named_text_is_a_text_though_it_is_a_transcript(tmp_path):
    spoken = "Human: Why does it rain?\n\nAssistant: Because of the clouds."
    path = jsonl(tmp_path / "a.jsonl", [{"chat": spoken}] * 2)
    assert [d.text for d in documents(open_documents(path, text="chat"))] == [spoken] * 2
    assert len(chats(open_documents(path))[0]) == len(chats(open_documents(path, messages="chat"))[0]) == 2
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": PROSE}]
    assert chats(open_documents([{"chat": turns}], text="chat"))[0][1] == ("assistant", PROSE)


def test_several_texts_of_one_row_have_ids_of_their_own(tmp_path):
    rows = [{"request_id": f"r{i}", "name": f"n{i}", "outputs": [{"text": PROSE}] * 2} for i in range(2)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    found = documents(open_documents(path))
    assert [d.id for d in found] == ["r0/0", "r0/1", "r1/0", "r1/1"]
    assert [d.meta["request_id"] for d in found] == ["r0", "r0", "r1", "r1"]
    assert [d.id for d in documents(open_documents(path, id="name"))] == ["n0/0", "n0/1", "n1/0", "n1/1"]


def test_a_second_pass_counts_on_the_same_lines(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "half \\ud83d"}\n{"text": "half \\ud83d too"}\n')
    source = open_documents(path)
    documents(source)
    before = list(source.notices)
    documents(source)
    assert source.notices == before and any("(2 rows)" in notice for notice in before)


def test_counts_are_in_the_plural_or_not(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"text": PROSE}])
    (tmp_path / "b.jsonl").touch()
    assert "1 file: a.jsonl" in open_documents([path, tmp_path / "b.jsonl"]).notices
    assert "in its first row" in one_line_error(path, {"text": "nothing"})
    assert reasons(open_documents([PROSE, ""])) == ["ok", "empty text"]
