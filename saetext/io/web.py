"""Requests over HTTP that are tried again: after rate limits, server errors and lost connections.

One library does it (httpx2, which the Hugging Face client uses too). Not for: what is asked, or what an
answer means; nor for downloads of models, which the Hugging Face client does itself.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from saetext.io.extras import require

if TYPE_CHECKING:
    import httpx2

FIRST_PAUSE = 0.5  # seconds before the second try; doubled before each further one
_LONGEST_PAUSE = 8.0
_LONGEST_WAIT = 120.0  # what a server may ask for with Retry-After; above it, no further try
_TEMPORARY = (408, 409, 429)  # and what is 500 or above


def open_client(what: str, *, timeout: float, connections: int = 1, key: str | None = None) -> httpx2.Client:
    """Return a client that keeps its connections open and follows redirects.

    Parameters
    ----------
    what : str
        What needs it, for the message: ``"asking a language model"``.
    timeout : float
        Seconds to wait for a connection, and for the next bytes.
    connections : int
        Connections that are kept open at a time.
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

    headers = {"User-Agent": "saetext"} | ({"Authorization": f"Bearer {key}"} if key else {})
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=connections)
    try:
        return httpx2.Client(timeout=timeout, headers=headers, limits=limits, follow_redirects=True)
    except (httpx2.InvalidURL, ImportError) as error:  # of a proxy: no address, or a kind not supported
        raise ValueError(f"the proxy of the environment cannot be used: {error}") from error


def send(ask: Callable[[], httpx2.Response], *, retries: int) -> httpx2.Response:
    """Return the response to a request, tried again up to ``retries`` times where that may help.

    Pauses grow from :data:`FIRST_PAUSE`, or are as long as the server's ``Retry-After`` says.

    Raises
    ------
    httpx2.HTTPError, httpx2.InvalidURL
        Of the last try, if no response came. A response with an error's status is returned.
    """
    import httpx2

    for attempt in range(retries + 1):
        wait: float | None = None
        try:
            response = ask()
        except httpx2.TransportError:
            if attempt == retries:
                raise
        else:
            wait = retry_after(response.headers.get("Retry-After"))
            temporary = response.status_code in _TEMPORARY or response.status_code >= 500
            if attempt == retries or not temporary or (wait or 0.0) > _LONGEST_WAIT:
                return response
        time.sleep(wait if wait else pause(attempt))
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
