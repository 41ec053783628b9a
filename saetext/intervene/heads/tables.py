"""The columns of what attend returns. Not for: filling them (:mod:`saetext.intervene.heads.run`)."""

from __future__ import annotations

import polars as pl

#: Columns of :attr:`AttendResult.table`.
TABLE = {
    "layer": pl.Int64,
    "head": pl.Int64,
    "previous_token": pl.Float64,
    "previous_token_null": pl.Float64,
    "duplicate_token": pl.Float64,
    "duplicate_token_null": pl.Float64,
    "induction": pl.Float64,
    "induction_null": pl.Float64,
    "name_mover": pl.Float64,
    "name_mover_null": pl.Float64,
    "name_attention": pl.Float64,
    "name_effect": pl.Float64,
}
#: Columns of :attr:`AttendResult.tokens`.
TOKENS = {"position": pl.Int64, "token": pl.String}
