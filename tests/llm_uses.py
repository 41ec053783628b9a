"""Two small corpora that differ, and every command that asks a language model about them; for tests."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_cli import Run, saetext
from tiny_reader import WORDS, tiny, write_jsonl

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabel, FeatureLabels, identity

MODEL = "tiny"
SEARCH = ["search", "a.corpus", "topic", "--lexical"]
DIFF = ["diff", "a.corpus", "b.corpus", "--llm", "--families", "features", "--judged", "5"]

# names of clusters are asked for in test_cli_cluster.py, which has clusters
USES: dict[str, list[str]] = {
    "label": ["label", "a.corpus", "--method", "llm"],
    "score": ["label", "a.corpus", "--score"],
    "diff": DIFF,
    "grades": [*SEARCH, "--rerank", "3"],
    "weights": [*SEARCH, "--rerank-features"],
}
PRINTS_JSON = ("diff", "grades", "weights")


def make(home: Path) -> None:
    """Make a.corpus, b.corpus and labels of a.corpus in the working directory."""
    draw = random.Random(0)
    for name, words in (("a", WORDS[:6]), ("b", WORDS[6:])):
        rows = [
            {"id": f"{name}{i}", "text": " ".join(draw.choice(words[3 * (i % 2) :][:3]) for _ in range(8))}
            for i in range(90)
        ]
        write_jsonl(home / f"{name}.jsonl", rows)
        assert saetext("encode", f"{name}.jsonl", *tiny().options, "-o", f"{name}.corpus").code == 0
    corpus = Corpus.open("a.corpus")
    made = [FeatureLabel(f, f"topic {f}", source="file:mine") for f in range(64)]
    FeatureLabels.from_rows(made, identity(corpus.spec.sae())).write(Path("a.corpus/labels.parquet"))


def command(use: str, url: str, *more: str) -> Run:
    """Run one of the uses against an endpoint."""
    chosen = ["--features", five_features()] if use in ("label", "score") else []
    return saetext(*USES[use], *chosen, "--base-url", url, "--model", MODEL, *more)


def five_features() -> str:
    """Return features that are neither rare nor in nearly every text, so that they can be scored."""
    support = np.asarray((Corpus.open("a.corpus").csr() > 0).sum(0)).ravel()
    return ",".join(map(str, np.flatnonzero((support >= 18) & (support <= 72))[:5]))


def table_of_labels() -> pl.DataFrame:
    return pl.read_parquet("a.corpus/labels.parquet")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make what the commands need, once in a module that imports this."""
    home = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SAETEXT_CACHE", str(home.parent / "cache"))
        make(home)
        yield home


@pytest.fixture(autouse=True)
def copied(made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put it into each test's directory; import this and ``place``."""
    shutil.copytree(made, place, dirs_exist_ok=True)
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("saetext.reader.sentences.available", lambda: False)
