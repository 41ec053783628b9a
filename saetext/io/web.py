"""Requests over HTTP that end: bounded in time, in bytes and in where they lead, and tried again.

They are tried again after rate limits, server errors and lost connections. One library does the rest (httpx2,
which the Hugging Face client uses too). Not for: what is asked, or what an answer means; nor for downloads of
models, which the Hugging Face client does itself.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import http.cookiejar
import math
import random
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from saetext.io.addresses import next_hop
from saetext.io.extras import require
from saetext.io.hiding import Secret
from saetext.io.web_bounds import Refused, bind, bounded

if TYPE_CHECKING:
    import httpx2

FIRST_PAUSE = 0.5  # seconds before the second try; doubled before each further one
_LONGEST_PAUSE = 8.0
_LONGEST_WAIT = 120.0  # what a server may ask for with Retry-After; above it, no further try
_LONGEST_IN_ALL = 300.0  # seconds of pauses and waits for one request; after them, no further try
_TEMPORARY = (408, 409, 429)  # and what is 500 or above
_MOST_REDIRECTS = 5
_ERROR_BYTES = 1 << 16  # of what a server says about an error; the rest is not read
_HEADER_BYTES = 1 << 18  # with interim answers, and the beginning of the body
_OVERHEAD = 1 << 20  # bytes between chunks
_CODING = "damaged or unknown encoding"


class Headers(Protocol):
    """The headers of a response, by name in any case."""

    def get(self, name: str, /) -> str | None:
        """Return a header; None if there is none of that name."""


class Answered(Protocol):
    """What :func:`send` looks at."""

    @property
    def status_code(self) -> int:
        """HTTP's number."""

    @property
    def headers(self) -> Headers:
        """What came before the body."""


_Answered = TypeVar("_Answered", bound=Answered)


@dataclass(frozen=True)
class Reply:
    """A response read through: of one that is no success only the first 64 KiB."""

    status_code: int
    headers: Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is what was asked for: 200, or 201 as some servers say after a POST."""
        return self.status_code in (200, 201)


class WebClient:
    """Sends requests, each within its bounds. Made by :func:`open_client`."""

    def __init__(self, client: httpx2.Client, *, key: str | None, deadline: float) -> None:
        self._client, self._deadline = client, deadline
        self._authorization = {"Authorization": f"Bearer {key}"} if key else {}

    def __enter__(self) -> WebClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def reach(self, url: str, seconds: float) -> None:
        """Find out whether anybody listens; what is answered is not read.

        Raises
        ------
        httpx2.HTTPError, httpx2.InvalidURL, Refused
            If nobody does, or nothing that can be understood.
        """
        with bounded(seconds=seconds) as bounds:
            bounds.bytes = _HEADER_BYTES
            with self._sent("GET", url, None, self._authorization):
                return

    def post(self, url: str, content: str, *, most_bytes: int) -> Reply:
        """Send JSON; redirects are followed to the same origin alone, and with 307 and 308 alone."""
        headers = {"Content-Type": "application/json", **self._authorization}
        return self._exchange("POST", url, content, headers, most_bytes, anywhere=False)

    def download(self, url: str, *, most_bytes: int) -> Reply:
        """Get a file, without the key.

        Redirects are followed, at most five: to other hosts too, but never from https to http, nor from the
        public Internet to a private address.
        """
        return self._exchange("GET", url, None, {}, most_bytes, anywhere=True)

    def _exchange(
        self,
        method: str,
        url: str,
        content: str | None,
        headers: dict[str, str],
        most_bytes: int,
        *,
        anywhere: bool,
    ) -> Reply:
        """Return the reply to a request.

        Raises
        ------
        httpx2.TransportError
            If none came; it may the next time.
        httpx2.InvalidURL, Refused
            If it is none that is taken: too large, of an unknown encoding, or a redirect elsewhere.
        """
        import httpx2

        target = httpx2.URL(url)
        with bounded(seconds=self._deadline) as bounds:
            for _ in range(_MOST_REDIRECTS + 1):
                bounds.bytes = _HEADER_BYTES
                with self._sent(method, target, content, headers) as response:
                    hop = next_hop(
                        target, response.status_code, response.headers.get("Location"),
                        body=content is not None, anywhere=anywhere,
                    )  # fmt: skip
                    if hop is None:
                        bounds.bytes = most_bytes + _OVERHEAD
                        return _read(response, most_bytes)
                    target = hop
        raise Refused("redirected elsewhere", f"redirects more than {_MOST_REDIRECTS} times")

    @contextlib.contextmanager
    def _sent(
        self, method: str, url: str | httpx2.URL, content: str | None, headers: dict[str, str]
    ) -> Iterator[httpx2.Response]:
        request = self._client.build_request(method, url, content=content, headers=headers)
        response = self._client.send(request, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            response.close()


def open_client(
    what: str, *, timeout: float, deadline: float, connections: int = 1, key: str | None = None
) -> WebClient:
    """Return a client for requests to servers that are not trusted.

    A connection serves one request: an answer that is left over on it would pass for the next one's. Cookies
    are not kept.

    Parameters
    ----------
    what : str
        What needs it, for the message: ``"asking a language model"``.
    timeout : float
        Seconds to wait for a connection, and for the next bytes.
    deadline : float
        Seconds for a request in all, however slowly its answer comes.
    connections : int
        Requests at a time.
    key : str, optional
        Sent as a bearer token.

    Raises
    ------
    SaetextError
        If httpx2 is not installed.
    ValueError
        If the environment names a proxy that cannot be used.
    """
    require("httpx2", "llm", what)
    import httpx2

    # gzip alone: it can be unpacked piece by piece, up to a limit
    headers = {"User-Agent": "saetext", "Connection": "close", "Accept-Encoding": "gzip"}
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    try:
        client = httpx2.Client(timeout=timeout, headers=headers, limits=limits, verify=_tls())
    except (httpx2.InvalidURL, ImportError, ValueError) as error:
        # of a proxy: no address, or a kind not supported; it may hold a password
        told = Secret("").hide(str(error))
        raise ValueError(f"the proxy of the environment cannot be used: {told}") from error
    client.cookies.jar.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    bind(client)
    return WebClient(client, key=key, deadline=deadline)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Return the certificates that are trusted; reading them takes a tenth of a second."""
    import httpx2

    return httpx2.create_ssl_context()


def _read(response: httpx2.Response, most_bytes: int) -> Reply:
    """Return a response with its body unpacked; that of an error up to a limit, that of an answer whole."""
    whole = response.status_code in (200, 201)
    most = most_bytes if whole else min(most_bytes, _ERROR_BYTES)
    body = bytearray()
    try:
        for piece in _unpacked(response, most + 1):
            body += piece
            if len(body) > most:
                break
    except Refused:
        if whole:
            raise
    if whole and len(body) > most:
        raise Refused("too large", f"its answer is longer than {most:,} bytes")
    return Reply(response.status_code, response.headers, bytes(body[:most]))


def _unpacked(response: httpx2.Response, most: int) -> Iterator[bytes]:
    """Yield a body unpacked, no piece longer than ``most`` bytes."""
    coding = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if coding == "identity":
        yield from response.iter_raw()
        return
    if coding not in ("gzip", "x-gzip"):
        raise Refused(_CODING)
    unpack = zlib.decompressobj(wbits=31)
    try:
        for data in response.iter_raw():
            while data:
                if unpack.eof:  # a file of several parts
                    unpack = zlib.decompressobj(wbits=31)
                yield unpack.decompress(data, most)
                data = unpack.unconsumed_tail or unpack.unused_data
    except zlib.error as error:
        raise Refused(_CODING) from error
    if not unpack.eof:
        raise Refused(_CODING, "its gzip is cut short")


def send(ask: Callable[[], _Answered], *, retries: int) -> _Answered:
    """Return the response to a request, tried again up to ``retries`` times where that may help.

    Pauses grow from :data:`FIRST_PAUSE`, or are as long as the server's ``Retry-After`` says; together they
    last five minutes at most.

    Raises
    ------
    httpx2.HTTPError, httpx2.InvalidURL, Refused
        Of the last try, if no response came. A response with an error's status is returned.
    """
    import httpx2

    waited = 0.0
    for attempt in range(retries + 1):
        failure: Exception | None = None
        response: _Answered | None = None
        wait: float | None = None
        temporary = True
        try:
            response = ask()
        except httpx2.TransportError as error:
            failure = error
        else:
            wait = retry_after(response.headers.get("Retry-After"))
            temporary = response.status_code in _TEMPORARY or response.status_code >= 500
        seconds = wait if wait else pause(attempt)
        last = attempt == retries or waited + seconds > _LONGEST_IN_ALL
        if last or not temporary or seconds > _LONGEST_WAIT:
            if response is None:
                assert failure is not None
                raise failure
            return response
        time.sleep(seconds)
        waited += seconds
    raise ValueError(f"{retries} retries: a request is sent at least once")


def pause(attempt: int) -> float:
    """Return the seconds to wait after a failed try (the first is 0), up to a quarter less by chance."""
    longest = min(FIRST_PAUSE * 2.0 ** min(attempt, 30), _LONGEST_PAUSE)
    return longest * (1 - 0.25 * random.random())


def retry_after(value: str | None) -> float | None:
    """Return the seconds a ``Retry-After`` asks for (a number or a date); None where it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return seconds if seconds > 0 and not math.isnan(seconds) else None
