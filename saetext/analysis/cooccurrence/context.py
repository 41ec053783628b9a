"""What every step of a correlation looks at: corpora, rows, labels, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.items import Items, Stored, feature_items
from saetext.analysis.cooccurrence.request import CorrelateRequest
from saetext.analysis.cooccurrence.rows import Rows
from saetext.corpus.protocol import CorpusLike
from saetext.features.labels import FeatureLabels
from saetext.io.progress import Count, Say
from saetext.io.shelf import Shelf, roomy

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Context:
    """The corpora with their names, SAEs and labels; the rows; the smallest support, resolved.

    ``shelf`` is where large arrays lie.
    """

    corpora: list[CorpusLike]
    saes: list[str]
    names: list[str]
    labels: list[FeatureLabels]
    rows: Rows
    support: int
    request: CorrelateRequest
    tell: Say
    shelf: Shelf = field(default_factory=roomy)

    @property
    def across(self) -> bool:
        """Whether the second of each pair is of a second corpus."""
        return len(self.corpora) > 1

    def features(self, number: int, only: NDArray[np.bool_] | None) -> tuple[Items, int, int]:
        """Return the features of a corpus with support; how many are rarer, and in every document."""
        stored = Stored.of(self.corpora[number], self.saes[number])
        least = max(self.support, 1)
        counts = self.counting("reading"), self.counting("sorting by feature")
        return feature_items(stored, self.rows.take[number], least, only, self.shelf.array, counts)

    def counting(self, stage: str) -> Count:
        """Return what a loop calls with how many of how many it has done of one stage."""
        return partial(self.tell, stage)

    def length(self) -> Floats:
        """Return float64[rows]: the tokens of each row's document of the first corpus."""
        tokens = self.corpora[0].documents.select("n_tokens").collect()["n_tokens"].to_numpy()
        return tokens[self.rows.take[0]].astype(np.float64)
