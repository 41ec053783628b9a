"""Addresses of servers: which can be used, how they are shown, and where a redirect may lead.

Not for: asking them (:mod:`saetext.io.web`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from saetext.io.hiding import one_line
from saetext.io.web_bounds import Refused

if TYPE_CHECKING:
    import httpx2

_LONGEST = 2_000  # characters of an address
_SHOWN = 80
_MOVED = "redirected elsewhere"
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEP_THE_BODY = (307, 308)


def checked(address: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises
    ------
    ValueError
        In a few words, which do not repeat the address, if it is none that requests can begin with: it has
        to be ``http://`` or ``https://`` with a host, without a user, a password, a query, blanks or control
        characters.
    """
    if not re.match(r"https?://[^/]", address, re.IGNORECASE):
        raise ValueError("an address begins with http:// or https:// and a host")
    if not address.isprintable() or " " in address:
        raise ValueError("it holds a line break, a blank or a control character")
    if len(address) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST:,} characters")
    if "@" in address:
        raise ValueError("it holds a user or a password; a key is given by --api-key-env")
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError("an address begins with http:// or https:// and a host")
    if "?" in address or "#" in address:
        raise ValueError("it ends in a path, without ? or #")
    if parts.port == 0:  # a ValueError by itself, where it is no number or too large
        raise ValueError("its port is 0")
    return address.rstrip("/")


def shown(address: str) -> str:
    """Return an address as it can be printed: in one line, short, without password, query or fragment."""
    hidden = re.sub(r"^([a-z]+://)?.*@", r"\1***@", address, flags=re.DOTALL | re.IGNORECASE)
    return one_line(re.sub(r"[?#].*", "?***", hidden, flags=re.DOTALL), _SHOWN)


def next_hop(
    current: httpx2.URL, status: int, location: str | None, *, body: bool, anywhere: bool
) -> httpx2.URL | None:
    """Return where a response redirects to; None if it does not redirect.

    Parameters
    ----------
    body : bool
        Whether the request has one: then it goes on with 307 and 308 alone, which keep it.
    anywhere : bool
        Whether it may lead to another origin (scheme, host and port), for downloads. Never from https to
        http, and never to what is no address of the web.

    Raises
    ------
    Refused
        If it leads where it must not.
    """
    import httpx2

    if status not in _REDIRECTS:
        return None
    try:
        target = current.join(location or "")
        port = target.port
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise Refused(_MOVED, f"redirects to no address ({status})") from error
    if not location or target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise Refused(_MOVED, f"redirects to no address of the web ({status})")
    where = f"{target.scheme}://{target.host}" + ("" if port is None else f":{port}")
    if body and status not in _KEEP_THE_BODY:
        raise Refused(
            _MOVED, f"redirects to {one_line(where, _SHOWN)} in a way that loses the question ({status})"
        )
    if not anywhere and _origin(target) != _origin(current):
        raise Refused(_MOVED, f"redirects to {one_line(where, _SHOWN)} ({status}), which is not asked")
    if current.scheme == "https" and target.scheme == "http":
        raise Refused(_MOVED, f"redirects from https to {one_line(where, _SHOWN)} ({status})")
    return target


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, url.port or {"http": 80, "https": 443}[url.scheme]
