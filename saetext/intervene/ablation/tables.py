"""The tables of an ablation and their columns. Not for: what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

_F, _S, _I = pl.Float64, pl.String, pl.Int64

#: Columns of :attr:`saetext.intervene.ablation.AblateResult.table` and of its controls.
TABLE: dict[str, Any] = {
    "arm": _S,
    "kind": _S,
    "mode": _S,
    "of": _S,
    "features": pl.List(_I),
    "metric": _S,
    "primary": pl.Boolean,
    "base": _F,
    "mean": _F,
    "change": _F,
    "low": _F,
    "high": _F,
    "p": _F,
    "control_p": _F,
    "q": _F,
    "verdict": _S,
    "base_variance": _F,
    "variance": _F,
    "variance_change": _F,
    "variance_low": _F,
    "variance_high": _F,
    "variance_p": _F,
    "variance_control_p": _F,
    "units": _I,
    "texts": _I,
    "changed": _F,
    "length": _F,
}
#: Columns of :attr:`saetext.intervene.ablation.AblateResult.topics`.
TOPICS: dict[str, Any] = {
    "topic": _S,
    "arm": _S,
    "kind": _S,
    "metric": _S,
    "texts": _I,
    "base": _F,
    "mean": _F,
    "change": _F,
    "base_variance": _F,
    "variance": _F,
    "variance_change": _F,
}
#: Columns of :attr:`saetext.intervene.ablation.AblateResult.features`.
FEATURES: dict[str, Any] = {
    "feature": _I,
    "label": _S,
    "score": _F,
    "examples": _I,
    "active": _F,
    "activation": _F,
    "largest": _F,
}
_BEFORE: dict[str, Any] = {
    "arm": _S,
    "kind": _S,
    "prompt": _I,
    "prompt_text": _S,
    "topic": _S,
    "sample": _I,
    "text": _S,
    "finish": _S,
    "changed": pl.Boolean,
}
#: Measures that every text has.
MEASURES = ("items", "distinct", "repeats", "tokens", "words", "nll", "ended")
#: Columns of :attr:`saetext.intervene.ablation.AblateResult.texts`; the user's metrics follow.
TEXTS: dict[str, Any] = {**_BEFORE, **dict.fromkeys(MEASURES, _F)}


def texts_schema(functions: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the texts with the user's own metrics."""
    return {**TEXTS, **dict.fromkeys(functions, _F)}
