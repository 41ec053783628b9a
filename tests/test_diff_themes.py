"""Themes are a family of a diff like words and format: the same tests, on rows with enough of a theme."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from memory_corpus import DenseCorpus
from whole_results import diff

from saetext.analysis.differences.sentences import sentences
from saetext.analysis.differences.sentences_of_several import telling_first
from saetext.features import Themes, theme_presence

N = 240


def made(rate: dict[str, float], seed: int, *, texts: bool = True, weights: str | None = None) -> DenseCorpus:
    """A corpus whose documents have all features at 1 %, and half of a theme's features at a rate."""
    themes = Themes.load("embedded")
    rng = np.random.default_rng(seed)
    value = rng.random((N, 4096)) < 0.01
    for id, share in rate.items():
        features = list(themes.named(id).features)
        value[:, features] |= (rng.random((N, 1)) < share) & (rng.random((N, len(features))) < 0.5)
    corpus = DenseCorpus(value, texts=texts)
    sae = corpus.spec.saes[0]
    known = weights or themes.made_for["weights_sha256"]
    corpus.spec = replace(corpus.spec, saes=(replace(sae, weights_sha256=known),))
    return corpus


@pytest.mark.parametrize("texts", [True, False])
def test_a_planted_theme_leads_its_family(texts: bool) -> None:
    sets = [made({"sport-games": 0.6, "food": 0.3}, 1, texts=texts), made({"music": 0.5, "food": 0.3}, 2)]
    result = diff(*sets, families="all")
    families = {family.name: family for family in result.families}
    words = ["words", "format"] if texts else []
    assert list(families) == ["features", *words, "properties", "themes"]
    themes = families["themes"]
    assert themes.table is not None and themes.tested == len(themes.table) == len(Themes.load("embedded"))
    top = themes.table.filter(pl.col("confirmed"))
    assert set(top["term"]) == {"Sport and games", "Music"} and themes.confirmed == 2
    assert dict(zip(top["term"], top["diff"] > 0, strict=True)) == {"Sport and games": True, "Music": False}
    assert themes.auc is not None and themes.auc > 0.8
    assert "themes" in result.metrics["families"]


def test_its_numbers_are_those_of_the_presence() -> None:
    sets = [made({"sport-games": 0.5}, 3), made({"law": 0.5}, 4)]
    themes = Themes.load("embedded")
    [family] = [f for f in diff(*sets, families="all").families if f.name == "themes"]
    present = theme_presence(sets, None, themes).toarray() > 0
    n_a, n_b = present[:N].sum(0), present[N:].sum(0)
    assert family.table is not None
    rows = {row["term"]: row for row in family.table.to_dicts()}
    for at, theme in enumerate(themes):
        row = rows.pop(theme.name)
        assert (row["n_a"], row["n_b"]) == (n_a[at], n_b[at])
        assert row["diff"] == pytest.approx((n_a[at] - n_b[at]) / N)
    assert not rows, "'other' is not shown"


def test_punctuation_does_not_open_the_sentences() -> None:
    """It differs more than sport, so it may lead the list, under a name that says what it is."""
    commas = "plain-punctuation"
    sets = [made({commas: 0.95, "sport-games": 0.5}, 7), made({commas: 0.1}, 8)]
    result = diff(*sets, families="all")
    assert result.found is not None
    telling = dict(result.found.select("name", "telling").rows())
    assert telling["format: Commas, stops and colons"] is False
    assert telling["Sport and games"] is True
    first = sentences(result)[0]
    assert "Sport and games" in first
    assert first.find("Commas") == -1 or first.index("Sport") < first.index("Commas")
    # where there is nothing else it is told, and all else keeps its order
    rows = [{"name": name, "telling": telling} for name, telling in (("a", False), ("b", True), ("c", False))]
    assert [row["name"] for row in telling_first(rows)] == ["b", "a", "c"]
    assert telling_first(rows[:1]) == rows[:1]
    untold = [{"name": "near “The” and others", "telling": False, "fits": False}]
    assert telling_first([*untold, *rows[:1]]) == rows[:1]
    assert telling_first(untold) == untold, "better than nothing"


def test_an_sae_without_themes_has_no_such_family() -> None:
    sets = [made({}, seed, weights="w") for seed in (5, 6)]
    assert [family.name for family in diff(*sets, families="all").families] == ["features", "words", "format"]
