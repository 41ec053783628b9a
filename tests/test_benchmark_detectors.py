"""The texts that detectors are learned from: composed as is said, and not those of the benchmark of truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from types import ModuleType
from typing import Any

import pytest
from benchmark_modules import BENCHMARKS, importing

TEXTS = BENCHMARKS / "detector_texts"
POOL = [
    {"id": "river", "text": "The river rises in the hills and reaches the sea after ninety miles. " * 6},
    {"id": "no", "text": "I'm sorry, but I cannot help you with that. " * 20},
    {"id": "mill", "text": "A mill stood by the bridge until the flood of 1843 carried it away. " * 6},
    {"id": "barn", "text": "The barn was full of hay, and swallows nested under its roof. " * 6},
    {"id": "lamp", "text": "She lit the lamp, sat down and read until the oil was gone. " * 6},
]
VARIED = ("moralising", "praise", "refusal")


@pytest.fixture(scope="module")
def load() -> Iterator[Any]:
    with importing() as load:
        yield load


@pytest.fixture(scope="module")
def data(load: Any) -> ModuleType:
    return load("detector_data")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TEXTS / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_every_varied_line_is_of_a_detector_and_occurs_once(data: ModuleType) -> None:
    rows = lines("varied")
    assert {row["of"] for row in rows} == set(VARIED)
    assert len({(row["of"], row["text"]) for row in rows}) == len(rows)
    for name in VARIED:
        for has in (True, False):
            assert sum(row["of"] == name and row["has"] is has for row in rows) >= 90


@pytest.mark.parametrize("name", VARIED)
def test_varied_lines_stand_alone_and_among_texts_of_their_own_side(data: ModuleType, name: str) -> None:
    """What is learned from and what is set aside share no line, no passage and no public text."""
    made = data.varied(name, POOL)
    assert made == data.varied(name, POOL), "it is the same each time"
    passages = {row["text"]: data.is_held(f"passage {row['topic']}") for row in lines("passages")}
    public = {row["id"]: data.is_held(row["id"]) for row in POOL if row["id"] != "no"}
    assert len(set(public.values())) == 2, "the test needs public texts of both sides"
    by_group: dict[str, list[Any]] = {}
    for item in made:
        by_group.setdefault(item.group, []).append(item)
    assert len(by_group) == sum(row["of"] == name for row in lines("varied"))
    for group, items in by_group.items():
        line = group.removeprefix(f"{name} ")
        assert items[0].text == line and 2 <= len(items) <= 3
        for item in items:
            assert line in item.text and set(item.truth) == {name}
            around = item.text.replace(line, " ")
            assert "I cannot help you with that" not in around or name != "refusal"
            beside = [held for text, held in passages.items() if text in around]
            beside += [held for word, held in public.items() if f" {word} " in around.replace(",", " ")]
            assert all(held == data.is_held(group) for held in beside)


def test_no_line_is_planted_in_the_benchmark_of_truth(load: Any) -> None:
    """Else the benchmark would ask for what was learned by heart."""
    ours = {
        " ".join(row["text"].casefold().split())
        for path in TEXTS.glob("*.jsonl")
        for row in map(json.loads, path.read_text("utf-8").splitlines())
        if "slot" not in row and len(row["text"].split()) > 3
    }
    planted = set()
    for plant in load("truth_plants").PLANTS.values():
        if plant.kind == "habit":
            for seed in range(80):
                put = plant.put("A boat lay on the sand. It was blue.", Random(seed))
                planted.add(put.replace("A boat lay on the sand.", "").replace("It was blue.", "").strip())
    assert len(planted) > 30
    both = {line for line in ours for sentence in planted if line in " ".join(sentence.casefold().split())}
    assert both <= {"what a great question!"}  # a formula, and a line of praise since the first detectors
