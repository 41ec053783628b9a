"""AblateResult: what taking features out changes, by topic and over topics, and what it is held against.

Not for: drawing it (:mod:`saetext.report`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from saetext.intervene.ablation.tables import FEATURES, TABLE, TEXTS, TOPICS
from saetext.intervene.arms_result import ArmsResult


@dataclass(frozen=True, eq=False, repr=False)
class AblateResult(ArmsResult):
    """What an ablation gave; ``table`` has a row for each ablated arm and metric.

    Attributes
    ----------
    controls : polars.DataFrame
        The arms that it is held against, columns as of ``table``: matched features and random directions
        in each mode, the forbidden token, the difference of means.
    topics : polars.DataFrame
        A row for each topic, arm and metric, matched features left out.
    features : polars.DataFrame
        What was taken out, how it was chosen, and how active it is in the unedited texts.
    texts : polars.DataFrame
        Every text of every arm with its measures.
    seen : polars.DataFrame or None
        What a second reader finds to differ in each ablated arm
        (:mod:`saetext.intervene.second_reader`); None where none was asked.
    """

    controls: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TABLE))
    topics: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOPICS))
    features: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FEATURES))
    texts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TEXTS))
    seen: pl.DataFrame | None = None

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows."""
        return {
            "controls": self.controls,
            "topics": self.topics,
            "features": self.features,
            **({"seen": self.seen} if self.seen is not None and self.seen.height else {}),
            "texts": self.texts,
        }
