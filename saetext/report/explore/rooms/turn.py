"""The room Turn: what a causal model writes with a feature turned, beside what it writes by itself.

Not for: what is computed (queries/turning.py), or which models there are (writers.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.errors import InputError, SaetextError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.report.explore.asked import Asked
from saetext.report.explore.collect.items import Item, Recipe
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job, Live
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember
from saetext.report.explore.queries.turning import (
    MOST_PROMPTS,
    STRONGEST,
    Question,
    Turned,
    cautions,
    turned,
)
from saetext.report.explore.room import Room
from saetext.report.explore.rooms.turn_word import panel, pieces_of
from saetext.report.explore.waiting import back, job_of, shown_of
from saetext.report.explore.writers import Model
from saetext.report.html.parts import SHADES
from saetext.report.html.passages import Passage, Piece
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.result import SteerResult
    from saetext.io.progress import OnProgress

_STATE = ("corpus", "sae", "prompt", "feature", "strength", "temperature", "seed", "tokens", "raw")
_LENGTHS = (40, 60, 100, 200)  # tokens of a text
_LONGEST_PROMPTS = 4000  # characters: they stand in the address
_HOTTEST = 2.0
_OTHERS = 6  # features offered beside the one whose label fits best
_SIDES = ("a", "b")  # by itself, turned


@dataclass(frozen=True)
class Place:
    """The model that is at hand for a corpus, and the features that can be turned in it."""

    corpus: str
    sae: str
    model: Model
    labels: FeatureLabels
    d_sae: int
    own: bool  # whether they are the features of the corpus

    @classmethod
    def of(cls, loaded: Loaded, asked: Asked) -> Place | None:
        """Return it: of the corpus that is asked for, else of the first that has one; None if there is none.

        Raises
        ------
        SaetextError
            If there is no such corpus or SAE, or the SAE of the model cannot be found.
        """
        name = asked.text("corpus", longest=500)
        for home in [loaded.home_of(name)] if name else loaded.names:
            corpus = loaded.corpus(home)
            saes = [loaded.sae(home, asked.text("sae", longest=500))] if name else corpus.saes
            for sae in saes:
                if (model := loaded.writers.of(corpus, sae)) is None:
                    continue
                if loaded.writers.turns(corpus, sae):  # as they are called now
                    spec = corpus.spec.sae(sae)
                    return cls(home, sae, model, loaded.labels(home, sae), spec.d_sae, True)
        if loaded.writers.named is None:
            return None
        subject, home = loaded.writers.subject(loaded.writers.named), loaded.home_of(name)
        sae = loaded.sae(home, None)
        return cls(home, sae, loaded.writers.named, subject.labels, subject.sae.d_sae, False)

    def label(self, feature: int) -> str:
        """Return what a feature is called."""
        return self.labels.label(feature)


@dataclass(frozen=True)
class Chosen:
    """The feature that is meant, and others whose labels fit the words that were asked for."""

    feature: int
    others: tuple[tuple[int, str], ...] = ()


def feature_of(place: Place, asked: str) -> Chosen:
    """Return the feature of a number, or of words of a label.

    Raises
    ------
    InputError
        If there is none.
    """
    if asked.isascii() and asked.isdigit():
        feature = int(asked[:12])
        if feature >= place.d_sae:
            raise InputError(f"there is no feature {feature}; there are 0 to {place.d_sae - 1}")
        return Chosen(feature)
    found = LabelIndex(place.labels, lexical=True).search(asked, _OTHERS + 1) if len(place.labels) else []
    if not found:
        raise InputError("no label has these words: give a feature's number, or other words")
    best, *rest = (feature for feature, _ in found)
    return Chosen(best, tuple((feature, place.label(feature)) for feature in rest))


def question_of(place: Place, chosen: Chosen, asked: Asked) -> Question:
    """Return what an address asks for; InputError if it cannot be."""
    lines = asked.text("prompt", longest=_LONGEST_PROMPTS).splitlines()
    prompts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(prompts) > MOST_PROMPTS:
        raise InputError(f"there are {len(prompts)} prompts, one a line; at most {MOST_PROMPTS} are answered")
    strength = _decimal(asked, "strength", 1.0, -STRONGEST, STRONGEST)
    if not strength:
        raise InputError("at strength 0 nothing is turned: move the slider")
    return Question(
        place.model,
        prompts,
        chosen.feature,
        strength,
        _decimal(asked, "temperature", 0.8, 0.0, _HOTTEST),
        asked.number("seed", 0),
        asked.number("tokens", _LENGTHS[1], 1, _LENGTHS[-1]),
        asked.number("raw", 0, 0, 1) == 1,
    )


def _decimal(asked: Asked, name: str, otherwise: float, least: float, most: float) -> float:
    given = asked.text(name, longest=30)
    try:
        value = float(given) if given else otherwise
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise InputError(f"{name} is a number from {least:g} to {most:g}")
    return value + 0.0


def _job(request: Request, loaded: Loaded, question: Question, label: str) -> Job:
    live = Live()

    def show(prompt: int, is_turned: bool, text: str) -> None:
        live.show(_element(prompt, is_turned), printable(text, newlines=True))

    def run(on_progress: OnProgress) -> Turned:
        return turned(question, loaded.writers, on_progress, show)

    title = f"Writing with {label} at {question.strength:+g}"
    # a text cannot differ by what a feature is called, but the page of the result says it
    return job_of(request, "turn", {**question.asked(), "label": label}, title, run, live)


def _element(prompt: int, is_turned: bool) -> str:
    return f"text{prompt}{_SIDES[is_turned]}"


def turn(request: Request) -> Response:
    """Show the form, and both texts as they are written."""
    loaded, asked = loaded_of(request), asked_of(request)
    shown: dict[str, Any] = {
        "title": "Turn",
        "place": None,
        "names": [],
        "lengths": _LENGTHS,
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
            shown["why"] = panel(request, loaded, place.labels, question, job.result, asked)
    except SaetextError as error:
        return page(request, "turn.html.j2", status=400, **{**shown, "problem": str(error)})
    if job.state != "done":
        texts = dict(job.live.texts) if job.live is not None else {}
        return page(
            request, "turn.html.j2", **{**shown, "job": shown_of(job), "texts": _so_far(question, texts)}
        )
    answer = _answer(job.result, question, label)
    answer["put"] = any(
        item.recipe == _recipe(job.result.result, question) for item in drawer_of(request).items
    )
    answer["state"] = _state(asked)
    return page(request, "turn.html.j2", **{**shown, "answer": answer, "texts": answer["texts"]})


def _names(loaded: Loaded) -> list[str]:
    """Return the corpora among whose models one can choose; none where there is no choice."""
    if loaded.writers.named is not None:
        return []
    models = {
        name: loaded.writers.of(loaded.corpus(name), loaded.corpus(name).saes[0]) for name in loaded.names
    }
    return [name for name, model in models.items() if model] if len({*models.values()} - {None}) > 1 else []


def _state(asked: Asked) -> str:
    return Asked("turn", {name: asked.text(name, longest=_LONGEST_PROMPTS) for name in _STATE}).link()


def _so_far(question: Question, texts: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the prompts with what there is of their texts."""
    return [
        {
            "prompt": printable(prompt),
            "sides": [
                {
                    "id": _element(number, side),
                    "side": _SIDES[side],
                    "pieces": [(texts.get(_element(number, side), ""), 0, "")],
                    "told": "",
                }
                for side in (False, True)
            ],
        }
        for number, prompt in enumerate(question.prompts)
    ]


def _pairs(result: SteerResult) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the rows of the unedited and the turned text of each prompt."""
    rows = result.texts.sort("prompt", "dose").to_dicts()
    base = [row for row in rows if row["kind"] == "base"]
    dosed = [row for row in rows if row["kind"] == "dose"]
    return list(zip(base, dosed, strict=True))


def _answer(found: Turned, question: Question, label: str) -> dict[str, Any]:
    result = found.result
    handle = result.handles.row(0, named=True)
    rows = [result.table.row(at, named=True) for at in (0, 1)]
    texts = []
    for number, pair in enumerate(_pairs(result)):
        texts.append(
            {
                "prompt": printable(question.prompts[number]),
                "sides": [
                    {
                        "id": _element(number, side),
                        "side": _SIDES[side],
                        "pieces": pieces_of(found, number, side),
                        "told": _told(pair[side]) if len(question.prompts) > 1 else "",
                    }
                    for side in (False, True)
                ],
            }
        )
    length = rows[1]["length"]
    return {
        "label": label,
        "feature": question.feature,
        "strength": f"{question.strength:+g}",
        "length": "" if length is None else f"{length:.2f}",
        "unit": f"{handle['unit']:.2f}",
        "unit_source": handle["unit_source"],
        "score": None if handle["output_score"] is None else f"{handle['output_score']:.2f}",
        "promotes": [printable(word) for word in handle["promotes"]],
        "figures": [_told(row) for row in rows],
        "gauge": list(result.metrics["gauge_words"]),
        "changed": any(row["changed"] for _, row in _pairs(result)),
        "words": _words(result),
        "cautions": cautions(result),
        "texts": texts,
    }


def _told(row: Mapping[str, Any]) -> str:
    """Return the figures of a text, or of several, in one line."""
    parts = []
    if row["nll"] is not None:
        parts.append(f"nll {row['nll']:.2f}")
    if row["repetition"] is not None:
        parts.append(f"repeats {row['repetition']:.2f}")
    if row["gauge"] is not None:
        parts.append(f"the feature's words {row['gauge']:.1%}".replace("%", "\u00a0%"))
    return " · ".join(parts)


def _words(result: SteerResult) -> dict[str, list[str]]:
    """Return the words that more, or fewer, of the prompts' turned texts have, as steer finds them."""
    found: dict[str, list[str]] = {"more": [], "less": []}
    for row in result.words.to_dicts() if result.words is not None else []:
        told = f"{printable(row['word'])} ({row['prompts']}\u00a0:\u00a0{row['prompts_unedited']})"
        found["more" if row["z"] > 0 else "less"].append(told)
    return found


def _recipe(result: SteerResult, question: Question) -> Recipe:
    texts = [row["text"] for pair in _pairs(result) for row in pair]
    return Recipe(
        "steer",
        (),
        {**question.options(), "prompts": list(question.prompts)},
        key=(question.model.name, *texts),
    )


def item_of(found: Turned, question: Question, label: str, link: str) -> Item:
    """Return both arms as they are put aside."""
    answer, result = _answer(found, question, label), found.result
    told = [
        ("model", question.model.name),
        ("feature", f"{question.feature} of {question.model.sae}"),
        ("strength", f"{answer['strength']}, one is {answer['unit']} ({answer['unit_source']})"),
        ("sampling", f"temperature {question.temperature:g}, seed {question.seed}"),
        ("by itself", answer["figures"][0]),
        ("turned", answer["figures"][1]),
        *(("beware", caution) for caution in answer["cautions"]),
    ]
    passages = [
        (
            ("by itself", f"turned {answer['strength']}")[number],
            Passage(
                text["prompt"],
                tuple(Piece(part, shade / SHADES) for part, shade, _ in side["pieces"]),
            ),
        )
        for text in answer["texts"]
        for number, side in enumerate(text["sides"])
    ]
    title = f"{label} turned {'up' if question.strength > 0 else 'down'} in {question.model.title}"
    return Item("turn", title, _recipe(result, question), tuple(told), tuple(passages), link)


def _done(request: Request, asked: Asked) -> tuple[Turned, Question, str]:
    loaded = loaded_of(request)
    place = Place.of(loaded, asked)
    if place is None:
        raise InputError("there is no model that writes")
    chosen = feature_of(place, asked.text("feature", longest=200))
    label, question = place.label(chosen.feature), question_of(place, chosen, asked)
    job = _job(request, loaded, question, label)
    if job.state != "done":
        raise InputError(job.error or "the texts are still being written: wait until they are there")
    return job.result, question, label


async def put(request: Request) -> Response:
    """Put both texts aside, or take them out again, and go back to the page."""
    form = await form_of(request)
    address = form.text("back", longest=8000)
    found, question, label = await in_thread(_done, request, Asked("turn", kept(address)))
    drawer_of(request).turn(item_of(found, question, label, address))
    return remember(request, back(address, request))


ROOM = Room("turn", "Turn", (Route("/turn", turn), Route("/turn-put", put, methods=["POST"])))
