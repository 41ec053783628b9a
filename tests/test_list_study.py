"""The list study: what counts as an item, how a list ends, and which topics choose and which test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from benchmark_modules import importing
from hypothesis import given
from hypothesis import strategies as st
from planted import WORD, planted

from saetext.intervene.places import items_of

MARKS = ("- ", "* ", "+ ", "• ", "1. ", "12) ", "(3) ", "a) ", "B. ", "  - ", "\t4. ")
# words that are no marks themselves
WORDS = st.text(alphabet="bcdghäößéβ'", min_size=2, max_size=9).filter(lambda word: word.strip("'") != "")
ITEMS = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), max_size=12)


@pytest.fixture(scope="module")
def lists() -> Iterator[ModuleType]:
    with importing() as load:
        yield load("lists")


@given(items=ITEMS, marks=st.lists(st.sampled_from(MARKS), min_size=12, max_size=12), data=st.data())
def test_every_marked_line_is_an_item_and_no_other_is(items: list[str], marks: list[str], data: Any) -> None:
    lines = [mark + item for mark, item in zip(marks, items, strict=False)]
    for prose in data.draw(st.lists(st.sampled_from(("", "Here you are:", "Is that all?", "1995 was hot")))):
        lines.insert(data.draw(st.integers(0, len(lines))), prose)
    spaces = [line + " " * data.draw(st.integers(0, 2)) for line in lines]
    assert items_of("\n".join(spaces)) == items
    assert items_of("\r\n".join(lines)) == items


@given(items=ITEMS)
def test_prose_has_no_items_whatever_its_words(items: list[str]) -> None:
    assert items_of("\n".join(items)) == items_of("") == items_of("- \n* ") == []


def test_how_a_text_ends(lists: ModuleType) -> None:
    def after(text: str, finish: str = "eos") -> str:
        return str(lists.after_last_item({"text": text, "finish": finish}))

    assert after("1. cup\n2. pan") == after("Here:\n- cup\n- pan\n") == "end"
    assert after("- cup\n- pan", "length") == "cut"
    assert after("- cup\n- pan\n\nEnjoy!") == after("- cup\n- pan\n\nEnjoy!", "length") == "more"
    assert after("- cup") == after("cup, pan") == after("") == "no list"


def test_figures_of_texts_agree_with_a_count_by_hand(lists: ModuleType) -> None:
    texts = [("a", "- x\n- y", "eos", 5), ("a", "- x", "eos", 3), ("b", "1. x\n2. y\n3. z", "length", 9)]
    rows = [{"id": i, "text": t, "finish": f, "tokens": n} for i, t, f, n in texts]
    found = lists.described(rows)
    assert (found["texts"], found["items"], found["variance"]) == (3, 2.0, 0.5)
    assert found["lists"] == pytest.approx(2 / 3) and found["ended"] == pytest.approx(2 / 3)
    assert found["tokens"] == pytest.approx(17 / 3)
    assert found["marks"] == {"bullet": 3, "number": 3}
    assert found["after_last_item"] == {"end": 1, "no list": 1, "cut": 1}
    # x three times, y twice, z once: in nats
    assert found["diversity"] == pytest.approx(1.0114, abs=1e-4)


def test_topics_that_choose_do_not_test(lists: ModuleType) -> None:
    choose, test = lists.halves(lists.TOPICS)
    assert len(set(lists.TOPICS)) == 23 and not set(choose) & set(test)
    assert sorted((*choose, *test)) == sorted(lists.TOPICS) and 2 * len(test) >= 23


def test_one_ended_list_for_each_prompt_and_only_of_the_topics_asked_for(lists: ModuleType) -> None:
    choose, test = lists.halves(lists.TOPICS)

    def row(topic: str, sample: int, text: str, finish: str = "eos") -> dict[str, Any]:
        about = {"id": f"{topic}: short", "topic": topic, "template": "short", "example": True}
        return {**about, "sample": sample, "text": text, "finish": finish, "tokens": 9}

    rows = [
        row(choose[0], 2, "- c\n- d"),
        row(choose[0], 1, "- a\n- b\n"),
        row(choose[0], 0, "- a\n- b", "length"),
        row(choose[1], 0, "- a"),
        row(test[0], 0, "- a\n- b"),
    ]
    [found] = lists.ended_lists(rows, choose, True)
    assert found["topic"] == choose[0] and found["messages"][-1]["content"] == "- a\n- b"
    assert [turn["role"] for turn in found["messages"]] == ["user", "assistant", "user", "assistant"]
    assert lists.ended_lists(rows, choose, False) == []


def test_names_of_saes_are_names_of_files(lists: ModuleType, tmp_path: Any) -> None:
    assert lists.name_of(str(tmp_path)) == tmp_path.name
    assert lists.name_of("release/layer_0/canonical") == "release_layer_0_canonical"


def test_the_whole_study_runs_on_any_model_and_sae(
    lists: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, output = tmp_path / "work", tmp_path / "lists.json"
    (work / "quick").mkdir(parents=True)
    topics = lists.TOPICS[:4]
    written = [
        {
            **{name: row[name] for name in ("id", "topic", "template")},
            "example": True,
            "sample": 0,
            "text": "- tea\n- jam",
            "finish": "eos",
            "tokens": 6,
        }
        for row in lists.prompts(topics, example=True)
    ]
    # what the model wrote: a random one never ends a list
    (work / "quick" / "behaviour.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    asked = [
        *("lists.py", "--quick", "--model", str(planted().model), "--sae", str(planted().sae)),
        *("--metric", f'logit(" {WORD}")', "--work", str(work), "--output", str(output)),
        *("--device", "cpu", "--features", "2", "--variants", "all", "against"),
    ]
    monkeypatch.setattr("sys.argv", asked)
    lists.main()
    found = json.loads(output.read_text())["lists"]
    [own] = found["saes"].values()
    choose, test = lists.halves(topics)
    assert own["attribution"]["prompts"] == 3 * len(choose)
    for variant in ("all", "against"):
        done = own[f"ablation, {variant}"]
        assert {row["topic"] for row in done["topics"]} == set(test)
        assert {row["metric"] for row in done["table"]} >= {"items", "ended", "diversity", "nll"}
    forbidden = {row["kind"] for row in own["ablation, all"]["controls"]}
    assert {"matched", "random", "forbidden"} <= forbidden
    positive = {row["feature"] for row in own["ablation, all"]["features"]}
    assert not positive & {row["feature"] for row in own["ablation, against"]["features"]}
    assert str(tmp_path) not in output.read_text()

    once_more = (
        "--work",
        str(tmp_path / "again"),
        "--named",
        "lists",
        "--section",
        "named",
        "--variants",
        "all",
    )
    monkeypatch.setattr("sys.argv", [*asked, *once_more])
    lists.main()  # the features of the first run, with nothing written or attributed before
    own = json.loads(output.read_text())["named"]["saes"][next(iter(found["saes"]))]
    assert {row["feature"] for row in own["ablation, all"]["features"]} == positive
    assert {row["topic"] for row in own["ablation, all"]["topics"]} == set(test)
    assert not list((tmp_path / "again").rglob("*attribution*"))

    monkeypatch.setattr("sys.argv", asked)
    before = output.read_bytes()  # everything is there: nothing is made again
    monkeypatch.setattr(lists.saetext, "ablate", None)
    lists.main()
    again, first = json.loads(output.read_bytes())["lists"]["saes"], json.loads(before)["lists"]["saes"]
    assert again == first
