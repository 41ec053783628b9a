"""Nobody reads a file or JSON but :mod:`saetext.io`: so every file is bounded, and every JSON checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Where something is read by other means, and why.
OTHERWISE = {
    "saetext/documents/text.py": "texts are streamed, from pipes too, with a bound on a row",
    "saetext/documents/pipes.py": "a named pipe is a source of texts",
    "cli/saetext_cli/printing.py": "the device that swallows what is printed to nobody",
    "saetext/documents/archives.py": "members of an archive, whose kind is looked at first, within a bound",
    "saetext/documents/columnar.py": "tables of texts, whose kind of file is looked at first",
    "saetext/documents/remote.py": "files elsewhere, copied; those of this machine are opened as others are",
    "saetext/encoding/engines/pipes.py": "pipes between a driver and the workers that it has started",
    "saetext/training/blocks.py": "activations of this run, written and mapped here",
    "saetext/analysis/search/words.py": "by bm25s, after corpus.files.require_size",
    "saetext/analysis/search/vectors.py": "by faiss, after corpus.files.require_size",
}
# Calls that read by name or parse, however they are imported.
READING = {
    "json.load", "json.loads", "open", "io.open", "os.open", "np.load", "np.memmap", "np.fromfile",
    "np.loadtxt", "numpy.load", "pq.read_table", "pq.ParquetFile", "pa.memory_map", "pa.OSFile", "gzip.open",
    "lzma.open", "bz2.open", "sparse.load_npz", "pickle.load", "pickle.loads", "tomllib.load",
}  # fmt: skip
METHODS = {"read_text", "read_bytes"}
# Libraries that open a file by its name: its kind is looked at in the same function.
BY_NAME = {"safe_open", "torch.load", "faiss.read_index", "BM25.load"}
# .open() of these is no file's
OURS = ("Corpus", "CorpusWriter", "SliceWriter", "Store", "self._bytes", "source")


def _reads(tree: ast.AST) -> list[str]:
    """Return the calls in a module that read a file, or JSON, by other means than ours."""
    return [name for function in _functions(tree) for name in _reads_in(function)]


def _functions(tree: ast.AST) -> Iterator[list[ast.Call]]:
    """Yield the calls of each function, and those outside of all."""
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in inside:
            inside.update(ast.walk(node))
            yield [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    yield [each for each in ast.walk(tree) if isinstance(each, ast.Call) and each not in inside]


def _reads_in(calls: list[ast.Call]) -> Iterator[str]:
    names = {ast.unparse(call.func) for call in calls}
    for call in calls:
        of = ast.unparse(call.func)
        receiver, _, name = of.rpartition(".")
        by_name = of.endswith(tuple(BY_NAME)) and "require_regular" not in names
        opened = name == "open" and receiver != "" and receiver not in OURS
        of_method = name in METHODS and receiver != ""
        tables = receiver == "pl" and name.startswith(("read_", "scan_")) and not _of_bytes(call)
        if not _writes(call) and (by_name or opened or of_method or tables or of in READING):
            yield of


def _writes(call: ast.Call) -> bool:
    """Return whether a mode among the arguments is one of writing: tests/test_files.py looks at these."""
    values = [*call.args, *(each.value for each in call.keywords)]
    modes = {str(value.value) for value in values if isinstance(value, ast.Constant)}
    return bool(modes & {"w", "wb", "x", "xb", "a", "ab", "r+", "r+b", "rb+", "w+", "w+b"})


def _of_bytes(call: ast.Call) -> bool:
    """Return whether polars gets bytes that were read before, not a name."""
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Name) and first.id == "content"


def _ours() -> list[Path]:
    return sorted([*(ROOT / "saetext").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


def test_nobody_else_reads_files_or_json() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): _reads(ast.parse(path.read_text("utf-8"))) for path in _ours()
    }
    others = {name: calls for name, calls in found.items() if calls and not name.startswith("saetext/io/")}
    assert {name: calls for name, calls in others.items() if name not in OTHERWISE} == {}
    assert len(found) > 250
    assert "json.loads" in found["saetext/io/json_file.py"] and "os.open" in found["saetext/io/opener.py"]


@pytest.mark.parametrize(
    "line",
    [
        "json.load(f)", "json.loads(x)", "open(p)", "open(p, 'rb')", "path.open()", "path.open('rb')",
        "path.read_text()", "(a / 'b').read_bytes()", "np.load(p, allow_pickle=False)", "np.memmap(p)",
        "torch.load(p, weights_only=True)", "safe_open(p, framework='pt')", "faiss.read_index(p)",
        "pq.read_table(p)", "pl.read_csv(p)", "pl.scan_parquet(p)", "gzip.open(p)", "os.open(p, 0)",
        "def f():\n    require_regular(p)\ndef g():\n    safe_open(p)",
    ],
)  # fmt: skip
def test_the_check_sees_each_way(line: str) -> None:
    assert _reads(ast.parse(line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "Corpus.open(p)", "read_bytes(p, most)", "load(p, shape)", "open(p, 'wb')", "pl.read_csv(content)",
        "json.dumps(x)", "def f():\n    require_regular(p)\n    safe_open(p)",
    ],
)  # fmt: skip
def test_the_check_leaves_others_alone(line: str) -> None:
    assert _reads(ast.parse(line)) == []
