"""What the features of the first pairs are called: their label where it fits these texts, else their words.

Not for: naming (:mod:`saetext.features.peaks`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saetext.analysis.cooccurrence.context import Context
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import FeatureName, local_evidence, names_here

MOST = 200  # features of a side that are read about, those of the first pairs


def names_of_sides(
    context: Context,
    labels: Sequence[FeatureLabels | None],
    numbers: Sequence[Sequence[int | None]],
) -> list[dict[int, FeatureName]]:
    """Name the features of both sides.

    Parameters
    ----------
    context : Context
        The corpora, and their rows. Of one corpus both sides are read about at once.
    labels : sequence of FeatureLabels or None
        Of each side; None for a side of values.
    numbers : sequence of sequence of int or None
        The feature of each pair on each side, the first pairs first; None for a value.

    Returns
    -------
    list of dict
        For each side feature to name; empty for values. Features of later pairs are missing.
    """
    found: list[dict[int, FeatureName]] = [{} for _ in labels]
    sides = [side for side, known in enumerate(labels) if known is not None]
    together = [sides] if not context.across else [[side] for side in sides]
    for group in together:
        number = group[0] if context.across else 0
        known = labels[group[0]]
        assert known is not None
        wanted = _first([numbers[side] for side in group])
        corpus, take = context.corpora[number], context.rows.take[number]
        rows = np.zeros(corpus.n_documents, bool)
        rows[take] = True
        read = local_evidence([corpus], context.saes[number], wanted, rows, labels=known)
        named = names_here(read, known)
        for side in group:
            found[side] = named
    return found


def _first(numbers: Sequence[Sequence[int | None]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the features of the first pairs, each once, increasing."""
    in_turn = (f for pair in zip(*numbers, strict=True) for f in pair if f is not None)
    return np.array(sorted(list(dict.fromkeys(in_turn))[:MOST]), np.int64)
