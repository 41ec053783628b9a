"""ablate on a planted model: what it finds, how features are chosen, what it compares with, and refusals."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from planted import WORD, dead_feature, planted
from planted_ablation import D_SAE, HOOK, OFF, READS, ROWS, TOPICS, WRITES, planted_writer

from saetext.errors import IncompatibleError, InputError, ReaderError, SaetextWarning
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.intervene.ablation import AblateResult, ablate
from saetext.intervene.ablation.arms import AblationArm, Arms, partners_of
from saetext.intervene.ablation.choosing import strongest
from saetext.intervene.ablation.measures import diversity
from saetext.intervene.ablation.measures import measured as measures_of
from saetext.intervene.ablation.request import AblateRequest
from saetext.intervene.ablation.summary import summary
from saetext.intervene.ablation.survey import difference_of_means, survey
from saetext.intervene.ablation.topics import split_of
from saetext.intervene.attribution import AttributionResult, attribute
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.places import items_of
from saetext.intervene.second_reader import seen_schema
from saetext.intervene.writing import Written
from saetext.reader.causal import CausalModel
from saetext.stats.paired import bca_interval, sign_flip_p
from saetext.text.words import words

pytestmark = pytest.mark.filterwarnings("ignore:feature 7 is never active")
OTHERS = [feature for feature in range(D_SAE) if feature not in (WRITES, READS, OFF)]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no texts of an earlier run be taken for those of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def generator() -> Generator:
    model, sae = planted_writer()
    return load_generator(model, str(sae), device="cpu", dtype="float32")


def ablated(
    generator: Generator, features: Any = (WRITES,), rows: Any = ROWS, **options: Any
) -> AblateResult:
    defaults: dict[str, Any] = {
        "features": features, "by": "topic", "samples": 1, "max_new_tokens": 4, "batch": 64,
        "metrics": "words", "words": WORD, "controls": 0, "forbid": "", "gauge": "none",
    }  # fmt: skip
    if "attribution" in options:
        del defaults["features"]
    return ablate(generator, rows, **{**defaults, **options})


@pytest.fixture(scope="module")
def whole(generator: Generator) -> AblateResult:
    return ablated(
        generator,
        (WRITES, 9),
        mode="zero,mean,resample",
        metrics=["words", "tokens", "diversity", "ended", letters],
        samples=3,
        max_new_tokens=8,
        controls=3,
        forbid=f" {WORD}",
    )


def letters(text: str) -> float | None:
    """Return the number of letters, of a text that has any."""
    return sum(map(str.isalpha, text)) or None


@pytest.fixture(scope="module")
def attribution() -> AttributionResult:
    model, sae = planted_writer()
    prompts = [{"id": row["id"], "prompt": row["prompt"], "topic": row["topic"]} for row in ROWS]
    return attribute(
        str(model),
        prompts,
        sae=str(sae),
        metric=f'logit(" {WORD}")',
        top=40,
        checks=5,
        positions="all",
        device="cpu",
    )


# --- the truth ----------------------------------------------------------------------------------------------


def by_sample(found: AblateResult) -> list[str]:
    """What is said of each sample's texts alone: samples have noise of their own, as runs of other seeds."""
    own = [*found.table.filter(pl.col("primary")).to_dicts(), *found.controls.filter("primary").to_dicts()]
    arms = [
        AblationArm(row["arm"], row["kind"], features=tuple(row["features"]), mode=row["mode"] or "",
                    of=row["of"] or "")
        for row in own
    ]  # fmt: skip
    active = bool(found.features["active"].max())
    told = []
    for sample in range(found.params["samples"]):
        table, _ = summary(
            arms, found.texts.filter(pl.col("sample") == sample), ["words"], "words", TOPICS,
            lengths=dict.fromkeys(arm.name for arm in arms), active={arm.name: active for arm in arms},
            each=False, seed=0,
        )  # fmt: skip
        told.append(table["verdict"][0])
    return told


def test_what_writes_is_told_from_what_reads_and_what_is_off(generator: Generator) -> None:
    found = {
        feature: ablated(generator, (feature,), controls=19).metrics["verdicts"]["zero"]
        for feature in (WRITES, READS, OFF)
    }
    assert found == {WRITES: "shown", READS: "not shown", OFF: "never active"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No intervals: verdicts do not go by them, and they are most of the work."""
    monkeypatch.setattr("saetext.stats.paired.bca_interval", lambda *_, **__: (0.0, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("feature", "verdict"), [(WRITES, "shown"), (READS, "not shown"), (OFF, "never active")]
)
def test_the_verdict_is_right_for_50_of_50_seeds(
    feature: int, verdict: str, generator: Generator, quick: None
) -> None:
    # the first token comes from the template's last position, which is never edited: others must follow
    options: dict[str, Any] = {"controls": 19, "samples": 25, "batch": 256, "max_new_tokens": 8}
    found = Counter(
        told
        for seed in range(1, 3)
        for told in by_sample(ablated(generator, (feature,), seed=seed, **options))
    )
    assert found == {verdict: 50}


@pytest.mark.slow
def test_random_features_are_found_at_most_nominally(generator: Generator, quick: None) -> None:
    """200 sets of texts, with 40 random features as targets; arms written before come from the cache."""
    draw = np.random.default_rng(0)
    found = Counter(
        told
        for feature in draw.choice(OTHERS, 40, replace=False).tolist()
        for told in by_sample(ablated(generator, (feature,), controls=19, samples=5, batch=256))
    )
    assert found.total() == 200 and set(found) <= {"shown", "not shown", "never active"}
    assert found["shown"] <= 10


def test_tested_one_at_a_time_they_are_corrected_together(generator: Generator) -> None:
    found = ablated(generator, (WRITES, READS, OFF), each=True, controls=19)
    assert found.table.filter(pl.col("primary"))["arm"].to_list() == ["zero 5", "zero 6", "zero 7"]
    rows = {row["arm"]: row for row in found.table.filter(pl.col("primary")).to_dicts()}
    worst = [max(rows[arm]["p"], rows[arm]["control_p"]) for arm in ("zero 5", "zero 6")]
    assert worst[0] < worst[1]
    assert rows["zero 5"]["q"] == pytest.approx(min(2 * worst[0], worst[1]))
    assert rows["zero 6"]["q"] == pytest.approx(worst[1]) and rows["zero 7"]["q"] is None
    # one of two tests against 19 controls cannot reach .05, and that is said
    assert rows["zero 5"]["verdict"] == "not held against enough controls"
    assert any("--controls 39" in note for note in found.notes)
    assert rows["zero 7"]["verdict"] == "never active"


# --- coupled arms -------------------------------------------------------------------------------------------


def test_an_ablation_of_an_inactive_feature_leaves_the_same_bytes(generator: Generator) -> None:
    with pytest.warns(SaetextWarning, match=f"feature {OFF} is never active"):
        found = ablated(generator, (OFF,), samples=3, mode="zero,mean,resample")
    base = found.texts.filter(pl.col("arm") == "unedited")
    for mode in ("zero", "mean", "resample"):
        arm = found.texts.filter(pl.col("arm") == mode)
        assert arm["text"].to_list() == base["text"].to_list() and not arm["changed"].any()
        assert arm["nll"].to_list() == base["nll"].to_list()


def test_unedited_texts_are_the_models_own(generator: Generator, whole: AblateResult) -> None:
    model = CausalModel.load(planted_writer()[0], device="cpu", dtype="float32")
    own = model.generate(
        [row["prompt"] for row in ROWS], samples=3, max_new_tokens=8, temperature=0.8, batch=5
    )
    base = whole.texts.filter(pl.col("arm") == "unedited").sort("prompt", "sample")
    assert base["text"].to_list() == [text.text for text in own]
    assert base["ended"].to_list() == [float(text.finish == "eos") for text in own]


def test_a_batch_changes_nothing(generator: Generator, whole: AblateResult) -> None:
    again = ablated(
        generator, (WRITES, 9), mode="zero,mean,resample", metrics=["words", letters], samples=3,
        max_new_tokens=8, batch=7,
    )  # fmt: skip
    own = pl.col("kind").is_in(["base", "ablated"])
    columns = ["arm", "prompt", "sample", "text"]
    assert again.texts.select(columns).equals(whole.texts.filter(own).select(columns))


# --- figures ------------------------------------------------------------------------------------------------


def test_figures_are_those_of_the_texts(whole: AblateResult) -> None:
    """Every mean, variance, difference, interval and p again, in plain loops."""
    texts = whole.texts.to_dicts()

    def values(arm: str, topic: str, metric: str) -> dict[int, list[float]]:
        by_prompt: dict[int, list[float]] = defaultdict(list)
        for t in texts:
            if (t["arm"], t["topic"]) == (arm, topic) and t[metric] is not None:
                by_prompt[t["prompt"]].append(t[metric])
        return by_prompt

    def mean(arm: str, topic: str, metric: str) -> float:
        if metric == "diversity":
            return diversity([t["text"] for t in texts if (t["arm"], t["topic"]) == (arm, topic)])
        every = [v for own in values(arm, topic, metric).values() for v in own]
        return sum(every) / len(every) if every else math.nan

    def variance(arm: str, topic: str, metric: str) -> float:
        if metric == "diversity":
            return math.nan
        own = [statistics.variance(v) for v in values(arm, topic, metric).values() if len(v) > 1]
        return sum(own) / len(own) if own else math.nan

    rows = [*whole.table.to_dicts(), *whole.controls.to_dicts()]
    assert {row["metric"] for row in rows} == {
        "words", "tokens", "diversity", "ended", "letters", "nll", "repeats"
    }  # fmt: skip
    for row in rows:
        for prefix, of in (("", mean), ("variance_", variance)):
            pairs = [
                (of(row["arm"], topic, row["metric"]), of("unedited", topic, row["metric"]))
                for topic in TOPICS
            ]
            both = np.array([p for p in pairs if not np.isnan(p).any()]).reshape(-1, 2)
            names = ["base_variance", "variance"] if prefix else ["base", "mean"]
            told = [row[n] for n in (*names, *(f"{prefix}{p}" for p in ("change", "low", "high", "p")))]
            if not len(both):
                assert told == [None] * 6
                continue
            d = both[:, 0] - both[:, 1]
            expected = [both[:, 1].mean(), both[:, 0].mean(), d.mean()]
            assert told[:3] == pytest.approx(expected)
            if len(d) >= 8:
                assert told[3:] == pytest.approx([*bca_interval(d), sign_flip_p(d)])
    for row in whole.table.to_dicts():
        rivals = [
            abs(other["change"]) for other in whole.controls.to_dicts()
            if (other["kind"], other["of"], other["metric"]) == ("matched", row["arm"], row["metric"])
        ]  # fmt: skip
        assert len(rivals) == 3
        assert row["control_p"] == (1 + sum(r >= abs(row["change"]) - 1e-12 for r in rivals)) / 4
    by_topic = whole.topics.filter((pl.col("arm") == "mean") & (pl.col("metric") == "words")).to_dicts()
    assert [row["topic"] for row in by_topic] == list(TOPICS) and by_topic[0]["texts"] == 3
    for row in by_topic:
        assert row["mean"] == pytest.approx(mean("mean", row["topic"], "words"))
        assert row["variance_change"] == pytest.approx(
            variance("mean", row["topic"], "words") - variance("unedited", row["topic"], "words")
        )


def test_a_topic_is_the_unit(generator: Generator) -> None:
    """Two prompts of each topic count as one: 10 topics of 10 prompts, or 5 of 10."""
    rows = [{**row, "topic": TOPICS[at // 2]} for at, row in enumerate(ROWS)]
    found = ablated(generator, rows=rows)
    assert found.metrics["topics"] == 5 and found.metrics["prompts"] == 10
    assert found.metrics["verdicts"] == {"zero": None} and found.table["p"].null_count() == found.table.height
    assert any(note.startswith("texts, no verdict: intervals and p need 8 topics") for note in found.notes)
    alone = ablated(generator, by=None)
    assert alone.metrics["topics"] == 10 and alone.table["p"].null_count() == 0


def test_arms_stand_beside_what_they_are_held_against(generator: Generator, whole: AblateResult) -> None:
    arms = whole.controls.filter(pl.col("metric") == "words")
    assert Counter(arms["kind"]) == {"matched": 9, "random": 3, "forbidden": 1, "means": 1}
    matched = [features for kind, features in arms.select("kind", "features").rows() if kind == "matched"]
    assert matched[:3] == matched[3:6] == matched[6:]
    every = [feature for features in matched[:3] for feature in features]
    assert len(set(every)) == 6 and not {WRITES, 9, OFF} & set(every)
    lengths = dict(arms.select("arm", "length").rows())
    own = dict(whole.table.filter(pl.col("primary")).select("arm", "length").rows())
    # a random direction has the length of the feature's own; two of them add up a little differently
    assert lengths["zero along random directions"] == pytest.approx(own["zero"], rel=0.3)
    assert own["zero"] > own["mean"] > 0 and lengths[f'forbid " {WORD}"'] is None
    forbidden = whole.texts.filter(pl.col("kind") == "forbidden")
    assert forbidden.height == 30 and forbidden["words"].max() == 0.0
    assert whole.texts.filter(pl.col("arm") == "unedited")["words"].max() > 0  # type: ignore[operator]


def test_texts_are_measured(generator: Generator) -> None:
    text = "Colours:\n1. Red\n2. red.\n* dark blue\n\nThat is all\n"
    written = Written(0, 0, text, np.array([5, 6, 7, 5, 6, 7, 0]), "eos", 1.5)
    found = measures_of(written, frozenset({"all"}), {"letters": letters})
    assert items_of(text) == ["Red", "red.", "dark blue"]
    assert found == {
        "items": 3.0, "distinct": 2.0, "repeats": pytest.approx(1 - 4 / 5), "tokens": 6.0, "nll": 1.5,
        "words": pytest.approx(1 / 10), "ended": 1.0, "letters": float(sum(map(str.isalpha, text))),
    }  # fmt: skip
    p = np.array([2 / 3, 1 / 3])
    assert diversity([text]) == pytest.approx(-(p * np.log(p)).sum())
    assert diversity(["no list", ""]) == 0.0


# --- means and resampling -----------------------------------------------------------------------------------


def states(generator: Generator, texts: list[Written]) -> dict[tuple[int, int, int], torch.Tensor]:
    """Hidden states by prompt, sample and absolute position, one text at a time."""
    found = {}
    for text in texts:
        prompt = generator.model.encode_prompt(ROWS[text.prompt]["prompt"])
        ids = torch.tensor([[*prompt.ids.tolist(), *text.ids.tolist()]])
        hidden = generator.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK][0]
        for position in range(ids.shape[1] - 1):
            if position >= len(prompt) or prompt.turn[position] >= 0:
                found[text.prompt, text.sample, position] = hidden[position]
    return found


def test_the_survey_is_what_stands_in_the_unedited_texts(generator: Generator) -> None:
    prompts = [generator.model.encode_prompt(row["prompt"]) for row in ROWS]
    made = generator.model.generate(prompts, samples=2, max_new_tokens=7, temperature=0.8)
    texts = [Written(t.prompt, t.sample, t.text, t.ids, t.finish, None) for t in made]
    seen = survey(generator, prompts, texts, "all", 4)
    assert generator.sae is not None
    by_place = states(generator, texts)
    activations = {place: generator.sae.encoder.encode(x[None])[0] for place, x in by_place.items()}
    dense = torch.stack(list(activations.values()))
    np.testing.assert_allclose(seen.mean, dense.mean(0), rtol=1e-4, atol=1e-6)
    assert seen.strengths.tokens == len(dense)
    assert seen.strengths.active.tolist() == dense.gt(0).sum(0).tolist()
    norm = float(torch.stack(list(by_place.values())).norm(dim=1).median())
    assert seen.strengths.norm == pytest.approx(norm, rel=0.05)
    partners = partners_of(TOPICS, 3)
    assert all(at != partner for at, partner in enumerate(partners)) and partners != partners_of(TOPICS, 4)
    table = seen.resampled(WRITES, partners, 9)
    for at, partner in enumerate(partners):
        inside, behind, own = [], [], []
        for (prompt, sample, position), f in sorted(activations.items(), key=lambda item: item[0]):
            if sample == 0 and prompt == partner:
                (inside if position < len(prompts[partner]) else behind).append(float(f[WRITES]))
            if sample == 0 and prompt == at and position < len(prompts[at]):
                own.append(position)
        expected = [next(c) for c in [itertools.cycle(inside)] for _ in own]
        assert table[at, own].tolist() == pytest.approx(expected, rel=1e-4)
        written = table[at, len(prompts[at]) : len(prompts[at]) + 9].tolist()
        cycle = itertools.cycle(behind or inside)
        assert written == pytest.approx([next(cycle) for _ in range(9)], rel=1e-4)
    request = AblateRequest(features=[WRITES], mode="mean,zero", max_new_tokens=7)
    make = Arms(generator, seen, TOPICS, request)
    mean, zero = make.ablated([WRITES])
    assert mean.changes[0].value == pytest.approx(float(dense[:, WRITES].mean()))
    scale = generator.sae.encoder.decoder[WRITES].norm() / seen.strengths.norm
    assert make.length(zero) == pytest.approx(float(dense[:, WRITES].mean() * scale), rel=1e-3)


def test_the_difference_of_means_is_that_of_the_states(generator: Generator) -> None:
    prompts = [generator.model.encode_prompt(row["prompt"]) for row in ROWS]
    made = generator.model.generate(prompts, samples=3, max_new_tokens=8, temperature=0.8)
    texts = [Written(t.prompt, t.sample, t.text, t.ids, t.finish, None) for t in made]
    token = Counter(i for t in texts for i in t.ids.tolist()[1:]).most_common(1)[0][0]
    found, n = difference_of_means(generator, prompts, texts, [token], 4)
    before, elsewhere = [], []
    for (prompt, sample, position), x in states(generator, texts).items():
        [text] = [t for t in texts if (t.prompt, t.sample) == (prompt, sample)]
        behind = position - len(prompts[prompt])
        if behind >= 0:
            (before if text.ids[behind + 1] == token else elsewhere).append(x.double())
    means = [torch.stack(part).mean(0) for part in (before, elsewhere)]
    assert found is not None and n == found.before == len(before) and found.elsewhere == len(elsewhere)
    direction = means[0] - means[1]
    torch.testing.assert_close(found.direction.double(), direction, rtol=1e-4, atol=1e-5)
    assert found.level == pytest.approx(float(means[1] @ direction / direction.norm()), rel=1e-4)
    assert difference_of_means(generator, prompts, texts, [3], 4)[0] is None


# --- choosing -----------------------------------------------------------------------------------------------


def test_features_are_chosen_on_half_and_tested_on_the_other(
    generator: Generator, attribution: AttributionResult, tmp_path: Path
) -> None:
    path = attribution.save(tmp_path / "attribution.json")
    found = ablated(generator, [f"{path}:3"], seed=2)
    m = found.metrics
    assert m["split"] == "half" and len(m["chosen_on"]) == len(m["tested_on"]) == 5
    assert set(m["chosen_on"]) | set(m["tested_on"]) == set(TOPICS)
    assert set(found.texts["topic"]) == set(m["tested_on"]) and found.features.height == 3
    assert found.notes[0] == "features chosen on 5 topics, tested on 5 others"
    # by hand, from the pairs of the examples that choose
    chosen = [n for n, row in enumerate(attribution.meta) if row["topic"] in m["chosen_on"]]
    scores: dict[int, float] = defaultdict(float)
    for row in attribution.pairs.to_dicts():
        if row["prompt"] in chosen:
            scores[row["feature"]] += abs(row["attribution"]) / len(chosen)
    best = sorted(scores, key=lambda feature: -scores[feature])[:3]
    assert found.features["feature"].to_list() == best and WRITES in best
    assert found.features["score"].to_list() == pytest.approx([scores[f] for f in best])
    other = ablated(generator, attribution=attribution, strongest=3, seed=3)
    assert other.metrics["tested_on"] != m["tested_on"]
    everything = ablated(generator, attribution=attribution, split="none")
    assert everything.metrics["topics"] == 10 and "p are too small" in everything.notes[0]


def test_without_topics_prompts_are_matched_by_their_tokens(
    generator: Generator, attribution: AttributionResult
) -> None:
    rows = [row["prompt"] for row in ROWS]  # no ids, no topics
    found = ablated(generator, rows=rows, by=None, attribution=attribution)
    assert found.metrics["split"] == "half" and found.metrics["topics"] == 5
    others = [f"{prompt} and she wrote" for prompt in rows]
    apart = ablated(generator, rows=[{"id": f"x{i}", "prompt": p} for i, p in enumerate(others)], by=None,
                    attribution=attribution)  # fmt: skip
    assert apart.metrics["split"] == "apart" and apart.metrics["topics"] == 10
    more = ablated(generator, rows=[*rows, *others], by=None, attribution=attribution)
    assert more.metrics["split"] == "attribution" and more.metrics["topics"] == 10
    assert not set(more.texts["prompt_text"]) & set(rows)


def test_splits() -> None:
    topics = [f"t{i}" for i in range(10) for _ in range(2)]
    half = split_of(topics, topics, "auto", 0)
    assert len(half.choose) == len(half.test) == 5 and not set(half.choose) & set(half.test)
    assert split_of(topics, topics, "half", 0) == half != split_of(topics, topics, "half", 1)
    part = split_of(topics, ["t0", "t1", None], "auto", 0)
    assert part.how == "attribution" and part.choose == ("t0", "t1") and len(part.test) == 8
    assert split_of(topics, [None, "else"], "auto", 0).how == "apart"
    assert split_of(["a", "a"], ["a"], "none", 0).test == ("a",)
    with pytest.raises(InputError, match="there is one topic"):
        split_of(["a", "a"], ["a"], "auto", 0)
    with pytest.raises(InputError, match="none of the topics on which"):
        split_of(topics, [half.test[0]], "half", 0)


def test_the_strongest_features_by_hand(attribution: AttributionResult) -> None:
    options: dict[str, Any] = {
        "examples": range(10), "lengths": {}, "rank": "attribution", "sign": "any", "positions": "all",
    }  # fmt: skip
    pairs = attribution.pairs.to_dicts()
    for sign, keep in (("positive", lambda v: v > 0), ("negative", lambda v: v < 0)):
        found = strongest(attribution, 4, **{**options, "sign": sign})
        for one in found:
            own = [p for p in pairs if p["feature"] == one.feature]
            assert keep(sum(p["attribution"] for p in own))
            assert one.score == pytest.approx(sum(p["attribution"] for p in own) / 10)
            assert one.examples == len({p["prompt"] for p in own})
    sizes = defaultdict(float)
    for row in pairs:
        sizes[row["feature"]] += abs(row["attribution"]) / 10
    by_size = strongest(attribution, 4, **options)
    assert [one.feature for one in by_size] == sorted(sizes, key=lambda f: -sizes[f])[:4]
    assert [one.score for one in by_size] == pytest.approx(sorted(sizes.values())[-1:-5:-1])
    exact: dict[int, float] = defaultdict(float)
    for row in [*attribution.table.to_dicts(), *attribution.checks.to_dicts()]:
        exact[row["feature"]] += abs(row["exact"]) / 10
    by_effect = strongest(attribution, 2, **{**options, "rank": "exact"})
    assert [one.feature for one in by_effect] == sorted(exact, key=lambda f: -exact[f])[:2]
    # of prompts whose end is known, later positions do not count where the prompt alone is edited
    ends = dict.fromkeys(range(10), 15)
    made = attribution.pairs.with_columns(
        position=pl.when(pl.col("feature") < 20).then(14).otherwise(pl.col("position"))
    )
    moved = AttributionResult("attribute", attribution.table, {}, {}, pairs=made)
    cut = strongest(moved, 2, **{**options, "lengths": ends, "positions": "prompt"})
    assert all(one.feature < 20 for one in cut)
    assert {one.feature for one in strongest(moved, 30, **options)} - set(range(20))
    with pytest.raises(
        InputError, match=r"features to choose from on 10 examples, not 65: ask for fewer, FILE:\d+"
    ):
        strongest(attribution, 65, **options)


def test_a_second_reader_is_asked_of_every_mode_by_topic(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def told(texts: pl.DataFrame, arms: Any, base: str, reader: str, *rest: Any, unit: str) -> pl.DataFrame:
        asked.append((set(texts["arm"]), dict(arms), base, reader, unit))
        return pl.DataFrame(schema=seen_schema())

    monkeypatch.setattr("saetext.intervene.ablation.run.seen", told)
    found = ablated(generator, mode="zero,mean", controls=1, gauge="auto")
    [(arms, compared, base, reader, unit)] = asked
    assert compared == {name: f"{name} along random directions" for name in ("zero", "mean")}
    assert {*compared, *compared.values(), base} <= arms
    assert (base, reader, unit) == ("unedited", "embedded", "topic")
    assert found.seen is not None and found.metrics["gauge_reader"] == "embedded"
    alone = ablated(generator, gauge="auto")  # no controls: there is no random direction
    assert asked[1][1] == {"zero": None} and alone.seen is not None
    # too few topics: not asked by itself, and refused before anything is written where it is asked for
    few = ablated(generator, rows=ROWS[:7], gauge="auto")
    assert few.seen is None and few.metrics["gauge_reader"] is None and len(asked) == 2
    monkeypatch.setattr("saetext.intervene.ablation.run.Writer", None)
    with pytest.raises(InputError, match="a second reader needs 8 topics, here there are 7"):
        ablated(generator, rows=ROWS[:7], gauge="embedded")
    with pytest.raises(InputError, match="no judge of its own edit"):
        ablated(generator, gauge=str(planted_writer()[1]))


def test_a_second_reader_sees_the_word_go(generator: Generator) -> None:
    """Texts no longer begin with the word that the feature writes; and what a random direction does."""
    found = ablated(generator, samples=2, max_new_tokens=12, controls=1, gauge="embedded")
    assert found.seen is not None and set(found.seen["arm"]) == {"zero"}
    begins = [WORD] * 4
    row = found.seen.row(by_predicate=pl.col("name") == f'the opening "{" ".join(begins)}"', named=True)
    texts = {arm: own["text"].to_list() for (arm,), own in found.texts.group_by("arm")}
    shares = [
        np.mean([[word.casefold() for word in words(text)[:4]] == begins for text in texts[arm]])
        for arm in ("zero", "unedited", "zero along random directions")
    ]
    # counted again; one of 20 texts is an opening by other rules of what a word is
    assert (row["rate"], row["rate_unedited"]) == pytest.approx(shares[:2], abs=0.051)
    assert row["diff"] < -0.5 and row["q"] < 0.05
    # as far along random directions breaks these texts as well, and that is said beside it
    assert row["diff_random"] == pytest.approx(shares[2] - shares[1], abs=0.051)
    confirmed = found.seen["confirmed"].to_list()
    assert any(confirmed) and (found.seen["q"] < 0.05).all()


def test_where_a_sign_is_asked_effects_that_cancel_do_not_count() -> None:
    def pairs(effects: dict[int, list[float]]) -> pl.DataFrame:
        rows = [
            {"prompt": n, "position": 3, "feature": feature, "attribution": one, "exact": -one}
            for feature, own in effects.items()
            for n, one in enumerate(own)
        ]
        return pl.DataFrame(rows, schema_overrides={"attribution": pl.Float64, "exact": pl.Float64})

    # 1 is strong either way and nearly cancels; 2 always pushes up a little, 3 down
    effects = {1: [5.0, -4.9, 5.0, -5.0], 2: [1.0, 0.5, 1.0, 1.5], 3: [-1.0, -0.2, -1.0, -0.2]}
    table = pairs(effects)
    found = AttributionResult("attribute", table, {}, {}, pairs=table, checks=table.head(0))
    options: dict[str, Any] = {
        "examples": range(4), "lengths": {}, "rank": "attribution", "positions": "all",
    }  # fmt: skip

    def told(**asked: Any) -> list[tuple[int, float]]:
        chosen = strongest(found, asked.pop("n"), **{**options, **asked})
        return [(one.feature, round(one.score or 0.0, 9)) for one in chosen]

    assert told(n=2, sign="positive") == [(2, 1.0), (1, 0.025)]
    assert told(n=1, sign="negative") == [(3, -0.6)]
    assert told(n=3, sign="any") == [(1, 4.975), (2, 1.0), (3, 0.6)]
    assert told(n=2, sign="negative", rank="exact") == [(2, -1.0), (1, -0.025)]
    with pytest.raises(InputError, match="not 2: ask for fewer"):
        told(n=2, sign="negative")


def test_the_metrics_token_is_forbidden_by_default(
    generator: Generator, attribution: AttributionResult
) -> None:
    found = ablated(generator, attribution=attribution, forbid=())
    assert found.metrics["forbidden"] == f'" {WORD}"' and "metric" in found.metrics["forbidden_source"]
    named = ablated(generator, forbid=())
    assert named.metrics["forbidden"] == "the end of the text"
    ended = named.texts.filter(pl.col("kind") == "forbidden")["ended"]
    assert ended.max() == 0 and named.texts.filter(pl.col("kind") == "base")["ended"].max() is not None


# --- resuming -----------------------------------------------------------------------------------------------


def test_an_interrupted_run_resumes(
    generator: Generator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"seed": 77, "controls": 2, "samples": 2}
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "other"))
    expected = ablated(generator, **options)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    real, calls = CausalModel.generate, []

    def counted(self: CausalModel, *args: Any, **given: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *args, **given)

    monkeypatch.setattr(CausalModel, "generate", counted)
    with pytest.raises(KeyboardInterrupt):
        ablated(generator, **options)
    seen: list[Any] = []
    found = ablated(generator, **options, on_progress=seen.append)
    assert len(calls) == 3 + 3  # unedited, zero, two matched and one random: two were there
    assert found.texts.equals(expected.texts) and found.table.equals(expected.table)
    assert seen[-1].done == seen[-1].total == found.texts.height == 100 and seen[-1].unit == "texts"
    assert ablated(generator, **options).texts.equals(found.texts) and len(calls) == 6


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": ()}, "say what to take out"),
        ({"features": ["64"]}, "no feature 64"),
        ({"features": ["5", "5"]}, "twice"),
        ({"features": ["five"]}, "is no feature"),
        ({"features": ["a.json:3", "5"]}, "one FILE:N"),
        ({"features": ["nowhere.json:3"]}, "nowhere.json"),
        ({"features": ["5"], "split": "half"}, "none is chosen"),
        ({"features": ["5"], "rank": "exact"}, "none is chosen"),
        ({"features": ["5"], "strongest": 3}, "strongest would change nothing"),
        ({"mode": "away"}, "mode is one or more of"),
        ({"mode": ""}, "mode is one or more of"),
        ({"positions": "somewhere"}, "choose all, prompt"),
        ({"metrics": "items,beauty"}, "no metric .*beauty"),
        ({"metrics": ""}, "metrics are names"),
        ({"metrics": "items,items"}, "each once"),
        ({"metrics": [3]}, "a name or a function"),
        ({"metrics": ["words", lambda text: "x"]}, "not a number"),
        ({"metrics": ["words", lambda text: float("nan")]}, "not a number"),
        ({"metrics": "items"}, "belong together"),
        ({"words": None}, "belong together"),
        ({"primary": "items"}, "--primary is one of the metrics"),
        ({"by": "subject"}, "no column .subject. for --by; columns: 'topic'"),
        ({"forbid": "the quick brown"}, "tokens"),
        ({"forbid": r"\q"}, "escape"),
        ({"raw": True, "system": "be kind"}, "system prompt"),
        ({"system": "x " * 700}, "leaves no room"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "not a number" not in message:
        monkeypatch.setattr(CausalModel, "generate", None)  # before anything is written
    with pytest.raises(InputError, match=message) as caught:
        ablated(generator, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no prompt"),
        ([{"prompt": "x", "topic": None}, {"prompt": "y", "topic": "b"}], "has no .topic"),
        ([{"prompt": "x " * 700, "topic": "a"}], "leaves no room"),
        ([{"prompt": "", "topic": "a"}], "empty"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused(rows: Any, message: str, generator: Generator) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ablated(generator, rows=rows)
    assert "\n" not in str(caught.value)


def test_a_prompt_that_stands_twice_is_used_once(generator: Generator) -> None:
    with pytest.warns(SaetextWarning, match="1 prompt stands there again"):
        found = ablated(generator, rows=[*ROWS, {**ROWS[0], "id": "again"}])
    assert found.metrics["prompts"] == 10


def test_an_attribution_of_something_else_is_refused(
    generator: Generator, attribution: AttributionResult, tmp_path: Path
) -> None:
    other = load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")
    with pytest.raises(InputError, match="name its own with --sae"):
        ablated(other, attribution=attribution)
    params = dict(attribution.params)
    moved = {**params, "subject": {**params["subject"], "revision": "else"}}  # type: ignore[dict-item]
    with pytest.raises(InputError, match="other weights"):
        ablated(generator, attribution=AttributionResult(
            "attribute", attribution.table, moved, attribution.metrics, pairs=attribution.pairs,
            prompts=attribution.prompts, tokens=attribution.tokens, meta=attribution.meta,
        ))  # fmt: skip
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(InputError, match=r"broken\.json"):
        ablated(generator, [f"{broken}:3"])


def test_labels_are_a_table_or_a_file(tmp_path: Path) -> None:
    model, sae = planted_writer()
    table = FeatureLabels.from_rows([FeatureLabel(5, "a label of my own")])
    table.write(file := tmp_path / "labels.parquet")
    for given in (table, file, str(file)):
        found = load_generator(model, str(sae), labels=given, device="cpu", dtype="float32")
        assert found.labels.label(5) == "a label of my own"
    other = FeatureLabels(table.table, {"weights_sha256": "0" * 64})
    with pytest.raises(IncompatibleError, match="of another reader's features"):
        load_generator(model, str(sae), labels=other, device="cpu", dtype="float32")


def test_models_and_saes_that_do_not_fit_are_refused(generator: Generator, tmp_path: Path) -> None:
    model, sae = planted_writer()
    with pytest.raises(InputError, match="which SAE"):
        ablate(str(model), ROWS, features=[5])
    with pytest.raises(InputError, match="loaded already"):
        ablate(generator, ROWS, features=[5], sae=str(sae))
    with pytest.raises(ReaderError, match="reads, it cannot write"):
        ablate("embedded", ROWS, features=[5], sae=str(sae))
    with pytest.raises(InputError, match="labels would change nothing: without an SAE"):
        load_generator(model, hook=HOOK, labels="names.jsonl")
    without = load_generator(model, hook=HOOK, device="cpu")
    with pytest.raises(InputError, match="belong to an SAE"):
        ablate(without, ROWS, features=[5])
    del without
    dead = tmp_path / "dead"
    import shutil

    shutil.copytree(sae, dead)
    dead_feature(dead, 9)
    found = load_generator(model, str(dead), device="cpu", dtype="float32")
    with pytest.warns(SaetextWarning, match="feature 9 is never active"):
        assert ablated(found, (9,)).metrics["verdicts"] == {"zero": "never active"}
    with pytest.raises(InputError, match="no token would be edited"):
        ablated(generator, max_new_tokens=1, positions="generated")


def test_a_model_without_a_chat_template_asks_for_plain_text(tmp_path: Path) -> None:
    from tiny_models import save_model

    plain = save_model("llama", tmp_path / "plain", num_hidden_layers=1, max_position_embeddings=600)
    with pytest.raises(InputError, match="--raw"):
        ablate(str(plain), ROWS, features=[5], sae=str(planted_writer()[1]), device="cpu")
    found = ablate(
        str(plain), ROWS, features=[5], sae=str(planted_writer()[1]), device="cpu", raw=True,
        controls=0, max_new_tokens=2, samples=1, metrics="tokens",
    )  # fmt: skip
    assert found.metrics["prompts"] == 10
