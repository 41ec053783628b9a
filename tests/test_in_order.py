"""Results of threads in one order; what too many pairs leave does not depend on how threads are timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from memory_corpus import DenseCorpus

from saetext.analysis.cooccurrence import streaming
from saetext.analysis.cooccurrence.in_order import in_order
from saetext.analysis.cooccurrence.items import Stored, feature_items
from saetext.analysis.cooccurrence.strata import Strata


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_task_after_task(threads: int) -> None:
    def work(task: int) -> Iterator[tuple[int, int]]:
        time.sleep(0.002 * (task % 3 == 0))
        yield from ((task, part) for part in range(task * 3 % 20))

    expected = [(task, (task, part)) for task in range(12) for part in range(task * 3 % 20)]
    assert list(in_order(range(12), work, threads)) == expected


def test_what_a_task_raises_is_raised_in_its_turn() -> None:
    begun = []

    def work(task: int) -> Iterator[int]:
        begun.append(task)
        if task == 2:
            raise ValueError("broken")
        yield from range(50)

    seen = []
    with pytest.raises(ValueError, match="broken"):
        for number, _ in in_order(range(200), work, 2):
            seen.append(number)
    assert seen == [0] * 50 + [1] * 50
    assert len(begun) < 50  # those that wait for their turn keep others from beginning


def test_results_that_nobody_asks_for_end_the_threads() -> None:
    before = threading.active_count()
    results = in_order(range(10), lambda task: iter(range(1000)), 3)
    next(results)
    results.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("seed", range(3))
def test_pairs_held_do_not_depend_on_the_threads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    hidden = rng.random((600, 1)) < 0.5
    present = rng.random((600, 120)) < np.where(hidden, 0.3 + rng.uniform(-0.1, 0.35, 120), 0.3)
    stored = Stored.of(DenseCorpus(present.astype(float), block=100), "main")
    items, _, _ = feature_items(stored, np.arange(600), 5)
    strata = Strata(np.zeros(600, np.int32), 0, 600, few=True)
    monkeypatch.setattr(streaming, "_PIECE", 1.0)  # many pieces
    make = streaming._counter

    def slow(*given: object) -> object:
        count = make(*given)  # type: ignore[arg-type]
        late = np.random.default_rng()

        def counted(first: int, last: int) -> object:
            time.sleep(float(late.random()) * 0.004)
            return count(first, last)

        return counted

    monkeypatch.setattr(streaming, "_counter", slow)
    runs = [streaming.stream_pairs(items, None, strata, 300, keep=60, threads=n) for n in (1, 2, 4, 4)]
    for run in runs[1:]:
        assert run.dropped == runs[0].dropped
        for name in ("left", "right", "both", "half", "p"):
            np.testing.assert_array_equal(getattr(run.pairs, name), getattr(runs[0].pairs, name))
