"""Arrays of passing use in files without a name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from saetext.io import scratch as scratches
from saetext.io.scratch import scratch


def test_it_is_an_array_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(scratches, "_IN_MEMORY", ())  # wherever the tests run
    made = scratch(100_000, np.int32)
    made[:] = np.arange(100_000)
    assert list(tmp_path.iterdir()) == []
    assert (made == np.arange(100_000)).all()
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(tmp_path) in maps.read_text()  # it is in a file
        del made
        assert str(tmp_path) not in maps.read_text()
    assert scratch(0, np.uint8).shape == (0,)


def test_it_refuses_where_there_is_no_room(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="space"):
        scratch(shutil.disk_usage(tmp_path).total, np.float32)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError):
        scratch(10, np.int32)


def test_a_directory_in_memory_is_none_of_use(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    device = tmp_path.stat().st_dev
    mount = f"36 35 {os.major(device)}:{os.minor(device)} / {tmp_path} rw shared:1 - {{}} none rw\n"
    mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(scratches, "_MOUNTS", mounts)
    mounts.write_text("36 35 999:999 / /elsewhere rw - tmpfs none rw\n" + mount.format("ext4"))
    assert len(scratch(10, np.int32)) == 10
    mounts.write_text("1 1 0:1 / / rw - ext4 none rw\n" + mount.format("tmpfs"))
    with pytest.raises(OSError, match="in memory"):
        scratch(10, np.int32)
    mounts.unlink()  # as on other systems
    assert len(scratch(10, np.int32)) == 10
    shared = Path("/dev/shm")
    if shared.is_dir() and Path("/proc/self/mountinfo").exists():
        monkeypatch.undo()
        kinds = [line.split(" - ")[1].split()[0] for line in mount_lines(shared)]
        assert scratches._is_memory(str(shared)) == ("tmpfs" in kinds)


def mount_lines(place: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if line.split()[4] == str(place)]
