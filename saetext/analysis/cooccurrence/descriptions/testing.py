"""Pairs of descriptions, tested as pairs of features are: the same rows, halves, strata and corrections.

Not for: which of the pairs say something new (:mod:`saetext.analysis.cooccurrence.descriptions.folding`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.descriptions.making import Descriptions
from saetext.analysis.cooccurrence.held import ALPHA
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.kept import Sides
from saetext.analysis.cooccurrence.pairs import Paired, allowing_for_groups, columns_of, tested
from saetext.analysis.cooccurrence.room import threads_beside
from saetext.analysis.cooccurrence.strata import Strata
from saetext.analysis.cooccurrence.streaming import stream_pairs
from saetext.corpus.protocol import Ints

WIDTH = 1.5  # times as long, from which on documents are compared apart


@dataclass(frozen=True, eq=False)
class Associated:
    """Pairs that are together more often than by chance.

    Attributes
    ----------
    at_a, at_b : int64[P]
        The two, by their place among the items of the :class:`Descriptions`.
    columns : mapping
        The numbers of each pair, under the names they have in the table of pairs of features.
    """

    at_a: Ints
    at_b: Ints
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.at_a)

    def take(self, which: Ints) -> Associated:
        """Return some of them."""
        return Associated(
            self.at_a[which], self.at_b[which], {key: column[which] for key, column in self.columns.items()}
        )


def associated(context: Context, made: Descriptions) -> tuple[Associated, int]:
    """Test pairs of descriptions in three families, each with a false-discovery rate of its own.

    Words with words are by far the most: in one family with them a theme that goes with another would have to
    be as unlikely as the best of a million pairs (separate families: Efron, Ann. Appl. Stat. 2:197, 2008).

    Returns
    -------
    pairs : Associated
        Those with q < .05 or confirmed, of all families.
    tests : int
        Pairs that were tested.
    """
    items = made.items
    is_word = np.array([made.kind[name] == "word" for name in items.name], bool)
    word, other = np.flatnonzero(is_word), np.flatnonzero(~is_word)
    found, tests = [], 0
    for left, right in ((other, None), (word, other), (word, None)):
        one, n = _family(context, items, left, right)
        tests += n
        found += [one] if one is not None else []
    keys = found[0].columns if found else ()
    columns = {key: np.concatenate([one.columns[key] for one in found]) for key in keys}
    nothing = np.empty(0, np.int64)
    at_a = np.concatenate([nothing, *(one.at_a for one in found)])
    at_b = np.concatenate([nothing, *(one.at_b for one in found)])
    return Associated(at_a, at_b, columns), tests


def _family(context: Context, items: Items, left: Ints, right: Ints | None) -> tuple[Associated | None, int]:
    rows, request = context.rows, context.request
    mine = _picked(items, left)
    theirs = None if right is None else _picked(items, right)
    if not len(mine) or (theirs is not None and not len(theirs)):
        return None, 0
    paired, strata = Paired(mine, theirs, None, []), Strata.of(rows.stratum)
    streamed = stream_pairs(
        mine, theirs, strata, rows.half_rows, dependent=request.fdr == "by", least=request.min_joint,
        threads=threads_beside(context.shelf, mine, theirs, strata),
        on_done=lambda done, total: context.tell("counting pairs of words and themes", done, total),
    )  # fmt: skip
    if not streamed.tests:
        return None, 0
    sides = Sides.of(strata, mine, paired.other)
    some = tested(context, paired, streamed, strata, sides, {}, [])
    some = allowing_for_groups(context, paired, some, streamed, strata, sides, {})
    columns = columns_of(context, paired, some, sides)
    kept = np.flatnonzero(((columns["q"] < ALPHA) | columns["confirmed"]) & (columns["npmi"] > 0))
    pairs = some.pairs.take(kept)
    at_b = pairs.right if right is None else right[pairs.right]
    at_a, at_b = left[pairs.left], left[at_b] if right is None else at_b
    return Associated(at_a, at_b, {key: column[kept] for key, column in columns.items()}), streamed.tests


def _picked(items: Items, which: Ints) -> Items:
    chosen = np.zeros(len(items), bool)
    chosen[which] = True
    return items.picked(chosen)


def coarser(context: Context) -> Context:
    """Return the context with neighbouring bins of length joined that differ by less than :data:`WIDTH`.

    What is looked for makes texts longer itself. Where all texts are about as long, narrow bins would put
    those with two habits into a bin of their own, and compare them with each other.
    """
    rows = context.rows
    if context.request.within is not None:
        return context
    length, code = context.length(), rows.stratum
    middle = np.array([np.median(length[code == c]) for c in range(int(code.max(initial=-1)) + 1)])
    joined, start, number = np.zeros(len(middle), np.int32), -np.inf, -1
    for c in np.argsort(middle, kind="stable").tolist():
        if middle[c] > WIDTH * start or number < 0:
            start, number = middle[c], number + 1
        joined[c] = number
    return dataclasses.replace(context, rows=dataclasses.replace(rows, stratum=joined[code]))
