"""The list of findings of several sets: against a comparison of two, of nothing, and of what was planted."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from cluster_factory import Stored

import saetext
from saetext.analysis.differences import DiffRequest, DiffResult, counting
from saetext.analysis.differences.asked import resolve
from saetext.analysis.differences.contrast import contrasts
from saetext.analysis.differences.result import FOUND_OF_SEVERAL
from saetext.analysis.differences.sentences import sentences
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.report.console.differences import render_diff
from saetext.report.html.differences import render_diff_page
from saetext.report.html.gathering import diff_page

N, D = 150, 8
NAMES = ("plain", "sorry", "bold")
LABELS = FeatureLabels.from_rows([FeatureLabel(i, f"the feature of set {i}") for i in range(D)])
SUBJECTS = ("rain", "cars", "bread", "music", "chess", "bees", "maps", "rivers")
#: What of two sets is called otherwise.
OF_TWO = {"n": "n_a", "rate": "rate_a", "rate_rest": "rate_b"}


def made(paired: bool = False, seed: int = 0) -> list[Stored]:
    """Three sets: the second apologises, the third writes in bold and more; each has a feature of its own."""
    rng = np.random.default_rng(seed)
    sets = []
    for number in range(3):
        value = rng.random((N, D)) < 0.2
        value[:, number] = rng.random(N) < 0.8
        sorry, bold = rng.random(N) < (0.05, 0.6, 0.05)[number], rng.random(N) < (0.05, 0.05, 0.6)[number]
        longer = rng.random(N) < (0.2, 0.2, 0.9)[number]
        told = [
            f"We speak of {SUBJECTS[i % 8]} and {SUBJECTS[(3 * i + 1) % 8]} today, case {number}{i}. "
            + ("Unfortunately more is not known. " if sorry[i] else "It is as it is. ")
            + ("This is **very** clear. " if bold[i] else "This is very clear. ")
            + ("And so on it goes for quite some time until it ends at last." if longer[i] else "")
            for i in range(N)
        ]
        meta = {"prompt_id": list(range(N))} if paired else {}
        lengths = [len(text.split()) for text in told]
        sets.append(Stored(value.astype(float), told=told, n_tokens=lengths, meta=meta))
    return sets


def together(sets: Sequence[Stored]) -> Stored:
    """Return the rows of several sets as one."""
    whole = Stored(np.concatenate([s.value for s in sets]), peak=np.concatenate([s.peak for s in sets]))
    frames = [
        s.frame.with_columns(pl.format("{}-{}", pl.lit(i), "id").alias("id")) for i, s in enumerate(sets)
    ]
    whole.frame = pl.concat(frames)
    return whole


@pytest.fixture(scope="module")
def result() -> DiffResult:
    return saetext.diff(*made(), names=NAMES, labels=LABELS, top=None)


@pytest.mark.parametrize("paired", [False, True], ids=["independent", "by prompt"])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_set_against_all_others_is_a_comparison_of_two(first: int, paired: bool) -> None:
    """The first of several sets has the halves of the two; q, over all sets, is larger or smaller."""
    sets = made(paired)
    order = [first, *(i for i in range(3) if i != first)]
    several = saetext.diff(
        *(sets[i] for i in order), names=[NAMES[i] for i in order], labels=LABELS, top=None
    )
    rest = together([sets[i] for i in order[1:]])
    two = saetext.diff(sets[first], rest, names=(NAMES[first], "rest"), labels=LABELS, top=None)
    assert several.params["design"] == two.params["design"] == ("by prompt" if paired else "independent")
    assert several.found is not None and two.found is not None
    exact = ("rate", "rate_rest", "n", "diff", "ci_low", "ci_high", "auc", "adjusted_diff", "confirmed",
             "diff_confirm", "q_confirm", "name")  # fmt: skip
    by_key = {(row["kind"], row["term"], row["feature"]): row for row in two.found.to_dicts()}
    both = 0
    for row in several.found.filter(pl.col("set") == NAMES[first]).to_dicts():
        other = by_key.get((row["kind"], row["term"], row["feature"]))
        if other is None:  # of another q it may stand in one list alone
            assert not row["confirmed"]
            continue
        both += 1
        for key in exact:
            assert row[key] == pytest.approx(other[OF_TWO.get(key, key)]), (row["name"], key)
    assert both >= 2
    for family in two.families[1:]:
        mine = next(one for one in several.families if one.name == family.name)
        assert mine.table is not None and family.table is not None and mine.tested == family.tested
        of_set = mine.table.filter(pl.col("set") == NAMES[first]).sort("term")
        alone = family.table.sort("term")
        for key in ("term", "rate", "rate_rest", "p", "adjusted_diff", "confirmed", "diff_confirm"):
            assert of_set[key].equals(alone[OF_TWO.get(key, key)], null_equal=True), (family.name, key)


def test_q_is_over_the_terms_of_all_sets(result: DiffResult) -> None:
    for family in result.families[1:]:
        assert family.table is not None
        p = np.sort(family.table["p"].to_numpy())
        # Benjamini and Hochberg by hand
        adjusted = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
        assert np.allclose(np.sort(family.table["q"].to_numpy()), np.minimum(adjusted, 1))
        assert len(p) == 3 * family.tested


def test_rates_are_those_of_counting(result: DiffResult) -> None:
    assert result.found is not None and result.found.columns == list(FOUND_OF_SEVERAL)
    sets = made()
    rows = result.found.to_dicts()
    bold = next(row for row in rows if row["term"] == "bold" and row["set"] == "bold")
    share = {
        name: np.mean(["**" in text for text in corpus.frame["text"]])
        for name, corpus in zip(NAMES, sets, strict=True)
    }
    assert bold["rates"] == pytest.approx(share) and bold["rate"] == pytest.approx(share["bold"])
    assert bold["rate_rest"] == pytest.approx((share["plain"] + share["sorry"]) / 2)
    for row in rows:
        assert row["rate"] == row["rates"][row["set"]]
        if row["kind"] == "feature":
            has = [float((corpus.value[:, row["feature"]] > 0).mean()) for corpus in sets]
            assert list(row["rates"].values()) == pytest.approx(has)


def test_what_was_planted_in_each_set_is_named_of_it(result: DiffResult) -> None:
    assert result.found is not None
    found = result.found.filter(pl.col("diff") > 0)
    names = {name: found.filter(pl.col("set") == name)["name"].to_list() for name in NAMES}
    assert any("Unfortunately" in name for name in names["sorry"][:2])
    assert "bold" in names["bold"][:3]
    longer = "more words than the median document"  # named, or behind a phrase that all of those have
    of_bold = found.filter(pl.col("set") == "bold").select("name", "members").rows()
    assert any(longer in (name, *members) for name, members in of_bold)
    own = found.filter(pl.col("set") == "plain").row(0, named=True)
    assert own["feature"] == 0
    told = sentences(result)
    assert len(told) == 3 + 2
    assert told[0].startswith(f"plain has more of: {own['name']} (8")
    assert told[1].startswith("sorry has more of: ") and "Unfortunately" in told[1]
    assert told[2].startswith("bold has more of: ") and "bold (" in told[2]
    a, b, c = (int(np.median(corpus.frame["n_tokens"])) for corpus in made())
    assert told[3].startswith(f"The median document has {a} tokens in plain, {b} in sorry and {c} in bold")
    assert "differences of a set from all others were found on one half" in told[4]


def test_the_first_of_each_set_come_first(result: DiffResult) -> None:
    """Or one set that differs much would fill the first screen."""
    assert result.found is not None
    late = (result.found["length"] == "yes").fill_null(False)
    assert late.to_list() == sorted(late.to_list())
    early = result.found.filter(~late)
    assert set(early["set"][:3]) == set(NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_four_random_parts_of_one_pile_have_nothing_listed(seed: int) -> None:
    pile = together(made(seed=seed))
    order = np.random.default_rng(seed).permutation(3 * N)
    parts = [pile.take(np.sort(part)) for part in np.array_split(order, 4)]
    result = saetext.diff(*parts, labels=LABELS)
    assert result.found is not None and result.found.height == 0
    assert sentences(result)[0] == "Nothing was found that differs."
    assert "finding " not in render_diff(result)


def test_words_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    true = counting.count_terms

    def counted(*given: object) -> object:
        calls.append(given)
        return true(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("saetext.analysis.differences.families.count_terms", counted)
    saetext.diff(*made(), labels=LABELS)
    assert len(calls) == 1


def test_a_sample_is_of_the_same_documents_for_all_sets() -> None:
    request = DiffRequest(sample=120, labels=LABELS)
    for paired in (False, True):
        asked = resolve(made(paired), request)
        live = [contrast.design.side >= 0 for contrast in contrasts(asked)]
        assert all(np.array_equal(live[0], other) for other in live)
        assert 0 < live[0].sum() <= 120
        units = np.bincount(np.tile(np.arange(N), 3)[live[0]], minlength=N)
        assert not paired or set(units) == {0, 3}


@pytest.mark.parametrize("against", ["mean", "max"])
def test_the_order_is_that_of_what_was_asked_for(against: str) -> None:
    result = saetext.diff(*made(), names=NAMES, labels=LABELS, against=against)
    assert result.found is not None
    first = result.found.head(3)
    assert set(first["set"]) == set(NAMES)
    for row in first.to_dicts():
        others = [rate for name, rate in row["rates"].items() if name != row["set"]]
        assert row["rate"] > max(others)


def test_json_and_features_alone(result: DiffResult) -> None:
    short = saetext.diff(*made(), names=NAMES, labels=LABELS, top=2)
    whole = json.loads(short.to_json())
    assert list(whole) == ["kind", "params", "metrics", "findings", "rows"] and len(whole["findings"]) == 2
    assert set(whole["findings"][0]["rates"]) == set(NAMES)
    assert set(whole["metrics"]["median_tokens"]) == set(NAMES)
    assert whole["metrics"]["found"] == result.metrics["found"]
    alone = saetext.diff(*made(), names=NAMES, labels=LABELS, families="features")
    assert alone.found is None and alone.families == () and "findings" not in json.loads(alone.to_json())
    assert alone.table.equals(saetext.diff(*made(), names=NAMES, labels=LABELS).table)


def test_the_table_of_features_says_what_length_explains() -> None:
    rng = np.random.default_rng(8)
    sets = []
    for number in range(3):
        long = rng.random(400) < (0.1, 0.1, 0.9)[number]
        value = rng.random((400, D)) < 0.2
        value[:, 0] = rng.random(400) < np.where(long, 0.9, 0.05)
        sets.append(Stored(value.astype(float), n_tokens=np.where(long, 300, 30).tolist()))
    alone = saetext.diff(*sets, names=NAMES, labels=LABELS, families="features")
    text = re.sub(r"\s+", " ", render_diff(alone))
    assert "L differs, explained by length" in text
    assert "the median document has 30 tokens in plain, 30 in sorry and 300 in bold" in text


@pytest.mark.parametrize("width", [40, 72, 100, 140])
@pytest.mark.parametrize("color", [False, True])
def test_the_first_screen(result: DiffResult, width: int, color: bool) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", render_diff(result, width, color, top=4))
    lines = plain.splitlines()
    assert max(map(len, lines)) <= width
    flat = re.sub(r"\s+", " ", plain)
    assert "sorry has more of: " in flat and "The median document has " in flat and "tokens in plain" in flat
    at = next(i for i, line in enumerate(lines) if line.startswith("finding"))
    assert all(name in " ".join(lines[at : at + 2]) for name in NAMES)
    shown = [line for line in lines[at + 1 :] if re.search(r"\d[+−]([L? ]|$)", line)]
    assert len(shown) == 4  # as many descriptions as were asked for
    assert ("AUC" not in plain and "«" in plain) or color


def test_the_page(result: DiffResult) -> None:
    sets = made()
    page = diff_page(result, sets, LABELS, findings=6)
    assert result.found is not None
    assert [one.row["label"] for one in page.findings] == [
        f"{row['set']}: {row['name']}" for row in result.found.to_dicts()
    ]
    first = page.findings[0].row
    assert (first["rate_a"], first["rate_b"]) == (result.found["rate"][0], result.found["rate_rest"][0])
    assert page.summary[:5] == sentences(result)
    assert page.heat_map is not None and page.heat_map.sets == NAMES
    assert page.heat_map.values[0] == tuple(result.found["rates"][0].values())
    html = render_diff_page(page)
    assert "Unfortunately" in html and not re.search(r">(None|nan)<", html)
    words = next(table for table in page.tables if table.title == "Words")
    assert words.columns[:2] == ("term", "set") and words.rows[0][1] in NAMES


def test_texts_that_are_not_stored_leave_features() -> None:
    sets = made()
    for corpus in sets:
        corpus.frame = corpus.frame.with_columns(pl.lit(None, pl.String).alias("text"))
    result = saetext.diff(*sets, labels=LABELS)
    assert result.found is not None and set(result.found["kind"]) == {"feature"}
    assert result.found["snippet"].null_count() == result.found.height
    assert "has more of" in render_diff(result)


def test_many_sets_are_not_a_sentence_each() -> None:
    sets = []
    for number in range(13):
        rng = np.random.default_rng(number)
        value = rng.random((40, 13)) < 0.1
        value[:, number] = rng.random(40) < 0.9
        sets.append(Stored(value.astype(float), n_tokens=[30] * 40, told=[None] * 40))
    result = saetext.diff(
        *sets, labels=FeatureLabels.from_rows([FeatureLabel(i, f"of {i}") for i in range(13)])
    )
    told = sentences(result)
    assert told[0].startswith("a has more of: of 0 (") and told[9].startswith("j has more of: of 9 (")
    assert told[10] == "3 more sets differ from the others: see the list." and len(told) == 13
    assert max(map(len, render_diff(result, 80).splitlines())) <= 80


def test_what_a_set_shares_with_another_is_not_what_is_said_of_it() -> None:
    """Of three sets a and b have a feature, c has not; b alone has another one, which differs less."""
    rng = np.random.default_rng(2)
    sets = []
    for number in range(3):
        value = rng.random((300, D)) < 0.2
        value[:, 0] = rng.random(300) < (0.9, 0.97, 0.0)[number]
        value[:, 1] = rng.random(300) < (0.2, 0.6, 0.2)[number]
        sets.append(Stored(value.astype(float), n_tokens=[30] * 300, told=[None] * 300))
    result = saetext.diff(*sets, labels=LABELS)
    assert result.found is not None
    of_b = result.found.filter((pl.col("set") == "b") & (pl.col("diff") > 0))
    assert of_b["name"][0] == "the feature of set 0"  # it differs most
    told = sentences(result)
    assert told[1].startswith("b has more of: the feature of set 1 (")
    assert told[2].startswith("c has less of: the feature of set 0 (0 against ")


def test_a_set_of_few_documents_among_many() -> None:
    """Of which a sample may leave none."""
    sets = made()
    few = sets[0].take(np.arange(2))
    for sample in (None, 20):
        result = saetext.diff(few, *sets[1:], labels=LABELS, sample=sample)
        assert result.found is not None and set(result.found["set"]) <= {"a", "b", "c"}
        assert len(sentences(result)) >= 2
