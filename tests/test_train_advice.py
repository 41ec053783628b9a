"""What ``saetext train`` says: the command it prints reads texts; many passes are told before they begin."""

from __future__ import annotations

import json
import re
import shlex
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from saetext_cli.main import app, main
from test_training import documents
from tiny_models import save_model
from typer.testing import CliRunner

from saetext.corpus import Corpus
from saetext.errors import SaetextWarning
from saetext.reader import embedded
from saetext.reader.reader import Reader
from saetext.training.config import TrainConfig
from saetext.training.optimisation import MANY_PASSES, train_sae

FEW = ["--features", "32", "-k", "3", "--steps", "4", "--batch", "64", "--window", "32", "--tokens", "900"]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "some texts.jsonl"
    file.write_text("".join(json.dumps({"text": d.text}) + "\n" for d in documents(60)), "utf-8")
    return file


def trained(source: Path, output: Path, *options: str) -> tuple[str, list[str]]:
    """Train; return what was told, and the command that it says to run, for ``source``."""
    done = CliRunner().invoke(app, ["train", str(source), "-o", str(output), *FEW, *options])
    assert done.exit_code == 0, done.output
    told = " ".join(done.stderr.split())
    [advice] = re.findall(r"read texts with it: (saetext encode .*)", done.stderr)
    words = shlex.split(advice)
    assert words[0] == "saetext" and "FILE" in words
    return told, [str(source) if word == "FILE" else word for word in words[1:]]


@pytest.mark.parametrize("model", ["default", "directory", "pickled"])
def test_the_printed_command_reads_texts(source: Path, tmp_path: Path, model: str) -> None:
    options: list[str] = []
    if model != "default":
        place = save_model("bert", tmp_path / "a model", num_hidden_layers=2)
        options = ["--model", str(place), "--layer", "1"]
    if model == "pickled":
        import torch
        from safetensors.torch import load_file

        torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
        (place / "model.safetensors").unlink()
        options.append("--trust-pickle")
    _, command = trained(source, tmp_path / "my sae", *options)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "calibrating" not in done.stderr
    corpus = Corpus.open(tmp_path / "some texts.jsonl.corpus")
    assert corpus.n_documents == 60
    if model == "default":  # a name that finds it again on any machine
        assert corpus.spec.model == embedded.MODEL
        assert corpus.spec.revision == f"sha256:{embedded.WEIGHTS_SHA256}"
        cfg = json.loads((tmp_path / "my sae" / "cfg.json").read_text("utf-8"))
        assert cfg["metadata"]["model_name"] == embedded.MODEL
        card = json.loads((tmp_path / "my sae" / "card.json").read_text("utf-8"))
        assert card["model"] == embedded.MODEL
        again = Reader.from_spec(corpus.spec, {s: corpus.calibration(s) for s in corpus.saes})
        assert again.spec.identity() == corpus.spec.identity()


def test_the_summary_says_passes_and_threads(source: Path, tmp_path: Path) -> None:
    told, _ = trained(source, tmp_path / "a")
    threads = json.loads((tmp_path / "a" / "card.json").read_text("utf-8"))["training"]["threads"]
    plural = "" if threads == 1 else "s"
    assert f"on {threads} thread{plural}: 0.3 passes over 900 tokens" in told, told
    assert "fits these texts" not in told


def test_many_passes_are_told_before_training_begins(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["train", str(source), "-o", str(tmp_path / "a"), *FEW, "--steps", "400"]
    monkeypatch.setattr("sys.argv", ["saetext", *more])
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert not ended.value.code
    told = " ".join(capsys.readouterr().err.split())
    warning = re.search(r"warning: 400 steps are 28 passes over 900 tokens: .*? 10 passes\)", told)
    assert warning and "--steps 140" in warning.group() and "more text" in warning.group(), told
    assert told.index("28 passes over") < told.index("trained in")


def test_the_figures_of_the_warning() -> None:
    """The case of the issue: 5,000 steps of 4,096 tokens over 16,600 are 1,234 passes."""
    x = np.random.default_rng(0).standard_normal((166, 4)).astype(np.float32)
    config = TrainConfig(d_sae=8, k=1, batch=41, steps=5000)
    begun: list[int] = []

    class Stop(BaseException):
        pass

    def stop(step: int, steps: int, figures: object) -> None:
        begun.append(step)
        raise Stop

    with pytest.warns(SaetextWarning, match="5,000 steps are 1,235 passes over 166 tokens") as caught:
        with pytest.raises(Stop):
            train_sae(x, config, stop)
        assert begun == [10]
    assert "--steps 40 makes 10 passes" in str(caught[0].message)
    assert len(str(caught[0].message)) < 300
    fine = TrainConfig(d_sae=8, k=1, batch=41, steps=40)
    assert MANY_PASSES >= 40 * 41 / 166
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_sae(x, fine)
