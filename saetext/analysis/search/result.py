"""What a search returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Result
from saetext.analysis.search.query import FeatureQuery
from saetext.analysis.search.snippets import Line
from saetext.errors import InputError
from saetext.text.one_line import many

if TYPE_CHECKING:
    import polars as pl

Refiner = Callable[[Sequence["str | int"], Sequence["str | int"], "int | None", int], "SearchResult"]
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
      hybrid search, which they add up to; ``part_before`` what
      the search before documents were judged gave, ``part_not`` what a document loses by what is not wanted;
    - ``grade``, 0 to 3, by a language model where one was asked and gave one;
    - ``group`` and ``group_size`` (answers of that group), where documents were grouped.

    Attributes
    ----------
    query : FeatureQuery or None
        The features that were searched by.
    lines : tuple of Line or None
        The snippets in pieces.
    refiner : callable or None
        What :meth:`refine` calls; None in a result that was read from a file.
    """

    query: FeatureQuery | None = None
    lines: Sequence[Line | None] = field(default_factory=tuple)
    refiner: Refiner | None = field(default=None, repr=False)

    def refine(
        self,
        more: Sequence[str | int] | int = (),
        less: Sequence[str | int] | int = (),
        *,
        top: int | None = None,
        offset: int = 0,
    ) -> SearchResult:
        """Return the search fitted to documents that are right and wrong, which are left out; milliseconds.

        Judgements add up: those of a result that was refined before count too, and ``params`` has the ids of
        all. The first page is returned, whichever page was refined, unless ``offset`` says otherwise.

        Parameters
        ----------
        more : sequence of int or str
            Documents that are right: numbers of this result's table (``rank``) or ids.
        less : sequence of int or str
            Documents that are wrong.
        top : int, optional
            Number of documents; by default as many as the search was asked for.
        offset : int
            Documents before the first one that is returned.

        Raises
        ------
        InputError
            If nothing is judged, there is no such document, or one is called both right and wrong; or the
            result was read from a file or reranked.
        """
        if self.refiner is None:
            raise InputError(
                "this result was not made by a search in this process: search again, then refine it"
            )
        listed = [[each] if isinstance(each, (int, str)) else list(each) for each in (more, less)]
        return self.refiner(listed[0], listed[1], top, offset)

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
        **{f"part_{name}": pl.Float64 for name in (*rankings, "before", "not")},
        "grade": pl.Float64,
        "group": pl.String,
        "group_size": pl.Int64,
    }


def table_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as a table."""
    import polars as pl

    return pl.DataFrame(list(rows), schema=schema())
