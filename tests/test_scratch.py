"""Arrays of passing use in files without a name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from saetext.io.scratch import scratch


def test_it_is_an_array_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
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
