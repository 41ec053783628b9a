"""expression: features by examples, both axes clustered, and which kinds of examples have their own.

Not for: the clustering (:mod:`saetext.intervene.expression.matrix`) or the tests
(:mod:`saetext.intervene.expression.enrichment`) themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from saetext.errors import InputError
from saetext.intervene.attribution.result import AttributionResult
from saetext.intervene.expression.enrichment import COLUMNS, enriched, enrichment
from saetext.intervene.expression.matrix import Grouped, Matrix, grouped, matrix_of
from saetext.intervene.expression.request import ExpressionRequest
from saetext.intervene.expression.result import EXAMPLES, TABLE, ExpressionResult
from saetext.io.request import verb
from saetext.text.one_line import quoted


@verb(ExpressionRequest)
def expression(attribution: AttributionResult | str | Path, request: ExpressionRequest) -> ExpressionResult:
    """Put the strongest features of all examples side by side: what holds everywhere, what only some share.

    Parameters
    ----------
    attribution : AttributionResult or path
        What :func:`saetext.attribute` found, or the file it was saved to.

    Returns
    -------
    ExpressionResult

    Raises
    ------
    InputError
        If the file cannot be read, there are fewer than two examples, no feature has any attribution, or
        the column cannot be used.

    Examples
    --------
    >>> import polars as pl
    >>> import saetext
    >>> values = {"prompt": [0, 0, 1], "feature": [7, 8, 7], "attribution": [1.0, -0.5, 2.0]}
    >>> pairs = pl.DataFrame({**values, "position": [3, 4, 3]})
    >>> prompts = pl.DataFrame({"prompt": [0, 1], "id": ["a", "b"], "metric": [0.3, 0.8]})
    >>> about = {"params": {}, "metrics": {}, "meta": ({}, {})}
    >>> found = saetext.AttributionResult("attribute", pairs, pairs=pairs, prompts=prompts, **about)
    >>> saetext.expression(found).table.select("feature", "prevalence").to_dicts()
    [{'feature': 7, 'prevalence': 1.0}, {'feature': 8, 'prevalence': 0.5}]
    """
    found = attribution if isinstance(attribution, AttributionResult) else AttributionResult.load(attribution)
    n = found.prompts.height
    if n < 2:
        raise InputError(f"a matrix needs two examples or more; there is {n}")
    values = _values(found, request.by)
    matrix = matrix_of(found.pairs, n, request.take, request.most)
    if not len(matrix.features):
        raise InputError("no feature has any attribution: there is nothing to put side by side")
    tests = pl.DataFrame(schema=COLUMNS)
    if request.by is not None:
        tests = enrichment(matrix.features.tolist(), matrix.top, values, request.by)
    rows, columns = grouped(matrix.expression), grouped(matrix.expression.T)
    table = _table(found, matrix, rows, enriched(tests))
    examples = _examples(found, columns, values)
    return ExpressionResult(
        "expression",
        table=table,
        params={**request.params(), "attribution": dict(found.params)},
        metrics={
            "examples": n,
            "features": len(matrix.features),
            "everywhere": int((table["prevalence"] >= 0.5).sum()),
            "feature_communities": int(rows.group.max()) + 1,
            "example_communities": int(columns.group.max()) + 1,
            "feature_silhouette": rows.silhouette,
            "example_silhouette": columns.silhouette,
            "enriched": int((tests["q"] < 0.05).sum()) if tests.height else 0,
            "tests": tests.height,
        },
        notes=_notes(matrix, request, n),
        examples=examples,
        expression=matrix.expression[np.ix_(rows.order, columns.order)],
        enrichment=tests,
        attribution=found,
    )


def _values(found: AttributionResult, by: str | None) -> list[Any]:
    if by is None:
        return [None] * found.prompts.height
    known = dict.fromkeys(name for row in found.meta for name in row)
    if by not in known:
        listed = ", ".join(map(quoted, list(known)[:10])) or "none"
        raise InputError(f"the prompts have no column {quoted(by)}; columns: {listed}")
    return [row.get(by) for row in found.meta]


def _table(
    found: AttributionResult, matrix: Matrix, rows: Grouped, best: dict[int, tuple[str, float]]
) -> pl.DataFrame:
    strongest = _strongest(found, matrix.features.tolist())
    scaled = matrix.expression
    lines = []
    for at in rows.order.tolist():
        feature = int(matrix.features[at])
        value, q = best.get(feature, (None, None))
        example, token = strongest[feature]
        lines.append(
            {
                "feature": feature,
                "label": found.labels.get(feature),
                "prevalence": float(matrix.top[at].mean()),
                "active": float((matrix.value[at] != 0).mean()),
                "mean": float(scaled[at].mean()),
                "scale": float(matrix.scale[at]),
                "community": int(rows.group[at]),
                "enriched_in": value,
                "enriched_q": q,
                "example": example,
                "token": token,
            }
        )
    return pl.DataFrame(lines, schema=TABLE)


def _strongest(found: AttributionResult, features: list[int]) -> dict[int, tuple[str, str]]:
    """Return for each feature the id of the example, and the token, where its attribution is largest."""
    best = (
        found.pairs.filter(pl.col("feature").is_in(features))
        .sort(pl.col("attribution").abs(), descending=True, maintain_order=True)
        .unique("feature", keep="first", maintain_order=True)
        .join(found.tokens, on=["prompt", "position"], how="left")
        .join(found.prompts.select("prompt", "id"), on="prompt", how="left")
    )
    return {row["feature"]: (row["id"] or "", row["token"] or "") for row in best.to_dicts()}


def _examples(found: AttributionResult, columns: Grouped, values: list[Any]) -> pl.DataFrame:
    prompts = found.prompts
    lines = [
        {
            "prompt": at,
            "id": prompts["id"][at],
            "metric": prompts["metric"][at],
            "community": int(columns.group[at]),
            "value": None if values[at] is None else str(values[at]),
        }
        for at in columns.order.tolist()
    ]
    return pl.DataFrame(lines, schema=EXAMPLES)


def _notes(matrix: Matrix, request: ExpressionRequest, examples: int) -> tuple[str, ...]:
    notes = []
    if len(matrix.features) == request.most:
        notes.append(f"the matrix has the {request.most:,} features that are strongest in most examples")
    if examples < 20:
        notes.append(f"with {examples} examples, communities and enrichment are suggestions")
    return tuple(notes)
