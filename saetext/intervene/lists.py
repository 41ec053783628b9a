"""The tables beside the rows of a steering, and their columns. Not for: the rows themselves
(:mod:`saetext.intervene.summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.choosing import Candidate
    from saetext.intervene.handles import Handle
    from saetext.intervene.shifted import Shifted


def handle_table(handles: Sequence[Handle | Shifted], norm: float | None) -> pl.DataFrame:
    """Return :attr:`SteerResult.handles`; ``norm`` is the median norm of the hidden states."""
    import polars as pl

    return pl.DataFrame([handle.row(norm) for handle in handles], schema=handle_schema(), strict=False)


def candidate_table(candidates: Sequence[Candidate]) -> pl.DataFrame:
    """Return :attr:`SteerResult.candidates`, the chosen one first; empty where no concept was named."""
    import polars as pl

    chosen = candidates[0].feature if candidates else -1
    return pl.DataFrame([one.row(chosen) for one in candidates], schema=candidate_schema(), strict=False)


def text_schema() -> dict[str, Any]:
    """Return the columns of :attr:`SteerResult.texts`."""
    import polars as pl

    return {
        **dict.fromkeys(("arm", "kind"), pl.String), "dose": pl.Float64, "prompt": pl.Int64,
        "prompt_text": pl.String, "sample": pl.Int64, "text": pl.String, "tokens": pl.Int64,
        "finish": pl.String, **dict.fromkeys(("gauge", "nll", "repetition"), pl.Float64),
        "changed": pl.Boolean,
    }  # fmt: skip


def handle_schema() -> dict[str, Any]:
    """Return the columns of :attr:`SteerResult.handles`."""
    import polars as pl

    return {
        "feature": pl.Int64,
        "label": pl.String,
        "strength": pl.Float64,
        "unit": pl.Float64,
        "unit_source": pl.String,
        "coefficient": pl.Float64,
        "length": pl.Float64,
        "active": pl.Int64,
        "similarity": pl.Float64,
        "output_score": pl.Float64,
        "promotes": pl.List(pl.String),
    }


def candidate_schema() -> dict[str, Any]:
    """Return the columns of :attr:`SteerResult.candidates`."""
    import polars as pl

    return {
        "feature": pl.Int64,
        "label": pl.String,
        "similarity": pl.Float64,
        "output_score": pl.Float64,
        "promotes": pl.List(pl.String),
        "chosen": pl.Boolean,
    }
