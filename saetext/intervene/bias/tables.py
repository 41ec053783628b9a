"""The tables of a dampening and their columns. Not for: what is in them."""

from __future__ import annotations

import polars as pl

_FLOATS = ("value", "low", "high", "diff", "diff_low", "diff_high", "p", "controls_p")
#: Columns of :attr:`BiasResult.table` and :attr:`BiasResult.controls`: a row for each arm and measure.
TABLE = {
    "arm": pl.String,
    "kind": pl.String,
    "dose": pl.Float64,
    "measure": pl.String,
    "suite": pl.String,
    "n": pl.Int64,
    **dict.fromkeys(_FLOATS, pl.Float64),
}
#: Columns of :attr:`BiasResult.features`: what was found, by whom, and what else activates it.
FEATURES = {
    "feature": pl.Int64,
    "label": pl.String,
    "dampened": pl.Boolean,
    "finders": pl.Int64,
    "rank_labels": pl.Int64,
    "rank_attribution": pl.Int64,
    "rank_swapped": pl.Int64,
    "similarity": pl.Float64,
    "attribution": pl.Float64,
    "exact": pl.Float64,
    "widens": pl.Float64,
    "swapped": pl.Float64,
    "swapped_p": pl.Float64,
    "active": pl.Float64,
    "contexts": pl.Int64,
    "elsewhere": pl.Float64,
    "entropy": pl.Float64,
    "entropy_random": pl.Float64,
}
#: Columns of :attr:`BiasResult.units`: what each arm says of each profession or sentence.
UNITS = {
    "arm": pl.String,
    "dose": pl.Float64,
    "measure": pl.String,
    "suite": pl.String,
    "unit": pl.String,
    "stereotype": pl.Float64,
    "value": pl.Float64,
    "signed": pl.Float64,
}
