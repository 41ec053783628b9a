"""Detectors: probabilities against a slow sum, pages that go round or are refused, and their uses."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus
from test_cli import place, saetext

from saetext.analysis.differences import diff
from saetext.corpus.rows import PooledRows
from saetext.errors import IncompatibleError, InputError
from saetext.features.detectors import (
    LONGEST,
    Detector,
    fit,
    load,
    long_share,
    of_such_length,
    presence,
    quality,
    resolved,
    score,
    shipped,
)
from saetext.features.detectors.fitting import threshold_for
from saetext.features.detectors.making import make
from saetext.features.detectors.scoring import one_named, score_rows

__all__ = ["place"]


def detector(corpus: Any, **changes: Any) -> Detector:
    sae = corpus.spec.sae()
    made = Detector(
        "loud", "a loud text", "It shouts.", sae.origin, sae.weights_sha256, sae.d_sae,
        np.array([0, 3], np.int32), np.array([2.0, -1.5]), np.array([0.5, 2.0]), -0.25, 0.1, 1.5, -0.2, 0.5,
        {"held out": 0.9}, {"texts": 3},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def dense(seed: int = 0, n: int = 60) -> tuple[np.ndarray, DenseCorpus]:
    rng = np.random.default_rng(seed)
    value = (rng.random((n, 5)) * 2 * (rng.random((n, 5)) < 0.5)).astype(np.float32)
    value[0] = 0
    return value, DenseCorpus(value)


def pooled(corpus: DenseCorpus) -> PooledRows:
    return PooledRows.concatenate(list(corpus.rows(None)))


def slow(row: list[float], d: Detector) -> float:
    n = sum(v > 0 for v in row)
    if n == 0:
        return 0.0
    total = d.bias + d.length_weight * math.log(1 + n)
    for feature, weight, scale in zip(d.features, d.weights, d.scales, strict=True):
        total += weight * min(row[feature] / scale, 1.0)
    return 1 / (1 + math.exp(-(d.slope * total + d.intercept)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_probabilities_are_the_slow_sum(seed: int) -> None:
    value, corpus = dense(seed)
    made = detector(corpus)
    found = score(corpus, [made, made])
    assert found.dtype == np.float32 and found.shape == (len(value), 2)
    assert found[:, 0] == pytest.approx([slow(row.tolist(), made) for row in value], abs=1e-6)
    above = presence(corpus, [made]).toarray()[:, 0]
    assert (above > 0).tolist() == (found[:, 0] >= 0.5).tolist()


def slow_passage(rows: PooledRows, at: int, d: Detector) -> float:
    """Try every place of a text, one after the other."""
    mine = range(rows.indptr[at], rows.indptr[at + 1])
    if not len(mine):
        return 0.0
    weights = dict(zip(d.features.tolist(), zip(d.weights, d.scales, strict=True), strict=True))
    best = 0.0
    for middle in {int(rows.peak[j]) for j in mine if rows.feature[j] in weights and rows.peak[j] >= 0}:
        total = 0.0
        for j in mine:
            near = rows.peak[j] >= 0 and abs(int(rows.peak[j]) - middle) <= d.reach
            if near and int(rows.feature[j]) in weights:
                weight, scale = weights[int(rows.feature[j])]
                total += weight * min(float(rows.value[j]) / scale, 1.0)
        best = max(best, total)
    return 1 / (1 + math.exp(-(d.slope * (d.bias + best) + d.intercept)))


def placed(seed: int, n: int = 40, d_sae: int = 8, tokens: int = 30) -> PooledRows:
    """Random features at random places; some were pooled without one."""
    rng = np.random.default_rng(seed)
    blocks = []
    for _ in range(n):
        feature = np.flatnonzero(rng.random(d_sae) < rng.random()).astype(np.int32)
        value = rng.random(len(feature)).astype(np.float32) * 2
        peak = rng.integers(-1, tokens, len(feature)).astype(np.int32)
        ends = np.array([0, len(feature)], np.int64)
        blocks.append(PooledRows(ends, feature, value, value, np.ones(len(feature), np.int32), peak, peak))
    return PooledRows.concatenate(blocks)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_passage_is_the_best_of_all_places(seed: int, reach: int) -> None:
    rows = placed(seed)
    made = detector(
        dense()[1], d_sae=8, reach=reach, length_weight=0.0, features=np.array([0, 2, 3, 7], np.int32),
        weights=np.array([2.0, -1.5, 0.7, 1.1]), scales=np.array([0.5, 2.0, 1.0, 1.0]),
    )  # fmt: skip
    found = score_rows(rows, [made])[:, 0]
    assert found == pytest.approx([slow_passage(rows, at, made) for at in range(len(rows))], abs=1e-6)


def test_one_passage_counts_as_much_in_a_long_text() -> None:
    rng = np.random.default_rng(4)
    corpus = dense()[1]

    def texts(n: int, planted: bool, tokens: int) -> list[PooledRows]:
        """The property is features 1 and 2 side by side; alone and apart they mean nothing."""
        blocks = []
        for _ in range(n):
            both = planted or rng.random() < 0.6
            feature = np.append(rng.choice([0, 3, 4], 2, replace=False), [1, 2] if both else [1])
            feature = np.sort(feature).astype(np.int32)
            peak = rng.integers(0, tokens, len(feature)).astype(np.int32)
            peak[feature == 2] = peak[feature == 1] + (1 if planted else 20)
            ends = np.array([0, len(feature)], np.int64)
            ones = np.ones(len(feature), np.float32)
            blocks.append(PooledRows(ends, feature, ones, ones, ones.astype(np.int32), peak, peak))
        return blocks

    rows = PooledRows.concatenate(texts(100, True, 400) + texts(100, False, 400))
    target = np.arange(200) < 100
    held = np.arange(200) % 4 == 0
    by_passage = fit(rows, target, held, corpus.spec.sae(), name="x", title="x", reach=3)
    assert by_passage.auc["held out"] > 0.95 and by_passage.length_weight == 0 and by_passage.reach == 3
    whole = fit(rows, target, held, corpus.spec.sae(), name="x", title="x")
    assert whole.auc["held out"] < 0.85  # most texts without it have the same features


def test_no_text_and_no_detector() -> None:
    corpus = dense()[1]
    assert score(corpus, []).shape == (60, 0)
    assert score_rows(PooledRows.empty(0), [detector(corpus)]).shape == (0, 1)
    assert score_rows(PooledRows.empty(2), [detector(corpus, reach=3, length_weight=0.0)]).tolist() == [
        [0],
        [0],
    ]


def test_another_sae_is_refused() -> None:
    corpus = dense()[1]
    with pytest.raises(IncompatibleError, match="'loud' is of the features of"):
        score(corpus, [detector(corpus, weights_sha256="0" * 64)])
    assert shipped(corpus.spec) == ()
    with pytest.raises(InputError, match="no detector named 'quiet'; there are: loud"):
        one_named([detector(corpus)], "quiet")


def test_a_page_goes_round(tmp_path: Path) -> None:
    made = detector(dense()[1])
    made.write(tmp_path / "a.json")
    back = Detector.read(tmp_path / "a.json")
    assert back.to_json() == made.to_json() and back.features.dtype == np.int32
    assert "reach" not in back.to_json() and '"version":1' in back.to_json().replace(" ", "")
    near = dataclasses.replace(made, reach=6, length_weight=0.0)
    near.write(tmp_path / "near.json")
    assert Detector.read(tmp_path / "near.json").reach == 6 and '"version":2' in near.to_json().replace(
        " ", ""
    )
    made.write(tmp_path / "b.json")
    with pytest.raises(InputError, match="two detectors are named 'loud'"):
        load([tmp_path / "a.json", tmp_path / "b.json"])


@pytest.mark.parametrize(
    "changes",
    [
        {"features": [3, 0]}, {"features": [0, 5]}, {"features": [0, -1]}, {"features": [0, 3.0]},
        {"features": [0, True]}, {"features": [0]}, {"features": []}, {"weights": [1, "2"]},
        {"weights": [1, 1e999]}, {"weights": [1, float("nan")]}, {"scales": [1, 0]}, {"bias": None},
        {"calibration": {"slope": 0, "intercept": 1}}, {"calibration": []}, {"threshold": 2},
        {"name": "../x"}, {"name": 7}, {"title": ""}, {"pooling": "mean"}, {"reader": {}}, {"auc": {"x": 3}},
        {"version": 99}, {"reach": -1}, {"reach": 6}, {"reach": 2.5}, {"reach": 10**9}, {"reach": "6"},
        {"kind": "x"}, {"features": {"a": 1}}, {"made_from": "me"}, {"features": [0, 10**30]},
        {"bias": 10**400},
    ],
)  # fmt: skip
def test_a_tampered_page_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    page = json.loads(detector(dense()[1]).to_json())
    path = tmp_path / "d.json"
    path.write_text(json.dumps({**page, **changes}))
    with pytest.raises(InputError) as caught:
        Detector.read(path)
    assert "\n" not in str(caught.value) and "d.json" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{", b"[" * 100_000, b"null", b"{}"])
def test_no_page_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "d.json").write_bytes(data)
    with pytest.raises(InputError, match=r"d\.json"):
        Detector.read(tmp_path / "d.json")
    with pytest.raises(InputError, match="cannot read"):
        Detector.read(tmp_path / "missing.json")


def test_what_is_planted_is_learned() -> None:
    rng = np.random.default_rng(1)
    value = (rng.random((200, 5)) * (rng.random((200, 5)) < 0.6)).astype(np.float32)
    target = np.arange(200) < 80
    value[target, 2] += 1
    value[~target, 2] = 0
    corpus = DenseCorpus(value)
    held = np.arange(200) % 4 == 0
    made = fit(pooled(corpus), target, held, corpus.spec.sae(), name="x", title="x")
    found = score(corpus, [made])[:, 0]
    assert quality(found, target, made.threshold).auc > 0.99 and made.auc["held out"] > 0.99
    assert made.features[np.argmax(made.weights)] == 2
    again = fit(pooled(corpus), target, held, corpus.spec.sae(), name="x", title="x")
    assert again.to_json() == made.to_json()
    with pytest.raises(InputError, match="at least 8 of each"):
        fit(
            pooled(corpus).take(np.arange(20)), target[:20], held[:20], corpus.spec.sae(), name="x", title="x"
        )


def test_the_threshold_has_its_precision_at_the_base_rate() -> None:
    rng = np.random.default_rng(3)
    target = rng.random(4000) < 0.5
    score = 1 / (1 + np.exp(-(3 * target - 1.5 + rng.normal(size=4000))))
    threshold = threshold_for(score.astype(np.float32), target)
    above = score >= threshold
    recall, false = above[target].mean(), above[~target].mean()
    assert 0.1 * recall / (0.1 * recall + 0.9 * false) == pytest.approx(0.9, abs=0.03)


def test_shipped_pages_are_whole_and_fit_the_embedded_reader() -> None:
    from saetext.reader.shipped import EMBEDDED

    found = shipped()
    assert {"refusal", "apology", "table", "code"} <= {d.name for d in found}
    assert len({d.name for d in found}) == len({d.title for d in found}) == len(found)
    for each in found:
        unseen = [value for key, value in each.auc.items() if key != "held out"]
        assert max(unseen) >= 0.85 and each.d_sae == len(EMBEDDED.load_calibration().density)


def test_a_description_means_the_most_similar_detector() -> None:
    corpus = dense()[1]
    both = [detector(corpus), detector(corpus, name="quiet", title="a quiet text")]
    axes = {"a loud text": 0, "It shouts.": 1, "a quiet text": 2}

    def embed(texts: Any) -> Any:
        vectors = np.zeros((len(texts), 4), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            row[axes.get(text, 3)] = 1
        vectors[0] = [0, 0, 0.8, 0.6]
        return vectors

    found = resolved("hush", both, embed)
    assert found is not None and found[0].name == "quiet" and found[1] == pytest.approx(0.8)
    assert resolved("hush", both, embed, least=0.9) is None and resolved("hush", [], embed) is None


def test_two_sets_are_compared_by_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    """A property in 24 of 300 texts that no other text has is a significant row of its own."""
    rng = np.random.default_rng(0)
    value = (rng.random((600, 5)) * (rng.random((600, 5)) < 0.5)).astype(np.float32)
    value[:, 3] = 0
    value[300:324, 3] = 2
    sets = [DenseCorpus(value[:300]), DenseCorpus(value[300:])]
    one = detector(
        sets[0], features=np.array([3], np.int32), weights=np.array([9.0]), scales=np.array([1.0]),
        length_weight=0.0, bias=-4.0, slope=1.0, intercept=0.0,
    )  # fmt: skip
    monkeypatch.setattr("saetext.features.detectors.shipped", lambda spec, sae, topics: (one,))
    family = next(f for f in diff(*sets).families if f.name == "properties")
    assert family.table is not None and family.tested == 1 and family.significant == 1
    [row] = family.table.to_dicts()
    assert row["term"] == "a loud text" and (row["rate_a"], row["rate_b"]) == (0, 24 / 300)


def test_made_of_two_corpora(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    value = (rng.random((120, 5)) * (rng.random((120, 5)) < 0.7)).astype(np.float32)
    value[:60, 1] += 1
    made = make("x", DenseCorpus(value[:60]), DenseCorpus(value[60:]), title="x")
    assert made.auc["held out"] > 0.9 and made.made_from["seed"] == 0
    with pytest.raises(InputError, match="both like and unlike"):
        make("x", DenseCorpus(value[:60]), DenseCorpus(value[50:]), title="x")


def test_the_command_says_what_is_missing(place: Path) -> None:
    assert "refusal" in saetext("detector", "list").out
    assert [d["name"] for d in json.loads(saetext("detector", "list", "--json").out)]
    assert saetext("detector", "sing").code == 2
    assert saetext("detector", "score").code == 2
    assert saetext("detector", "make", "x", "--like", "a.jsonl").code == 2
    wrong = place / "wrong.json"
    wrong.write_text("{}")
    done = saetext("detector", "list", "--use", str(wrong))
    assert done.code == 1 and "is no detector" in done.err


@pytest.mark.parametrize(("features", "there"), [(LONGEST, True), (LONGEST + 1, False)])
def test_detectors_of_whole_texts_are_not_for_long_ones(features: int, there: bool) -> None:
    """A diff does without them where more than a fifth of the documents are too long, and says which."""
    weights = shipped()[0].weights_sha256
    sets = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        value = np.zeros((50, 4096), np.float32)
        for row, n in zip(value, [20] * 39 + [features] * 11, strict=True):
            row[rng.choice(4096, n, replace=False)] = 1
        corpus = DenseCorpus(value)
        sae = dataclasses.replace(corpus.spec.saes[0], weights_sha256=weights)
        corpus.spec = dataclasses.replace(corpus.spec, saes=(sae,))
        sets.append(corpus)
    assert long_share(sets) == (0.0 if there else 0.22)
    result = diff(*sets)
    compared = next(family.tested for family in result.families if family.name == "properties")
    whole = [detector.title for detector in shipped() if not detector.reach]
    assert compared <= len(shipped(topics=True)) - (0 if there else len(whole))
    said = f"not compared: {', '.join(whole)}. Many documents have more than 800 features"
    assert any(note.startswith(said) for note in result.notes) != there
    assert set(of_such_length(sets, shipped())) == {d for d in shipped() if there or d.reach}
