"""Bounds of memory: how they are written, that they change no result, and that they hold."""

from __future__ import annotations

import errno
import gc
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import saetext
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.io.memory import Bound, free_memory, size_of, size_text
from saetext.io.shelf import Shelf
from tests.corpus_factory import make_big_corpus

MB = 10**6
HUGE = "1TB"


def no_files(length: int, dtype: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.fixture
def without_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("analysis.differences.entries", "io.shelf"):
        monkeypatch.setattr(f"saetext.{where}.scratch", no_files)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """1,500 documents with 12 of 120 features each: 160 kB of entries in a diff."""
    path = tmp_path_factory.mktemp("memory") / "some.corpus"
    return make_big_corpus(path, 1500, entries=12, d_sae=120, shard_size=250, tokens=8)


# ---- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "size"),
    [
        ("800MB", 800 * MB), ("2GB", 2 * 10**9), ("1.5 gb", 1_500_000_000), (" 512MiB ", 512 * 2**20),
        ("64k", 64_000), ("3000000", 3 * MB), (5 * MB, 5 * MB), (".5g", 500 * MB), ("1TiB", 2**40),
    ],
)  # fmt: skip
def test_sizes_are_read(told: int | str, size: int) -> None:
    assert size_of(told) == size


@pytest.mark.parametrize("told", ["", "0", "-1GB", "2XB", "GB", "1e9", "2GB 1", "i", "2i", "∞", True, 0, -5])
def test_what_is_no_size_is_refused_in_one_line(told: int | str) -> None:
    with pytest.raises(InputError, match="such as 800MB or 2GB") as error:
        size_of(told)
    assert "\n" not in str(error.value)
    for ask in (saetext.diff, saetext.correlate, saetext.build_index):
        with pytest.raises(InputError, match="such as 800MB"):
            ask("nowhere.corpus", memory=told)  # refused before anything is opened


@given(st.integers(1, 10**15))
def test_sizes_are_told_as_they_are_or_larger(size: int) -> None:
    assert size_of(size_text(size, up=True).replace(",", "").replace("bytes", "")) >= size


def test_free_memory_is_of_the_machine_and_its_groups(tmp_path: Path) -> None:
    info, own, groups = tmp_path / "meminfo", tmp_path / "own", tmp_path / "groups"
    info.write_text("MemTotal:  9000 kB\nMemAvailable:    5000 kB\n")
    own.write_text("0::/job/task\n")
    inner = groups / "job" / "task"
    inner.mkdir(parents=True)

    def free() -> int:
        return free_memory(groups, own, info)

    assert free() == 5000 * 1024
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("100\n")
    assert free() == 5000 * 1024
    (groups / "job" / "memory.max").write_text("4000000\n")  # the group above has a limit
    (groups / "job" / "memory.current").write_text("3500000\n")
    assert free() == 500_000
    (groups / "job" / "memory.stat").write_text("anon 5\ninactive_file 200000\n")  # can be taken back
    assert free() == 700_000
    own.write_text("4:memory:/old\n0::/\n")  # version 1
    old = groups / "memory" / "old"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text(str(2**63 - 4096))  # none
    (old / "memory.usage_in_bytes").write_text("1000")
    assert free() == 5000 * 1024
    (old / "memory.limit_in_bytes").write_text("900")
    assert free() == 0  # more is in use than allowed
    assert free_memory(tmp_path / "no", tmp_path / "no", tmp_path / "no") > 0  # another system
    assert free_memory() > 0


# ---- the shelf ---------------------------------------------------------------------------------------------


def test_a_shelf_holds_what_fits_and_files_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    filed: list[int] = []

    def file(n: int, dtype: Any) -> Any:
        filed.append(n)
        return np.empty(n, dtype)

    monkeypatch.setattr("saetext.io.shelf.scratch", file)
    shelf = Shelf(Bound(1000, asked=True))
    shelf.reserve(200, "all of it", "be brief")
    one = shelf.array(100, np.int32)
    view = one[:5]
    assert (shelf.left, filed) == (400, [])
    shelf.array(101, np.int32)
    shelf.array(10, np.int32, most=5)  # many enough for a file, though it would fit
    assert filed == [101, 10]
    del one
    gc.collect()
    assert shelf.left == 400  # a view needs it
    del view
    gc.collect()
    assert shelf.left == 800
    with pytest.raises(InputError, match=r"--memory 1,000 bytes is too little.* needs 1,001 bytes.*be brief"):
        shelf.reserve(1001, "all of it", "be brief")
    monkeypatch.setattr("saetext.io.shelf.scratch", no_files)
    with pytest.raises(InputError, match=r"4,200 bytes are needed .*No space left on device.*TMPDIR"):
        shelf.array(1000, np.int32)

    def nowhere(n: int, dtype: Any) -> Any:
        raise OSError(errno.ENOSYS, "files cannot be allocated")

    monkeypatch.setattr("saetext.io.shelf.scratch", nowhere)  # as on macOS and Windows: no disk helps
    with pytest.raises(InputError, match=r"files cannot be allocated\); allow that$"):
        shelf.array(1000, np.int32)
    assert len(Shelf(Bound(1000, asked=False)).array(1000, np.int32)) == 1000  # nobody asked for it


# ---- the same results --------------------------------------------------------------------------------------


def seen(found: Any) -> dict[str, Any]:
    tables = [value for value in vars(found).values() if isinstance(value, pl.DataFrame)]
    told = [getattr(found, name, None) for name in ("families", "null", "evidence")]
    return {"json": found.to_json(), "tables": [table.to_dicts() for table in tables], "told": repr(told)}


ASKED: dict[str, tuple[Any, dict[str, Any]]] = {
    "diff": (saetext.diff, {"by": "group", "null": 2, "families": "features", "top": 5}),
    "diff of groups": (saetext.diff, {"by": "group", "group": "id", "families": "features", "top": 5}),
    "outcome": (saetext.diff, {"outcome": "group=a", "families": "features", "top": 5}),
    "correlate": (saetext.correlate, {"min_joint": 2, "bootstrap": 5, "top": 3}),
    "correlate with a column": (saetext.correlate, {"column": "group"}),
}
_known: dict[str, dict[str, Any]] = {}


def least_of(ask: Any, corpus: Corpus, options: dict[str, Any]) -> int:
    """Return the bound that the error asks for, in bytes."""
    with pytest.raises(InputError, match=r"--memory 1,000 bytes is too little.*needs ") as error:
        ask(corpus, memory=1000, **options)
    assert "\n" not in str(error.value)
    return size_of(
        str(error.value).partition(" needs ")[2].partition(";")[0].replace(",", "").replace("bytes", "")
    )


@pytest.mark.parametrize("what", ASKED)
@settings(
    max_examples=3, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(more=st.integers(0, 300_000), files=st.booleans())
def test_results_are_the_same_within_any_bound(what: str, corpus: Corpus, more: int, files: bool) -> None:
    ask, options = ASKED[what]
    if what not in _known:
        _known[what] = seen(ask(corpus, memory=HUGE, **options))
    least = least_of(ask, corpus, options)
    with pytest.MonkeyPatch.context() as patched:
        if not files and "correlate" not in what:  # its arrays need files where they do not fit
            patched.setattr("saetext.analysis.differences.entries.scratch", no_files)
        assert seen(ask(corpus, memory=least + more, **options)) == _known[what]


MORE: dict[str, tuple[Any, dict[str, Any]]] = {
    **ASKED,
    "diff of everything": (saetext.diff, {"by": "group", "null": 1, "top": 5}),
    "outcome of everything": (saetext.diff, {"outcome": "group=a", "top": 5}),
    "correlate and list": (saetext.correlate, {"min_joint": 2, "bootstrap": 0, "top": 3}),
}


@pytest.mark.parametrize("what", MORE)
def test_no_stage_takes_more_threads_than_there_is_room_for(
    what: str, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays inside compiled loops are seen by no tracer; there are so many as there are threads."""
    from saetext.analysis.cooccurrence import streaming
    from saetext.stats import kernels

    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    taken: list[int] = []
    over, streamed = kernels.over_features, streaming.in_order

    def over_features(work: Any, n: int, threads: int, count: Any = None) -> None:
        if "exact" not in work.__qualname__:  # whose arrays are small
            taken.append(threads)
        over(work, n, 1, count)

    def in_order(tasks: Any, work: Any, threads: int) -> Any:
        taken.append(threads)
        return streamed(tasks, work, 1)

    monkeypatch.setattr(kernels, "over_features", over_features)
    monkeypatch.setattr(streaming, "in_order", in_order)
    ask, options = MORE[what]
    least = least_of(ask, corpus, options)
    ask(corpus, memory=least, **options)
    assert taken and max(taken) <= 2, taken
    del taken[:]
    ask(corpus, memory=HUGE, **options)
    assert min(taken) == 64


def test_threads_that_rank_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.analysis.cooccurrence.room import threads_for_ranks

    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    bounds = {1: 100, 2: 24_000 * 2, 8: 10**9}
    for threads, bound in bounds.items():
        assert threads_for_ranks(Shelf(Bound(bound, asked=True)), 1000) == threads
    assert threads_for_ranks(Shelf(Bound(100, asked=True)), 0) == 4


def test_shuffles_are_judged_alike_in_any_number_of_passes(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saetext.analysis.differences import null

    options: dict[str, Any] = {"by": "group", "null": 7, "families": "features"}
    known = saetext.diff(corpus, memory=HUGE, **options).null
    passes = []
    some = null._some
    monkeypatch.setattr(null, "_some", lambda *given: passes.append(given[3]) or some(*given))
    monkeypatch.setattr("saetext.analysis.differences.entries.scratch", no_files)
    monkeypatch.setattr(null, "_KEPT", 3 * null._FEATURE * 120)  # three shuffles of all features
    least = least_of(saetext.diff, corpus, options)
    assert saetext.diff(corpus, memory=least, **options).null == known
    assert len(passes) >= 3 and known is not None and len(known.significant) == 7


def files_of(corpus: Corpus) -> dict[str, bytes]:
    home = corpus.path / "index"
    found = (path for path in sorted(home.rglob("*")) if path.is_file())
    return {str(path.relative_to(home)): path.read_bytes() for path in found}


@pytest.mark.parametrize("flat", [True, False])
def test_an_index_has_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flat: bool) -> None:
    from saetext.analysis.search import room, vectors, words

    if not flat:
        monkeypatch.setattr(vectors, "FLAT", 100)
        monkeypatch.setattr(vectors, "_LISTS", 4)
    monkeypatch.setattr(room, "PIECE", 1000)
    monkeypatch.setattr(words, "PIECE", 1000)
    made, filed = [], []
    real = saetext.io.shelf.scratch

    def counted(n: int, dtype: Any) -> Any:
        filed.append(n)
        return real(n, dtype)

    monkeypatch.setattr("saetext.io.shelf.scratch", counted)
    for memory in (HUGE, None):
        path = tmp_path / str(memory) / "some.corpus"
        corpus = make_big_corpus(path, 600, entries=8, d_sae=64, shard_size=100)
        if memory is None:
            del filed[:]
            memory = least_of(saetext.build_index, corpus, {"dense": False})
        saetext.build_index(corpus, dense=False, memory=memory)
        made.append(files_of(corpus))
    assert made[0] == made[1] and any("bm25" in name for name in made[0])
    assert filed or flat


# ---- kept --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """10,000 documents with 200 of 1,000 features each: 18 MB of entries in a diff."""
    path = tmp_path_factory.mktemp("larger") / "some.corpus"
    yield make_big_corpus(path, 10_000, entries=200, d_sae=1000, shard_size=500, tokens=8)


KEPT: dict[str, tuple[Any, dict[str, Any]]] = {
    "diff": (saetext.diff, {"by": "group", "families": "features", "null": 1, "snippets": False}),
    "correlate": (saetext.correlate, {"column": "group", "bootstrap": 0, "snippets": False, "top": 3}),
}


@pytest.mark.parametrize("what", KEPT)
def test_a_bound_is_kept(what: str, larger: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are counted by Python's own tracer as they are allocated; a diff may put none into files."""
    from saetext.analysis.differences import entries

    passes = []
    once = entries._pass
    monkeypatch.setattr(entries, "_pass", lambda *given: passes.append(len(given[2])) or once(*given))
    if what == "diff":
        monkeypatch.setattr(entries, "scratch", no_files)
    ask, options = KEPT[what]
    ask(larger, memory=HUGE, **options)  # compiles, and reads what stays

    def peak(memory: int | str) -> int:
        gc.collect()
        tracemalloc.start()
        try:
            ask(larger, memory=memory, **options)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    least = least_of(ask, larger, options)
    free = peak(HUGE)
    del passes[:]
    found = {bound: peak(bound) for bound in (least + 4 * MB, least + 8 * MB)}  # at the least: many passes
    for bound, most in found.items():
        assert most <= 1.1 * bound, (least, free, found)
    assert min(found.values()) < 0.75 * free
    assert what != "diff" or (free > 18 * MB and len(passes) > 4)
