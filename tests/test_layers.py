"""Imports go downwards only, torch stays where DESIGN puts it, and ``import saetext`` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the bottom up: a module (or package) may import only what stands before it.
LAYERS = [
    "errors",
    "files",
    "words",
    "one_line",
    "frames",
    "strict_json",
    "rows",
    "cache",
    "spec",
    "card",
    "labels",
    "progress",
    "llm",
    "protocols",
    "language",
    "stats",
    "documents",
    "corpus",
    "notices",
    "reader",
    "embed",
    "known_labels",
    "activations",
    "train",
    "calibrate",
    "training",
    "floors",
    "targets",
    "encode",
    "opening",
    "estimate",
    "evidence",
    "present",
    "prompt_text",
    "groups",
    "plain",
    "contexts",
    "labelling",
    "hypotheses",
    "features",
    "pairing",
    "strata",
    "result",
    "diff",
    "correlate",
    "cluster",
    "search",
    "report",
    "look",
]
# Handed over when called: a result's to_json() and its like to the report, the features and labels of a
# document or a reading to what shows them.
UPWARDS = {
    ("result", "report"),
    ("corpus", "known_labels"),
    ("corpus", "present"),
    ("reader", "floors"),
    ("reader", "present"),
    ("reader", "look"),
}
TORCH = {
    "torch",
    "transformers",
    "tokenizers",
    "sae_lens",
    "transformer_lens",
    "safetensors",
    "huggingface_hub",
}
LATE = TORCH | {"sklearn", "faiss", "umap", "hdbscan", "numba", "bm25s", "datasets"}
TORCH_LIVES_IN = {"reader", "embed", "train", "training", "activations"}


@dataclass(frozen=True)
class Import:
    module: str  # that imports, with dots, below saetext
    target: str  # what is imported, in full
    when: str  # "top", "late" (inside a function) or "types" (TYPE_CHECKING)


def imports(package: Path, prefix: str) -> list[Import]:
    """Return every import in a package, ``from saetext.corpus import shard`` as ``saetext.corpus.shard``."""
    files = {path: _module(path, package.parent) for path in sorted(package.rglob("*.py"))}
    known = set(files.values())
    found = []
    for path, name in files.items():
        for target, when in _walk(ast.parse(path.read_text("utf-8")), "top"):
            parent = target.rpartition(".")[0]
            resolved = target if target in known or parent not in known else parent
            found.append(Import(name.removeprefix(f"{prefix}.") if name != prefix else "", resolved, when))
    return found


def _module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _walk(node: ast.AST, when: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        now = when
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "top":
            now = "late"
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            now = "types"
        if isinstance(child, ast.Import):
            yield from ((alias.name, now) for alias in child.names)
        if isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield from ((f"{child.module}.{alias.name}", now) for alias in child.names)
        yield from _walk(child, now)


IMPORTS = imports(ROOT / "saetext", "saetext")
INNER = [i for i in IMPORTS if i.target.split(".")[0] == "saetext" and i.when != "types" and i.module]


def layer(module: str) -> str:
    return module.split(".")[0]


def test_every_module_has_its_layer() -> None:
    there = {
        p.stem for p in (ROOT / "saetext").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert there - {"__init__"} == set(LAYERS)


def test_imports_go_downwards() -> None:
    upwards = [
        i
        for i in INNER
        if i.target != "saetext"
        and (a := layer(i.module)) != (b := layer(i.target.removeprefix("saetext.")))
        and LAYERS.index(b) >= LAYERS.index(a)
        and not ((a, b) in UPWARDS and i.when == "late")
    ]
    assert upwards == []


def test_torch_is_imported_nowhere_else() -> None:
    assert [
        i for i in IMPORTS if i.target.split(".")[0] in TORCH and layer(i.module) not in TORCH_LIVES_IN
    ] == []
    # nor through the reader, unless a function that needs a model is called
    assert [
        i
        for i in INNER
        if i.when == "top" and i.target.startswith("saetext.reader") and layer(i.module) not in TORCH_LIVES_IN
    ] == []


def test_no_module_imports_itself_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for i in INNER:
        if i.when == "top":
            edges.setdefault(f"saetext.{i.module}", set()).add(i.target)
    state: dict[str, str] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert state.get(module) != "open", " -> ".join((*path, module))
        if module in state:
            return
        state[module] = "open"
        for target in sorted(edges.get(module, ())):
            visit(target, (*path, module))
        state[module] = "done"

    for module in sorted(edges):
        visit(module, ())
    assert len(state) > 30


def test_nothing_imports_the_command_line() -> None:
    everywhere = IMPORTS + imports(ROOT / "benchmarks", "benchmarks")
    assert [i for i in everywhere if i.target.startswith(("saetext_cli", "cli"))] == []


def test_the_command_line_imports_late() -> None:
    allowed = ("saetext.errors", "saetext_cli", "typer")
    found = imports(ROOT / "cli" / "saetext_cli", "saetext_cli")
    heavy = [
        i
        for i in found
        if i.when == "top"
        and not i.target.startswith(allowed)
        and i.target.split(".")[0] not in sys.stdlib_module_names
    ]
    assert heavy == []


def python(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_saetext_is_light() -> None:
    heavy = sorted(LATE | {"polars", "pyarrow", "numpy", "scipy", "pandas", "rich", "typer"})
    loaded = python(f"import sys, saetext; print([n for n in {heavy} if n in sys.modules])")
    assert loaded == "[]\n"


def test_modules_beside_the_reader_do_not_load_torch() -> None:
    light = sorted(
        {f"saetext.{i.module}" for i in IMPORTS if i.module and layer(i.module) not in TORCH_LIVES_IN}
        # numba; imported when something is counted
        - {f"saetext.stats.{name}kernels" for name in ("", "pair_", "kept_")}
        - {"saetext.analysis.search.kernels"}
    )
    light += ["saetext.reader.embedded", "saetext.reader.names", "saetext.reader.registry"]
    assert len(light) > 30
    program = (
        f"import importlib, sys\nfor name in {light}: importlib.import_module(name)\n"
        f"print([n for n in {sorted(LATE)} if n in sys.modules])"
    )
    assert python(program) == "[]\n"


def test_the_names_a_user_types_are_all_there() -> None:
    program = (
        "import types, saetext\n"
        "for name in saetext.__all__:\n"
        "    value = getattr(saetext, name)\n"
        "    assert not isinstance(value, types.ModuleType), name\n"
        "import saetext.encode, saetext.diff\n"
        "assert callable(saetext.encode) and callable(saetext.diff) and callable(saetext.calibrate)\n"
        "print(dir(saetext) == sorted(saetext.__all__))"
    )
    assert python(program) == "True\n"
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        import saetext

        saetext.nonesuch
