"""The room Collect: what was put aside, with notes, and how it leaves: a report, Markdown, or a script.

Not for: putting things aside (the rooms that show them).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.report.explore.collect.script import script_of
from saetext.report.explore.collect.texts import html_of, markdown_of, shown, summary
from saetext.report.explore.downloads import download
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.putting import drawer_of, remember
from saetext.report.explore.room import Room
from saetext.report.explore.waiting import back

_FORMATS = {"html": html_of, "md": markdown_of, "py": script_of}


def collected(request: Request) -> Response:
    """Show the drawer of this browser."""
    items = drawer_of(request).items
    return page(
        request,
        "collect.html.j2",
        title="Collect",
        items=[shown(item) for item in items],
        summary=summary(items),
        sets=loaded_of(request).sets,
    )


def export(request: Request) -> Response:
    """Return what is in the drawer as a file."""
    kind = asked_of(request).choice("format", tuple(_FORMATS))
    return download(_FORMATS[kind](drawer_of(request).items), "collected", kind)


async def take(request: Request) -> Response:
    """Take something out of the drawer."""
    form = await form_of(request)
    drawer_of(request).take(form.text("id", longest=40))
    return remember(request, back(form.text("back", "collect", longest=8000), request))


async def note(request: Request) -> Response:
    """Write a note to something in the drawer."""
    form = await form_of(request)
    drawer_of(request).note(form.text("id", longest=40), form.text("note", longest=10_000))
    return remember(request, back("collect", request))


ROOM = Room(
    "collect",
    "Collect",
    (
        Route("/collect", collected),
        Route("/collected", export),
        Route("/collect-take", take, methods=["POST"]),
        Route("/collect-note", note, methods=["POST"]),
    ),
)
