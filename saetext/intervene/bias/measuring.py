"""From values of items to measures over professions and sentences.

The unit is the profession, its sentences averaged, or the factual sentence. Not for: comparing arms
(:mod:`saetext.intervene.bias.summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.bias.suites import Item

Floats = NDArray[np.float64]
ALL = "all"  # the suite of a measure over all of them


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of one arm.

    Attributes
    ----------
    measure : str
        ``gap``, ``resolution``, ``fact`` (signed gap, right above 0), ``accuracy`` or ``nll``.
    suite : str
    units : tuple of str
    value : float64[units]
        Of ``gap`` and ``resolution`` the mean absolute value.
    signed : float64[units]
        The same without taking absolute values: above 0 the first way (he) is likelier.
    stereotype : float64[units]
        NaN where there is none.
    """

    measure: str
    suite: str
    units: tuple[str, ...]
    value: Floats
    signed: Floats
    stereotype: Floats


def measures_of(items: Sequence[Item], values: Floats, nll: Floats | None) -> list[Measured]:
    """Return all measures of one arm; the first is the one that verdicts go by."""
    found = []
    suites = list(dict.fromkeys(item.suite for item in items if item.measure == "gap"))
    found.append(_over_units(items, values, "gap", None))
    for suite in suites:
        if len(suites) > 1:
            found.append(_over_units(items, values, "gap", suite))
        if any(item.measure == "resolution" and item.suite == suite for item in items):
            found.append(_over_units(items, values, "resolution", suite))
    found += _facts(items, values)
    if nll is not None:
        names = tuple(f"passage {i + 1}" for i in range(len(nll)))
        found.append(Measured("nll", "neutral text", names, nll, nll, np.full(len(nll), np.nan)))
    return found


def _over_units(items: Sequence[Item], values: Floats, measure: str, suite: str | None) -> Measured:
    groups: dict[tuple[str, str, str], float] = {}
    unit_of: dict[tuple[str, str, str], str] = {}
    stereotype: dict[str, float] = {}
    for item, value in zip(items, values.tolist(), strict=True):
        if item.measure != measure or suite not in (None, item.suite):
            continue
        key = (item.suite, item.unit, item.group)
        groups[key] = groups.get(key, 0.0) + item.weight * value
        unit_of[key] = item.unit
        if item.stereotype is not None:
            stereotype[item.unit] = item.stereotype
    units = tuple(dict.fromkeys(unit_of.values()))
    own = [[groups[key] for key in groups if unit_of[key] == unit] for unit in units]
    return Measured(
        measure,
        ALL if suite is None else suite,
        units,
        np.array([np.abs(v).mean() for v in own]),
        np.array([np.mean(v) for v in own]),
        np.array([stereotype.get(unit, np.nan) for unit in units]),
    )


def _facts(items: Sequence[Item], values: Floats) -> list[Measured]:
    own = [
        (item, value) for item, value in zip(items, values.tolist(), strict=True) if item.measure == "fact"
    ]
    units = tuple(f"{item.prompt}{item.first if item.weight > 0 else item.second}" for item, _ in own)
    signed = np.array([value for _, value in own])
    right = np.array([item.weight * value for item, value in own])
    nothing = np.full(len(own), np.nan)
    return [
        Measured("fact", "facts", units, right, signed, nothing),
        Measured("accuracy", "facts", units, (right > 0).astype(np.float64), signed, nothing),
    ]


def stereotype_correlation(one: Measured) -> tuple[float, float, float, int] | None:
    """Return the correlation of the signed gap with the stereotype, its 95 % interval, and how many units.

    Pearson's r; the interval by Fisher's z. None for fewer than 8 units with a stereotype, or where either
    is constant.
    """
    known = np.isfinite(one.stereotype)
    n = int(known.sum())
    if n < 8:
        return None
    x, y = one.stereotype[known], one.signed[known]
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    r = float(np.corrcoef(x, y)[0, 1])
    z, half = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), 1.959963984540054 / np.sqrt(n - 3)
    return r, float(np.tanh(z - half)), float(np.tanh(z + half)), n
