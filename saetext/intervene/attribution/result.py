"""AttributionResult: which features, at which positions, a metric comes from, and how far that is checked.

Not for: computing it (:mod:`saetext.intervene.attribution.run`), or files
(:mod:`saetext.intervene.attribution.saved`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from saetext.analysis.base import Result

#: Columns of :attr:`AttributionResult.table`.
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
#: Columns of :attr:`AttributionResult.pairs`.
PAIRS = {
    "prompt": pl.Int64,
    "position": pl.Int64,
    "feature": pl.Int64,
    "activation": pl.Float64,
    "gradient": pl.Float64,
    "attribution": pl.Float64,
}
#: Columns of :attr:`AttributionResult.errors`.
ERRORS = {"prompt": pl.Int64, "position": pl.Int64, "attribution": pl.Float64}
#: Columns of :attr:`AttributionResult.checks`.
CHECKS = {
    "prompt": pl.Int64,
    "position": pl.Int64,
    "feature": pl.Int64,
    "attribution": pl.Float64,
    "exact": pl.Float64,
}
#: Columns of :attr:`AttributionResult.prompts`.
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
#: Columns of :attr:`AttributionResult.tokens`.
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


@dataclass(frozen=True, eq=False, repr=False)
class AttributionResult(Result):
    """Which features, at which positions, a metric comes from.

    Attributes
    ----------
    table : polars.DataFrame
        The strongest pairs of a feature and a position, each verified: columns :data:`TABLE`.
    pairs : polars.DataFrame
        All active features at all positions looked at, sparse: columns :data:`PAIRS`.
    errors : polars.DataFrame
        A row for each position: what the SAE does not reconstruct there, :data:`ERRORS`.
    checks : polars.DataFrame
        Pairs drawn at random among the others, ablated exactly: :data:`CHECKS`.
    prompts : polars.DataFrame
        A row for each prompt, :data:`PROMPTS`.
    tokens : polars.DataFrame
        The tokens of each prompt up to the place of the metric, :data:`TOKENS`.
    meta : tuple of mapping
        The other columns of each prompt, plain JSON types.
    labels : mapping of int to str
        The labels of the features that have one.
    """

    pairs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAIRS))
    errors: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ERRORS))
    checks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHECKS))
    prompts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PROMPTS))
    tokens: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOKENS))
    meta: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[int, str] = field(default_factory=dict)

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables that JSON has beside the rows; all pairs are in the saved file only."""
        return {"prompts": self.prompts, "errors": self.errors, "checks": self.checks}

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything as one JSON file with a checksum, and return the path.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from saetext.intervene.attribution.saved import save

        return save(self, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> AttributionResult:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is damaged.
        """
        from saetext.intervene.attribution.saved import load

        return load(path)
