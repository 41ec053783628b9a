"""Guard: lets only requests of the explorer's own pages through, and says in headers what these may do.

Outside of everything else: what it refuses never reaches a room. Not for: what a request asks for.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, State
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LONGEST_URL = 8192  # bytes of path and query
LARGEST_BODY = 1 << 20  # bytes of a form
_READING = ("GET", "HEAD")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not no-referrer: browsers would send "Origin: null" with the explorer's own forms
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Checks host, origin, token and size of each request.

    Parameters
    ----------
    app : ASGI app
        What is guarded; it sees paths below the token.
    token : str
        The first part of every path. Another one is answered as any unknown page is.
    hosts : sequence of str
        Names in the Host header that are served, without a port; ``*`` stands for any address in numbers. A
        name of a stranger's, made to lead here (DNS rebinding), is none of them.
    proxied : sequence of str
        More such names, of proxies. What comes from a page under ``https`` reaches this server as ``http``
        there, so the explorer's own pages may be of either.
    """

    def __init__(
        self, app: ASGIApp, token: str, hosts: Iterable[str] = LOOPBACK, proxied: Iterable[str] = ()
    ) -> None:
        self._app, self._token = app, token.encode()
        self._proxied = {host.lower() for host in proxied}
        self._hosts = {host.lower() for host in hosts} | self._proxied

    @property
    def state(self) -> State:
        """What the app that is guarded keeps while it runs."""
        found: State = self._app.state  # type: ignore[attr-defined]
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # websockets are not served: the server closes them

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            status, why = refused
            answer = PlainTextResponse(f"{why}\n", status, {"connection": "close"})
            await answer(scope, receive, sent)
            return
        root = scope.get("root_path", "") + "/" + self._token.decode()
        await self._app({**scope, "root_path": root}, receive, sent)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return the status and the line with which a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._serves(host):
            return HTTPStatus.FORBIDDEN, "this host is not served"
        first = str(scope["path"]).split("/", 2)[1:2]
        if not first or not hmac.compare_digest(first[0].encode("utf-8", "replace"), self._token):
            return HTTPStatus.NOT_FOUND, "there is no such page"
        origins = headers.getlist("origin")
        reads = scope["method"] in _READING
        if not all(self._is_own(origin, host, scope) for origin in origins) or not (reads or origins):
            return HTTPStatus.FORBIDDEN, "requests of other pages are refused"
        if not reads and scope["method"] != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, "only GET and POST are understood"
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_URL:
            return HTTPStatus.REQUEST_URI_TOO_LONG, f"an address may have {LONGEST_URL:,} bytes"
        return None if reads else _refusal_of_body(headers)

    def _serves(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or ("*" in self._hosts and _is_address(name))

    def _is_own(self, origin: str, host: str, scope: Scope) -> bool:
        """Return whether an origin is that of the explorer's own pages, as a browser knows them."""
        schemes = ("http", "https") if _name(host) in self._proxied else (scope.get("scheme", "http"),)
        return origin.lower() in {f"{scheme}://{host.lower()}" for scheme in schemes}


def _name(host: str) -> str:
    """Return the name in a Host header, without the port; empty if it is none."""
    try:
        split = urlsplit(f"//{host}")
        name, _ = (split.hostname or "").lower(), split.port
    except ValueError:
        return ""
    if split.netloc != host or "@" in host:
        return ""
    return f"[{name}]" if ":" in name else name


def _refusal_of_body(headers: Headers) -> tuple[HTTPStatus, str] | None:
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers:  # chunks go on beyond what a length beside them says
        return HTTPStatus.LENGTH_REQUIRED, "a form is sent whole, with its length"
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.LENGTH_REQUIRED, "a form states its length"
    if int(length[:20]) > LARGEST_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a form may have {LARGEST_BODY:,} bytes"
    return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
