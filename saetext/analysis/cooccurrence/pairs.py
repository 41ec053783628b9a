"""Pairs of two items: counted, tested, confirmed, and measured for redundancy.

Not for: numbers (:mod:`saetext.analysis.cooccurrence.against_number`) or the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.cooccurrence import kept as kept_pairs
from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.held import ALPHA, Pairs
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.meeting import Placed, meetings, place
from saetext.analysis.cooccurrence.redundancy import Limits, decoder_cosine, label_similarity, redundant
from saetext.analysis.cooccurrence.room import threads_for
from saetext.analysis.cooccurrence.strata import Moments, Strata
from saetext.analysis.cooccurrence.streaming import KEEP, Streamed, stream_pairs
from saetext.analysis.cooccurrence.tables import Found, Side
from saetext.corpus.protocol import Ints
from saetext.errors import InputError

LOOK = 20_000  # pairs of each kind that are looked at closely: labels, phrases, groups
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paired:
    """The items of both sides.

    Attributes
    ----------
    left : Items
        First of each pair.
    right : Items or None
        Second of each pair; None pairs each two left items once.
    back : int32[len(right)] or None
        Which left item each right item is, -1 for none.
    sides : list of Side
        What the items are called.
    """

    left: Items
    right: Items | None
    back: NDArray[np.int32] | None
    sides: list[Side]

    @property
    def other(self) -> Items:
        """The items of the second side."""
        return self.left if self.right is None else self.right


@dataclass(frozen=True, eq=False)
class Tested:
    """Pairs with their p, q and confirmation; ``pooled`` and ``flips`` are without the column."""

    pairs: Pairs
    moments: Moments
    p: Floats
    q: Floats
    confirmed: kept_pairs.Confirmed
    pooled: Floats | None
    flips: NDArray[np.bool_]

    def take(self, which: Ints) -> Tested:
        """Return some of the pairs."""
        pooled = None if self.pooled is None else self.pooled[which]
        return Tested(
            self.pairs.take(which), self.moments.take(which), self.p[which], self.q[which],
            self.confirmed.take(which), pooled, self.flips[which] if pooled is not None else self.flips,
        )  # fmt: skip


def find_pairs(context: Context, items: Paired, metrics: dict[str, Any]) -> Found:
    """Find the pairs of two sides' items and measure them; counts go into ``metrics``."""
    left, other, rows = items.left, items.other, context.rows
    strata = Strata.of(rows.stratum)
    streamed = stream_pairs(
        left, items.right, strata, rows.half_rows, back=items.back,
        dependent=context.request.fdr == "by", least=context.request.min_joint,
        threads=threads_for(context.shelf, left, items.right, strata),
        on_done=lambda done, total: context.tell("counting pairs", done, total),
    )  # fmt: skip
    if not streamed.tests:
        raise InputError("there are no two features to pair")
    notes: list[str] = []
    context.tell("looking closely", 0, 0)
    sides_of = kept_pairs.Sides.of(strata, left, other)
    some = tested(context, items, streamed, strata, sides_of, metrics, notes)
    some = allowing_for_groups(context, items, some, streamed, strata, sides_of, metrics)
    columns = columns_of(context, items, some, sides_of)
    pairs = some.pairs
    placed = _placed(context, items, pairs)
    close, meets = _meet(context, pairs, placed)
    columns["same_phrase"] = np.where(close >= 0, _ratio(close, pairs.both), np.nan)
    similarity, cosine = _alike(context, items, pairs, notes)
    columns["label_similarity"], columns["decoder_cosine"] = similarity, cosine
    measures = {key: columns[key] for key in ("label_similarity", "decoder_cosine", "same_phrase")}
    reasons = redundant(measures, Limits.of(context.request))
    return Found(columns, reasons, items.sides, pairs, left, other, strata, placed, meets, tuple(notes))


def tested(
    context: Context,
    items: Paired,
    streamed: Streamed,
    strata: Strata,
    sides_of: kept_pairs.Sides,
    metrics: dict[str, Any],
    notes: list[str],
) -> Tested:
    """Test all pairs that were held, and return those worth a closer look."""
    request, pairs = context.request, streamed.pairs
    moments = sides_of.left.moments(pairs.left, sides_of.right, pairs.right)
    count = context.counting("looking closely")
    p = kept_pairs.exact(pairs.both, pairs.p, moments, sides_of, pairs.left, pairs.right, count)
    metrics["eligible_pairs"] = streamed.tests
    if streamed.dropped:
        q = streamed.p.q(p, streamed.tests)
        metrics["significant"] = int(streamed.p.found(ALPHA, streamed.tests)[0])
        notes.append(f"of the significant pairs only the {KEEP:,} strongest of each kind were held")
    else:
        q = stats.benjamini_hochberg(p, streamed.tests, request.fdr == "by")
        metrics["significant"] = int((q < ALPHA).sum())
    significant = q < ALPHA
    count = context.counting("confirming")
    confirmed = kept_pairs.confirm(pairs, streamed, context.rows, strata, items.left, items.other, count)
    metrics["found_on_half"] = confirmed.found
    pooled, flips = None, np.zeros(len(pairs), bool)
    if request.within is not None and len(pairs):
        pooled, flips = _pooled(context, pairs, items)
        metrics["reversed"] = int((flips & significant).sum())
    look = _look(pairs, significant | confirmed.confirmed, flips, request.everything)
    return Tested(pairs, moments, p, q, confirmed, pooled, flips).take(look)


def allowing_for_groups(
    context: Context,
    items: Paired,
    tested: Tested,
    streamed: Streamed,
    strata: Strata,
    sides_of: kept_pairs.Sides,
    metrics: dict[str, Any],
) -> Tested:
    """Return the pairs with p that allows for rows of one group, where there are groups."""
    rows, pairs = context.rows, tested.pairs
    if rows.group is None or not len(pairs):
        return tested
    context.tell("allowing for groups", 0, 0)
    grouped = kept_pairs.grouped(pairs, items.left, items.other, rows, strata, sides_of)
    p = np.maximum(tested.p, grouped)
    q = stats.benjamini_hochberg(p, streamed.tests, context.request.fdr == "by")
    metrics["significant"] = int((q < ALPHA).sum())
    return Tested(pairs, tested.moments, p, q, tested.confirmed, tested.pooled, tested.flips)


def columns_of(context: Context, items: Paired, tested: Tested, sides_of: kept_pairs.Sides) -> dict[str, Any]:
    """Return the numbers of each pair, by column."""
    pairs, moments, confirmed, q = tested.pairs, tested.moments, tested.confirmed, tested.q
    good = confirmed.confirmed & (q < ALPHA) if context.rows.group is not None else confirmed.confirmed
    n = len(context.rows)
    n_a, n_b = items.left.n[pairs.left], items.other.n[pairs.right]
    both = pairs.both
    base = n_a.astype(np.float64) * n_b / n
    columns: dict[str, Any] = {
        "n_a": n_a, "n_b": n_b, "n_ab": both, "npmi": stats.npmi(both, moments.mean, n),
        "npmi_raw": stats.npmi(both, base, n), "lift": both / base,
        "phi": stats.phi(both, n_a, n_b, n), "p": tested.p, "q": q, "confirmed": good,
        "expected": moments.mean,
        "lift_adjusted": _ratio(both, moments.mean),
        "phi_adjusted": _within_phi(both, moments, sides_of, pairs),
        "p_b_given_a": both / n_a, "p_a_given_b": both / n_b,
        "npmi_confirm": confirmed.npmi, "q_confirm": confirmed.q,
    }  # fmt: skip
    if tested.pooled is not None:
        columns["npmi_pooled"], columns["reversed"] = tested.pooled, tested.flips & (q < ALPHA)
    return columns


def _alike(context: Context, items: Paired, pairs: Pairs, notes: list[str]) -> tuple[Floats, Floats]:
    """Return the cosine similarity of each pair's labels and of its directions, NaN where unknown."""
    a, b = items.sides[0].labels, items.sides[1].labels
    if a is None or b is None or not len(pairs):
        return np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
    from saetext.reader.directions import decoder_of

    chosen = zip(items.sides, (pairs.left, pairs.right), strict=True)
    features = [side.feature[at] for side, at in chosen]
    context.tell("comparing labels", 0, 0)
    similarity, told = label_similarity(a, b, features[0], features[1])
    notes += told
    decoders = [decoder_of(c.spec, sae) for c, sae in zip(context.corpora, context.saes, strict=True)]
    return similarity, decoder_cosine(decoders[0], decoders[-1], features[0], features[1])


def _pooled(context: Context, pairs: Pairs, items: Paired) -> tuple[Floats, NDArray[np.bool_]]:
    """Return NPMI without the column, and where its sign differs though it is clearly not 0."""
    strata = Strata.of(context.rows.by_length)
    sides = kept_pairs.Sides.of(strata, items.left, items.other)
    moments = sides.left.moments(pairs.left, sides.right, pairs.right)
    above = pairs.both - moments.mean
    clear = np.abs(above) > 1.96 * np.sqrt(moments.variance)
    return stats.npmi(pairs.both, moments.mean, len(context.rows)), clear & (above * pairs.npmi < 0)


def _placed(
    context: Context, items: Paired, pairs: Pairs
) -> tuple[tuple[Placed, Ints], tuple[Placed, Ints] | None]:
    """Read strengths and peaks of the items in the pairs; with each side, which of them each pair has."""
    left, other, features = items.left, items.other, items.sides[1].labels is not None
    if items.right is None or (features and not context.across):
        # one corpus: both sides are read together
        names = np.union1d(left.name[pairs.left], other.name[pairs.right])
        chosen = other.picked(np.isin(other.name, names))
        take, count = context.rows.take[0], context.counting("reading strengths")
        placed = place(context.corpora[0], context.saes[0], chosen, take, context.shelf, count)
        order = np.argsort(chosen.name)
        at = [
            order[np.searchsorted(chosen.name[order], x)]
            for x in (left.name[pairs.left], other.name[pairs.right])
        ]
        return (placed, at[0]), (placed, at[1])
    sides: list[tuple[Placed, Ints]] = []
    for number, (some, mine) in enumerate(((left, pairs.left), (other, pairs.right))):
        if number and not features:
            return sides[0], None
        used, at_item = np.unique(mine, return_inverse=True)
        which = np.zeros(len(some), bool)
        which[used] = True
        corpus, sae, take = context.corpora[number], context.saes[number], context.rows.take[number]
        chosen = some.picked(which)
        count = context.counting("reading strengths")
        sides.append((place(corpus, sae, chosen, take, context.shelf, count), at_item))
    return sides[0], sides[1]


def _meet(
    context: Context, pairs: Pairs, placed: tuple[tuple[Placed, Ints], tuple[Placed, Ints] | None]
) -> tuple[Ints, Ints]:
    """Return how many common rows have both in one phrase (-1: not one text), and the best rows."""
    other = placed[1]
    if other is None or not len(pairs):
        return np.full(len(pairs), -1), np.full((len(pairs), 1), -1)
    (left, mine), (right, theirs) = placed[0], other
    found = meetings(left, right, mine, theirs, context.counting("looking where they meet"))
    return np.full(len(pairs), -1) if context.across else found.close, found.rows


def _look(pairs: Pairs, significant: NDArray[np.bool_], flips: NDArray[np.bool_], everything: bool) -> Ints:
    """Return the pairs worth a closer look: the strongest of each kind, and those whose sign differs."""
    good = np.ones(len(pairs), bool) if everything else significant
    strength = np.abs(pairs.npmi)
    order = np.lexsort((pairs.right, pairs.left, -strength, ~significant))
    order = order[good[order]]
    chosen = [order[pairs.npmi[order] >= 0][:LOOK], order[pairs.npmi[order] < 0][:LOOK]]
    chosen.append(order[flips[order]][:LOOK])
    wanted = np.zeros(len(pairs), bool)
    wanted[np.concatenate(chosen)] = True
    return order[wanted[order]]


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Return a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=np.asarray(b) > 0)


def _within_phi(both: Ints, moments: Any, sides: kept_pairs.Sides, pairs: Pairs) -> Floats:
    """Return the correlation of the two presences around their strata's means."""
    scale = []
    for counts, items in ((sides.left, pairs.left), (sides.right, pairs.right)):
        n, once = counts.strata.size, counts.strata.once
        if counts.table is not None:
            x = counts.table[items].astype(np.float64)
            scale.append((x * (n - x)) @ once)
        else:
            assert counts.matrix is not None
            m = counts.matrix[items].astype(np.float64)
            scale.append(np.asarray(m.sum(1)).ravel() - m.power(2) @ once)
    spread = np.sqrt(np.maximum(scale[0] * scale[1], 0))
    return np.divide(both - moments.mean, spread, out=np.zeros(len(both)), where=spread > 1e-12)
