"""The effect of each description: before and after adjusting, on all documents and on each half.

Not for: which documents are compared (:mod:`saetext.analysis.differences.outcome.setting`), or what is shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.entries import Entries
from saetext.analysis.differences.outcome.setting import Setting
from saetext.analysis.differences.testing import ALPHA, LEVEL
from saetext.corpus.protocol import Ints

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

CELLS = 400_000  # numbers of a block of descriptions that is dense at once
_NUMBERS = (
    "effect", "ci_low", "ci_high", "p", "raw", "raw_low", "raw_high", "raw_p", "within", "gap_low",
    "gap_high", "between_low", "between_high", "first", "first_p", "second", "second_p", "within_low",
    "within_high", "within_p",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Models:
    """The models of some rows, solved once for all descriptions.

    Attributes
    ----------
    place : int64[n]
        Where each row stands among those that are compared, those of a unit together, and of what stays
        together, the first half first;
        -1 for rows that are left out.
    rows : int64[m]
        The rows in that order.
    cut : int
        How many of them are of the first half.
    adjusted, within, raw : OutcomeModel
        With units and covariates; with all of that but length (None where nothing else is adjusted for);
        with nothing.
    halves : tuple of OutcomeModel
        As ``adjusted``, of each half; empty where nothing is split.
    """

    place: Ints
    rows: Ints
    cut: int
    adjusted: stats.OutcomeModel
    within: stats.OutcomeModel | None
    raw: stats.OutcomeModel
    halves: tuple[stats.OutcomeModel, ...]

    @classmethod
    def of(cls, setting: Setting, kept: NDArray[np.bool_] | None = None) -> Models:
        """Solve the models of the rows compared, or of those of them that are kept."""
        design = setting.design
        rows = np.flatnonzero(setting.live if kept is None else setting.live & kept)
        cluster = design.unit if design.block is None else design.block[design.unit]
        rows = rows[np.lexsort((rows, design.unit[rows], cluster[rows], design.half[rows]))]
        place = np.full(len(design.side), -1, np.int64)
        place[rows] = np.arange(len(rows))
        unit, cluster = design.unit[rows].astype(np.int64), cluster[rows].astype(np.int64)
        y, z = setting.outcome.values[rows], setting.covariates[rows]
        none = np.zeros((len(rows), 0))
        cut = int((design.half[rows] == 0).sum())
        parts = (slice(0, cut), slice(cut, None)) if design.split else ()
        return cls(
            place,
            rows,
            cut,
            stats.outcome_model(y, cluster, z, within=setting.within, unit=unit),
            stats.outcome_model(y, cluster, z[:, setting.of_length :], within=setting.within, unit=unit)
            if setting.between is not None
            else None,
            stats.outcome_model(y, cluster, none, within=False),
            tuple(
                stats.outcome_model(y[p], cluster[p], z[p], within=setting.within, unit=unit[p])
                for p in parts
            ),
        )

    def dense(self, entries: Entries, low: int, high: int) -> Floats:
        """Return float64[m, high - low]: 1 where a row has a description."""
        found = np.zeros((len(self.rows), high - low))
        span = slice(entries.indptr[low], entries.indptr[high])
        column = np.repeat(np.arange(high - low), np.diff(entries.indptr[low : high + 1]))
        place = self.place[entries.row[span]]
        kept = place >= 0
        found[place[kept], column[kept]] = 1.0
        return found


def measure(
    models: Models,
    entries: Entries,
    tell: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Columns:
    """Return the raw numbers of each description, see ``_NUMBERS``, and ``n``; in threads.

    Parameters
    ----------
    models : Models
        Of the rows.
    entries : Entries
        Descriptions and the rows that have them.
    tell : callable, optional
        Called with how many of how many descriptions are done.
    threads : int, optional
        By default as many as there are processors.
    """
    from saetext.stats import kernels

    n = len(entries)
    out: Columns = {name: np.zeros(n) for name in _NUMBERS} | {"n": np.zeros(n, np.int64)}
    step = max(1, CELLS // max(len(models.rows), 1))
    done = 0

    def work(low: int, high: int) -> None:
        nonlocal done
        for start in range(low, high, step):
            stop = min(start + step, high)
            _block(models, models.dense(entries, start, stop), out, slice(start, stop))
            done += stop - start
            if tell is not None:
                tell(done, n)

    if n:
        kernels.over_features(work, n, threads or os.cpu_count() or 1)
    return out


def _block(models: Models, present: Floats, out: Columns, at: slice) -> None:
    adjusted = models.adjusted.effects(present, LEVEL)
    raw = models.raw.effects(present, LEVEL)
    plain = raw
    if models.within is not None:
        plain = models.within.effects(present, LEVEL)
        out["between_low"][at], out["between_high"][at] = stats.gap(plain, raw, LEVEL)
    out["n"][at] = present.sum(0)
    for name, value in (
        ("effect", adjusted.effect), ("ci_low", adjusted.low), ("ci_high", adjusted.high), ("p", adjusted.p),
        ("raw", raw.effect), ("raw_low", raw.low), ("raw_high", raw.high), ("raw_p", raw.p),
        ("within", plain.effect), ("within_low", plain.low), ("within_high", plain.high),
        ("within_p", plain.p),
    ):  # fmt: skip
        out[name][at] = value
    out["gap_low"][at], out["gap_high"][at] = stats.gap(adjusted, plain, LEVEL)
    parts = (present[: models.cut], present[models.cut :])
    for model, part, name in zip(models.halves, parts, ("first", "second"), strict=False):
        half = model.effects(part, LEVEL)
        out[name][at], out[f"{name}_p"][at] = half.effect, half.p


def numbers(found: Columns, models: Models) -> Columns:
    """Return the numeric columns of a family: q over all of it, confirmation, what explains what went away.

    ``explained_by_length`` is about the effect before length is adjusted for and what is left of it at equal
    length; ``explained_by_prompt`` about the raw one and what is left within prompts and at equal controls.
    """
    effect, within = found["effect"], found["within"]
    columns: Columns = {
        "n": found["n"], "rate": found["n"] / max(len(models.rows), 1), "effect": effect,
        "ci_low": found["ci_low"], "ci_high": found["ci_high"], "p": found["p"],
        "q": stats.benjamini_hochberg(found["p"]), "raw": found["raw"], "raw_low": found["raw_low"],
        "raw_high": found["raw_high"], "raw_q": stats.benjamini_hochberg(found["raw_p"]),
        "within": within, "within_q": stats.benjamini_hochberg(found["within_p"]),
    }  # fmt: skip
    columns["explained_by_length"] = _verdict(
        within, effect, found["ci_low"], found["ci_high"], found["gap_low"], found["gap_high"],
        columns["within_q"],
    )  # fmt: skip
    if models.within is not None:
        columns["explained_by_prompt"] = _verdict(
            found["raw"], within, found["within_low"], found["within_high"], found["between_low"],
            found["between_high"], columns["raw_q"],
        )  # fmt: skip
    return columns | _confirmation(found, bool(models.halves))


def _verdict(
    raw: Floats, left: Floats, low: Floats, high: Floats, gap_low: Floats, gap_high: Floats, q: Floats
) -> NDArray[Any]:
    """Return "yes", "no" or "unclear"; None where there was nothing to explain."""
    sure = q < ALPHA
    words = np.full(len(raw), None, object)
    if sure.any():
        widen = stats.widening(int(sure.sum()), len(raw), LEVEL)
        few = [np.nan_to_num(one[sure]) for one in (raw, left, low, high, gap_low, gap_high)]
        words[sure] = stats.explained(*few, widen=widen)
    return words


def _confirmation(found: Columns, split: bool) -> Columns:
    """Choose on the first half, test on the second, as a diff does."""
    n = len(found["effect"])
    effect, q = np.full(n, np.nan), np.full(n, np.nan)
    confirmed = np.zeros(n, bool)
    if split and n:
        chosen = stats.benjamini_hochberg(found["first_p"]) < ALPHA
        effect[chosen] = found["second"][chosen]
        q[chosen] = stats.benjamini_hochberg(found["second_p"][chosen])
        confirmed = chosen & (q < ALPHA) & (np.sign(found["first"]) == np.sign(found["second"]))
    return {"effect_confirm": effect, "q_confirm": q, "confirmed": confirmed}


@dataclass(frozen=True)
class OfLength:
    """What length alone has to do with the outcome.

    Attributes
    ----------
    effect, low, high, p : float
        By how much the outcome goes up with each doubling of length, all else that is adjusted for equal.
    pooled : float
        The same over all documents, nothing adjusted for.
    share : float
        Of what varies in the outcome (all else equal), how much a curve of length tells.
    """

    effect: float
    low: float
    high: float
    p: float
    pooled: float
    share: float


def of_length(setting: Setting, models: Models) -> OfLength | None:
    """Return what a doubling of length goes with; None where all documents are about equally long."""
    doublings = np.log2(np.maximum(setting.n_tokens[models.rows], 1.0))[:, None]
    plain = models.within or models.raw
    found, pooled = plain.effects(doublings, LEVEL), models.raw.effects(doublings, LEVEL)
    if np.isnan(found.effect[0]):
        return None
    spread = float(plain.rest @ plain.rest)
    share = 1 - float(models.adjusted.rest @ models.adjusted.rest) / spread if spread > 0 else 0.0
    return OfLength(
        float(found.effect[0]), float(found.low[0]), float(found.high[0]), float(found.p[0]),
        float(pooled.effect[0]), max(share, 0.0),
    )  # fmt: skip
