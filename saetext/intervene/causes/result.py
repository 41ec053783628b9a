"""WhyResult: which features drive what a diff found, and the figures behind each verdict.

Not for: drawing it (:mod:`saetext.report`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from saetext.intervene.arms_result import ArmsResult
from saetext.intervene.causes.tables import ARMS, CANDIDATES, FINDINGS, TEXTS


@dataclass(frozen=True, eq=False, repr=False)
class WhyResult(ArmsResult):
    """What ``why`` gave; ``table`` has a row for each finding and feature that was tested or proposed.

    Verdicts are ``drives it``, ``contributes``, ``only reads it``, ``breaks the text`` and ``not shown``;
    null where there is none, and ``because`` says why in words.

    Attributes
    ----------
    findings_table : polars.DataFrame
        The findings: their rates where they were found and in the texts that were written here, what measures
        them, and whether that is independent of the SAE that is edited.
    candidates : polars.DataFrame
        Features that were considered for each finding, and how they were found.
    arms : polars.DataFrame
        A row for each arm of each tested feature, matched features included.
    texts : polars.DataFrame
        Every text that was written to test, those under matched features left out.
    """

    findings_table: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FINDINGS))
    candidates: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CANDIDATES))
    arms: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ARMS))
    texts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TEXTS))

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows."""
        return {
            "findings": self.findings_table,
            "candidates": self.candidates,
            "arms": self.arms,
            "texts": self.texts,
        }
