"""ShiftResult and ShiftEvaluation: what fitting and evaluating a shift give.

Not for: computing them, or files of shifts (:mod:`saetext.intervene.shifts.saved`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result
from saetext.analysis.export import atomically

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.shifts.saved import Shift


@dataclass(frozen=True, eq=False, repr=False)
class ShiftResult(Result):
    """A fitted shift; ``table`` has a row for each group.

    Attributes
    ----------
    shift : Shift
        To be saved, evaluated, or applied.
    features : polars.DataFrame
        The features that moved, those that move the hidden states furthest first.
    """

    shift: Shift = field(kw_only=True)
    features: pl.DataFrame = field(kw_only=True)

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows."""
        return {"features": self.features}


@dataclass(frozen=True, eq=False, repr=False)
class ShiftEvaluation(Result):
    """How close answers under a shift are to those of groups; ``table`` has a row for each way to answer.

    Attributes
    ----------
    groups : polars.DataFrame
        The same by group.
    across : polars.DataFrame
        Every group's shift against every group's answers.
    features : polars.DataFrame
        The features that moved.
    answers : polars.DataFrame
        Each way's answer to each held-out question, beside the group's; not in the JSON.
    """

    groups: pl.DataFrame = field(kw_only=True)
    across: pl.DataFrame = field(kw_only=True)
    features: pl.DataFrame = field(kw_only=True)
    answers: pl.DataFrame = field(kw_only=True)

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows; answers go to a file of their own."""
        return {"groups": self.groups, "across": self.across, "features": self.features}

    def write_answers(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the answers as Parquet and return the path; each row's ``model`` is what the model answers.

        With ``distribution`` renamed or dropped in favour of ``model``, the file is a table of answers again.

        Raises
        ------
        InputError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        return atomically(Path(path), lambda beside: self.answers.write_parquet(beside), overwrite)
