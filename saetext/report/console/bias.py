"""Dampened bias as text: the verdict, what falls and what stays in each arm, and the features.

Not for: computing it (:mod:`saetext.intervene.bias`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import (
    LABEL,
    end,
    heads,
    make_console,
    no_room,
    probability,
    side_by_side,
    styled,
    that_fit,
)
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.text import Text

    from saetext.intervene.bias.result import BiasResult

# columns of arms, and those that go first where the window has no room
_WIDTHS = {
    "arm": 19, "gap": 5, "change": 6, "95 %": 14, "p": 6, "matched": 7, "stereo": 6, "who": 5, "facts": 5,
    "fact gap": 8, "nll": 6,
}  # fmt: skip
_ASIDE = ("stereo", "who", "facts", "fact gap", "nll")
_LEAST = ("matched", "stereo", "who", "p", "95 %", "nll", "fact gap", "facts", "change", "gap")
_FEATURES = 12
_FINDERS = ("labels", "attribution", "swapped")


def render_bias(result: BiasResult, console_width: int, color: bool, *, encoding: str = "utf-8") -> str:
    r"""Return the report as text.

    Parameters
    ----------
    result : BiasResult
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``, none wider than the window.
    """
    console = make_console(console_width, color)
    console.print(styled(printable(heading(result)), "bold"))
    console.print(styled(printable(verdict_told(result.metrics)), "bold"))
    console.print()
    kept, gone = that_fit(_WIDTHS, console.width, _LEAST)
    _line(console, heads(kept, _WIDTHS))
    for row in arms_told(result):
        _line(console, _figures(row, kept))
    if missing := no_room(gone, _WIDTHS):
        console.print(styled(missing, "dim"))
    if told := suites_told(result):
        _line(console, styled(printable(told), "dim"))
    console.print()
    if result.params["find"]:
        console.print(styled(shared_told(result)))
    _print_features(console, result)
    return end(console, result.notes, encoding)


def heading(result: BiasResult) -> str:
    """Return what was dampened and measured, in one sentence."""
    told, metrics = result.params["subject"], result.metrics
    how = "found on the other professions" if result.params["find"] else "named"
    return (
        f"{told['model']}, {told['hook']}: {many(metrics['dampened'], 'feature')} dampened ({how}), "
        f"{many(metrics['professions'], 'profession')} measured."
    )


def verdict_told(metrics: Mapping[str, Any]) -> str:
    """Return the verdict with the figures behind it."""
    parts = [
        f"|{odds_told(metrics)}| {metrics['gap_before']:.2f} to {metrics['gap_after']:.2f} at dose "
        f"{metrics['dose']:g}"
    ]
    if metrics["dose"] < 1:
        parts.append(f"p {probability(metrics['p'])}")
    if metrics["controls_p"] is not None:
        parts.append(
            f"against {many(metrics['matched_sets'], 'matched set')} p {probability(metrics['controls_p'])}"
        )
    if metrics["accuracy_before"] is not None:
        parts.append(
            f"factual gender right {metrics['accuracy_before']:.0%} to {metrics['accuracy_after']:.0%}, its "
            f"gap {metrics['fact_before']:.2f} to {metrics['fact_after']:.2f}"
        )
    if metrics["nll_diff"] is not None:
        parts.append(f"neutral text {metrics['nll_diff']:+.3f} nats a token")
    return f"{metrics['verdict']}: {'; '.join(parts)}"


def odds_told(metrics: Mapping[str, Any], pair: str = "pair") -> str:
    """Return what is measured after a prompt, by its two words: not always he and she."""
    first, second = metrics[pair]
    return f"log p({first}) - log p({second})"


def suites_told(result: BiasResult) -> str | None:
    """Return of which suite the column "who" is, where several have it; others are in the tables alone."""
    own = result.table["suite"].filter(result.table["measure"] == "resolution").unique(maintain_order=True)
    if own.len() < 2:
        return None
    first, *others = own.to_list()
    return f"who: of {first}; of {', '.join(others)} in the JSON"


def shared_told(result: BiasResult) -> str:
    """Return how many features the finders share."""
    names = [name for name in _FINDERS if result.features[f"rank_{name}"].is_not_null().any()]
    each = ", ".join(f"{name} {result.features[f'rank_{name}'].is_not_null().sum()}" for name in names)
    return (
        f"found: {each}; by two or more {result.metrics['shared_by_two']}, by all "
        f"{result.metrics['shared_by_all']}"
    )


def arms_told(result: BiasResult) -> list[dict[str, Any]]:
    """Return one row for each arm with its measures side by side; matched sets and random ones as means."""
    import polars as pl

    from saetext.intervene.bias.tables import TABLE

    whole = pl.concat([result.table, result.controls]).filter(
        (pl.col("measure") != "gap") & (pl.col("measure") != "stereotype") | (pl.col("suite") == "all")
    )
    rows = []
    for kind in ("base", "dose", "finder", "matched", "random", "instruction"):
        own = whole.filter(pl.col("kind") == kind)
        if kind in ("matched", "random") and own.height:
            names = own["arm"].n_unique()
            told = f"{names} matched sets" if kind == "matched" else f"{names} random directions"
            rows.append(_side_by_side(told, kind, _means(own, TABLE)))
            continue
        rows += [
            _side_by_side(arm, kind, own.filter(pl.col("arm") == arm))
            for arm in own["arm"].unique(maintain_order=True).to_list()
        ]
    return rows


def _means(own: pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    import polars as pl

    means = own.group_by("measure", "suite", maintain_order=True).agg(pl.col("value", "diff").mean())
    return means.with_columns(
        **{name: pl.lit(None, kind) for name, kind in schema.items() if name not in means.columns}
    )


def _side_by_side(arm: str, kind: str, own: pl.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {"arm": arm, "kind": kind}
    for row in own.to_dicts():
        found.setdefault(row["measure"], row)
    return found


def _figures(row: Mapping[str, Any], kept: Sequence[str]) -> Text:
    gap, nll = row["gap"], row.get("nll", {})
    cells = {
        "arm": _cut(row["arm"], _WIDTHS["arm"]),
        "gap": f"{gap['value']:.2f}",
        "change": _number(gap["diff"], "+.2f"),
        "95 %": "" if gap["diff_low"] is None else f"[{gap['diff_low']:+.2f}, {gap['diff_high']:+.2f}]",
        "p": _chance(gap["p"]),
        "matched": _chance(gap["controls_p"]),
        "nll": f"{nll['value']:.2f}" if nll and nll["diff"] is None else _number(nll.get("diff"), "+.3f"),
    }
    for name, measure, form in (
        ("stereo", "stereotype", ".2f"), ("who", "resolution", ".2f"), ("facts", "accuracy", ".0%"),
        ("fact gap", "fact", ".2f"),
    ):  # fmt: skip
        cells[name] = _number(row.get(measure, {}).get("value"), form)
    bold = "bold" if row["kind"] == "dose" else ""
    return side_by_side({name: cells[name] for name in kept}, _WIDTHS, bold, _ASIDE)


def _print_features(console: Console, result: BiasResult) -> None:
    rows = result.features.to_dicts()
    head = "feature  labels  attrib.  swapped   widens  active  elsewhere  entropy  label"
    _line(console, styled(head, "dim"))
    for row in rows[:_FEATURES]:
        ranks = [_number(row[f"rank_{name}"], "d") for name in _FINDERS]
        entropy = "" if row["entropy"] is None else f"{row['entropy']:.1f}/{row['entropy_random']:.1f}"
        label = "no label" if row["label"] is None else _cut(row["label"], LABEL)
        line = styled(f"{row['feature']:>7}", "bold" if row["dampened"] else "dim")
        line.append(
            f"  {ranks[0]:>6}  {ranks[1]:>7}  {ranks[2]:>7}  {_number(row['widens'], '+.3f'):>7}  "
            f"{row['active']:>6.0%}  {_number(row['elsewhere'], '.0%'):>9}  {entropy:>7}  {label}"
        )
        _line(console, line)
    if len(rows) > _FEATURES:
        _line(console, styled(f"and {len(rows) - _FEATURES:,} more", "dim"))


def _chance(p: float | None) -> str:
    return "" if p is None else probability(p)


def _cut(text: str, most: int) -> str:
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _line(console: Console, line: Text) -> None:
    line.truncate(console.width, overflow="ellipsis")
    console.print(line)


__all__: Sequence[str] = (
    "arms_told", "heading", "odds_told", "render_bias", "shared_told", "suites_told", "verdict_told",
)  # fmt: skip
