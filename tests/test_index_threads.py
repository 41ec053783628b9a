"""What ``saetext index`` writes does not depend on the number of threads of linear algebra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_factory import make_corpus
from sklearn.decomposition import TruncatedSVD
from threadpoolctl import threadpool_info, threadpool_limits

from saetext.analysis.search.projected import build_projected
from saetext.analysis.search.vectors import FILE


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_projected_features_are_fitted_with_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two, the vectors of 600 real documents had other bytes than with one."""
    used: list[set[int]] = []
    fit = TruncatedSVD.fit

    def watched(self: TruncatedSVD, *args: Any) -> TruncatedSVD:
        used.append(threads())
        return fit(self, *args)

    monkeypatch.setattr(TruncatedSVD, "fit", watched)
    written = []
    for number in (1, 2):
        corpus, _ = make_corpus(tmp_path / str(number), sizes=(40, 25), density=0.4)
        [sae] = corpus.saes
        with threadpool_limits(number, user_api="blas"):
            before = threads()
            folder = build_projected(
                corpus, sae, np.ones(corpus.calibration(sae).thresholds.size, np.float32)
            )
            assert threads() == before
        assert folder is not None
        written.append((folder / FILE).read_bytes())
    assert used == [{1}, {1}]
    assert written[0] == written[1]
