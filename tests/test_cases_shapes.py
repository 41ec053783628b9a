"""Files that other tools write: recognised by their shape, read as texts, columns and rejects."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from document_helpers import jsonl, outcome, reasons

from saetext.documents import Document, Reject, open_documents
from saetext.documents.presets import PRESETS
from saetext.errors import InputError

ASKED = [f"Why does the {thing} make that noise at night?" for thing in ("boiler", "fridge", "roof")]
SAID = [f"The {thing} cools down, and its metal shrinks a little." for thing in ("boiler", "fridge", "roof")]
OTHER = [f"Ask somebody who knows about the {thing}." for thing in ("boiler", "fridge", "roof")]


def opened(tmp_path: Path, rows: Any, name: str = "a.jsonl", **options: Any):
    path = tmp_path / name
    if name.endswith(".jsonl"):
        jsonl(path, rows)
    else:
        path.write_text(json.dumps(rows), "utf-8")
    return open_documents(path, **options)


def texts(source) -> list[str]:
    found = []
    for item in source:
        assert isinstance(item, Document), item
        turns = [turn.content for turn in item.messages or () if turn.role == source.role]
        found.append("|".join(turns) if item.messages is not None else item.text)
    return found


def completion(text: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return {"object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage, **more}


def turns(*contents: Any) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[i % 2], "content": c} for i, c in enumerate(contents)]


# --- one entry for each preset: rows, and what is to come of them -------------------------------------------

OPENAI = [
    {
        "id": f"b{i}",
        "custom_id": f"q{i}",
        "error": None,
        "response": {"status_code": 200, "body": completion(text)},
    }
    for i, text in enumerate(SAID)
]
ANTHROPIC = [
    {
        "custom_id": f"q{i}",
        "result": {
            "type": "succeeded",
            "message": {
                "type": "message",
                "role": "assistant",
                "model": "m-1",
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 3, "output_tokens": 4},
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": text},
                    {"type": "tool_use", "name": "look", "input": {}},
                ],
            },
        },
    }
    for i, text in enumerate(SAID)
]
GEMINI = [
    {
        "key": f"k{i}",
        "request": {"contents": [{"role": "user", "parts": [{"text": ask}]}]},
        "status": "",
        "response": {
            "modelVersion": "g-1",
            "usageMetadata": {"totalTokenCount": 9},
            "candidates": [
                {
                    "finishReason": "STOP",
                    "content": {
                        "role": "model",
                        "parts": [{"text": "let me think about this", "thought": True}, {"text": text}],
                    },
                }
            ],
        },
    }
    for i, (ask, text) in enumerate(zip(ASKED, SAID, strict=True))
]
HARNESS = [
    {
        "doc_id": i,
        "doc": {"question": ask},
        "target": "7",
        "resps": [[text]],
        "filtered_resps": ["7"],
        "arguments": {"gen_args_0": {"arg_0": ask, "arg_1": {"until": ["\n"]}}},
        "filter": name,
        "metrics": ["exact_match"],
        "exact_match": 1.0,
        "doc_hash": "0" * 64,
    }
    for name in ("strict", "flexible")
    for i, (ask, text) in enumerate(zip(ASKED, SAID, strict=True))
]
INSPECT = [
    {
        "id": i,
        "epoch": epoch,
        "input": ask,
        "target": "x",
        "messages": turns(ask, text),
        "output": {
            "model": "m-1",
            "usage": {"total_tokens": 7},
            "choices": [{"message": {"role": "assistant", "content": text}, "stop_reason": "stop"}],
        },
        "scores": {"match": {"value": "C"}, "grade": {"value": 0.5}},
    }
    for epoch in (1, 2)
    for i, (ask, text) in enumerate(zip(ASKED, SAID, strict=True))
]
PROMPTFOO = [
    {
        "success": provider == "a",
        "score": 0.5,
        "provider": {"id": provider},
        "vars": {"thing": ask[13:17]},
        "prompt": {"raw": ask, "label": "l"},
        "testIdx": i,
        "namedScores": {"kind": 1},
        "response": {"output": text, "tokenUsage": {"total": 9}},
    }
    for i, ask in enumerate(ASKED)
    for provider, text in (("a", SAID[i]), ("b", OTHER[i]))
]


def test_what_a_model_was_asked_is_no_answer(tmp_path: Path) -> None:
    """A request may have the shape of a chat: the answer stands elsewhere, and the error says where."""
    rows = [
        {
            "recordId": f"r{n}",
            "modelInput": {"messages": [{"role": "user", "content": [{"text": "How do I dry apples?"}]}]},
            "modelOutput": {
                "content": [{"type": "text", "text": f"Slice them, then leave them {n} days in the sun."}]
            },
        }
        for n in range(3)
    ]
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(InputError, match=r"text is at modelOutput\.content\[0\]\.text"):
        open_documents(path)


def test_openai_batches(tmp_path):
    failed = {
        "id": "b8",
        "custom_id": "q8",
        "error": None,
        "response": {"status_code": 429, "body": {"error": {"type": "rate_limit", "message": "slow down"}}},
    }
    expired = {
        "id": "b9",
        "custom_id": "q9",
        "response": None,
        "error": {"code": "expired", "message": "late"},
    }
    source = opened(tmp_path, [*OPENAI, failed, expired])
    good, bad = outcome(source)
    assert source.shape == "OpenAI batch output" and [d.text for d in good] == SAID
    assert [d.id for d in good] == ["q0", "q1", "q2"] and good[0].meta["custom_id"] == "q0"
    assert good[0].meta["model"] == "m-1" and good[0].meta["total_tokens"] == 7
    assert [r.detail for r in bad] == ["status 429: rate_limit: slow down", "expired: late"]
    assert {r.reason for r in bad} == {"failed request"}
    assert any("response.body.choices[0].message.content" in notice for notice in source.notices)


def test_openai_batches_of_responses_and_completions(tmp_path):
    body = {
        "object": "response",
        "model": "m-1",
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": SAID[0]}]},
        ],
    }
    row = {"custom_id": "q0", "error": None, "response": {"status_code": 200, "body": body}}
    assert texts(opened(tmp_path, [row])) == SAID[:1]
    assert texts(opened(tmp_path, [body])) == SAID[:1]
    assert texts(opened(tmp_path, [completion(text) for text in SAID])) == SAID
    text = {"object": "text_completion", "choices": [{"index": 0, "text": SAID[0]}], "model": "m"}
    assert texts(opened(tmp_path, [text])) == SAID[:1]
    with pytest.raises(InputError, match=r"requests of a batch.*--messages-column body.messages --role user"):
        opened(tmp_path, [{"custom_id": "a", "url": "/v1", "body": {"model": "m", "messages": turns("q?")}}])


def test_several_choices_are_several_documents(tmp_path):
    row = completion(SAID[0])
    row["choices"].append({"index": 1, "message": {"role": "assistant", "content": OTHER[0]}})
    source = opened(tmp_path, [row, completion(SAID[1])])
    assert texts(source) == [SAID[0], OTHER[0], SAID[1]]
    assert [d.meta.get("sample") for d in source] == [0, 1, None]


def test_anthropic_batches(tmp_path):
    failed = {
        "custom_id": "q9",
        "result": {
            "type": "errored",
            "error": {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
        },
    }
    source = opened(tmp_path, [*ANTHROPIC, failed])
    good, bad = outcome(source)
    assert [d.text for d in good] == SAID and good[0].meta["output_tokens"] == 4
    assert bad[0].detail == "errored: overloaded_error: busy"
    assert {"parts of kind 'thinking' are not read", "parts of kind 'tool_use' are not read"} <= set(
        source.notices
    )
    assert texts(opened(tmp_path, [row["result"]["message"] for row in ANTHROPIC])) == SAID


def test_gemini(tmp_path):
    failed = {"key": "k9", "request": GEMINI[0]["request"], "status": "Bad Request: no", "response": {}}
    source = opened(tmp_path, [*GEMINI, failed])
    good, bad = outcome(source)
    assert [d.text for d in good] == SAID and [d.prompt for d in good] == ASKED
    assert good[0].meta["key"] == "k0" and good[0].meta["total_tokens"] == 9
    assert bad[0].detail == "Bad Request: no" and "parts of kind 'thought' are not read" in source.notices
    assert texts(opened(tmp_path, [row["response"] for row in GEMINI])) == SAID
    chats = [
        {"contents": [*row["request"]["contents"], row["response"]["candidates"][0]["content"]]}
        for row in GEMINI
    ]
    assert texts(opened(tmp_path, chats)) == SAID


def test_harness_samples(tmp_path):
    source = opened(tmp_path, HARNESS)
    good, bad = outcome(source)
    assert [d.text for d in good] == SAID and not bad and [d.prompt for d in good] == ASKED
    assert good[0].meta["exact_match"] == 1.0 and "doc_hash" not in good[0].meta
    assert any("filter 'strict' is kept" in notice for notice in source.notices)
    repeats = [{**row, "resps": [[row["resps"][0][0], OTHER[0]]]} for row in HARNESS[:3]]
    assert len(texts(opened(tmp_path, repeats))) == 6


@pytest.mark.parametrize(
    "resps",
    [
        [[[-1.5, False]], [[-2.5, True]]],
        [[["-1.5", "False"]], [["-2.5", "True"]]],
        [[-12.5]],
    ],
)
def test_harness_likelihoods_are_refused_with_the_reason(tmp_path, resps):
    rows = [{**row, "resps": resps} for row in HARNESS[:3]]
    with pytest.raises(InputError, match=r"log-likelihoods.*wrote no text"):
        opened(tmp_path, rows)


def write_eval(path: Path, rows: list[dict[str, Any]], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("header.json", json.dumps({"eval": {"task": "noise", "model": "m-1"}}))
        archive.writestr("summaries.json", json.dumps([{"id": 1}]))
        for row in rows:
            archive.writestr(f"samples/{row['id']}_epoch_{row['epoch']}.json", json.dumps(row))
    return path


def test_inspect_logs(tmp_path):
    log = {
        "version": 2,
        "eval": {"task": "noise", "model": "m-1"},
        "plan": {"steps": [{"solver": "x"}]},
        "samples": INSPECT,
    }
    source = opened(tmp_path, log, "log.json")
    good, _ = outcome(source)
    assert [d.text for d in good] == SAID * 2 and good[0].prompt == ASKED[0]
    assert good[3].meta == {
        "task": "noise",
        "model": "m-1",
        "id": 0,
        "epoch": 2,
        "target": "x",
        "stop_reason": "stop",
        "total_tokens": 7,
        "score_match": "C",
        "score_grade": 0.5,
    }
    archive = open_documents(write_eval(tmp_path / "log.eval", INSPECT))
    assert sorted(d.text for d in outcome(archive)[0]) == sorted(SAID * 2) and archive.format == "eval"
    assert open_documents(tmp_path / "log.eval").columns.text == "text"


def test_inspect_attachments_and_errors(tmp_path):
    hidden = {
        **INSPECT[0],
        "attachments": {"abc": SAID[0]},
        "output": {"choices": [{"message": {"role": "assistant", "content": "attachment://abc"}}]},
    }
    failed = {**INSPECT[1], "output": {"choices": []}, "messages": [], "error": {"message": "timed out"}}
    good, bad = outcome(opened(tmp_path, {"samples": [hidden, failed]}, "log.json"))
    assert good[0].text == SAID[0] and bad[0].detail == "timed out"


def test_damaged_eval(tmp_path):
    path = write_eval(tmp_path / "log.eval", INSPECT)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="no readable zip archive"):
        open_documents(path)
    with zipfile.ZipFile(tmp_path / "bad.eval", "w") as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/0.json", json.dumps(INSPECT[0]))
        archive.writestr("samples/1.json", "{")
    assert reasons(open_documents(tmp_path / "bad.eval")) == ["ok", "malformed line"]


def test_promptfoo(tmp_path):
    failed = {**PROMPTFOO[0], "response": {}, "error": "API error: 500"}
    whole = {
        "evalId": "e",
        "results": {"version": 3, "prompts": [{"provider": "a"}], "results": [*PROMPTFOO, failed]},
    }
    for rows, name in ((whole, "r.json"), ([*PROMPTFOO, failed], "r.jsonl")):
        good, bad = outcome(opened(tmp_path, rows, name))
        assert [d.text for d in good] == [t for pair in zip(SAID, OTHER, strict=True) for t in pair]
        assert (
            good[1].meta["provider"] == "b" and good[1].meta["pass"] is False and good[0].meta["score"] == 0.5
        )
        assert (
            good[0].meta["thing"] == "boil"
            and good[0].prompt == ASKED[0]
            and bad[0].detail == "API error: 500"
        )


def test_promptfoo_csv(tmp_path):
    path = tmp_path / "r.csv"
    rows = [
        f'{thing},"[PASS] (1.00) {SAID[i]}","[FAIL] too short\n---\n{OTHER[i]}"\n'
        for i, thing in enumerate(("boiler", "fridge", "roof"))
    ]
    path.write_text("thing,[a] About the {{thing}},[b] About the {{thing}}\n" + "".join(rows), "utf-8")
    good, bad = outcome(open_documents(path))
    assert [d.text for d in good] == [t for pair in zip(SAID, OTHER, strict=True) for t in pair] and not bad
    assert good[0].meta == {"thing": "boiler", "provider": "a", "pass": True, "score": 1.0, "source_row": 2}
    assert good[1].meta["pass"] is False and good[1].prompt == "About the boiler"


def tree(said: str, other: str) -> dict[str, Any]:
    def node(name: str, parent: str | None, children: list[str], role: str, text: str, **more: Any) -> dict:
        content = {"content_type": "text", "parts": [text]}
        message = {"author": {"role": role}, "content": content, "recipient": "all", **more}
        return {"id": name, "parent": parent, "children": children, "message": message}

    hidden = {"metadata": {"is_visually_hidden_from_conversation": True}}
    return {
        "root": {"id": "root", "message": None, "parent": None, "children": ["s"]},
        "s": node("s", "root", ["u"], "system", "hidden words of the system", **hidden),
        "u": node("u", "s", ["old", "new"], "user", ASKED[0]),
        "old": node("old", "u", [], "assistant", other),
        "tool": node("tool", "u", ["new"], "assistant", "search('boiler')", recipient="browser"),
        "new": node("new", "tool", [], "assistant", said),
    }


def test_chatgpt_export(tmp_path):
    rows = [
        {
            "title": f"t{i}",
            "mapping": tree(said, "not this branch"),
            "current_node": "new",
            "conversation_id": f"c{i}",
            "default_model_slug": "m-1",
        }
        for i, said in enumerate(SAID)
    ]
    source = opened(tmp_path, rows, "conversations.json")
    assert texts(source) == SAID and [d.id for d in source] == ["c0", "c1", "c2"]
    first = next(iter(source))
    assert [turn.role for turn in first.messages] == ["user", "assistant"] and first.meta["model"] == "m-1"
    rows[0]["mapping"]["new"]["parent"] = "new"  # a circle ends
    assert texts(opened(tmp_path, rows, "conversations.json"))[0] == SAID[0]


def test_claude_export(tmp_path):
    rows = [
        {
            "uuid": f"u{i}",
            "name": "t",
            "account": {"uuid": "x"},
            "chat_messages": [
                {"uuid": "1", "text": ask, "sender": "human"},
                {
                    "uuid": "2",
                    "text": "",
                    "sender": "assistant",
                    "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": said}],
                },
            ],
        }
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]
    source = opened(tmp_path, rows, "conversations.json")
    assert texts(source) == SAID and next(iter(source)).messages[0].content == ASKED[0]
    assert "parts of kind 'thinking' are not read" in source.notices


def test_label_studio(tmp_path):
    rows = [
        {
            "id": i,
            "project": 1,
            "data": {"text": said, "source": "mail"},
            "annotations": [
                {
                    "result": [
                        {
                            "from_name": "tone",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": ["dry", "short"]},
                        },
                        {"from_name": "stars", "to_name": "text", "type": "rating", "value": {"rating": 4}},
                    ]
                }
            ],
        }
        for i, said in enumerate(SAID)
    ]
    source = opened(tmp_path, rows, "export.json")
    assert texts(source) == SAID
    assert next(iter(source)).meta == {"project": 1, "source": "mail", "tone": "dry, short", "stars": 4}
    for row in rows:
        row["data"] = {"one": SAID[0], "two": OTHER[0]}
    with pytest.raises(InputError, match=r"--text-column data\.NAME"):
        opened(tmp_path, rows, "export.json")
    assert texts(opened(tmp_path, rows, "export.json", text="data.two")) == OTHER[:1] * 3


def test_traces(tmp_path):
    fuse = [
        {
            "id": f"t{i}",
            "traceId": "t",
            "name": "chat",
            "model": "m-1",
            "latency": 0.5,
            "input": {"messages": turns(ask)},
            "output": {"role": "assistant", "content": said},
            "scores": [{"name": "good", "value": 0.5}],
            "usage": {"total": 9},
        }
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]
    smith = [
        {
            "id": f"r{i}",
            "run_type": "llm",
            "inputs": {"question": ask},
            "error": None,
            "outputs": {"generations": [[{"text": said, "generation_info": {}}]]},
            "feedback_stats": {"good": {"n": 1, "avg": 0.5}},
        }
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]
    for rows, name in ((fuse, "Langfuse export"), (smith, "LangSmith export")):
        failed = {**rows[0], "id": "bad", "output": None, "outputs": None, "error": "timed out"}
        if name == "Langfuse export":
            failed.pop("outputs")
        source = opened(tmp_path, [*rows, failed])
        good, bad = outcome(source)
        assert source.shape == name and [d.text for d in good] == SAID and [d.prompt for d in good] == ASKED
        assert good[0].meta["score_good"] == 0.5 and bad[0].detail == "timed out"


def test_cells_that_hold_json_are_unwrapped(tmp_path):
    path = tmp_path / "traces.csv"
    import csv

    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "traceId", "input", "output", "model"])
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True)):
            cells = [json.dumps(turns(ask)), json.dumps({"role": "assistant", "content": said})]
            writer.writerow([i, "t", *cells, "m-1"])
    source = open_documents(path)
    assert texts(source) == SAID and [d.prompt for d in source] == ASKED
    assert "columns 'input', 'output' hold JSON: unwrapped" in source.notices
    listed = opened(tmp_path, [{"response": json.dumps([said]), "winner": 1} for said in SAID])
    assert texts(listed) == SAID and "column 'response' holds JSON: unwrapped" in listed.notices
    mixed = opened(tmp_path, [{"response": text} for text in (*SAID, '["a list of its own"]')])
    assert texts(mixed)[-1] == '["a list of its own"]'  # one of four is no rule


PAIRS = {
    "strings": [
        {"prompt": a, "chosen": s, "rejected": o} for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
    "chats": [
        {"chosen": turns(a, s), "rejected": turns(a, o)} for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
    "transcripts": [
        {side: f"\n\nHuman: {a}\n\nAssistant: {text}" for side, text in (("chosen", s), ("rejected", o))}
        for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
    "openai": [
        {
            "input": {"messages": turns(a)},
            "preferred_output": turns(a, s)[1:],
            "non_preferred_output": turns(a, o)[1:],
        }
        for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
    "alpaca": [
        {
            "instruction": a,
            "output_1": s,
            "output_2": o,
            "generator_1": "x",
            "generator_2": "y",
            "preference": 1.5,
        }
        for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
    "arena": [
        {
            "model_a": "x",
            "model_b": "y",
            "winner": "model_a",
            "conversation_a": turns(a, s),
            "conversation_b": turns(a, o),
        }
        for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
    ],
}


@pytest.mark.parametrize("kind", PAIRS)
def test_two_answers_in_one_row(tmp_path, kind):
    source = opened(tmp_path, PAIRS[kind])
    assert texts(source) == [text for pair in zip(SAID, OTHER, strict=True) for text in pair]
    first, second = list(source)[:2]
    assert first.meta["answer"] != second.meta["answer"] and first.meta["source_row"] == 1
    if kind == "alpaca":
        assert (first.meta["generator"], second.meta["generator"]) == ("x", "y")
    if kind == "arena":
        assert (first.meta["model"], second.meta["model"]) == ("x", "y")


def test_arena_answers_and_judgments(tmp_path):
    answer = [
        {
            "question_id": i,
            "answer_id": f"a{i}",
            "model_id": "m-1",
            "choices": [{"index": 0, "turns": [said, other]}],
        }
        for i, (said, other) in enumerate(zip(SAID, OTHER, strict=True))
    ]
    source = opened(tmp_path, answer)
    assert texts(source) == [text for pair in zip(SAID, OTHER, strict=True) for text in pair]
    assert [d.meta["turn"] for d in source] == [1, 2] * 3 and next(iter(source)).meta["model"] == "m-1"
    hard = [
        {"uid": str(i), "model": "m-1", "messages": turns(ask, {"answer": said})}
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]
    assert texts(opened(tmp_path, hard)) == SAID
    judged = [
        {"question_id": i, "judge": "j", "user_prompt": ASKED[i], "judgment": said, "score": 7}
        for i, said in enumerate(SAID)
    ]
    source = opened(tmp_path, judged)
    assert texts(source) == SAID and next(iter(source)).meta["score"] == 7
    games = [
        {"question_id": i, "model": "m", "games": [{"judgment": said, "score": "A>B"}]}
        for i, said in enumerate(SAID)
    ]
    assert texts(opened(tmp_path, games)) == SAID


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": a, "text": [s, o]} for a, s, o in zip(ASKED, SAID, OTHER, strict=True)],
        [
            {
                "request_id": str(i),
                "prompt": a,
                "outputs": [{"index": 0, "text": s, "finish_reason": "stop"}, {"index": 1, "text": o}],
            }
            for i, (a, s, o) in enumerate(zip(ASKED, SAID, OTHER, strict=True))
        ],
        [{"prompt": a, "responses": [s, o]} for a, s, o in zip(ASKED, SAID, OTHER, strict=True)],
        [
            {"prompt": a, "completions": [{"generated_text": s}, {"generated_text": o}]}
            for a, s, o in zip(ASKED, SAID, OTHER, strict=True)
        ],
    ],
)
def test_several_samples_in_one_row(tmp_path, rows):
    source = opened(tmp_path, rows)
    assert texts(source) == [text for pair in zip(SAID, OTHER, strict=True) for text in pair]
    assert [(d.prompt, d.meta["sample"], d.meta["source_row"]) for d in source][:3] == [
        (ASKED[0], 0, 1),
        (ASKED[0], 1, 1),
        (ASKED[1], 0, 2),
    ]


def test_pipeline_outputs_and_lists_of_one(tmp_path):
    assert texts(opened(tmp_path, [[{"generated_text": s}] for s in SAID], "out.json")) == SAID
    assert texts(opened(tmp_path, [{"prompt": "q", "text": [s]} for s in SAID])) == SAID
    assert texts(opened(tmp_path, [turns(a, s) for a, s in zip(ASKED, SAID, strict=True)], "c.json")) == SAID


@pytest.mark.parametrize(
    "name", ["generated_text", "model_output", "Model Answer", "llm_response", "assistantReply"]
)
def test_names_that_say_what_was_generated(tmp_path, name):
    rows = [{"prompt": a, name: s, "gold": "none", "task": "noise"} for a, s in zip(ASKED, SAID, strict=True)]
    source = opened(tmp_path, rows)
    assert texts(source) == SAID and [d.prompt for d in source] == ASKED


CONTENTS = {
    "responses": [{"type": "output_text", "text": SAID[0], "annotations": []}],
    "anthropic": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": SAID[0]},
        {"type": "tool_use", "id": "1", "name": "look", "input": {}},
    ],
    "openai": [{"type": "text", "text": SAID[0]}, {"type": "image_url", "image_url": {"url": "http://x"}}],
    "gemini": {"parts": [{"text": SAID[0]}, {"functionCall": {"name": "look"}}]},
    "refusal": [{"type": "refusal", "refusal": SAID[0]}],
    "plain": SAID[0],
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_content_parts(tmp_path, kind):
    rows = [{"messages": turns(ASKED[0], CONTENTS[kind])}] * 3
    assert texts(opened(tmp_path, rows)) == [SAID[0]] * 3


def test_parts_that_are_not_read_are_named_once(tmp_path):
    source = opened(tmp_path, [{"messages": turns(ASKED[0], CONTENTS["anthropic"])}] * 3)
    assert len(texts(source)) == 3
    told = [notice for notice in source.notices if "not read" in notice]
    assert told == ["parts of kind 'thinking' are not read", "parts of kind 'tool_use' are not read"]


@pytest.mark.parametrize("scattered", [False, True])
def test_one_message_a_row(tmp_path, scattered):
    rows = [
        {"conversation_id": f"c{i}", "turn": at, "role": role, "content": text, "lang": "en"}
        for i, (ask, said) in enumerate(zip(ASKED, SAID, strict=True))
        for at, (role, text) in enumerate((("user", ask), ("assistant", said)))
    ]
    if scattered:
        rows = rows[1::2] + rows[0::2]  # and in the wrong order
    source = opened(tmp_path, rows)
    assert texts(source) == SAID and [d.id for d in source] == ["c0", "c1", "c2"]
    first = next(iter(source))
    assert [turn.role for turn in first.messages] == ["user", "assistant"]
    assert first.meta == {"lang": "en", "turns": 2}
    single = opened(tmp_path, rows, text="content")
    assert len(list(single)) == 6


# --- paths and records --------------------------------------------------------------------------------------


def test_paths(tmp_path):
    rows = [
        {"meta": {"id": f"x{i}", "n": i}, "a": {"b": [{"c": said, "d": other}], "e.f": ask}}
        for i, (ask, said, other) in enumerate(zip(ASKED, SAID, OTHER, strict=True))
    ]
    source = opened(tmp_path, rows, text="a.b[0].c", id="meta.id", prompt='a["e.f"]')
    good, _ = outcome(source)
    assert [d.text for d in good] == SAID and [d.prompt for d in good] == ASKED
    assert [d.id for d in good] == ["x0", "x1", "x2"] and good[1].meta["meta.n"] == 1
    assert source.columns.describe().startswith("text from 'a.b[0].c'")
    every = opened(
        tmp_path, [{"a": [{"c": s}, {"c": o}]} for s, o in zip(SAID, OTHER, strict=True)], text="a[*].c"
    )
    assert texts(every) == [text for pair in zip(SAID, OTHER, strict=True) for text in pair]
    with pytest.raises(InputError, match=r"has no column 'a\.zzz'"):
        opened(tmp_path, rows, text="a.zzz")
    dotted = opened(tmp_path, [{"a.b": s, "a": {"b": "no"}} for s in SAID], text="a.b")
    assert texts(dotted) == SAID  # a column of that very name comes first


def test_a_named_id_stays_unique_where_rows_have_several_texts(tmp_path):
    rows = [{"key": f"k{i}", "all": [s, o]} for i, (s, o) in enumerate(zip(SAID, OTHER, strict=True))]
    source = opened(tmp_path, rows, text="all", id="key")
    assert [d.id for d in outcome(source)[0]] == ["k0/0", "k0/1", "k1/0", "k1/1", "k2/0", "k2/1"]


def test_records(tmp_path):
    row = [{"text": text} for text in SAID]
    assert texts(opened(tmp_path, {"meta": {"n": 3}, "data": row}, "o.json")) == SAID
    both = {"a": row, "b": {"inner": [{"text": text} for text in OTHER]}}
    with pytest.raises(InputError, match=r"--records a \(3 rows\), --records b.inner \(3 rows\)"):
        opened(tmp_path, both, "o.json")
    assert texts(opened(tmp_path, both, "o.json", records="b.inner")) == OTHER
    with pytest.raises(InputError, match="has no list at zzz; name one: --records a"):
        opened(tmp_path, both, "o.json", records="zzz")


def test_a_column_that_starts_late_is_found_when_it_is_named(tmp_path):
    rows = [{"text": SAID[0]}] * 300 + [{"text": SAID[0], "late": OTHER[0]}]
    good, bad = outcome(opened(tmp_path, rows, text="late"))
    assert [d.text for d in good] == OTHER[:1] and len(bad) == 300
    with pytest.raises(InputError, match=r"did you mean 'late'|has no column 'latter'"):
        opened(tmp_path, rows, text="latter")


# --- nothing is guessed that is not a text ------------------------------------------------------------------

NESTED = {"wrapped": {"inner": [{"said": SAID[0]}]}}
REFUSED = [
    [{"custom_id": f"q{i}", **NESTED} for i in range(3)],
    [{"prompt": ask, **NESTED} for ask in ASKED],
    [{"user prompt": ask, **NESTED} for ask in ASKED],
    [{"status": "it was completed without any error", **NESTED} for _ in range(3)],
    [{"filter": "strict match of the last number", **NESTED} for _ in range(3)],
    [{"model": f"a model with a long name {i}", **NESTED} for i in range(3)],
    [{"role": "user of the help desk today", **NESTED} for _ in range(3)],
    [{"answer": "B", **NESTED} for _ in range(3)],
]


@pytest.mark.parametrize("rows", REFUSED, ids=[next(iter(rows[0])) for rows in REFUSED])
def test_no_guess_beside_nested_text(tmp_path, rows):
    with pytest.raises(InputError) as caught:
        opened(tmp_path, rows)
    told = str(caught.value)
    assert (
        "text is at wrapped.inner[0].said: --text-column 'wrapped.inner[0].said'" in told and "\n" not in told
    )
    assert texts(opened(tmp_path, rows, text="wrapped.inner[0].said")) == [SAID[0]] * 3


@pytest.mark.parametrize(
    "row",
    [
        {"custom_id": "request number one of the night"},
        {"id": 1, "label": "good"},
        {"code": "a17", "n": 5},
        {"prompt": ASKED[0], "model": "m-1"},
        {"url": "https://example.org/a b c d"},
        {"reference": SAID[0]},
    ],
)
def test_no_guess_of_labels_ids_and_prompts(tmp_path, row):
    with pytest.raises(InputError, match=r"cannot tell which column.*--text-column"):
        opened(tmp_path, [row] * 3)


def test_two_columns_of_text_are_offered(tmp_path):
    rows = [{"first try": s, "second try": o} for s, o in zip(SAID, OTHER, strict=True)]
    with pytest.raises(InputError, match="text is at first try: --text-column 'first try', or second try"):
        opened(tmp_path, rows)


def test_a_guess_is_shown_with_two_values_on_one_line(tmp_path):
    rows = [{"id": 1, "text": "first\nline \x1b[31m of it"}, {"id": 2, "text": "x" * 500}]
    source = opened(tmp_path, rows)
    assert source.examples.startswith("'first line [31m of it', 'xxx") and "\n" not in source.examples
    assert len(source.examples) < 120 and opened(tmp_path, rows, text="text").examples == ""


def test_every_preset_has_a_name_of_its_own_and_says_what_it_reads():
    names = [preset.name for preset in PRESETS]
    assert len(set(names)) == len(names) and all(preset.reads for preset in PRESETS)
    table = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")
    assert [name for name in names if f"| {name} |" not in table] == []


def test_rows_of_another_shape_become_rejects():
    rows = [*OPENAI * 4, {"text": "not of a batch"}]
    items = list(open_documents(io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())))
    assert isinstance(items[-1], Reject) and "not of the shape of OpenAI batch output" in items[-1].detail
