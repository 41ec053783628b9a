"""The analyses there are: a line each, in names alone, so that nothing is imported before it is used.

A new analysis is a package beside this file, a request, a renderer in :mod:`saetext.report`, a command in
``saetext_cli``, and its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from saetext.errors import InputError
from saetext.io.provided import resolve


class Analysis(NamedTuple):
    """One analysis; targets are written ``"module:attribute"``.

    Attributes
    ----------
    verb : str
        The name of its function and of its command.
    function, request : str
        The function, and the dataclass of its options.
    kinds : tuple of str
        The kinds of results it returns (:attr:`saetext.analysis.base.Result.kind`).
    text : str
        Draws a result for a terminal: ``(result, width, color, *, encoding)`` to a string.
    page : str or None
        Draws a result as HTML: ``(result, sets, labels, *, reader, on_progress)`` to a string.
    command : str
        The module of the command.
    help : str
        The first sentence of the command's help, for the list of commands; asked of its module if empty.
    chart : str
        Draws a result with matplotlib: ``(result, ax, top)`` to axes; empty if there is no chart.
    """

    verb: str
    function: str
    request: str
    kinds: tuple[str, ...]
    text: str
    page: str | None
    command: str
    help: str = ""
    chart: str = ""


_HERE, _TEXT, _PAGE = "saetext.analysis", "saetext.report.console", "saetext.report.html"
_CHART = "saetext.report.charts"

ANALYSES: list[Analysis] = [
    Analysis(
        "diff",
        f"{_HERE}.differences:diff",
        f"{_HERE}.differences:DiffRequest",
        ("diff", "diff_sets"),
        f"{_TEXT}.differences:render_diff",
        f"{_PAGE}.pages:differences_html",
        "saetext_cli.diff",
        "Say what differs between two or more sets of documents.",
        chart=f"{_CHART}.analyses:diff_chart",
    ),
    Analysis(
        "diff",
        f"{_HERE}.differences:diff",
        f"{_HERE}.differences:DiffRequest",
        ("diff_outcome",),
        f"{_TEXT}.outcome:render_outcome",
        f"{_PAGE}.pages:outcome_html",
        "saetext_cli.diff",
        "Say what differs between two or more sets of documents.",
        chart=f"{_CHART}.analyses:outcome_chart",
    ),
    Analysis(
        "correlate",
        f"{_HERE}.cooccurrence:correlate",
        f"{_HERE}.cooccurrence:CorrelateRequest",
        ("correlate",),
        f"{_TEXT}.cooccurrence:render_correlate",
        f"{_PAGE}.pages:pairs_html",
        "saetext_cli.correlate",
        "Rank pairs of concepts that occur together more or less often than chance, "
        "redundant pairs left out.",
        chart=f"{_CHART}.analyses:correlate_chart",
    ),
    Analysis(
        "cluster",
        f"{_HERE}.clusters:cluster",
        f"{_HERE}.clusters:ClusterRequest",
        ("cluster",),
        f"{_TEXT}.clusters:render_clusters",
        f"{_PAGE}.pages:map_html",
        "saetext_cli.cluster",
        "Group documents by what they share, say in words what each group is, and draw the map.",
        chart=f"{_CHART}.analyses:cluster_chart",
    ),
    Analysis(
        "search",
        f"{_HERE}.search:search",
        f"{_HERE}.search:SearchRequest",
        ("search",),
        f"{_TEXT}.search:render_search",
        None,
        "saetext_cli.search",
        "Find documents by what they are like, and say why each was found.",
        chart=f"{_CHART}.analyses:search_chart",
    ),
    Analysis(
        "check",
        f"{_HERE}.checking:check",
        f"{_HERE}.checking:CheckRequest",
        ("check",),
        f"{_TEXT}.checking:render_check",
        None,
        "saetext_cli.check",
        "Check a new set of texts against an old one: exit 3 if something changed by more than rules allow.",
        chart=f"{_CHART}.analyses:check_chart",
    ),
    Analysis(
        "steer",
        "saetext.intervene.steer:steer",
        "saetext.intervene.request:SteerRequest",
        ("steer",),
        f"{_TEXT}.steering:render_steer",
        f"{_PAGE}.pages:steering_html",
        "saetext_cli.steer",
        "Write texts with features turned up or down, and say what that changes.",
        chart=f"{_CHART}.interventions:steer_chart",
    ),
    Analysis(
        "attribute",
        "saetext.intervene.attribution:attribute",
        "saetext.intervene.attribution:AttributeRequest",
        ("attribute",),
        f"{_TEXT}.attribution:render_attribution",
        None,
        "saetext_cli.attribute",
        "Say which features, at which positions, a metric of a model's next word comes from.",
        chart=f"{_CHART}.interventions:attribute_chart",
    ),
    Analysis(
        "expression",
        "saetext.intervene.expression:expression",
        "saetext.intervene.expression:ExpressionRequest",
        ("expression",),
        f"{_TEXT}.expression:render_expression",
        None,
        "saetext_cli.expression",
        "Put the strongest features of all examples side by side: what holds everywhere, what only some "
        "share.",
        chart=f"{_CHART}.interventions:expression_chart",
    ),
    Analysis(
        "ablate",
        "saetext.intervene.ablation:ablate",
        "saetext.intervene.ablation:AblateRequest",
        ("ablate",),
        f"{_TEXT}.ablation:render_ablation",
        f"{_PAGE}.pages:ablation_html",
        "saetext_cli.ablate",
        "Write texts with features taken out, and without, and say what that changes.",
        chart=f"{_CHART}.interventions:ablate_chart",
    ),
    Analysis(
        "shift",
        "saetext.intervene.shifts:shift",
        "saetext.intervene.shifts:ShiftRequest",
        ("shift", "shift_eval"),
        f"{_TEXT}.shifts:render_shift",
        f"{_PAGE}.pages:shift_html",
        "saetext_cli.shift",
        "Fit which features to move so that a model answers as groups of people do, or evaluate "
        "such a shift.",
        chart=f"{_CHART}.interventions:shift_chart",
    ),
    Analysis(
        "attend",
        "saetext.intervene.heads:attend",
        "saetext.intervene.heads:AttendRequest",
        ("attend",),
        f"{_TEXT}.heads:render_heads",
        f"{_PAGE}.pages:heads_html",
        "saetext_cli.attend",
        "Show where the attention heads of a model look in a text, and which kinds of head they are.",
        chart=f"{_CHART}.interventions:attend_chart",
    ),
    Analysis(
        "bias",
        "saetext.intervene.bias:bias",
        "saetext.intervene.bias:BiasRequest",
        ("bias",),
        f"{_TEXT}.bias:render_bias",
        f"{_PAGE}.pages:bias_html",
        "saetext_cli.bias",
        "Find features that carry gender, dampen them, and say which bias falls and what stays.",
        chart=f"{_CHART}.interventions:bias_chart",
    ),
    Analysis(
        "why",
        "saetext.intervene.causes:why",
        "saetext.intervene.causes:WhyRequest",
        ("why",),
        f"{_TEXT}.causes:render_why",
        f"{_PAGE}.pages:why_html",
        "saetext_cli.why",
        "Say whether a feature of the model that writes drives what a diff found.",
        chart=f"{_CHART}.interventions:why_chart",
    ),
]


def of_verb(verb: str) -> Analysis | None:
    """Return the analysis of a verb, None if there is none."""
    return next((a for a in ANALYSES if a.verb == verb), None)


def page_of(kind: str) -> Callable[..., str]:
    """Return what draws a kind of result as HTML.

    Raises
    ------
    InputError
        If nothing does.
    """
    page = next((a.page for a in ANALYSES if kind in a.kinds), None)
    if page is None:
        raise InputError(f"a {kind} has no HTML report")
    draw: Callable[..., str] = resolve(page)
    return draw


def has_page(kind: str) -> bool:
    """Return whether anything draws a kind of result as HTML."""
    return any(a.page is not None for a in ANALYSES if kind in a.kinds)


def text_of(kind: str) -> Callable[..., Any]:
    """Return what draws a kind of result for a terminal.

    Raises
    ------
    InputError
        If nothing does.
    """
    text = next((a.text for a in ANALYSES if kind in a.kinds), None)
    if text is None:
        raise InputError(f"a {kind} cannot be drawn for a terminal")
    draw: Callable[..., Any] = resolve(text)
    return draw


def chart_of(kind: str) -> Callable[..., Any]:
    """Return what draws a kind of result with matplotlib.

    Raises
    ------
    InputError
        If nothing does.
    """
    chart = next((a.chart for a in ANALYSES if kind in a.kinds), "")
    if not chart:
        raise InputError(f"a {kind} has no chart")
    draw: Callable[..., Any] = resolve(chart)
    return draw
