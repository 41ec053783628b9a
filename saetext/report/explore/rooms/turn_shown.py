"""The room Turn, what a page shows of the texts: those that are being written, and those that are there.

Not for: one word of them (turn_word.py), or what is put aside (turn_put.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.explore.queries.turning import Question, Turned, cautions
from saetext.report.explore.rooms.turn_word import pieces_of
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.result import SteerResult

_SIDES = ("a", "b")  # by itself, turned


def element_of(prompt: int, is_turned: bool) -> str:
    """Return the id of the element that shows a text."""
    return f"text{prompt}{_SIDES[is_turned]}"


def so_far(question: Question, texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the prompts with what there is of their texts."""
    return [
        {
            "prompt": printable(prompt),
            "sides": [
                {
                    "id": element_of(number, side),
                    "side": _SIDES[side],
                    "pieces": [(texts.get(element_of(number, side), ""), 0, "")],
                    "told": "",
                }
                for side in (False, True)
            ],
        }
        for number, prompt in enumerate(question.prompts)
    ]


def pairs_of(result: SteerResult) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the rows of the unedited and the turned text of each prompt."""
    rows = result.texts.sort("prompt", "dose").to_dicts()
    base = [row for row in rows if row["kind"] == "base"]
    dosed = [row for row in rows if row["kind"] == "dose"]
    return list(zip(base, dosed, strict=True))


def answer_of(found: Turned, question: Question, label: str) -> dict[str, Any]:
    """Return what the page shows of both texts of each prompt, and of what was turned."""
    result = found.result
    handle = result.handles.row(0, named=True)
    rows = [result.table.row(at, named=True) for at in (0, 1)]
    texts = []
    for number, pair in enumerate(pairs_of(result)):
        texts.append(
            {
                "prompt": printable(question.prompts[number]),
                "sides": [
                    {
                        "id": element_of(number, side),
                        "side": _SIDES[side],
                        "pieces": pieces_of(found, number, side),
                        "told": _told(pair[side]) if len(question.prompts) > 1 else "",
                    }
                    for side in (False, True)
                ],
            }
        )
    length = rows[1]["length"]
    return {
        "label": label,
        "feature": question.feature,
        "strength": f"{question.strength:+g}",
        "length": "" if length is None else f"{length:.2f}",
        "unit": f"{handle['unit']:.2f}",
        "unit_source": handle["unit_source"],
        "score": None if handle["output_score"] is None else f"{handle['output_score']:.2f}",
        "promotes": [printable(word) for word in handle["promotes"]],
        "figures": [_told(row) for row in rows],
        "gauge": list(result.metrics["gauge_words"]),
        "changed": any(row["changed"] for _, row in pairs_of(result)),
        "words": _words(result),
        "cautions": cautions(result),
        "texts": texts,
    }


def _told(row: Mapping[str, Any]) -> str:
    """Return the figures of a text, or of several, in one line."""
    parts = []
    if row["nll"] is not None:
        parts.append(f"nll {row['nll']:.2f}")
    if row["repetition"] is not None:
        parts.append(f"repeats {row['repetition']:.2f}")
    if row["gauge"] is not None:
        parts.append(f"the feature's words {row['gauge']:.1%}".replace("%", "\u00a0%"))
    return " · ".join(parts)


def _words(result: SteerResult) -> dict[str, list[str]]:
    """Return the words that more, or fewer, of the prompts' turned texts have, as steer finds them."""
    found: dict[str, list[str]] = {"more": [], "less": []}
    for row in result.words.to_dicts() if result.words is not None else []:
        told = f"{printable(row['word'])} ({row['prompts']}\u00a0:\u00a0{row['prompts_unedited']})"
        found["more" if row["z"] > 0 else "less"].append(told)
    return found
