"""The benchmark of planted pairs: its corpus gives the rows it is made of, by value, in every form."""

from __future__ import annotations

import numpy as np
import pytest
from benchmark_modules import importing
from tiny_reader import some_rows, tiny

from saetext.encoding.encoder import encode
from saetext.encoding.opening import as_corpus

ROWS = np.array([0, 3, 4, 7])


@pytest.mark.parametrize("pooling", ["binary", "max", "total", "count", "mean"])
def test_blocks_are_the_rows_with_the_second_feature_put_in(pooling: str) -> None:
    corpus = encode(some_rows(12, seed=2), reader=tiny().reader())
    present = corpus.csr("binary").toarray()
    whole, tokens = corpus.csr(pooling).toarray(), corpus.documents.collect()["n_tokens"].to_numpy()
    put = int(np.flatnonzero((present[5] == 0) & (present[6] == 1))[0])
    joined = [(5, 6), (8, 8)]
    with importing() as load:
        planted = load("planted_pairs").Planted(corpus, ROWS, joined, put)
        blocks = list(planted.blocks(pooling, None))
        assert as_corpus(planted) is planted
    strongest, expected = corpus.csr("max").toarray(), list(whole[ROWS])
    for a, b in joined:  # each feature of a planted document has one token, where it is strongest
        row = strongest[a].copy()
        row[put] = max(row[put], strongest[b, put])
        forms = {"max": row, "total": row, "mean": row / tokens[a]}
        expected.append(forms.get(pooling, (row > 0).astype(np.float32)))
    assert np.concatenate([at for at, _ in blocks]).tolist() == list(range(len(ROWS) + 2))
    np.testing.assert_allclose(np.vstack([block.toarray() for _, block in blocks]), expected, rtol=1e-6)
