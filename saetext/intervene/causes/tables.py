"""The tables of a ``why`` and their columns. Not for: what is in them."""

from __future__ import annotations

from typing import Any

import polars as pl

_F, _S, _I, _B = pl.Float64, pl.String, pl.Int64, pl.Boolean

#: Columns of :attr:`saetext.intervene.causes.WhyResult.table`: a row for each finding and feature.
TABLE: dict[str, Any] = {
    "finding": _S, "kind": _S, "more_in": _S, "feature": _I, "label": _S, "verdict": _S, "because": _S,
    "gap": _F, "gap_low": _F, "gap_high": _F, "gap_p": _F,
    "necessary": _F, "necessary_low": _F, "necessary_high": _F, "necessary_p": _F, "necessary_control_p": _F,
    "sufficient": _F, "sufficient_low": _F, "sufficient_high": _F, "sufficient_p": _F,
    "sufficient_control_p": _F,
    "dose": _F, "tau": _F, "dose_p": _F, "moved": _F, "p": _F, "control_p": _F, "controls": _I, "q": _F,
    "others": _F, "nll_removed": _F, "nll_added": _F, "repetition_removed": _F, "repetition_added": _F,
    "active": _F, "active_p": _F, "prompts": _I,
}  # fmt: skip
#: Columns of :attr:`saetext.intervene.causes.WhyResult.findings_table`: a row for each finding.
FINDINGS: dict[str, Any] = {
    "finding": _S, "kind": _S, "more_in": _S, "rate_a": _F, "rate_b": _F, "q": _F, "gauge": _S,
    "independent": _B, "new_a": _F, "new_b": _F,
}  # fmt: skip
#: Columns of :attr:`saetext.intervene.causes.WhyResult.candidates`: features that were considered.
CANDIDATES: dict[str, Any] = {
    "finding": _S, "feature": _I, "label": _S, "found_by": _S, "activity": _F, "attribution": _F,
    "removes": _F, "chosen": _B,
}  # fmt: skip
#: Columns of :attr:`saetext.intervene.causes.WhyResult.arms`: a row for each arm of each tested feature.
ARMS: dict[str, Any] = {
    "finding": _S, "feature": _I, "arm": _S, "kind": _S, "side": _S, "dose": _F, "features": pl.List(_I),
    "gauge": _F, "nll": _F, "repetition": _F, "texts": _I,
}  # fmt: skip
#: Columns of :attr:`saetext.intervene.causes.WhyResult.texts`: matched features left out.
TEXTS: dict[str, Any] = {
    "arm": _S, "kind": _S, "side": _S, "dose": _F, "prompt": _I, "prompt_text": _S, "sample": _I,
    "text": _S, "finish": _S, "nll": _F, "repetition": _F,
}  # fmt: skip
