"""The pooler against a dense brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saetext.corpus.rows import ENTRY_DTYPES, PooledRows
from saetext.reader.pooling import Pooler


def brute(dense: list[np.ndarray], min_tokens: int) -> list[list[tuple[int, float, float, int, int, int]]]:
    """One row per document from dense float32[tokens, d_sae], by the definitions in rows.py."""
    rows = []
    for document in dense:
        row = []
        for f in range(document.shape[1]):
            column = document[:, f]
            above = [t for t in range(len(column)) if column[t] > 0]
            if len(above) >= min_tokens and above:
                peak = max(above, key=lambda t: (column[t], -t))
                total = sum(float(column[t]) for t in above)
                row.append((f, float(column[peak]), total, len(above), peak, above[0]))
        rows.append(row)
    return rows


def entries_of(rows: PooledRows, i: int) -> list[tuple]:
    where = slice(rows.indptr[i], rows.indptr[i + 1])
    return list(zip(*(getattr(rows, name)[where].tolist() for name in ENTRY_DTYPES), strict=True))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_equals_brute_force_however_tokens_arrive(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    d_sae = data.draw(st.sampled_from([1, 2, 7, 40]))
    min_tokens = data.draw(st.integers(1, 3))
    lengths = data.draw(st.lists(st.integers(0, 12), max_size=6))
    # few distinct values: ties at the maximum are the rule, and sums are exact
    dense = [(rng.integers(-6, 4, (n, d_sae)).clip(0) / 4).astype(np.float32) for n in lengths]
    tokens = [(i, t) for i, n in enumerate(lengths) for t in range(n)]
    order = [tokens[j] for j in rng.permutation(len(tokens))]
    pooler = Pooler(d_sae, min_tokens)
    as_torch = data.draw(st.booleans())
    while order:
        size = data.draw(st.integers(1, len(order)))
        block, order = order[:size], order[size:]
        values = np.stack([dense[i][t] for i, t in block])
        token, feature = np.nonzero(values)
        shuffle = rng.permutation(len(token))
        token, feature = token[shuffle], feature[shuffle]
        arrays = (
            np.array([i for i, _ in block], np.int64),
            np.array([t for _, t in block], np.int32),
            token,
            feature,
            values[token, feature],
        )
        pooler.add(*(torch.from_numpy(a) for a in arrays) if as_torch else arrays)
    rows = pooler.finish(len(lengths))
    assert len(rows) == len(lengths)
    assert {name: getattr(rows, name).dtype for name in ENTRY_DTYPES} == ENTRY_DTYPES
    assert [entries_of(rows, i) for i in range(len(lengths))] == brute(dense, min_tokens)


def test_total_does_not_depend_on_the_order_of_arrival():
    rng = np.random.default_rng(0)
    value = rng.lognormal(0, 3, 5000).astype(np.float32)
    results = []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(5000)
        pooler = Pooler(1)
        for part in np.array_split(order, 7):
            pooler.add(np.zeros(5000, int), np.arange(5000), part, np.zeros(len(part), int), value[part])
        results.append(pooler.finish(1))
    assert results[0].total[0] == pytest.approx(value.astype(np.float64).sum(), rel=1e-6)
    assert len({r.total.tobytes() + r.peak.tobytes() for r in results}) == 1


def test_finish_forgets():
    pooler = Pooler(4)
    pooler.add(np.array([1]), np.array([3]), np.array([0]), np.array([2]), np.array([0.5], np.float32))
    first = pooler.finish(3)
    assert first.indptr.tolist() == [0, 0, 1, 1]
    assert entries_of(first, 1) == [(2, 0.5, 0.5, 1, 3, 3)]
    assert pooler.finish(2).indptr.tolist() == [0, 0, 0]


def test_a_document_outside_the_rows_is_a_bug():
    pooler = Pooler(4)
    pooler.add(np.array([2]), np.array([0]), np.array([0]), np.array([0]), np.array([1.0], np.float32))
    with pytest.raises(ValueError, match=r"outside 0\.\.1"):
        pooler.finish(2)
    with pytest.raises(ValueError, match="at least 1"):
        Pooler(4, 0)
