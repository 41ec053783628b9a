"""Charts of the analyses of corpora: differences, pairs, clusters, documents found.

Not for: those of interventions (:mod:`saetext.report.charts.interventions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.report.charts.drawing import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    Bar,
    Row,
    axes_of,
    bars,
    both,
    known,
    times,
    titled,
)
from saetext.report.html.figures import finite
from saetext.report.html.map_model import MapCluster, MapPage
from saetext.report.html.map_picture import draw_map
from saetext.text.one_line import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from saetext.analysis.checking.result import CheckResult
    from saetext.analysis.clusters import ClusterResult
    from saetext.analysis.cooccurrence import CorrelateResult
    from saetext.analysis.differences import DiffResult
    from saetext.analysis.differences.outcome.result import OutcomeResult
    from saetext.analysis.search import SearchResult

_HIGH, _WIDE = 5.5, 8.0  # inches of a map
_MARKS = str.maketrans("", "", "«»")
_RANKINGS = ("features", "dense", "bm25", "projected")


def diff_chart(result: DiffResult, ax: Axes | None, top: int) -> Axes:
    """Draw the differences with their intervals, in percentage points, the strongest first."""
    rows = _leading(result) if result.found is None else result.found.to_dicts()
    shown = rows[:top]
    colours = dict(zip(result.names, (COLOURS * len(result.names)), strict=False))
    if result.several:
        legend = {colours[row["set"]]: row["set"] for row in shown}
        if len(result.names) > len(COLOURS):  # a colour is of several sets then; each row names its own
            legend = {}
        axis = "difference from all other sets, percentage points"
    else:
        a, b = result.names
        colours = {a: BLUE, b: ORANGE}
        legend = {BLUE: f"more in {a}", ORANGE: f"more in {b}"}
        axis = f"difference in percentage points, {a} minus {b}"
    drawn = [
        Bar(
            f"{row['set']}: {_name(row)}" if result.several else _name(row),
            times(row["diff"], 100), times(row.get("ci_low"), 100), times(row.get("ci_high"), 100),
            colours[row["set"]] if result.several else BLUE if (row["diff"] or 0) >= 0 else ORANGE,
            faint=not row["confirmed"],
        )
        for row in shown
    ]  # fmt: skip
    more = f" and {len(result.names) - 4} more" if len(result.names) > 4 else ""
    title = f"{' against '.join(result.names[:4])}{more}: {_of(len(shown), len(rows), 'finding')}"
    return bars(ax, drawn, title, axis, legend=legend, faint="not confirmed")


def outcome_chart(result: OutcomeResult, ax: Axes | None, top: int) -> Axes:
    """Draw how much more of the outcome documents with each finding have, with intervals."""
    rows = result.table.to_dicts()
    drawn = [
        Bar(
            _name(row), row["effect"], row["ci_low"], row["ci_high"],
            BLUE if (row["effect"] or 0) >= 0 else ORANGE, faint=not row["confirmed"],
        )
        for row in rows[:top]
    ]  # fmt: skip
    title = f"{_sources(result)}: {_of(len(drawn), len(rows), 'finding')}"
    return bars(
        ax, drawn, title, "effect on the outcome, at equal length", faint="not confirmed",
        legend={BLUE: "more of the outcome", ORANGE: "less of it"},
    )  # fmt: skip


def check_chart(result: CheckResult, ax: Axes | None, top: int) -> Axes:
    """Draw the change under each rule with its interval, and a line at its limit."""
    rows = result.table.to_dicts()
    colours = {"passes": BLUE, "unclear": GREY, "breaks": ORANGE}
    drawn = [
        Bar(
            str(row["rule"]), times(row["change"], 100), times(row["ci_low"], 100),
            times(row["ci_high"], 100), colours.get(row["verdict"], GREY),
            mark=times(row["limit"], 100 if row["direction"] == "rise" else -100),
        )
        for row in rows[:top]
    ]  # fmt: skip
    title = f"{_sources(result)}: {_of(len(drawn), len(rows), 'limit')}"
    return bars(
        ax, drawn, title, "change, points (of length: percent)", points=True, mark="the limit",
        legend={colour: name for name, colour in colours.items()},
    )  # fmt: skip


def correlate_chart(result: CorrelateResult, ax: Axes | None, top: int) -> Axes:
    """Draw pairs by how much more often than by chance they meet; with a number, by rank correlation."""
    if result.found is not None and result.found.height:
        rows = result.found.to_dicts()
    else:
        rows = [finding.row for finding in result.grouped()]
    shown = rows[:top]
    measure = "npmi" if known(shown, "npmi") else "rho"
    drawn = [
        Bar(
            both(row["name_a"], row["name_b"]), row.get(measure), row.get(f"{measure}_low"),
            row.get(f"{measure}_high"), BLUE if (finite(row.get(measure)) or 0) >= 0 else ORANGE,
            faint=not row["confirmed"], mark=row.get(f"{measure}_confirm"),
        )
        for row in shown
    ]  # fmt: skip
    axis = "NPMI (0: as often as by chance)" if measure == "npmi" else "rank correlation at equal length"
    legend = {BLUE: "together more often", ORANGE: "less often"}
    title = f"{_sources(result)}: {_of(len(shown), len(rows), 'pair')}"
    return bars(ax, drawn, title, axis, legend=legend, faint="not confirmed", mark="on the held-out half")


def cluster_chart(result: ClusterResult, ax: Axes | None, top: int) -> Axes:
    """Draw the map: a point a document, coloured by cluster, with the names of the ``top`` largest."""
    documents = result.documents
    x, y = (documents[name].cast(float).fill_null(np.nan).to_numpy() for name in ("x", "y"))
    clusters = [
        MapCluster(row["cluster"], str(row["name"]), row["size"], row["share"])
        for row in result.table.to_dicts()
    ]
    page = MapPage(
        "", (), x.astype(np.float32), y.astype(np.float32), documents["cluster"].to_numpy(),
        documents["probability"].to_numpy(), (), (), clusters,
    )  # fmt: skip
    made, own = axes_of(ax, _HIGH, _WIDE)
    draw_map(page, made, named=top)
    told = f"{_sources(result)}: {many(result.n_clusters, 'cluster')}"
    titled(made, own, f"{told}; {result.noise:.0%} of {many(documents.height, 'document')} in none")
    return made


def search_chart(result: SearchResult, ax: Axes | None, top: int) -> Axes:
    """Draw the scores of the documents found; of a hybrid search, what each ranking gave."""
    rows = result.table.to_dicts()
    shown = rows[:top]
    title = f"{_sources(result)}: {_of(len(shown), len(rows), 'document')}"
    drawn = [Bar(_document(row), row["score"]) for row in shown]
    parts = [name for name in _RANKINGS if known(shown, f"part_{name}")]
    if len(parts) < 2:
        return bars(ax, drawn, title, "score")
    colours = dict(zip(parts, COLOURS, strict=False))
    empty = [Bar(bar.name, None) for bar in drawn]
    legend = {colours[name]: name for name in parts}
    made = bars(ax, empty, title, "score", legend=legend)
    for at, row in enumerate(shown):
        left = 0.0
        for name in parts:
            part = finite(row[f"part_{name}"]) or 0.0
            made.barh(at, part, left=left, height=0.62, color=colours[name], alpha=0.9)
            left += part
    made.set_xlim(left=0)
    return made


def _document(row: Row) -> str:
    snippet = str(row.get("snippet") or "")
    before, _, marked = snippet.partition("«")
    if not marked:
        return f"{row['id']}: {snippet}" if snippet else str(row["id"])
    # what shows why it was found: the first marked words, with a few before them
    words = before.split()
    lead = ["…", *words[-2:]] if len(words) > 2 else words
    return f"{row['id']}: {' '.join([*lead, marked.translate(_MARKS)])}"


def _leading(result: DiffResult) -> list[Row]:
    return [finding.row for finding in result.grouped()]


def _name(row: Row) -> str:
    name = row.get("name") or row.get("label")
    return str(name) if name else f"feature {row['feature']}"


def _of(shown: int, n: int, noun: str) -> str:
    return many(n, noun) if shown == n else f"the first {shown} of {many(n, noun)}"


def _sources(result: Any) -> str:
    return ", ".join(dict.fromkeys(source.name for source in result.sources[:3])) or str(result.kind)
