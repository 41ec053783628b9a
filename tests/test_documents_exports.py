"""saetext.documents: exports of tools that were once misread, and what is said of those that are doubtful."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from document_helpers import documents, jsonl

from saetext.documents import open_documents
from saetext.errors import InputError

SAID = [
    "The hotel was lovely, but the breakfast left much to be desired.",
    "I would not go there again, since nobody answered our calls.",
    "A wonderful place to read a book and watch the boats go by.",
]
ASKED = [
    "How was your stay at the hotel?",
    "Would you go there again, and why?",
    "What did you like about it?",
]
BOTH = list(zip(ASKED, SAID, strict=True))


def csv_of(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def answers(source: Any) -> list[str]:
    """Return the texts, of chats what the assistant said."""
    found = []
    for document in documents(source):
        turns = [turn.content for turn in document.messages or () if turn.role == "assistant"]
        found.append("|".join(turns) if document.messages is not None else document.text)
    return found


#: A file's name, what is in it, and what a notice says, if anything.
EXPORTS: dict[str, tuple[str, Any, str]] = {
    "Telegram": (
        "result.json",
        {"name": "Chat", "messages": [
            {"id": i, "type": "message", "from": "Ann", "text_entities": [{"type": "plain", "text": text}],
             "text": text if i else [text[:4], {"type": "bold", "text": text[4:9]}, text[9:]]}
            for i, text in enumerate(SAID)
        ]},
        "recognised as Telegram export",
    ),
    "LibreChat": (
        "chat.json",
        {"conversationId": "c", "messages": [
            {"sender": "User" if by else "Model-4", "isCreatedByUser": bool(by), "text": text}
            for pair in BOTH for by, text in ((1, pair[0]), (0, pair[1]))
        ]},
        "",
    ),
    "LangGraph": (
        "a.jsonl",
        [{"messages": [{"type": "human", "content": q}, {"type": "ai", "content": a, "tool_calls": []}]}
         for q, a in BOTH],
        "",
    ),
    "LangChain": (
        "a.jsonl",
        [{"messages": [{"type": "human", "data": {"content": q}}, {"type": "ai", "data": {"content": a}}]}
         for q, a in BOTH],
        "",
    ),
    "TRL": (
        "a.jsonl",
        [{"prompt": [{"role": "user", "content": q}], "completion": [{"role": "assistant", "content": a}]}
         for q, a in BOTH],
        "recognised as prompts and completions as chats",
    ),
    "ShareGPT": (
        "a.json",
        [{"id": q, "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}
         for q, a in BOTH],
        "recognised as ShareGPT chats",
    ),
    "AlpacaEval": (
        "a.json",
        [{"dataset": "d", "instruction": q, "output": a, "generator": "model-x"} for q, a in BOTH],
        "recognised as AlpacaEval outputs",
    ),
    "UltraFeedback": (
        "a.jsonl",
        [{"instruction": q, "completions": [{"model": "m", "response": a, "overall_score": 7.0}]}
         for q, a in BOTH],
        "several samples in one row",
    ),
    "Nectar": (
        "a.jsonl",
        [{"prompt": f"\n\nHuman: {q}\n\nAssistant: ", "answers": [{"answer": a, "model": "m", "rank": 1.0}]}
         for q, a in BOTH],
        "several samples in one row",
    ),
    "answers by their questions": ("a.json", dict(BOTH), ""),
    "results by their names": (
        "a.json",
        {"config": {"model": "m"}, "results": {f"q{i}": {"prompt": q, "output": a}
                                               for i, (q, a) in enumerate(BOTH)}},
        "rows are at results",
    ),
    "Qualtrics": (
        "a.csv",
        csv_of("Start,Id,Q1", 'Start Date,Response ID,"What did you like, and why was it?"',
               *['"{""ImportId"":""a""}","{""ImportId"":""b""}","{""ImportId"":""QID1""}"'],
               *[f'2024-01-0{i + 1},R{i},"{text}"' for i, text in enumerate(SAID)]),
        "the 2 rows below the header are left out",
    ),
    "SurveyMonkey": (
        "a.csv",
        csv_of("Respondent ID,What did you like about it?,Stars", ",Open-Ended Response,Response",
               *[f'{100 + i},"{text}",{i}' for i, text in enumerate(SAID)]),
        "the row below the header is left out",
    ),
    "Spark": (
        "a.csv",
        csv_of("id,text,n", *[f'{i},"{text}",5' for i, text in enumerate(SAID)],
               '9,"He said \\"no, no\\"",5'),
        "quotation marks in fields are written as",
    ),
    "tables without quoting": (
        "a.tsv",
        csv_of("id\ttext", *[f"{i}\t{text}" for i, text in enumerate(SAID)],
               '9\t"No" was all he said', '10\t"Oh no'),
        "quotation marks are kept",
    ),
}  # fmt: skip
MORE = {"Spark": ['He said "no, no"'], "tables without quoting": ['"No" was all he said', '"Oh no']}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports(tmp_path, name):
    file, content, told = EXPORTS[name]
    path = tmp_path / file
    if file.endswith(".jsonl"):
        jsonl(path, content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    source = open_documents(path)
    expected = [*SAID, *MORE.get(name, ())]
    assert answers(source) == (["|".join(SAID)] if name == "LibreChat" else expected)
    assert not told or any(told in notice for notice in source.notices), source.notices


def test_prompts_are_kept(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(dict(BOTH)), "utf-8")
    assert [d.prompt for d in documents(open_documents(path))] == ASKED
    path = jsonl(tmp_path / "a.jsonl", EXPORTS["TRL"][1])
    first = documents(open_documents(path))[0]
    assert [turn.role for turn in first.messages or ()] == ["user", "assistant"]


def test_values_of_mongodb(tmp_path):
    rows = [
        {"_id": {"$oid": f"{i:024x}"}, "text": text, "at": {"$date": "2024-01-01T00:00:00Z"},
         "n": {"$numberLong": "5"}, "x": {"$numberDouble": "0.5"}, "odd": {"$numberLong": "five"}}
        for i, text in enumerate(SAID)
    ]  # fmt: skip
    found = documents(open_documents(jsonl(tmp_path / "a.jsonl", rows)))
    assert [d.id for d in found] == [f"{i:024x}" for i in range(3)]
    assert found[0].meta == {"at": "2024-01-01T00:00:00Z", "n": 5, "x": 0.5, "odd": '{"$numberLong": "five"}'}


def test_turns_without_a_conversation_are_told(tmp_path):
    turns = [
        {"role": role, "content": text} for q, a in BOTH for role, text in (("prompter", q), ("assistant", a))
    ]
    source = open_documents(jsonl(tmp_path / "a.jsonl", turns))
    assert len(documents(source)) == 6
    assert any("no column in which conversation" in notice for notice in source.notices)


def test_a_header_that_looks_like_data_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(csv_of(*[f'{i},"{text}"' for i, text in enumerate(SAID)]), "utf-8")
    assert any("though it looks like data" in notice for notice in open_documents(path).notices)
    path.write_text(
        csv_of("2019,How was your stay there?,2020", *[f'1,"{text}",2' for text in SAID]), "utf-8"
    )
    assert len(documents(open_documents(path))) == 3


def test_quoted_tables_stay_quoted(tmp_path):
    path = tmp_path / "a.tsv"
    long = "\n".join(f"line {i}" for i in range(5000))
    for text in ('a "quoted" word', "a tab\there", "two\nlines", long, '"all of it"', "C:\\new\\table"):
        fields = [text.replace('"', '""')] * 3
        path.write_text(
            "id\ttext\n" + "".join(f'{i}\t"{field}"\n' for i, field in enumerate(fields)), "utf-8"
        )
        assert [d.text for d in documents(open_documents(path, text="text"))] == [text] * 3


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_documents(path)
    return str(caught.value)


def test_advice(tmp_path):
    path = tmp_path / "a.csv"
    printed = str([{"role": "user", "content": ASKED[0]}])
    path.write_text(f'id,messages\n1,"{printed}"\n', "utf-8")
    assert "write it with json.dumps" in refusal(path)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"article": {"title": "T", "body": SAID[0]}}), "utf-8")
    assert "--text-column article.body" in refusal(path)
    path = tmp_path / "a.txt"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in SAID), "utf-8")
    assert any("--format jsonl" in notice for notice in open_documents(path).notices)
    folder = tmp_path / "export"
    (folder / "year=2024").mkdir(parents=True)
    assert "no saved Hugging Face dataset" in refusal(folder)
    jsonl(folder / "year=2024" / "part-0.v1.jsonl", [{"text": text} for text in SAID])
    assert refusal(folder).endswith(f"such as '{folder}/**/*.jsonl'")
    assert len(documents(open_documents(f"{folder}/**/*.jsonl"))) == 3
