"""What the library warns of: once per corpus and call, at the user's own line; the command line prints it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from saetext_cli.main import main
from tiny_models import HIDDEN, save_model
from tiny_reader import make_sae, some_rows, tiny, write_jsonl

import saetext
from saetext.corpus import Corpus
from saetext.corpus.notices import FEW_TOKENS
from saetext.reader.reader import Reader
from saetext.training.config import TrainConfig

EMOJI = "the fox 🦊 jumps 🦊 over the dog and runs to the house"
PLAIN = "the fox jumps over the dog and runs to the house"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, and a cache beside it."""
    home = tmp_path / "work"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return home


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An SAE and a language model whose tokenizer knows no emoji."""
    folder = tmp_path_factory.mktemp("bert")
    model = save_model("bert", folder / "model", num_hidden_layers=1)
    return make_sae(folder / "sae", hook="blocks.0.hook_resid_pre", seed=0, d_in=HIDDEN), model


@pytest.fixture
def reader(bert: tuple[Path, Path]) -> Reader:
    return Reader.load_local(*bert, device="cpu", dtype="float32")


@contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """Collect every SaetextWarning, as often as it is issued."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", saetext.SaetextWarning)
        yield found


def told(found: list[warnings.WarningMessage]) -> list[str]:
    assert {Path(w.filename) for w in found} <= {Path(__file__)}, "a warning is shown at the user's line"
    return [str(w.message) for w in found]


def make(name: str, text: str, reader: Reader, n: int = 40) -> Corpus:
    """Encode numbered variants of a text, quietly."""
    rows = [{"text": f"{text} {'the dog ' * (i % 7)}", "half": "ab"[i % 2]} for i in range(n)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return saetext.encode(rows, name, reader=reader)


def test_the_category_is_public() -> None:
    assert issubclass(saetext.SaetextWarning, UserWarning)
    assert "SaetextWarning" in saetext.__all__


def test_encode_warns_of_thresholds_unknown_tokens_and_rejects_once_each(reader: Reader) -> None:
    rows = [*({"text": EMOJI} for _ in range(6)), {"text": ""}, {"text": " "}]
    with recorded() as found:
        corpus = saetext.encode(rows, "a.corpus", reader=reader)
    tokens = corpus.manifest.counts["tokens"]
    unknown = sum(int(corpus.document(i)["n_unknown"]) for i in range(6))
    few, rejected, cannot_see = told(found)
    assert few.startswith(f"thresholds from only {tokens:,} tokens") and tokens < FEW_TOKENS
    assert rejected == "2 rows rejected (2 empty text); see a.corpus/rejects.jsonl"
    assert unknown == 12 and cannot_see.startswith(f"{unknown / tokens:.1%} of the tokens of a.corpus")
    assert {w.category for w in found} == {saetext.SaetextWarning}


def test_a_warning_names_the_line_that_called(reader: Reader) -> None:
    with recorded() as found:
        line = sys._getframe().f_lineno + 1
        saetext.encode([{"text": EMOJI}] * 3, "a.corpus", reader=reader)
    assert {w.lineno for w in found} == {line} and len(found) == 2


def test_append_warns_of_the_corpus_it_grows(reader: Reader) -> None:
    make("a.corpus", PLAIN, reader, 5)
    with recorded() as found:
        saetext.append([{"text": EMOJI}] * 20 + [{"text": ""}], "a.corpus", reader=reader)
    rejected, unknown = told(found)
    assert rejected.startswith("1 row rejected") and "are unknown to this reader" in unknown


def test_calibrate_warns_of_little_text(reader: Reader) -> None:
    from saetext.documents import Document

    documents = [Document(str(i), PLAIN, None, None, {}, i, "") for i in range(5)]
    with recorded() as found:
        saetext.calibrate(reader, documents)
    [few] = told(found)
    assert "thresholds from only" in few


def test_an_estimate_warns_of_nothing(reader: Reader) -> None:
    from saetext.documents import open_documents
    from saetext.encoding.estimate import estimate

    with recorded() as found:
        estimate(open_documents([{"text": PLAIN}] * 5), reader)
    assert told(found) == []


def test_known_thresholds_and_readable_text_warn_of_nothing(reader: Reader) -> None:
    make("a.corpus", PLAIN, reader, 5)
    with recorded() as found:
        corpus = saetext.encode([{"text": PLAIN}] * 5, "b.corpus", reader=reader)
        saetext.diff(corpus, Corpus.open("a.corpus"))
    assert told(found) == []


def test_training_warns_of_few_held_out_tokens(place: Path) -> None:
    from saetext.documents import open_documents

    config = TrainConfig(d_sae=32, k=4, batch=64, steps=3)
    with recorded() as found:
        saetext.train(
            open_documents(some_rows(60)), "sae", model=tiny().options[-1], hook="blocks.0.hook_resid_pre",
            **config.keywords(), max_tokens=2000,
        )  # fmt: skip
    [few] = told(found)
    assert "from few tokens" in few


VERBS: dict[str, tuple[Callable[[Corpus, Corpus], Any], list[str]]] = {
    "diff": (lambda a, b: saetext.diff(a, b), ["a", "b"]),
    "diff of one with itself": (lambda a, b: saetext.diff(a.select([*range(20)]), a), ["a"]),
    "diff by a column": (lambda a, b: saetext.diff(a, by="half"), ["a"]),
    "diff of three": (lambda a, b: saetext.diff(a, b, a, names=["a", "b", "c"]), ["a", "b"]),
    "correlate": (lambda a, b: saetext.correlate(a, bootstrap=0), ["a"]),
    "correlate across": (lambda a, b: saetext.correlate(a, b, pair_on="half", bootstrap=0), ["a", "b"]),
    "cluster": (lambda a, b: saetext.cluster(a, min_cluster_size=5, semantic=False, dims=4), ["a"]),
    "search": (lambda a, b: saetext.search(a, features="1:1", lexical=True), ["a"]),
    "searcher": (lambda a, b: saetext.Searcher(b.path, lexical=True), ["b"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_warning_follows_the_corpus(verb: str, reader: Reader) -> None:
    a, b = (make(f"{name}.corpus", EMOJI, reader) for name in "ab")
    call, names = VERBS[verb]
    # too little to say more: the warning came first
    with recorded() as found, contextlib.suppress(saetext.SaetextError):
        call(a, b)
    texts = told(found)
    assert len(texts) == len(names)
    for text, name in zip(texts, names, strict=True):
        assert "are unknown to this reader" in text and f"{name}.corpus" in text


def test_each_is_shown_once_to_a_python_user(place: Path, reader: Reader) -> None:
    make("a.corpus", EMOJI, reader)
    program = "import saetext\ncorpus = saetext.Corpus.open('a.corpus')\nsaetext.diff(corpus, by='half')\n"
    (place / "mine.py").write_text(program)
    done = subprocess.run([sys.executable, "mine.py"], capture_output=True, text=True, check=True)
    shown = [line for line in done.stderr.splitlines() if "SaetextWarning" in line]
    assert len(shown) == 1 and "mine.py:3: SaetextWarning: " in shown[0], done.stderr


# ---- the command line --------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    """Run a command in this process; return the lines it printed on stderr."""
    monkeypatch.setattr(sys, "argv", ["saetext", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code, capsys.readouterr().err
    return capsys.readouterr().err.splitlines()


def warned(lines: list[str]) -> list[str]:
    assert not [line for line in lines if "SaetextWarning" in line]
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def test_the_command_line_prints_each_once(
    bert: tuple[Path, Path], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sae, model = bert
    rows = [{"text": f"{EMOJI} {'the dog ' * (i % 7)}", "half": "ab"[i % 2]} for i in range(30)]
    write_jsonl(place / "a.jsonl", [*rows, {"text": ""}])
    lines = run(monkeypatch, capsys, "encode", "a.jsonl", "--reader", sae, "--model", model, "-o", "a.corpus")
    assert [text.partition(" (")[0] for text in warned(lines)][1] == "1 row rejected"
    few, _, unknown = warned(lines)
    assert "thresholds from only" in few and "unknown to this reader" in unknown
    assert sum("rejected" in line for line in lines) == 1
    assert warned(run(monkeypatch, capsys, "info", "a.corpus")) == [unknown]
    assert warned(run(monkeypatch, capsys, "diff", "a.corpus", "--by", "half")) == [unknown]
    searched = run(monkeypatch, capsys, "search", "a.corpus", "--features", "1:1", "--mode", "features")
    assert warned(searched) == [unknown]


def test_the_command_line_leaves_other_warnings_and_filters_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (warnings.showwarning, list(warnings.filters))
    run(monkeypatch, capsys, "--version")
    assert (warnings.showwarning, list(warnings.filters)) == before
