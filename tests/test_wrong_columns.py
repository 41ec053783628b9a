"""A column that a file does not have is missed before a model is loaded or anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from saetext_cli.making import require_columns
from test_cli import place, saetext

from saetext.analysis.differences.request import DiffRequest
from saetext.documents import open_documents
from saetext.errors import InputError

__all__ = ["place"]


def write(path: Path, rows: int = 200) -> Path:
    late = [{"late": 1} if row == rows - 1 else {} for row in range(rows)]
    lines = [{"text": f"A text with the number {row}", "model": "a", **late[row]} for row in range(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    "options",
    [
        ["diff", "t.jsonl", "--by", "modl"],
        ["diff", "t.jsonl", "t.jsonl", "--where", "modl = 'a'"],
        ["diff", "t.jsonl", "t.jsonl", "--pair-on", "modl"],
        ["diff", "t.jsonl", "--outcome", "modl=yes"],
        ["diff", "t.jsonl", "--outcome", "late", "--control", "modl"],
        ["correlate", "t.jsonl", "--where", "modl = 'a'"],
        ["correlate", "t.jsonl", "--group", "modl"],
        ["cluster", "t.jsonl", "--truth", "modl"],
        ["search", "t.jsonl", "words", "--group-by", "modl"],
        [
            "check",
            "t.jsonl",
            "--against",
            "t.jsonl",
            "--mark",
            "bold",
            "--max-rise",
            "1",
            "--pair-on",
            "modl",
        ],
    ],
    ids=lambda options: " ".join(options),
)
def test_a_wrong_column_is_one_line_before_anything_is_read(
    options: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("t.jsonl"), 5)
    monkeypatch.setattr("saetext_cli.making.load_reader", lambda *_, **__: pytest.fail("a model was loaded"))
    done = saetext(*options)
    assert done.code == 1 and "no column 'modl'" in done.error and "did you mean model?" in done.error
    assert [path.name for path in Path().iterdir()] == ["t.jsonl"]


def test_a_column_that_begins_late_is_there(tmp_path: Path) -> None:
    documents = open_documents(write(tmp_path / "t.jsonl"))
    assert documents.metadata() == ["model", "late"]
    require_columns(documents, DiffRequest(by="late", where="late = 1 and model = 'a'"))
    with pytest.raises(InputError, match="no column 'latr'"):
        require_columns(documents, DiffRequest(where="latr = 1"))
    require_columns(documents, DiffRequest())


def test_a_column_that_is_read_as_the_prompt_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"question": "Why?", "answer": "So.", "score": 1}\n')
    documents = open_documents(file, prompt="question", text="answer")
    for asked in (DiffRequest(outcome="score", pair_on="question"), DiffRequest(by="question=Why?")):
        with pytest.raises(InputError, match=r"'question' is read as the prompt.* name prompt"):
            require_columns(documents, asked)
    require_columns(documents, DiffRequest(outcome="score=1", pair_on="prompt", control=["n_tokens"]))


@pytest.mark.parametrize("outcome", ["score", "score=1"])
def test_an_outcome_cannot_be_controlled_for(outcome: str) -> None:
    with pytest.raises(InputError, match="score is the outcome"):
        DiffRequest(outcome=outcome, control="score")
