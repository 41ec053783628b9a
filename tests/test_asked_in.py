"""Prompts whose answers are not looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saetext.errors import InputError
from saetext.intervene.rows import asked_in, rows_of

TEMPLATE = "You are asked: {question} Answer it as well as you can."
ASKED = ["What is the capital of Kenya?", "Who wrote the longest of these books?"]
BOTH = [
    {"question": text, "prompt": TEMPLATE, "response": f"An answer, {n}."} for n, text in enumerate(ASKED)
]
CHAT = [
    {"role": "user", "content": ASKED[0]},
    {"role": "assistant", "content": "First it says this."},
    {"role": "assistant", "content": "And then it says that."},
]


@pytest.mark.parametrize(
    ("rows", "named", "expected"),
    [
        (BOTH, {}, [TEMPLATE] * 2),
        (BOTH, {"prompt": "question"}, ASKED),
        (BOTH, {"text": "question"}, ASKED),
        (
            [{"prompt": text, "response": None if n else "An answer."} for n, text in enumerate(ASKED)],
            {},
            ASKED,
        ),
        ([{"prompt": text, "response": None} for text in ASKED], {}, ASKED),
        ([{"prompt": text} for text in ASKED], {}, ASKED),
        ([{"text": text} for text in ASKED], {}, ASKED),
        ([{"messages": CHAT}], {}, [(CHAT[0],)]),
    ],
)
def test_a_named_column_holds_the_prompts_and_answers_may_be_missing(
    rows: list[dict[str, Any]], named: dict[str, str], expected: list[Any], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for given in (path, rows, iter(rows)):
        assert [row.prompt for row in asked_in(given, **named)] == expected  # type: ignore[arg-type]


def test_two_names_for_what_is_asked_are_refused() -> None:
    with pytest.raises(InputError, match="'question' and 'prompt' are both named"):
        asked_in(BOTH, prompt="question", text="prompt")


def test_all_turns_at_the_end_of_a_chat_are_the_answer_so_far() -> None:
    [row] = rows_of([{"messages": CHAT}])
    assert row.answer == "First it says this.\n\nAnd then it says that." and len(row.prompt) == 1
    with pytest.raises(InputError, match="an answer to nothing"):
        rows_of([{"messages": CHAT[1:]}])
