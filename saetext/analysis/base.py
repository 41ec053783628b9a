"""Result: what every verb returns; a table with everything that made it.

Not for: computing (diff, correlate, ...) or drawing (:mod:`saetext.report`); the methods here only hand the
table to :mod:`saetext.analysis.export`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from saetext.io.frames import as_pandas
from saetext.io.provided import provided
from saetext.text.one_line import about, many, one_line, quoted

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from saetext.corpus.protocol import CorpusLike
    from saetext.features.labels import FeatureLabels
    from saetext.reader.reader import Reader

Row = dict[str, Any]

_COUNTED = ("tested", "significant", "confirmed", "n_clusters", "found")  # of the metrics, in a repr
_NAMED = ("set", "label", "name_a", "name_b", "name", "id", "rule")  # columns that name a row
_LISTED = ("set", "name")  # of a list: the name says more than a feature's label
# figures of a finding that its repr tells
_FIGURES: Final = ("rate_a", "rate_b", "rate", "rate_rest", "npmi", "rho", "score", "effect", "share", "q")


@dataclass(frozen=True)
class Source:
    """One corpus a result was computed from.

    Attributes
    ----------
    name : str
        What the result calls it.
    path : str
        Where the corpus lies.
    fingerprint : str
        Fingerprint of the corpus.
    where : str
        The selection of its rows in words, empty for all of them.
    condition : str or None
        The condition on metadata by which rows were selected, see :mod:`saetext.corpus.where`.
    column, value : str or None
        The column, and the value as text, of the rows that were selected after that.
    clusters : tuple of str or None
        Directories of clusters whose columns it had.
    """

    name: str
    path: str
    fingerprint: str
    where: str = ""
    condition: str | None = None
    column: str | None = None
    value: str | None = None
    clusters: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        corpus: CorpusLike,
        name: str,
        *,
        condition: str | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> Source:
        """Return the source that a corpus is after it was selected by a condition and a value."""
        told = [condition or "", f"{column} = {value}" if column is not None else ""]
        words = " and ".join(part for part in told if part)
        added = getattr(corpus, "columns_from", ()) or None
        return cls(name, str(corpus.path), corpus.fingerprint, words, condition, column, value, added)


@dataclass(frozen=True, repr=False)
class Finding:
    """One finding of a result: a row, and the rows of the table that say the same and stand behind it.

    Attributes
    ----------
    label : str
        What it is called.
    at : int
        The number of the leading row in its table, from 0.
    rows : tuple of mapping
        The rows, column name to value, the leading one first.
    """

    label: str
    at: int
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        known = [(name, self.row.get(name)) for name in _FIGURES]
        figures = [f"{name} {value:.3g}" for name, value in known if isinstance(value, float)]
        more = [f"{len(self.members):,} more"] if self.members else []
        return about(self, ", ".join([quoted(self.label, 60), *figures, *more]))

    @property
    def row(self) -> Row:
        """The row that leads."""
        return self.rows[0]

    @property
    def members(self) -> tuple[Row, ...]:
        """The rows behind it."""
        return self.rows[1:]

    @property
    def snippets(self) -> tuple[str, ...]:
        """The snippets of the leading row, the words that count marked «so»."""
        return tuple(str(v) for key, v in self.row.items() if key.startswith("snippet") and v is not None)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A table, what made it, and how it can leave the program.

    Attributes
    ----------
    kind : str
        The verb: ``diff``, ``correlate``, ...
    table : polars.DataFrame
        One row a finding, best first; the column names are the row keys of the JSON.
    params : mapping
        The parameters, as they were resolved, plain JSON types.
    metrics : mapping
        Figures about the whole, plain JSON types.
    notes : tuple of str
        What a reader should know before believing the table, one line each.
    sources : tuple of Source
        The corpora it came from.
    """

    kind: str
    table: pl.DataFrame
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    _naming: ClassVar[tuple[str, ...]] = _NAMED

    def __repr__(self) -> str:
        parts = (self._of_what(), self._counts(), self._first())
        return about(self, "; ".join(part for part in parts if part))

    def _of_what(self) -> str:
        names = ", ".join(one_line(source.name, 30) for source in self.sources[:3])
        return one_line(names + (f" and {n:,} more" if (n := len(self.sources) - 3) > 0 else ""), 80)

    def _counts(self) -> str:
        found, confirmed = self.metrics.get("found"), self.metrics.get("found_confirmed")
        if self.listed() is not None and isinstance(found, int):  # what is listed, not what the table has
            told = [many(found, "finding")]
            return ", ".join([*told, f"{confirmed:,} confirmed"] if isinstance(confirmed, int) else told)
        told = [f"{len(self):,} row{'' if len(self) == 1 else 's'}"]
        for key in _COUNTED:
            value = self.metrics.get(key)
            if isinstance(value, int):
                told.append(f"{value:,} {key.removeprefix('n_')}")
        return ", ".join(told)

    def _first(self) -> str:
        table = self.table if (listed := self.listed()) is None else listed
        if not len(table):
            return ""
        named = _called(table.row(0, named=True), self._naming if listed is None else _LISTED)
        return f"first: {quoted(named, 60)}" if named else ""

    def findings(self) -> list[Finding]:
        """Return what reports show first, in their order.

        Where words, marks and features are ranked in one list (``lists()["findings"]``), its rows; else the
        rows of the table, as :meth:`grouped` has them.
        """
        listed = self.listed()
        if listed is None:
            return self.grouped()
        rows = listed.to_dicts()
        return [Finding(_called(row, _LISTED), at, (row,)) for at, row in enumerate(rows)]

    def listed(self) -> pl.DataFrame | None:
        """Return the list that :meth:`findings` has, a row each; None where those are rows of the table."""
        return self.lists().get("findings")

    def grouped(self) -> list[Finding]:
        """Return the rows of the table, those that say the same together, in the order of the table."""
        rows = self.table.to_dicts()
        leading: dict[int, list[Row]] = {}
        behind: dict[int, list[Row]] = {}
        for at, leader in enumerate(self._leaders(rows)):
            (leading if leader == at else behind).setdefault(leader, []).append(rows[at])
        keys = self._naming
        return [Finding(_called(row, keys), at, (row, *behind.get(at, ()))) for at, [row] in leading.items()]

    def _leaders(self, rows: Sequence[Row]) -> list[int]:
        """Return the number of the row that leads each row; -1 for rows that reports leave out."""
        return list(range(len(rows)))

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables that JSON has beside the rows, by the key they have there."""
        return {}

    def _repr_html_(self) -> str:
        """Return the table for a notebook, see :func:`saetext.report.html.notebook.to_html`."""
        html: str = provided("html_of_table")(self)
        return html

    def plot(self, ax: Axes | None = None, *, top: int = 15) -> Axes:
        """Draw the result with matplotlib and return the axes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a figure of its own, which a notebook shows.
        top : int
            Most rows, or names of clusters.

        Raises
        ------
        InputError
            If matplotlib is not installed, or there is no chart for this kind of result.
        """
        return provided("draw_chart")(self, ax, top=top)

    def show(
        self,
        sets: Sequence[CorpusLike] | None = None,
        *,
        labels: FeatureLabels | None = None,
        reader: Reader | None = None,
        height: int = 800,
    ) -> Any:
        """Return the page of :meth:`to_html`, which a notebook shows in a frame where the cell ends.

        A result of a kind without a page is shown as its table.

        Parameters
        ----------
        sets, labels, reader
            As for :func:`saetext.report.html.pages.write_page`.
        height : int
            Of the frame, in pixels.

        Raises
        ------
        InputError
            If a corpus cannot be opened or has changed, or the height is out of range.
        """
        return provided("page_inline")(self, sets, labels=labels, reader=reader, height=height)

    def to_pandas(self) -> Any:
        """Return the table as a pandas frame; a list or struct is an array or dict.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        return as_pandas(self.table)

    def __len__(self) -> int:
        """Return the number of rows of the table."""
        return self.table.height

    def to_json(self) -> str:
        """Return one strict JSON object ``{"kind", "params", "metrics", "rows"}``; NaN becomes null.

        A diff of two sets and a correlation of one corpus have ``findings`` beside the rows.
        """
        from saetext.analysis import export

        return export.to_json(self)

    def to_csv(self, *, raw: bool = False) -> str:
        """Return the table as CSV with a header, no cell of which a spreadsheet takes for a formula.

        Parameters
        ----------
        raw : bool
            Keep texts such as ``=1+1`` as they are; otherwise they get an apostrophe in front.
        """
        from saetext.analysis import export

        return export.to_csv(self, raw=raw)

    def to_html(
        self,
        path: str | Path,
        sets: Sequence[CorpusLike] | None = None,
        *,
        labels: FeatureLabels | None = None,
        reader: Reader | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write the result as one self-contained page and return the path.

        Parameters are those of :func:`saetext.report.html.pages.write_page`; without ``sets`` the corpora
        are opened from where they were.

        Raises
        ------
        InputError
            If there is no page for this kind of result, a corpus cannot be opened or has changed, or the
            file exists or cannot be written.
        """
        page: Path = provided("write_page")(
            self, path, sets, labels=labels, reader=reader, overwrite=overwrite
        )
        return page

    def to_parquet(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table as Parquet, whole or not at all, and return the path.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from saetext.analysis import export

        return export.to_parquet(self, path, overwrite=overwrite)


def _called(row: Row, keys: Sequence[str]) -> str:
    """Return what a row is called."""
    return " + ".join(str(row[key]) for key in keys if row.get(key) is not None)
