"""How far an attribution can be believed: its strongest pairs verified, and what the others may hide.

Not for: running the model (:mod:`saetext.intervene.attribution.checking`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

_LEVEL = 0.95


def misses(table: pl.DataFrame, checks: pl.DataFrame, others: int) -> dict[str, Any]:
    """Return figures of the verification.

    Parameters
    ----------
    table, checks : polars.DataFrame
        The strongest pairs, and some drawn at random from the others, with ``attribution`` and ``exact``.
    others : int
        How many others there are.

    Returns
    -------
    dict
        ``top_r``, ``top_signs``: correlation of attribution and exact effect among the strongest, and the
        share whose signs agree. ``others``, ``checked``: how many others there are, and were ablated.
        ``checks_r``: correlation among these. ``largest_other``: the largest exact effect found there.
        ``others_above``: how many of them are at least as large as the weakest of the strongest, and
        ``others_above_most``: the share of all others that may be, at 95 % confidence (one-sided
        Clopper-Pearson; 0 where all were ablated and none is).
    """
    exact, found = table["exact"].to_numpy(), checks["exact"].to_numpy()
    weakest = float(np.abs(exact).min()) if len(exact) else 0.0
    above = int((np.abs(found) >= weakest).sum())
    return {
        "top_r": correlation(table["attribution"].to_numpy(), exact),
        "top_signs": _signs(table["attribution"].to_numpy(), exact),
        "others": others,
        "checked": len(found),
        "checks_r": correlation(checks["attribution"].to_numpy(), found),
        "largest_other": float(np.abs(found).max()) if len(found) else None,
        "others_above": above,
        "others_above_most": _most(above, len(found), others),
    }


def correlation(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return Pearson's correlation; None where there is none."""
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(one) < 3 or not one.std() > 0 or not other.std() > 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _signs(a: ArrayLike, b: ArrayLike) -> float | None:
    one, other = np.sign(np.asarray(a)), np.sign(np.asarray(b))
    return float((one == other).mean()) if len(one) else None


def _most(above: int, checked: int, others: int) -> float | None:
    """Return the largest share of the others that is compatible with what the sample shows."""
    if not checked:
        return None if others else 0.0
    if checked >= others:
        return above / others
    if above == checked:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(_LEVEL, above + 1, checked - above))
