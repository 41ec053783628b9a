"""What a search returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Result
from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.snippets import Line
from saetext.text.one_line import many

if TYPE_CHECKING:
    import polars as pl

MODES = ("features", "dense", "bm25", "hybrid", "projected")


@dataclass(frozen=True, eq=False, repr=False)
class SearchResult(Result):
    """Documents that answer a search, best first.

    ``table`` has, a row a document:

    - ``rank`` from 1 over all pages, ``id``, ``row`` (of the corpus or view searched), ``score``;
    - ``snippet``, words of the text with those that answer marked «so», null where texts are not stored;
    - ``features``: feature, label, ``contribution`` and the ``word`` where it peaks, the largest contribution
      first. They add up to ``score_features``;
    - ``score_features``, ``score_dense``, ``score_bm25``, ``score_projected``: by each ranking, null where it
      was not used or does not have the document; ``part_features``, ... what each gave to the score of a
      hybrid search, which they add up to;
    - ``grade``, 0 to 3, by a language model where one was asked and gave one;
    - ``group`` and ``group_size`` (answers of that group), where documents were grouped.

    Attributes
    ----------
    query : FeatureQuery or None
        The features that were searched by.
    lines : tuple of Line or None
        The snippets in pieces.
    """

    query: FeatureQuery | None = None
    lines: Sequence[Line | None] = field(default_factory=tuple)

    def _counts(self) -> str:
        found = self.metrics.get("found")
        if not isinstance(found, int):
            return super()._counts()
        return f"{len(self):,} of {many(found, 'document')} with a score"  # every one that could be ranked

    @property
    def ids(self) -> list[str]:
        """The documents' ids."""
        return list(self.table["id"])


def schema() -> dict[str, Any]:
    """Return the columns of the table with their types."""
    import polars as pl

    feature = {"feature": pl.Int64, "label": pl.String, "contribution": pl.Float64, "word": pl.String}
    rankings = [name for name in MODES if name != "hybrid"]
    return {
        "rank": pl.Int64,
        "id": pl.String,
        "row": pl.Int64,
        "score": pl.Float64,
        "snippet": pl.String,
        "features": pl.List(pl.Struct(feature)),
        **{f"score_{name}": pl.Float64 for name in rankings},
        **{f"part_{name}": pl.Float64 for name in rankings},
        "grade": pl.Float64,
        "group": pl.String,
        "group_size": pl.Int64,
    }


def table_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as a table."""
    import polars as pl

    return pl.DataFrame(list(rows), schema=schema())
