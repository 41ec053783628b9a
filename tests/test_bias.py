"""Dampened bias: planted truths, exactness, finders, suites, measures, nulls, resuming, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from planted_bias import BIAS, D_SAE, FACTS, HOOK, PAIR, PROFESSIONS, WORDS, subject, tiny
from scipy import stats
from test_causal import load
from test_hooks import epsilon
from tiny_models import save_model
from tiny_reader import make_sae
from tiny_saes import tiny_sae

import saetext
from saetext.errors import InputError, ReaderError
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.intervene.bias import run as running
from saetext.intervene.bias.arms import Arm, arms_of, matched_sets, strengths_in
from saetext.intervene.bias.dampening import dampened, in_a_random_direction
from saetext.intervene.bias.finding import (
    attributions,
    by_attribution,
    by_labels,
    by_swapping,
    largest,
    largest_p,
)
from saetext.intervene.bias.measuring import measures_of, stereotype_correlation
from saetext.intervene.bias.naming import pair_of
from saetext.intervene.bias.request import BiasRequest
from saetext.intervene.bias.scoring import activations_of, asked, nll_of, prompt_of, values_of
from saetext.intervene.bias.spread import gendered, spread_of
from saetext.intervene.bias.suites import Item, items_of, split_of
from saetext.intervene.bias.summary import table_of, verdict_of
from saetext.intervene.bias.words import GENDERED, SCHEMAS, SWAPPED, swapped
from saetext.intervene.bias.words import PROFESSIONS as OWN
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.intervene.shifts.panel import Panel
from saetext.intervene.subject import Subject, open_subject
from saetext.reader.parts import LoadedSae
from saetext.reader.weights import from_sae_lens

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def run(**options: Any) -> Any:
    return saetext.bias(subject(), **{**tiny().options, **options})


def dampen(*features: int, **options: Any) -> Any:
    return run(features=",".join(map(str, features)), **options)


# ---- the truth is planted ------------------------------------------------------------------------------


def test_features_of_stereotypes_are_dampened_and_facts_stay() -> None:
    result = dampen(*BIAS, dampen="1,.5,0")
    assert result.verdict == "dampened"
    figures = result.metrics
    assert figures["gap_after"] < 0.25 * figures["gap_before"]
    assert figures["accuracy_before"] == figures["accuracy_after"] == 1
    assert figures["fact_after"] == pytest.approx(figures["fact_before"], rel=0.05)
    gaps = result.table.filter(pl.col("measure") == "gap")
    assert gaps["value"].to_list() == sorted(gaps["value"], reverse=True)  # the lower the dose, the smaller
    matched = result.controls.filter((pl.col("kind") == "matched") & (pl.col("measure") == "gap"))
    assert matched["arm"].n_unique() == 19 and matched["diff"].min() > figures["gap_diff"]  # type: ignore[operator]
    r = {
        row["arm"]: row["value"] for row in result.table.filter(pl.col("measure") == "stereotype").to_dicts()
    }
    assert r["unedited"] > 0.9 and r["dose 0"] < r["unedited"] - 0.1


def test_dampening_both_is_told_as_factual_gender_lost() -> None:
    result = dampen(*BIAS, *FACTS, dampen="0")
    assert result.verdict == "dampened, but factual gender is lost"
    assert result.metrics["gap_after"] < 0.25 * result.metrics["gap_before"]
    assert result.metrics["fact_after"] < 0.25 * result.metrics["fact_before"]
    assert result.metrics["accuracy_after"] < 0.8


def test_features_of_facts_alone_do_not_lower_the_bias() -> None:
    assert dampen(*FACTS, dampen="0").verdict == "not shown"


def test_attribution_finds_them_on_the_other_half() -> None:
    result = run(find=True, finders="attribution", take=4, dampen="0", controls=0)
    ranks = dict(zip(result.features["feature"], result.features["rank_attribution"], strict=True))
    assert {ranks[f] for f in BIAS} <= {1, 2, 3} and not set(FACTS) & set(ranks)
    assert result.metrics["professions"] == len(PROFESSIONS) // 2
    assert result.metrics["prompts_to_find"] == len(PROFESSIONS) // 2
    assert result.verdict == "not held against enough controls"


# ---- exactness -----------------------------------------------------------------------------------------


def test_doses_of_one_are_the_unedited_model_bit_for_bit() -> None:
    result = dampen(*BIAS, *FACTS, dampen="1")
    assert result.metrics["dose_1_is_unedited"] is True
    assert result.verdict == "nothing was dampened" and result.controls.is_empty()
    for measure in ("gap", "fact", "accuracy", "nll"):
        own = result.table.filter(pl.col("measure") == measure)
        assert own["value"].n_unique() == 1 and own["diff"].drop_nulls().to_list() == [0.0]
    panel = Panel(subject(), 4)
    some = asked(panel, items_of([str(tiny().suite)]))
    one = values_of(panel, some, dampened([*BIAS, *FACTS], 1.0, panel.decoder))
    assert np.array_equal(one, values_of(panel, some, None))
    assert not np.array_equal(one, values_of(panel, some, dampened(BIAS, 0.999, panel.decoder)))


ITEMS = [
    Item("own", "gap", "fox", "1", "The quick brown fox", *PAIR),
    Item("own", "gap", "dog", "2", "She wrote that the lazy dog", *PAIR),
    Item("own", "resolution", "dog", "3", "He wrote that the", " quick fox", " dog in the sun"),
]


@pytest.mark.parametrize(
    "hook", ["blocks.1.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.0.hook_resid_pre"]
)
def test_upper_layers_alone_give_what_the_whole_model_gives(hook: str, tmp_path: Path) -> None:
    """To 1e-12 in float64, unedited and dampened; the slow path runs each prompt alone, all layers, dense."""
    made = _subject(save_model("llama", tmp_path / "m", **epsilon("llama")), hook, "float64")
    panel = Panel(made, 2)
    some = asked(panel, ITEMS)
    for dose in (1.0, 0.5, 0.0):
        fast = values_of(panel, some, dampened([3, 7, 11], dose, panel.decoder))
        slow = [_slow(made, panel, item, [3, 7, 11], dose) for item in ITEMS]
        np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-12)
    unedited = values_of(panel, some, None)
    assert np.abs(fast - unedited).max() > 1e-3


def _slow(made: Subject, panel: Panel, item: Item, features: list[int], dose: float) -> float:
    backend = made.model.tokenizer.backend_tokenizer
    total = 0.0
    for text, sign in ((item.first, 1.0), (item.second, -1.0)):
        bare = made.model.encode_prompt(item.prompt, raw=True)
        more = made.model.encode_prompt(item.prompt + text, raw=True)
        ids = torch.from_numpy(more.ids)[None]
        assert more.ids[: len(bare)].tolist() == bare.ids.tolist() and backend is not None
        # activations are float32 everywhere: taken once, so that only the running is compared
        [kept] = panel.keep([more])

        def edit(
            x: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor, kept: Any = kept
        ) -> torch.Tensor:
            dense = torch.zeros(len(kept.scope), len(panel.decoder), dtype=torch.float64)
            dense[kept.token, kept.feature] = kept.value.double()
            only = torch.zeros_like(dense)
            only[:, features] = dense[:, features]
            changed = x.clone()
            changed[0, kept.scope] += (dose - 1) * only @ panel.decoder.double() * kept.scale.double()
            return changed

        logits = made.model.logits(ids, torch.ones_like(ids), edits={panel.hook: edit})[0].log_softmax(-1)
        for at in range(len(bare), len(more.ids)):
            total += sign * float(logits[at - 1, more.ids[at]])
    return total


def _subject(directory: Path, hook: str, dtype: str) -> Subject:
    sae = tiny_sae("standard", hook_name=hook)
    return Subject(load(directory, dtype=dtype), LoadedSae("tiny", "tiny", from_sae_lens(sae), None))


def test_dampening_is_an_edit_that_scales_features() -> None:
    made, panel = subject(), Panel(subject(), 4)
    prompts = [prompt_of(made.model, text) for text in ("the A", "the quick brown fox", "the 3")]
    kept = panel.keep(prompts)
    for features, dose in ((BIAS, 0.0), ((BIAS[0], 20, 31), 0.5)):
        edit = FeatureEdit(
            [Change(f, "scale", dose) for f in features], positions_of("all", prompts), made.sae
        )
        for row, one in enumerate(kept):
            ids = one.ids[None]
            edited = made.model.logits(
                ids, torch.ones_like(ids), edits={HOOK: lambda x, p, r, row=row: edit(x, p, r + row)}
            )
            logits, _ = panel.logits([one], dampened(features, dose, panel.decoder), whole=True)
            torch.testing.assert_close(logits, edited, rtol=1e-4, atol=1e-4)


def test_a_random_direction_is_as_long_at_every_token() -> None:
    from saetext.intervene.shifts.panel import joined

    panel = Panel(subject(), 4)
    tokens = joined(panel.keep([prompt_of(panel.model, "the A and the B")]))
    own = dampened([*BIAS, 20], 0.0, panel.decoder)
    other = in_a_random_direction(own, panel.decoder.shape[1], 3)(tokens)
    torch.testing.assert_close(other.norm(dim=1), own(tokens).norm(dim=1))
    alone = other[other.norm(dim=1) > 0]
    assert len(alone) and torch.linalg.matrix_rank(alone) == 1
    assert not torch.allclose(other, in_a_random_direction(own, panel.decoder.shape[1], 4)(tokens))


def test_neutral_text_has_the_likelihood_that_transformers_gives_it() -> None:
    panel = Panel(subject(), 4)
    prompts = [
        prompt_of(panel.model, text) for text in ("The quick brown fox jumps", "He wrote that the sun")
    ]
    found = nll_of(panel, panel.keep(prompts), None)
    for prompt, nll in zip(prompts, found, strict=True):
        ids = torch.from_numpy(prompt.ids)[None]
        with torch.no_grad():
            expected = panel.model._model(input_ids=ids, labels=ids).loss
        assert nll == pytest.approx(float(expected), rel=1e-5)


# ---- finders -------------------------------------------------------------------------------------------


def test_on_a_linear_head_attribution_ranks_as_exact_ablation(tmp_path: Path) -> None:
    made = _subject(save_model("llama", tmp_path / "m"), "blocks.2.hook_resid_post", "float32")
    made.model._base.norm = torch.nn.Identity()
    panel = Panel(made, 4)
    some = asked(panel, ITEMS[:2])
    found = attributions(made, panel, some)
    base = values_of(panel, some, None)
    active = np.flatnonzero(found.any(axis=0))
    exact = np.stack(
        [base - values_of(panel, some, dampened([f], 0.0, panel.decoder)) for f in active], axis=1
    )
    np.testing.assert_allclose(found[:, active], exact, atol=2e-5)
    assert len(active) > 5 and np.abs(exact).max() > 0.1
    order = active[np.argsort(-np.abs(exact).mean(axis=0), kind="stable")]
    assert largest(found, 12) == order[:12].tolist()
    widens = {f: np.abs(base).mean() - np.abs(base - exact[:, i]).mean() for i, f in enumerate(active)}
    expected = sorted((f for f in order[:12] if widens[f] > 0), key=lambda f: -widens[f])[:4]
    rows = by_attribution(made, panel, some, 4)
    assert [feature for feature, _ in rows] == expected and len(rows) > 1
    assert [figures["widens"] for _, figures in rows] == pytest.approx(
        [widens[f] for f in expected], abs=2e-5
    )


def test_swapped_texts_are_compared_feature_by_feature() -> None:
    made, panel = subject(), Panel(subject(), 8)
    templates = SWAPPED
    rows = by_swapping(panel, 5, 0, templates)
    decoder = made.sae.encoder.decoder
    adds = []
    for template in templates:
        both = []
        for text in swapped(template):
            prompt = made.model.encode_prompt(text, raw=True)
            ids = torch.from_numpy(prompt.ids)[None]
            x = made.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK][0]
            inside = torch.from_numpy(prompt.content())
            both.append((made.sae.encoder.encode(x[inside].float()).mean(0) * decoder.norm(dim=1)).numpy())
        adds.append(both[0] - both[1])
    mean = np.mean(adds, axis=0)
    assert rows and [f for f, _ in rows] == sorted((f for f, _ in rows), key=lambda f: -abs(mean[f]))
    for feature, figures in rows:
        assert figures["swapped"] == pytest.approx(mean[feature], rel=1e-3, abs=1e-6)
        assert figures["swapped_p"] <= 0.05


def test_joint_flips_hold_their_level_and_find_what_is_there() -> None:
    draw = np.random.default_rng(0)
    nothing = [largest_p(draw.standard_normal((20, 40)), seed).min() <= 0.05 for seed in range(150)]
    assert sum(nothing) <= stats.binom.ppf(0.999, 150, 0.05)
    diff = draw.standard_normal((20, 40))
    diff[:, 3] += 3
    diff[:, 5] = 0
    p = largest_p(diff, 0)
    assert p[3] < 0.01 and p[5] == 1 and (p > 0.05).sum() >= 38
    few = draw.standard_normal((7, 3))  # all 128 patterns of signs, one by one
    unit = np.abs(few.sum(0)) / np.sqrt((few**2).sum(0))
    signs = 2 * (np.arange(128)[:, None] >> np.arange(7) & 1) - 1
    most = np.abs(signs @ (few / np.sqrt((few**2).sum(0)))).max(1)
    exact = (most[:, None] >= unit - 1e-9).mean(0)
    np.testing.assert_allclose(largest_p(few, 1), exact, atol=0.05)


def test_labels_that_speak_of_gender_are_found_first() -> None:
    texts = ["cooking with oil", "women and girls", "numbers in a table", "rain and weather", "men and boys"]
    labels = FeatureLabels.from_rows(FeatureLabel(i, text) for i, text in enumerate(texts))
    assert {feature for feature, _ in by_labels(labels, 2)} == {1, 4}
    assert by_labels(FeatureLabels.from_rows([]), 2) == []


def test_each_features_finders_and_ranks_are_told() -> None:
    labels = FeatureLabels.from_rows([FeatureLabel(BIAS[0], "men and boys"), FeatureLabel(50, "sport")])
    result = run(find=True, take=3, dampen="0", controls=0, labels=labels)
    first = result.features.row(0, named=True)
    assert first["feature"] == BIAS[0] and first["rank_labels"] == 1 and first["rank_attribution"] is not None
    assert first["finders"] >= 2 and first["label"] == "men and boys"
    assert result.metrics["shared_by_two"] == int((result.features["finders"] >= 2).sum())
    alone = set(result.controls.filter(pl.col("kind") == "finder")["arm"])
    assert {"labels alone", "attribution alone"} <= alone
    fewer = run(find=True, take=3, dampen="0", controls=0, labels=labels, agree=2)
    kept = fewer.features.filter(pl.col("dampened"))
    assert (kept["finders"] >= 2).all() and 0 < kept.height < result.features["dampened"].sum()
    with pytest.raises(InputError, match="by 3 finders: take a lower --agree"):
        run(find=True, take=1, dampen="0", controls=0, agree=3)


# ---- suites --------------------------------------------------------------------------------------------


def test_no_profession_is_in_both_halves_and_seeds_draw_others() -> None:
    items = items_of(["professions", "winogender"])
    split = split_of(items, 0)
    find, measure = ({i.unit for i in part if i.measure != "fact"} for part in (split.find, split.measure))
    assert not find & measure and abs(len(find) - len(measure)) <= 1
    assert all(item.measure == "gap" for item in split.find)
    assert split == split_of(list(items), 0) != split_of(items, 1)
    assert sum(item.measure == "fact" for item in split.measure) == 48


def test_the_built_in_sentences_are_what_they_are_said_to_be() -> None:
    items = items_of(["professions", "winogender"])
    facts = [item for item in items if item.measure == "fact"]
    assert sum(item.weight for item in facts) == 0
    assert not {word for word in OWN if word in GENDERED}
    assert len({o for o, *_ in SCHEMAS}) == len(SCHEMAS) and {o for o, *_ in SCHEMAS} <= set(OWN)
    for item in items:
        assert item.prompt == item.prompt.strip() and "{" not in item.prompt
        if item.measure == "gap":
            assert not gendered([item.prompt])[0], item.prompt
    for item in facts:
        name = item.prompt.split()[0] + item.prompt
        assert gendered([item.prompt])[0] or re.search(r"[A-Z][a-z]+", name)
    for template in SWAPPED:
        man, woman = swapped(template)
        assert len(man.split()) == len(woman.split()) and man != woman
        assert gendered([man])[0] and gendered([woman])[0]
        assert not set(re.findall(r"\w+", man)) & set(OWN)  # none is measured on
    resolutions = [item for item in items if item.measure == "resolution"]
    assert len(resolutions) == 4 * len(SCHEMAS)
    assert sum(item.weight for item in resolutions) == 0


TEMPLATES = (
    "occupation(0)\tparticipant(1)\tanswer\tsentence\n"
    "clerk\tbuyer\t0\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN was tired.\n"
    "clerk\tbuyer\t1\tThe $OCCUPATION gave the $PARTICIPANT $POSS_PRONOUN change.\n"
)
SENTENCES = (
    "sentid\tsentence\n"
    "clerk.buyer.0.male.txt\tThe clerk told the buyer that he was tired.\n"
    "clerk.buyer.0.female.txt\tThe clerk told the buyer that she was tired.\n"
    "clerk.buyer.0.neutral.txt\tThe clerk told the buyer that they was tired.\n"
    "clerk.someone.0.male.txt\tThe clerk told someone that he was tired.\n"
    "clerk.someone.0.female.txt\tThe clerk told someone that she was tired.\n"
    "clerk.buyer.1.male.txt\tThe clerk gave the buyer his change.\n"
    "clerk.buyer.1.female.txt\tThe clerk gave the buyer her change.\n"
)


def test_published_winogender_files_are_read(tmp_path: Path) -> None:
    found = []
    for name, content in (("templates.tsv", TEMPLATES), ("all_sentences.tsv", SENTENCES)):
        (tmp_path / name).write_text(content)
        items = [item for item in items_of([str(tmp_path / name)]) if item.measure != "fact"]
        found.append([(i.measure, i.unit, i.prompt, i.first, i.second, i.weight) for i in items])
    assert found[0] == found[1]
    assert found[0][0] == ("gap", "clerk", "The clerk told the buyer that", " he", " she", 1.0)
    assert found[0][1] == (
        "resolution", "clerk", 'The clerk told the buyer that he was tired. The word "he" refers to the',
        " clerk", " buyer", 1.0,
    )  # fmt: skip
    assert found[0][3] == ("gap", "clerk", "The clerk gave the buyer", " his", " her", 1.0)
    assert [one[-1] for one in found[0]] == [1, 1, -1, 1, 1, -1]


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data is not here")
def test_the_published_sentences_are_all_read() -> None:
    items = items_of([str(DATA / "winogender.parquet")])
    gaps = [item for item in items if item.measure == "gap"]
    assert len(gaps) == 120 and len({item.unit for item in gaps}) == 60
    assert all(item.stereotype is not None and -1 <= item.stereotype <= 1 for item in gaps)
    nurse = next(item for item in gaps if item.unit == "nurse")
    assert nurse.stereotype == pytest.approx(1 - 90.42 / 50, abs=0.05)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "empty|no suite"),
        ('{"other": 1}\n', "needs a column prompt, text or sentence"),
        ('{"text": "The x said"}\n', "column unit says which profession"),
        ('{"text": "The x said", "unit": "x", "kind": "odd"}\n', "kind is bias or fact, not 'odd'"),
        ('{"text": "The x said", "kind": "fact", "right": "he"}\n', "right is first or second, not 'he'"),
        ('{"text": "The x said", "kind": "fact"}\n', "nothing to measure in"),
        ("occupation(0)\tparticipant(1)\tsentence\na\tb\tThe a.\n", "there is no \\$NOM_PRONOUN"),
    ],
)
def test_a_suite_that_cannot_be_used_is_refused_in_one_line(content: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / ("suite.tsv" if "\t" in content else "suite.jsonl")
    path.write_text(content)
    with pytest.raises(InputError, match=told) as caught:
        items_of([str(path)])
    assert "\n" not in str(caught.value)


# ---- measures ------------------------------------------------------------------------------------------


def test_measures_are_means_over_professions_of_absolute_sums() -> None:
    items = [
        Item("a", "gap", "x", "1", "p", stereotype=1.0),
        Item("a", "gap", "x", "2", "p", stereotype=1.0),
        Item("a", "gap", "y", "3", "p"),
        Item("b", "gap", "x", "4", "p"),
        Item("b", "resolution", "x", "5", "p", weight=1.0),
        Item("b", "resolution", "x", "5", "p", weight=-1.0),
        Item("facts", "fact", "f", "6", "My aunt", weight=-1.0),
        Item("facts", "fact", "g", "7", "My uncle", weight=1.0),
    ]
    values = np.array([1.0, -3.0, 2.0, 5.0, 0.5, 2.0, -4.0, -1.0])
    found = {(one.measure, one.suite): one for one in measures_of(items, values, np.array([3.0, 5.0]))}
    assert list(found) == [
        ("gap", "all"), ("gap", "a"), ("gap", "b"), ("resolution", "b"), ("fact", "facts"),
        ("accuracy", "facts"), ("nll", "neutral text"),
    ]  # fmt: skip
    whole = found["gap", "all"]
    assert (
        whole.units == ("x", "y")
        and whole.value.tolist() == [3.0, 2.0]
        and whole.signed.tolist() == [1.0, 2.0]
    )
    assert found["gap", "a"].value.tolist() == [2.0, 2.0] and found["gap", "b"].value.tolist() == [5.0]
    assert found["resolution", "b"].value.tolist() == [1.5]
    assert found["fact", "facts"].value.tolist() == [4.0, -1.0]
    assert found["accuracy", "facts"].value.tolist() == [1.0, 0.0]
    assert found["fact", "facts"].units == ("My aunt she", "My uncle he")


def test_the_stereotype_correlation_is_scipys_and_needs_eight_professions() -> None:
    draw = np.random.default_rng(0)
    stereotype, values = draw.integers(-1, 2, 20).astype(float), draw.standard_normal(20)
    items = [Item("a", "gap", f"{i}", f"{i}", "p", stereotype=s) for i, s in enumerate(stereotype)]
    [one, *_] = measures_of(items, values, None)
    r, low, high, n = stereotype_correlation(one)  # type: ignore[misc]
    expected = stats.pearsonr(stereotype, values)
    interval = expected.confidence_interval()
    assert (r, low, high, n) == pytest.approx((expected.statistic, interval.low, interval.high, 20))
    assert stereotype_correlation(measures_of(items[:7], values[:7], None)[0]) is None


def test_the_entropy_is_scipys_and_random_passages_have_the_most() -> None:
    draw = np.random.default_rng(1)
    theme, gender = draw.integers(0, 12, 400), draw.random(400) < 0.3
    narrow = (theme < 2) & (draw.random(400) < 0.6)
    wide = draw.random(400) < 0.1
    for inside in (narrow, wide):
        spread = spread_of(inside, theme, gender, 0)
        counts = np.bincount(theme[inside])
        assert spread.entropy == pytest.approx(stats.entropy(counts, base=2))
        assert spread.contexts == inside.sum()
        assert spread.elsewhere == pytest.approx(1 - gender[inside].mean())
    one, other = spread_of(narrow, theme, gender, 0), spread_of(wide, theme, gender, 0)
    assert one.entropy < 0.4 * one.entropy_random  # type: ignore[operator]
    assert abs(other.entropy - other.entropy_random) < 0.3  # type: ignore[operator]
    assert spread_of(np.zeros(400, bool), theme, gender, 0).elsewhere is None


def test_what_else_a_feature_is_active_on_is_told() -> None:
    result = dampen(BIAS[0], 20, dampen="0", controls=0, reference=tiny().neutral, reference_tokens=3000)
    assert result.features["contexts"].max() > 0  # type: ignore[operator]
    assert result.features["elsewhere"].drop_nulls().is_between(0, 1).all()


def test_what_is_compared_is_called_by_its_words() -> None:
    own = [Item("a", "gap", "x", "1", "p", " that", " the"), Item("a", "fact", "x", "2", "p")]
    assert pair_of(own) == ("that", "the") and pair_of(own, "fact") == ("he", "she")
    both = items_of(["winogender", "professions"])
    assert pair_of(both) == ("he/his", "she/her")
    assert pair_of([Item("a", "gap", "x", "3", "p", " him", " her"), *both]) == ("he/his/him", "she/her")
    assert pair_of(own, "resolution") == ("first", "second")
    many = [Item("a", "gap", "x", f"{i}", "p", f" {i}", " b") for i in range(4)]
    assert pair_of(many) == ("first", "second")
    assert dampen(*BIAS, dampen="0", controls=0).metrics["pair"] == [word.strip() for word in PAIR]


def test_p_against_matched_sets_is_only_of_what_they_were_asked() -> None:
    """Not of who a pronoun is taken for, and not of one finder's features, which they do not match."""
    arms = [
        Arm("unedited", "base"), Arm("dose 0", "dose", 0.0, (1, 2)),
        Arm("swapped alone", "finder", 0.0, (1,)),
        *(Arm(f"matched {i}", "matched", 0.0, (i + 5,)) for i in range(3)),
    ]  # fmt: skip
    items = [Item("a", "gap", f"{i}", f"{i}", "p") for i in range(4)]
    more = [*items, *(Item("a", "resolution", f"{i}", f"{i}", "p") for i in range(4))]
    values = np.array([1.0, 2.0, 3.0, 4.0])
    own = [
        measures_of(items, by * values, None)
        if arm.is_control
        else measures_of(more, by * np.r_[values, values], None)
        for arm, by in zip(arms, (1.0, 0.5, 0.5, 0.4, 0.9, 1.1), strict=True)
    ]
    rows = {
        (r["arm"], r["measure"]): r["controls_p"]
        for r in table_of(arms, own, 0).to_dicts()
        if r["suite"] in ("all", "a")
    }
    assert rows["dose 0", "gap"] == 0.5 and rows["dose 0", "resolution"] is None
    assert rows["swapped alone", "gap"] is None and rows["swapped alone", "resolution"] is None


def test_what_was_found_and_not_dampened_is_in_no_matched_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[int], list[list[int]]]] = []
    real = running.matched_sets

    def watched(features: Any, *rest: Any) -> list[list[int]]:
        seen.append((list(features), made := real(features, *rest)))
        return made

    monkeypatch.setattr(running, "matched_sets", watched)
    result = run(find=True, finders="attribution,swapped", take=40, agree=2, dampen="0", controls=19)
    [(features, sets)] = seen
    found = set(result.features["feature"])
    assert set(features) < found and sets
    assert not found & {feature for each in sets for feature in each}


# ---- nulls ---------------------------------------------------------------------------------------------


def test_random_features_are_found_to_dampen_at_most_as_often_as_said() -> None:
    """Every other feature in turn, against its own 19 matches; the verdict counts chance and the matches."""
    panel = Panel(subject(), 64)
    items = [item for item in items_of([str(tiny().suite)]) if item.measure == "gap"]
    some = asked(panel, items)
    strengths = strengths_in(*activations_of(some.kept), D_SAE, sum(len(k.scope) for k in some.kept))
    base = measures_of(items, values_of(panel, some, None), None)[:1]
    targets = [f for f in range(D_SAE) if f not in (*BIAS, *FACTS) and strengths.active[f]]
    alone = {
        f: measures_of(items, values_of(panel, some, dampened([f], 0.0, panel.decoder)), None)[:1]
        for f in range(D_SAE)
        if strengths.active[f]
    }
    request = BiasRequest(features="1", dampen="0", instruction="")
    told = []
    for feature in targets:
        sets = matched_sets([feature], panel, strengths, 19, feature)
        assert len(sets) == 19 and feature not in {f for each in sets for f in each}
        arms = [arm for arm in arms_of([feature], [], sets, request) if arm.kind != "random"]
        own = [base if arm.kind == "base" else alone[arm.features[0]] for arm in arms]
        told.append(verdict_of(table_of(arms, own, 0), 0.0)["verdict"])
    assert set(told) <= {"dampened", "not shown"}
    found = told.count("dampened")
    assert len(told) > 70 and found <= stats.binom.ppf(0.999, len(told), 0.05)


# ---- resuming ------------------------------------------------------------------------------------------


def test_an_interrupted_run_resumes_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    arms: list[Arm] = []
    real = running._Work._run

    def counted(self: Any, arm: Arm, *rest: Any) -> Any:
        if len(arms) == stop:
            raise KeyboardInterrupt
        arms.append(arm)
        return real(self, arm, *rest)

    monkeypatch.setattr(running._Work, "_run", counted)
    stop = 3
    with pytest.raises(KeyboardInterrupt):
        dampen(*BIAS, dampen="1,0", controls=4)
    first, stop = len(arms), -1
    resumed = dampen(*BIAS, dampen="1,0", controls=4)
    names = [arm.name for arm in arms]
    assert first == 3 and len(names) == len(set(names)) == 1 + 2 + 4 + 3
    again = dampen(*BIAS, dampen="1,0", controls=4)
    assert len(arms) == len(names)  # nothing is run twice
    assert again.to_json() == resumed.to_json()
    assert dampen(*BIAS, dampen="0.5", controls=0).metrics["gap_diff"] != resumed.metrics["gap_diff"]
    assert len(arms) == len(names) + 1  # the unedited arm was kept


def test_progress_is_told(tmp_path: Path) -> None:
    stages: list[str] = []
    run(
        find=True,
        finders="attribution",
        take=2,
        dampen="0",
        controls=2,
        on_progress=lambda p: stages.append(p.stage),
    )
    assert {"reading prompts", "attributing the gap", "verifying features", "dampening"} <= set(stages)


# ---- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "which features\\? --find looks for them, --features names them"),
        ({"find": True, "features": "1"}, "give one of the two"),
        ({"features": "1", "take": 3}, "take: only with --find"),
        ({"find": True, "finders": "guess"}, "a finder is one of labels, attribution, swapped, not 'guess'"),
        ({"find": True, "finders": "labels", "agree": 2}, "1 finders are asked, 2 cannot agree"),
        ({"find": True, "dampen": "1,2"}, "a dose is between 0"),
        ({"find": True, "dampen": "a"}, "doses are numbers separated by commas"),
        ({"find": True, "dampen": "0,0.0"}, "a dose is named twice"),
        ({"find": True, "suite": " , "}, "the suite is empty"),
        ({"find": True, "suite": "nowhere"}, "there is no suite 'nowhere': name professions or winogender"),
        ({"features": "one"}, "features are numbers separated by commas, or a file: 'one' is neither"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_model_is_loaded(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        saetext.bias("no/such-model", **options)
    assert "\n" not in str(caught.value)


def test_in_python_a_list_is_what_commas_are_on_the_command_line() -> None:
    listed = BiasRequest(features=[1, 2], dampen=[1, 0.5, 0], suite=[Path("a.jsonl"), "professions"])
    written = BiasRequest(features="1,2", dampen="1,0.5,0", suite="a.jsonl,professions")
    assert listed == written and listed.suites == ("a.jsonl", "professions")
    assert BiasRequest(find=True, finders=["labels", "swapped"]).finder_names == ("labels", "swapped")
    assert BiasRequest(features=[7]).features == "7" and BiasRequest(features=Path("f")).features == "f"
    with pytest.raises(
        InputError, match="features are numbers separated by commas, or a file: '' is neither"
    ):
        saetext.bias("no/such-model", features=[])


def test_a_pronoun_of_several_tokens_is_refused() -> None:
    with pytest.raises(InputError, match=r"'(he|she)' is 2 tokens of model .*as one token each: name others"):
        dampen(*BIAS, suite="professions")


def test_features_come_from_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "features.txt"
    path.write_text(f"{BIAS[0]}\n{BIAS[1]}\n")
    options = {"dampen": "0", "controls": 0}
    assert (
        run(features=str(path), **options).metrics["gap_after"]
        == dampen(*BIAS, **options).metrics["gap_after"]
    )
    path.write_text("none\n")
    with pytest.raises(InputError, match="has no list of features: one number in each line"):
        run(features=str(path))
    with pytest.raises(InputError, match=f"there is no feature {D_SAE}"):
        dampen(D_SAE)


def test_where_nothing_is_found_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="no feature found by labels: name features with --features, other"):
        run(find=True, finders="labels", labels=FeatureLabels.from_rows([]))


def test_another_models_sae_and_an_encoder_are_refused(tmp_path: Path) -> None:
    wide = make_sae(tmp_path / "wide", hook=HOOK, seed=0, d_in=48)
    with pytest.raises(InputError, match=r"reads 48 values at .* it belongs to another model"):
        open_subject(str(tiny().model), str(wide), device="cpu")
    bert = save_model("bert", tmp_path / "bert")
    with pytest.raises(ReaderError, match="reads, it cannot write: name a causal model"):
        saetext.bias(str(bert), sae=str(tiny().sae), find=True, suite=str(tiny().suite))
    with pytest.raises(InputError, match="which SAE of"):
        saetext.bias(str(tiny().model), find=True, suite=str(tiny().suite))


def test_few_professions_give_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    lines = tiny().suite.read_text().splitlines()
    path.write_text("\n".join([*lines[:6], *lines[len(PROFESSIONS) : len(PROFESSIONS) + len(WORDS)]]))
    result = dampen(*BIAS, suite=str(path), dampen="0", controls=0)
    assert result.verdict == "too few professions for a verdict" and result.metrics["professions"] == 6
    assert json.loads(result.to_json())["metrics"]["verdict"] == result.verdict
