"""The room Pairs: what goes together in a set of documents, as a network and as a list.

Not for: computing it (:mod:`saetext.report.explore.queries.pairing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.errors import InputError, SaetextError
from saetext.io.progress import OnProgress, Progress
from saetext.report.explore.asked import LONGEST_ADDRESS, Asked
from saetext.report.explore.collect.items import Item, Recipe, recipes_of
from saetext.report.explore.downloads import download
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember, told_figures
from saetext.report.explore.queries.choosing import choose, example_of, groupings_of, row_in_whole
from saetext.report.explore.queries.pairing import Pairs, Question, pairs
from saetext.report.explore.room import Room
from saetext.report.explore.waiting import back, job_of, shown_of
from saetext.report.html.pair_page import shown_of_pairs

_STATE = ("set", "where", "sae", "within")
_FORMATS = ("html", "csv", "json")
_FIGURES = ("npmi", "rho", "n_ab")


@dataclass(frozen=True, eq=False)
class Answer:
    """Pairs, and what a page shows of them."""

    pairs: Pairs
    shown: dict[str, Any]


def question_of(loaded: Loaded, asked: Asked) -> Question:
    """Return what an address asks for; InputError if it cannot be."""
    chosen = choose(loaded, asked.text("set"), asked.text("where"))
    return Question(chosen, loaded.sae(chosen.home, asked.text("sae") or None), asked.text("within") or None)


def _job(request: Request, loaded: Loaded, question: Question) -> Job:
    labels = loaded.labels(question.chosen.home, question.sae)

    def run(on_progress: OnProgress) -> Answer:
        on_progress(Progress("loading the reader"))
        found = pairs(question, labels, loaded.reader(question.chosen.home), on_progress)
        return Answer(found, shown_of_pairs(found.page))

    return job_of(request, "correlate", question.asked(labels), question.title, run)


def together(request: Request) -> Response:
    """Show the form, and the pairs once there are some."""
    loaded, asked = loaded_of(request), asked_of(request)
    shown: dict[str, Any] = {
        "title": "Pairs",
        "choices": [*loaded.names, *(one.name for one in loaded.sets)],
        "example": example_of(loaded.corpus(None)),
        "groupings": [],
        "job": None,
        "answer": None,
        "problem": "",
    }
    if "set" not in asked.values:
        return page(request, "pairs.html.j2", **shown)
    try:
        question = question_of(loaded, asked)
        shown["example"] = example_of(question.chosen.corpus)
        shown["groupings"] = groupings_of(question.chosen.corpus)
        job = _job(request, loaded, question)
    except SaetextError as error:
        return page(request, "pairs.html.j2", status=400, **{**shown, "problem": str(error)})
    if job.state != "done":
        return page(request, "pairs.html.j2", **{**shown, "job": shown_of(job)})
    return page(request, "pairs.html.j2", **{**shown, "answer": _shown(request, asked, job.result)})


def _shown(request: Request, asked: Asked, answer: Answer) -> dict[str, Any]:
    found, shown = answer.pairs, answer.shown
    state = {name: asked.text(name) for name in _STATE}
    sets, options = _asked(found)
    put = {
        item.recipe.key
        for item in drawer_of(request).items
        if (item.recipe.verb, item.recipe.sets, item.recipe.options) == ("correlate", sets, options)
    }
    keys = found.keys()
    put_ones = {at + 1 for at, (columns, values) in enumerate(keys) if (*columns, *values) in put}
    parts = [(name, [_linked(asked, found, card) for card in part]) for name, part in shown["parts"]]
    return {
        **shown,
        "parts": parts,
        "put": put_ones,
        "state": Asked("pairs", state).link(),
        "download": {to: asked.link("pairs-report", **state, format=to) for to in _FORMATS},
        "home": found.question.chosen.home,
    }


def _linked(asked: Asked, found: Pairs, card: dict[str, Any]) -> dict[str, Any]:
    """Return a card whose passages say where their documents are."""
    finding = [*found.page.listed, *found.page.findings][card["number"] - 1]
    told = [example for example in finding.examples if example.passages]
    chosen, sae = found.question.chosen, found.question.sae
    examples = [
        {
            **shown,
            "passages": [
                # a passage whose document is not known leads nowhere
                side
                if row is None
                else {**side, "href": asked.link("document", corpus=chosen.home, sae=sae, row=row)}
                for side, passage in zip(shown["passages"], example.passages, strict=True)
                for row in (row_in_whole(chosen.corpus, passage.place),)
            ],
        }
        for shown, example in zip(card["examples"], told, strict=True)
    ]
    return {**card, "examples": examples}


def _asked(found: Pairs) -> tuple[Any, dict[str, Any]]:
    return recipes_of((found.question.chosen,)), found.question.options()


def _done(request: Request, asked: Asked) -> Answer:
    loaded = loaded_of(request)
    job = _job(request, loaded, question_of(loaded, asked))
    if job.state != "done":
        raise InputError(job.error or "the pairs are still being looked for: wait until they are there")
    found: Answer = job.result
    return found


async def put(request: Request) -> Response:
    """Put a pair aside, or take it out again, and go back to the page."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    answer = await in_thread(_done, request, Asked("pairs", kept(address)))
    number = form.number("number", 0, most=len(answer.shown["cards"]))
    if not number:
        raise InputError("there is no such pair")
    drawer_of(request).turn(item_of(answer, number, address))
    return remember(request, back(address, request))


def item_of(answer: Answer, number: int, link: str) -> Item:
    """Return a pair as it is put aside; pairs are numbered from 1 as on the page."""
    found, card = answer.pairs, answer.shown["cards"][number - 1]
    finding = [*found.page.listed, *found.page.findings][number - 1]
    columns, values = found.keys()[number - 1]
    sets, options = _asked(found)
    recipe = Recipe("correlate", sets, options, (), (*columns, *values), told_figures(finding.row, _FIGURES))
    told = [
        (card["unit"], f"{card['value']} {card['interval']}".strip()),
        *(
            (f"texts with {' and '.join(line['side'].upper())}", line["texts"])
            for line in card["counts"]
            if line["texts"]
        ),
        ("q", card["q"]),
        ("held-out half", {True: "confirmed", False: "not confirmed", None: "none"}[card["confirmed"]]),
    ]
    passages = [
        (found.question.chosen.name, passage)
        for example in finding.examples[:2]
        for passage in example.passages
    ]
    title = f"{card['label_a']} + {card['label_b']}"
    return Item("pair", title, recipe, tuple(told), tuple(passages), link)


def report(request: Request) -> Response:
    """Return the pairs as a file: the report of ``saetext correlate --html``, CSV or JSON."""
    asked = asked_of(request)
    found, kind = _done(request, asked).pairs, asked.choice("format", _FORMATS)
    name = f"pairs {found.question.chosen.name}"
    if kind == "csv":
        return download(found.result.to_csv(), name, "csv")
    if kind == "json":
        return download(found.result.to_json(), name, "json")
    from saetext.report.html.pair_page import render_pair_page

    return download(render_pair_page(found.page), name, "html")


ROOM = Room(
    "pairs",
    "Pairs",
    (
        Route("/pairs", together),
        Route("/pairs-report", report),
        Route("/pairs-put", put, methods=["POST"]),
    ),
)
