"""The tables of an attribution and their columns. Not for: what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.table`.
TABLE = {
    "prompt": pl.Int64,
    "id": pl.String,
    "position": pl.Int64,
    "token": pl.String,
    "feature": pl.Int64,
    "label": pl.String,
    "activation": pl.Float64,
    "gradient": pl.Float64,
    "attribution": pl.Float64,
    "share": pl.Float64,
    "exact": pl.Float64,
}
#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.pairs`.
PAIRS = {
    "prompt": pl.Int64,
    "position": pl.Int64,
    "feature": pl.Int64,
    "activation": pl.Float64,
    "gradient": pl.Float64,
    "attribution": pl.Float64,
}
#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.errors`.
ERRORS = {"prompt": pl.Int64, "position": pl.Int64, "attribution": pl.Float64}
#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.checks`.
CHECKS = {
    "prompt": pl.Int64,
    "position": pl.Int64,
    "feature": pl.Int64,
    "attribution": pl.Float64,
    "exact": pl.Float64,
}
#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.prompts`.
PROMPTS = {
    "prompt": pl.Int64,
    "id": pl.String,
    "tokens": pl.Int64,
    "metric": pl.Float64,
    "without": pl.Float64,
    "features": pl.Float64,
    "error": pl.Float64,
    "gap": pl.Float64,
}
#: Columns of :attr:`saetext.intervene.attribution.AttributionResult.tokens`.
TOKENS = {"prompt": pl.Int64, "position": pl.Int64, "token": pl.String}
#: The tables beside the rows, and their columns.
TABLES: Mapping[str, Mapping[str, Any]] = {
    "table": TABLE,
    "pairs": PAIRS,
    "errors": ERRORS,
    "checks": CHECKS,
    "prompts": PROMPTS,
    "tokens": TOKENS,
}
