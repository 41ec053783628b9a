"""Completion as a shell asks for it: installed in a home of its own, then tried in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("bash") is None, reason="platform: there is no bash")
def test_completion_is_installed_and_works_in_bash(tmp_path: Path) -> None:
    home, programs = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    program = programs / "saetext"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from saetext_cli.entry import main; main()" "$@"\n'
    )
    program.chmod(0o755)
    script = """
        saetext --install-completion >/dev/null && source ~/.bashrc || exit 3
        ask() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _saetext_completion saetext; echo "${COMPREPLY[*]}"
        }
        ask saetext exp
        ask saetext correlate --gr
        ask saetext nothing
        complete -p saetext
    """
    env = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=env, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "export expression explore",
        "--group --graphml",
        "",
        "complete -o default -F _saetext_completion saetext",
    ]
