"""SteerResult: the arms of a steering, what they wrote, and what they are held against.

Not for: drawing it (:mod:`saetext.report`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saetext.intervene.arms_result import ArmsResult

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False, repr=False)
class SteerResult(ArmsResult):
    """What steering gave; ``table`` has a row for the unedited arm and each dose.

    Attributes
    ----------
    handles : polars.DataFrame
        What was turned: feature, label, strength, unit (the raw activation of strength 1), raw coefficient
        and length relative to the median residual norm, both at dose 1; output score, and the tokens that the
        direction promotes (:mod:`saetext.intervene.output_score`).
    candidates : polars.DataFrame
        The features that were considered for a concept, the chosen one first.
    moved : polars.DataFrame or None
        The features that a shift moves, as of :class:`saetext.ShiftResult`; None where none is turned.
    words : polars.DataFrame
        Words that set each arm's texts apart from the unedited ones (:mod:`saetext.intervene.apart`).
    seen : polars.DataFrame or None
        What a second reader finds to differ at the strongest dose
        (:mod:`saetext.intervene.second_reader`); None where none was asked.
    tried : polars.DataFrame or None
        The doses that ``auto`` tried on the other half of the prompts.
    controls : polars.DataFrame
        The arms that the strongest dose is held against, columns as of ``table``: matched features, a random
        direction, the sign turned, the plain instruction; of a shift, those of other groups and random sparse
        vectors.
    texts : polars.DataFrame
        Every text of every arm with its measures.
    """

    handles: pl.DataFrame = field(kw_only=True)
    controls: pl.DataFrame = field(kw_only=True)
    texts: pl.DataFrame = field(kw_only=True)
    candidates: pl.DataFrame | None = field(default=None, kw_only=True)
    moved: pl.DataFrame | None = field(default=None, kw_only=True)
    words: pl.DataFrame | None = field(default=None, kw_only=True)
    seen: pl.DataFrame | None = field(default=None, kw_only=True)
    tried: pl.DataFrame | None = field(default=None, kw_only=True)

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows."""
        some = {
            "candidates": self.candidates, "moved": self.moved, "tried": self.tried, "words": self.words,
            "seen": self.seen,
        }  # fmt: skip
        return {
            "handles": self.handles,
            "controls": self.controls,
            **{name: table for name, table in some.items() if table is not None and table.height},
            "texts": self.texts,
        }
