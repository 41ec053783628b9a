"""The parameters and the figures of a diff, as plain JSON types. Not for: its table or its notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.findings import Findings, Rows
from saetext.analysis.differences.result import Family, NullCheck
from saetext.analysis.differences.testing import ALPHA, LEVEL

TESTS = {
    "independent": "Fisher exact",
    "paired": "McNemar exact",
    "by prompt": "Cochran-Mantel-Haenszel",
    "by group": "permutation of groups, Student's t",
}
INTERVALS = {
    "independent": "Newcombe hybrid score",
    "paired": "Newcombe hybrid score, paired",
    "by prompt": "Wald, clustered by key",
    "by group": "Wald, clustered by group",
}
#: What is resolved of two sets, and of more, in this order; what else was asked for follows.
_TWO = (
    "a", "b", "sae", "design", "pair_on", "group", "control", "test", "interval", "level", "alpha",
    "min_support", "early_tokens", "top", "sample", "seed",
)  # fmt: skip
_SEVERAL = (
    "sets", "sae", "against", "design", "pair_on", "group", "control", "level", "alpha", "test", "interval",
    "min_support", "top", "sample", "seed",
)  # fmt: skip


def params_of(asked: Asked, done: Sequence[Contrast]) -> dict[str, Any]:
    """Return the parameters as they were resolved; the design is that of the first contrast."""
    request, design = asked.request, done[0].design
    known: dict[str, Any] = {
        "a": asked.names[0],
        "b": asked.names[1],
        "sets": list(asked.names),
        "sae": asked.sae,
        "against": request.against,
        "design": design.kind,
        "pair_on": design.column if design.kind in ("paired", "by prompt") else None,
        "group": design.column if request.group else None,
        "control": list(request.controls) or None,
        "test": TESTS[design.kind],
        "interval": INTERVALS[design.kind],
        "level": LEVEL,
        "alpha": ALPHA,
        "min_support": done[0].min_support,
        "early_tokens": done[0].early,
        "top": request.most,
        "sample": request.sample,
        "seed": request.seed,
    }
    resolved = {key: known[key] for key in (_TWO if asked.two else _SEVERAL)}
    asked_for = request.params()
    return {**resolved, **{key: value for key, value in asked_for.items() if key not in resolved}}


def metrics_of(
    asked: Asked,
    done: Sequence[Contrast],
    rows: Rows,
    findings: Findings,
    families: Sequence[Family] = (),
    null: NullCheck | None = None,
) -> dict[str, Any]:
    """Return the figures about the whole."""
    confirmed = rows.columns["confirmed"]
    found = {
        "tested": len(rows.features),
        "significant": int(rows.significant.sum()),
        "confirmed": int(confirmed.sum()),
        "findings": findings.count,
    }
    if asked.two:
        return {**_sides(asked, done[0]), **found, **_beside(families, null)}
    return {
        "documents": {name: c.n_documents for name, c in zip(asked.names, asked.sets, strict=True)},
        **found,
        "confirmed_by_set": {
            name: int(confirmed[rows.columns["set"] == i].sum()) for i, name in enumerate(asked.names)
        },
        "median_tokens": {name: c.median_tokens(0) for name, c in zip(asked.names, done, strict=True)},
        "length_overlap": {name: c.length.overlap for name, c in zip(asked.names, done, strict=True)},
        "halved": sum(contrast.design.split for contrast in done),
        "families": _figures(families),
    }


def _sides(asked: Asked, contrast: Contrast) -> dict[str, Any]:
    design = contrast.design
    compared = [design.rows(side) for side in (0, 1)]
    return {
        "documents_a": asked.sets[0].n_documents,
        "documents_b": asked.sets[1].n_documents,
        "compared_a": compared[0],
        "compared_b": compared[1],
        "pairs": compared[0] if design.kind == "paired" else None,
        "units": None if design.kind == "independent" else design.n_units,
        "median_tokens_a": contrast.median_tokens(0),
        "median_tokens_b": contrast.median_tokens(1),
        "length_overlap": contrast.length.overlap,
        "features": asked.d_sae,
    }


def _beside(families: Sequence[Family], null: NullCheck | None) -> dict[str, Any]:
    return {"families": _figures(families), "null": dataclasses.asdict(null) if null else None}


def _figures(families: Sequence[Family]) -> dict[str, dict[str, Any]]:
    figures = ("tested", "significant", "confirmed", "auc")
    return {family.name: {figure: getattr(family, figure) for figure in figures} for family in families}
