"""Examples of a finding, side by side: documents that show it beside their partners, or the other set's.

Not for: one snippet a row (:mod:`saetext.analysis.differences.shown`) or drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.design import Design
from saetext.corpus.protocol import CorpusLike, Ints


@dataclass(frozen=True)
class Place:
    """A document, and where in it the feature is strongest; value 0 and peak -1 where it is absent."""

    set: int
    row: int
    value: float = 0.0
    peak: int = -1


Sides = tuple[Place | None, Place | None]


@dataclass(frozen=True)
class Marked:
    """A document, and where in it a word, a mark, a property or a theme is.

    Attributes
    ----------
    set, row : int
        The corpus, and the document in it.
    spans : tuple of (int, int)
        Stretches of its text in code points; none in a partner that has nothing of it.
    features : tuple of (int, int)
        Of a property or theme: the features that show it there, each with its token, the strongest first.
    """

    set: int
    row: int
    spans: tuple[tuple[int, int], ...] = ()
    features: tuple[tuple[int, int], ...] = ()


MarkedSides = tuple[Marked | None, Marked | None]
#: Examples of findings, by set (empty of two sets), kind and term.
MarkedExamples = dict[tuple[str, str, str], tuple[MarkedSides, ...]]
TOGETHER = ("paired", "by prompt")  # designs in which rows of both sides belong to one prompt


def examples(
    sets: Sequence[CorpusLike], sae: str, design: Design, wanted: Mapping[int, float], most: int = 3
) -> dict[int, list[Sides]]:
    """Choose examples of features.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora.
    sae : str
        Which SAE.
    design : Design
        Which rows are on which side, and belong together.
    wanted : mapping
        Feature to its difference: above 0, documents of A show it.
    most : int
        Examples of each feature.

    Returns
    -------
    dict
        Feature to (A, B). Where rows share a prompt, the two belong to one prompt, those first in which only
        the set that has more of it shows the feature; otherwise each side's strongest documents. A partner
        without the feature is there with value 0.
    """
    starts = np.cumsum([0] + [c.n_documents for c in sets])
    found = _entries(sets, sae, design, np.array(sorted(wanted), np.int64))
    together = design.kind in TOGETHER
    partners = _partners(design) if together else {}

    def place(row: int, value: float = 0.0, peak: int = -1) -> Place:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        return Place(number, row - int(starts[number]), value, peak)

    chosen: dict[int, list[Sides]] = {}
    for feature, difference in wanted.items():
        if feature not in found:
            chosen[feature] = []
            continue
        row, value, peak = found[feature]
        side = design.side[row]
        lead = 0 if difference >= 0 else 1
        at = {int(r): i for i, r in enumerate(row)}
        pairs: list[Sides] = []
        if together:
            for i in leading(design, row, value, lead)[:most].tolist():
                options = partners.get((int(design.unit[row[i]]), 1 - lead), [])
                other = options[0] if options else None
                partner = None
                if other is not None:
                    j = at.get(int(other))
                    partner = (
                        place(int(other)) if j is None else place(int(other), float(value[j]), int(peak[j]))
                    )
                first = place(int(row[i]), float(value[i]), int(peak[i]))
                pairs.append((first, partner) if lead == 0 else (partner, first))
        else:
            ranked = []
            for s in (0, 1):
                of_side = np.flatnonzero(side == s)
                of_side = of_side[np.lexsort((row[of_side], -value[of_side]))][:most]
                ranked.append([place(int(row[i]), float(value[i]), int(peak[i])) for i in of_side])
            for i in range(max(map(len, ranked))):
                a, b = (places[i] if i < len(places) else None for places in ranked)
                pairs.append((a, b))
        chosen[feature] = pairs
    return chosen


def leading(
    design: Design,
    row: NDArray[np.integer],
    value: NDArray[np.floating],
    lead: int,
    most: int | None = None,
) -> Ints:
    """Order a feature's entries on one side: which are shown first.

    Parameters
    ----------
    row, value : array[n]
        The feature's entries in live rows.
    lead : int
        The side, 0 or 1.
    most : int, optional
        Return the first so many only: without prompts no others are put in order.

    Returns
    -------
    int64[m]
        Places in ``row``: where rows share a prompt, those first whose prompt the other side answers without
        the feature; then by value, the strongest first.
    """
    side, unit = design.side[row], design.unit[row]
    mine = np.flatnonzero(side == lead)
    other_has = np.zeros(len(mine), bool)
    if design.kind in TOGETHER:
        other_has = np.isin(unit[mine], unit[side == 1 - lead])
    elif most is not None and len(mine) > most > 0:
        strongest = value[mine]
        mine = mine[strongest >= np.partition(strongest, len(mine) - most)[len(mine) - most]]
        other_has = other_has[: len(mine)]
    ordered: Ints = mine[np.lexsort((row[mine], -value[mine], other_has))]
    return ordered[:most]


def _partners(design: Design) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero(design.side >= 0).tolist():
        found.setdefault((int(design.unit[row]), int(design.side[row])), []).append(row)
    return found


def _entries(
    sets: Sequence[CorpusLike], sae: str, design: Design, features: Ints
) -> dict[int, tuple[Ints, NDArray[np.float32], Ints]]:
    """Return row, value and peak of each feature's entries in live rows."""
    if not len(features):
        return {}
    wanted = np.zeros(int(features.max()) + 1, bool)
    wanted[features] = True
    rows, values, peaks, which = [], [], [], []
    start = 0
    for corpus in sets:
        for block in corpus.rows(sae):
            owner = start + np.repeat(np.arange(len(block)), np.diff(block.indptr))
            start += len(block)
            keep = (block.feature < len(wanted)) & (design.side[owner] >= 0)
            keep[keep] = wanted[block.feature[keep]]
            rows.append(owner[keep])
            values.append(block.value[keep])
            peaks.append(block.peak[keep])
            which.append(block.feature[keep])
    row, value, peak, feature = (np.concatenate(parts) for parts in (rows, values, peaks, which))
    order = np.argsort(feature, kind="stable")
    names, first = np.unique(feature[order], return_index=True)
    parts = [np.split(column[order], first[1:]) for column in (row, value, peak.astype(np.int64))]
    return {int(f): (r, v, p) for f, r, v, p in zip(names, *parts, strict=True)}
