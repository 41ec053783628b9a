"""ExpressionResult: features by examples, with what holds everywhere and what only some examples share.

Not for: computing it (:mod:`saetext.intervene.expression.run`) or drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.analysis.base import Result
from saetext.intervene.attribution.result import AttributionResult
from saetext.intervene.expression.enrichment import COLUMNS as ENRICHMENT
from saetext.io.provided import provided

#: Columns of :attr:`ExpressionResult.table`.
TABLE = {
    "feature": pl.Int64,
    "label": pl.String,
    "prevalence": pl.Float64,
    "active": pl.Float64,
    "mean": pl.Float64,
    "scale": pl.Float64,
    "community": pl.Int64,
    "enriched_in": pl.String,
    "enriched_q": pl.Float64,
    "example": pl.String,
    "token": pl.String,
}
#: Columns of :attr:`ExpressionResult.examples`.
EXAMPLES = {
    "prompt": pl.Int64,
    "id": pl.String,
    "metric": pl.Float64,
    "community": pl.Int64,
    "value": pl.String,
}


@dataclass(frozen=True, eq=False, repr=False)
class ExpressionResult(Result):
    """Features by examples.

    Attributes
    ----------
    table : polars.DataFrame
        A row for each feature in the order of the clustering, columns :data:`TABLE`.
    examples : polars.DataFrame
        A row for each example in the order of the clustering, columns :data:`EXAMPLES`.
    expression : float64[features, examples]
        The matrix in these orders, -1 to 1.
    enrichment : polars.DataFrame
        Every test, columns :data:`saetext.intervene.expression.enrichment.COLUMNS`; empty without a column.
    attribution : AttributionResult or None
        What it was made from.
    """

    examples: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EXAMPLES))
    expression: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    enrichment: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ENRICHMENT))
    attribution: AttributionResult | None = None

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables that JSON has beside the rows; of the matrix, the cells that are not zero."""
        feature, example = np.nonzero(self.expression)
        cells = pl.DataFrame(
            {
                "prompt": self.examples["prompt"].to_numpy()[example],
                "feature": self.table["feature"].to_numpy()[feature],
                "expression": self.expression[feature, example],
            }
        )
        return {"examples": self.examples, "enrichment": self.enrichment, "cells": cells}

    def to_html(self, path: str | Path, *args: Any, overwrite: bool = False, **options: Any) -> Path:
        """Write the matrix as one self-contained page and return the path.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        page: Path = provided("write_matrix_page")(self, path, overwrite=overwrite)
        return page
