"""The list of what differs: its order, its names, what is folded, its examples, and how it is printed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from cluster_factory import Stored

import saetext
from saetext.analysis.differences.result import FOUND, DiffResult
from saetext.analysis.differences.sentences import sentences
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import LocalEvidence
from saetext.report.console.differences import render_diff

N, D = 400, 6
FOLLOWS, ALONE = 2, 4  # the feature that goes with the phrase, and one that differs by itself
LABELS = FeatureLabels.from_rows(
    [FeatureLabel(FOLLOWS, "goes with the phrase \x1b[31m"), FeatureLabel(ALONE, "stands alone")]
)
PHRASE = "Unfortunately more is not known."
SUBJECTS = ("rain", "cars", "bread", "music", "chess", "bees", "maps", "rivers")


def sides(paired: bool = True, seed: int = 0) -> tuple[Stored, Stored]:
    """A has a phrase, and bold words, in more documents than B; a feature goes with the phrase."""
    rng = np.random.default_rng(seed)
    made = []
    for name, phrase, bold, alone in (("a", 0.5, 0.3, 0.6), ("b", 0.1, 0.05, 0.3)):
        has, is_bold = rng.random(N) < phrase, rng.random(N) < bold
        value = rng.random((N, D)) < 0.2
        value[:, FOLLOWS] = np.where(has, rng.random(N) < 0.9, rng.random(N) < 0.05)
        value[:, ALONE] = rng.random(N) < alone
        told = [
            f"We speak of {SUBJECTS[i % 8]} and {SUBJECTS[(3 * i + 1) % 8]} today, case {name}{i}. "
            + (f"{PHRASE} " if has[i] else "It is as it is. ")
            + ("This is **very** clear." if is_bold[i] else "This is very clear.")
            for i in range(N)
        ]
        meta = {"prompt_id": list(range(N))} if paired else {}
        made.append(Stored(value.astype(float), told=told, n_tokens=[30] * N, meta=meta))
    return made[0], made[1]


def every_label_fits(*_: object, **__: object) -> dict[int, LocalEvidence]:
    return {f: LocalEvidence(("so",), 1.0, 0.9, True) for f in range(D)}


@pytest.fixture(scope="module", params=[True, False], ids=["paired", "independent"])
def result(request: pytest.FixtureRequest) -> Iterator[DiffResult]:
    a, b = sides(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saetext.analysis.differences.naming.local_evidence", every_label_fits)
        yield saetext.diff(a, b, labels=LABELS, names=("old", "new"), top=2)


def test_the_simplest_leads_and_what_says_the_same_stands_behind(result: DiffResult) -> None:
    assert result.found is not None and result.found.columns == list(FOUND)
    rows = result.found.to_dicts()
    assert rows[0]["kind"] == "word" and "Unfortunately" in rows[0]["name"]
    assert rows[0]["diff"] == pytest.approx(rows[0]["rate_a"] - rows[0]["rate_b"])
    assert any("goes with the phrase" in name for name in rows[0]["members"])
    assert rows[0]["n_members"] >= len(rows[0]["members"])
    alone = next(row for row in rows if row["feature"] == ALONE)
    assert (alone["kind"], alone["name"], alone["term"]) == ("feature", "stands alone", None)
    assert any(row["kind"] == "format" and row["term"] == "bold" for row in rows)
    assert not any(row["feature"] == FOLLOWS for row in rows)
    assert result.metrics["found"] == len(rows) > 2
    assert all("\x1b" not in name for row in rows for name in (row["name"], *row["members"]))


def test_rates_are_those_of_counting(result: DiffResult) -> None:
    assert result.found is not None
    a, b = sides(result.paired)
    bold = result.found.filter(pl.col("term") == "bold").to_dicts()[0]
    for corpus, key in ((a, "rate_a"), (b, "rate_b")):
        assert bold[key] == pytest.approx(np.mean(["**" in text for text in corpus.frame["text"]]))


def test_an_example_is_of_a_pair_in_which_one_side_has_it(result: DiffResult) -> None:
    assert result.found is not None
    first = result.found.row(0, named=True)
    assert "«" in first["snippet_a"] and "Unfortunately" in first["snippet_a"]
    if result.paired:
        assert "Unfortunately" not in first["snippet_b"]
    else:
        assert first["snippet_b"] is None


def test_json_has_the_first_findings_beside_the_rows(result: DiffResult) -> None:
    whole = json.loads(result.to_json())
    assert list(whole) == ["kind", "params", "metrics", "findings", "rows"]
    assert len(whole["findings"]) == 2
    assert whole["findings"][0]["name"] == result.found["name"][0]  # type: ignore[index]


def test_features_alone_give_no_list() -> None:
    a, b = sides()
    alone = saetext.diff(a, b, labels=LABELS, families="features")
    assert alone.found is None and "findings" not in json.loads(alone.to_json())
    assert alone.table["label"][0].startswith("goes with the phrase")
    assert sentences(alone) == []


@pytest.mark.parametrize("width", [40, 72, 100, 140])
def test_the_first_screen(result: DiffResult, width: int) -> None:
    shown = render_diff(result, width)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in shown
    flat = re.sub(r"\s+", " ", shown)
    assert "old has more of: “" in flat and "The median document has 30 tokens in old and 30 in new" in flat
    at = next(i for i, line in enumerate(lines) if line.startswith("finding"))
    assert "Unfortunately" in " ".join(lines[at + 1 : at + 3])
    named = [line for line in lines[at:] if re.search(r"[+-]\d+\.\d ", line)]
    assert len(named) == 2  # as many as were asked for


def test_two_halves_of_one_thing_have_nothing_listed() -> None:
    a, _ = sides(paired=False)
    rng = np.random.default_rng(5)
    order = rng.permutation(N)
    halves = [a.take(np.sort(part)) for part in (order[: N // 2], order[N // 2 :])]
    result = saetext.diff(*halves, labels=LABELS)
    assert result.found is not None and result.found.height == 0
    assert sentences(result)[:2] == [
        "Nothing was found that differs.",
        f"With {halves[0].n_documents} and {halves[1].n_documents} documents, "
        "only large differences can be found.",
    ]
    assert "finding " not in render_diff(result) and "only large differences" in render_diff(result)
    many = dataclasses.replace(result, metrics={**result.metrics, "documents_a": 5000, "documents_b": 5000})
    assert not any("only large" in sentence for sentence in sentences(many))


def test_texts_that_are_not_stored_leave_features() -> None:
    a, b = sides()
    for corpus in (a, b):
        corpus.frame = corpus.frame.with_columns(pl.lit(None, pl.String).alias("text"))
    result = saetext.diff(a, b, labels=LABELS)
    assert result.found is not None and set(result.found["kind"]) == {"feature"}
    assert result.found["snippet_a"].null_count() == result.found.height


def test_the_list_does_not_depend_on_how_much_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of one concept stand together, whether the table of features shows them or not."""

    def by_two(selections: object, sae: str, features: np.ndarray, **_: object) -> np.ndarray:
        return features - features % 2

    monkeypatch.setattr("saetext.analysis.differences.findings.concept_groups", by_two)
    monkeypatch.setattr("saetext.analysis.differences.naming.local_evidence", every_label_fits)
    rng = np.random.default_rng(4)
    a, b = (Stored((rng.random((N, D)) < rate).astype(float), n_tokens=[30] * N) for rate in (0.6, 0.3))
    few, every = (saetext.diff(a, b, labels=LABELS, top=top) for top in (1, None))
    assert few.found is not None and every.found is not None
    assert len(few.table) == 2 and len(every.table) == D
    features = every.found.filter(pl.col("kind") == "feature")
    assert features.height == D // 2 and features["n_members"].to_list() == [1] * (D // 2)
    assert few.found.drop("snippet_a", "snippet_b").equals(every.found.drop("snippet_a", "snippet_b"))
    assert few.metrics["found"] == every.metrics["found"]


def test_what_is_not_confirmed_is_not_told_as_a_fact(result: DiffResult) -> None:
    assert result.found is not None
    doubtful = dataclasses.replace(result, found=result.found.with_columns(confirmed=pl.lit(False)))
    assert sentences(result)[0].startswith("old has more of: ")
    likely = "Likely (q < .05), though not confirmed on held-out documents: old has"
    assert sentences(doubtful)[0].startswith(likely)
    by_length = dataclasses.replace(result, found=result.found.with_columns(length=pl.lit("yes")))
    assert sentences(by_length)[0] == "Nothing was found that differs and that length does not explain."


def test_a_finding_has_the_numbers_of_its_table(result: DiffResult) -> None:
    assert result.found is not None
    tables = {family.name: family.table for family in result.families if family.table is not None}
    known = {("word", r["term"]): r for r in tables["words"].to_dicts()}
    known |= {("format", r["term"]): r for r in tables["format"].to_dicts()}
    shared = ("n_a", "n_b", "odds_ratio", "auc", "adjusted_diff", "adjusted_q", "q_confirm")
    checked = 0
    for row in result.found.to_dicts():
        if row["kind"] == "feature":
            continue
        table = known[row["kind"], row["term"]]
        assert [row[key] for key in shared] == [table[key] for key in shared]
        checked += 1
    assert checked >= 2


def test_members_without_a_telling_name_are_counted(result: DiffResult) -> None:
    assert result.found is not None
    bare = result.found.with_columns(members=pl.lit([], pl.List(pl.String)), n_members=pl.lit(3, pl.Int64))
    text = render_diff(dataclasses.replace(result, found=bare))
    assert "also: 3 features" in text and not re.search(r"also: *$", text, re.M)
