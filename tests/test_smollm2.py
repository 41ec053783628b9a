"""The reader ``smollm2`` as it ships: complete, offline, and it sees what the default reader cannot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

import saetext
from saetext.features.known_labels import shipped_labels
from saetext.features.peaks.naming import LOOSE
from saetext.features.themes import KINDS, Themes
from saetext.io.cache import file_sha256
from saetext.reader import smollm2 as about
from saetext.reader.shipped import READERS, SMOLLM2, Shipped

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

SENTENCES = [
    "The river runs through the old town",
    "She keeps three cats in a small flat",
    "We walked to the market before noon",
    "The meeting was moved to next week",
    "He paints the fence every summer",
    "They sell bread and cheese on the square",
    "My brother fixed the roof last year",
    "The train to the coast was late again",
    "Our teacher told us about the moon",
    "The soup needs a little more salt",
    "Nobody heard the phone in the kitchen",
    "A storm broke the window of the shop",
]


def test_its_files_are_the_published_ones_and_fit_together() -> None:
    weights = SMOLLM2.home / "sae_weights.safetensors"
    assert file_sha256(weights) == SMOLLM2.sae_sha256 == about.SAE_SHA256
    assert file_sha256(SMOLLM2.labels_path) == SMOLLM2.labels_sha256
    assert file_sha256(SMOLLM2.themes_path) == SMOLLM2.themes_sha256
    stored = load_file(weights)
    assert stored["W_enc"].shape == (576, 8192) and stored["W_dec"].shape == (8192, 576)
    assert {str(values.dtype) for values in stored.values()} == {"float16"}
    spec, card = SMOLLM2.sae_spec, json.loads((SMOLLM2.home / "card.json").read_text())
    assert spec.hook == card["hook"] == "blocks.14.hook_resid_post" and spec.d_sae == 8192
    calibration = SMOLLM2.load_calibration()
    assert len(calibration) == 8192 and float(np.max(calibration.density)) < 0.15
    assert SMOLLM2.cfg["metadata"]["norm_limit"] == card["attention_sinks"]["norm_limit"] > 0


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_cards_say_what_the_benchmarks_measured(reader: Shipped) -> None:
    def results(name: str) -> Any:
        return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))

    card = json.loads((reader.home / "card.json").read_text("utf-8"))
    measured, probes, crisp = card["measured"], results("probe_readers"), results("crisp")[reader.name]
    assert measured["probes"]["linear"] == probes[reader.name]["mean_auc"]["linear"]
    assert measured["probes"]["best_single_feature"] == probes[reader.name]["mean_auc"]["single"]
    assert measured["probes"]["both_readers_side_by_side"] == probes["side by side"]["mean_auc"]
    assert measured["crisp"]["mean"] == crisp["mean_auc"]
    assert measured["crisp"]["each"] == {name: found["auc"] for name, found in crisp["phenomena"].items()}
    nouns = results("nouns")[reader.name]["share 0.01"]
    assert measured["nouns"]["phi_at_least_.5"] == nouns["phi at least 0.5"]
    assert measured["nouns"]["phi_at_least_.7"] == nouns["phi at least 0.7"]
    speed = results("encode_readers")[reader.name]
    assert measured["speed"]["tokens_per_cpu_second"] == speed["speed"]["b saetext"]["tokens_per_cpu_second"]
    labels = shipped_labels(reader)
    assert labels is not None and card["limits"]
    loose = [label for label in labels if label.label.startswith(LOOSE)]
    scores = [label.score for label in labels if label.score is not None]
    assert abs(np.mean(scores) - card["labels"]["scored"]["mean_balanced_accuracy"]) < 0.002
    assert len(loose) == card["labels"]["loose"]


def test_its_labels_and_themes_cover_the_sae() -> None:
    labels, themes = shipped_labels(SMOLLM2), Themes.load("smollm2")
    assert labels is not None and labels.about["weights_sha256"] == about.SAE_SHA256
    assert [label.feature for label in labels] == list(range(8192))
    assert all(label.label and label.source == "reading" for label in labels)
    assert SMOLLM2.themes_path.read_bytes() == themes.text().encode()
    times = Counter(feature for theme in themes for feature in theme.features)
    rest = themes.named("other").features
    assert max(times.values()) == 1
    assert sorted([*times, *rest]) == list(range(8192)), "each feature has a theme, or is in 'other' alone"
    assert {theme.kind for theme in themes} == set(KINDS)


CHANGES: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "capitals": (lambda text: f"{text}.", lambda text: f"{text}.".upper()),
    "emoji": (lambda text: f"{text}. 😀", lambda text: f"{text}. 😡"),
    "line breaks": (lambda text: f"{text}. {text}.", lambda text: f"{text}.\n\n{text}."),
    "bold": (lambda text: f"{text}.", lambda text: f"**{text}.**"),
    "indentation": (lambda text: f"x = 1\ny = '{text}'", lambda text: f"x = 1\n    y = '{text}'"),
}


@pytest.mark.slow
def test_it_sees_what_the_default_reader_cannot(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default reader is uncased, and knows neither emoji nor line breaks; a feature must tell each."""
    monkeypatch.setenv("SAETEXT_CACHE", str(smollm2))
    seeing = saetext.Reader("smollm2", device="cpu")
    blind = saetext.Reader("embedded", device="cpu")
    for name, (before, after) in CHANGES.items():
        sides = [[change(text) for text in SENTENCES] for change in (before, after)]
        told = [_largest_difference(seeing, sides), _largest_difference(blind, sides)]
        assert told[0] >= 11 / 12, f"{name}: {told[0]:.2f}"
        if name != "bold":
            assert told[1] == 0, f"{name}: the default reader tells them apart: {told[1]:.2f}"


@pytest.mark.slow
@pytest.mark.parametrize(("change", "word"), [("emoji", "emoji"), ("line breaks", "line")])
def test_what_tells_a_change_of_layout_is_called_so(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch, change: str, word: str
) -> None:
    """Strong contexts of such features show rare characters: labels after them mislead."""
    monkeypatch.setenv("SAETEXT_CACHE", str(smollm2))
    reader, labels = saetext.Reader("smollm2", device="cpu"), shipped_labels(SMOLLM2)
    assert labels is not None
    rates = [_rates(reader, [make(text) for text in SENTENCES]) for make in CHANGES[change]]
    telling = np.flatnonzero(np.abs(rates[1] - rates[0]) >= 11 / 12).tolist()
    assert len(telling) >= 2
    assert [labels.label(f) for f in telling if word not in labels.label(f)] == []


def _rates(reader: saetext.Reader, texts: list[str]) -> np.ndarray:
    """float64[features]: in which share of the texts each feature is present."""
    rows = reader.read(texts).rows[reader.spec.sae().name]
    return np.bincount(rows.feature, minlength=reader.spec.sae().d_sae) / len(texts)


def _largest_difference(reader: saetext.Reader, sides: list[list[str]]) -> float:
    """Return by how much the presence of a feature differs most between two lists of texts."""
    before, after = (_rates(reader, texts) for texts in sides)
    return float(np.abs(before - after).max())


@pytest.mark.slow
def test_a_corpus_of_it_is_encoded_and_compared_offline(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(smollm2))
    sets = []
    for side, end in (("plain", "."), ("happy", ". 😀")):
        rows = [{"id": str(i), "text": text + end} for i, text in enumerate(SENTENCES)]
        path = tmp_path / f"{side}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        sets.append(saetext.encode(path, tmp_path / f"{side}.corpus", reader="smollm2"))
    assert dict(sets[0].spec.source) == {"kind": "shipped", "name": "smollm2"}
    assert sets[0].spec.revision.startswith("sha256:")
    result = saetext.diff(*sets, pair_on="id")
    told = result.table.filter(pl.col("q") < 0.05)
    assert told.height and float(told["diff"].abs().max()) == 1.0
