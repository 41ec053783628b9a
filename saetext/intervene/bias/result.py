"""BiasResult: what dampening features does to bias, and to what should stay. Not for: computing it."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from saetext.analysis.base import Result
from saetext.intervene.bias.tables import FEATURES, TABLE, UNITS


@dataclass(frozen=True, eq=False, repr=False)
class BiasResult(Result):
    """What dampening gave; ``table`` has a row for each measure of the unedited model and of each dose.

    Attributes
    ----------
    controls : polars.DataFrame
        What the strongest dose is held against, columns as of ``table``: each finder's features alone,
        matched features, a random direction of equal length, the plain instruction.
    features : polars.DataFrame
        The features that were found, by whom and with which rank, and on what else they are active.
    units : polars.DataFrame
        What each arm but the matched sets says of each profession and each factual sentence.
    """

    controls: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TABLE))
    features: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FEATURES))
    units: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=UNITS))

    @property
    def verdict(self) -> str:
        """The verdict on the strongest dose, in plain words."""
        return str(self.metrics["verdict"])

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables beside the rows."""
        return {"controls": self.controls, "features": self.features, "units": self.units}
