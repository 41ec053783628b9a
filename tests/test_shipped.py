"""A second reader beside the embedded one: everything about it is one line in ``saetext.reader.shipped``."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_reader import SAE, tiny, write_jsonl

import saetext
from saetext.corpus.calibration import Calibration
from saetext.errors import InputError, LabelError
from saetext.features.known_labels import reader_labels, shipped_labels
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.subject import open_subject
from saetext.features.themes import Theme, Themes
from saetext.io.cache import file_sha256
from saetext.reader.directions import decoder_of
from saetext.reader.language_model import LanguageModel
from saetext.reader.registry import entries
from saetext.reader.shipped import EMBEDDED, Shipped

THRESHOLDS = np.linspace(0.1, 1.5, 64, dtype=np.float32)


def _identity(model: LanguageModel) -> tuple[str, str]:
    return "toy/model", f"sha256:{'1' * 64}"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipped:
    """Return a reader of a tiny model that is registered as if it came with the package."""
    home = tmp_path / "toy reader"
    shutil.copytree(tiny().sae, home)
    weights = file_sha256(home / "sae_weights.safetensors")
    Calibration.from_arrays(THRESHOLDS, percentile=50.0).write(home / "card.arrow")
    about = {"weights_sha256": weights, "d_sae": 64}
    FeatureLabels.from_rows([FeatureLabel(3, "foxes")], about).write(home / "labels.parquet")
    themes = Themes((Theme("animals", "animals", "", "topic", (3, 5)),), about)
    themes.write(home / "themes.json")
    made = Shipped(
        "toy",
        home,
        "toy/model",
        lambda: str(tiny().model),
        _identity,
        {"kind": "shipped", "name": "toy"},
        weights,
        file_sha256(home / "labels.parquet"),
        file_sha256(home / "themes.json"),
    )
    monkeypatch.setattr("saetext.reader.shipped.READERS", (EMBEDDED, made))
    return made


def test_it_reads_as_the_same_parts_loaded_by_hand(toy: Shipped, tmp_path: Path) -> None:
    reader = saetext.Reader("toy", device="cpu", dtype="float32")
    by_hand = tiny().reader().with_calibrations({SAE: Calibration.from_arrays(THRESHOLDS, percentile=50.0)})
    text = "the quick brown fox jumps over a lazy dog"
    [ours], [theirs] = reader.read([text]).rows.values(), by_hand.read([text]).rows.values()
    for name in ("indptr", "feature", "value"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert (reader.spec.model, reader.spec.revision) == _identity(reader.model)
    assert dict(reader.spec.source) == {"kind": "shipped", "name": "toy"}


def test_a_corpus_of_it_is_opened_and_gone_on_with(toy: Shipped, tmp_path: Path) -> None:
    rows = [{"text": f"the fox jumps over dog {i}"} for i in range(8)]
    made = saetext.encode(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a.corpus", reader="toy")
    corpus = saetext.Corpus.open(made.path)
    again = saetext.Reader.from_spec(corpus.spec, {"toy": corpus.calibration("toy")})
    assert again.spec.identity() == corpus.spec.identity()
    with pytest.raises(InputError, match="the toy reader made this corpus; leave it out"):
        saetext.Reader.from_spec(corpus.spec, {"toy": corpus.calibration("toy")}, model="other")
    decoder = decoder_of(corpus.spec, "toy")
    assert decoder is not None
    np.testing.assert_array_equal(decoder, load_file(toy.home / "sae_weights.safetensors")["W_dec"])
    subject = open_subject(str(made.path))
    assert subject.labels.get(3).label == "foxes" and subject.load_encoder().d_sae == 64


def test_its_labels_and_themes_are_found_and_checked(toy: Shipped) -> None:
    spec = saetext.Reader("toy").spec
    assert reader_labels(spec.sae(), None).get(3).label == "foxes"
    found = Themes.for_spec(spec)
    assert found is not None and [t.name for t in found] == ["animals"]
    assert [t.name for t in Themes.load("toy")] == ["animals"]
    with pytest.raises(LabelError, match="reinstall saetext"):
        shipped_labels(dataclasses.replace(toy, labels_sha256="0" * 64))


def test_it_is_listed_and_opened_without_its_model(toy: Shipped) -> None:
    assert [e.reader for e in entries([])][:2] == ["embedded", "toy"]
    assert open_subject("toy").sae.weights_sha256 == toy.sae_sha256
    with pytest.raises(InputError, match="the toy reader has its own model"):
        open_subject("toy", model="other")
    with pytest.raises(InputError, match="the toy reader has its own language model"):
        saetext.Reader("toy", model="other")
