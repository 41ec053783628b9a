"""With ``SAETEXT_REQUIRE_ALL``, a skip for want of something installable is a failure, and says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from required import is_excused

HERE = Path(__file__).parent

SUITE = """
import pytest

@pytest.mark.skipif(True, reason="no Chromium on the path")
def test_browser(): pass

def test_model(): pytest.skip("needs the extra 'embedded'")

def test_package(): pytest.importorskip("no_such_package")

@pytest.fixture
def driver(): pytest.importorskip("no_such_driver", reason="selenium is not installed")

def test_fixture(driver): pass

def test_data(): pytest.skip("needs ../shared/data")

@pytest.mark.skipif(True, reason="platform: no fork")
def test_platform(): pass

@pytest.mark.xfail
def test_expected(): assert False

def test_fine(): pass
"""


def run(folder: Path, required: str | None, *names: str) -> tuple[dict[str, int], str, int]:
    """Run pytest with the hooks alone; return how many had which outcome, what it said, its exit code."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "SAETEXT_REQUIRE"))}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    if required is not None:
        environment["SAETEXT_REQUIRE_ALL"] = required
    options = ["-p", "required", "-p", "no:cacheprovider", "-rA", "-c", os.devnull, "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *options, *names]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    summary = done.stdout.splitlines()[-1]
    return {kind: int(n) for n, kind in re.findall(r"(\d+) (\w+)", summary)}, done.stdout, done.returncode


@pytest.mark.parametrize("required", [None, ""])
def test_skips_are_skips_where_nothing_is_required(tmp_path: Path, required: str | None) -> None:
    (tmp_path / "test_it.py").write_text(SUITE)
    counted, said, code = run(tmp_path, required, "test_it.py")
    assert code == 0, said
    assert (counted["passed"], counted["skipped"], counted["xfailed"]) == (1, 6, 1)


def test_skips_are_failures_where_everything_is(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(SUITE)
    counted, said, code = run(tmp_path, "1", "test_it.py")
    assert code == 1
    assert counted["skipped"] == 2 and counted["passed"] == 1 and counted["xfailed"] == 1, said
    assert counted.get("failed", 0) + counted.get("error", 0) + counted.get("errors", 0) == 4, said
    for reason in ("no Chromium on the path", "extra 'embedded'", "no_such_package", "selenium is not"):
        assert reason in said
    assert "SAETEXT_REQUIRE_ALL" in said


def test_a_file_that_is_skipped_as_a_whole_is_a_failure_too(tmp_path: Path) -> None:
    (tmp_path / "test_all.py").write_text('import pytest\npytest.importorskip("no_such_package")\n')
    assert run(tmp_path, None, "test_all.py")[2] in (0, 5)
    _, said, code = run(tmp_path, "1", "test_all.py")
    assert code not in (0, 5) and "no_such_package" in said and "SAETEXT_REQUIRE_ALL" in said


def test_only_data_and_platform_excuse() -> None:
    for reason in ("needs ../shared/data", "platform: no /proc", "Python version: before 3.13"):
        assert is_excused(f"Skipped: {reason}")
    for reason in ("no chromedriver on the path", "selenium is not installed", "could not import 'datasets'"):
        assert not is_excused(reason)


def test_ci_requires_everything() -> None:
    script = (HERE.parent / ".ci" / "run").read_text("utf-8")
    assert "export SAETEXT_REQUIRE_ALL=1\n" in script
    assert re.search(r"command -v chromedriver .*\|\| *\{?.*\n?.*exit 1", script), "a missing browser is said"
