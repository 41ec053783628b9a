"""Shares of groups in several sets, and along an order: which differ, which rise, with intervals and p.

Not for: pairs (:mod:`saetext.stats.paired`), or what is adjusted for other columns
(:mod:`saetext.stats.stratified`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from saetext.stats.counts import Floats, Ints, normal_quantile
from saetext.stats.exact import fisher_exact_p
from saetext.stats.proportions import newcombe

DRAWS = 9_999
_ENOUGH = 200  # documents in and outside of a group from which on the normal distribution is near enough
_LARGE_P = 0.2  # above it the normal approximation says enough: nothing will come of it
_TIE = 1e-9


class SetShares(NamedTuple):
    """Of each group: the set that stands out (int64), its change, the interval of that, and p."""

    set: Ints
    change: Floats
    low: Floats
    high: Floats
    p: Floats


class Trends(NamedTuple):
    """Of each group: the change of its share from the first to the last position, its interval, and p."""

    change: Floats
    low: Floats
    high: Floats
    p: Floats


def compare_shares(counts: ArrayLike, totals: ArrayLike, level: float = 0.95) -> SetShares:
    """Compare the shares of groups in sets of independent documents.

    Of two sets the second is compared with the first. Of more, each is compared with all others together;
    the set with the smallest p stands out, and p and interval allow for the choice (Bonferroni).

    Parameters
    ----------
    counts : int[K, S]
        Documents of each group in each set.
    totals : int[S]
        Documents of each set, two sets or more.
    level : float
        Confidence level.

    Returns
    -------
    SetShares
        Changes are differences of shares, -1 to 1: of the set less the other, or less all others. Intervals
        by Newcombe 1998, p by Fisher's exact test, two-sided.

    Examples
    --------
    >>> from saetext.stats.shares import compare_shares
    >>> found = compare_shares([[9, 46], [300, 310]], [1000, 1000])
    >>> found.change.round(3).tolist(), (found.p < 0.001).tolist()
    ([0.037, 0.01], [True, False])
    """
    x = np.asarray(counts, np.int64)
    n = np.asarray(totals, np.int64)
    k, s = x.shape
    if s == 2:
        low, high = newcombe(x[:, 1], n[1], x[:, 0], n[0], level)
        p = fisher_exact_p(x[:, 1], np.full(k, n[1]), x[:, 0], np.full(k, n[0]))
        return SetShares(np.ones(k, np.int64), _share(x[:, 1], n[1]) - _share(x[:, 0], n[0]), low, high, p)
    rest, rest_n = x.sum(1, keepdims=True) - x, n.sum() - n
    wide = np.broadcast_to(n, x.shape), np.broadcast_to(rest_n, x.shape)
    each = fisher_exact_p(x, wide[0], rest, wide[1])
    chosen = each.argmin(1).astype(np.int64)
    at = np.arange(k)
    x_a, n_a, x_b, n_b = x[at, chosen], n[chosen], rest[at, chosen], rest_n[chosen]
    low, high = newcombe(x_a, n_a, x_b, n_b, 1 - (1 - level) / s)
    change = _share(x_a, n_a) - _share(x_b, n_b)
    return SetShares(chosen, change, low, high, np.minimum(each[at, chosen] * s, 1.0))


def share_trends(
    counts: ArrayLike, totals: ArrayLike, position: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> Trends:
    """Return how the shares of groups change along an order, by a straight line through the documents.

    p is that of Cochran's and Armitage's test: by the normal distribution where groups are large or p is,
    else from 9,999 draws of as many documents as the group has without regard to their position, so that
    groups of few documents have a p to rely on. The interval is that of the slope, with White's robust
    error (Econometrica 48:817, 1980).

    Parameters
    ----------
    counts : int[K, B]
        Documents of each group at each position.
    totals : int[B]
        Documents at each position.
    position : float[B]
        Where each is, increasing: a date, a number or a rank.
    level : float
        Confidence level.
    seed : int
        For the draws.

    Returns
    -------
    Trends
        Changes from the first to the last position, as differences of shares.

    Examples
    --------
    >>> from saetext.stats.shares import share_trends
    >>> found = share_trends([[2, 4, 6, 8], [5, 5, 5, 5]], [100] * 4, [0, 1, 2, 3])
    >>> found.change.round(3).tolist(), (found.p < 0.05).tolist()
    ([0.06, 0.0], [True, False])
    """
    x, n = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    where = np.asarray(position, np.float64)
    s = (where - where[0]) / (where[-1] - where[0])
    total = n.sum()
    centred = s - (n @ s) / total
    spread = float(n @ centred**2)
    slope = x @ centred / spread
    share = x.sum(1) / total
    # residuals of documents in the group and of the others, by position
    line = share[:, None] + slope[:, None] * centred
    squares = x * (1 - line) ** 2 + (n - x) * line**2
    error = np.sqrt(squares @ centred**2 * (total / max(total - 2, 1))) / spread
    reach = normal_quantile(level) * error
    variance = share * (1 - share) * spread * total / max(total - 1, 1)
    z = np.divide(x @ centred, np.sqrt(variance), out=np.zeros(len(x)), where=variance > 0)
    p = np.minimum(2 * special.ndtr(-np.abs(z)), 1.0)
    size = x.sum(1)
    few = (np.minimum(size, total - size) < _ENOUGH) & (p < _LARGE_P)
    draw = np.random.default_rng([seed, 21])
    for group in np.flatnonzero(few).tolist():
        p[group] = _drawn_p(x[group], n.astype(np.int64), centred, draw)
    return Trends(slope, np.maximum(slope - reach, -1.0), np.minimum(slope + reach, 1.0), p)


def _drawn_p(x: Floats, n: Ints, centred: Floats, draw: np.random.Generator) -> float:
    found = abs(float(x @ centred))
    drawn = draw.multivariate_hypergeometric(n, int(x.sum()), DRAWS, method="marginals") @ centred
    return float((1 + (np.abs(drawn) >= found - _TIE * max(found, 1.0)).sum()) / (1 + DRAWS))


def _share(x: Ints, n: ArrayLike) -> Floats:
    found: Floats = x / np.maximum(n, 1)
    return found
