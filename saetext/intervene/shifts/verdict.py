"""What an evaluated shift shows, in one sentence by rules that were fixed before.

Not for: the figures behind it (:mod:`saetext.intervene.shifts.comparing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ALPHA = 0.05
_RIVALS = ("instruction", "temperature", "one for all", "dense", "random")


def verdict_of(rows: Iterable[Mapping[str, Any]], groups: int, p: float, least: float) -> str:
    """Return whether answers come closer to the groups', to each shift's own more, and what does as well.

    Parameters
    ----------
    rows : iterable of mapping
        The ways to answer, with ``arm``, ``kind``, ``diff`` and ``p``.
    groups : int
    p, least : float
        Share of permutations of the groups' names with as large a diagonal, and the smallest there can be.

    Examples
    --------
    >>> from saetext.intervene.shifts.verdict import verdict_of
    >>> own = {"arm": "shift", "kind": "shift", "diff": 0.02, "p": 0.001}
    >>> cooler = {"arm": "temperature only", "kind": "temperature", "diff": 0.066, "p": 0.001}
    >>> print(verdict_of([own, cooler], 5, 0.74, 0.01))  # doctest: +NORMALIZE_WHITESPACE
    closer to the groups' answers, but not to each shift's own group more than to others; at least as close
    without it: temperature only (+0.066)
    """
    given = list(rows)
    own = next(row for row in given if row["kind"] == "shift")
    if own["p"] is None:
        return "no verdict: too few questions"
    if own["diff"] <= 0 or own["p"] > ALPHA:
        return "not shown: under the shifts, answers come no closer to the groups' beyond chance"
    if groups < 2:
        whose = "closer to the group's answers"
    elif least > ALPHA:
        whose = (
            f"closer to the groups' answers; of {groups} groups it cannot be shown that each is met best by "
            "its own shift"
        )
    elif p <= ALPHA:
        whose = "closer to the groups' answers, and to each shift's own group more than to others"
    else:
        whose = "closer to the groups' answers, but not to each shift's own group more than to others"
    rivals = [
        f"{row['arm']} ({row['diff']:+.3f})"
        for row in given
        if row["kind"] in _RIVALS and row["diff"] is not None and row["diff"] >= own["diff"]
    ]
    return f"{whose}; at least as close without it: {', '.join(rivals)}" if rivals else whose
