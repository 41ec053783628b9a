"""How much an outcome goes with having a finding: least squares, one finding at a time, vectorised over them.

The model of a finding is ``outcome = rate of the unit + effect * presence + covariates + error``. By the
theorem of Frisch and Waugh (Econometrica 1:387, 1933) and Lovell (Journal of the American Statistical
Association 58:993, 1963) its effect is that of what is left of presence, after unit and covariates are taken
out, on what is left of the outcome. What is taken out is the same for all findings, so it is solved once. Of
a binary outcome this is the linear probability model, and the effect an average marginal one. Not for:
differences between two sides (:mod:`saetext.stats.units`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from saetext.stats.verdict import SHARE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST = 1e-8  # share of a presence's variance that must be left once units and covariates are taken out
_TOLERANCE = 1e-10  # share of the largest eigenvalue from which on one counts


class Effects(NamedTuple):
    """Float64[F] each, NaN (p: 1) of findings that do not vary once units and covariates are taken out.

    Attributes
    ----------
    effect : float64[F]
        How much more of the outcome rows have that have the finding.
    low, high : float64[F]
        Its interval: Student's t with the effective number of clusters less one.
    p : float64[F]
        The larger of two: that of the score test, which takes the errors as they are without an effect, and
        that of the interval. So p is below .05 only where the interval of 95 % excludes 0. Of an outcome
        with two values from which nothing but its mean was taken out, Bennett's bound takes the place of the
        score test where it is smaller.
    robust : float64[F]
        The cluster-robust variance of the effect, without any correction for few clusters.
    clusters : float64[F]
        Effective number of clusters: how many of equal weight tell as much.
    parts : float64[C, F]
        What each cluster adds to the error of the effect.
    """

    effect: Floats
    low: Floats
    high: Floats
    p: Floats
    robust: Floats
    clusters: Floats
    parts: Floats


@dataclass(frozen=True, eq=False)
class OutcomeModel:
    """An outcome with everything taken out of it that is adjusted for; see :func:`outcome_model`.

    Attributes
    ----------
    rest : float64[n]
        What is left of the outcome.
    covariates : float64[n, K]
        The covariates, centred within units.
    inverse : float64[K, K]
        Generalised inverse of their cross products.
    starts : int64[C]
        The first row of each cluster.
    unit_starts, unit_size : int64[U]
        The first row of each unit, and its rows.
    within : bool
        Whether units have a rate of their own.
    residual_df : int
        Degrees of freedom of the residuals, before a finding takes one.
    variance : float64[n]
        Of an outcome with two values the variance that each row has at its fitted rate; 0 of others.
    alone : bool
        Whether the outcome has two values and nothing but its mean was taken out: then its variance is the
        same in all rows, unless the finding has an effect.
    alike : float
        Correlation of what is left of the outcome among rows of a cluster, at least 0.
    """

    rest: Floats
    covariates: Floats
    inverse: Floats
    starts: Ints
    unit_starts: Ints
    unit_size: Ints
    within: bool
    residual_df: int
    variance: Floats
    alone: bool
    alike: float

    def freed(self, columns: Floats) -> Floats:
        """Return float64[n, F]: columns, with units and covariates taken out."""
        left = _centred(columns, self.unit_starts, self.unit_size, self.within)
        if self.covariates.shape[1]:
            left -= self.covariates @ (self.inverse @ (self.covariates.T @ left))
        return left

    def effects(self, present: Floats, level: float = 0.95) -> Effects:
        """Return the effect of each column.

        The variance is Liang and Zeger's (Biometrika 73:13, 1986), scaled by G / (G - 1) for the effective
        number of clusters G of Carter, Schnepel and Steigerwald (Review of Economics and Statistics 99:698,
        2017), but never less than that of equal and independent errors, or than that of two values at the
        fitted rates of the rows that have the finding: the few rows that have a rare finding may happen to
        have one outcome, and would seem to know everything.

        Parameters
        ----------
        present : float64[n, F]
            1 where a row has the finding, 0 elsewhere; any number does.
        level : float
            Confidence level.
        """
        x = self.freed(present)
        squares = (x * x).sum(0)
        known = squares > _LEAST * np.maximum((present * present).sum(0), 1e-300)
        safe = np.where(known, squares, 1.0)
        effect = np.where(known, self.rest @ x / safe, 0.0)
        score = np.add.reduceat(x * self.rest[:, None], self.starts, axis=0)
        weight = np.add.reduceat(x * x, self.starts, axis=0)
        parts = (score - effect * weight) / safe
        spread = float(self.rest @ self.rest)
        clusters = np.where(known, squares**2 / np.maximum((weight**2).sum(0), 1e-300), 1.0)
        robust = (parts**2).sum(0)
        few = clusters / np.maximum(clusters - 1, 1e-2)
        equal = np.maximum(spread - effect**2 * squares, 0.0) / max(self.residual_df - 1, 1) / safe
        fitted = self.variance @ (x * x) / safe**2
        error = np.sqrt(np.maximum(few * robust, np.maximum(equal, fitted)))
        df = np.maximum(clusters - 1, 1.0)
        reach = special.stdtrit(df, 0.5 + level / 2) * error
        none = np.sqrt(np.maximum((score**2).sum(0), spread / max(self.residual_df, 1) * squares))
        by_score = _two_sided(effect * safe, none, float(max(len(self.starts) - 1, 1)))
        if self.alone:
            by_score = np.minimum(by_score, self._bound(x, effect * safe, squares))
        p = np.maximum(by_score, _two_sided(effect, error, df))
        blank = np.where(known, 0.0, np.nan)
        return Effects(
            effect + blank, effect - reach + blank, effect + reach + blank, np.where(known, p, 1.0),
            robust + blank, clusters, np.where(known, parts, 0.0),
        )  # fmt: skip

    def _bound(self, x: Floats, score: Floats, squares: Floats) -> Floats:
        """float64[F]: Bennett's bound on the p of a score whose variance is that without an effect.

        The robust variance of a rare finding grows with its effect, so that few rows that all have the rarer
        outcome tell little by it. Here the variance comes from all rows, with Moulton's (Journal of
        Econometrics 32:385, 1986) correlation within clusters; the bound (Bennett, Journal of the American
        Statistical Association 57:33, 1962) holds however few and skewed the summands are. It needs rows of
        one rate: where a covariate or unit tells rates apart, rows that have the finding may vary more than
        others without any effect of it.
        """
        variance = float(self.rest @ self.rest) / self.residual_df
        together = np.add.reduceat(x, self.starts, axis=0)
        total = variance * ((1 - self.alike) * squares + self.alike * (together**2).sum(0))
        largest = np.abs(self.rest).max() * np.add.reduceat(np.abs(x), self.starts, axis=0).max(0)
        known = (total > 0) & (largest > 0)
        total, largest = np.where(known, total, 1.0), np.where(known, largest, 1.0)
        u = np.where(known, largest * np.abs(score) / total, 0.0)
        exponent = total / largest**2 * ((1 + u) * np.log1p(u) - u)
        bound: Floats = np.minimum(2 * np.exp(-exponent), 1.0)
        return bound


def outcome_model(
    outcome: Floats, cluster: Ints, covariates: Floats, *, within: bool, unit: Ints | None = None
) -> OutcomeModel:
    """Take units and covariates out of an outcome.

    Parameters
    ----------
    outcome : float64[n]
        The outcome of each row.
    cluster : int64[n]
        Which rows belong together: rows of a cluster follow one another.
    covariates : float64[n, K]
        What is adjusted for; may have no columns.
    within : bool
        Whether each unit has a rate of its own (a prompt with several answers); else all rows have one.
    unit : int64[n], optional
        The units, if they are not the clusters: the two answers of a row, where rows of one prompt belong
        together. Rows of a unit follow one another too.

    Raises
    ------
    ValueError
        If rows of a cluster or unit do not follow one another.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.stats import outcome_model
    >>> prompt = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> passed = np.array([1.0, 0, 1, 1, 0, 0, 1, 0])
    >>> model = outcome_model(passed, prompt, np.zeros((8, 0)), within=True)
    >>> model.effects(np.array([[1.0, 0, 1, 0, 1, 0, 0, 1]]).T).effect
    array([0.])
    """
    starts, cluster_size = _runs(cluster)
    unit_starts, size = (starts, cluster_size) if unit is None else _runs(unit)
    centred = _centred(np.column_stack([outcome, covariates]), unit_starts, size, within)
    rest, z = centred[:, 0], centred[:, 1:]
    inverse, rank = _inverse(z.T @ z)
    if rank:
        rest = rest - z @ (inverse @ (z.T @ rest))
    df = len(outcome) - rank - (len(size) if within else 1)
    two = len(np.unique(outcome)) == 2
    rest = np.asarray(rest, np.float64)
    variance = np.zeros(len(outcome))
    if two:
        low, high = float(outcome.min()), float(outcome.max())
        fitted = np.clip(outcome - rest, low, high)
        variance = (high - fitted) * (fitted - low)
        if within:  # the rate of m rows varies with them
            variance *= np.repeat(size / np.maximum(size - 1, 1), size)
    return OutcomeModel(
        rest, z, inverse, starts, unit_starts, size, within, max(df, 1), variance,
        two and not rank and not within, 0.0 if within else _alike(rest, starts, cluster_size),
    )  # fmt: skip


def gap(adjusted: Effects, plain: Effects, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the interval of what is left of an effect, less half of what it was before adjusting.

    Both come from the same rows, so their errors are taken together, cluster by cluster; see
    :func:`saetext.stats.explained`.
    """
    middle = adjusted.effect - SHARE * plain.effect
    parts = adjusted.parts - SHARE * plain.parts
    few = np.maximum(adjusted.clusters, plain.clusters)
    few = few / np.maximum(few - 1, 1e-2)
    df = np.maximum(adjusted.clusters - 1, 1.0)
    reach = special.stdtrit(df, 0.5 + level / 2) * np.sqrt(few * (parts**2).sum(0))
    return middle - reach, middle + reach


def _runs(code: Ints) -> tuple[Ints, Ints]:
    """Return the first row of each value, and its rows."""
    starts = np.flatnonzero(np.diff(code, prepend=code[:1] - 1))
    if len(starts) != len(np.unique(code)):
        raise ValueError("rows of a cluster or unit must follow one another")
    return starts, np.diff(np.append(starts, len(code)))


def _inverse(cross: Floats) -> tuple[Floats, int]:
    """Return the generalised inverse of cross products, and their rank by the same tolerance."""
    if not cross.size:
        return cross, 0
    values, vectors = np.linalg.eigh(cross)
    kept = values > _TOLERANCE * max(float(values[-1]), 0.0)
    some = vectors[:, kept]
    inverse: Floats = (some / values[kept]) @ some.T
    return inverse, int(kept.sum())


def _centred(columns: Floats, starts: Ints, size: Ints, within: bool) -> Floats:
    """Return columns less their mean, of each cluster or of all rows."""
    if not within:
        found: Floats = columns - columns.mean(0)
        return found
    means = np.add.reduceat(columns, starts, axis=0) / size[:, None]
    left: Floats = columns - np.repeat(means, size, axis=0)
    return left


def _alike(rest: Floats, starts: Ints, size: Ints) -> float:
    """Return the mean correlation of two rows of a cluster, from 0 to 1."""
    pairs, spread = float((size * (size - 1)).sum()), float(rest @ rest)
    if not pairs or spread <= 0:
        return 0.0
    products = float((np.add.reduceat(rest, starts) ** 2).sum()) - spread
    return float(np.clip(products / pairs / (spread / len(rest)), 0.0, 1.0))


def _two_sided(value: Floats, error: Floats, df: Floats | float) -> Floats:
    t = np.divide(np.abs(value), error, out=np.zeros(len(value)), where=error > 1e-12)
    p: Floats = np.minimum(2 * special.stdtr(df, -t), 1.0)
    return p
