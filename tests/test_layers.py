"""Imports go downwards only, torch stays where DESIGN puts it, and ``import saetext`` is light."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A room may import the floors below its own, and its neighbours without going in circles.
FLOORS = (
    {"errors", "io", "text"},
    {"documents"},
    {"corpus"},
    {"reader"},
    {"encoding", "training"},
    {"stats", "features"},
    {"analysis"},
    {"intervene"},
    {"report"},
)
TORCH = {
    "torch",
    "transformers",
    "tokenizers",
    "sae_lens",
    "transformer_lens",
    "safetensors",
    "huggingface_hub",
}
LATE = TORCH | {"sklearn", "faiss", "umap", "hdbscan", "numba", "bm25s", "datasets", "httpx2"}
TORCH_LIVES_IN = {"reader", "training", "intervene"}
# ... but not in these parts of the reader, which finished corpora need too
LIGHT_IN_READER_INNER = (
    *("reader.embedded", "reader.names", "reader.registry", "reader.published", "reader.shipped"),
    *("reader.thresholds", "reader.sentences", "reader.directions", "reader.foreign.kinds"),
)
# what renders and commands use of the interventions without running a model
LIGHT_IN_INTERVENE = ("intervene.request", "intervene.result", "intervene.texts_file")
LIGHT_IN_READER = tuple(f"saetext.{name}" for name in LIGHT_IN_READER_INNER)


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


@functools.cache
def all_imports() -> list[Import]:
    return imports(ROOT / "saetext", "saetext")


def inner() -> list[Import]:
    """Return the imports of saetext by saetext."""
    own = [i for i in all_imports() if i.target.split(".")[0] == "saetext"]
    return [i for i in own if i.when != "types" and i.module]


def room(module: str) -> str:
    return module.removeprefix("saetext.").split(".")[0]


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Return every group of nodes that reach each other, found by following each node everywhere."""
    reach: dict[str, set[str]] = {}
    for start in edges:
        seen, todo = set(), list(edges[start])
        while todo:
            if (node := todo.pop()) not in seen:
                seen.add(node)
                todo += edges.get(node, ())
        reach[start] = seen
    return [[a, b] for a in sorted(edges) for b in sorted(reach[a]) if a < b and a in reach.get(b, ())]


def test_there_are_a_dozen_rooms_at_most_and_each_has_its_floor() -> None:
    there = {
        p.stem for p in (ROOT / "saetext").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    } - {"__init__"}
    assert there == set().union(*FLOORS)
    assert len(there - {"errors"}) <= 12
    assert len(FLOORS) == 9


def test_imports_go_downwards_late_ones_too() -> None:
    upwards = [
        i
        for i in inner()
        if i.target != "saetext" and room(i.module) != room(i.target) and floor(i.target) > floor(i.module)
    ]
    assert upwards == []


def test_no_room_and_no_module_is_in_a_circle_with_another() -> None:
    rooms: dict[str, set[str]] = {}
    modules: dict[str, set[str]] = {}
    for i in inner():
        target = i.target.removeprefix("saetext.")
        modules.setdefault(i.module, set()).add(target)
        if i.target != "saetext" and room(i.module) != room(target):
            rooms.setdefault(room(i.module), set()).add(room(target))
    assert len(modules) > 100
    assert cycles(rooms) == []
    assert cycles(modules) == []
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b"], ["a", "c"], ["b", "c"]]


def test_what_is_used_by_name_is_there() -> None:
    """Each registered name is an attribute that can be called."""
    import importlib

    import saetext  # noqa: F401  # puts the names in place
    from saetext.analysis.registry import ANALYSES
    from saetext.io.provided import provided, targets

    assert len(targets()) >= 5
    for name in targets():
        assert callable(provided(name))
    for analysis in ANALYSES:
        for target in (analysis.function, analysis.request, analysis.text, analysis.page):
            if target is not None:
                module, _, attribute = target.partition(":")
                assert callable(getattr(importlib.import_module(module), attribute)), target
        assert callable(importlib.import_module(analysis.command).register)


def test_names_are_used_for_what_stands_higher_only() -> None:
    """No name stands for an import downwards, which would hide it: only what may not be imported has one."""
    import saetext  # noqa: F401
    from saetext.io.provided import targets

    used: dict[str, list[str]] = {}
    for path in (ROOT / "saetext").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "provided":
                [name] = node.args
                assert isinstance(name, ast.Constant), path
                used.setdefault(name.value, []).append(_module(path, ROOT).removeprefix("saetext."))
    assert set(used) == set(targets())
    for name, users in used.items():
        home = targets()[name].partition(":")[0]
        for user in users:  # or of a neighbour in the same room that the user would be in a circle with
            assert floor(home) > floor(user) or room(home) == room(user), (name, user)
    beside = {
        name for name, users in used.items() if room(targets()[name].partition(":")[0]) == room(users[0])
    }
    assert len(beside) <= 4


def test_no_module_bears_a_verb_s_name() -> None:
    import saetext

    verbs = {n for n in saetext.__all__ if n.islower()}
    assert {"diff", "encode", "search", "label", "train"} <= verbs
    assert not verbs & {p.stem for p in (ROOT / "saetext").iterdir()}
    program = (
        "import types, saetext, saetext.analysis.search.searcher as s, saetext.training.pipeline as t\n"
        "assert isinstance(s, types.ModuleType) and isinstance(t, types.ModuleType)\n"
        "assert type(saetext) is types.ModuleType and not isinstance(saetext.search, types.ModuleType)\n"
        "import pydoc; print('diff' in pydoc.render_doc(saetext))"
    )
    assert python(program) == "True\n"


def test_torch_is_imported_nowhere_else() -> None:
    assert [
        i for i in all_imports() if i.target.split(".")[0] in TORCH and room(i.module) not in TORCH_LIVES_IN
    ] == []
    # nor through the reader, unless a function that needs a model is called
    assert [
        i
        for i in inner()
        if i.when == "top"
        and i.target.startswith("saetext.reader.")
        and room(i.module) not in TORCH_LIVES_IN
        and not i.target.startswith(LIGHT_IN_READER)
    ] == []


def test_nothing_imports_the_command_line() -> None:
    everywhere = all_imports() + imports(ROOT / "benchmarks", "benchmarks")
    assert [i for i in everywhere if i.target.startswith(("saetext_cli", "cli"))] == []


def test_the_command_line_imports_late() -> None:
    allowed = (
        "saetext.errors",
        "saetext.io.request",
        "saetext.io.common_options",
        "saetext.analysis.registry",
        "saetext_cli",
        "typer",
    )
    allowed += ("saetext.text.terminal",)  # what every line that is printed passes: a few regular expressions
    found = imports(ROOT / "cli" / "saetext_cli", "saetext_cli")
    heavy = [
        i
        for i in found
        if i.when == "top"
        and not i.target.startswith(allowed)
        and not re.fullmatch(r"saetext(\.\w+)+\.request\.\w+", i.target)  # options alone: light
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
        {f"saetext.{i.module}" for i in all_imports() if i.module and room(i.module) not in TORCH_LIVES_IN}
        # numba; imported when something is counted
        - {f"saetext.stats.{name}kernels" for name in ("", "pair_", "kept_")}
        - {"saetext.analysis.search.kernels", "saetext.report.explore.queries.kernels"}
        - {"saetext.features.vectorizer"}  # is a class of scikit-learn's; imported when it is named
    )
    others = (*LIGHT_IN_READER_INNER, *LIGHT_IN_INTERVENE)
    light += sorted({f"saetext.{i.module}" for i in all_imports() if i.module.startswith(others)})
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
        "assert callable(saetext.encode) and callable(saetext.diff) and callable(saetext.calibrate)\n"
        "print(dir(saetext) == sorted(saetext.__all__))"
    )
    assert python(program) == "True\n"
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        import saetext

        saetext.nonesuch
