"""Cases in which a release check once said too much: few or equal texts, prompts and groups, odd files.

Not for: what is counted and how it is shown (``test_check.py``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from memory_corpus import DenseCorpus
from scipy import stats as scipy_stats
from test_check import FEATURES, corpus, row

import saetext
from saetext.analysis.checking.figures import Baseline
from saetext.analysis.registry import text_of
from saetext.errors import IncompatibleError, InputError
from saetext.stats import mean_difference

# ---- rows that belong together ----------------------------------------------------------------------------


def answered(counts: Sequence[int], has: Sequence[float], seed: int = 0) -> DenseCorpus:
    """So many answers to each prompt, each of which has feature 0 with the prompt's chance."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(len(counts)), counts)
    value = rng.uniform(0.5, 1, (len(prompt), FEATURES))
    value[:, 0] *= rng.random(len(prompt)) < np.asarray(has)[prompt]
    return DenseCorpus(value, meta={"prompt": [f"prompt {i}" for i in prompt.tolist()]})


def test_more_answers_to_some_prompts_are_no_change() -> None:
    """A feature is always in the answers to ten prompts and never in those to ten others, in both sets."""
    has = [1.0] * 10 + [0.0] * 10
    new, old = answered([6] * 10 + [3] * 10, has), answered([3] * 20, has)
    found = saetext.check(new, old, rules=[{"feature": 0, "max_rise": 2, "max_fall": 2}])
    assert found.params["design"] == "by prompt" and set(found.table["verdict"]) == {"unclear"}
    one = found.table.row(0, named=True)
    assert (one["old"], one["new"], one["change"]) == (0.5, 0.5, 0.0)
    assert one["ci_low"] < -0.05 and one["ci_high"] > 0.05  # twenty prompts are no more than twenty


def test_a_change_within_prompts_has_the_interval_of_their_differences() -> None:
    rng = np.random.default_rng(3)
    chance = rng.random(60)
    new = answered(rng.integers(1, 7, 60).tolist(), np.minimum(chance + 0.3, 1).tolist(), 1)
    old = answered(rng.integers(1, 4, 60).tolist(), chance.tolist(), 2)
    one = saetext.check(new, old, rules=[{"feature": 0, "max_rise": 2}]).table.row(0, named=True)
    means = [
        {p: float(np.mean([v > 0 for v, q in zip(c.value[:, 0], c.frame["prompt"], strict=True) if q == p]))
         for p in set(c.frame["prompt"])}
        for c in (new, old)
    ]  # fmt: skip
    apart = [means[0][p] - means[1][p] for p in means[0]]
    expected = scipy_stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    assert (one["ci_low"], one["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert one["change"] == pytest.approx(np.mean(apart)) and one["new"] == pytest.approx(
        np.mean(list(means[0].values()))
    )


def test_five_users_are_five_whatever_they_write() -> None:
    value = np.ones((1000, FEATURES))
    value[:, 0] = 0
    new, old = (
        DenseCorpus(value, meta={"user": [f"{side} {i // 200}" for i in range(1000)]}) for side in "ab"
    )
    rules: list[dict[str, Any]] = [{"feature": 0, "max_rise": 2}, {"findings": ["feature"], "max_rise": 2}]
    found = saetext.check(new, old, rules=rules, group="user")
    one = row(found, "feature 0")
    assert one["verdict"] == "unclear" and one["ci_high"] > 0.4 and one["ci_low"] == -one["ci_high"]
    assert row(found, "any finding (feature)")["verdict"] == "unclear"


def test_texts_of_one_length_do_not_say_that_all_are() -> None:
    assert mean_difference([1.0, 1.0], [2.0, 2.0]) == (-1.0, -np.inf, np.inf)
    diff, low, high = mean_difference([1.0] * 20, [2.0] * 20, unseen=0.5)
    reach = scipy_stats.t.ppf(0.975, 38) * np.sqrt(2) * 0.5 / 20
    assert (diff, low, high) == pytest.approx((-1.0, -1.0 - reach, -1.0 + reach))
    rules = [{"length": "tokens", "max_rise": 0}]
    for n, verdict in ((2, "unclear"), (60, "breaks")):
        new, old = (corpus(seed, n, tokens=np.full(n, long)) for seed, long in ((1, 12), (2, 10)))
        assert saetext.check(new, old, rules=rules).table["verdict"][0] == verdict


# ---- findings ----------------------------------------------------------------------------------------------


def test_kinds_that_cannot_be_tested_never_pass() -> None:
    new, old = corpus(1, 400), corpus(2, 400)
    kept = saetext.baseline(old)
    for kinds in ("word", ["format", "word"]):
        with pytest.raises(IncompatibleError, match=r'rule 1, findings: .* has no words.* leave out "word"'):
            saetext.check(new, kept, rules=[{"findings": kinds, "max_rise": 50}])
    loose = [{"findings": "all", "max_rise": 50}]
    one = saetext.check(new, kept, rules=loose).table.row(0, named=True)
    assert one["verdict"] == "passes" and "; not tested: word" in one["because"]
    # rows that belong together: counts of features do not say how they vary
    users = [f"user {i // 4}" for i in range(400)]
    new, old = (corpus(seed, 400, prompts=users) for seed in (1, 2))
    rules = [{"findings": ["feature"], "max_rise": 50, "name": "a"},
             {"findings": ["feature", "format"], "max_rise": 50, "name": "b"}]  # fmt: skip
    found = saetext.check(new, saetext.baseline(old), rules=rules, unclear="fail")
    assert found.table["verdict"].to_list() == ["unclear"] * 2 and not found.passed
    assert "nothing of these kinds could be tested; not tested: feature" in row(found, "a")["because"]
    # between texts: these are not stored
    bare = DenseCorpus(np.ones((400, FEATURES)), texts=False)
    found = saetext.check(bare, bare, rules=[{"findings": ["word"], "max_rise": 50}], unclear="fail")
    assert found.table["verdict"].to_list() == ["unclear"] and not found.passed


@pytest.mark.parametrize("each", [1, 2])
def test_few_texts_are_no_way_to_pass_a_rule_on_findings(each: int) -> None:
    """15 % to 30 % of 100 texts is seldom significant among all that is tested, and never within 2 points."""
    keys = [f"prompt {i // each}" for i in range(100)] if each > 1 else None
    for seed in range(6):
        new, old = corpus(seed, 100, bold=0.3, prompts=keys), corpus(seed + 50, 100, bold=0.15, prompts=keys)
        rules = [{"findings": ["format"], "max_rise": 2}]
        assert not saetext.check(new, old, rules=rules, unclear="fail").passed
    same = corpus(1, 60, bold=0.0)
    found = saetext.check(same, same, rules=[{"findings": ["format"], "max_rise": 5}]).table.row(
        0, named=True
    )
    assert found["verdict"] == "unclear"
    assert f"a rise of less than {100 * found['detectable']:.1f} points might not be seen" in found["because"]


def test_themes_are_present_alike_against_texts_and_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.analysis.checking import subjects
    from saetext.features.themes import Theme

    known = (Theme("a", "A", "", "topic", (0, 1, 2)), Theme("b", "B", "", "topic", (2, 3, 4, 5)))
    monkeypatch.setattr(subjects.Themes, "for_spec", lambda *_: known)
    new, old = corpus(1, 300, rates=(0.8,) * 6), corpus(2, 300, rates=(0.1,) * 6)
    rules = [{"theme": "a", "max_rise": 2}, {"theme": "b", "max_rise": 2}]
    shares = [
        saetext.check(new, against, rules=rules).table.select("rule", "old", "new", "ci_low").rows()
        for against in (old, saetext.baseline(old, rules=rules))
    ]
    assert shares[0] == shares[1] and all(new > old + 0.3 for _, old, new, _ in shares[0])


# ---- keys --------------------------------------------------------------------------------------------------

LARGE = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("new", "old", "pairs"),
    [
        ([LARGE + i for i in range(40)], [LARGE + i for i in range(40)], 40),
        ([f"{LARGE + i}" for i in range(40)], [LARGE + i for i in range(40)], 40),
        ([float(i) for i in range(40)], [*range(40)], 40),
        ([float(i) for i in range(40)], [f"{i}" for i in range(40)], 40),
        ([f"{i}" for i in range(40)], [*range(40)], 40),
        ([i + 0.5 for i in range(40)], [i + 0.5 for i in range(40)], 40),
        ([f"{i}.0" for i in range(40)], [*range(40)], None),
    ],
)  # fmt: skip
def test_rows_pair_alike_against_texts_and_baseline(
    new: list[Any], old: list[Any], pairs: int | None
) -> None:
    sets = [corpus(seed, 40) for seed in (1, 2)]
    for one, ids in zip(sets, (new, old), strict=True):
        one.frame = one.frame.with_columns(pl.Series("prompt_id", ids))
    for against in (sets[1], saetext.baseline(sets[1])):
        found = saetext.check(sets[0], against, mark="bold", max_rise=2)
        assert found.metrics["pairs"] == pairs
        assert found.params["design"] == ("paired" if pairs else "independent")


# ---- files -------------------------------------------------------------------------------------------------


def test_a_baseline_with_another_number_of_features_is_refused(tmp_path: Path) -> None:
    new, kept = corpus(1, 40), saetext.baseline(corpus(2, 40))
    shorter = dataclasses.replace(kept, features=kept.features[:4])
    path = shorter.write(tmp_path / "short.json")
    with pytest.raises(IncompatibleError, match="has 4 features and its reader 6: write it again"):
        saetext.check(new, path, rules=[{"findings": ["format", "feature"], "max_rise": 2}])


def test_a_baselines_name_is_shown_without_control_characters(tmp_path: Path) -> None:
    path = saetext.baseline(corpus(2, 40)).write(tmp_path / "old.json")
    told = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**told, "name": "a\x1b[31m\nb"}))
    kept = Baseline.read(path)
    for options in ({"words": "never"}, {"mark": "bold", "where": "n_tokens > 1"},
                    {"mark": "bold", "pair_on": "id"}):  # fmt: skip
        with pytest.raises((InputError, IncompatibleError)) as error:
            saetext.check(corpus(1, 40), kept, max_rise=1, **options)  # type: ignore[arg-type]
        assert "\x1b" not in str(error.value) and "\n" not in str(error.value)


# ---- what is said ------------------------------------------------------------------------------------------


def test_what_is_odd_about_a_rule_or_a_baseline_is_noted() -> None:
    new, old = corpus(1, 60), corpus(2, 60)
    rules = [{"findings": ["format"], "max_rise": 50, "except": ["blod", "Bold", "nothing like it"]}]
    for against in (old, saetext.baseline(old)):
        notes = [note for note in saetext.check(new, against, rules=rules).notes if "except" in note]
        assert len(notes) == 1 and 'called "blod", which except names; did you mean "bold"?' in notes[0]
    keyed = saetext.baseline(corpus(2, 60, prompts=[f"prompt {i}" for i in range(60)]))
    said = "the baseline has hashes of prompt, of which the new texts have no column"
    assert any(said in note for note in saetext.check(new, keyed, mark="bold", max_rise=2).notes)
    assert not any(
        said in note for note in saetext.check(new, keyed, mark="bold", max_rise=2, pair_on="").notes
    )


def test_limits_are_told_apart_and_as_they_were_given() -> None:
    new, old = corpus(5, 300, bold=0.4), corpus(6, 300, bold=0.1)
    name = "粗体字" * 12
    rules = [
        {"format": "bold", "max_rise": 0.25, "max_fall": 12.125, "name": name},
        {"format": "emoji", "max_rise": 30},
        {"findings": ["word"], "max_rise": 50, "name": "none", "except": ["x"]},
    ]
    result = saetext.check(new, old, rules=rules)
    from rich.cells import cell_len

    lines = text_of("check")(result, 100, False).splitlines()
    assert any(line.endswith("+0.25 points") for line in lines) and max(map(cell_len, lines)) <= 100
    assert any(line.endswith("-12.125 points") for line in lines)
    starts = {cell_len(line[: line.rindex("  ")]) for line in lines if line.startswith(("breaks", "passes"))}
    assert len(starts) == 1  # the columns stand under each other
    rules[0]["name"] = "b"
    text = text_of("check")(saetext.check(new, old, rules=rules), 100, False)
    assert "breaks  b (rise)" in text and "passes  b (fall)" in text
    narrow = text_of("check")(result, 40, False)
    assert "->" in narrow and " -> , ," not in narrow
