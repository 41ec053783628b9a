"""The room Features and themes: a table of all features, one feature's page, and its label changed.

Not for: what is computed (queries/features.py, queries/feature.py) or written (queries/naming.py).
"""

from __future__ import annotations

import math
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from saetext.corpus import Corpus
from saetext.corpus.no_column import no_column
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.features.subject import Subject
from saetext.io.progress import OnProgress
from saetext.report.explore.asked import Asked
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.jobs import Job
from saetext.report.explore.queries import feature as one
from saetext.report.explore.queries.about import columns_if_known
from saetext.report.explore.queries.counts import calibration_of, counts_of, takes_long
from saetext.report.explore.queries.features import SORTS, features_of, rows_of, theme_rows
from saetext.report.explore.queries.meaning import (
    NO_MODEL,
    Nearest,
    can_compare,
    nearest_labels,
    table_of,
)
from saetext.report.explore.queries.naming import WRONG, Changed, mark_wrong, rename, restore, was_changed
from saetext.report.explore.queries.passages import Look, entry_of, known_again
from saetext.report.explore.queries.shades import Shade, themes_of
from saetext.report.explore.room import Room
from saetext.report.explore.rooms.read import Chosen
from saetext.report.explore.waiting import job_of, shown_of
from saetext.text.passages import printable

PAGE = 50  # features
_ACTIONS = ("rename", "wrong", "restore")
#: Of a page that has no table yet.
_NOTHING: Final = {"late": False, "absent": False, "sort": "telling", "turned": False}
_MOST_COLUMNS = 12  # that a feature can be told apart by, with few values each


def features(request: Request) -> Response:
    """Show the table of features, or of themes."""
    asked = asked_of(request)
    chosen = Chosen.of(loaded_of(request), asked)
    corpus, sae, labels = chosen.corpus, chosen.sae, chosen.labels
    words = asked.text("q", longest=300)
    show = asked.choice("show", ("features", "themes"))
    common = {
        **chosen.common,
        "words": words,
        "show": show,
        "by": asked.choice("by", ("words", "meaning")),
        "job": None,
        "themes_there": bool(themes_of(corpus, sae)),
    }
    late = takes_long(corpus, sae) and asked.number("wait", 0, 0, 1) == 0
    if late:  # the page comes before its table
        return page(
            request,
            "features.html.j2",
            title=f"Features of {chosen.name}",
            **{**common, **_NOTHING, "late": True},
        )
    if show == "themes":
        return page(
            request,
            "features.html.j2",
            title=f"Themes of {chosen.name}",
            **common,
            late=False,
            themes=theme_rows(corpus, sae, labels, words),
        )
    turned, absent = (asked.number(name, 0, 0, 1) == 1 for name in ("turned", "absent"))
    near, note = None, ""
    if common["by"] == "meaning" and words and not words.isdigit():
        note = "" if can_compare() else NO_MODEL
        if not note:
            job = _comparing(request, labels, words)
            if job.state != "done":
                return page(
                    request,
                    "features.html.j2",
                    title=f"Features of {chosen.name}",
                    **{**common, **_NOTHING, "job": shown_of(job)},
                )
            near = job.result
    if near is not None:
        sort = asked.choice("sort", ("meaning", *SORTS))
        every = table_of(corpus, sae, labels, near, sort=sort, turned=turned, absent=absent)
    else:
        sort = asked.choice("sort", ("telling", "meaning", *SORTS))
        sort = "telling" if sort == "meaning" else sort  # which a description alone has an order by
        every = features_of(corpus, sae, labels, words=words, sort=sort, turned=turned, absent=absent)
    number = asked.number("page", 1, 1, 10_000_000)
    first = (number - 1) * PAGE
    return page(
        request,
        "features.html.j2",
        title=f"Features of {chosen.name}",
        **common,
        late=False,
        near=near,
        note=note,
        rows=rows_of(corpus, sae, labels, every[first : first + PAGE]),
        sort=sort,
        turned=turned,
        absent=absent,
        total=len(every),
        features=corpus.spec.sae(sae).d_sae,
        present=int((counts_of(corpus, sae).support > 0).sum()),
        first=first + 1,
        last=min(first + PAGE, len(every)),
        number=number,
        pages=-(-len(every) // PAGE),
    )


def _comparing(request: Request, labels: FeatureLabels, words: str) -> Job:
    def run(on_progress: OnProgress) -> Nearest:
        return nearest_labels(labels, words, on_progress)

    asked = {"labels": labels.checksum, "words": words}
    return job_of(request, "label-meaning", asked, f"Looking for labels that mean “{printable(words)}”", run)


def feature(request: Request) -> Response:
    """Show one feature."""
    asked = asked_of(request)
    loaded = loaded_of(request)
    chosen = Chosen.of(loaded, asked)
    corpus, sae, labels = chosen.corpus, chosen.sae, chosen.labels
    number = _number(asked, corpus, sae)
    low, high = _bound(asked, "low"), _bound(asked, "high")
    wait = asked.number("wait", 0, 0, 1) == 1
    near = asked.number("near", 0, 0, 1) == 1
    shade = Shade(str(number), labels.label(number), (number,))
    if low is not None and high is not None:
        rows, inside = one.between(corpus, sae, number, low, high)
        bands = [(f"activation {low:.2f} to {high:.2f}", rows)]
    else:
        bands, inside = one.bands_of(corpus, sae, number), None
    every = [row for _, rows in bands for row in rows]
    look = chosen.look(shade, again=wait and bool(every))
    if look.reader is None and known_again(look, every):
        look = chosen.look(shade, again=True)
    shown = [(name, [entry_of(look, row, width=240) for row in rows]) for name, rows in bands]
    again = "" if wait else chosen.reading_again([entry for _, entries in shown for entry in entries])
    known, calibration = labels.get(number), calibration_of(corpus, sae)
    support = int(counts_of(corpus, sae).support[number])
    column = asked.text("by", longest=500)
    return page(
        request,
        "feature.html.j2",
        title=labels.label(number),
        **{**chosen.common, "shade": shade},
        number=number,
        known=known,
        wrong=known is not None and known.source == WRONG,
        changed=was_changed(labels, number),
        support=support,
        documents=corpus.n_documents,
        threshold=float(calibration.thresholds[number]),
        density=float(calibration.density[number])
        if known is None or known.density is None
        else known.density,
        top_words=(
            known.top_words if known is not None and known.top_words else calibration.top_words(number)
        )[:12],
        hook=corpus.spec.sae(sae).hook,
        themes=[theme for theme in themes_of(corpus, sae) if number in theme.features],
        bars=one.histogram_of(corpus, sae, number),
        low=low,
        high=high,
        inside=inside,
        bands=shown,
        again=again,
        why_not=loaded.why_no_reader(chosen.name) if wait else "",
        near=_near(look, number) if near else None,
        sets=one.in_sets(one.sets_of(loaded, corpus, sae), sae, number),
        by=column,
        values=_by(corpus, sae, number, column, chosen.where) if column else [],
        columns_by=_columns(loaded.corpus(chosen.name)),
        kept=asked.text("kept", longest=1000),
        left=asked.text("left", longest=1000),
        turns=loaded.writers.turns(loaded.corpus(chosen.name), sae),
        neuronpedia=Subject(chosen.name, corpus.spec.sae(sae), labels, None, corpus).page(number),
    )


def feature_words(request: Request) -> Response:
    """Show the words at one feature's peaks; a part of its page that comes after the rest."""
    asked = asked_of(request)
    chosen = Chosen.of(loaded_of(request), asked)
    number = _number(asked, chosen.corpus, chosen.sae)
    counted, looked_at = one.words_of(chosen.corpus, chosen.sae, number)
    title = chosen.labels.label(number)
    return page(request, "feature_words.html.j2", title=title, counted=counted, looked_at=looked_at)


async def label(request: Request) -> Response:
    """Change a label, and go back to the feature's page."""
    form = await form_of(request)
    loaded = loaded_of(request)

    def change() -> Changed:
        name = loaded.name_of(form.text("corpus", longest=500))
        sae = loaded.sae(name, form.text("sae", longest=500))
        number = _number(form, loaded.corpus(name), sae)
        match form.choice("action", _ACTIONS, ""):
            case "rename":
                return rename(loaded, name, sae, number, form.text("label"))
            case "wrong":
                return mark_wrong(loaded, name, sae, number)
            case _:
                return restore(loaded, name, sae, number)

    done = await run_in_threadpool(change)
    left = "; ".join(f"{name} ({why})" for name, why in done.left)
    values = {key: form.text(key, longest=5000) for key in ("corpus", "sae", "feature", "where")}
    return RedirectResponse(
        form.link("feature", **values, kept=", ".join(done.kept)[:900], left=left[:900]), 303
    )


def _number(asked: Asked, corpus: Corpus, sae: str) -> int:
    most = corpus.spec.sae(sae).d_sae - 1
    number = asked.maybe_number("feature")
    if number is None:
        raise InputError("name a feature by its number")
    if number > most:
        raise InputError(f"there is no feature {number}; {sae} has 0 to {most}")
    return number


def _bound(asked: Asked, name: str) -> float | None:
    given = asked.text(name, longest=40)
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} is a number, not {given!r}")
    return value


def _columns(corpus: Corpus) -> list[str]:
    """Return the columns whose values repeat, so that a feature can be told apart by them."""
    few = [
        c
        for c in columns_if_known(corpus)
        if 2 <= c.distinct <= 200 and c.kind in ("text", "true or false", "whole numbers")
    ]
    return [c.name for c in few if c.values][:_MOST_COLUMNS]


def _by(corpus: Corpus, sae: str, number: int, column: str, where: str) -> list[one.InSet]:
    if column not in (there := corpus.documents.collect_schema()):
        raise no_column(column, list(there))
    return one.by_column(corpus, sae, number, column, where)


def _near(look: Look, number: int) -> tuple[list[one.Near], int, list[one.Near] | None]:
    together, looked_at = one.together_with(look.corpus, look.sae, number, look.labels)
    return together, looked_at, one.nearest_to(look.corpus, look.sae, number, look.labels)


ROOM = Room(
    "features",
    "Features and themes",
    (
        Route("/features", features),
        Route("/feature", feature),
        Route("/feature_words", feature_words),
        Route("/label", label, methods=["POST"]),
    ),
)
