"""Features against the number in a column: rank correlations among documents of equal length.

Not for: pairs of two items (:mod:`saetext.analysis.cooccurrence.pairs`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.held import ALPHA, Pairs
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.meeting import place
from saetext.analysis.cooccurrence.numeric import halves, rank_correlations, spearman
from saetext.analysis.cooccurrence.pairs import LOOK
from saetext.analysis.cooccurrence.room import threads_for_ranks
from saetext.analysis.cooccurrence.strata import Strata
from saetext.analysis.cooccurrence.tables import Found, Side
from saetext.corpus.keys import keys

Floats = NDArray[np.float64]


def correlate_with_number(context: Context, left: Items, number: Floats, metrics: dict[str, Any]) -> Found:
    """Correlate the strength of every feature with a number of each row; counts go into ``metrics``."""
    request, rows = context.request, context.rows
    context.tell("correlating ranks", 0, 0)
    placed = place(
        context.corpora[0],
        context.saes[0],
        left,
        rows.take[0],
        context.shelf,
        context.counting("reading strengths"),
    )
    length = context.length()
    threads = threads_for_ranks(context.shelf, len(rows))
    all_rows = rank_correlations(placed, number, rows.stratum, rows.group, length, threads)
    raw = rank_correlations(placed, number, np.zeros(len(rows), np.int32), threads=threads)
    q = stats.benjamini_hochberg(all_rows.p, dependent=request.fdr == "by")
    confirmed, rho, q_confirm = halves(placed, number, rows, length, threads)
    metrics["eligible_pairs"], metrics["significant"] = len(left), int((q < ALPHA).sum())
    flips = np.zeros(len(left), bool)
    pooled = None
    if request.within is not None:
        plain = rank_correlations(placed, number, rows.by_length, rows.group, length, threads)
        pooled = plain.rho
        flips = (plain.rho * all_rows.rho < 0) & (plain.p < ALPHA) & (q < ALPHA)
        metrics["reversed"] = int(flips.sum())
    shown = np.arange(len(left)) if request.everything else np.flatnonzero((q < ALPHA) | confirmed)
    shown = shown[np.lexsort((left.name[shown], -np.abs(all_rows.rho[shown])))][: 2 * LOOK]
    n = len(rows)
    columns: dict[str, Any] = {
        "n_a": left.n[shown], "n_b": np.full(len(shown), n), "n_ab": left.n[shown],
        "p": all_rows.p[shown], "q": q[shown], "confirmed": confirmed[shown], "rho": all_rows.rho[shown],
        "rho_low": all_rows.low[shown], "rho_high": all_rows.high[shown], "rho_raw": raw.rho[shown],
        "rho_confirm": rho[shown], "q_confirm": q_confirm[shown],
    }  # fmt: skip
    if pooled is not None:
        columns["rho_pooled"], columns["reversed"] = pooled[shown], flips[shown]
    pairs = Pairs(
        shown, np.zeros(len(shown), np.int64), left.n[shown], left.n[shown], all_rows.rho[shown],
        all_rows.p[shown], np.full(len(shown), np.nan),
    )  # fmt: skip
    sides = [
        Side(context.labels[0], left.name), Side(None, np.zeros(1, np.int64), (str(request.column),))
    ]  # fmt: skip
    meets = np.full((len(shown), 1), -1)
    return Found(
        columns, [None] * len(shown), sides, pairs, left, left, Strata.of(rows.stratum),
        ((placed, shown), None), meets, (), number=number,
    )  # fmt: skip


def length_notes(context: Context, number: Floats, metrics: dict[str, Any]) -> list[str]:
    """Say how the number correlates with length itself."""
    column, within = context.request.column, context.request.within
    length = context.length()
    pooled = spearman(length, number, np.zeros(len(length), np.int32))
    metrics["rho_length"] = pooled
    told = f"{column} against the number of tokens: rank correlation {pooled:+.2f}"
    if within is None:
        return [told]
    code = keys([context.corpora[0]], within)[0][context.rows.take[0]].astype(np.int32)
    inside = spearman(length, number, code)
    metrics["rho_length_within"] = inside
    differs = "; the sign differs" if inside * pooled < 0 else ""
    return [f"{told} pooled, {inside:+.2f} within {within}{differs}"]
