"""How close two distributions over options are. Not for: where they come from.

``alignment`` is 1 - the Wasserstein distance over its largest value (Santurkar et al., arXiv 2303.17548)
where options have an order; where they have none, every option is equally far from every other, and it is 1 -
the total variation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Closeness(NamedTuple):
    """How close: ``alignment`` 1 and the others 0 where both are the same.

    ``tv`` is the total variation, ``js`` the Jensen-Shannon distance (the root of the divergence in bits),
    ``kl`` KL(group || model) in nats.
    """

    alignment: float
    tv: float
    js: float
    kl: float


MEASURES = Closeness._fields
_LEAST = 1e-12


def closeness(group: Floats, model: Floats, ordinal: bool) -> Closeness:
    """Return how close the model's answers are to a group's.

    Parameters
    ----------
    group, model : float[options]
        Each adds up to 1.
    ordinal : bool
        Whether the order of options means something.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.intervene.shifts.scores import closeness
    >>> round(closeness(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), True).alignment, 3)
    0.5
    >>> closeness(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), False).alignment
    0.0
    """
    tv = float(np.abs(group - model).sum() / 2)
    distance = wasserstein(group, model) if ordinal else tv
    middle = (group + model) / 2
    divergence = (_kl(group, middle) + _kl(model, middle)) / 2 / np.log(2)
    return Closeness(1 - distance, tv, float(np.sqrt(max(divergence, 0.0))), _kl(group, model))


def wasserstein(group: Floats, model: Floats) -> float:
    """Return the earth mover's distance of two distributions over equally spaced options, from 0 to 1."""
    return float(np.abs(np.cumsum(group - model))[:-1].sum() / (len(group) - 1))


def _kl(p: Floats, q: Floats) -> float:
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], _LEAST))).sum())


def ceiling(counts: NDArray[np.int64], ordinal: bool, seed: Sequence[int], draws: int = 20) -> Closeness:
    """Return how close one random half of a group's respondents is to the other, averaged over draws.

    Halves are smaller than the group, so two samples of its whole size would be closer still.
    """
    draw = np.random.default_rng(list(seed))
    half = int(counts.sum()) // 2
    found = []
    for _ in range(draws):
        one = draw.multivariate_hypergeometric(counts, half)
        other = counts - one
        # an empty option in one half has no finite divergence: half a respondent is added to each
        smooth = (other + 0.5) / (other + 0.5).sum()
        own = closeness(one / one.sum(), other / other.sum(), ordinal)
        found.append((own.alignment, own.tv, own.js, _kl(one / one.sum(), smooth)))
    return Closeness(*np.mean(found, axis=0).tolist())


def temperature_of(answers: Sequence[tuple[Floats, Floats]]) -> float:
    """Return the temperature at which the model's letters are closest to a group, by KL(group || model).

    Parameters
    ----------
    answers : sequence of (float[orders, options], float[options])
        Logits of options in each order, and the group's shares.
    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        total = 0.0
        for logits, group in answers:
            scaled = logits / np.exp(logarithm)
            weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
            total += _kl(group, (weights / weights.sum(axis=1, keepdims=True)).mean(axis=0))
        return total

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 5.0), method="bounded").x))
