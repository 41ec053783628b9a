"""The embedder against transformers' own forward pass with mean pooling."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from saetext.reader import embedded
from saetext.reader import sentences as embed
from saetext.reader.sentences import Embedder

pytestmark = pytest.mark.skipif(not embed.available(), reason="needs the extra 'embedded'")

TEXTS = [
    "Sorry about that.",
    "",
    "   \n ",
    "The quick brown fox jumps over the lazy dog, and then it sleeps under the old tree.",
    "über-naïve café 東京 🙂",
    "word " * 400,  # 256 tokens count
    "an" + "ti" * 300,  # one long word: a single unknown token
    "a \ud800 b",  # a lone surrogate, which no tokenizer takes
    *(f"text number {i} " * (i % 7) for i in range(30)),
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


def by_transformers(texts: list[str]) -> np.ndarray:
    """One text at a time, no padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    place = embedded.find_model()
    tokenizer, model = (
        AutoTokenizer.from_pretrained(place, trust_remote_code=False),
        AutoModel.from_pretrained(place, trust_remote_code=False).eval(),
    )
    found = []
    for text in texts:
        valid = text.replace("\ud800", "?")
        inputs = tokenizer(valid, truncation=True, max_length=256, return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(dim=0)
        found.append((mean / mean.norm()).numpy())
    return np.stack(found)


def test_equals_mean_pooling_of_the_whole_model(embedder: Embedder) -> None:
    done: list[int] = []
    vectors = embedder.embed(TEXTS, done.append)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), embed.WIDTH)
    assert sum(done) == len(TEXTS)
    np.testing.assert_allclose(vectors, by_transformers(TEXTS), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_batches_do_not_change_the_vectors(embedder: Embedder) -> None:
    small = Embedder(embedder._model, token_budget=64)
    np.testing.assert_allclose(small.embed(TEXTS), embedder.embed(TEXTS), atol=2e-6)
    assert embedder.embed([]).shape == (0, embed.WIDTH)


def test_what_is_alike_in_meaning_is_near(embedder: Embedder) -> None:
    query, near, far = embedder.embed(["apologising", "saying sorry for a mistake", "a recipe for soup"])
    assert query @ near > query @ far + 0.2


def test_a_damaged_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from saetext.errors import ReaderError

    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    shutil.copytree(embedded.find_model(), model)
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    monkeypatch.setattr(embedded, "find_model", lambda: str(model))
    with pytest.raises(ReaderError, match="is not the published"):
        Embedder.load(device="cpu")


def test_asking_whether_it_is_there_loads_nothing() -> None:
    program = (
        "import sys\nfrom saetext.reader import sentences\n"
        "print(sentences.available(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


def test_without_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(embedded, "find_model", lambda: embedded.MODEL)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    assert not embed.available()


def test_pieces_of_words(embedder: Embedder) -> None:
    assert embedder.pieces("an apology, 17 times_over") == [
        ("an", 1),
        ("apology", 1),
        ("times", 1),
        ("over", 1),
    ]
    assert embedder.pieces("zorbleflax")[0][1] >= 3 and embedder.pieces("17 + 4") == embedder.pieces("") == []


def test_a_vocabulary_knows_what_is_close(embedder: Embedder) -> None:
    """Labels, themes and detectors of the embedded reader, against cosines computed one by one."""
    from saetext.analysis.search.asked import Vocabulary
    from saetext.analysis.search.by_detector import means_detector
    from saetext.analysis.search.unanswered import is_unanswered
    from saetext.features.detectors import shipped
    from saetext.features.label_index import LabelIndex
    from saetext.features.labels import FeatureLabel, FeatureLabels
    from saetext.features.theme_index import ThemeIndex
    from saetext.features.themes import Themes

    names = ["sorry, pardon and sympathy", "cooking and recipes"]
    labels = LabelIndex(FeatureLabels.from_rows([FeatureLabel(3 + f, name) for f, name in enumerate(names)]))
    themes = Themes.load("embedded")
    known = Vocabulary(embedder, labels, ThemeIndex(themes, 4096, embedder.embed), shipped())

    asked = known.asked("the writer is sorry")
    parts = [embedder.embed([text])[0] for text in ("the writer is sorry", "sorry")]
    mean = (parts[0] + parts[1]) / np.linalg.norm(parts[0] + parts[1])
    np.testing.assert_allclose(asked.vector, mean, atol=1e-5)
    assert asked.feature.tolist() == [3, 4] and asked.pieces == 1
    cosines = [float(embedder.embed([name])[0] @ mean) for name in names]
    np.testing.assert_allclose(asked.similarity, cosines, atol=1e-5)
    like = [float(embedder.embed([f"{t.name}. {t.description}"])[0] @ mean) for t in themes]
    best = themes[int(np.argmax(like))]
    assert asked.theme is not None and asked.theme[0] is best and asked.themed is not None
    np.testing.assert_allclose(asked.themed[list(best.features)], max(like), atol=1e-5)
    assert not is_unanswered(asked)

    lists, poems = known.asked("items are listed one by one"), known.asked("sorrowful and lonely")
    meant = means_detector(lists)
    assert meant is not None and meant[0].name == "list" and means_detector(poems) is None
    assert poems.detector is not None and poems.detector[0].name == "poetry"
    strange = known.asked("zorbleflax quintupling")
    assert is_unanswered(strange) and strange.pieces >= 3 and strange.closest
