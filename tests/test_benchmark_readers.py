"""Benchmarks that set readers side by side: their helpers against cases counted by hand, and tiny runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from benchmark_modules import importing
from scipy.sparse import csr_matrix


@pytest.fixture(scope="module")
def load() -> Iterator[Any]:
    with importing() as load:
        yield load


def test_the_list_has_five_hundred_nouns_each_once(load: Any) -> None:
    known = load("nouns").nouns()
    forms = [form for noun in known for form in noun.forms]
    assert len(known) == 500 and len(set(forms)) == len(forms)
    assert {"children", "stories", "churches", "days", "knives"} & set(forms) >= {"children", "churches"}
    of = load("nouns").plural
    assert [of(w) for w in ("city", "day", "box", "hero", "video", "bus")] == [
        *("cities", "days", "boxes", "heroes", "videos", "buses"),
    ]


def test_passages_are_drawn_until_every_noun_has_enough(load: Any) -> None:
    module = load("nouns")
    known = [module.Noun("cat", ("cat", "cats")), module.Noun("dog", ("dog", "dogs"))]
    texts = ["A cat.", "Cats and dogs", "a dogma", "the dog", "my cat", "no"]
    having = module.having(known, texts)
    assert having == [[0, 1, 4], [1, 3]]
    assert module.drawn(having, 2) == [0, 1, 3] and module.drawn(having, 1) == [1]


def test_phi_of_a_table_counted_by_hand(load: Any) -> None:
    """Against the correlation of a sample in which both classes are repeated to the same size."""
    truth = np.array([True] * 4 + [False] * 6)
    present = np.array([[1, 0], [1, 0], [1, 1], [0, 0], *[[0, 1]] * 2, *[[0, 0]] * 3, [1, 0]], np.float32)
    found = load("nouns").weighted_phi(csr_matrix(present), truth)
    repeated = np.concatenate([np.repeat(np.arange(4), 3), np.repeat(np.arange(4, 10), 2)])
    slow = [np.corrcoef(present[repeated, i], truth[repeated])[0, 1] for i in range(2)]
    np.testing.assert_allclose(found, slow, atol=1e-12)
    assert not load("nouns").weighted_phi(csr_matrix(np.zeros((10, 1), np.float32)), truth).any()
    as_they_are = load("nouns").weighted_phi(csr_matrix(present), truth, 0.4)
    plain = [np.corrcoef(present[:, i], truth)[0, 1] for i in range(2)]
    np.testing.assert_allclose(as_they_are, plain, atol=1e-12)


def test_a_feature_is_chosen_on_one_half_and_measured_on_the_other(load: Any) -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(400) < 0.2
    noise = rng.random((400, 30)) < 0.1
    noise[:, 17] = truth
    ((feature, phi),) = load("nouns").scored(csr_matrix(noise.astype(np.float32)), [truth])
    assert feature == 17 and phi == pytest.approx(1)
    noise[:, 17] = False  # chance alone: what is chosen on one half is worth little on the other
    assert load("nouns").scored(csr_matrix(noise.astype(np.float32)), [truth])[0][1] < 0.4


def test_every_phenomenon_is_found_where_it_is(load: Any) -> None:
    module = load("crisp")
    cases = {
        "emoji": ("Well done 🎉", "Well done"),
        "bold": ("a **b** c", "a * b ** c"),
        "list with - or *": ("Two:\n- a", "a - b"),
        "numbered list": ("So:\n1. a", "in 1. a"),
        "heading": ("## Title", "a # b"),
        "code fence": ("Look:\n```py\nx\n```", "a `x`"),
        "inline code": ("use `x` here", "```\nx\n```"),
        "line break": ("a\nb", "a b"),
        "blank line": ("a\n\nb", "a\nb"),
        "all capitals": ("STOP it", "Stop I AM"),
        "lower case at the start": ("hello. There", "Hello"),
        "question at the end": ("Right?", "Right? Yes."),
        "exclamation": ("Oh!", "Oh."),
        "refusal": ("I’m unable to help", "I can help"),
        "apology": ("Sorry, no", "no"),
        "opening: sure": ("Sure! Yes", "I am sure"),
        "let me know": ("Let me know!", "know me"),
        "as an AI": ("As an AI language model", "an AI"),
        "unfortunately": ("Unfortunately, no", "fortunately"),
        "wait": ("Yes. Wait, no", "We wait"),
        "but": ("Yes. But no", "Yes, but no"),
        "let me": ("Let me see", "let me know"),
        "digits": ("a 3", "three"),
        "quotation": ('He said "yes sir"', "it's"),
        "link": ("see https://x.y", "see x.y"),
        "table": ("| a | b |", "a | b"),
    }
    assert set(cases) == set(module.PHENOMENA)
    for name, (yes, no) in cases.items():
        assert module.truths([yes, no])[name].tolist() == [True, False], name


def test_the_best_feature_is_measured_on_other_texts(load: Any) -> None:
    values = np.array([[0, 1.0], [2, 0], [3, 0], [0, 0], [1, 0], [0, 5.0]], np.float32)
    truth = np.array([False, True, True, False, True, False])
    first = np.array([True, True, True, False, False, False])
    found = load("crisp").scored(csr_matrix(values), truth, first)
    assert found == {"feature": 0, "auc": 1.0}


def test_activations_are_those_of_texts_read_alone(load: Any) -> None:
    from saetext.reader.reader import Reader

    module = load("readers")
    reader = Reader("embedded", device="cpu", dtype="float32")
    texts = ["Sorry, I cannot do that.", "   ", "A volcano erupted near the village."]
    read = module.activations(reader, module.documents_of(texts))
    bare = reader.with_calibrations({"embedded": reader.calibrations["embedded"].without_thresholds()})
    for row in (0, 2):
        mine = bare.read(texts[row]).rows["embedded"]
        np.testing.assert_array_equal(read.values[row].indices, mine.feature)
        np.testing.assert_allclose(np.expm1(read.values[row].data), mine.value, rtol=1e-3)
        present = reader.read(texts[row]).rows["embedded"]
        assert set(read.present[row].indices) == set(present.feature)
    assert read.values[1].nnz == 0 and read.values.shape[0] == 3
    with pytest.raises(SystemExit, match="calibrate"):
        module.activations(_without_thresholds(reader), module.documents_of(texts))


def _without_thresholds(reader: Any) -> Any:
    from saetext.reader.parts import LoadedSae
    from saetext.reader.reader import Reader

    (sae,) = reader.saes.values()
    bare = LoadedSae(sae.name, sae.origin, sae.encoder, None)
    return Reader.of_parts(reader.model, [bare], reader.tokens, name="bare", source={})


def test_crisp_and_nouns_run(load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sure = [f"Sure! Here are {i} reasons to go and look at the old town." for i in range(10)]
    plain = [f"The weather is fine, and in {i} days the air will clear." for i in range(10)]
    texts = [*sure, *plain]
    ids = [str(i) for i in range(len(texts))]
    frame = pl.DataFrame({"id": ids, "text": texts, "prompt_id": ids, "prompt": ["Why?"] * len(texts)})
    for name in (
        *("alpaca_eval_outputs", "selfinstruct_outputs", "reasoning_sentences", "goemotions", "politeness"),
        *("ag_news_test", "imdb_counterfactual", "nltk_properties", "onestop_levels"),
    ):
        frame.write_parquet(tmp_path / f"{name}.parquet")
    out = tmp_path / "crisp.json"
    load("crisp").main(
        [str(tmp_path), "--reader", "embedded", "--each", "4", "--mixed", "20", "-o", str(out)]
    )
    saved = json.loads(out.read_text())["embedded"]
    assert saved["phenomena"]["opening: sure"]["auc"] == 1.0 and "emoji" in saved["left_out"]
    assert saved["with_it"]["opening: sure"] == 10
    assert "digits" in saved["left_out"]  # in all texts

    nouns = load("nouns")
    some = tmp_path / "nouns.txt"
    some.write_text("# of the texts above\ntown\nair -\n")
    monkeypatch.setattr(nouns.nouns, "__defaults__", (some,))
    out = tmp_path / "nouns.json"
    nouns.main([str(tmp_path), "--reader", "embedded", "--passages", "6", "-o", str(out)])
    saved = json.loads(out.read_text())["embedded"]
    assert saved["nouns"] == 2 and saved["share 0.5"]["phi at least 0.5"] == 2
    with pytest.raises(SystemExit, match="town"):
        nouns.main([str(tmp_path), "--reader", "embedded", "--passages", "11"])
