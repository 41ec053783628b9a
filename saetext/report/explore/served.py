"""The explorer as an app: rooms below a token, files that are known by name, errors as one line.

Not for: starting a server (the command line), or what a room shows (rooms/).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from saetext.errors import CorpusError, EndpointError, ReaderError, SaetextError, ShardCorruptError
from saetext.report.explore.collect.items import Drawers
from saetext.report.explore.drawing import file, told
from saetext.report.explore.guard import LOOPBACK, Guard
from saetext.report.explore.jobs import Jobs
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.room import Room
from saetext.report.explore.rooms import ROOMS
from saetext.report.explore.waiting import ROUTES as JOB_ROUTES

_STATUS: tuple[tuple[type[SaetextError], int], ...] = (
    (ShardCorruptError, 500),
    (CorpusError, 404),  # there is no such document
    (ReaderError, 409),
    (EndpointError, 502),
)


def explorer_app(
    loaded: Loaded,
    token: str,
    hosts: Iterable[str] = LOOPBACK,
    rooms: Sequence[Room] = ROOMS,
    proxied: Iterable[str] = (),
) -> Guard:
    """Return the app, with its guard around it.

    Parameters
    ----------
    loaded : Loaded
        The corpora.
    token : str
        The first part of every path: who does not know it sees nothing. Letters, digits, ``-`` and ``_``.
    hosts : iterable of str
        Names that a request may be addressed to, see :class:`saetext.report.explore.guard.Guard`.
    rooms : sequence of Room
        Its parts, the first of which is shown first.
    proxied : iterable of str
        More such names, of proxies that may speak ``https`` with browsers.
    """
    routes: list[Any] = [
        Route("/", _first, name="first"),
        Route("/static/{name}", file),
        *JOB_ROUTES,
        *(route for room in rooms for route in room.routes),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            SaetextError: _refused,
            HTTPException: _unknown,
            ClientDisconnect: _gone,
            OSError: _system,
            Exception: _fault,
        },
    )
    app.router.redirect_slashes = False
    app.state.loaded = loaded
    app.state.jobs = Jobs()
    app.state.drawers = Drawers()
    app.state.rooms = tuple(rooms)
    app.state.room_of = {
        route.path.lstrip("/"): room.name
        for room in rooms
        for route in room.routes
        if isinstance(route, Route)
    }
    return Guard(app, token, hosts, proxied)


def _first(request: Request) -> Response:
    return RedirectResponse(request.app.state.rooms[0].name, 303)


def _refused(request: Request, error: Exception) -> Response:
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), 400)
    return told(request, status, str(error))


def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = "there is no such page" if error.status_code == 404 else str(error.detail)
    return told(request, error.status_code, line)


def _gone(request: Request, error: Exception) -> Response:
    """Answer who hung up in the middle of a form: nobody hears it, and it is no fault of ours."""
    return told(request, 400, "the form broke off")


def _system(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    return told(request, 500, f"the system refused: {error.strerror or error}")


def _fault(request: Request, error: Exception) -> Response:
    """Say one line of what is a fault of ours; the server logs the traceback."""
    return told(request, 500, f"a fault in saetext, please report it: {type(error).__name__}")
