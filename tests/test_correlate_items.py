"""Items, their rows, strengths and peaks, read block by block, against looking at the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
from memory_corpus import DenseCorpus

from saetext.analysis.cooccurrence import meeting
from saetext.analysis.cooccurrence.items import Stored, feature_items
from saetext.analysis.cooccurrence.meeting import place
from saetext.analysis.cooccurrence.strata import Strata

N, D = 230, 40
RNG = np.random.default_rng(2)
TAKES = {
    "in order": np.arange(N),
    "halves": np.concatenate([np.arange(0, N, 2), np.arange(1, N, 2)]),
    "a sample": np.sort(RNG.permutation(N)[:90]),
    "any order, some often": RNG.integers(0, N, 300),
}


@pytest.fixture(scope="module")
def corpus() -> DenseCorpus:
    present = RNG.random((N, D)) < np.linspace(0.01, 0.6, D)
    present[:, 7] = True
    value = np.where(present, RNG.random((N, D)) + 0.1, 0)
    return DenseCorpus(value, peak=RNG.integers(0, 30, (N, D)), block=31)


@pytest.mark.parametrize("order", TAKES)
def test_items_are_those_of_the_matrix(corpus, order, monkeypatch):
    take = TAKES[order]
    value, peak = corpus.value[take], corpus.peak[take]
    counts = (value > 0).sum(0)
    items, rare, always = feature_items(Stored.of(corpus, "main"), take, 5)
    wanted = np.flatnonzero((counts >= 5) & (counts < len(take)))
    wanted = wanted[np.argsort(-counts[wanted], kind="stable")]
    assert items.name.tolist() == wanted.tolist()
    assert (rare, always) == (((counts > 0) & (counts < 5)).sum(), (counts == len(take)).sum())
    for i, feature in enumerate(wanted):
        assert items.rows(i).tolist() == np.flatnonzero(value[:, feature]).tolist()
    indptr, item = items.by_row(len(take))
    slot = {int(feature): i for i, feature in enumerate(wanted)}
    for r in range(len(take)):
        has = sorted(slot[f] for f in np.flatnonzero(value[r]).tolist() if f in slot)
        assert item[indptr[r] : indptr[r + 1]].tolist() == has
    for most in (10**9, 0):  # in memory, in a file
        monkeypatch.setattr(meeting, "_IN_MEMORY", most)
        some = items.picked(np.arange(len(items)) % 3 > 0)
        placed = place(corpus, "main", some, take)
        owner = np.repeat(some.name, some.n)
        np.testing.assert_array_equal(placed.value, value[some.row, owner])
        np.testing.assert_array_equal(placed.peak, peak[some.row, owner])


def test_rows_of_a_part_are_counted_in_strata(corpus):
    items, _, _ = feature_items(Stored.of(corpus, "main"), np.arange(N), 5)
    code = RNG.integers(0, 6, N).astype(np.int32)
    for first, last in ((0, N), (0, 100), (60, 200)):
        table = Strata(code, 0, N, few=True).part(first, last).counts(items).table
        for i, feature in enumerate(items.name):
            has = np.flatnonzero(corpus.value[first:last, feature]) + first
            assert table[i].tolist() == np.bincount(code[has], minlength=6).tolist()
