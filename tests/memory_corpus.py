"""A corpus held in memory, made from dense arrays: for tests of what is computed, not of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from saetext.corpus.calibration import Calibration
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec

WORDS = ("the", "rain", "in", "Spain", "stays", "mainly", "on", "a", "plain", "so", "they", "say")


class DenseCorpus:
    """``value[i, f]`` is the strength of feature f in document i, 0 where absent; ``peak`` where it peaks."""

    def __init__(
        self,
        value: np.ndarray,
        *,
        peak: np.ndarray | None = None,
        n_tokens: Sequence[int] | np.ndarray | None = None,
        meta: Mapping[str, Any] | None = None,
        texts: bool = True,
        block: int = 97,
        path: str = "dense.corpus",
    ) -> None:
        self.value = np.asarray(value, np.float32)
        n, d_sae = self.value.shape
        self.peak = np.zeros((n, d_sae), np.int32) if peak is None else np.asarray(peak, np.int32)
        self.block, self.path, self.fingerprint = block, Path(path), "f" * 8
        tokens = np.full(n, len(WORDS)) if n_tokens is None else np.asarray(n_tokens)
        self._calibration = Calibration.from_arrays(
            np.zeros(d_sae), percentile=90, top_words=[[f"word{i}", f"other{i}"] for i in range(d_sae)]
        )
        sae = SaeSpec(
            "main",
            "tiny",
            "topk",
            "blocks.1.hook_resid_pre",
            8,
            d_sae,
            "w",
            "none",
            self._calibration.sha256,
            90.0,
            1,
        )
        self.spec = ReaderSpec(
            model="tiny", revision="r1", window=128, overlap=16, prefix_ids=(1,), suffix_ids=(2,), masks="1",
            chat_template_sha256="", pooling="max", saes=(sae,),
            numerics=Numerics("float32", "float32", "cpu", {"torch": "2.13"}),
        )  # fmt: skip
        self._texts = texts
        self.frame = pl.DataFrame(
            {
                "id": [f"doc{i}" for i in range(n)],
                "text": [f"{' '.join(WORDS)} {i}" if texts else None for i in range(n)],
                "n_tokens": tokens.astype(np.int32),
            },
            schema={"id": pl.String, "text": pl.String, "n_tokens": pl.Int32},
        ).with_columns(pl.Series(name, values, strict=False) for name, values in (meta or {}).items())

    @property
    def n_documents(self) -> int:
        return len(self.value)

    @property
    def documents(self) -> pl.LazyFrame:
        return self.frame.lazy()

    def rows(self, sae: str | None) -> Iterator[PooledRows]:
        for start in range(0, len(self.value), self.block):
            part = slice(start, start + self.block)
            row, feature = np.nonzero(self.value[part])
            value, peak = self.value[part][row, feature], self.peak[part][row, feature]
            indptr = np.searchsorted(row, np.arange(len(self.value[part]) + 1)).astype(np.int64)
            ones = np.ones(len(row), np.int32)
            yield PooledRows(indptr, feature.astype(np.int32), value, value, ones, peak, peak)

    def blocks(self, pooling: str, sae: str | None) -> Iterator[tuple[np.ndarray, sparse.csr_matrix]]:
        yield np.arange(len(self.value)), sparse.csr_matrix((self.value > 0).astype(np.float32))

    def document(self, row: int) -> dict[str, Any]:
        ends = np.cumsum([len(word) + 1 for word in WORDS]) - 1
        starts = ends - [len(word) for word in WORDS]
        known = self.frame.row(row, named=True)
        return {**known, "prompt": known.get("prompt"), "token_start": starts, "token_end": ends}

    def calibration(self, sae: str | None) -> Calibration:
        return self._calibration

    def select(self, expr: pl.Expr) -> DenseCorpus:
        keep = self.frame.select(expr.fill_null(False)).to_series().to_numpy()
        view = DenseCorpus(self.value[keep], peak=self.peak[keep], texts=self._texts, block=self.block)
        view.frame = self.frame.filter(keep)
        return view
