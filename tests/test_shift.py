"""Shifts of features towards groups: exactness, gradients, recovery, nulls, files, and what is refused."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from shift_factory import (
    D_SAE,
    GROUPS,
    HOOK,
    MOVED,
    OPTIONS,
    planted_rows,
    questions,
    rows,
    setting,
    subject,
    tiny,
)  # fmt: skip
from test_causal import exact_norm, load, theirs
from test_hooks import epsilon
from tiny_models import save_model
from tiny_saes import tiny_sae

import saetext
from saetext.errors import InputError, ReaderError, SaetextWarning
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.intervene.shifts import across, arms, fitting
from saetext.intervene.shifts.across import diagonal, overlap
from saetext.intervene.shifts.answering import answered
from saetext.intervene.shifts.change import ShiftEdit, change_of, sparse_change
from saetext.intervene.shifts.fitting import Material, fit_sparse, neutral_loss, option_losses, targets_of
from saetext.intervene.shifts.losses import displacement_loss
from saetext.intervene.shifts.opinions import opinions_of, split_of
from saetext.intervene.shifts.panel import Panel, joined
from saetext.intervene.shifts.prompts import orders_of
from saetext.intervene.shifts.request import ShiftRequest
from saetext.intervene.shifts.saved import Shift
from saetext.intervene.shifts.scores import ceiling, closeness, temperature_of
from saetext.intervene.shifts.setting import norms_of
from saetext.intervene.shifts.verdict import verdict_of
from saetext.intervene.subject import Subject
from saetext.reader.parts import LoadedSae
from saetext.reader.weights import from_sae_lens

TEXTS = ["The quick brown fox", "She wrote that the answer was short; he", "However, there are many reasons"]
KINDS: dict[str, dict[str, Any]] = {
    "standard": {},
    "jumprelu": {},
    "topk": {},
    "standard+layer_norm": {"normalize_activations": "layer_norm"},
}
FIT: dict[str, Any] = {"steps": 20, "check_every": 10, "step": 0.03, "displacement": 0.01, "preserve": 0.0}


def made_subject(
    directory: Path, kind: str = "standard", hook: str = HOOK, dtype: str = "float64"
) -> Subject:
    sae = tiny_sae(kind.partition("+")[0], hook_name=hook, **KINDS[kind])
    return Subject(load(directory, dtype=dtype), LoadedSae("tiny", "tiny", from_sae_lens(sae), None))


def kept(made: Subject, texts: list[str] = TEXTS) -> tuple[Panel, Any, Any]:
    panel = Panel(made, 8)
    prompts = [made.model.encode_prompt(text, raw=True) for text in texts]
    return panel, prompts, panel.keep(prompts)


def some_delta(seed: int = 0, n: int = 20) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    delta = torch.zeros(D_SAE)
    at = torch.randperm(D_SAE, generator=draw)[:n]
    delta[at] = torch.randn(n, generator=draw) * 0.5
    return delta


# --- what is added -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_is_relu_of_the_activations_plus_delta(kind: str, tmp_path: Path) -> None:
    """Against every feature at every token, in plain dense algebra."""
    made = made_subject(save_model("llama", tmp_path / "m", **epsilon("llama")), kind)
    panel, prompts, some = kept(made)
    delta = some_delta()
    moved = change_of(delta, panel.decoder)(joined(some))
    at = 0
    for prompt, one in zip(prompts, some, strict=True):
        ids = torch.from_numpy(prompt.ids)[None]
        x = made.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK][0, one.scope].float()
        f = made.sae.encoder.encode(x)
        scale = made.sae.encoder.output_scale(x)
        expected = (torch.relu(f + delta) - f) @ panel.decoder * scale
        torch.testing.assert_close(moved[at : at + len(x)], expected, rtol=1e-4, atol=1e-5)
        at += len(x)
    assert moved.abs().max() > 0.1 and (delta < 0).any()


def test_derivatives_equal_finite_differences_and_at_zero_those_of_either_side(tmp_path: Path) -> None:
    made = made_subject(save_model("llama", tmp_path / "m"), dtype="float32")
    panel, _, some = kept(made)
    tokens = joined(some)
    decoder = panel.decoder.double()
    weights = torch.randn(len(tokens), decoder.shape[1], dtype=torch.float64)

    def value(delta: torch.Tensor) -> torch.Tensor:
        return (sparse_change(delta.clamp(min=0), (-delta).clamp(min=0), decoder, tokens) * weights).sum()

    delta = some_delta(1).double()
    up, down = (part.requires_grad_() for part in (delta.clamp(min=0), (-delta).clamp(min=0)))
    total = (sparse_change(up, down, decoder, tokens) * weights).sum()
    rising, falling = torch.autograd.grad(total, (up, down))
    step = 1e-6
    for feature in range(D_SAE):
        nudge = torch.zeros(D_SAE, dtype=torch.float64)
        nudge[feature] = step
        right = float(value(delta + nudge) - value(delta)) / step
        left = float(value(delta) - value(delta - nudge)) / step
        if delta[feature] >= 0:
            assert right == pytest.approx(float(rising[feature]), rel=1e-4, abs=1e-4)
        if delta[feature] <= 0:
            assert left == pytest.approx(-float(falling[feature]), rel=1e-4, abs=1e-4)
    assert (delta == 0).sum() > 30


# --- from the hook on --------------------------------------------------------------------------------------

PLACES = ["blocks.0.hook_resid_pre", HOOK, "blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gpt_neox", "qwen3"])
@pytest.mark.parametrize("hook", PLACES)
def test_upper_layers_alone_give_what_the_whole_model_gives(family: str, hook: str, tmp_path: Path) -> None:
    """With nothing changed to 1e-12 in float64, with a change as if the whole model were edited there.

    In float32 the last bit of a sum may depend on where memory lies, and hide nothing or a fault alike.
    """
    made = made_subject(save_model(family, tmp_path / "m"), hook=hook, dtype="float64")
    panel, prompts, some = kept(made)
    size = max(map(len, prompts))
    ids = torch.stack([torch.nn.functional.pad(k.ids, (0, size - len(k))) for k in some])
    mask = torch.stack([(torch.arange(size) < len(k)).long() for k in some])
    whole = made.model.logits(ids, mask)
    assert whole.dtype == torch.float64
    for change in (None, change_of(torch.zeros(D_SAE), panel.decoder)):
        logits, _ = panel.logits(some, change, whole=True)
        for i, one in enumerate(some):
            torch.testing.assert_close(logits[i, : len(one)], whole[i, : len(one)], rtol=0, atol=1e-12)
        last, _ = panel.logits(some, change)
        ends = whole[torch.arange(len(some)), torch.tensor([len(k) - 1 for k in some])]
        torch.testing.assert_close(last, ends, rtol=1e-5, atol=1e-5)
    delta = some_delta(2)
    edit = ShiftEdit(delta, positions_of("all", prompts), made.sae)
    edited = made.model.logits(ids, mask, edits={hook: edit})
    logits, _ = panel.logits(some, change_of(delta, panel.decoder), whole=True)
    for row, one in enumerate(some):
        torch.testing.assert_close(logits[row, : len(one)], edited[row, : len(one)], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(edited, whole, atol=1e-2)
    again = made.model.logits(ids, mask)  # nothing is left behind
    torch.testing.assert_close(again, whole, rtol=0, atol=1e-12)


def test_a_change_of_zero_changes_no_bit(tmp_path: Path) -> None:
    made = made_subject(save_model("llama", tmp_path / "m"), dtype="float32")
    panel, prompts, some = kept(made)
    size, width = max(map(len, prompts)), panel.decoder.shape[1]
    x = torch.randn(len(some), size, width, generator=torch.Generator().manual_seed(5))
    positions, rows = torch.arange(size).expand(len(some), -1), torch.arange(len(some))
    edit = ShiftEdit(torch.zeros(D_SAE), positions_of("all", prompts), made.sae)
    assert edit(x, positions, rows) is x
    for delta, same in ((torch.zeros(D_SAE), True), (some_delta(2), False)):
        moved = panel._moved(some, change_of(delta, panel.decoder))
        changed = panel._edits(some, x, moved, size)[panel.hook](x, positions, rows)
        assert len(moved) and torch.equal(changed, x) == same


def test_what_is_added_alone_equals_an_edit_by_adding(tmp_path: Path) -> None:
    made = made_subject(save_model("llama", tmp_path / "m"), dtype="float32")
    prompts = [made.model.encode_prompt(text, raw=True) for text in TEXTS]
    where = positions_of("all", prompts)
    delta = some_delta(3).abs()
    other = FeatureEdit(
        [Change(int(f), "add", float(delta[f])) for f in delta.nonzero()[:, 0]], where, made.sae
    )
    for row, prompt in enumerate(prompts):
        ids, at = torch.from_numpy(prompt.ids)[None], torch.arange(len(prompt))[None]
        x = made.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK]
        number = torch.tensor([row])
        one = ShiftEdit(delta, where, made.sae)(x, at, number)
        torch.testing.assert_close(one, other(x, at, number), rtol=1e-5, atol=1e-5)
        assert torch.equal(ShiftEdit(torch.zeros(D_SAE), where, made.sae)(x, at, number), x)


# --- the loss ----------------------------------------------------------------------------------------------


def material(place: Any, puts: Any) -> Material:
    steps, watched, _ = place.neutral(tiny().neutral, 0)
    return Material(place.panel, place.letters, steps, watched, *norms_of(puts))


def test_the_loss_s_gradient_equals_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.models.llama.modeling_llama.LlamaRMSNorm, "forward", exact_norm)
    place = setting(rows(n=3), subject("float64"))
    puts = place.put(range(3), 1)
    about = material(place, puts)
    by_question = {q: [put for put in puts if put.question == q] for q in range(3)}
    targets = targets_of(by_question, {q: np.array([0.1, 0.2, 0.3, 0.4]) for q in range(3)}, 1)
    decoder = place.panel.decoder

    def loss(up: torch.Tensor, down: torch.Tensor, gradients: bool) -> torch.Tensor:
        def change(tokens: Any) -> torch.Tensor:
            return sparse_change(up, down, decoder.double(), tokens)

        kl, moved = option_losses(about, targets, change, gradients=gradients)
        neutral = neutral_loss(about, about.watched[:1], change, gradients=gradients)
        return kl + 0.3 * displacement_loss(moved, about.mean_square) + 0.5 * neutral

    delta = some_delta(4).double() * 2
    parts = (delta.clamp(min=0), (-delta).clamp(min=0))
    free = tuple(part.clone().requires_grad_() for part in parts)
    found = torch.autograd.grad(loss(*free, True), free)
    step = 1e-5
    for feature in delta.nonzero()[:8, 0].tolist():
        side = 0 if delta[feature] > 0 else 1
        nudge = torch.zeros(D_SAE, dtype=torch.float64)
        nudge[feature] = step
        moved = [[p + s * nudge if i == side else p for i, p in enumerate(parts)] for s in (1, -1)]
        expected = float(loss(*moved[0], False) - loss(*moved[1], False)) / (2 * step)
        assert float(found[side][feature]) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_options_are_averaged_over_all_orders_of_the_model_itself() -> None:
    """Transformers' model, a prompt written by hand for each permutation."""
    given_options = ["low", "middle", "high"]
    text = questions(1)[0]
    table = [
        {"question": text, "group": g, "options": given_options, "distribution": [0.2, 0.3, 0.5]}
        for g in "ab"
    ]
    place = setting(table, letters="a,t,s")
    puts = place.put([0], 8)
    assert len(puts) == 6
    found = answered(place.panel, puts, place.letters, None)[0]
    model, tokenizer = theirs("llama", tiny().model), subject().model.tokenizer
    shares, elsewhere = np.zeros(3), []
    for order in itertools.permutations(range(3)):
        listed = "\n".join(f"{s}. {given_options[o]}" for s, o in zip("ats", order, strict=True))
        prompt = f"{text}\n\n{listed}\n\nAnswer:"
        ids = subject().model.encode_prompt(prompt, raw=True).ids
        with torch.no_grad():
            logits = model(torch.from_numpy(ids)[None]).logits[0, -1].double()
        tokens = [tokenizer.encode(prompt + f" {s}", add_special_tokens=False) for s in "ats"]
        bare = tokenizer.encode(prompt, add_special_tokens=False)
        firsts = [t[len(bare)] for t in tokens]
        assert all(t[: len(bare)] == bare for t in tokens)
        p = logits.softmax(0)[firsts]
        for letter, option in enumerate(order):
            shares[option] += float(p[letter] / p.sum()) / 6
        elsewhere.append(1 - float(p.sum()))
    np.testing.assert_allclose(found.shares(), shares, atol=1e-5)
    assert found.elsewhere == pytest.approx(np.mean(elsewhere), abs=1e-5)


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(1, 12))
def test_orders_are_different_and_whole_sets_balanced(n: int, most: int) -> None:
    orders = orders_of(n, most)
    assert len(orders) == min(most, math.factorial(n), 2 * n) or math.factorial(n) <= most
    assert len(set(orders)) == len(orders)
    assert all(sorted(order) == list(range(n)) for order in orders)
    if len(orders) % 2 == 0:
        places = np.array([[order.index(option) for order in orders] for option in range(n)])
        assert np.ptp(places.sum(axis=1)) == 0


# --- how close ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda n: st.tuples(*[st.lists(st.floats(0.01, 1), min_size=n, max_size=n)] * 2)
    )
)
def test_distances_equal_scipy_s(two: tuple[list[float], list[float]]) -> None:
    p, q = (np.array(v) / np.sum(v) for v in two)
    n = len(p)
    found = closeness(p, q, ordinal=True)
    assert found.alignment == pytest.approx(
        1 - wasserstein_distance(range(n), range(n), p, q) / (n - 1), abs=1e-9
    )
    assert found.js == pytest.approx(jensenshannon(p, q, base=2), abs=1e-6)
    assert found.tv == pytest.approx(np.abs(p - q).sum() / 2)
    assert closeness(p, q, ordinal=False).alignment == pytest.approx(1 - found.tv)
    assert found.kl == pytest.approx((p * np.log(p / q)).sum(), abs=1e-9)


def test_the_ceiling_is_that_of_two_halves() -> None:
    draw = np.random.default_rng(0)
    counts = np.array([30, 50, 20])
    found = ceiling(counts, True, [0], draws=400)
    people = np.repeat(np.arange(3), counts)
    again = []
    for _ in range(400):
        mixed = draw.permutation(people)
        halves = [np.bincount(part, minlength=3) / 50 for part in (mixed[:50], mixed[50:])]
        again.append(1 - wasserstein_distance(range(3), range(3), *halves) / 2)
    assert found.alignment == pytest.approx(np.mean(again), abs=0.005)
    assert ceiling(counts * 100, True, [0]).alignment > found.alignment


def test_the_temperature_is_found() -> None:
    draw = np.random.default_rng(1)
    logits = [draw.normal(size=(2, 3)) * 3 for _ in range(20)]

    def shares(rows: np.ndarray[Any, Any], heat: float) -> np.ndarray[Any, Any]:
        weights = np.exp(rows / heat)
        return (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0)

    for heat in (0.5, 2.5):
        assert temperature_of([(own, shares(own, heat)) for own in logits]) == pytest.approx(heat, rel=1e-3)


def test_the_diagonal_s_p_is_the_share_of_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(2)
    for n in (2, 3, 4, 5):
        table = draw.random((n, n))
        sums = [sum(table[s, c] for c, s in enumerate(order)) for order in itertools.permutations(range(n))]
        found = diagonal(table)
        assert found.p == pytest.approx(np.mean(np.array(sums) >= np.trace(table) - 1e-12))
        assert found.least == 1 / math.factorial(n)
        # a shift that is good for all, and a group that is easy for all, change nothing
        assert diagonal(table + draw.random((n, 1)) + draw.random((1, n))).p == pytest.approx(found.p)
        assert found.own == pytest.approx(np.diagonal(table).mean())
        assert found.other == pytest.approx(table[~np.eye(n, dtype=bool)].mean())
    exact = diagonal(table).p
    monkeypatch.setattr(across, "_MOST_EXACT", 1)
    assert diagonal(table).p == pytest.approx(exact, abs=0.02)
    assert diagonal(np.ones((4, 4))).best == 0 and diagonal(np.ones((4, 4))).p == 1


@pytest.mark.parametrize(
    ("gain", "p", "groups", "diagonal_p", "rival", "told"),
    [
        (0.02, 0.01, 4, 0.04, 0.01, "closer to the groups' answers, and to each shift's own group more than"),
        (0.02, 0.01, 4, 0.3, 0.01, "but not to each shift's own group more than to others"),
        (0.02, 0.01, 3, 0.17, 0.01, "of 3 groups it cannot be shown that each is met best by its own shift"),
        (0.02, 0.01, 1, 1.0, 0.01, "closer to the group's answers"),
        (0.02, 0.01, 4, 0.3, 0.02, "; at least as close without it: temperature only (+0.020)"),
        (0.02, 0.06, 4, 0.04, 0.01, "not shown: under the shifts, answers come no closer"),
        (-0.02, 0.01, 4, 0.04, 0.01, "not shown"),
        (0.02, None, 4, 0.04, 0.01, "no verdict: too few questions"),
    ],
)
def test_the_verdict_goes_by_its_rules(
    gain: float, p: float | None, groups: int, diagonal_p: float, rival: float, told: str
) -> None:
    ways = [
        {"arm": "no shift", "kind": "unedited", "diff": None, "p": None},
        {"arm": "shift", "kind": "shift", "diff": gain, "p": p},
        {"arm": "temperature only", "kind": "temperature", "diff": rival, "p": 0.5},
        {"arm": "other half of the group", "kind": "ceiling", "diff": None, "p": None},
    ]
    found = verdict_of(ways, groups, diagonal_p, 1 / math.factorial(groups))
    assert told in found and ("at least as close" in found) == (rival >= gain and found.startswith("closer"))


def test_overlap_counts_features_moved_the_same_way() -> None:
    one, other = np.array([1.0, -1, 0, 2]), np.array([2.0, 1, 0, 0])
    jaccard, cosine = overlap(one, other)
    assert jaccard == pytest.approx(1 / 3) and cosine == pytest.approx((2 - 1) / np.sqrt(6 * 5))
    assert overlap(np.zeros(4), np.zeros(4)) == (0.0, 0.0)


# --- recovery ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> Any:
    return saetext.shift(subject(), planted_rows(), **tiny().options, **FIT)


@pytest.fixture(scope="module")
def evaluated(fitted: Any) -> Any:
    return saetext.evaluate_shift(subject(), planted_rows(), shift=fitted.shift, **tiny().asked, random=1)


def test_planted_groups_are_recovered_and_the_diagonal_wins(fitted: Any, evaluated: Any) -> None:
    for group, moved in zip(GROUPS, MOVED, strict=True):
        own = fitted.features.filter(pl.col("group") == group)
        assert own["feature"][0] == moved and own["delta"][0] > 0
        assert own.height < D_SAE / 2
    assert (fitted.table["kl_after"] < 0.5 * fitted.table["kl_before"]).all()
    assert evaluated.metrics["best_of_own"] == 4
    assert evaluated.metrics["diagonal_p"] == evaluated.metrics["diagonal_least_p"] == pytest.approx(1 / 24)
    assert evaluated.metrics["verdict"].startswith(
        "closer to the groups' answers, and to each shift's own group more than to others"
    )
    rows_of = {row["kind"]: row for row in evaluated.table.to_dicts()}
    own = rows_of["shift"]
    assert own["diff"] > 0 and own["diff_low"] > 0 and own["p"] < 0.01
    for rival in ("unedited", "temperature", "one for all", "random", "instruction"):
        assert own["alignment"] > rows_of[rival]["alignment"], rival
        assert own["kl"] < rows_of[rival]["kl"], rival
    assert "ceiling" not in rows_of and "no ceiling" in " ".join(evaluated.notes)


def test_the_evaluation_is_that_of_the_answers(fitted: Any, evaluated: Any) -> None:
    """Means, and the table of groups by groups, again from each answer."""
    answers = evaluated.answers
    for row in evaluated.table.to_dicts():
        own = answers.filter(pl.col("arm") == row["arm"])
        for measure in ("alignment", "tv", "js", "kl"):
            mean = own.group_by("question").agg(pl.col(measure).mean())[measure].mean()
            assert row[measure] == pytest.approx(mean)
    shifted = answers.filter(pl.col("arm") == "shift")
    by_group = shifted.group_by("group").agg(pl.col("alignment").mean())
    for group, value in by_group.iter_rows():
        cell = evaluated.across.filter((pl.col("shift") == group) & (pl.col("group") == group))
        assert cell["alignment"].item() == pytest.approx(value)
    held = set(answers["question"])
    assert len(held) == evaluated.metrics["questions"] == fitted.metrics["held_out"] == 12
    numbers = fitted.metrics
    assert numbers["fitted_on"] + numbers["set_aside"] + numbers["held_out"] == 40
    for row in answers.head(20).to_dicts():
        distance = wasserstein_distance(range(4), range(4), row["distribution"], row["model"]) / 3
        assert row["alignment"] == pytest.approx(1 - distance)


def test_rivals_are_asked_a_group_s_own_questions_only(
    fitted: Any, evaluated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each group answered some of the questions, its answers are those of a run with all of them."""
    some = [row for i, row in enumerate(planted_rows()) if i % 3]
    asked, plain = [], arms.answered

    def recorded(panel: Any, puts: Any, *rest: Any) -> Any:
        asked.append(len({put.question for put in puts}))
        return plain(panel, puts, *rest)

    monkeypatch.setattr(arms, "answered", recorded)
    found = saetext.evaluate_shift(subject(), some, shift=fitted.shift, **tiny().asked, random=1).answers
    keys = ["arm", "group", "question"]
    both = found.join(evaluated.answers, on=keys, suffix="_whole")
    assert both.height == found.height < evaluated.answers.height
    own = np.array(both["model"].to_list()), np.array(both["model_whole"].to_list())
    np.testing.assert_allclose(*own, atol=1e-5)
    counts = found.filter(pl.col("arm") == "shift")["group"].value_counts()["count"].to_list()
    assert asked[:6] == [12] * 6 and sorted(asked[6:]) == sorted(counts * 2) and max(counts) < 12


def test_random_features_displace_as_far(evaluated: Any) -> None:
    lengths = {row["kind"]: row["length"] for row in evaluated.table.to_dicts()}
    assert lengths["random"] == pytest.approx(lengths["shift"], rel=0.02)
    moved = {row["kind"]: row["features"] for row in evaluated.table.to_dicts()}
    assert moved["random"] == moved["shift"] > 0 and moved["dense"] is None


def test_shuffled_names_of_groups_find_nothing() -> None:
    """Each question's answers given to groups at random: p of the diagonal is at most nominal."""
    n, runs, alpha = 8, 12, 0.25
    place = setting(rows(n=n))
    puts = place.put(range(n), 1)
    about = material(place, puts)
    by_question = {put.question: [put] for put in puts}
    request = ShiftRequest(**tiny().options, steps=3, check_every=3, step=0.05, preserve=0, displacement=0)
    draw, answers_of = np.random.default_rng(7), np.eye(4) * 0.6 + 0.1
    small = 0
    for run in range(runs):
        given = np.stack([draw.permutation(answers_of) for _ in range(n)])
        table = np.zeros((4, 4))
        for group in range(4):
            targets = targets_of(by_question, {q: given[q, group] for q in range(5)}, 1)
            found = fit_sparse(about, targets[:4], targets[4:], request, [run, group])
            change = change_of(found.value, place.panel.decoder)
            answers = answered(place.panel, puts[5:], place.letters, change)
            for other in range(4):
                own = [closeness(given[q, other], answers[q].shares(), True).alignment for q in range(5, n)]
                table[group, other] = np.mean(own)
        small += diagonal(table).p <= alpha
    assert small <= 7  # of 12 at .25: more with probability .003


def test_seeds_and_the_cache_change_nothing(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was fitted is taken from the cache; made again, it is the same."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("fitted again")

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_fitted", refuse)
        again = saetext.shift(subject(), planted_rows(), **tiny().options, **FIT)
    assert np.array_equal(again.shift.delta, fitted.shift.delta)
    from saetext.intervene.shifts import keeping

    monkeypatch.setattr(keeping.answer_cache, "find", lambda key: None)
    few = {**FIT, "steps": 4, "check_every": 2, "controls": False}
    one, other = (saetext.shift(subject(), planted_rows(), **tiny().options, **few) for _ in range(2))
    assert np.array_equal(one.shift.delta, other.shift.delta)


def test_repeats_say_how_stable_features_are() -> None:
    few = {**FIT, "steps": 10, "check_every": 5, "controls": False, "repeats": 2}
    found = saetext.shift(subject(), planted_rows(), **tiny().options, **few)
    assert found.table["overlap"].is_between(0, 1).all() and (found.table["cosine"] > 0.3).all()
    assert set(found.features["repeats"].unique()) <= {0.5, 1.0}
    assert found.features.filter(pl.col("feature") == MOVED[0])["repeats"].max() == 1.0


def test_an_interrupt_leaves_the_model_whole() -> None:
    model = subject().model
    ids = torch.tensor([[5, 6, 7]])
    before = model.logits(ids, torch.ones_like(ids))

    def stop(progress: Any) -> None:
        if progress.stage.startswith("fitting") and progress.done >= 1:
            raise KeyboardInterrupt

    options = {**tiny().options, **FIT, "seed": 99, "on_progress": stop}
    with pytest.raises(KeyboardInterrupt):
        saetext.shift(subject(), planted_rows(), **options)
    assert torch.equal(model.logits(ids, torch.ones_like(ids)), before)


# --- on disk, and applied ----------------------------------------------------------------------------------


def test_what_is_saved_is_what_is_loaded(fitted: Any, tmp_path: Path) -> None:
    path = fitted.shift.save(tmp_path / "a.shift")
    again = Shift.load(path)
    for name in ("delta", "everyone", "dense"):
        assert np.array_equal(getattr(again, name), getattr(fitted.shift, name))
    for name in ("groups", "temperatures", "hook", "model", "sae", "fitted_on", "repeats"):
        assert getattr(again, name) == getattr(fitted.shift, name), name
    assert again.params == json.loads(json.dumps(dict(fitted.shift.params)))
    assert not any(text in (path / "shift.json").read_text() for text in questions(40))
    with pytest.raises(InputError, match="exists already"):
        fitted.shift.save(path)
    assert "north" in repr(again) and len(repr(again)) <= 200


@pytest.mark.parametrize(
    "damage", ["tensors", "json", "swapped", "missing", "file", "nothing", "other shape"]
)
def test_a_damaged_shift_is_refused_in_one_line(damage: str, fitted: Any, tmp_path: Path) -> None:
    path = fitted.shift.save(tmp_path / "a.shift")
    tensors, about = path / "shift.safetensors", path / "shift.json"
    if damage == "tensors":
        content = bytearray(tensors.read_bytes())
        content[-5] ^= 1
        tensors.write_bytes(bytes(content))
    elif damage == "json":
        about.write_text(about.read_text().replace("north", "North"))
    elif damage == "swapped":
        about.write_text("{}")
    elif damage == "missing":
        tensors.unlink()
    elif damage == "file":
        shutil.rmtree(path)
        path.write_text("x")
    elif damage == "nothing":
        path = tmp_path / "none.shift"
    else:
        changed = Shift(**{**vars(fitted.shift), "groups": GROUPS[:3], "temperatures": (1.0,) * 3})
        path = changed.save(tmp_path / "b.shift")
    with pytest.raises(InputError) as caught:
        Shift.load(path)
    assert "\n" not in str(caught.value) and "fit it again" in str(caught.value)


def test_a_shift_applies_to_any_generation(fitted: Any) -> None:
    made = subject()
    texts = ["the quick fox", "a lazy dog sleeps"]
    asked: dict[str, Any] = {"max_new_tokens": 6, "temperature": 0.0}
    plain = [t.ids.tolist() for t in made.model.generate(texts, **asked)]
    shift = fitted.shift
    with shift.apply(made, "north", strength=0.0) as model:
        assert [t.ids.tolist() for t in model.generate(texts, **asked)] == plain
    with shift.apply(made, "north", strength=20.0) as model:
        within = [t.ids.tolist() for t in model.generate(texts, **asked)]
        streamed = {t.prompt: t.ids.tolist() for t in model.stream(texts, **asked)}
    assert within != plain and [streamed[i] for i in range(2)] == within
    assert [t.ids.tolist() for t in made.model.generate(texts, **asked)] == plain
    prompts = [made.model.encode_prompt(text) for text in texts]
    edit = ShiftEdit(20 * torch.from_numpy(shift.of("north")), positions_of("all", prompts), made.sae)
    again = made.model.generate(prompts, edits={HOOK: edit}, **asked)
    assert [t.ids.tolist() for t in again] == within


def test_a_shift_follows_an_edit_at_the_same_hook(fitted: Any) -> None:
    made = subject()
    calls = []

    def spy(hidden: torch.Tensor, positions: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        calls.append(positions.shape)
        return hidden

    asked: dict[str, Any] = {"max_new_tokens": 3, "temperature": 0.0}
    with fitted.shift.apply(made, "south", strength=20.0) as model:
        one = model.generate(["the fox"], **asked)[0]
        other = model.generate(["the fox"], edits={HOOK: spy}, **asked)[0]
    assert calls and one.ids.tolist() == other.ids.tolist()


def test_a_shift_of_another_model_or_sae_or_group_is_refused(fitted: Any, tmp_path: Path) -> None:
    shift = fitted.shift
    with (
        pytest.raises(InputError, match=r"no group 'up': the shift has 'east', 'north'"),
        shift.apply(subject(), "up"),
    ):
        pass
    with pytest.raises(InputError, match=r"name a group: the shift has"), shift.apply(subject()):
        pass
    other = made_subject(save_model("llama", tmp_path / "m", max_position_embeddings=300), dtype="float32")
    with pytest.raises(InputError, match=r"was fitted on model \(.* name the same model"):
        saetext.evaluate_shift(other, planted_rows(), shift=shift, **tiny().asked)
    own = Subject(subject().model, other.sae)
    with pytest.raises(InputError, match="was fitted with the SAE"):
        saetext.evaluate_shift(own, planted_rows(), shift=shift, **tiny().asked)
    with (
        pytest.raises(InputError, match="does not say where its SAE is"),
        shift.apply(subject().model, "north"),
    ):
        pass


def test_the_sae_is_found_where_it_was(tmp_path: Path) -> None:
    few = {**FIT, "steps": 1, "controls": False}
    found = saetext.shift(
        tiny().model, planted_rows(), sae=tiny().sae, device="cpu", dtype="float32", **tiny().options, **few
    )
    assert found.shift.sae["place"] == str(tiny().sae.resolve())
    with found.shift.apply(subject().model, "north") as model:
        assert model.generate(["the fox"], max_new_tokens=1)
    again = saetext.evaluate_shift(
        tiny().model, planted_rows(), shift=found.shift.save(tmp_path / "s"), random=0, device="cpu",
        **tiny().asked,
    )  # fmt: skip
    assert again.metrics["groups"] == 4


# --- bad input ---------------------------------------------------------------------------------------------


def refused(table: Any, match: str, **options: Any) -> None:
    with pytest.raises(InputError, match=match) as caught:
        saetext.shift(subject(), table, **{**tiny().options, **FIT, **options})
    assert "\n" not in str(caught.value)


def changed(**values: Any) -> list[dict[str, Any]]:
    table = rows()
    table[3] = {**table[3], **values}
    return table


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (
            {"distribution": [0.5, 0.6, 0.0, 0.0]},
            r"row 4: the shares in 'distribution' add up to 1\.100, not to 1",
        ),
        ({"distribution": [0.5, 0.2, 0.3]}, r"row 4: 4 options, but 3 values"),
        ({"distribution": [1.5, -0.5, 0.0, 0.0]}, "row 4: .* negative or not finite"),
        ({"distribution": [float("nan"), 1.0, 0.0, 0.0]}, "row 4: .* negative or not finite"),
        ({"options": ["good", "good", "poor", "bad"]}, "row 4: an option stands twice"),
        ({"options": ["good"]}, "row 4: 'options' is a list of two or more"),
        ({"group": None}, "row 4 has no group"),
        ({"question": " "}, "row 4 has no question"),
        ({"group": "north"}, "row 4: group 'north' answers a question twice"),
    ],
)
def test_rows_that_cannot_be_used_are_named(values: dict[str, Any], match: str) -> None:
    refused(changed(**values), match)


def test_tables_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    refused(rows(groups=["north"]), "only one group, 'north'")
    refused(rows(), "no column 'country': the table has 'question', 'group'", by="country")
    refused(rows(), "no column 'topic'", hold_out="topic")
    refused(rows(), "no column 'item'", question="item")
    bare = [{k: v for k, v in row.items() if k != "distribution"} for row in rows()]
    refused(bare, "neither a column 'distribution' nor 'counts'")
    refused([{k: v for k, v in row.items() if k != "options"} for row in rows()], "no column 'options'")
    refused(rows(n=2), r"no question of group 'east' is .*: there are 2 values")
    refused(rows(), "no question of group .* is held out", share=0.01)
    refused(rows(), "no row can be used: 48 rows left out: more options than letters", letters="l,s")
    refused(rows(), "is no pattern for --refusals", refusals="(")
    refused(tmp_path / "none.parquet", "there is no file")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    refused(tmp_path / "bad.parquet", "is no table of answers")
    (tmp_path / "bad.jsonl").write_text("{nothing\n")
    refused(tmp_path / "bad.jsonl", "is no table of answers")
    refused([1, 2], "answers are a file, a frame, a table or a dataset, or rows with columns")


def test_groups_of_few_respondents_are_refused_or_left_out() -> None:
    def counted(n: int) -> list[dict[str, Any]]:
        table = [{**row, "counts": [30, 20, 0, 0]} for row in rows()]
        return [{**row, "counts": [n, 9, 0, 0]} if row["group"] == "west" else row for row in table]

    refused(counted(8), "group 'west' has fewer than 20 respondents to every question: leave it out")
    table = counted(40)
    table[3]["counts"] = [10, 9, 0, 0]
    found = opinions_of(table, ShiftRequest())
    assert found.notes == ("1 answers of fewer than 20 respondents left out",)
    assert len(found.answers) == len(table) - 1
    assert len(opinions_of(table, ShiftRequest(min_respondents=19)).answers) == len(table)


def test_letters_that_share_a_token_are_refused() -> None:
    refused(
        rows(),
        r"option letters '\S+' and '\S+' begin with the same token .* --letters",
        letters="zq1,zq2,zq3,zq4",
    )
    with pytest.raises(InputError, match="two different ones at least"):
        ShiftRequest(letters="a,a")


def test_an_encoder_cannot_answer(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="reads, it cannot write: name a causal model"):
        saetext.shift("embedded", rows(), **tiny().options)
    bert = save_model("bert", tmp_path / "bert")
    with pytest.raises(ReaderError, match="reads, it cannot write: name a causal model"):
        saetext.shift(bert, rows(), sae=tiny().sae, **tiny().options)
    with pytest.raises(InputError, match="which SAE of"):
        saetext.shift(tiny().model, rows(), **tiny().options)


def test_an_sae_of_another_width_is_refused(tmp_path: Path) -> None:
    wide = tiny_sae("standard", d_in=48, hook_name=HOOK)
    made = Subject(subject().model, LoadedSae("w", "w", from_sae_lens(wide), None))
    with pytest.raises(ReaderError, match="belongs to another model"):
        saetext.shift(made, rows(), **tiny().options)


def test_an_sae_above_all_layers_is_warned_of() -> None:
    last = tiny_sae("standard", hook_name="blocks.2.hook_resid_post")
    made = Subject(subject().model, LoadedSae("l", "l", from_sae_lens(last), None))
    with pytest.warns(SaetextWarning, match="output of the last layer"):
        setting(rows(), made, raw=False)


def test_questions_that_were_fitted_on_are_not_asked(fitted: Any) -> None:
    train = set(fitted.shift.fitted_on)
    from saetext.intervene.shifts.saved import fingerprint

    known = opinions_of(planted_rows(), ShiftRequest())
    old = {q.text for q in known.questions if fingerprint(q.key) in train}
    table = [row for row in planted_rows() if row["question"] in old]
    options = {**tiny().asked, "random": 0}
    with pytest.raises(InputError, match="all 28 questions of the table were fitted on"):
        saetext.evaluate_shift(subject(), table, shift=fitted.shift, **options)
    with pytest.raises(InputError, match="no answer of group 'west'"):
        saetext.evaluate_shift(
            subject(), [r for r in planted_rows() if r["group"] != "west"], shift=fitted.shift, **options
        )


# --- the table of answers ----------------------------------------------------------------------------------


def test_refusals_stand_apart_and_statements_are_questions_of_yes_and_no() -> None:
    table = [
        {"text": "Is it?", "group": g, "options": ["a lot", "some", "Don't know", "No answer", "none"],
         "distribution": [0.4, 0.2, 0.1, 0.1, 0.2], "ordinal": False, "respondents": 200}
        for g in "xy"
    ]  # fmt: skip
    found = opinions_of(table, ShiftRequest())
    [question] = found.questions
    assert question.options == ("a lot", "some", "none") and not question.ordinal
    assert found.answers[0].refused == pytest.approx(0.2)
    np.testing.assert_allclose(found.answers[0].shares, [0.5, 0.25, 0.25])
    assert found.answers[0].counts is not None and found.answers[0].counts.tolist() == [80, 40, 40]
    planted = [
        {"text": f"I like {what}", "trait": trait, "matches": what == "art"}
        for trait in ("one", "two") for what in ("art", "nothing")
    ]  # fmt: skip
    made = opinions_of(planted, ShiftRequest(by="trait"))
    assert made.questions[0].options == ("Yes", "No") and "something you would say" in made.questions[0].text
    assert [a.shares.tolist() for a in made.answers] == [[1, 0], [0, 1]] * 2


@settings(max_examples=20, deadline=None)
@given(st.integers(10, 60), st.floats(0.1, 0.6), st.integers(0, 5))
def test_no_unit_is_on_two_sides(n: int, share: float, seed: int) -> None:
    table = [{**row, "topic": row["question"].split()[0] + row["question"].split()[1]} for row in rows(n=n)]
    found = opinions_of(table, ShiftRequest(), "topic")
    try:
        split = split_of(found, share, seed)
    except InputError:
        return
    sides = [{found.questions[i].unit for i in part} for part in (split.train, split.check, split.held)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert sorted((*split.train, *split.check, *split.held)) == list(range(n))


def test_files_and_frames_are_the_same_answers(tmp_path: Path) -> None:
    frame = pl.DataFrame(rows())
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    one = opinions_of(frame, ShiftRequest())
    for path in ("a.parquet", "a.jsonl"):
        other = opinions_of(tmp_path / path, ShiftRequest())
        assert other.questions == one.questions and len(other.answers) == len(one.answers)
    assert list(one.questions[0].options) == OPTIONS
