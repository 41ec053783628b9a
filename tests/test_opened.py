"""How many files a process keeps mapped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from saetext.corpus import opened
from saetext.corpus.opened import Opened
from saetext.io.files import FileStamp

resource = pytest.importorskip("resource")

ASKED = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from saetext.corpus.opened import most_open
before = resource.getrlimit(resource.RLIMIT_NOFILE)
print(most_open(), *before, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def asked(soft: int, hard: int) -> list[int]:
    command = [sys.executable, "-c", ASKED, str(soft), str(hard)]
    return [
        int(x) for x in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    ]


def test_it_is_half_of_the_descriptors_there_may_be():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    may = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    most, soft, _, raised = asked(200, may)
    assert soft == 200  # not before it is needed
    assert (most, raised) == (may // 2, may)
    assert asked(300, 300)[0] == 150


def test_corpora_share_them(monkeypatch):
    monkeypatch.setattr(opened, "_in_use", type(opened._in_use)())
    monkeypatch.setattr(opened, "most_open", lambda: 900)
    kept = [Opened()]
    assert opened._share() == 900
    kept += [Opened(), Opened()]
    assert opened._share() == 300
    del kept[1:]
    assert opened._share() == 900


def test_a_corpus_lets_files_go_when_another_is_opened(tmp_path, monkeypatch):
    """Those that are filled one after another keep no more than all may, though none is used again."""
    monkeypatch.setattr(opened, "_in_use", type(opened._in_use)())
    monkeypatch.setattr(opened, "most_open", lambda: 12)
    monkeypatch.setattr(opened, "_FEWEST", 1)
    paths = [Path(tmp_path / str(number)) for number in range(12)]
    for path in paths:
        path.write_bytes(b"x")
    kept = []
    for number in range(1, 5):
        kept.append(Opened())
        for path in paths:
            kept[-1].batch(path, FileStamp(1, ""), lambda: SimpleNamespace(batch=None, pages=None))
        assert [len(one._files) for one in kept] == [12 // number] * number
    assert (
        list(kept[0]._files) == [(path, True) for path in paths[-3:]] == list(kept[0]._used)
    )  # those that were used last
