"""One way to write: whole or absent at every failure, synced, safe among processes; and no other way."""

from __future__ import annotations

import ast
import errno
import multiprocessing
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saetext.errors import CorpusError, InputError, LabelError, SaetextError
from saetext.io import files
from saetext.io.files import atomic_directory, atomic_file, atomic_path, write_atomic, writing

ROOT = Path(__file__).parents[1]
OLD, NEW = b"old", b"new" * 1000


class Stop(BaseException):
    """What nobody catches, as an interrupt."""


def by_file(path: Path) -> None:
    with atomic_file(path) as file:
        file.write(NEW)


def by_name(path: Path) -> None:
    with atomic_path(path) as beside:
        beside.write_bytes(NEW)


def at_once(path: Path) -> None:
    write_atomic(path, NEW)


WAYS = [by_file, by_name, at_once]
STEPS = ["open", "fsync", "os.replace"]


def fail(monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    if step == "open":
        monkeypatch.setattr(Path, "open", failing)
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", failing)
    else:
        monkeypatch.setattr(os, "replace", failing)
        monkeypatch.setattr(Path, "replace", failing)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), Stop()], ids=["disk", "stop"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", [True, False])
def test_a_failure_at_any_step_leaves_the_old_file_and_nothing_else(
    way: Callable[[Path], None], step: str, error: BaseException, there: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a file"
    if there:
        path.write_bytes(OLD)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(type(error)):
        fail(patch, step, error)
        way(path)
    assert [p.name for p in tmp_path.iterdir()] == (["a file"] if there else [])
    assert not there or path.read_bytes() == OLD
    way(path)
    assert path.read_bytes() == NEW and [p.name for p in tmp_path.iterdir()] == ["a file"]


@pytest.mark.parametrize("error", [OSError("late"), ValueError("of the data"), Stop()])
def test_a_failure_in_the_block_leaves_the_old_file(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(OLD)
    for opened in (atomic_file, atomic_path):
        with pytest.raises(type(error)), opened(path) as it:
            _ = it.write(NEW) if opened is atomic_file else it.write_bytes(NEW)
            raise error
    assert path.read_bytes() == OLD and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("way", WAYS)
def test_content_is_synced_before_the_rename_and_the_directory_after(
    way: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        found = os.fstat(handle)
        told.append(f"synced {'directory' if found.st_ino == tmp_path.stat().st_ino else found.st_size}")
        sync(handle)

    def replaced(source: Path, target: Path) -> Path:
        told.append("renamed")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    way(tmp_path / "a")
    assert told == ["synced 3000", "renamed", "synced directory"]


def test_files_of_a_directory_are_synced_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | str] = []
    sync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        told.append(os.fstat(handle).st_ino)
        sync(handle)

    def renamed(source: Path, target: Path) -> Path:
        told.append("renamed")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    with atomic_directory(tmp_path / "d") as made:
        (made / "in").mkdir()
        (made / "a").write_bytes(NEW)
        (made / "in" / "b").write_bytes(NEW)
    d = tmp_path / "d"
    before = {p.stat().st_ino for p in (d / "a", d / "in", d / "in" / "b", d)}
    at = told.index("renamed")
    assert set(told[:at]) == before
    assert told[at + 1 :] == [tmp_path.stat().st_ino]


@pytest.mark.parametrize("step", ["block", "fsync", "rename"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), Stop()], ids=["disk", "stop"])
def test_a_failure_leaves_no_directory(
    step: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise error

    with pytest.MonkeyPatch.context() as patch, pytest.raises(type(error)):
        if step != "block":
            patch.setattr(os, step, failing)
        with atomic_directory(tmp_path / "d") as made:
            (made / "a").write_bytes(NEW)
            if step == "block":
                raise error
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_holds_something_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    with atomic_directory(tmp_path / "d") as made:  # an empty one is
        (made / "a").write_bytes(OLD)
    with pytest.raises(OSError, match=r"not empty|exists"), atomic_directory(tmp_path / "d") as made:
        (made / "a").write_bytes(NEW)
    assert list(tmp_path.rglob("*")) == [tmp_path / "d", tmp_path / "d" / "a"]
    assert (tmp_path / "d" / "a").read_bytes() == OLD


@pytest.mark.parametrize(
    "name", ["with spaces.json", "grüße 日本語 🎈.json", "-o", "'\"", "é" * 126, "n" * 255], ids=range(6)
)
def test_any_name(name: str, tmp_path: Path) -> None:
    for way in WAYS:
        way(tmp_path / name)
        assert (tmp_path / name).read_bytes() == NEW
    with atomic_directory(tmp_path / "of it" if len(name) > 250 else tmp_path / f"{name}.d") as made:
        (made / name).write_bytes(OLD)
    assert len(list(tmp_path.iterdir())) == 2


def _write_many(path: Path, letter: str, barrier: Any) -> None:
    barrier.wait()
    for _ in range(30):
        write_atomic(path, letter.encode() * 5000)


def test_processes_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 7)  # as in two containers that share a disk
    path = tmp_path / "shared"
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_write_many, args=(path, letter, barrier)) for letter in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    content = path.read_bytes()
    assert content in {letter * 5000 for letter in (b"a", b"b", b"c")}
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_name_that_is_taken_is_let_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "00")
    with atomic_file(tmp_path / "a") as file:
        file.write(OLD)
        with pytest.raises(FileExistsError), atomic_file(tmp_path / "a"):
            pass
    assert (tmp_path / "a").read_bytes() == OLD


@pytest.mark.parametrize("raises", [CorpusError, InputError, LabelError])
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free space and run"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded; free space and run"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied; put that right and run"),
        (OSError("of a library,\n  in lines"), "of a library, in lines; put that right and run"),
    ],
)
def test_the_message_is_one_line_of_the_callers_class(
    raises: type[SaetextError], error: OSError, says: str, tmp_path: Path
) -> None:
    with pytest.raises(raises) as told, writing(tmp_path / "x", raises):
        raise error
    assert type(told.value) is raises and told.value.__cause__ is error
    assert str(told.value) == f"cannot write {tmp_path / 'x'}: {says} the same command again"


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(OLD)
    write_atomic(tmp_path / "ours", OLD)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ---- nobody else writes ------------------------------------------------------------------------------------

# Where a file may be opened for writing by other means, and why.
OTHERWISE = {
    "saetext/io/files.py": "the writer itself",
    "saetext/corpus/postings.py": "arrays mapped into a directory in the making",
    "saetext/io/xlsx_file.py": "a file in the making, by the name that its caller was given",
    "saetext/corpus/compacting.py": "journal and copies in a directory in the making",
    "saetext/corpus/merging.py": "rejects, journal and copies in a directory in the making",
    "saetext/analysis/search/indexing.py": "arrays in a directory in the making",
    "saetext/reader/added/converting.py": "a name for a file in a directory in the making",
    "saetext/training/activations.py": "what is collected grows in place, and is put in place when whole",
    "saetext/documents/remote.py": "copies of files elsewhere, in a folder that ends with the program",
    "saetext/encoding/engines/processes.py": "what a worker says on its way out, in a file without a name",
    "saetext/corpus/outbox.py": "a corpus on its way to an object store, in a folder that ends with the run",
    "saetext/io/scratch.py": "arrays of passing use, in a file without a name",
    "saetext/report/explore/queries/columns.py": "a directory that ends once it is packed for a download",
    "saetext/report/explore/opening.py": "a page that leads to the link, in a folder gone with the server",
    "cli/saetext_cli/common.py": "streams that nobody reads are opened on the null device",
}


def _writes(tree: ast.AST) -> list[str]:
    """Return what in a module renames, makes temporary names, or opens files for writing under their own."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            found += [f"imports {name}" for name in names & {"tempfile", "uuid"}]
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func)
        one = len(node.args) == 1 and not node.keywords
        if of in {"os.rename", "os.replace", "os.renames", "shutil.move", "shutil.copyfile", "shutil.copy"}:
            found.append(of)
        elif one and name in {"replace", "rename"} and not isinstance(node.args[0], ast.Dict):
            found.append(of)  # Path's: str.replace has two arguments, dataclasses.replace has keywords
        elif of.endswith((".write_text", ".write_bytes", ".mkstemp", ".mkdtemp")):
            found.append(of)
        elif name == "open":
            given = [*node.args, *(k.value for k in node.keywords if k.arg == "mode")]
            modes = [str(a.value) for a in given if isinstance(a, ast.Constant)]
            if any(re.fullmatch(r"[rwaxbt+]{1,4}", mode) and set(mode) & set("wax+") for mode in modes):
                found.append(of)
    return found


def _ours() -> list[Path]:
    return sorted([*(ROOT / "saetext").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


def test_no_other_module_writes_renames_or_makes_temporary_names() -> None:
    found = {p.relative_to(ROOT).as_posix(): _writes(ast.parse(p.read_text("utf-8"))) for p in _ours()}
    assert {name: what for name, what in found.items() if what and name not in OTHERWISE} == {}
    assert any("replace" in what for what in found["saetext/io/files.py"])


@pytest.mark.parametrize(
    "line",
    [
        "os.replace(a, b)", "part.replace(path)", "a.rename(b)", "import tempfile", "from uuid import uuid4",
        "path.write_text(x)", "path.open('wb')", "open(path, 'a')", "open(path, mode='r+b')",
        "shutil.move(a, b)",
    ],
)  # fmt: skip
def test_the_check_sees_each_way(line: str) -> None:
    assert _writes(ast.parse(line)) != []


@pytest.mark.parametrize(
    "line", ["'a'.replace('a', 'b')", "replace(x, a=1)", "f.rename({'a': 'b'})", "path.open('rb')", "open(p)"]
)
def test_the_check_leaves_others_alone(line: str) -> None:
    assert _writes(ast.parse(line)) == []
