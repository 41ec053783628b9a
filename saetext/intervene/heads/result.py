"""AttendResult: the heads of a model by their scores, and their patterns on a text.

Not for: computing it (:mod:`saetext.intervene.heads.run`) or drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saetext.analysis.base import Result

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

#: The scores of a head, and what each is called.
SCORES = {
    "previous_token": "previous token",
    "duplicate_token": "duplicate token",
    "induction": "induction",
    "name_mover": "name mover",
}


@dataclass(frozen=True, eq=False, repr=False)
class AttendResult(Result):
    """Attention heads; ``table`` has a row for each, by layer and head.

    Attributes
    ----------
    tokens : polars.DataFrame
        The tokens of the text that were looked at: position and token.
    patterns : float32[layers, heads, tokens, tokens]
        How much each token (the third axis) attends to each (the fourth); rows add up to 1, and a token sees
        none after it. The layers are those of the table, in its order.
    """

    tokens: pl.DataFrame = field(kw_only=True)
    patterns: NDArray[np.float32] = field(kw_only=True)

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the table beside the rows; patterns are in Python and on the page only."""
        return {"tokens": self.tokens}

    def best(self, score: str, top: int | None) -> pl.DataFrame:
        """Return the rows of the heads with most of a score over its control; 0 and None for all."""
        import polars as pl

        rows = self.table.filter(pl.col(score).is_not_null())
        rows = rows.sort(pl.col(score) - pl.col(f"{score}_null"), descending=True, maintain_order=True)
        return rows.head(top) if top else rows
