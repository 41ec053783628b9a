"""The room Compare: two sets, what differs between them, and what remains once something is left out.

Not for: computing it (:mod:`saetext.report.explore.queries.comparing`), or what is put aside (collect.py).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from saetext.analysis.base import Row
from saetext.corpus import Corpus
from saetext.corpus.spec import require_comparable
from saetext.errors import InputError, SaetextError
from saetext.features.labels import FeatureLabels
from saetext.features.themes import Themes
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.asked import LONGEST_ADDRESS, Asked
from saetext.report.explore.collect.items import Item, Recipe, recipes_of
from saetext.report.explore.downloads import download
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job, key_of
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember, told_figures
from saetext.report.explore.queries.choosing import (
    REST,
    Without,
    address_of,
    choose,
    example_of,
    rest_of,
    row_in_whole,
    without_of,
)
from saetext.report.explore.queries.comparing import (
    Comparison,
    Question,
    Remaining,
    compare,
    remaining,
    require_apart,
    term_of,
)
from saetext.report.explore.room import Room
from saetext.report.explore.waiting import back, job_of, jobs_of, shown_of
from saetext.report.html.differences import shown_of_diff
from saetext.report.html.passages import Passage

_EACH = 20  # findings on a page
_KINDS = ("format", "word", "property", "theme", "feature")
_STATE = ("a", "where_a", "b", "where_b", "sae", "without", "pair")  # what the answer depends on
_FIGURES = ("rate_a", "rate_b", "diff")


@dataclass(frozen=True, eq=False)
class Answer:
    """A comparison, what a page shows of it, and what remained of the one before something was left out."""

    comparison: Comparison
    shown: dict[str, Any]
    left: tuple[Remaining, ...] | None = None
    documents_before: int = 0


def question_of(loaded: Loaded, asked: Asked) -> Question:
    """Return what an address asks to be compared.

    Raises
    ------
    InputError
        If it cannot be.
    """
    a = choose(loaded, asked.text("a"), asked.text("where_a"))
    other = asked.text("b")
    where = asked.text("where_b")
    b = rest_of(loaded, a, where) if other == REST else choose(loaded, other, where)
    require_apart(a, b)
    sae = loaded.sae(a.home, asked.text("sae") or None)
    require_comparable(a.corpus.spec, b.corpus.spec, sae, names=(a.name, b.name))
    pair = asked.choice("pair", ("", "no"))
    return Question(a, b, sae, without_of(asked.text("without")), "" if pair else None)


def _job(request: Request, loaded: Loaded, question: Question) -> Job:
    labels = loaded.labels(question.a.home, question.sae)
    base = dataclasses.replace(question, without=())
    jobs = jobs_of(request)

    def run(on_progress: OnProgress) -> Answer:
        on_progress(Progress("loading the reader"))
        reader = loaded.reader(question.a.home)
        if not question.without:
            done = compare(question, labels, reader, on_progress)
            return Answer(done, shown_of_diff(done.page))
        known = jobs.get(key_of("compare", base.asked(labels)))
        before = known.result.comparison if known is not None and known.state == "done" else None
        if before is None:
            before = compare(base, labels, None, on_progress)
        done = compare(question, labels, reader, on_progress)
        left = tuple(remaining(before.result, done.result))
        return Answer(done, shown_of_diff(done.page), left, sum(one.n_documents for one in before.sets))

    return job_of(request, "compare", question.asked(labels), question.title, run)


def compared(request: Request) -> Response:
    """Show the form, and the findings once there are some."""
    loaded, asked = loaded_of(request), asked_of(request)
    shown: dict[str, Any] = {
        "title": "Compare",
        "choices": [*loaded.names, *(one.name for one in loaded.sets)],
        "rest": REST,
        "example": example_of(loaded.corpus(None)),
        "left_out": [],
        "job": None,
        "answer": None,
        "problem": "",
    }
    if "a" not in asked.values:
        names = shown["choices"]
        first = {"a": names[0], "b": names[1] if len(names) > 1 else REST}
        return page(request, "compare.html.j2", **shown, first=first)
    shown["first"] = {"a": asked.text("a"), "b": asked.text("b")}
    try:
        if line := asked.text("leave"):  # the field in which one more thing is written
            more = (*without_of(asked.text("without")), *without_of(f"where:{line}"))
            return RedirectResponse(
                asked.link(without=address_of(more), leave=None, page=None, kind=None), 303
            )
        question = question_of(loaded, asked)
        shown["example"] = example_of(question.a.corpus)
        shown["left_out"] = _left_out(asked, question.without, loaded.labels(question.a.home, question.sae))
        job = _job(request, loaded, question)
    except SaetextError as error:
        return page(request, "compare.html.j2", status=400, **{**shown, "problem": str(error)})
    if job.state != "done":
        return page(request, "compare.html.j2", **{**shown, "job": shown_of(job)})
    return page(request, "compare.html.j2", **{**shown, "answer": _shown(request, asked, job.result)})


def _left_out(asked: Asked, without: Sequence[Without], labels: FeatureLabels) -> list[dict[str, str]]:
    """Return what is left out, each with the address at which it is not."""
    found = []
    for one in without:
        rest = [other for other in without if other is not one]
        name = one.term
        if one.kind == "feature" and (label := labels.get(int(one.term))) is not None:
            name = f"{label.label} ({one.term})"
        link = asked.link(without=address_of(rest) or None, leave=None, page=None)
        found.append({"kind": one.kind, "name": name, "link": link})
    return found


def _shown(request: Request, asked: Asked, answer: Answer) -> dict[str, Any]:
    comparison, shown = answer.comparison, answer.shown
    kind = asked.choice("kind", ("all", *_KINDS))
    found = comparison.result.found
    assert found is not None
    rows: list[Row] = found.head(len(shown["cards"])).to_dicts()
    sure = any(row["confirmed"] for row in rows)
    everything = bool(asked.text("everything")) or not sure
    listed = [at for at, row in enumerate(rows) if everything or row["confirmed"]]
    counts = Counter(rows[at]["kind"] for at in listed)
    listed = [at for at in listed if kind in ("all", rows[at]["kind"])]
    pages = max(1, -(-len(listed) // _EACH))
    number = min(asked.number("page", 1, least=1), pages)
    mine = listed[(number - 1) * _EACH : number * _EACH]
    drawer = drawer_of(request)
    put = {item.recipe.key for item in drawer.items if _of(item, comparison)}
    state = {name: asked.text(name) for name in _STATE}
    cards = [_card(asked, answer, at, rows[at], put) for at in mine]
    return {
        **shown,
        "cards": cards,
        "kind": kind,
        "kinds": [(name, counts[name]) for name in _KINDS if counts[name]],
        "total": sum(counts.values()),
        "listed": len(listed),
        "beyond": found.height - len(rows),
        "unsure": len(rows) - sum(bool(row["confirmed"]) for row in rows) if sure else 0,
        "everything": everything and sure,
        "first": (number - 1) * _EACH + 1,
        "last": (number - 1) * _EACH + len(mine),
        "page": number,
        "pages": pages,
        "left": None if answer.left is None else _what_remains(answer),
        "download": {to: asked.link("compare-report", **state, format=to) for to in _FORMATS},
        "home": comparison.question.a.home,
        "sets": [one.name for one in (comparison.question.a, comparison.question.b)],
    }


def _card(
    asked: Asked,
    answer: Answer,
    at: int,
    row: Row,
    put: set[tuple[str, ...]],
) -> dict[str, Any]:
    """Return what the page shows of a finding: its card, its documents, what can be done with it."""
    comparison, card, term = answer.comparison, answer.shown["cards"][at], term_of(row)
    question = comparison.question
    shade = _shade(comparison, row["kind"], term)
    return {
        **card,
        "term": term,
        "put": (row["kind"], term) in put,
        "without": asked.link(
            without=address_of((*question.without, Without(row["kind"], term))),
            page=None,
            kind=None,
            leave=None,
        ),
        "examples": [
            {
                **shown,
                "sides": [
                    _linked(asked, side, passage, one.home, corpus, question.sae, shade)
                    for side, passage, one, corpus in zip(
                        shown["sides"],
                        (example.a, example.b),
                        (question.a, question.b),
                        comparison.sets,
                        strict=True,
                    )
                ],
            }
            for shown, example in zip(card["examples"], comparison.page.findings[at].examples, strict=True)
        ],
        "feature": asked.link("feature", corpus=question.a.home, sae=question.sae, feature=term)
        if row["kind"] == "feature"
        else "",
        "number_of_feature": card["feature"],
        "read": [
            (one.name, asked.link("read", corpus=one.home, sae=question.sae, where=one.where, **how))
            for one in (question.a, question.b)
            if one.rows is None and (how := _reading(row["kind"], term, shade))
        ],
    }


def _shade(comparison: Comparison, kind: str, term: str) -> str:
    """Return what the room Read shades words by to show a finding; empty where it cannot."""
    if kind == "feature":
        return term
    if kind == "theme":
        themes = Themes.for_spec(comparison.sets[0].spec, comparison.question.sae) or ()
        return next((f"theme:{theme.id}" for theme in themes if theme.name == term), "")
    return ""


def _reading(kind: str, term: str, shade: str) -> dict[str, str]:
    if kind == "word":
        return {"q": term}
    return {"shade": shade, "order": "strongest"} if shade else {}


def _linked(
    asked: Asked,
    side: dict[str, Any] | None,
    passage: Passage | None,
    home: str,
    corpus: Corpus,
    sae: str,
    shade: str,
) -> dict[str, Any] | None:
    if side is None or passage is None:
        return side
    row = row_in_whole(corpus, passage.place)
    return {**side, "href": asked.link("document", corpus=home, sae=sae, row=row, shade=shade)}


def _what_remains(answer: Answer) -> dict[str, Any]:
    assert answer.left is not None
    counts = Counter(one.fate for one in answer.left)
    left = sum(one.n_documents for one in answer.comparison.sets)
    order = {"goes": 0, "shrinks": 1, "appears": 2}
    changed = [one for one in answer.left if one.fate in order]
    changed.sort(key=lambda one: (order[one.fate], -abs(one.before or 0)))
    return {
        "before": answer.documents_before,
        "documents": left,
        "counts": counts,
        "of": sum(counts.values()) - counts["appears"],
        "changed": [
            {
                "name": one.name,
                "kind": one.kind,
                "fate": one.fate,
                "before": _points(one.before),
                "after": _points(one.after),
            }
            for one in changed[:40]
        ],
        "more": max(0, len(changed) - 40),
    }


def _points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.0f}".replace("-", "−")


# ---- putting a finding aside, and taking the whole comparison away ---------------------------------------


def _of(item: Item, comparison: Comparison) -> bool:
    recipe = item.recipe
    return recipe.verb == "diff" and (recipe.sets, recipe.without, recipe.options) == _asked(comparison)


def _asked(comparison: Comparison) -> tuple[Any, ...]:
    question = comparison.question
    options: dict[str, Any] = {"names": question.names, "sae": question.sae, "top": 0, "snippets": False}
    if question.pair_on is not None:
        options["pair_on"] = question.pair_on
    return recipes_of((question.a, question.b)), question.without, options


def _done(request: Request, asked: Asked) -> Answer:
    loaded = loaded_of(request)
    job = _job(request, loaded, question_of(loaded, asked))
    if job.state != "done":
        raise InputError(job.error or "the comparison is still being made: wait until it is there")
    found: Answer = job.result
    return found


async def put(request: Request) -> Response:
    """Put a finding aside, or take it out again, and go back to the page."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    asked = Asked("compare", kept(address))
    answer = await in_thread(_done, request, asked)
    item = item_of(answer, form.text("kind"), form.text("term"), address)
    drawer_of(request).turn(item)
    return remember(request, back(address, request))


def item_of(answer: Answer, kind: str, term: str, link: str) -> Item:
    """Return a finding of a comparison as it is put aside.

    Raises
    ------
    InputError
        If there is no such finding.
    """
    comparison = answer.comparison
    at = comparison.at(kind, term)
    if at is None or at >= len(answer.shown["cards"]):
        raise InputError("there is no such finding in this comparison")
    assert comparison.result.found is not None
    row, card = comparison.result.found.row(at, named=True), answer.shown["cards"][at]
    sets, without, options = _asked(comparison)
    names = comparison.question.names
    passages: list[tuple[str, Passage]] = []
    for example in comparison.page.findings[at].examples[:1]:
        sides = zip(names, (example.a, example.b), strict=True)
        passages += [(name, passage) for name, passage in sides if passage is not None]
    told = [
        ("kind", kind),
        *((name, card["rates"][side]["share"]) for side, name in enumerate(names)),
        ("difference", f"{card['diff']} points {card['interval']}".strip()),
        ("q", card["q"]),
        ("held-out half", {True: "confirmed", False: "not confirmed", None: "none"}[card["confirmed"]]),
    ]
    if without:
        told.append(("left out", "; ".join(one.key for one in without)))
    recipe = Recipe("diff", sets, options, without, (kind, term), told_figures(row, _FIGURES))
    return Item("finding", card["label"], recipe, tuple(told), tuple(passages), link)


_FORMATS = ("html", "csv", "json")


def report(request: Request) -> Response:
    """Return the whole comparison as a file: the report of ``saetext diff --html``, CSV or JSON."""
    asked = asked_of(request)
    answer = _done(request, asked)
    comparison, kind = answer.comparison, asked.choice("format", _FORMATS)
    name = "-".join(comparison.question.names)
    if kind == "csv":
        return download(comparison.result.to_csv(), name, "csv")
    if kind == "json":
        return download(comparison.result.to_json(), name, "json")
    from saetext.report.html.differences import render_diff_page

    return download(render_diff_page(comparison.page), name, "html")


ROOM = Room(
    "compare",
    "Compare",
    (
        Route("/compare", compared),
        Route("/compare-report", report),
        Route("/compare-put", put, methods=["POST"]),
    ),
)
