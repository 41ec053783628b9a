"""What a check returns. Not for: computing it, or writing reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result
from saetext.io.provided import provided

if TYPE_CHECKING:
    import polars as pl

#: Columns of the table, in this order.
COLUMNS = (
    "rule", "watches", "verdict", "old", "new", "change", "ci_low", "ci_high", "direction", "limit", "unit",
    "detectable", "n_old", "n_new", "because", "shown_by",
)  # fmt: skip

#: Columns of the table of findings beyond a limit, in this order.
FOUND = (
    "rule", "name", "kind", "old", "new", "change", "ci_low", "ci_high", "direction", "limit", "n_old",
    "n_new", "shown_by",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class CheckResult(Result):
    """Each limit with what was found: broken ones first, then those that are unclear, then those that hold.

    ``table`` has a row for each limit; of a rule on findings with the figures of the first finding that
    breaks it, else of the one that comes nearest:

    - ``rule``, what it is called; ``watches``, its kind;
    - ``verdict``: ``breaks`` if the whole interval lies beyond the limit, ``passes`` if none of it does,
      ``unclear`` otherwise;
    - ``old`` and ``new``, the shares of the documents, and ``change``, the new less the old, with its
      interval ``ci_low``, ``ci_high``; of the length the typical number of tokens and by what share it
      changed;
    - ``direction``, ``rise`` or ``fall``, and ``limit``, how much of it is allowed; ``unit``, ``points`` of
      shares or ``percent`` of length;
    - ``detectable``, the smallest change that these data would show four times in five, null where none;
    - ``n_old`` and ``n_new``, the documents compared;
    - ``because``, in words; ``shown_by``, texts that show a broken limit: their ``set``, ``id`` and ``text``.

    All intervals hold together with ``params["confidence"]`` percent confidence.

    Attributes
    ----------
    found : polars.DataFrame
        The findings that break a limit on findings, those of each ``rule`` in the order of a diff: ``name``,
        ``kind``, and the figures that the table has of limits. The first ``top`` have texts in ``shown_by``.
    """

    found: pl.DataFrame | None = None

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the table that JSON has beside the rows: the first ``top`` findings beyond a limit."""
        if self.found is None:
            return {}
        top = self.params["top"]
        return {"findings": self.found if not top else self.found.head(top)}

    def listed(self) -> pl.DataFrame | None:
        """Return None: what is shown first are the limits, and findings stand beneath them."""
        return None

    @property
    def broken(self) -> pl.DataFrame:
        """The rows of limits that are broken."""
        return self._with("breaks")

    @property
    def unclear(self) -> pl.DataFrame:
        """The rows of limits of which the data do not say whether they hold."""
        return self._with("unclear")

    @property
    def passed(self) -> bool:
        """Whether nothing is broken, and nothing unclear if that was to count as broken."""
        return not self.metrics["failed"]

    @property
    def names(self) -> tuple[str, str]:
        """What the new and the old set are called."""
        return self.params["new"], self.params["old"]

    def to_junit(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a JUnit XML file, a test case for each limit, and return its path.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        written: Path = provided("write_junit")(self, path, overwrite=overwrite)
        return written

    def to_markdown(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return a summary in Markdown, and write it if a file is named.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        text: str = provided("markdown_of_check")(self, path, overwrite=overwrite)
        return text

    def _with(self, verdict: str) -> pl.DataFrame:
        import polars as pl

        return self.table.filter(pl.col("verdict") == verdict)


def table_of(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Return the rows of limits as the table."""
    return _table(rows, COLUMNS)


def found_of(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Return the rows of findings as their table."""
    return _table(rows, FOUND)


def _table(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    texts = ("rule", "name", "kind", "watches", "verdict", "direction", "unit", "because")
    types: dict[str, pl.DataType] = {key: pl.String() if key in texts else pl.Float64() for key in columns}
    types |= {key: pl.Int64() for key in ("n_old", "n_new") if key in columns}
    types["shown_by"] = pl.List(pl.Struct({"set": pl.String(), "id": pl.String(), "text": pl.String()}))
    return pl.DataFrame([{key: row.get(key) for key in columns} for row in rows], schema=types, orient="row")
