"""From what each arm shows of a finding, prompt by prompt, to figures and a verdict.

The unit is the prompt, its samples averaged. The declared test of a feature is of what taking it out removes
plus what turning it up adds; q is over all features that are tested. Not for: writing texts
(:mod:`saetext.intervene.causes.trial`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.summary import LEAST_CONTROLS, LEAST_PROMPTS
from saetext.stats.dose import trend
from saetext.stats.multiple import benjamini_hochberg
from saetext.stats.paired import paired, sign_flip_p

DRIVES, CONTRIBUTES, READS = "drives it", "contributes", "only reads it"
BREAKS, NOT_SHOWN = "breaks the text", "not shown"
VERDICTS = (DRIVES, CONTRIBUTES, READS, BREAKS, NOT_SHOWN)
LEVEL = 0.05
HALF = 0.5  # of the gap: what drives a finding moves that much either way, what only reads it surely less
REPEATS = 0.1  # by how much the share of repeated trigrams may rise in a text that is intact
_TIE = 1e-12
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of the arms of a feature, by prompt.

    Attributes
    ----------
    high, low : float64[n]
        Unedited, on the side that shows more of the finding and on the other.
    ablated : float64[n]
        On the first side, the feature taken out.
    steered : float64[n, doses]
        On the other side, turned up by each dose, ascending.
    """

    high: Floats
    low: Floats
    ablated: Floats
    steered: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that a verdict on one finding and one feature goes by.

    Attributes
    ----------
    gauge, nll, repetition : Measured
        What the finding is measured by, and what says whether the text is intact; NaN where it has none.
    others : tuple of Measured
        The gauges of other findings, on the same sides.
    doses : tuple of float
    at : int
        The dose that was chosen on other prompts.
    active_high, active_low : float64[n]
        The feature's activation in the unedited texts.
    controls : tuple of (float, float)
        Of each matched feature that was written with, what taking it out removes and what turning it up adds.
    asked : int
        Matched features that would have been written with, had it not been clear before.
    independent : bool
        Whether the gauge does without the SAE that is edited.
    """

    gauge: Measured
    nll: Measured
    repetition: Measured
    others: tuple[Measured, ...]
    doses: tuple[float, ...]
    at: int
    active_high: Floats
    active_low: Floats
    controls: tuple[tuple[float, float], ...] = ()
    asked: int = 0
    independent: bool = True


def moved_by(measured: Measured, at: int) -> tuple[Floats, Floats]:
    """Return float64[n] each: what taking a feature out removes, and what turning it up adds."""
    return measured.high - measured.ablated, measured.steered[:, at] - measured.low


def figures(evidence: Evidence, nll_within: float, seed: int = 0) -> dict[str, Any]:
    """Return the figures of one feature, without q and verdict; p and intervals only of 8 prompts or more.

    Parameters
    ----------
    evidence : Evidence
    nll_within : float
        By how much the nll may rise in a text that is intact.
    seed : int
        Of draws.
    """
    gauge, at = evidence.gauge, evidence.at
    removed, added = moved_by(gauge, at)
    gap = gauge.high - gauge.low
    row: dict[str, Any] = {"prompts": len(gap), "dose": evidence.doses[at], "gap": _mean(gap)}
    size = row["gap"] if row["gap"] > _TIE else None
    row["necessary"], row["sufficient"] = (
        None if size is None else _mean(x) / size for x in (removed, added)
    )
    row["moved"] = _mean(removed + added)
    row["active"] = _mean(evidence.active_high - evidence.active_low)
    row |= _side_effects(evidence, nll_within)
    row["others"] = _others(evidence)
    row |= against(evidence)
    if len(gap) >= LEAST_PROMPTS:
        row |= _tests(evidence, gap, removed, added, size, seed)
    return row


def _mean(values: Floats) -> float:
    mean = float(values.mean()) if len(values) else 0.0
    return mean if abs(mean) > _TIE else 0.0


def _side_effects(evidence: Evidence, nll_within: float) -> dict[str, Any]:
    """Return what either edit does to likelihood and repetition, and whether the texts are intact.

    Of the unedited texts of both sides those count that are less usual or repeat more: an edit that takes a
    text to the other side takes it to what is usual there. Intact is a text within the limits, broken one
    that is beyond one of them by more than chance: of few tokens one repeated trigram is much.
    """
    found: dict[str, Any] = {}
    measures = (("nll", evidence.nll, nll_within), ("repetition", evidence.repetition, REPEATS))
    for part in ("removed", "added"):
        intact, broken = True, False
        for name, measured, most in measures:
            edited = measured.ablated if part == "removed" else measured.steered[:, evidence.at]
            rises = [_there(edited - unedited) for unedited in (measured.high, measured.low)]
            rise = min((own for own in rises if len(own)), key=_mean, default=None)
            found[f"{name}_{part}"] = None if rise is None else _mean(rise)
            if rise is not None and _mean(rise) > most:
                intact = False
                broken |= _surely(rise - most)
        # no token at all has no likelihood: nothing was written
        nothing = found[f"nll_{part}"] is None
        found |= {f"intact_{part}": intact and not nothing, f"broken_{part}": broken or nothing}
    return found


def _there(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _surely(beyond: Floats) -> bool:
    """Return whether a mean above 0 is more than chance over prompts; of too few it is taken as it is."""
    return len(beyond) < LEAST_PROMPTS or sign_flip_p(beyond) <= LEVEL


def _others(evidence: Evidence) -> float | None:
    """Return the mean share of other findings' gaps that the edits move; None where none has a gap."""
    shares = []
    for other in evidence.others:
        gap = _mean(other.high - other.low)
        if len(other.high) < LEAST_PROMPTS or gap == 0 or paired(other.high - other.low).p > LEVEL:
            continue
        removed, added = moved_by(other, evidence.at)
        shares.append((_mean(removed) + _mean(added)) / (2 * gap))
    return float(np.mean(shares)) if shares else None


def against(evidence: Evidence) -> dict[str, Any]:
    """Hold the effects against those of matched features: (1 + as strong) / (1 + matched).

    The part of :func:`figures` that matched features change.
    """
    removed, added = moved_by(evidence.gauge, evidence.at)
    names = ("necessary_control_p", "sufficient_control_p", "control_p")
    row: dict[str, Any] = {**dict.fromkeys(names), "controls": len(evidence.controls)}
    if not evidence.controls:
        return row
    table = np.array(evidence.controls)
    effects = (_mean(removed), _mean(added), _mean(removed + added))
    for name, own, theirs in zip(names, effects, (*table.T, table.sum(axis=1)), strict=True):
        row[name] = float((1 + (theirs >= own - _TIE).sum()) / (1 + len(table)))
    return row


def _tests(
    evidence: Evidence, gap: Floats, removed: Floats, added: Floats, size: float | None, seed: int
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    found = paired(gap, seed=seed)
    row |= {"gap_low": found.low, "gap_high": found.high, "gap_p": found.p}
    for name, values in (("necessary", removed), ("sufficient", added)):
        found = paired(values, seed=seed)
        row[f"{name}_p"] = found.p
        if size is not None:
            row |= {f"{name}_low": found.low / size, f"{name}_high": found.high / size}
    row["p"] = paired(removed + added, seed=seed).p
    row["active_p"] = paired(evidence.active_high - evidence.active_low, seed=seed).p
    outcomes = np.column_stack([evidence.gauge.low, evidence.gauge.steered])
    found_trend = trend((0.0, *evidence.doses), outcomes, seed=seed)
    return row | {"tau": found_trend.tau, "dose_p": found_trend.p}


def promising(row: Mapping[str, Any]) -> bool:
    """Return whether matched features are worth writing with: without them it could be shown."""
    return (
        row.get("p") is not None
        and row["gap"] > 0
        and row["gap_p"] <= LEVEL
        and row["p"] <= LEVEL
        and row["moved"] > 0
        and any(_moves(row, name) and row[f"intact_{part}"] for name, part in _PARTS)
    )


def hopeless(row: Mapping[str, Any], asked: int) -> bool:
    """Return whether so many matched features were as strong that it cannot be shown, whatever the rest."""
    as_strong = round(row["control_p"] * (1 + row["controls"])) if row["controls"] else 1
    return as_strong > LEVEL * (1 + asked) + _TIE


def needed_controls(tests: int) -> int:
    """Return how many matched features let one feature of several alone be shown."""
    return (LEAST_CONTROLS + 1) * max(tests, 1) - 1


def judged(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with q over those that were tested, a verdict, and why.

    Parameters
    ----------
    rows : sequence of mapping
        From :func:`figures`, with ``independent`` and ``tested``: a feature that is never active is not.
    """
    found = [{**row, "q": None, "verdict": None, "because": ""} for row in rows]
    tests = [row for row in found if row["tested"] and row.get("p") is not None]
    # what was not held against matched features has no q. It is one of the tests all the same, and last of
    # them: left out, or with p alone, it would make every other q smaller
    worst = [1.0 if row["control_p"] is None else max(row["p"], row["control_p"]) for row in tests]
    for row, q in zip(tests, benjamini_hochberg(worst).tolist(), strict=True):
        row["q"] = None if row["control_p"] is None else q
    for row in found:
        row["verdict"], row["because"] = _verdict(row)
    return found


_PARTS = (("necessary", "removed"), ("sufficient", "added"))


def _verdict(row: Mapping[str, Any]) -> tuple[str | None, str]:
    if not row["tested"]:
        return NOT_SHOWN, "it is never active where the finding is"
    if row.get("p") is None:
        return None, f"{row['prompts']} prompts to test on, and a verdict needs {LEAST_PROMPTS}"
    if row["gap"] <= 0 or row["gap_p"] > LEVEL:
        return NOT_SHOWN, "the finding does not come back in new texts"
    moving = [name for name, _ in _PARTS if _moves(row, name)]
    intact = [name for name, part in _PARTS if name in moving and row[f"intact_{part}"]]
    kept = [name for name in intact if _shown(row, name)]
    if kept:
        return _strength(row, kept)
    if moving and not intact:
        if all(row[f"broken_{part}"] for name, part in _PARTS if name in moving):
            return BREAKS, "where an edit moves the finding, the text is no longer usual"
        lead = f"it moves the finding {_ways(moving)}"
        return NOT_SHOWN, f"{lead}, and whether the text stays usual is not clear"
    if moving:
        return NOT_SHOWN, _why_not(row, intact)
    if stirred := _stirred(row):
        return NOT_SHOWN, stirred
    if row["active"] > 0 and row["active_p"] <= LEVEL and _surely_less(row):
        return READS, "it is more active where the finding is, and no edit of it moves the finding"
    return NOT_SHOWN, "no edit of it moves the finding more than chance does"


def _strength(row: Mapping[str, Any], kept: Sequence[str]) -> tuple[str, str]:
    """Return how much a feature does that is shown to do something."""
    lead = f"it moves the finding {_ways(kept)}"
    if len(kept) < len(_PARTS):
        return CONTRIBUTES, f"{lead} only{_beside(row, kept)}"
    if min(row["necessary"], row["sufficient"]) < HALF:
        return CONTRIBUTES, f"{lead}, one of them less than half of the gap"
    others = row["others"]
    if others is not None and others >= (row["necessary"] + row["sufficient"]) / 2:
        return CONTRIBUTES, f"{lead}, and the other findings as much"
    if not row["independent"]:
        return CONTRIBUTES, f"{lead}, but only the SAE that is edited says so"
    return DRIVES, f"{lead}, each by at least half of the gap"


def _beside(row: Mapping[str, Any], kept: Sequence[str]) -> str:
    """Return why the edit that is not kept is not, where it moves the finding and the text is not intact."""
    for name, part in _PARTS:
        if name not in kept and _moves(row, name) and not row[f"intact_{part}"]:
            sure = "it breaks the text" if row[f"broken_{part}"] else "the text may not stay usual"
            return f"; {_WAYS[name]} {sure}"
    return ""


def _moves(row: Mapping[str, Any], name: str) -> bool:
    """Return whether an edit moves the finding the way it should, by the test over prompts alone."""
    dose = name == "necessary" or (row["tau"] > 0 and row["dose_p"] <= LEVEL)
    return bool(row[name] is not None and row[name] > 0 and row[f"{name}_p"] <= LEVEL and dose)


def _shown(row: Mapping[str, Any], name: str) -> bool:
    """Return whether an edit moves it, more than those of matched features do, over all features tested."""
    control = row[f"{name}_control_p"]
    return (
        _moves(row, name)
        and row["moved"] > 0
        and row["q"] is not None
        and row["q"] <= LEVEL
        and row["controls"] >= LEAST_CONTROLS
        and control is not None
        and control <= LEVEL
    )


def _why_not(row: Mapping[str, Any], moving: Sequence[str]) -> str:
    """Return why edits that move the finding, and leave the text intact, do not count.

    Parameters
    ----------
    row : mapping
    moving : sequence of str
        Which edits do.
    """
    if row["p"] > LEVEL or row["moved"] <= 0:
        return f"it moves the finding {_ways(moving)}, but not by both edits together"
    if row["controls"] and row["control_p"] > LEVEL:
        return "matched features move the finding as much"
    if row["controls"] < LEAST_CONTROLS:
        return f"not held against enough matched features: {LEAST_CONTROLS} are needed"
    if all(row[f"{name}_control_p"] > LEVEL for name in moving):
        told = " and ".join(f"{_WAYS[name]}, p {row[f'{name}_control_p']:.2g}" for name in moving)
        return f"matched features move the finding as much by that edit: {told}"
    return "it moves the finding, but not clearly enough for as many features as were tested"


def _stirred(row: Mapping[str, Any]) -> str | None:
    """Return how edits change the finding other than a feature that drives it does; None if they do not.

    A feature of which that is seen does not only read.
    """
    told = []
    if row["necessary_p"] <= LEVEL:  # of the right direction it would move the finding
        told.append("taken out there is more of the finding, not less")
    if row["sufficient_p"] <= LEVEL:
        more = row["sufficient"] > 0
        told.append(
            "turned up there is more of the finding, but not the more the higher the dose"
            if more
            else "turned up there is less of the finding, not more"
        )
    if not told and row["p"] <= LEVEL:
        told.append(
            "its edits together move the finding, neither does alone"
            if row["moved"] > 0
            else "its edits together move the finding the wrong way, neither does alone"
        )
    return "; ".join(told) or None


_WAYS = {"necessary": "taken out", "sufficient": "turned up"}


def _ways(names: Sequence[str]) -> str:
    return " and ".join(_WAYS[name] for name in names)


def _surely_less(row: Mapping[str, Any]) -> bool:
    """Return whether intervals exclude that an edit moves half of the gap."""
    highs = [row.get(f"{name}_high") for name, _ in _PARTS]
    return all(high is not None and high < HALF for high in highs)
