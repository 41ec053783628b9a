"""Bins of numbers: tenths of the documents also where one value fills several, and what is left out."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus

from saetext.analysis.clusters.changes.binning import Bins, bins_of


def binned(values: list[object]) -> Bins:
    return bins_of(DenseCorpus([[1.0]] * len(values), meta={"likes": values}), "likes")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0] * 960 + list(range(1, 41)), ["0", "1–40"]),
        ([40] * 960 + list(range(40)), ["0–39", "40"]),
        ([0] * 25 + [10] * 28 + list(range(11, 42)), ["0", "10", "11–16", "17–24", "25–32", "33–41"]),
        (list(range(100)), [f"{10 * i}–{10 * i + 9}" for i in range(10)]),
    ],
)
def test_a_value_that_fills_several_tenths_has_its_own_bin(values: list[int], labels: list[str]) -> None:
    assert list(binned(values).labels) == labels


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 300), st.integers(31, 200))
def test_no_bin_is_empty_and_bins_follow_the_values(seed: int, zeros: int, others: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.r_[np.zeros(zeros, int), np.arange(1, others + 1), rng.geometric(0.1, 50)]
    found = binned(values.tolist())
    sizes = np.bincount(found.code, minlength=len(found.labels))
    assert sizes.min() > 0 and 2 <= len(sizes) <= 20
    most = [values[found.code == at].max() for at in range(len(sizes))]
    least = [values[found.code == at].min() for at in range(len(sizes))]
    assert all(high < low for high, low in zip(most[:-1], least[1:], strict=True))
    # a bin holds a tenth at most, besides what its smallest value fills alone
    for at, size in enumerate(sizes):
        assert size - (values == least[at]).sum() <= len(values) / 10


def test_moments_that_are_missing_are_said_to_be_left_out() -> None:
    start = dt.datetime(2024, 10, 1, tzinfo=dt.UTC).timestamp()
    found = binned([int(start) + 86400 * (i % 28) for i in range(60)] + [None] * 3)
    assert (found.code == -1).sum() == 3 and "seconds since 1970" in found.notes[0]
    assert found.notes[1:] == ("3 documents without a date in 'likes': left out of the shares",)
