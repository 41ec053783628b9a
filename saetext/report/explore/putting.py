"""What rooms share that put something aside: the browser's drawer, addresses that come with a form, figures.

Not for: the drawer itself (:mod:`saetext.report.explore.collect.items`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from saetext.report.explore.collect.items import Drawer, Drawers

_T = TypeVar("_T")
COOKIE = "saetext-drawer"


def drawer_of(request: Request) -> Drawer:
    """Return the drawer of the browser that asks.

    One that has none gets it when it puts something aside, with :func:`remember`. To look is not enough: who
    keeps no cookies would have a new one with each page, and push out those of others.
    """
    drawers: Drawers = request.app.state.drawers
    if not hasattr(request.state, "drawer"):
        name = request.cookies.get(COOKIE)
        if request.method == "POST":
            request.state.drawer_name, request.state.drawer = drawers.of(name)
        else:
            known = drawers.known(name)
            request.state.drawer = Drawer() if known is None else known
    found: Drawer = request.state.drawer
    return found


def collected(request: Request) -> int:
    """Return how much is in the drawer of the browser that asks."""
    drawers: Drawers = request.app.state.drawers
    return drawers.count(getattr(request.state, "drawer_name", None) or request.cookies.get(COOKIE))


def remember(request: Request, response: Response) -> Response:
    """Let a browser keep the name of its drawer, for the explorer's own pages alone."""
    name = getattr(request.state, "drawer_name", None)
    if name is not None and name != request.cookies.get(COOKIE):
        path = request.scope.get("root_path", "") or "/"
        # not strict: a page that is opened by a link in a mail would seem to have nothing collected. Forms of
        # other pages are refused by their origin
        response.set_cookie(COOKIE, name, path=path, httponly=True, samesite="lax")
    return response


async def in_thread(function: Callable[..., _T], *arguments: Any) -> _T:
    """Return what a function returns that may take a moment, without holding up other requests."""
    return await run_in_threadpool(function, *arguments)


def kept(address: str) -> dict[str, str]:
    """Return the values of the query string of an address of ours."""
    return dict(parse_qsl(address.partition("?")[2].partition("#")[0], max_num_fields=100))


def told_figures(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    """Return those figures of a row that it has and that are finite."""
    found = {name: row.get(name) for name in names}
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}
