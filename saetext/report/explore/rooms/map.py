"""The room Map: the documents of a set on a map, its groups, and documents that are drawn around.

Not for: computing it (:mod:`saetext.report.explore.queries.mapping`).
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from saetext.errors import InputError, SaetextError
from saetext.io.progress import OnProgress
from saetext.report.explore.asked import LONGEST_ADDRESS, Asked
from saetext.report.explore.collect.items import Item, Recipe, recipe_of
from saetext.report.explore.downloads import download, plain
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember
from saetext.report.explore.queries.choosing import REST, choose, example_of
from saetext.report.explore.queries.columns import column_archive
from saetext.report.explore.queries.mapping import (
    COLOURS,
    HEIGHT,
    VIEWS,
    WIDTH,
    Map,
    Question,
    badges,
    dots,
    inside,
    mapped,
    nearest,
    rows_of,
)
from saetext.report.explore.room import Room
from saetext.report.explore.waiting import back, job_of, shown_of
from saetext.text.one_line import many, one_line
from saetext.text.passages import printable

_STATE = ("set", "where", "sae", "view", "level")
_LISTED = 60  # groups
_BEGINNING = 240
_LONGEST_SHAPE = 60_000  # characters
_NUMBER = re.compile(r"-?\d{1,6}(\.\d{1,3})?")


def question_of(loaded: Loaded, asked: Asked) -> Question:
    """Return what an address asks for; InputError if it cannot be."""
    chosen = choose(loaded, asked.text("set"), asked.text("where"))
    sae = loaded.sae(chosen.home, asked.text("sae") or None)
    return Question(chosen, sae, asked.choice("view", ("", *VIEWS)))


def _job(request: Request, loaded: Loaded, question: Question) -> Job:
    labels = loaded.labels(question.chosen.home, question.sae)

    def run(on_progress: OnProgress) -> Map:
        return mapped(question, labels, on_progress)

    return job_of(request, "map", question.asked(labels), question.title, run)


def shown_map(request: Request) -> Response:
    """Show the form, and the map once there is one."""
    loaded, asked = loaded_of(request), asked_of(request)
    shown: dict[str, Any] = {
        "title": "Map",
        "choices": [*loaded.names, *(one.name for one in loaded.sets)],
        "example": example_of(loaded.corpus(None)),
        "views": VIEWS,
        "job": None,
        "answer": None,
        "problem": "",
    }
    if "set" not in asked.values:
        return page(request, "map.html.j2", **shown)
    try:
        question = question_of(loaded, asked)
        shown["example"] = example_of(question.chosen.corpus)
        job = _job(request, loaded, question)
        if job.state != "done":
            return page(request, "map.html.j2", **{**shown, "job": shown_of(job)})
        answer = _shown(loaded, asked, job.result)
    except SaetextError as error:
        return page(request, "map.html.j2", status=400, **{**shown, "problem": str(error)})
    return page(request, "map.html.j2", **{**shown, "answer": answer})


def _shown(loaded: Loaded, asked: Asked, found: Map) -> dict[str, Any]:
    level = asked.number("level", found.base, 1, max(found.levels, found.base))
    groups = found.groups(level)
    number = found.numbers(level)
    state = {name: asked.text(name) for name in _STATE}
    saved = next((one for one in loaded.sets if one.name == asked.text("saved")), None)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "dots": found.kept("dots", level, dots),
        "badges": found.kept("badges", level, badges),
        "colours": COLOURS,
        "groups": groups[:_LISTED],
        "more": max(0, len(groups) - _LISTED),
        "none": int((number == 0).sum()),
        "documents": len(number),
        "level": level,
        "levels": [(at, len(found.groups(at))) for at in range(1, found.levels + 1)]
        if found.levels > 1
        else [],
        "notes": [printable(note) for note in found.result.notes],
        "state": Asked("map", state).link(),
        "near": asked.link("map-near", **state),
        "dots_of": asked.link("map-dots", **state),
        "saved": None
        if saved is None
        else {
            "name": saved.name,
            "told": many(len(saved.rows), "document"),
            "rest": asked.link("compare", a=saved.name, b=REST),
            "column": asked.link("set-column", name=saved.name),
        },
        "home": found.question.chosen.home,
    }


def _done(request: Request, asked: Asked) -> Map:
    loaded = loaded_of(request)
    job = _job(request, loaded, question_of(loaded, asked))
    if job.state != "done":
        raise InputError(job.error or "the map is still being made: wait until it is there")
    found: Map = job.result
    return found


def _level(asked: Asked, found: Map) -> int:
    return asked.number("level", found.base, 1, max(found.levels, found.base))


def part(request: Request) -> Response:
    """Return the dots of a part of the map: ``box`` is left, top, width and height in units of the map."""
    asked = asked_of(request)
    found = _done(request, asked)
    numbers = _numbers(asked.text("box", f"0 0 {WIDTH} {HEIGHT}", longest=100))
    if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        raise InputError("a part of the map is: left top width height")
    left, top, width, height = numbers
    told = dots(found, _level(asked, found), (left, top, width, height))
    return JSONResponse([[one.number, one.strength, one.path] for one in told])


def near(request: Request) -> Response:
    """Say which document is nearest a place of the map."""
    asked = asked_of(request)
    found = _done(request, asked)
    at = _numbers(asked.text("at", longest=60))
    row = nearest(found, *at) if len(at) == 2 else None
    if row is None:
        raise InputError("a place on the map is: x y")
    chosen = found.question.chosen
    document = chosen.corpus.document(row)
    level = _level(asked, found)
    number = int(found.numbers(level)[row])
    names = {group.number: group.name for group in found.groups(level)}
    text = document["text"]
    whole = int(rows_of(found, _one(row))[0])
    return JSONResponse(
        {
            "id": printable(str(document["id"])),
            "group": printable(names.get(number, "in no group")),
            "beginning": "" if text is None else printable(one_line(text, _BEGINNING)),
            "link": asked.link("document", corpus=chosen.home, sae=found.question.sae, row=whole),
            "x": round(float(found.x[row]), 1),
            "y": round(float(found.y[row]), 1),
        }
    )


def _one(row: int) -> Any:
    import numpy as np

    return np.array([row])


def _numbers(text: str) -> list[float]:
    words = text.split()
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise InputError("places on the map are numbers")
    return [float(word) for word in words]


async def save(request: Request) -> Response:
    """Save what was drawn around, or some groups, as a set with a name; then show it, or compare it."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    asked = Asked("map", kept(address))
    found = await in_thread(_done, request, asked)
    saved = await in_thread(_saved, loaded_of(request), asked, form, found)
    if form.text("then") == "compare":
        return RedirectResponse(asked.link("compare", a=saved.name, b=REST), 303)
    return back(Asked("map", asked.values).link(saved=saved.name), request)


def _saved(loaded: Loaded, asked: Asked, form: Asked, found: Map) -> Any:
    import numpy as np

    level = _level(asked, found)
    shape = form.text("shape", longest=_LONGEST_SHAPE)
    names = {group.number: group.name for group in found.groups(level)}
    if shape:
        numbers = _numbers(shape)
        documents = inside(found, list(zip(numbers[::2], numbers[1::2], strict=False)))
        told = f"drawn around on the map of {found.question.chosen.name}"
    else:
        wanted = [number for number in names if form.text(f"group{number}")]
        if not wanted:
            raise InputError("draw around some documents, or tick groups, to make a set of them")
        documents = np.flatnonzero(np.isin(found.numbers(level), wanted))
        told = "; ".join(names[number] for number in wanted[:8])
    name = form.text("name", longest=200) or _free(loaded, told if not shape else "drawn around")
    return loaded.save(name, found.question.chosen.home, rows_of(found, documents), told)


def _free(loaded: Loaded, name: str) -> str:
    """Return a name that no set or corpus has, from what it is of."""
    plain = one_line(printable(name), 60)
    taken = {*loaded.names, *(one.name for one in loaded.sets)}
    return next(one for at in range(1, 10_000) if (one := plain if at == 1 else f"{plain} {at}") not in taken)


def column(request: Request) -> Response:
    """Return a saved set as columns of its corpus, packed."""
    loaded = loaded_of(request)
    saved = loaded.saved(asked_of(request).text("name", longest=200))
    packed = column_archive(loaded.corpus(saved.corpus), saved, plain(saved.name))
    return download(packed, saved.name, "zip")


async def forget(request: Request) -> Response:
    """Remove a saved set."""
    form = await form_of(request)
    loaded_of(request).forget(form.text("name", longest=200))
    return back(form.text("back", "map", longest=LONGEST_ADDRESS), request)


async def put(request: Request) -> Response:
    """Put a saved set aside."""
    form = await form_of(request)
    loaded = loaded_of(request)
    saved = loaded.saved(form.text("name", longest=200))
    chosen = choose(loaded, saved.name)
    told = [("documents", f"{len(saved.rows):,}"), ("of", saved.corpus)]
    if saved.told:
        told.append(("chosen", saved.told))
    drawer_of(request).put(Item("set", saved.name, Recipe("set", (recipe_of(chosen),)), tuple(told)))
    return remember(request, back(form.text("back", "map", longest=LONGEST_ADDRESS), request))


ROOM = Room(
    "map",
    "Map",
    (
        Route("/map", shown_map),
        Route("/map-dots", part),
        Route("/map-near", near),
        Route("/map-save", save, methods=["POST"]),
        Route("/set-column", column),
        Route("/set-forget", forget, methods=["POST"]),
        Route("/set-put", put, methods=["POST"]),
    ),
)
