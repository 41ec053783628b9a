"""steer on a planted model: what it finds, what it compares with, resuming, and what it refuses."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from planted import D_SAE, HIDDEN, HOOK, PROMPTS, WORD, WRITES, dead_feature, planted, rename

from saetext.errors import InputError, SaetextWarning
from saetext.intervene.controls import matches_of, random_direction
from saetext.intervene.effects import likelihood, repetition, word_share
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.request import Asked, SteerRequest
from saetext.intervene.result import SteerResult
from saetext.intervene.steer import steer
from saetext.intervene.strength import Strengths, strengths_of, summarised
from saetext.intervene.summary import figures, summary
from saetext.io import answer_cache
from saetext.reader import continuing
from saetext.reader.causal import CausalModel
from saetext.reader.continuing import Readings, log_probabilities_after
from saetext.reader.reader import Reader
from saetext.stats.paired import bca_interval, sign_flip_p

pytestmark = pytest.mark.filterwarnings("ignore:the strongest edit")
READS = 27  # a feature whose direction has nothing to do with the word


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")


def steered(generator: Generator, prompts: list[Any] = PROMPTS, **options: Any) -> SteerResult:
    defaults: dict[str, Any] = {
        "features": [f"{WRITES}:+1"], "doses": [0, 3, 6], "samples": 2, "max_new_tokens": 8, "batch": 32,
        "reference": planted().reference, "force": True, "controls": 0, "instruction": "", "gauge": "none",
    }  # fmt: skip
    if "direction" in options or "concept" in options:
        del defaults["features"]
    return steer(generator, prompts, **{**defaults, **options})


@pytest.fixture(scope="module")
def whole(generator: Generator) -> SteerResult:
    return steered(generator, controls=19, instruction=None)


# --- what it finds ------------------------------------------------------------------------------------------


def test_a_feature_that_writes_a_word_is_shown_to(whole: SteerResult) -> None:
    assert whole.metrics["verdict"] == "shown" and whole.metrics["gauge_words"] == [WORD]
    assert whole.metrics["tau"] > 0.5 and whole.metrics["dose_p"] < 0.01
    assert whole.metrics["control_p"] == pytest.approx(0.05)
    top = whole.table.row(by_predicate=pl.col("dose") == 6, named=True)
    assert top["gauge_diff"] > 0.2 and top["gauge_low"] > 0.1 and top["gauge_p"] < 0.01
    assert top["nll_diff"] > 0


def test_a_feature_that_only_reads_is_not(generator: Generator) -> None:
    found = steered(generator, features=[f"{READS}:+1"], words=WORD, controls=19)
    assert found.metrics["verdict"] == "not shown"
    assert found.table["gauge"].max() < 0.1


def test_arms_stand_beside_what_they_are_held_against(whole: SteerResult) -> None:
    assert whole.table["arm"].to_list() == ["unedited", "dose 3", "dose 6"]
    kinds = Counter(whole.controls["kind"])
    assert kinds == {"matched": 19, "random": 1, "turned": 1, "instruction": 1}
    edited = whole.controls.filter(pl.col("kind") != "instruction")
    strongest = whole.table["length"][-1]
    assert edited["length"].to_list() == pytest.approx([strongest] * 21, rel=1e-5)
    assert whole.handles["length"][0] * 6 == pytest.approx(strongest)
    features = [f for row in edited.filter(pl.col("kind") == "matched")["features"] for f in row]
    assert len(set(features)) == 19 and WRITES not in features


def test_figures_are_those_of_the_texts(whole: SteerResult) -> None:
    """Every mean, difference, interval and p again, in plain loops."""
    texts = whole.texts.to_dicts()

    def means(arm: str, measure: str) -> list[float]:
        found = []
        for prompt in range(len(PROMPTS)):
            values = [t[measure] for t in texts if t["arm"] == arm and t["prompt"] == prompt]
            found.append(float(np.mean([v for v in values if v is not None])))
        return found

    for row in (*whole.table.to_dicts(), *whole.controls.to_dicts()):
        for measure in ("gauge", "nll", "tokens"):
            own, base = means(row["arm"], measure), means("unedited", measure)
            assert row[measure] == pytest.approx(np.mean(own))
            if row["arm"] != "unedited":
                d = np.subtract(own, base)
                told = [row[f"{measure}_{part}"] for part in ("diff", "low", "high", "p")]
                assert told == pytest.approx([d.mean(), *bca_interval(d), sign_flip_p(d)])
    base = {(t["prompt"], t["sample"]): t["text"] for t in texts if t["arm"] == "unedited"}
    for t in texts:
        words = [w.strip(".,!?").lower() for w in t["text"].split()]
        if t["text"].isascii() and all(w.isalpha() for w in words) and words:
            assert t["gauge"] == pytest.approx(words.count(WORD) / len(words))
        assert t["changed"] or t["text"] == base[t["prompt"], t["sample"]]


def test_unedited_texts_are_the_model_s_own(generator: Generator, whole: SteerResult) -> None:
    model = CausalModel.load(planted().model, device="cpu", dtype="float32")
    own = model.generate(PROMPTS, samples=2, max_new_tokens=8, temperature=0.8, batch=5)
    arm = whole.texts.filter(pl.col("arm") == "unedited").sort("prompt", "sample")
    assert arm["text"].to_list() == [text.text for text in own]
    # log-probabilities of the unedited run are the likelihood under the unedited model
    expected = [-float(text.logprobs.mean()) for text in own]
    assert arm["nll"].to_list() == pytest.approx(expected, rel=1e-4)


def test_an_edit_shares_the_noise_of_its_prompt_and_sample(generator: Generator) -> None:
    found = steered(generator, features=[f"{WRITES}:0.001"], doses=[0, 1])
    assert found.texts.filter(pl.col("arm") == "dose 1")["changed"].sum() <= 2


def test_few_prompts_give_texts_and_no_verdict(generator: Generator) -> None:
    found = steered(generator, PROMPTS[:7], doses=[0, 6])
    assert found.metrics["verdict"] is None and "texts, no verdict" in found.notes[0]
    assert found.table["gauge_p"].null_count() == 2 and found.table["gauge_diff"][1] is not None
    assert found.texts.height == 28


def test_too_few_controls_and_no_words_give_no_verdict(generator: Generator) -> None:
    few = steered(generator, controls=1)
    assert few.metrics["verdict"] == "not held against enough controls" and "--controls 19" in few.notes[0]
    direction = np.zeros(HIDDEN, np.float32)
    direction[0] = 1.0
    path = planted().reference.with_name("direction.npy")
    np.save(path, direction)
    none = steered(generator, direction=path, doses=[1], controls=2)
    assert none.metrics["verdict"] is None and "--words" in none.notes[0]
    assert none.table["gauge"].null_count() == 2 and none.handles["feature"][0] is None
    assert Counter(none.controls["kind"]) == {"random": 3, "turned": 1}


def test_other_operations(generator: Generator) -> None:
    off = steered(generator, op="set", doses=[0, 6], controls=1)
    assert off.table["arm"].to_list() == ["unedited", "dose 0", "dose 6"] and off.table["gauge"][2] > 0.1
    scaled = steered(generator, op="scale", doses=[0, 1, 4], controls=1)
    assert scaled.table["arm"].to_list() == ["unedited", "dose 0", "dose 4"]
    assert "turned" not in [*off.controls["kind"], *scaled.controls["kind"]]


def test_a_concept_is_found_by_its_label(generator: Generator) -> None:
    found = steered(generator, concept="word30", doses=[0, 1])
    assert found.handles["feature"][0] == 30 and found.handles["similarity"][0] > 0
    with pytest.raises(InputError, match="no feature is labelled like"):
        steered(generator, concept="zzzz qqqq")


# --- units --------------------------------------------------------------------------------------------------


def test_strengths_are_quantiles_of_what_is_above_zero() -> None:
    draw = np.random.default_rng(0)
    feature = draw.integers(0, 40, 3000)
    feature[feature == 7] = 8
    value = draw.exponential(1, 3000).astype(np.float32)
    found = summarised(feature, value, 41, draw.normal(5, 1, 999), "x")
    for f in range(41):
        own = value[feature == f].astype(np.float64)
        assert found.active[f] == len(own)
        expected = (np.quantile(own, 0.99), own.max()) if len(own) else (0, 0)
        assert (found.p99[f], found.largest[f]) == pytest.approx(expected, rel=1e-6)
    assert found.density[3] == found.active[3] / 999 and found.active[7] == 0


def test_strengths_are_those_of_the_reader_and_kept(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = strengths_of(generator, planted().model, planted().reference)
    reader = Reader.load_local(planted().sae, planted().model, device="cpu", dtype="float32")
    rows = [json.loads(line) for line in planted().reference.read_text().splitlines()]
    values, norms = [], []
    for row in rows:
        ids = torch.tensor([reader.model.tokenizer.encode(row["text"], add_special_tokens=False)])
        states = generator.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK][0]
        values.append(reader.saes[next(iter(reader.saes))].encoder.encode(states))
        norms.append(states.norm(dim=1))
    dense = torch.cat(values).numpy()
    assert found.tokens == len(dense) and found.norm == pytest.approx(
        float(torch.cat(norms).median()), rel=1e-2
    )
    for f in range(D_SAE):
        on = dense[:, f][dense[:, f] > 0]
        assert found.active[f] == len(on) and found.p99[f] == pytest.approx(np.quantile(on, 0.99), rel=1e-4)
    monkeypatch.setattr(Reader, "load_many", None)  # not read again
    again = strengths_of(generator, planted().model, planted().reference)
    assert np.array_equal(again.p99, found.p99) and again.norm == found.norm


def test_units_of_rare_and_dead_features(tmp_path: Path) -> None:
    sae = tmp_path / "sae"
    shutil.copytree(planted().sae, sae)
    dead_feature(sae, 11)
    dead = load_generator(planted().model, str(sae), device="cpu", dtype="float32")
    with pytest.warns(
        SaetextWarning, match=r"feature 11 has 0 activations .* largest activation in its calib"
    ):
        found = steered(dead, PROMPTS[:1], features=["11:+1"], doses=[0])
    assert found.handles["unit"][0] == 2.0
    with pytest.warns(SaetextWarning, match="may be dead"):
        found = steered(dead, PROMPTS[:1], features=["11:0.5raw"], doses=[0])
    assert found.handles["coefficient"][0] == 0.5 and found.handles["unit_source"][0] == "raw"
    (sae / "card.arrow").unlink()
    bare = load_generator(planted().model, str(sae), device="cpu", dtype="float32")
    with pytest.raises(InputError, match="--reference"):
        steered(bare, PROMPTS[:1], features=["11:+1"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2162", (2162, 1.0, False)),
        ("2162:+1", (2162, 1.0, False)),
        ("2162:-.5", (2162, -0.5, False)),
        ("7:300raw", (7, 300.0, True)),
        ("7:1e2", (7, 100.0, False)),
    ],
)
def test_features_with_strengths_are_read(text: str, expected: tuple[int, float, bool]) -> None:
    asked = Asked.parse(text)
    assert (asked.feature, asked.weight, asked.raw) == expected


@pytest.mark.parametrize("text", ["", "x", "1:", "1:0", "1:nan", "-1:2", "1:1e999", "1:2:3", "1:٣", "1raw"])
def test_others_are_not(text: str) -> None:
    with pytest.raises(InputError, match="no feature with its strength"):
        Asked.parse(text)


# --- controls -----------------------------------------------------------------------------------------------


def test_matches_are_as_often_active_and_as_strong() -> None:
    draw = np.random.default_rng(0)
    n = 2000
    active = np.exp(draw.uniform(0, 8, n)).astype(np.int64)
    active[:50] = 0
    p99 = np.exp(draw.normal(0, 1, n)).astype(np.float32)
    norms = np.exp(draw.normal(0, 0.3, n))
    known = Strengths(p99, p99, active, 10_000, 1.0, "")
    cosines = draw.normal(0, 0.15, n)
    found = matches_of(900, norms, known, cosines, 19, 0, [901])
    assert len(set(found)) == 19 and not {900, 901, *range(50)} & set(found)
    assert (np.abs(cosines[found]) <= 0.3).all()
    gap = np.abs(np.log(active[found] / active[900]))
    everyone = np.abs(np.log(active[active > 0] / active[900]))
    assert gap.max() < np.quantile(everyone, 0.35)
    assert np.abs(np.log(p99[found] * norms[found] / (p99[900] * norms[900]))).max() < 0.8
    assert found == matches_of(900, norms, known, cosines, 19, 0, [901])
    assert found != matches_of(900, norms, known, cosines, 19, 1, [901])
    assert matches_of(900, norms, known, np.ones(n), 19, 0) == []


def test_random_directions_have_their_length() -> None:
    one, other = (random_direction(576, 3.5, seed) for seed in (1, 2))
    assert float(one.norm()) == pytest.approx(3.5) and torch.equal(one, random_direction(576, 3.5, 1))
    assert abs(float(one @ other)) / 3.5**2 < 0.2


# --- measures -----------------------------------------------------------------------------------------------


def test_measures_of_texts() -> None:
    assert word_share("That is THAT, isn't it?", frozenset({"that", "isn't"})) == pytest.approx(3 / 5)
    assert word_share("...", frozenset({"that"})) == 0.0
    assert repetition([1, 2, 3, 1, 2, 3, 1]) == pytest.approx(1 - 3 / 5)
    assert repetition([1, 2]) is None and repetition([1, 2, 3]) == 0.0


def test_likelihood_is_that_of_each_text_alone(generator: Generator) -> None:
    model = generator.model
    prompts = [model.encode_prompt(p) for p in PROMPTS[:3]]
    texts = [np.array(ids) for ids in ([9, 40, 7], [], [100] * 11)]
    found = likelihood(model, prompts, texts)
    for prompt, ids, value in zip(prompts, texts, found, strict=True):
        if not len(ids):
            assert value is None
            continue
        whole = torch.tensor([[*prompt.ids.tolist(), *ids.tolist()]])
        logprobs = model.logits(whole, torch.ones_like(whole))[0].log_softmax(-1)
        each = [float(logprobs[len(prompt) - 1 + i, t]) for i, t in enumerate(ids.tolist())]
        assert value == pytest.approx(-np.mean(each), rel=1e-4)


def test_likelihood_of_many_texts_of_few_prompts(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of one prompt share its reading; rows of all lengths leave in the middle of a stride."""
    model = generator.model
    prompts = [model.encode_prompt(p) for p in ("Be kind.", "Describe a walk along the sea.", "Why?")]
    draw = np.random.default_rng(0)
    lengths = [1, 2, 16, 17, 18, 33, 0, 40, 1, 5, 16, 34]
    texts = [draw.integers(5, 90, n) for n in lengths]
    own = [prompts[i % 3] for i in range(len(texts))]
    slow = []
    for prompt, ids in zip(own, texts, strict=True):
        whole = torch.tensor([[*prompt.ids.tolist(), *ids.tolist()]])
        logprobs = model.logits(whole, torch.ones_like(whole))[0].log_softmax(-1)
        slow.append([float(logprobs[len(prompt) - 1 + i, t]) for i, t in enumerate(ids.tolist())])
    read = []
    step = model.step
    monkeypatch.setattr(model, "step", lambda ids, *a, **k: read.append(len(ids)) or step(ids, *a, **k))
    found = log_probabilities_after(model, own, texts)
    assert sum(read) == 3  # each prompt once
    for one, expected in zip(found, slow, strict=True):
        assert one.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    readings = Readings(most=len(prompts[1]) + len(prompts[2]))  # there is room for two of them
    for _ in range(2):
        for one, expected in zip(log_probabilities_after(model, own, texts, readings), slow, strict=True):
            assert one.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert sum(read) == 3 + 3 + 1
    monkeypatch.setattr(continuing, "_ROWS", 5)
    for one, expected in zip(log_probabilities_after(model, own, texts), slow, strict=True):
        assert one.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    monkeypatch.setattr(continuing, "_COLUMNS", 1)  # one text at a time
    for one, expected in zip(log_probabilities_after(model, own, texts), slow, strict=True):
        assert one.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
    means = likelihood(model, own, texts)
    assert [m is None for m in means] == [n == 0 for n in lengths]


# --- resuming -----------------------------------------------------------------------------------------------


def test_an_interrupted_run_resumes(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"batch": 4, "doses": [0, 4], "seed": 77}
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "other"))
    expected = steered(generator, **options)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    calls: list[int] = []
    generate = CausalModel.generate

    def counted(self: CausalModel, prompts: Any, **given: Any) -> Any:
        calls.append(len(prompts))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return generate(self, prompts, **given)

    monkeypatch.setattr(CausalModel, "generate", counted)
    with pytest.raises(KeyboardInterrupt):
        steered(generator, **options)
    seen: list[Any] = []
    found = steered(generator, **options, on_progress=seen.append)
    assert len(calls) == 4 + 3  # three of six were there
    assert found.texts.equals(expected.texts) and found.table.equals(expected.table)
    assert seen[-1].done == seen[-1].total == 48 and seen[-1].unit == "texts"
    steered(generator, **options)
    assert len(calls) == 7
    monkeypatch.setattr(answer_cache, "find", lambda key: '[["not", "a", "text"]]')
    assert steered(generator, **options).texts.equals(expected.texts)


# --- what goes out ------------------------------------------------------------------------------------------


def test_texts_are_files_for_every_analysis(whole: SteerResult, tmp_path: Path) -> None:
    jsonl, parquet = (whole.write_texts(tmp_path / f"arms.{s}") for s in ("jsonl", "parquet"))
    rows = [json.loads(line) for line in jsonl.read_text("utf-8").splitlines()]
    assert rows == pl.read_parquet(parquet).to_dicts()
    assert len({row["id"] for row in rows}) == len(rows) == whole.texts.height
    assert Counter(row["arm"] for row in rows)["dose 6"] == 24
    with pytest.raises(InputError, match="exists"):
        whole.write_texts(jsonl)
    with pytest.raises(InputError, match="jsonl or"):
        whole.write_texts(tmp_path / "arms.txt")
    told = json.loads(whole.to_json())
    assert {"rows", "handles", "controls", "texts", "metrics"} <= set(told) and told["kind"] == "steer"


def test_an_instruction_stands_before_the_prompt_and_likelihood_without_it(
    generator: Generator, whole: SteerResult
) -> None:
    instruction = whole.metrics["instruction"]
    assert WORD in instruction
    asked = [f"{instruction}\n\n{prompt}" for prompt in PROMPTS]
    own = generator.model.generate(asked, samples=2, max_new_tokens=8, temperature=0.8)
    arm = whole.texts.filter(pl.col("kind") == "instruction").sort("prompt", "sample")
    assert arm["text"].to_list() == [text.text for text in own]
    prompts = [generator.model.encode_prompt(PROMPTS[text.prompt]) for text in own]
    expected = likelihood(generator.model, prompts, [text.ids for text in own])
    assert arm["nll"].to_list() == pytest.approx(expected, rel=1e-4)


# --- statistics under the null ------------------------------------------------------------------------------


def test_the_null_is_found_at_most_nominally() -> None:
    """200 runs in which no arm does anything: verdicts at most as often as .05 allows."""
    from saetext.intervene.controls import Arm

    arms = [Arm("unedited", "base", 0.0), Arm("dose 1", "dose", 1.0), Arm("dose 2", "dose", 2.0)]
    arms += [Arm(f"matched {i}", "matched", 2.0) for i in range(19)]
    shown = 0
    draw = np.random.default_rng(0)
    for _ in range(200):
        rows = [
            {"arm": arm.name, "prompt": p, "gauge": float(v), "changed": True}
            for arm in arms
            for p, v in enumerate(draw.exponential(1, 8))
        ]
        shown += figures(arms, pl.DataFrame(rows), "add", 2.0, 0)["verdict"] == "shown"
    assert shown <= 10


def test_texts_without_a_measure_are_left_out() -> None:
    from saetext.intervene.controls import Arm

    arms = [Arm("unedited", "base", 0.0), Arm("dose 1", "dose", 1.0, length=2.0)]
    rows = [
        {"arm": a.name, "prompt": p, "gauge": None, "nll": None if p == 2 else float(p + 3 * (a is arms[1])),
         "repetition": None, "tokens": 4, "changed": False}
        for a, p in itertools.product(arms, range(9))
    ]  # fmt: skip
    found = summary(arms, pl.DataFrame(rows, infer_schema_length=None), 4.0, 0).row(1, named=True)
    assert (
        found["nll_diff"] == 3.0 and found["gauge"] is found["repetition"] is None and found["length"] == 0.5
    )


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": []}, "say what to turn"),
        ({"features": ["5"], "concept": "x"}, "one of them"),
        ({"features": ["5", "5:2"]}, "twice"),
        ({"features": ["64"]}, "no feature 64"),
        ({"doses": []}, "doses"),
        ({"doses": [1, 1]}, "doses"),
        ({"doses": [float("inf")]}, "doses"),
        ({"doses": "1,x"}, "doses are numbers"),
        ({"positions": "somewhere"}, "choose all, prompt"),
        ({"doses": [500], "force": False}, "--force"),
        ({"raw": True, "system": "be kind"}, "system prompt"),
        ({"op": "remove"}, "op is one of"),
        ({"reference": Path("nowhere.jsonl")}, "nowhere.jsonl"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str, generator: Generator
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        steered(generator, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prompts", [[], "a text", [""], [[{"role": "assistant", "content": "x"}]], ["x " * 700]]
)
def test_prompts_that_cannot_be_answered_are_refused(
    prompts: Any, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.intervene.steer.setting_of", None)  # before features are measured
    with pytest.raises(InputError):
        steered(generator, prompts)


def test_an_instruction_that_fills_the_window_is_refused_before_anything_is_written(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CausalModel, "generate", None)
    with pytest.raises(InputError, match="leaves no room"):
        steered(generator, PROMPTS[:1], instruction="x " * 700, seed=5)


def test_long_edits_are_warned_of(generator: Generator) -> None:
    with pytest.warns(SaetextWarning, match="times as long as the median residual: expect broken text"):
        steered(generator, PROMPTS[:1], doses=[12], force=False)


def test_directions_that_do_not_fit_are_refused(generator: Generator, tmp_path: Path) -> None:
    for name, array in {
        "short": np.ones(3),
        "zero": np.zeros(HIDDEN),
        "text": np.array(["a"] * HIDDEN),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(InputError):
            steered(generator, direction=tmp_path / f"{name}.npy")
    with pytest.raises(InputError, match="there is no file"):
        steered(generator, direction=tmp_path / "none.npy")
    with pytest.raises(InputError, match="where is the direction added\\? name its --hook"):
        steer(str(planted().model), ["x"], direction=tmp_path / "zero.npy")


def test_an_sae_of_another_model_is_refused(tmp_path: Path) -> None:
    sae = tmp_path / "sae"
    shutil.copytree(planted().sae, sae)
    with pytest.raises(InputError, match="which SAE"):
        load_generator(planted().model, device="cpu")
    with pytest.raises(InputError, match="leave --hook out"):
        load_generator(planted().model, str(sae), hook="blocks.0.hook_resid_pre", device="cpu")
    from saetext.intervene.generator import require_fit

    fit = load_generator(planted().model, str(sae), device="cpu")
    assert fit.sae is not None
    with pytest.raises(InputError, match="another model"):
        require_fit(fit.sae, "m", 31, named=False)
    for trained, writes, told in (
        ("gemma-2-2b", "google/gemma-2-2b-it", "features may mean other things"),
        ("gpt2-small", "google/gemma-2-2b", "trained on gpt2-small"),
    ):
        rename(sae, trained)
        other = load_generator(planted().model, str(sae), device="cpu")
        assert other.sae is not None
        if "mean" in told:
            with pytest.warns(SaetextWarning, match=told):
                require_fit(other.sae, writes, HIDDEN, named=True)
        else:
            with pytest.raises(InputError, match=told):
                require_fit(other.sae, writes, HIDDEN, named=True)
    rename(sae, "smollm2")
    same = load_generator(planted().model, str(sae), device="cpu")
    assert same.sae is not None
    require_fit(same.sae, "HuggingFaceTB/SmolLM2-135M-Instruct", HIDDEN, named=True)


def test_doses_are_sorted_and_zero_has_no_sign() -> None:
    request = SteerRequest(features=["1"], doses="2,-0,-1")
    assert str(request.doses) == "(-1.0, 0.0, 2.0)" and request.strongest == 2.0
    assert SteerRequest(features=["1"], doses=[-3, 0, 2]).strongest == -3.0
    assert SteerRequest(features=["1"], op="scale", doses=[0, 1.5]).strongest == 0.0
