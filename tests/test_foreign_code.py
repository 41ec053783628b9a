"""No code of a model's directory is run or asked about, and nothing is unpickled but tensors.

By the syntax tree of every file of the repository, and by directories made to run code, at every command that
takes a model.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers
import typer.main
from saetext_cli.main import app
from tiny_reader import tiny
from typer.testing import CliRunner

from saetext.errors import SaetextError
from saetext.reader import embedded
from saetext.reader.configuration import read_config
from saetext.reader.language_model import LanguageModel
from saetext.reader.reader import Reader
from saetext.reader.sentences import Embedder

ROOT = Path(__file__).parents[1]
_LOADS = {"from_pretrained", "from_config"}  # of transformers; also what may download code
_MAKES = {"SentenceTransformer", "CrossEncoder", "pipeline"}
_NOT_THEIRS = {"SAE"}  # sae-lens's, which has no such argument and runs no foreign code


@functools.cache
def calls() -> list[tuple[str, str, str, dict[str, ast.expr]]]:
    """Every call in the repository: place, receiver, name, keyword arguments."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        if any(part.startswith((".", "build")) for part in path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            given = {keyword.arg or "**": keyword.value for keyword in node.keywords}
            found.append((f"{path.relative_to(ROOT)}:{node.lineno}", owner, name, given))
    return found


def is_constant(value: ast.expr | None, wanted: object) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted


def test_every_loading_call_refuses_foreign_code() -> None:
    loading = [
        (where, given)
        for where, owner, name, given in calls()
        if (name in _LOADS and owner.rpartition(".")[2] not in _NOT_THEIRS) or name in _MAKES
    ]
    assert len(loading) >= 12 and any(where.startswith("saetext") for where, _ in loading)
    wrong = [w for w, given in loading if not is_constant(given.get("trust_remote_code"), False)]
    assert not wrong
    stated = [(w, given["trust_remote_code"]) for w, _, _, given in calls() if "trust_remote_code" in given]
    assert [w for w, value in stated if not is_constant(value, False)] == []


def test_code_in_the_documentation_does_too() -> None:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for line in path.read_text("utf-8").splitlines():
            if "from_pretrained(" in line and "SAE.from_pretrained(" not in line:
                assert "trust_remote_code=False" in line, (path, line)


def test_nothing_is_unpickled_but_tensors() -> None:
    """``torch.load`` is for foreign SAEs and models alone, of tensors only; nothing is saved by torch."""
    ours = [c for c in calls() if c[0].startswith(("saetext", "cli", "benchmarks", "docs"))]
    loads = [(where, given) for where, owner, name, given in ours if (owner, name) == ("torch", "load")]
    assert {where.partition(":")[0] for where, _ in loads} == {
        "saetext/reader/checkpoint.py",
        "saetext/reader/weights.py",
    }
    assert all(is_constant(given.get("weights_only"), True) for _, given in loads)
    assert not [where for where, owner, name, _ in ours if (owner, name) == ("torch", "save")]
    pickles = [
        where for where, owner, name, _ in ours if owner in ("pickle", "dill", "joblib", "cloudpickle")
    ]
    # between a driver and processes that it has started itself; nothing of a file or a network comes there
    pipes = "saetext/encoding/engines/pipes.py:"
    assert not [w for w in pickles if w.startswith(("saetext", "cli")) and pipes not in w]
    assert not [where for where, _, _, given in ours if is_constant(given.get("allow_pickle"), True)]


# --- directories that would run code ------------------------------------------------------------------------

CODE = """
from pathlib import Path
Path({marker!r}).write_text("ran")
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
class MyConfig(PretrainedConfig):
    model_type = "mine"
    num_hidden_layers = 2
class MyModel(PreTrainedModel):
    config_class = MyConfig
class MyTokenizer(PreTrainedTokenizerFast):
    pass
"""
AUTO = {"AutoConfig": "code.MyConfig", "AutoModel": "code.MyModel", "AutoModelForCausalLM": "code.MyModel"}
TOKENIZER = {"AutoTokenizer": ["code.MyTokenizer", "code.MyTokenizer"]}
VARIANTS = ["known type", "unknown type", "no type", "tokenizer", "tokenizer of its own class", "elsewhere"]


def crafted(source: Path, place: Path, variant: str) -> tuple[Path, Path]:
    """Copy a model (its weights by link) so that it asks for its own code; return it and the marker."""
    marker = place.with_name(f"{place.name}.ran")
    place.mkdir()
    for file in source.iterdir():
        if file.is_file():
            (place / file.name).symlink_to(file)
    for name in ("code.py", "modeling_code.py", "configuration_code.py"):
        (place / name).write_text(CODE.format(marker=str(marker)))
    changes = {
        "known type": ("config.json", {"auto_map": AUTO}),
        "unknown type": ("config.json", {"auto_map": AUTO, "model_type": "mine"}),
        "no type": ("config.json", {"auto_map": AUTO, "model_type": None}),
        "tokenizer": ("tokenizer_config.json", {"auto_map": TOKENIZER}),
        "tokenizer of its own class": (
            "tokenizer_config.json",
            {"auto_map": TOKENIZER, "tokenizer_class": "MyTokenizer"},
        ),
        "elsewhere": ("config.json", {"auto_map": {k: f"some/where--{v}" for k, v in AUTO.items()}}),
    }
    name, change = changes[variant]
    content = json.loads((place / name).read_text("utf-8")) | change
    (place / name).unlink()
    (place / name).write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    return place, marker


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    yield


def test_the_directory_would_run_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control, by another name than the calls above: with trust it does, and without a word it asks."""
    place, marker = crafted(tiny().model, tmp_path / "m", "unknown type")
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda prompt="": asked.append(prompt) or "n")
    load = transformers.AutoConfig.from_pretrained
    with pytest.raises(ValueError, match="trust_remote_code"):
        load(place)
    assert len(asked) == 1 and not marker.exists()
    trusted: dict[str, bool] = {"trust_remote_code": True}
    load(place, **trusted)
    assert marker.exists()


def commands_with_models() -> dict[str, set[str]]:
    """Command -> which of ``--model`` and ``--reader`` name a language model or an SAE's directory."""
    group = typer.main.get_command(app)
    found = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        helps = {option: p.help or "" for p in command.params for option in p.opts}
        named = {o for o in ("--model", "--reader") if o in helps and "endpoint" not in helps[o]}
        if named:
            found[name] = named
    return found


def invocations(model: Path, sae: Path, texts: Path, corpus: Path, out: Path) -> dict[str, list[list[str]]]:
    both = ["--reader", str(sae), "--model", str(model)]
    return {
        "train": [
            [
                "train",
                str(texts),
                "-o",
                str(out / "sae"),
                "--model",
                str(model),
                "--features",
                "8",
                "-k",
                "2",
            ],
            ["train", str(texts), "-o", str(out / "sae2"), "--model", str(model), "--layer", "1"],
            [
                "train",
                str(texts),
                "-o",
                str(out / "sae3"),
                "--model",
                str(model),
                "--hook",
                "blocks.1.hook_z",
            ],
        ],
        "encode": [["encode", str(texts), "-o", str(out / "c.corpus"), *both]],
        "append": [["append", str(corpus), str(texts), *both]],
        "calibrate": [["calibrate", str(sae), str(texts), "--model", str(model)]],
        "read": [["read", "the quick fox", *both]],
        "features": [["features", str(sae), "--model", str(model)]],
        "explore": [],  # it serves until Ctrl-C: test_neither_does_the_explorer
        "why": [["why", str(texts), "--model", str(model), "--system-a", "a", "--system-b", "b"]],
    }


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of texts, and a corpus made from it with the honest model."""
    from saetext.encoding.encoder import encode
    from saetext.reader.thresholds.estimation import calibrate

    root = tmp_path_factory.mktemp("material")
    texts = root / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": f"the quick brown fox {i}"}) + "\n" for i in range(40)))
    import saetext

    reader = calibrate(tiny().reader(), saetext.open_documents(str(texts)), max_tokens=200)
    encode(str(texts), root / "c.corpus", reader=reader)
    return texts, root / "c.corpus"


def test_every_command_that_takes_a_model_is_tried() -> None:
    known = invocations(*[Path("x")] * 5)
    assert set(commands_with_models()) == set(known)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_command_runs_or_asks(
    variant: str, material: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, corpus = material
    shutil.copytree(corpus, tmp_path / "c.corpus")
    model, marker = crafted(tiny().model, tmp_path / "m", variant)
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail(f"it asks: {prompt}"))
    tried = 0
    for name, lines in invocations(model, tiny().sae, texts, tmp_path / "c.corpus", tmp_path).items():
        for line in lines:
            done = CliRunner().invoke(app, line, input="y\n" * 9)
            tried += 1
            assert not marker.exists(), (name, line)
            assert "y/N" not in done.output and "custom code" not in done.stdout, (name, done.output)
            assert done.exception is None or isinstance(done.exception, SaetextError | SystemExit), (
                name,
                repr(done.exception),
            )
            if done.exit_code:
                assert "\n" not in str(done.exception), name
    assert tried == 9


@pytest.mark.parametrize("variant", VARIANTS)
def test_neither_does_the_explorer(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.report.explore.writers import Writers

    model, marker = crafted(tiny().model, tmp_path / "m", variant)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    writers = Writers(str(model), str(tiny().sae), device="cpu")
    assert writers.named is not None
    with contextlib.suppress(SaetextError):
        writers.generator(writers.named)
    assert not marker.exists()


@pytest.mark.parametrize("variant", VARIANTS)
def test_neither_does_the_library(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, marker = crafted(tiny().model, tmp_path / "m", variant)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    for load in (
        lambda: read_config(model),
        lambda: LanguageModel.load(model, ["blocks.1.hook_resid_pre"], device="cpu", dtype="float32"),
        lambda: Reader.load_local(tiny().sae, model, device="cpu", dtype="float32"),
    ):
        try:
            load()
        except SaetextError as error:
            assert "\n" not in str(error)
        assert not marker.exists()


@pytest.mark.skipif(embedded.find_model() == embedded.MODEL, reason="the embedded model is not installed")
@pytest.mark.parametrize("variant", VARIANTS)
def test_sentence_models_too(variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model's directory, with its published weights, made to ask for code."""
    model, marker = crafted(Path(embedded.find_model()), tmp_path / "m", variant)
    monkeypatch.setattr(embedded, "find_model", lambda: str(model))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    for use in (lambda: Embedder.load("cpu").embed(["a text"]), lambda: Reader.load(device="cpu")):
        try:
            use()
        except SaetextError as error:
            assert "\n" not in str(error)
        assert not marker.exists()
