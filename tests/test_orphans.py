"""What killed runs leave half-written is removed by the next run; what lives or is a stranger's, never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import dead_process
from typer.testing import CliRunner

from saetext.io import files, orphans
from saetext.io.files import atomic_directory, atomic_path, write_atomic

STRANGERS = (
    ".x.tmp",
    "y.tmp",
    ".notes.12.tmp",
    ".building-mine",
    ".building-a.1.tmp",
    ".a.b.0123abcd.tmp",
    ".a.1.0123ABCD.tmp",
    ".a.1.0123abcd.tmp~",
    "a.1.0123abcd.tmp",
)


def test_what_is_written_here_is_known_by_its_name(tmp_path: Path) -> None:
    for name in ("a", "a.b.json", "é" * 60, "n" * 255, ".hidden", "with\nbreak"):
        with atomic_path(tmp_path / name) as beside:
            assert orphans.is_ours(beside.name)
        with atomic_directory(tmp_path / "folder") as beside:
            assert orphans.is_ours(beside.name)
        (tmp_path / "folder").rmdir()
    assert not any(orphans.is_ours(name) for name in STRANGERS)


@pytest.mark.parametrize("building", ["", "building-"])
def test_what_a_dead_process_left_is_swept_and_nothing_else(tmp_path: Path, building: str) -> None:
    dead, lives = dead_process(), os.getppid()
    names = [f".{building}a.json.{dead}.0123abcd.tmp", f".{building}a.json.{lives}.0123abcd.tmp", *STRANGERS]
    for name in names:
        if building:
            (tmp_path / name).mkdir()
            (tmp_path / name / "part").write_text("half")
        else:
            (tmp_path / name).write_text("half")
    orphans.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names[1:])


def test_only_what_was_to_become_the_same_file_is_swept_in_a_users_directory(tmp_path: Path) -> None:
    dead = dead_process()
    mine, other = f".map.html.{dead}.0123abcd.tmp", f".other.html.{dead}.0123abcd.tmp"
    for name in (mine, other, ".x.tmp"):
        (tmp_path / name).write_text("half")
    write_atomic(tmp_path / "map.html", b"whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([other, ".x.tmp", "map.html"])


def test_what_another_thread_writes_stays(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        orphans.sweep(tmp_path)
        assert first.read_bytes() == b"first" and second.read_bytes() == b"second"
    with atomic_directory(tmp_path / "d") as beside:
        orphans.sweep(tmp_path)
        (beside / "part").write_bytes(b"whole")
    assert (tmp_path / "d" / "part").read_bytes() == b"whole"


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_run_that_is_killed_is_cleaned_up_by_the_next(tmp_path: Path, kind: str) -> None:
    make = "atomic_path" if kind == "file" else "atomic_directory"
    program = (
        "import sys, time; from pathlib import Path; from saetext.io.files import *\n"
        f"with {make}(Path(sys.argv[1])) as beside:\n print('ready', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a")]
    run = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert run.stdout is not None and run.stdout.readline() == b"ready\n"
    orphans.sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1  # it lives
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    write_atomic(tmp_path / "a", b"whole") if kind == "file" else _directory(tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def _directory(path: Path) -> None:
    with files.atomic_directory(path) as beside:
        (beside / "part").write_text("whole")


def test_encode_does_not_take_a_directory_that_holds_somebodys_tmp_file(tmp_path: Path) -> None:
    from saetext_cli.main import app

    (tmp_path / "a.jsonl").write_text('{"text": "The oven is hot."}\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".x.tmp").write_text("somebody's")
    done = CliRunner().invoke(app, ["encode", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "not empty (it has .x.tmp)" in str(done.exception)
    assert [(p.name, p.read_text()) for p in (tmp_path / "out").iterdir()] == [(".x.tmp", "somebody's")]
