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


@dataclass(frozen=True, eq=False, repr=False)
class CheckResult(Result):
    """Each limit with what was found: broken ones first, then those that are unclear, then those that hold.

    ``table`` has a row for each limit; of a rule on findings one for each finding that breaks it, else one
    for the finding that comes nearest:

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
    """

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
    """Return rows as the table."""
    import polars as pl

    types = dict.fromkeys(COLUMNS, pl.Float64()) | dict.fromkeys(
        ("rule", "watches", "verdict", "direction", "unit", "because"), pl.String()
    )
    types |= dict.fromkeys(("n_old", "n_new"), pl.Int64())
    types["shown_by"] = pl.List(pl.Struct({"set": pl.String(), "id": pl.String(), "text": pl.String()}))
    return pl.DataFrame([{key: row.get(key) for key in COLUMNS} for row in rows], schema=types, orient="row")
