"""Without the optional packages: analyses of finished corpora run, and what is missing is one line."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hidden import HIDING, hide
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from saetext.errors import InputError, ReaderError, SaetextError
from saetext.io.extras import EXTRAS, READER_STACK, installed, require, require_reader

ROOT = Path(__file__).parents[1]
OPTIONAL = [
    *READER_STACK,
    *("tokenizers", "huggingface_hub", "sentence_transformers", "transformer_lens", "sympy"),
    *("httpx", "openai", "tenacity", "yaml", "datasets"),
    *(module for modules in EXTRAS.values() for module in modules),
]
# runs commands in one process without the packages in `hidden`: a JSON line of each, [code, out, err]
COMMANDS = """
import contextlib, io, json, os, sys
from saetext_cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv, code = ["saetext", *arguments], 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
assert not hidden & {name.split(".")[0] for name in sys.modules}
"""


def run(place: Path, commands: list[list[str]], hidden: list[str]) -> list[tuple[int, str, str]]:
    program = f"hidden = {set(hidden) or 'set()'}\n{HIDING}\n{COMMANDS}"
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        cwd=place,
        env=os.environ | {"SAETEXT_CACHE": str(place / "cache"), "HF_HUB_OFFLINE": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, encoded_examples: Path) -> Path:
    """A directory with the example's two corpora, as the command line has encoded them."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ("gentle", "brisk"):
        shutil.copytree(encoded_examples / "examples" / f"{name}.jsonl.corpus", folder / name)
    return folder


ANALYSES = [
    ["info", "gentle", "--verify"],
    ["show", "gentle", "cooking-01-gentle", "--json"],
    ["diff", "gentle", "brisk", "--json"],
    ["export", "gentle", "-o", "matrix.npz"],
    ["readers", "gpt2"],
]
# what goes by labels that mean nearly the same finds them by their words here
OTHERS = [
    ["correlate", "gentle", "--json"],
    ["diff", "gentle", "brisk", "--html", "diff.html"],
    ["correlate", "gentle", "--html", "pairs.html"],
    ["cluster", "gentle"],
    ["search", "gentle", "apology"],
    ["index", "gentle"],
    ["features", "gentle", "polite"],
]


def _settled(out: str) -> Any:
    """Return what was printed without what only the time or the sentence model decides."""
    try:
        content = json.loads(out)
    except ValueError:
        return out
    return {k: v for k, v in content.items() if "seconds" not in k} if isinstance(content, dict) else content


@pytest.mark.slow
def test_finished_corpora_are_analysed_without_torch_transformers_and_sae_lens(place: Path) -> None:
    without = run(place, ANALYSES, OPTIONAL)
    (place / "matrix.npz").unlink()
    for command, bare, full in zip(ANALYSES, without, run(place, ANALYSES, []), strict=True):
        assert bare[0] == 0, (command, bare[2])
        assert _settled(bare[1]) == _settled(full[1]), command
    for command, (code, _, err) in zip(OTHERS, run(place, OTHERS, OPTIONAL), strict=True):
        assert code == 0, (command, err)
    for name in ("diff.html", "pairs.html"):
        assert "Content-Security-Policy" in (place / name).read_text("utf-8")


IN_ITS_OWN = [
    ["diff", "gentle", "brisk", "--pair-on", "prompt_id", "--json"],
    ["correlate", "gentle", "--json"],
    ["cluster", "gentle", "--json"],
    ["search", "gentle", "apology", "--json"],
]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_analyses_run_in_an_environment_of_what_the_page_installs(place: Path, tmp_path: Path) -> None:
    """A virtual environment of the packages in docs/dependencies.md and what they need, and no torch."""
    page = (ROOT / "docs/dependencies.md").read_text("utf-8")
    [line] = re.findall(r"pip install (numpy[^\n]*)", page)
    python = _environment(line.split(), tmp_path / "venv")
    program = f"hidden = {set(OPTIONAL) - {'yaml'}!r}\n{ABSENT}\n{COMMANDS}"
    done = subprocess.run(
        [str(python), "-c", program, json.dumps(IN_ITS_OWN)],
        cwd=place,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        | {"SAETEXT_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    printed = [json.loads(row) for row in done.stdout.splitlines()]
    assert [(code, err) for code, _, err in printed if code] == []
    diff, correlate, cluster, search = (json.loads(out) for _, out, _ in printed)
    assert diff["metrics"]["found"] > 300 and len(diff["findings"]) == 20
    assert correlate["rows"] and cluster["rows"] and search["rows"]


ABSENT = """
import importlib.util, sys
there = [name for name in sorted(hidden) if importlib.util.find_spec(name) is not None]
assert sys.prefix != sys.base_prefix and not there, (sys.prefix, there)
"""


def _environment(names: list[str], folder: Path) -> Path:
    """Make an environment with links to packages, what they need, and saetext; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    todo, known = list(names), set()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in known:
            continue
        known.add(name)
        installed_here = importlib.metadata.distribution(name)
        needs = map(Requirement, installed_here.requires or ())
        todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        for top in {file.parts[0] for file in installed_here.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(installed_here.locate_file(top))).resolve())
    for package in (ROOT / "saetext", ROOT / "cli" / "saetext_cli"):
        (site / package.name).symlink_to(package)
    return python


READING = "saetext: reading texts needs torch and transformers: pip install torch transformers\n"
MISSING = [
    (["read", "hello"], READING),
    (["encode", "gentle.jsonl", "-o", "other"], READING),
    (["train", "gentle.jsonl", "-o", "sae", "--model", "gpt2", "--layer", "8"], READING),
    (["calibrate", "embedded", "gentle.jsonl"], READING),
    (["features", "embedded/nothing", "12"], READING),
    (
        ["label", "gentle", "--method", "llm", "--base-url", "http://127.0.0.1:1/v1", "--model", "tiny"],
        "pip install 'saetext[llm]'\n",
    ),
    (["encode", "gentle.jsonl", "-o", "other", "--engine", "ray"], "pip install 'saetext[ray]'\n"),
    (["cluster", "gentle", "--png", "map.png"], "pip install 'saetext[pictures]'\n"),
    (["cluster", "gentle", "--html", "map.html"], "pip install 'saetext[maps]'\n"),
]


def test_what_is_missing_is_one_line(place: Path) -> None:
    (place / "gentle.jsonl").write_bytes((ROOT / "examples/gentle.jsonl").read_bytes())
    found = run(place, [command for command, _ in MISSING], OPTIONAL)
    for (command, ending), (code, out, err) in zip(MISSING, found, strict=True):
        assert code == 1 and out == "" and err.endswith(ending), (command, code, out, err)
        [line] = [line for line in err.splitlines() if line.startswith("saetext: ")]
        assert line.count("pip install") == 1
    assert not (place / "map.png").exists() and not (place / "map.html").exists()


@pytest.mark.parametrize(("extra", "module"), [(e, m) for e, modules in EXTRAS.items() for m in modules])
def test_each_extra_is_named_where_its_package_is_missing(
    extra: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extra != "ray":  # which `make` does not install
        assert installed(module)
        require(module, extra, "this")
    hide(monkeypatch, module)
    assert not installed(module)
    package = module.replace("_", "-")
    with pytest.raises(InputError) as caught:
        require(module, extra, "this", error=InputError)
    assert str(caught.value) == (
        f"this needs {package}, which is not installed: pip install 'saetext[{extra}]'"
    )


@pytest.mark.parametrize("module", READER_STACK)
def test_the_python_interface_says_it_too(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, module)
    names = ("saetext.reader.reader", "saetext.reader.stack")
    for name in names:
        for loaded in names:
            monkeypatch.delitem(sys.modules, loaded, raising=False)
        with pytest.raises(ReaderError, match=r"pip install torch transformers$"):
            importlib.import_module(name)
    with pytest.raises(ReaderError, match="reading texts needs torch and transformers"):
        require_reader()


def test_an_endpoint_is_not_asked_without_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.io.llm import ChatClient

    hide(monkeypatch, "httpx2")
    with pytest.raises(SaetextError, match=r"asking a language model needs httpx2.*saetext\[llm\]"):
        ChatClient("http://127.0.0.1:1/v1", "tiny")


def test_only_what_an_extra_brings_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="does not bring"):
        require("numpy", "llm", "this")


def test_whoever_imports_torch_says_first_that_it_is_missing() -> None:
    for path in (ROOT / "saetext").rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        heavy = ("import torch", "import transformers", "from torch", "from transformers")
        torch = [i for i, line in enumerate(lines) if line.startswith(heavy)]
        if torch:
            guard = [i for i, line in enumerate(lines) if line.startswith("import saetext.reader.stack")]
            assert guard and guard[0] < torch[0], path
