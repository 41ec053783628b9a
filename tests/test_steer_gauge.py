"""Words that set arms apart, what a second reader sees, and the strength that is tuned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from page_helpers import HOSTILE, Page
from planted import PROMPTS, WORD, WRITES, planted

from saetext.errors import InputError
from saetext.intervene import second_reader
from saetext.intervene.apart import LEAST_Z, words_apart
from saetext.intervene.controls import Arm
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.request import SteerRequest
from saetext.intervene.result import SteerResult
from saetext.intervene.second_reader import reader_of, seen, seen_schema
from saetext.intervene.steer import steer
from saetext.intervene.summary import figures
from saetext.intervene.tuning import halves, tried_table
from saetext.reader.causal import CausalModel
from saetext.report.console.steering import render_steer, verdict
from saetext.report.html.steer_page import render_steer_page

pytestmark = pytest.mark.filterwarnings("ignore:the strongest edit")


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")


def steered(generator: Generator, prompts: list[Any], **options: Any) -> SteerResult:
    defaults: dict[str, Any] = {
        "features": [f"{WRITES}:+1"], "doses": [0, 6], "samples": 2, "max_new_tokens": 8, "batch": 32,
        "reference": planted().reference, "force": True, "controls": 0, "instruction": "", "gauge": "none",
    }  # fmt: skip
    made: SteerResult = steer(generator, prompts, **{**defaults, **options})
    return made


def texts_of(arms: dict[str, list[list[str]]]) -> pl.DataFrame:
    """Texts by arm, then by prompt, then by sample."""
    return pl.DataFrame(
        [
            {"arm": arm, "prompt": p, "sample": s, "text": text}
            for arm, prompts in arms.items()
            for p, samples in enumerate(prompts)
            for s, text in enumerate(samples)
        ]
    )


# --- words --------------------------------------------------------------------------------------------------


def test_words_are_counted_by_prompt() -> None:
    base = [["the sun is out", "the sun is up"]] * 8
    own = [["the grief is grief grief", "the sun"]] * 7 + [["the sun is up", "the sun"]]
    found = words_apart(texts_of({"unedited": base, "dose 1": own}), ["unedited", "dose 1"])
    row = found.row(0, named=True)
    assert row["word"].startswith("grief") or "grief" in row["word"]
    assert (row["arm"], row["prompts"], row["prompts_unedited"]) == ("dose 1", 7, 0)
    # the formula again: log-odds with a prior of 8 prompts at the common share, its full variance
    a, b = 7 + 3.5, 0 + 3.5
    z = (np.log(a / (16 - a)) - np.log(b / (16 - b))) / np.sqrt(1 / a + 1 / (16 - a) + 1 / b + 1 / (16 - b))
    assert row["z"] == pytest.approx(z) and z > LEAST_Z
    turned = words_apart(texts_of({"unedited": own, "dose 1": base}), ["unedited", "dose 1"])
    assert turned["z"].min() == pytest.approx(-z)


def test_one_prompt_or_few_say_nothing() -> None:
    base = [["a day"] * 4] * 8
    loud = [["grief " * 30] * 4, *[["a day"] * 4] * 7]  # one prompt, as often as it likes
    assert words_apart(texts_of({"u": base, "d": loud}), ["u", "d"]).height == 0
    few = [["grief"] * 9] * 4  # all of four prompts: too few
    assert "grief" not in words_apart(texts_of({"u": base[:4], "d": few}), ["u", "d"])["word"]


def test_words_of_the_null_are_rare() -> None:
    """Arms drawn from one distribution: less than one word in two arms."""
    draw = np.random.default_rng(0)
    names = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(500)]
    weights = 1 / np.arange(1, 501) ** 0.9

    def text() -> str:
        return " ".join(names[i] for i in draw.choice(500, 40, p=weights / weights.sum()))

    found = 0
    for _ in range(10):
        arms = {arm: [[text() for _ in range(3)] for _ in range(16)] for arm in ("u", "d")}
        found += words_apart(texts_of(arms), ["u", "d"]).height
    assert found <= 5


def test_the_planted_word_sets_its_dose_apart(generator: Generator) -> None:
    found = steered(generator, PROMPTS)
    assert found.words is not None
    more = found.words.filter((pl.col("arm") == "dose 6") & (pl.col("z") > 0))["word"].to_list()
    assert any(WORD in word.casefold().split() for word in more)
    assert "words that set arms apart" in render_steer(found, 100)
    assert json.loads(found.to_json())["words"][0]["arm"] == "dose 6"


def test_where_no_dose_raises_the_effect_no_rise_is_told(generator: Generator) -> None:
    found = steered(generator, PROMPTS[:8], words="zebra", doses=[0, 1, 6])
    assert found.metrics["saturates"] is None and found.metrics["tau"] == 0
    assert "no dose above 0 raises it" in render_steer(found, 200) and "nine tenths" not in render_steer(
        found, 200
    )
    rises = steered(generator, PROMPTS[:8], doses=[0, 1, 6])
    assert rises.metrics["saturates"] > 0 and "nine tenths of the rise at dose" in render_steer(rises, 200)


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ((0.3, 0.1, 0.02, 0.0), "no dose above 0 raises it"),
        ((0.05, 0.3, 0.1, 0.06), "no dose above 0 raises it"),
        ((0.0, 0.1, 0.5, 0.2), "nine tenths of the rise at dose 1, peak at 1, falls after it"),
        ((0.0, 0.1, 0.12, 0.5), "nine tenths of the rise at dose 2, peak at 2"),
        ((0.1, 0.1, 0.1, 0.1), "no dose above 0 raises it"),
    ],
)
def test_a_rise_is_told_from_the_unedited_texts_on(means: tuple[float, ...], said: str) -> None:
    """The least dose is negative by default: what is higher than there need not be raised."""
    arms = [Arm("unedited", "base", dose=0.0)] + [Arm(f"dose {d}", "dose", dose=d) for d in (-1.0, 1.0, 2.0)]
    order = {"dose -1.0": means[0], "unedited": means[1], "dose 1.0": means[2], "dose 2.0": means[3]}
    rows = [
        {"arm": name, "prompt": prompt, "sample": 0, "gauge": mean + 0.001 * prompt}
        for name, mean in order.items()
        for prompt in range(12)
    ]
    found = figures(arms, pl.DataFrame(rows), "add", 2.0, 0)
    told = verdict(found)
    assert told is not None and told.endswith(said)


# --- the second reader --------------------------------------------------------------------------------------


def test_a_second_reader_sees_what_was_planted_and_not_what_any_edit_does() -> None:
    examples = Path(__file__).resolve().parents[1] / "examples"
    files = [examples / f"{name}.jsonl" for name in ("brisk", "gentle")]
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    plain, kind = ([row["text"][:150] for row in rows[at : at + 12]] for at in (0, 150))
    arms = {"unedited": plain, "dose 2": kind, "random direction": [f"{t} 12" for t in plain]}
    texts = texts_of({arm: [[t] for t in own] for arm, own in arms.items()})
    found = seen(texts, {"dose 2": "random direction"}, "unedited", "embedded")
    assert found.schema == pl.Schema(seen_schema()) and found.height >= 1
    row = found.row(by_predicate=pl.col("name").str.starts_with("number"), named=True)
    # counted again: texts with a digit
    shares = [np.mean([any(c.isdigit() for c in t) for t in arms[a]]) for a in ("dose 2", "unedited")]
    assert (row["rate"], row["rate_unedited"]) == pytest.approx(shares, abs=0.1)
    assert (found["q"] < 0.05).all()


def test_the_edited_sae_is_never_its_own_judge(generator: Generator) -> None:
    assert reader_of("auto", 7, generator) is None and reader_of("none", 50, generator) is None
    assert reader_of("auto", 8, generator) == "embedded"
    with pytest.raises(InputError, match="no judge of its own edit"):
        reader_of(str(planted().sae), 8, generator)
    with pytest.raises(InputError, match="needs 8 prompts, here there are 3"):
        reader_of("embedded", 3, generator)
    with pytest.raises(InputError, match="needs 8 topics, here there are 4"):
        reader_of("embedded", 4, generator, "topic")


def test_what_it_sees_is_told(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def one(texts: pl.DataFrame, *rest: Any) -> pl.DataFrame:
        asked.append((set(texts["arm"]), rest[:3]))
        values = ["dose 6", f"x {HOSTILE}", "word", 0.75, 0.0, 0.75, 1e-4, True, 0.5, "a", "b"]
        return pl.DataFrame([dict(zip(seen_schema(), values, strict=True))], schema=seen_schema())

    monkeypatch.setattr("saetext.intervene.concluding.seen", one)
    found = steered(generator, PROMPTS[:8], gauge="auto", controls=1)
    assert asked[0][1] == ({"dose 6": "random direction"}, "unedited", second_reader.DEFAULT)
    text = " ".join(render_steer(found, 200).split())
    assert "what a second reader (embedded) sees at dose 6" in text
    assert "75 against 0 % of texts" in text and "✓; a random edit too (+50)" in text
    page = Page(render_steer_page(found))
    assert page.count("table", "findings") == 1 and page.count("script") == 1 and page.count("img") == 0
    assert json.loads(found.to_json())["seen"][0]["diff_random"] == 0.5
    assert found.metrics["gauge_reader"] == "embedded"


# --- the strength that is tuned -----------------------------------------------------------------------------


def test_halves_share_nothing() -> None:
    one, other = halves(17, 3)
    assert len(one) == 8 and sorted([*one, *other]) == list(range(17)) and halves(17, 3) == (one, other)
    assert halves(17, 4)[0] != one


def test_the_most_effect_within_the_bound_is_chosen() -> None:
    arms = [
        Arm("unedited", "base", 0.0),
        *(Arm(f"dose {d}", "dose", float(d), length=2.0 * d) for d in (1, 2, 3)),
    ]
    figures = {"unedited": (0.0, 2.0), "dose 1": (0.1, 2.1), "dose 2": (0.3, 2.8), "dose 3": (0.6, 4.0)}

    def table(sign: float, bound: float) -> pl.DataFrame:
        rows = [
            {"arm": arm, "prompt": p, "gauge": sign * gauge, "nll": nll}
            for arm, (gauge, nll) in figures.items()
            for p in range(8)
        ]
        return tried_table(arms, pl.DataFrame(rows), 4.0, sign, bound)

    found = table(1.0, 1.0)
    assert found.filter("chosen")["dose"].to_list() == [2.0] and found["within"].to_list() == [
        True,
        True,
        False,
    ]
    assert found["gauge_diff"].to_list() == pytest.approx([0.1, 0.3, 0.6])
    assert found["nll_diff"].to_list() == pytest.approx([0.1, 0.8, 2.0]) and found["length"][1] == 1.0
    assert table(-1.0, 3.0).filter("chosen")["dose"].to_list() == [3.0]
    none = table(1.0, 0.01)
    assert none.filter("chosen")["dose"].to_list() == [1.0] and not none["within"].any()


def test_a_strength_is_tuned_on_one_half_and_reported_on_the_other(generator: Generator) -> None:
    prompts = [*PROMPTS, *(f"{p} now" for p in PROMPTS[:4])]
    found = steered(generator, prompts, auto=True, doses=[2, 4, 6], nll_within=50.0)
    tuning, reported = halves(16, 0)
    assert sorted(set(found.texts["prompt"])) == reported
    assert set(found.texts["prompt_text"]) == {prompts[i] for i in reported}
    assert found.tried is not None and found.tried["dose"].to_list() == [2.0, 4.0, 6.0]
    # the same doses written for the half that is tuned on, as a run of its own
    alone = steered(generator, [prompts[i] for i in tuning], doses=[0, 2, 4, 6])
    assert found.tried["gauge_diff"].to_list() == pytest.approx(alone.table["gauge_diff"].to_list()[1:])
    assert found.tried["nll_diff"].to_list() == pytest.approx(alone.table["nll_diff"].to_list()[1:])
    best = max(range(3), key=lambda i: found.tried["gauge_diff"][i])
    assert found.table["arm"].to_list() == ["unedited", f"dose {(2, 4, 6)[best]}"]
    assert "was chosen on the other half of the prompts" in " ".join(render_steer(found, 100).split())
    tight = steered(generator, prompts, auto=True, doses=[4, 6], nll_within=1e-9)
    assert "no dose that was tried keeps the nll" in " ".join(tight.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "--auto needs 16 prompts, 8 to tune on and 8 to report: here are 3"),
        ({"op": "scale", "doses": [0, 2]}, "--auto looks for a strength"),
        ({"doses": [-1, 0]}, "doses above 0"),
        ({"auto": False, "nll_within": 2.0}, "nll_within would change nothing"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(
    options: dict[str, Any], message: str, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CausalModel, "generate", None)
    with pytest.raises(InputError, match=message) as caught:
        steered(generator, PROMPTS[:3], **{"auto": True, **options})
    assert "\n" not in str(caught.value)


def test_without_words_there_is_nothing_to_tune(generator: Generator, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.ones(32, np.float32))
    with pytest.raises(InputError, match="needs an effect to look for"):
        steered(generator, [*PROMPTS, *PROMPTS], features=[], direction=tmp_path / "d.npy", auto=True)


def test_doses_that_are_tried() -> None:
    assert SteerRequest(features=["1"], auto=True).tried == (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
    assert SteerRequest(features=["1"], auto=True, doses="-1,0,3").tried == (3.0,)
