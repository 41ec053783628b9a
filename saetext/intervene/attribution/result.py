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
from saetext.intervene.attribution.saved import load, save
from saetext.intervene.attribution.tables import CHECKS, ERRORS, PAIRS, PROMPTS, TABLES, TOKENS


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
        return save(self, {name: getattr(self, name) for name in TABLES}, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> AttributionResult:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it is damaged.
        """
        return cls("attribute", **load(path))
