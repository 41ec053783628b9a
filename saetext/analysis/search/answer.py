"""What a way of searching returns: rankings, and what its documents were found by. Not for: pages of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.paging import Because, Combined, Order, Ranking


@dataclass(frozen=True, eq=False)
class Answer:
    """Rankings of documents before they are fused, grouped and cut into pages.

    Attributes
    ----------
    mode : str
        The mode used.
    rankings : mapping
        By name.
    because : Because
        What documents were found by.
    notes : tuple of str
        What to say about it.
    regrade : callable or None
        Puts the first documents of an order into the order of an LLM reranker's grades, with notes.
    combined : Combined or None
        What the rankings of a hybrid search give together; None where their ranks are fused.
    left_out : int64[k]
        Rows of the whole corpus that may not be found when the search is fitted to documents judged either.
    """

    mode: str
    rankings: Mapping[str, Ranking]
    because: Because = field(default_factory=Because)
    notes: tuple[str, ...] = ()
    regrade: Callable[[Order], tuple[Order, list[str]]] | None = None
    combined: Combined | None = None
    left_out: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
