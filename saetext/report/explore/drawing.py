"""Drawing a page of the explorer: templates, what all pages show, and the files they ask for.

Texts, labels and names are strangers': Jinja escapes them, and the filter ``visible`` takes control
characters and invisible formatting out of them. Not for: what a page says (rooms/).
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateNotFound
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from saetext.errors import InputError
from saetext.io.opener import packaged_text
from saetext.report.explore.asked import Asked
from saetext.report.explore.putting import collected, remember
from saetext.report.html.parts import SHADES
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.report.explore.loaded import Loaded

_MOST_FIELDS = 200  # of a form
#: The only files there are besides pages: name to parts and type.
_FILES = {
    "explore.css": (("base.css", "explore/explore.css"), "text/css"),
    "explore.js": (("explore/explore.js", "explore/jobs.js", "explore/map.js"), "text/javascript"),
    "compare.css": (("diff.css", "explore/collected.css", "explore/compare.css"), "text/css"),
    "map.css": (("explore/compare.css", "explore/map.css"), "text/css"),
    "turn.css": (("explore/compare.css", "explore/turn.css"), "text/css"),
    "pairs.css": (("pairs.css", "explore/compare.css", "explore/pairs.css"), "text/css"),
}


def loaded_of(request: Request) -> Loaded:
    """Return the corpora that are open."""
    found: Loaded = request.app.state.loaded
    return found


def asked_of(request: Request) -> Asked:
    """Return what the query string says: of one request the same, which its room may take values out of."""
    if not hasattr(request.state, "asked"):
        request.state.asked = Asked(_page(request), request.query_params)
    found: Asked = request.state.asked
    return found


async def form_of(request: Request) -> Asked:
    """Return what a form says that was sent; for functions that are ``async def``."""
    try:
        fields = parse_qsl((await request.body()).decode(), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise InputError("the form cannot be understood") from error
    return Asked(_page(request), dict(fields))


def page(request: Request, template: str, *, status: int = 200, **shown: Any) -> HTMLResponse:
    """Return a page.

    Parameters
    ----------
    request : Request
        What is answered.
    template : str
        A template in ``templates/explore/``, which extends ``base.html.j2``.
    status : int
        Of the answer.
    **shown
        What the template shows; ``title`` is asked for. It is escaped here.
    """
    text = _environment().get_template(f"explore/{template}").render(**_common(request), **shown)
    answer = HTMLResponse(text, status)
    remember(request, answer)
    return answer


def file(request: Request) -> Response:
    """Answer a request for a style sheet or the script."""
    name = str(request.path_params["name"])
    if name not in _FILES:
        return told(request, 404, "there is no such file")
    content, kind, _ = _content(name)
    return Response(content, media_type=kind)


def told(request: Request, status: int, line: str) -> Response:
    """Say one line: as a page to a browser, else as plain text."""
    line = printable(line)
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "told.html.j2", status=status, title="That did not work", line=line)
    return Response(f"{line}\n", status, media_type="text/plain")


def _common(request: Request) -> dict[str, Any]:
    state = request.app.state
    path = _page(request)
    return {
        "rooms": state.rooms,
        "here": state.room_of.get(path, ""),
        "asked": asked_of(request),
        "loaded": state.loaded,
        "collected": collected(request),
        "up": "../" * path.count("/"),
        "version_of": {name: _content(name)[2] for name in _FILES},
        "shades": range(1, SHADES + 1),
    }


def _page(request: Request) -> str:
    """Return the path below the token, without the slash before it."""
    return str(request.scope["path"]).removeprefix(request.scope.get("root_path", "")).lstrip("/")


@cache
def _content(name: str) -> tuple[bytes, str, str]:
    parts, kind = _FILES[name]
    content = "".join(_template(part) or "" for part in parts).encode()
    return content, kind, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        visible=lambda value: printable(str(value)),
        lines=lambda value: printable(str(value), newlines=True),
        count=lambda value: f"{value:,}",
        share=share_shown,
    )
    return made


def share_shown(value: float | None) -> str:
    """Return a share from 0 to 1 as a percentage with as many places as it takes to be told from zero."""
    if value is None:
        return ""
    percent = 100 * value
    if percent == 0 or percent >= 9.95:
        return f"{percent:.0f}%"
    if percent >= 0.095:
        return f"{percent:.1f}%"
    return f"{percent:.2g}%" if percent >= 0.0001 else "<0.0001%"


def _template(name: str) -> str | None:
    try:
        return packaged_text("saetext.report", "templates", *name.split("/"))
    except FileNotFoundError as error:
        raise TemplateNotFound(name) from error
