"""The tables of fitted and evaluated shifts and their columns. Not for: what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

_FLOATS = ("alignment", "low", "high", "diff", "diff_low", "diff_high", "p", "tv", "js", "kl")
#: Columns of :attr:`saetext.intervene.shifts.ShiftResult.table`: a row for each group.
FITTED = {
    "group": pl.String,
    "questions": pl.Int64,
    "features": pl.Int64,
    "length": pl.Float64,
    "kl_before": pl.Float64,
    "kl_after": pl.Float64,
    "steps": pl.Int64,
    "temperature": pl.Float64,
    "overlap": pl.Float64,
    "cosine": pl.Float64,
}
#: Columns of the features that moved.
FEATURES = {
    "group": pl.String,
    "feature": pl.Int64,
    "label": pl.String,
    "delta": pl.Float64,
    "length": pl.Float64,
    "repeats": pl.Float64,
    "groups": pl.Int64,
}
#: Columns of :attr:`saetext.intervene.shifts.ShiftEvaluation.table`: a row for each way to answer.
ARMS = {
    "arm": pl.String,
    "kind": pl.String,
    "questions": pl.Int64,
    **dict.fromkeys(_FLOATS, pl.Float64),
    "elsewhere": pl.Float64,
    "length": pl.Float64,
    "features": pl.Float64,
    "neutral_kl": pl.Float64,
    "nll_diff": pl.Float64,
}
#: Columns of each way to answer by group.
GROUPS = {
    "arm": pl.String,
    "kind": pl.String,
    "group": pl.String,
    "questions": pl.Int64,
    "alignment": pl.Float64,
    "tv": pl.Float64,
    "js": pl.Float64,
    "kl": pl.Float64,
    "refused": pl.Float64,
}
#: Columns of every group's shift against every group's answers.
ACROSS = {"shift": pl.String, "group": pl.String, "questions": pl.Int64, "alignment": pl.Float64}
#: Columns of each answer to a held-out question.
ANSWERS: dict[str, Any] = {
    "arm": pl.String,
    "group": pl.String,
    "question": pl.String,
    "options": pl.List(pl.String),
    "distribution": pl.List(pl.Float64),
    "model": pl.List(pl.Float64),
    "alignment": pl.Float64,
    "tv": pl.Float64,
    "js": pl.Float64,
    "kl": pl.Float64,
}
EVALUATED: Mapping[str, Mapping[str, Any]] = {"groups": GROUPS, "across": ACROSS, "features": FEATURES}
