"""AblateResult: what taking features out changes, by topic and over topics, and what it is held against.

Not for: drawing it (:mod:`saetext.report`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from saetext.analysis.base import Result
from saetext.intervene.ablation.tables import FEATURES, TABLE, TEXTS, TOPICS


@dataclass(frozen=True, eq=False, repr=False)
class AblateResult(Result):
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

    def write_texts(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the texts of all arms, ``.jsonl`` or ``.parquet`` by the name, and return the path.

        Each has an ``id`` of its own and its ``arm``: every analysis takes the file, ``--by arm``.

        Raises
        ------
        InputError
            If the name ends otherwise, the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from saetext.intervene.texts_file import write_texts

        return write_texts(self.texts, Path(path), overwrite=overwrite)
