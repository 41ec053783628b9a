"""The room Turn: what a causal model writes with a feature turned, beside what it writes by itself.

Not for: what an address asks for (turn_asked.py), what a page shows (turn_shown.py, turn_word.py), what is
computed (queries/turning.py), or which models there are (writers.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.errors import InputError, SaetextError
from saetext.report.explore.asked import LONGEST_ADDRESS, Asked
from saetext.report.explore.collect.items import Item
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job, Live
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember
from saetext.report.explore.queries.explaining import word_of
from saetext.report.explore.queries.turning import STRONGEST, Question, Turned, turned
from saetext.report.explore.room import Room
from saetext.report.explore.rooms.turn_asked import LENGTHS, LONGEST_PROMPTS, Place, feature_of, question_of
from saetext.report.explore.rooms.turn_put import (
    cautions_of_word,
    item_of,
    recipe_of_texts,
    recipe_of_word,
    word_item_of,
)
from saetext.report.explore.rooms.turn_shown import answer_of, element_of, so_far
from saetext.report.explore.rooms.turn_word import job_of_word, panel
from saetext.report.explore.waiting import back, job_of, shown_of
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.io.progress import OnProgress

_STATE = ("corpus", "sae", "prompt", "feature", "strength", "temperature", "seed", "tokens", "raw")


def _job(request: Request, loaded: Loaded, question: Question, label: str) -> Job:
    live = Live()

    def show(prompt: int, is_turned: bool, text: str) -> None:
        live.show(element_of(prompt, is_turned), printable(text, newlines=True))

    def run(on_progress: OnProgress) -> Turned:
        return turned(question, loaded.writers, on_progress, show)

    title = f"Writing with {label} at {question.strength:+g}"
    # a text cannot differ by what a feature is called, but the page of the result says it
    return job_of(request, "turn", {**question.asked(), "label": label}, title, run, live)


def turn(request: Request) -> Response:
    """Show the form, and both texts as they are written."""
    loaded, asked = loaded_of(request), asked_of(request)
    shown: dict[str, Any] = {
        "title": "Turn",
        "place": None,
        "names": [],
        "lengths": LENGTHS,
        "strongest": STRONGEST,
        "job": None,
        "texts": [],
        "others": (),
        "chosen": None,
        "answer": None,
        "why": None,
        "problem": "",
    }
    try:
        place = Place.of(loaded, asked)
        if place is None:
            return page(request, "turn.html.j2", **shown)
        shown |= {"place": place, "names": _names(loaded)}
        words = asked.text("feature", longest=200)
        if not words:
            return page(request, "turn.html.j2", **shown)
        chosen = feature_of(place, words)
        label = place.label(chosen.feature)
        shown |= {"others": chosen.others, "chosen": (chosen.feature, label)}
        question = question_of(place, chosen, asked)
        if not question.prompts:
            return page(request, "turn.html.j2", **shown)
        job = _job(request, loaded, question, label)
        if job.state == "done":
            shown["why"] = _why(request, place, question, job.result, asked)
    except SaetextError as error:
        return page(request, "turn.html.j2", status=400, **{**shown, "problem": str(error)})
    if job.state != "done":
        texts = dict(job.live.texts) if job.live is not None else {}
        return page(
            request, "turn.html.j2", **{**shown, "job": shown_of(job), "texts": so_far(question, texts)}
        )
    answer = answer_of(job.result, question, label)
    answer["put"] = any(
        item.recipe == recipe_of_texts(job.result.result, question) for item in drawer_of(request).items
    )
    answer["state"] = _state(asked, "word")
    return page(request, "turn.html.j2", **{**shown, "answer": answer, "texts": answer["texts"]})


def _names(loaded: Loaded) -> list[str]:
    """Return the corpora among whose models one can choose; none where there is no choice."""
    if loaded.writers.named is not None:
        return []
    models = {
        name: loaded.writers.of(loaded.corpus(name), loaded.corpus(name).saes[0]) for name in loaded.names
    }
    return [name for name, model in models.items() if model] if len({*models.values()} - {None}) > 1 else []


def _state(asked: Asked, *more: str) -> str:
    kept = {name: asked.text(name, longest=LONGEST_PROMPTS) for name in (*_STATE, *more)}
    return Asked("turn", kept).link()


def _why(
    request: Request, place: Place, question: Question, found: Turned, asked: Asked
) -> dict[str, Any] | None:
    """Return what is shown of the word that is asked for, and whether it is put aside; None where none is."""
    why = panel(request, loaded_of(request), place.labels, question, found, asked)
    if why is None or why["job"] is not None:
        return why
    recipe = recipe_of_word(found, question, word_of(found, why["key"]), why["causes"])
    there = any(item.recipe == recipe for item in drawer_of(request).items)
    return {**why, "put": there, "state": _state(asked, "word"), "cautions": cautions_of_word(why["found"])}


def _done(request: Request, asked: Asked) -> tuple[Turned, Question, Place]:
    loaded = loaded_of(request)
    place = Place.of(loaded, asked)
    if place is None:
        raise InputError("there is no model that writes")
    chosen = feature_of(place, asked.text("feature", longest=200))
    label, question = place.label(chosen.feature), question_of(place, chosen, asked)
    job = _job(request, loaded, question, label)
    if job.state != "done":
        raise InputError(job.error or "the texts are still being written: wait until they are there")
    return job.result, question, place


async def put(request: Request) -> Response:
    """Put both texts aside, or take them out again, and go back to the page."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    asked = Asked("turn", kept(address))
    found, question, place = await in_thread(_done, request, asked)
    texts = asked.link(word=None)  # what is put aside is the texts, whatever word is explained beside them
    drawer_of(request).turn(item_of(found, question, place.label(question.feature), texts))
    return remember(request, back(address, request))


def _word_item(request: Request, address: str) -> Item:
    asked = Asked("turn", kept(address))
    found, question, place = _done(request, asked)
    word = word_of(found, asked.text("word", longest=10))
    job = job_of_word(request, loaded_of(request), question, found, word)
    if job.state != "done":
        raise InputError(job.error or "it is still being looked for: wait until it is there")
    return word_item_of(found, question, word, job.result, place.labels, address)


async def put_word(request: Request) -> Response:
    """Put aside what a word comes from, or take it out again, and go back to the page."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    drawer_of(request).turn(await in_thread(_word_item, request, address))
    return remember(request, back(address, request))


ROOM = Room(
    "turn",
    "Turn",
    (
        Route("/turn", turn),
        Route("/turn-put", put, methods=["POST"]),
        Route("/turn-word-put", put_word, methods=["POST"]),
    ),
)
