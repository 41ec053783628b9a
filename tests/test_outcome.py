"""diff --outcome: effects against statsmodels and brute force, known truths, bad columns."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import sparse
from test_diff import MemoryCorpus

import saetext
from saetext import stats
from saetext.analysis.differences.outcome.alike import Alike
from saetext.analysis.differences.outcome.column import outcome_of
from saetext.analysis.differences.outcome.measuring import Models
from saetext.analysis.differences.outcome.run import outcome_result
from saetext.analysis.differences.outcome.sentences import sentences
from saetext.analysis.differences.outcome.setting import setting_of
from saetext.analysis.differences.outcome.winner import winner_of
from saetext.analysis.differences.request import DiffRequest
from saetext.errors import InputError
from saetext.report.console.outcome import render_outcome


def planted(seed=0, prompts=150, each=4, *, effect=0.0, of_length=0.0, of_prompt=0.0, features=30, yes=False):
    """Presence that leans on prompts and length, and an outcome that leans on what is said."""
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), each)
    n = len(prompt)
    hard, long = rng.normal(size=prompts)[prompt], rng.normal(size=n)
    lean = rng.normal(size=(2, features))
    odds = -0.5 + rng.normal(size=features) + hard[:, None] * lean[0] + long[:, None] * lean[1]
    has = (rng.random((n, features)) < 1 / (1 + np.exp(-odds))).astype(float)
    rate = effect * has[:, 0] + of_length * long + of_prompt * hard
    outcome = (rng.random(n) < np.clip(0.5 + rate, 0, 1)).astype(float) if yes else rate + rng.normal(size=n)
    return prompt, np.exp(4.5 + 0.6 * long), has, outcome


# ---- the estimate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("within", [True, False])
def test_effects_are_those_of_statsmodels(within: bool) -> None:
    prompt, length, has, outcome = planted(1, 25, 4, effect=0.4, of_length=0.3, features=6)
    z = stats.curve(length, 25)
    found = stats.outcome_model(outcome, prompt, z, within=within).effects(has)
    units = np.eye(25)[prompt] if within else np.ones((len(prompt), 1))
    for at in range(has.shape[1]):
        x = np.column_stack([has[:, at], z, units])
        want = sm.OLS(outcome, x).fit(
            cov_type="cluster", cov_kwds={"groups": prompt, "use_correction": False}
        )
        assert found.effect[at] == pytest.approx(want.params[0], rel=1e-9)
        assert found.robust[at] == pytest.approx(want.cov_params()[0, 0], rel=1e-9)
        plain = sm.OLS(outcome, x).fit()
        width = (found.high[at] - found.low[at]) / 2
        assert width > 1.95 * np.sqrt(max(found.robust[at], plain.cov_params()[0, 0]))
    assert not ((found.p < 0.05) & (found.low < 0) & (found.high > 0)).any()


def test_what_does_not_vary_within_prompts_has_no_effect() -> None:
    prompt, _, has, outcome = planted(2, 20, 3, features=2)
    has[:, 1] = prompt % 2
    model = stats.outcome_model(outcome, prompt, np.zeros((60, 0)), within=True)
    found = model.effects(has)
    assert np.isnan(found.effect[1]) and found.p[1] == 1.0
    assert np.isfinite(found.effect[0])


@pytest.mark.parametrize(("rare", "yes"), [(0.5, True), (0.1, True), (0.05, False)])
def test_nothing_beyond_chance_is_found_where_there_is_nothing(rare: float, yes: bool) -> None:
    rng = np.random.default_rng(3)
    shares, any_found = [], 0
    for _ in range(12):
        prompt = np.repeat(np.arange(120), 4)
        has = (rng.random((480, 250)) < np.exp(rng.uniform(np.log(0.01), np.log(0.5), 250))).astype(float)
        hard = rng.normal(size=120)[prompt]
        passed = rng.random(480) < rare * (1 + 0.5 * np.tanh(hard))
        outcome = passed.astype(float) if yes else hard + rng.standard_t(4, 480)
        z = stats.curve(np.exp(rng.normal(4, 1, 480)), 120)
        p = stats.outcome_model(outcome, prompt, z, within=True).effects(has).p
        shares.append((p < 0.05).mean())
        any_found += bool((stats.benjamini_hochberg(p) < 0.05).any())
    assert np.mean(shares) < 0.055
    assert any_found <= 2


def test_few_rows_that_all_have_the_rarer_outcome_tell_what_a_bound_says() -> None:
    rng = np.random.default_rng(0)
    passed = (rng.random(2000) < 0.1).astype(float)
    has = np.zeros((2000, 2))
    has[np.flatnonzero(passed)[:12], 0] = 1.0
    has[np.flatnonzero(passed == 0)[:12], 1] = 1.0
    model = stats.outcome_model(passed, np.arange(2000), np.zeros((2000, 0)), within=False)
    found = model.effects(has)
    exact = passed.mean() ** 12
    assert 2 * exact < found.p[0] < 1e-5  # a bound, but far below that of twelve equal errors
    assert found.p[1] > 0.5 * (1 - passed.mean()) ** 12  # none of twelve passed: likely enough


@pytest.mark.parametrize("rows", [7, 9, 12])
@pytest.mark.parametrize("within", [True, False])
def test_a_group_that_passes_more_often_makes_no_findings_of_what_only_it_has(
    rows: int, within: bool
) -> None:
    rng, any_found = np.random.default_rng(rows), 0
    group = (np.arange(3000) < 150).astype(float)
    unit = (np.arange(3000) // 150).astype(np.int64) if within else np.arange(3000)
    for _ in range(8):
        passed = (rng.random(3000) < np.where(group > 0, 0.5, 0.01)).astype(float)
        has = np.zeros((3000, 500))
        has[rng.permuted(np.tile(np.arange(150), (500, 1)), axis=1)[:, :rows], np.arange(500)[:, None]] = 1.0
        z = np.zeros((3000, 0)) if within else group[:, None]
        model = stats.outcome_model(passed, np.arange(3000), z, within=within, unit=unit)
        any_found += bool((stats.benjamini_hochberg(model.effects(has).p) < 0.05).any())
    assert any_found <= 1


def test_covariates_that_are_almost_one_count_once() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=200)
    z = np.column_stack([one, one + 1e-6 * rng.normal(size=200)])
    model = stats.outcome_model(rng.normal(size=200), np.arange(200), z, within=False)
    assert model.residual_df == 200 - 1 - np.linalg.matrix_rank(model.inverse, tol=1e-8)


@pytest.mark.parametrize("finer", [True, False])
def test_units_need_not_be_the_clusters(finer: bool) -> None:
    rng = np.random.default_rng(4)
    coarse, fine = np.repeat(np.arange(30), 8), np.repeat(np.arange(120), 2)
    cluster, unit = (fine, coarse) if finer else (coarse, fine)
    has, outcome = rng.random(240) < 0.4, rng.normal(size=240) + rng.normal(size=30)[coarse]
    z = rng.normal(size=(240, 1))
    model = stats.outcome_model(outcome, cluster, z, within=True, unit=unit)
    found = model.effects(has[:, None].astype(float))
    x = np.column_stack([has, z, np.eye(unit.max() + 1)[unit]]).astype(float)
    want = sm.OLS(outcome, x).fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    assert found.effect[0] == pytest.approx(want.params[0], rel=1e-9)
    assert found.robust[0] == pytest.approx(want.cov_params()[0, 0], rel=1e-9)
    with pytest.raises(ValueError, match="follow one another"):
        stats.outcome_model(outcome, rng.permutation(cluster), z, within=True)


@pytest.mark.parametrize("yes", [True, False])
def test_a_planted_effect_is_recovered_and_covered(yes: bool) -> None:
    effect, found, covered = (0.2 if yes else 0.5), [], []
    for seed in range(120):
        prompt, length, has, outcome = planted(
            seed, 100, 4, effect=effect, of_length=0.08, of_prompt=0.08, features=1, yes=yes
        )
        one = stats.outcome_model(outcome, prompt, stats.curve(length, 100), within=True).effects(has)
        found.append(one.effect[0])
        covered.append(one.low[0] < effect < one.high[0])
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - effect) < 4 * error + (0.02 if yes else 0)  # shares beyond 0 and 1 are cut
    assert 0.89 < np.mean(covered) <= 1.0


# ---- the whole -----------------------------------------------------------------------------------------


def corpus_of(prompt, length, has, outcome, **meta):
    present = [{f: (1.0, 0) for f in np.flatnonzero(row)[:12].tolist() if f < 12} for row in has]
    columns = {"prompt_id": [f"p{i}" for i in prompt], "score": outcome, **meta}
    corpus = MemoryCorpus(present, columns)
    corpus.frame = corpus.frame.with_columns(n_tokens=pl.Series(np.maximum(length, 2).astype(np.int32)))
    return corpus


def effects_of(result, family="features"):
    table = next(one.table for one in result.families if one.name == family)
    return {row["feature"]: row for row in table.to_dicts()}


def test_a_planted_finding_is_found_confirmed_and_the_rest_is_not() -> None:
    corpus = corpus_of(*planted(5, effect=1.0, of_length=0.5, of_prompt=1.0))
    result = saetext.diff(corpus, outcome="score", families="features")
    rows = result.table.to_dicts()
    assert [row["feature"] for row in rows] == [0]
    assert rows[0]["confirmed"] and rows[0]["ci_low"] < 1.0 < rows[0]["ci_high"]
    assert result.params["pair_on"] == "prompt_id" and result.metrics["units_varying"] == 150


def test_what_is_only_length_goes_away_at_equal_length() -> None:
    result = saetext.diff(corpus_of(*planted(6, of_length=1.0)), outcome="score", families="features")
    rows = effects_of(result)
    explained = [row for row in rows.values() if row["explained_by_length"] == "yes"]
    assert len(explained) >= 4 and result.table.height <= 1
    assert result.metrics["only_by_length"] >= 4
    assert all(abs(row["effect"]) < abs(row["within"]) / 2 for row in explained)
    told, true = result.metrics["length"], np.log(2) / 0.6  # a unit for each standard deviation of log length
    assert told["ci_low"] < true < told["ci_high"] and 0.4 < told["share"] < 0.6


def test_what_is_only_the_prompt_goes_away_within_prompts() -> None:
    corpus = corpus_of(*planted(7, of_prompt=1.5))
    result = saetext.diff(corpus, outcome="score", families="features")
    assert result.table.height <= 1 and result.metrics["only_by_prompt"] >= 4
    across = saetext.diff(corpus, outcome="score", families="features", pair_on="")
    assert across.table.height > result.table.height  # the prompts are not told apart there
    assert across.params["pair_on"] is None


def test_a_control_takes_out_who_wrote_it() -> None:
    prompt, length, has, outcome = planted(8, effect=0.0)
    has[:, 0] = np.random.default_rng(0).random(len(prompt)) < np.where(np.arange(len(prompt)) % 2, 0.9, 0.1)
    writer = np.arange(len(prompt)) % 2
    corpus = corpus_of(prompt, length, has, outcome + writer, model=[f"m{w}" for w in writer])
    plain = saetext.diff(corpus, outcome="score", families="features")
    assert 0 in plain.table["feature"].to_list()
    assert any("--control model" in note for note in plain.notes)
    within = saetext.diff(corpus, outcome="score", families="features", control="model")
    assert 0 not in within.table["feature"].to_list()
    assert not any("--control" in note for note in within.notes)


def test_left_out_rows_are_counted_and_halves_keep_prompts_whole() -> None:
    prompt, length, has, outcome = planted(9, 60, 3, effect=1.0)
    outcome[::7] = np.nan
    corpus = corpus_of(prompt, length, has, outcome)
    result = saetext.diff(corpus, outcome="score", families="features")
    missing = int(np.isnan(outcome).sum())
    assert result.metrics["missing"] == missing
    assert any(f"{missing} of 180 documents have no score" in note for note in result.notes)
    assert result.metrics["compared"] <= 180 - missing
    design = setting_of([corpus], outcome_of(corpus, "score"), DiffRequest(outcome="score")).design
    halves = [set(prompt[(design.side >= 0) & (design.half == half)]) for half in (0, 1)]
    assert halves[0].isdisjoint(halves[1]) and min(map(len, halves)) >= 29


@pytest.mark.parametrize("prompts", [1, 2, 8])
@pytest.mark.parametrize("asked", [None, "prompt_id", ""])
def test_few_prompts_have_rates_and_documents_count(prompts: int, asked: str | None) -> None:
    prompt, length, has, outcome = planted(5, prompts, 480 // prompts, effect=1.0, of_prompt=1.0)
    corpus = corpus_of(prompt, length, has, outcome)
    corpus.frame = corpus.frame.with_columns(text=pl.format("text {}", pl.int_range(480)))  # no copies
    result = saetext.diff(corpus, outcome="score", families="features", pair_on=asked)
    assert 0 in result.table.filter("confirmed")["feature"].to_list()
    row = effects_of(result)[0]
    if asked != "" or prompts == 1:  # across prompts their rates are not adjusted for
        assert row["ci_low"] < 1.0 < row["ci_high"]
    assert result.metrics["split"] and result.params["clustered_on"] is None
    if prompts > 1:
        assert any("prompts" in note for note in result.notes)
    if prompts > 1 and asked is None:
        units = np.eye(prompts)[prompt]
        x = np.column_stack([has[:, 0], stats.curve(np.maximum(length, 2).astype(np.int32), 480), units])
        want = np.linalg.lstsq(x, outcome, rcond=None)[0][0]
        assert row["effect"] == pytest.approx(want, rel=1e-6)
        assert result.params["control"] == ["prompt_id"]


def test_what_is_too_few_for_halves_is_called_what_it_is() -> None:
    prompt, length, has, outcome = planted(5, 30, 4)
    corpus = corpus_of(prompt, length, has, outcome, user=[f"u{p % 5}" for p in prompt])
    notes = saetext.diff(corpus, outcome="score", families="features", group="user").notes
    assert any("5 values of user are too few to confirm" in note for note in notes)


def test_one_prompt_that_varies_is_not_enough() -> None:
    prompt, length, has, _ = planted(5, 150, 4)
    passed = (prompt % 2).astype(float)
    passed[:4] = [0, 1, 0, 1]
    result = saetext.diff(corpus_of(prompt, length, has, passed), outcome="score", families="features")
    assert result.params["pair_on"] is None
    assert any("1 of 150 prompt_id only" in n and "--pair-on prompt_id" in n for n in result.notes)
    asked = saetext.diff(
        corpus_of(prompt, length, has, passed), outcome="score", families="features", pair_on="prompt_id"
    )
    assert any("--pair-on ''" in note for note in asked.notes)


def of_rows(prompts: int = 40, each: int = 5, **options):
    """Two answers in each row, several rows to a prompt, and feature 0 that wins."""
    rng = np.random.default_rng(0)
    prompt = np.repeat(np.arange(prompts), each)
    has = rng.random((2, len(prompt), 3)) < 0.4
    lead = 1.5 * has[0, :, 0] - 1.5 * has[1, :, 0] + rng.normal(size=len(prompt))
    meta = {
        "id": [f"r{i}" for i in range(len(prompt))],
        "prompt_id": [f"p{i}" for i in prompt],
        "winner": np.where(lead > 0, "model_a", "model_b"),
    }
    sets = [
        MemoryCorpus([dict.fromkeys(np.flatnonzero(row), (1.0, 0)) for row in side], meta) for side in has
    ]
    columns = ("response_a", "response_b")
    request = DiffRequest(outcome="winner", columns=columns, families="features", **options)
    return outcome_result(sets, request), sets, prompt


def test_rows_are_compared_within_and_prompts_stay_together() -> None:
    result, sets, prompt = of_rows()
    assert result.params["pair_on"] == "id" and result.params["clustered_on"] == "prompt_id"
    assert result.metrics["units"] == 200 and result.table["feature"].to_list() == [0]
    setting = setting_of(
        sets, winner_of(sets, ("response_a", "response_b"), "winner"), DiffRequest(outcome="winner"),
        in_rows=True,
    )  # fmt: skip
    both = np.concatenate([prompt, prompt])
    halves = [set(both[setting.design.half == half]) for half in (0, 1)]
    assert halves[0].isdisjoint(halves[1]) and len(halves[0]) == 20
    models = Models.of(setting)
    assert len(models.adjusted.starts) == 40 and len(models.adjusted.unit_starts) == 200
    kept = setting.sampled(100, 0)
    assert 80 < kept.sum() <= 100 and set(both[kept]).isdisjoint(both[~kept])
    told = render_outcome(result, 100)
    assert "winner = won" not in told and "two in each of 200 rows" in told
    assert "Answers with these win more often: " in told and "within id" not in told
    assert "half of the prompts" in told


def test_rows_with_a_group_or_across_are_what_was_asked_for() -> None:
    grouped, _, _ = of_rows(group="prompt_id")
    assert grouped.params["group"] == "prompt_id" and grouped.params["pair_on"] == "id"
    across, _, _ = of_rows(pair_on="")
    assert across.params["pair_on"] is None and across.metrics["units_varying"] is None
    assert any("across rows" in note for note in across.notes)
    few, _, _ = of_rows(4, 50)
    assert few.params["clustered_on"] == "id" and few.table["confirmed"].to_list() == [True]


def test_a_sample_is_of_whole_prompts_and_counts_those() -> None:
    result = saetext.diff(corpus_of(*planted(5)), outcome="score", families="features", sample=200)
    assert 100 < result.metrics["compared"] <= 200
    assert result.metrics["units"] == result.metrics["compared"] / 4


def test_what_is_left_of_an_effect_is_that_of_a_model_of_both() -> None:
    prompt, length, has, outcome = planted(10, 40, 3, effect=0.5, features=4)
    z = stats.curve(length, 40)
    model = stats.outcome_model(outcome, prompt, z, within=True)
    alike = Alike.count(sparse.csr_matrix(has), SimpleNamespace(adjusted=model))  # type: ignore[arg-type]
    units = np.eye(40)[prompt]
    for given in range(4):
        left, _ = alike.left(given)
        for at in set(range(4)) - {given}:
            x = np.column_stack([has[:, at], has[:, given], z, units])
            want = np.linalg.lstsq(x, outcome, rcond=None)[0][0]
            assert left[at] == pytest.approx(np.sign(alike.diff[at]) * want, rel=1e-5, abs=1e-7)
    assert alike.diff == pytest.approx(model.effects(has).effect, rel=1e-5)


# ---- words, files, pages -------------------------------------------------------------------------------


class _Strict(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


def test_it_is_told_in_words_and_leaves_as_json_csv_and_a_page(tmp_path) -> None:
    hostile = "<script>alert(1)</script>"
    prompt, length, has, outcome = planted(5, effect=0.5, yes=True)
    passed = np.where(outcome > 0, "pass", "fail")
    corpus = corpus_of(prompt, length, has, outcome, **{hostile: passed})
    result = saetext.diff(corpus, outcome=hostile, families="features")
    assert result.kind == "diff_outcome" and result.binary
    text = render_outcome(result, 100)
    assert "= pass" in text and "not cause" in text and "Each doubling of length goes with" in text
    assert max(map(len, text.splitlines())) <= 100
    page = result.to_html(tmp_path / "o.html", [corpus]).read_text("utf-8")
    assert hostile not in page and "<h3" in page
    parser = _Strict()
    parser.feed(page)
    assert parser.tags.count("script") == 1
    told = json.loads(result.to_json())
    assert told["kind"] == "diff_outcome" and told["rows"][0]["effect"] == pytest.approx(
        result.table["effect"][0]
    )
    assert result.to_csv().startswith("name,kind,n,rate,effect,ci_low,ci_high,q,confirmed,raw")
    assert told["params"]["outcome"] == hostile and told["params"]["yes"] == "pass"


def test_nothing_found_is_said() -> None:
    result = saetext.diff(corpus_of(*planted(11, 30, 3)), outcome="score", families="features")
    assert not result.table.height
    assert "Nothing was found that goes with score" in render_outcome(result, 80)


def test_the_first_sentence_says_what_documents_with_a_finding_do() -> None:
    prompt, length, has, outcome = planted(5, effect=0.4, yes=True)
    flipped = corpus_of(prompt, length, np.hstack([1 - has[:, :1], has[:, 1:]]), outcome)
    first, turned, scored = (
        sentences(saetext.diff(corpus, outcome="score", families="features", control=None))
        for corpus in (
            corpus_of(prompt, length, has, outcome), flipped, corpus_of(*planted(5, effect=1.0)),
        )
    )  # fmt: skip
    assert first[0].startswith("Documents with these have score = 1.0 more often: ")
    assert " points)" in first[0]
    assert turned[0].startswith("Documents with these have score = 1.0 less often: ")
    assert scored[0].startswith("Documents with these have a higher score: ")
    assert any(said.startswith("1 of 1 finding was found") for said in scored)


def test_a_repr_tells_the_name_once_and_the_effect() -> None:
    result = saetext.diff(corpus_of(*planted(5, effect=1.0)), outcome="score", families="features")
    name = result.table["name"][0]
    assert f'first: "{name}"' in repr(result) or f"first: '{name}'" in repr(result)
    assert "effect " in repr(result.findings()[0]) and " + " not in repr(result.findings()[0])


def test_words_and_format_are_listed_too(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    bold = rng.random(120) < 0.5
    corpus = MemoryCorpus([{}] * 120, {"score": 2.0 * bold + rng.normal(size=120)})
    texts = [f"{'**bold** ' if b else ''}plain words number {i} are here" for i, b in enumerate(bold)]
    corpus.texts = texts
    corpus.frame = corpus.frame.with_columns(text=pl.Series(texts))
    result = saetext.diff(corpus, outcome="score")
    first = result.table.row(0, named=True)
    assert first["ci_low"] < 2.0 < first["ci_high"] and first["confirmed"]
    assert "bold" in first["name"] and "bold" in (first["snippet"] or "")
    assert "bold" not in (first["snippet_without"] or "")
    formats = next(one.table for one in result.families if one.name == "format")
    assert "more words than the median document" not in formats["term"].to_list()


# ---- columns -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "asked", "yes", "want"),
    [
        ([True, False, None, True], "c", "true", [1, 0, None, 1]),
        (["pass", "fail", " PASS".strip(), "fail"], "c=fail", "fail", None),
        (["pass", "fail", "", "pass"], "c", "pass", [1, 0, None, 1]),
        (["won", "lost", "N/A", "won"], "c", "won", [1, 0, None, 1]),
        ([0, 1, 1, 0], "c", "1", [0, 1, 1, 0]),
        ([-1.0, 1.0, float("nan"), -1.0], "c", "1.0", [0, 1, None, 0]),
        (["gpt", "claude", "gpt", "gpt"], "c", "claude", [0, 1, 0, 0]),
        (["gpt", "claude", "gpt", "gpt"], "c=gpt", "gpt", [1, 0, 1, 1]),
        (["a", "b", "c", "c"], "c=c", "c", [0, 0, 1, 1]),
        (["win", "tie", "loss", "win"], "c", None, [1, 0.5, 0, 1]),
        (["1.5", "2", "", "7"], "c", None, [1.5, 2, None, 7]),
        ([1.0, 2.0, float("inf"), 4.5], "c", None, [1, 2, None, 4.5]),
        ([1, 3, 5, 1], "c", None, [1, 3, 5, 1]),
        ([1, 0, 1, 0], "c=0", "0", [0, 1, 0, 1]),
        (["True", "true", "False", "true"], "c", "true", [1, 1, 0, 1]),
        (["1", "1.0", "0", "1"], "c", "1", [1, 1, 0, 1]),
        (["none", "search", "none", "search"], "c", "none", [1, 0, 1, 0]),
        (["none", "1", "2", "1"], "c=none", "none", [1, 0, 0, 0]),
        (["none", "1", "2", "1"], "c", "2", [None, 0, 1, 0]),
        (["None", "pass", "fail", "pass"], "c", "pass", [None, 1, 0, 1]),
    ],
)
def test_a_column_is_taken_for_what_it_is(values, asked, yes, want) -> None:
    found = outcome_of(MemoryCorpus([{}] * 4, {"c": values}), asked)
    if want is None:
        want = [0, 1, 0, 1]
    assert found.yes == yes
    assert [None if np.isnan(v) else v for v in found.values.tolist()] == want


def test_a_guess_is_said_and_can_be_turned_round() -> None:
    found = outcome_of(MemoryCorpus([{}] * 2, {"winner": ["model_a", "model_b"]}), "winner")
    assert found.notes == (
        "winner has two values: model_a counts as yes, model_b as no; "
        "--outcome winner=model_b turns that round",
    )
    assert outcome_of(MemoryCorpus([{}] * 2, {"ok": ["pass", "fail"]}), "ok").notes == ()


@pytest.mark.parametrize(
    ("meta", "asked", "says"),
    [
        ({"c": [1.0] * 60}, "c", "every document has the same c"),
        ({"c": list(range(60))}, "c", "it numbers them"),
        ({"c": [f"id-{i}" for i in range(60)]}, "c", "it names the documents"),
        ({"c": ["bad", "ok", "good"] * 20}, "c", "3 values, and nobody says which"),
        ({"c": ["safe", "unsafe", "error"] * 20}, "c", "3 values, and nobody says which"),
        ({"c": [f"value {i % 50}" for i in range(60)]}, "c", "50 values.*--outcome c='value 0'"),
        ({"c": [float("nan")] * 60}, "c", "no document has a c: all 60"),
        ({"c": [None] * 57 + [1.0, 2.0, 3.0]}, "c", "3 documents have a c"),
        ({"c": ["yes", "no"] * 30}, "c=maybe", r"no document has c = 'maybe'; it has: no \(30\), yes \(30\)"),
        ({"c": ["x" * 80 + str(i % 9) for i in range(60)]}, "c", "it holds texts"),
        ({}, "text", "it is the text itself"),
        ({}, "n_tokens", "it is the length"),
        ({}, "scroe", "no column 'scroe'"),
        ({}, "=", "outcome names a column"),
    ],
)
def test_what_is_no_outcome_is_refused_in_one_line(meta, asked, says) -> None:
    with pytest.raises(InputError, match=says) as error:
        saetext.diff(MemoryCorpus([{0: (1.0, 0)}] * 60, meta), outcome=asked)
    assert "\n" not in str(error.value)


def test_options_that_contradict_each_other_are_refused() -> None:
    corpus = corpus_of(*planted(1, 20, 2))
    for options in (
        {"by": "score"},
        {"null": 3},
        {"against": "max"},
        {"pair_on": "prompt_id", "group": "id"},
    ):
        with pytest.raises(InputError):
            saetext.diff(corpus, outcome="score", **options)
    with pytest.raises(InputError, match="one corpus"):
        saetext.diff(corpus, corpus, outcome="score")
    with pytest.raises(InputError, match="occurs twice"):
        saetext.diff(corpus, outcome="score", pair_on="id")


def test_a_misspelt_column_is_told_before_anything_is_encoded(tmp_path) -> None:
    from saetext_cli.main import app
    from typer.testing import CliRunner

    file = tmp_path / "rated.jsonl"
    file.write_text('{"text": "One answer.", "score": 1}\n{"text": "Another one.", "score": 2}\n')
    done = CliRunner().invoke(app, ["diff", str(file), "--outcome", "scroe"])
    assert isinstance(done.exception, InputError) and "did you mean score?" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["rated.jsonl"]


def test_of_two_answers_the_winner_is_known_by_column_or_place() -> None:
    def of(values, names=("response_a", "response_b"), asked="winner"):
        a = MemoryCorpus([{}] * len(values), {"winner": values})
        b = MemoryCorpus([{}] * len(values), {"winner": values})
        return winner_of([a, b], names, asked).values.tolist()

    assert of(["model_a", "model_b", "tie"]) == [1, 0, 0.5, 0, 1, 0.5]
    assert of(["response_b", "response_a"]) == [0, 1, 1, 0]
    assert of(["model_a", "b", "tie"], ("response_b", "response_a")) == [0, 1, 0.5, 1, 0, 0.5]
    assert of(["1", "model_2"], ("answer_2", "answer_1")) == [0, 1, 1, 0]
    assert of(["good", "poor"], ("good", "poor")) == [1, 0, 0, 1]
    assert of(["left", "other"], asked="winner=left") == [1, 0, 0, 1]
    with pytest.raises(InputError, match="does not say which"):
        of(["x", "y"])
    with pytest.raises(InputError, match="no row has winner = 'letf'; it has: left"):
        of(["left", "other"], asked="winner=letf")


def test_models_keep_the_rows_of_a_prompt_together() -> None:
    prompt, length, has, outcome = planted(12, 20, 3)
    order = np.random.default_rng(0).permutation(60)
    corpus = corpus_of(prompt[order], length[order], has[order], outcome[order])
    setting = setting_of([corpus], outcome_of(corpus, "score"), DiffRequest(outcome="score"))
    models = Models.of(setting)
    unit = setting.design.unit[models.rows]
    assert len(np.flatnonzero(np.diff(unit))) == 19
    assert set(unit[: models.cut]).isdisjoint(unit[models.cut :])
