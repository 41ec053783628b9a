"""What clustering returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result
from saetext.analysis.clusters.axis import Axis
from saetext.analysis.clusters.changes.table import flat
from saetext.analysis.clusters.describing import Described
from saetext.analysis.clusters.exemplars import Exemplar
from saetext.analysis.clusters.fitting import Fitted
from saetext.io.csv_text import csv_of

if TYPE_CHECKING:
    import polars as pl

#: Columns of the table, in this order.
COLUMNS = (
    "cluster", "name", "size", "share", "probability", "persistence", "features", "against", "words",
    "examples", "example", "snippet",
)  # fmt: skip

#: Columns of the documents' table, in this order.
DOCUMENT_COLUMNS = ("row", "id", "cluster", "name", "probability", "outlier", "x", "y", "exemplar", "placed")


#: Columns of the table of levels, in this order.
LEVEL_COLUMNS = ("level", "part", "parent", "cluster", "name", "size", "share", "words")


@dataclass(frozen=True, eq=False, repr=False)
class ClusterResult(Result):
    """Groups of documents that share features, each with a name and what sets it apart.

    ``table`` has a row a cluster, the largest first:

    - ``cluster``, from 1; ``name``; ``size``, documents; ``share`` of all of them;
    - ``probability``, the mean over its documents; ``persistence``, HDBSCAN's (null for a prediction);
    - ``features``: list of structs ``feature``, ``label``, ``inside``, ``outside``, ``diff``, ``ci_low``,
      ``ci_high``, ``q``, ``adjusted_diff`` (at equal length), ``adjusted_q``, ``score``,
      ``explained_by_length``, ``fits`` (whether the label is true of what the feature does in this
      cluster; null where that was not looked at); the most telling first, those that length explains last;
    - ``against``: list of structs ``cluster``, ``name`` and ``features``, likewise against the nearest
      clusters;
    - ``words``: typical words; ``examples``: ids of its exemplars; ``example``, the beginning of the
      first; ``snippet``, its words that fire, marked «so».

    Attributes
    ----------
    documents : polars.DataFrame
        One row a document: ``row``, ``id``, ``cluster`` (0: none), ``name``, ``probability``, ``outlier``
        (GLOSH, 0 to 1; null for placed documents), ``x`` and ``y`` on the map (null: no feature that counts),
        ``exemplar``, ``placed`` (among fitted ones, not fitted); then ``level_1``, ``level_2``, ...: its part
        at each level, the coarsest first (0: none).
    levels : polars.DataFrame
        One row a part of a level: ``level`` from 1, the coarsest; ``part``, its number, the largest first;
        ``parent``, the part of the level above it lies in (null at level 1); ``cluster``, the cluster that it
        is or is part of (null for a group of several); ``name``; ``size`` and ``share``; ``words``. One of
        the levels is the clusters themselves: ``metrics["level_of_clusters"]``.
    tree : polars.DataFrame or None
        HDBSCAN's condensed tree, see :class:`saetext.analysis.clusters.density.Grouping`; children below
        the number of fitted documents are places in ``fitted.rows``.
    fitted : Fitted or None
        What new documents are placed by.
    axis : Axis or None
        The features that were kept.
    described : tuple of Described
        What sets each cluster apart.
    exemplars : tuple of tuple of Exemplar
        Documents that stand for each.
    changes : polars.DataFrame or None
        Where sets were compared, a row a cluster, and one of cluster 0 for no cluster, what changed most
        surely first: ``cluster``, ``name``, ``set`` (the second of two; of more the one that stands out),
        ``change`` (its share less that of the other, or of all others), ``ci_low``, ``ci_high``, ``p``,
        ``q``, ``only_in`` (the set that alone has it, or nearly), ``copies`` (documents that are one text
        nearly word for word, in the set ``copied_in``, where it has its largest share), ``change_once`` and
        ``q_once`` (each such text counted once in each set; null for pairs), ``counts`` and ``shares``
        (structs by set). Over a column: ``trend`` (change from the first bin to the last, by a straight
        line) with interval, ``p`` and ``q``, ``peak``, ``peak_share``, ``peak_q`` (the bin that stands out
        from all others), ``counts`` and ``shares`` by bin.
    """

    documents: pl.DataFrame = field(default=None)  # type: ignore[assignment]
    levels: pl.DataFrame = field(default=None)  # type: ignore[assignment]
    tree: pl.DataFrame | None = None
    fitted: Fitted | None = None
    axis: Axis | None = None
    described: tuple[Described, ...] = ()
    exemplars: tuple[tuple[Exemplar, ...], ...] = ()
    changes: pl.DataFrame | None = None

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the parts of all levels, and what changed over sets or a column, where there is that."""
        found = {**super().lists(), **({"levels": self.levels} if self.n_levels > 1 else {})}
        return found if self.changes is None else {**found, "changes": self.changes}

    def to_csv(self, *, raw: bool = False) -> str:
        """Return the table as CSV; of sets that were compared, or over time, what changed."""
        if self.changes is None:
            return super().to_csv(raw=raw)
        return csv_of(flat(self.changes), raw=raw)

    def to_parquet(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table as Parquet; of sets that were compared, or over time, what changed."""
        if self.changes is None:
            return super().to_parquet(path, overwrite=overwrite)
        changed = Result(self.kind, self.changes, self.params, self.metrics)
        return changed.to_parquet(path, overwrite=overwrite)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.metrics["n_clusters"])

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return int(self.metrics.get("levels", 1))

    def names_of(self, level: int) -> list[str]:
        """Return the names of the parts of a level, by number; levels are from 1."""
        if self.levels is None:
            return list(self.table["name"].to_list())
        names: Sequence[str] = self.levels.filter(self.levels["level"] == level)["name"].to_list()
        return list(names)

    @property
    def noise(self) -> float:
        """Share of documents in no cluster."""
        return float(self.metrics["noise"])
