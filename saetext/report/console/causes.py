"""Why a diff's findings come about, as text: findings, the features tested, the figures behind a word.

Returns strings and prints nothing. Not for: computing it (:mod:`saetext.intervene.causes`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import LABEL, end, make_console, probability, styled
from saetext.report.console.side_by_side import print_arms
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.console import Console

    from saetext.intervene.causes.result import WhyResult

_NAME = 20  # characters of a set's name beside its texts

Row = Mapping[str, Any]
COLOURS = {"drives it": "green", "contributes": "green", "breaks the text": "red"}


def render_why(
    result: WhyResult,
    console_width: int = 100,
    color: bool = False,
    *,
    told: Collection[tuple[str, str]] = (),
    encoding: str = "utf-8",
) -> str:
    r"""Return findings one by one, with the features that were tested and the figures behind each verdict.

    Parameters
    ----------
    result : WhyResult
    console_width : int
        Columns to fill; less than 40 counts as 40 and more than 200 as 200.
    color : bool
        Whether to use terminal colours.
    told : collection of (str, str)
        Kind and name of findings of which all this stands elsewhere: they are left out.
    encoding : str
        The output's encoding; a character it lacks becomes a plain one.

    Returns
    -------
    str
        Lines that end in ``\n``.
    """
    console = make_console(console_width, color)
    for line in heading(result):
        console.print(styled(printable(line), "bold"))
    for finding in result.findings_table.to_dicts():
        if (finding["kind"], finding["finding"]) in told:
            continue
        console.print()
        _print_finding(console, result, finding)
    _print_example(console, result)
    if result.notes:
        console.print()
    return end(console, result.notes, encoding)


def heading(result: WhyResult) -> list[str]:
    """Return what was looked into, and how both sides were written."""
    p, m = result.params, result.metrics
    lead = (
        f"{p['model']}, {p['hook']}: {many(m['looked_into'], 'confirmed finding')} of {p['a']} and {p['b']}"
    )
    if not m["generated"]:
        return [f"{lead}; features are proposed, nothing is tested."]
    lines = [
        f"{lead}; {many(m['choosing_prompts'], 'prompt')} choose, {m['testing_prompts']:,} test; "
        f"{many(m['texts'], 'text')}."
    ]
    return lines + [f"{p[side]}: {p['told'][side]}" for side in ("a", "b") if side in p["told"]]


def finding_lines(finding: Row, result: WhyResult) -> list[str]:
    """Return what a finding is, how often it was found and comes back, and what measures it."""
    a, b = result.params["a"], result.params["b"]
    found = f"found in {_share(finding['rate_a'])} of {a} and {_share(finding['rate_b'])} of {b}"
    if finding["new_a"] is not None:
        form = _plain if finding["kind"] == "theme" else _share
        found += f"; in new texts {form(finding['new_a'])} and {form(finding['new_b'])}"
    apart = "" if finding["independent"] else " (the SAE that is edited)"
    return [
        f"{finding['finding']}: more in {finding['more_in']}",
        found,
        f"measured: {finding['gauge']}{apart}",
    ]


def feature_told(row: Row) -> str:
    """Return a feature with its label."""
    return f"feature {row['feature']}" + (f" ({row['label']})" if row["label"] else "")


def figures(row: Row) -> list[tuple[str, str]]:
    """Return the figures behind a verdict, each under its word; none where nothing was tested."""
    if row["gap"] is None:
        return []
    told = [
        ("gap", f"{row['gap']:+.2f}{_between(row, 'gap', '+.2f')}{_p(', p ', row['gap_p'])}"),
        ("necessary", f"taken out, {_effect(row, 'necessary', 'goes')}"),
        ("sufficient", f"turned up (dose {row['dose']:g}), {_effect(row, 'sufficient', 'comes')}"),
    ]
    if row["tau"] is not None:
        told.append(("dose", f"tau {row['tau']:+.2f}{_p(', p ', row['dose_p'])}"))
    told.append(("specific", _specific(row)))
    told.append(
        (
            "intact",
            f"nll {_signed(row['nll_removed'])} taken out, {_signed(row['nll_added'])} turned up; repeats "
            f"{_signed(row['repetition_removed'])} and {_signed(row['repetition_added'])}",
        )
    )
    if row["active_p"] is not None:
        told.append(
            ("active", f"{row['active']:+.3g} more where the finding is, p {probability(row['active_p'])}")
        )
    return told


def example(result: WhyResult) -> list[dict[str, Any]]:
    """Return texts of one prompt: of the strongest row with and without the edit, on both sides."""
    rows = [row for row in result.table.to_dicts() if row["gap"] is not None]
    if not rows or not result.texts.height:
        return []
    order = {"drives it": 0, "contributes": 1, "breaks the text": 2}
    row = min(rows, key=lambda one: (order.get(one["verdict"], 3), -(one["moved"] or 0.0)))
    wanted = {"unedited", f"{row['feature']} taken out"}
    dose = f"{row['feature']} turned up, dose {row['dose']:g} ("
    texts = [
        text for text in result.texts.to_dicts()
        if text["sample"] == 0
        and ((name := text["arm"].partition(": ")[2]) in wanted or name.startswith(dose))
    ]  # fmt: skip
    by_prompt: dict[int, list[dict[str, Any]]] = {}
    for text in texts:
        by_prompt.setdefault(text["prompt"], []).append(text)
    first = next((own for _, own in sorted(by_prompt.items()) if len(own) >= 4), [])
    told = {"base": "", "ablated": f", {row['feature']} taken out", "dose": f", {row['feature']} turned up"}
    shown = sorted(first, key=lambda text: (text["side"], text["kind"] != "base"))
    return [
        {**text, "arm": _cut(str(result.params[text["side"]]), _NAME) + told[text["kind"]]} for text in shown
    ]


def _print_finding(console: Console, result: WhyResult, finding: Row) -> None:
    name, *rest = finding_lines(finding, result)
    console.print(styled(printable(name), "bold"))
    for line in rest:
        console.print(styled(f"  {printable(line)}", "dim"))
    mine = [row for row in result.table.to_dicts() if row["finding"] == finding["finding"]]
    if not mine:
        console.print(styled("  no feature could be proposed"))
    for row in mine:
        told = styled(f"  {printable(feature_told(row))}")
        if row["verdict"] is not None:
            told.append(": ").append(row["verdict"], f"bold {COLOURS.get(row['verdict'], '')}".strip())
        console.print(told.append(f", {row['because']}" if row["verdict"] else f": {row['because']}"))
        for word, figure in figures(row):
            console.print(styled(f"    {word:<11}", "dim").append(printable(figure)))
    _print_candidates(console, result, finding, mine)


def _print_candidates(console: Console, result: WhyResult, finding: Row, tested: Sequence[Row]) -> None:
    own = [row for row in result.candidates.to_dicts() if row["finding"] == finding["finding"]]
    done = {row["feature"] for row in tested}
    rest = [row for row in own if row["feature"] not in done]
    if rest:
        told = [f"{row['feature']}" + (f" ({_cut(row['label'])})" if row["label"] else "") for row in rest]
        console.print(styled(f"  considered too: {printable('; '.join(told))}", "dim"))


def _print_example(console: Console, result: WhyResult) -> None:
    texts = example(result)
    if texts:
        console.print()
        console.print(styled(printable(texts[0]["prompt_text"]), "bold"))
        print_arms(console, texts)


def _effect(row: Row, name: str, verb: str) -> str:
    """Return the share of the gap that an edit moves, with its interval and p."""
    if row[name] is None:
        return "there is no gap to move"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    between = "" if low is None else f" [{_share(low)}, {_share(high)}]"
    return f"{_share(row[name])}{between} of the gap {verb}{_p(', p ', row[f'{name}_p'])}"


def _specific(row: Row) -> str:
    against = "not held against matched features"
    if row["controls"]:
        against = f"p {probability(row['control_p'])} against {many(row['controls'], 'matched feature')}"
    q = "" if row["q"] is None else f", q {probability(row['q'])} over all tested"
    others = "" if row["others"] is None else f"; other findings move {_share(row['others'])}"
    return f"{against}{q}{others}"


def _between(row: Row, name: str, form: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None else f" [{low:{form}}, {high:{form}}]"


def _p(lead: str, value: float | None) -> str:
    return "" if value is None else f"{lead}{probability(value)}"


def _signed(value: float | None) -> str:
    return "none" if value is None else f"{value:+.2f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _plain(value: float) -> str:
    return f"{value:.1f}"


def _cut(text: str, most: int = LABEL) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
