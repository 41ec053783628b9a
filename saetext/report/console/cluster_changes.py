"""Clusters in several sets or along a date, for a terminal: shares side by side, what changed first.

Not for: the clusters of one set (:mod:`saetext.report.console.clusters`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import end, make_console, probability, styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from saetext.analysis.clusters import ClusterResult

ALPHA = 0.05
_SETS = 4  # whose shares stand side by side; of more, only those of the set that stands out
_NAME = 10  # columns of a set's name
_LINE = 24  # columns of a line of bins
_BLOCKS = "▁▂▃▄▅▆▇█"
_COPIED = 3  # documents of one text from which on it is said,
_COPIED_SHARE = 0.3  # and their share of the cluster


def render_changes(
    result: ClusterResult, console_width: int, color: bool, *, top: int | None, encoding: str
) -> str:
    r"""Return what changed as lines that end in ``\n``; parameters as for ``render_clusters``."""
    console = make_console(console_width, color)
    assert result.changes is not None
    rows = result.changes.to_dicts()
    known = {row["cluster"]: row for row in result.table.to_dicts()}
    over = "trend" in result.changes.columns
    changed = [
        row for row in rows if row["cluster"] and (row["q"] < ALPHA or (over and row["peak_q"] < ALPHA))
    ]
    console.print(_over_heading(result) if over else _heading(result))
    console.print()
    console.print(
        styled(_over_header(result) if over else _header(result), "dim"), no_wrap=True, overflow="ellipsis"
    )
    listed = [row for row in rows if row["cluster"]] if top is None else changed[:top]
    if top is not None and not listed:
        listed = [row for row in rows if row["cluster"]][: min(top, 3)]
    for row in listed:
        _print(console, row, known[row["cluster"]], result, over)
    rest = len(rows) - 1 - len(listed)
    for row in rows[-1:]:
        if not any(row["counts"].values()):
            continue  # every document is in a cluster
        _print(console, row, None, result, over)
    if rest:
        console.print()
        told = "more cluster" if len(changed) > len(listed) else "other cluster"
        same = "" if len(changed) > len(listed) else " that did not change by more than chance"
        console.print(styled(f"{many(rest, told)}{same} (--top 0: all)", "dim"))
    console.print()
    console.print(styled(_legend(result, over), "dim"))
    return end(console, result.notes, encoding)


def _heading(result: ClusterResult) -> Text:
    m, p = result.metrics, result.params
    parts = [f"{printable(name)}, {many(n, 'document')}" for name, n in m["sets"].items()]
    shown = parts if len(parts) <= _SETS else [*parts[: _SETS - 1], f"{len(parts) - _SETS + 1} more sets"]
    heading = styled(f"{'; '.join(shown)}: ", "bold")
    placed = f" of {printable(p['model'])}" if p.get("model") else ""
    heading.append(f"{many(m['n_clusters'], 'cluster')}{placed}, ")
    heading.append(f"{m['changed']:,} changed" if m["changed"] else "none changed", "bold")
    heading.append(" (q < .05).")
    return heading


def _over_heading(result: ClusterResult) -> Text:
    m, p = result.metrics, result.params
    bins = m["bins"]
    sizes = [n for n in bins.values() if n]
    names = list(bins)
    heading = styled(f"{printable(p['corpus'])}, {many(m['documents'], 'document')}", "bold")
    kind = {"value": "value", "tenth": "tenth of the documents"}.get(p["bin"], p["bin"])
    heading.append(
        f" over {printable(p['over'])}: {len(bins)} bins by {kind}, {printable(names[0])} to "
        f"{printable(names[-1])}, {min(sizes):,} to {max(sizes):,} documents each. "
        f"{many(m['n_clusters'], 'cluster')}, "
    )
    heading.append(f"{m['trends']:,} with a trend" if m["trends"] else "none with a trend", "bold")
    heading.append(" (q < .05).")
    return heading


def _sets(result: ClusterResult) -> list[str]:
    return list(result.params["sets"])


def _header(result: ClusterResult) -> str:
    names = _sets(result)
    shown = names if len(names) <= _SETS else ["in set", "in others"]
    columns = "".join(f"{_short(name):>{_NAME + 1}}" for name in shown)
    which = "" if len(names) == 2 else f"  {'set':<{_NAME}}"
    return f"    {columns}  change  95 % interval       q{which}"


def _over_header(result: ClusterResult) -> str:
    by = "" if result.params["bin"] == "value" else f"by {result.params['bin']}"
    return f"    {'share':>7}  {by:<{_line_width(result)}}  trend  95 % interval       q"


def _short(name: str) -> str:
    told = printable(name)
    return told if len(told) <= _NAME else f"{told[: _NAME - 1]}…"


def _print(
    console: Console,
    row: Mapping[str, Any],
    known: Mapping[str, Any] | None,
    result: ClusterResult,
    over: bool,
) -> None:
    number = f"{row['cluster']:>3} " if row["cluster"] else "    "
    line = styled(number, "dim").append(_over_figures(row, result) if over else _figures(row, result))
    sure = row["q"] < ALPHA
    name = printable(row["name"]) if row["name"] is not None else "in no cluster"
    line.append("  ").append(
        name, "bold" if sure and known is not None else "" if known is not None else "dim"
    )
    line.truncate(console.width, overflow="ellipsis")
    console.print(line)
    if known is None:
        return
    told = _told(row, over)
    indent = " " * 6
    if sure and (example := known.get("example") or known.get("snippet")):
        text = styled(indent).append(printable(example), "dim")
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)
    for one in told:
        text = styled(indent).append(one, "yellow")
        text.truncate(console.width, overflow="ellipsis")
        console.print(text)


def _figures(row: Mapping[str, Any], result: ClusterResult) -> str:
    names = _sets(result)
    shares, counts = row["shares"], row["counts"]
    if len(names) <= _SETS:
        shown = [shares[name] for name in names]
    else:
        rest = [name for name in names if name != row["set"]]
        n = result.metrics["counted"]
        others = sum(counts[name] for name in rest) / max(sum(n[name] for name in rest), 1)
        shown = [shares[row["set"]], others]
    columns = "".join(f"{f'{100 * share:.1f} %':>{_NAME + 1}}" for share in shown)
    which = "" if len(names) == 2 else f"  {_short(row['set']):<{_NAME}}"
    return f"{columns}  {_points(row['change']):>6}  {_interval(row):<14} {probability(row['q']):>6}{which}"


def _over_figures(row: Mapping[str, Any], result: ClusterResult) -> str:
    n = sum(result.metrics["bins"].values())
    share = sum(value or 0 for value in row["counts"].values()) / max(n, 1)
    line = sparkline(list(row["shares"].values()), _LINE)
    return (
        f"{f'{100 * share:.1f} %':>7}  {line:<{_line_width(result)}} {_points(row['trend']):>6}  "
        f"{_interval(row):<14} {probability(row['q']):>6}"
    )


def _line_width(result: ClusterResult) -> int:
    return min(max(len(result.metrics["bins"]), 6), _LINE)


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Draw values as bars from 0 to the largest, a column each; a space where nothing is known.

    More values than ``width`` are drawn as means of as many together as it takes.

    Examples
    --------
    >>> from saetext.report.console.cluster_changes import sparkline
    >>> sparkline([0.0, 0.1, None, 0.2], 24)
    '▁▅ █'
    """
    together = -(-len(values) // width)
    drawn: list[float | None] = []
    for at in range(0, len(values), together):
        some = [value for value in values[at : at + together] if value is not None]
        drawn.append(sum(some) / len(some) if some else None)
    most = max((value for value in drawn if value is not None), default=0.0) or 1.0
    return "".join(" " if v is None else _BLOCKS[round(v / most * (len(_BLOCKS) - 1))] for v in drawn)


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".replace("-", "−")


def _interval(row: Mapping[str, Any]) -> str:
    return f"[{_points(row['ci_low'])}, {_points(row['ci_high'])}]"


def _told(row: Mapping[str, Any], over: bool) -> list[str]:
    """Return what else is to be said of a cluster: that it is new, one text copied, or peaks somewhere."""
    if over:
        if row["peak_q"] < ALPHA:
            share = f"{100 * row['peak_share']:.1f} %"
            return [f"most in {printable(row['peak'])}: {share} (q {probability(row['peak_q'])})"]
        return []
    told = []
    if row["only_in"] is not None:
        first = next(iter(row["counts"]))
        new = "only in" if row["only_in"] == first else "new in"
        told.append(f"{new} {printable(row['only_in'])}")
    inside = row["counts"][row["copied_in"]] if row["copied_in"] is not None else 0
    if row["copies"] >= _COPIED and row["copies"] >= _COPIED_SHARE * inside:
        once = ""
        if row["change_once"] is not None:
            points, q = _points(row["change_once"]), probability(row["q_once"])
            once = f"; counted once, the change is {points} points, q {q}"
        told.append(
            f"{row['copies']:,} of {inside:,} in {printable(row['copied_in'])} are one text, nearly word for "
            f"word{once}"
        )
    return told


def _legend(result: ClusterResult, over: bool) -> str:
    if over:
        return (
            "by: shares from 0 to the cluster's largest; trend: change of the share from the first bin to "
            "the last, by a straight line, in percentage points. q: over all clusters (Benjamini-Hochberg)."
        )
    names = _sets(result)
    if len(names) == 2:
        change = f"change: {printable(names[1])} less {printable(names[0])}, in percentage points"
    else:
        change = "change: the set that stands out less all others together, in percentage points"
    if result.params.get("design") == "independent":
        return f"{change}. q: over all clusters (Fisher's exact test, Benjamini-Hochberg)."
    test = "McNemar's exact test" if result.params["design"] == "paired" else "sign flips of prompts"
    return f"{change}. q: over all clusters ({test}, Benjamini-Hochberg)."
