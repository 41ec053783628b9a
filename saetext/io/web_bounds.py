"""Bounds on one exchange over HTTP: seconds in all, bytes in all, and which addresses are connected to.

The HTTP library has a timeout for each read alone: a byte a second, or a flood of interim answers, would go
on for ever. So its connections are wrapped here, below everything that reads from them. Not for: redirects
or retries (:mod:`saetext.io.web`).
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

_MOST_ADDRESSES = 8  # of a host that are tried
_PIECE = 1 << 14  # bytes written before the time is looked at again


class Refused(Exception):
    """What came is not taken, and would not be the next time either.

    Attributes
    ----------
    reason : str
        What failures of this kind are counted as: a few words, none of them the server's.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


@dataclass
class Bounds:
    """What is left of one exchange; ``bytes`` may be set anew, for its next part."""

    until: float  # on the monotonic clock
    bytes: int = 0
    begun_public: bool | None = None  # whether the first address was one of the public Internet

    def seconds(self, timeout: float | None, late: type[Exception]) -> float:
        """Return the timeout of the next step."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise late("no time is left for this request")
        return left if timeout is None else min(timeout, left)

    def took(self, count: int) -> None:
        """Count bytes that came in."""
        self.bytes -= count
        if self.bytes < 0:
            raise Refused("too large")

    def admit(self, addresses: list[str]) -> None:
        """Refuse to be led from the public Internet to an address that is not of it."""
        public = all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in addresses)
        if self.begun_public is None:
            self.begun_public = public
        elif self.begun_public and not public:
            raise Refused("redirected elsewhere", "redirects to a private address")


_bounds: ContextVar[Bounds | None] = ContextVar("_bounds", default=None)


@contextmanager
def bounded(*, seconds: float) -> Iterator[Bounds]:
    """Bound what a client of :func:`bind` does inside, in this thread: seconds, and bytes that come in.

    What runs out of time ends as the library's timeouts do; too many bytes in :class:`Refused`.
    """
    bounds = Bounds(time.monotonic() + seconds)
    token = _bounds.set(bounds)
    try:
        yield bounds
    finally:
        _bounds.reset(token)


def bind(client: httpx2.Client) -> None:
    """Put every connection that a client will make under :func:`bounded`, those through proxies too.

    Raises
    ------
    ValueError
        If this version of the library makes its connections otherwise: it would be without bounds.
    """
    _wrap(client._transport, direct=True)
    for transport in client._mounts.values():
        if transport is not None:  # what goes past the proxy
            _wrap(transport, direct=False)


def _wrap(transport: Any, *, direct: bool) -> None:
    pool: Any = getattr(transport, "_pool", None)
    # an attribute of another name would leave the connections without bounds, in silence
    if not hasattr(pool, "_network_backend"):
        raise ValueError("this version of httpx2 is not known: pip install 'httpx2<3'")
    pool._network_backend = _Backend(pool._network_backend, direct)


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """Return a host's addresses, at most eight.

    The system's resolver takes no time limit and cannot be stopped, so it is asked in a thread of its own,
    which is left behind where it takes too long.
    """
    import httpx2

    came: queue.SimpleQueue[list[Any] | BaseException] = queue.SimpleQueue()

    def ask() -> None:
        try:
            came.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except BaseException as error:  # not hidden: raised where the addresses are awaited
            came.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = came.get(timeout=seconds)
    except queue.Empty:
        raise httpx2.ConnectTimeout(f"no address of the host was found in {seconds:.0f} s") from None
    if isinstance(found, OSError | UnicodeError):
        raise httpx2.ConnectError(str(found)) from found
    if isinstance(found, BaseException):
        raise found
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:_MOST_ADDRESSES]


class _Backend:
    """Makes connections within the bounds; ``direct`` unless they go to a proxy, which may stand anywhere."""

    def __init__(self, inner: Any, direct: bool) -> None:
        self._inner, self._direct = inner, direct

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> Any:
        """Connect to the first address of a host that answers."""
        import httpx2

        bounds = _bounds.get()
        if bounds is None:
            return _Stream(self._inner.connect_tcp(host, port, timeout, **more))
        addresses = _addresses(host, port, bounds.seconds(timeout, httpx2.ConnectTimeout))
        if self._direct:
            bounds.admit(addresses)
        last: Exception = httpx2.ConnectError("the host has no address")
        for address in addresses:
            left = bounds.seconds(timeout, httpx2.ConnectTimeout)
            try:
                return _Stream(self._inner.connect_tcp(address, port, left, **more))
            except Exception as error:  # of the library below httpx2, which translates them
                last = error
        raise last

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> Any:
        """Refuse: no address names one."""
        raise Refused("redirected elsewhere", "it leads to a socket of this machine")

    def sleep(self, seconds: float) -> None:
        """Wait; nothing does that here."""
        time.sleep(seconds)


class _Stream:
    """A connection whose reads and writes count."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return the next bytes."""
        import httpx2

        bounds = _bounds.get()
        if bounds is None:
            return self._inner.read(max_bytes, timeout)
        data = self._inner.read(max_bytes, bounds.seconds(timeout, httpx2.ReadTimeout))
        bounds.took(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of ``buffer``."""
        import httpx2

        bounds = _bounds.get()
        for start in range(0, len(buffer), _PIECE):
            left = timeout if bounds is None else bounds.seconds(timeout, httpx2.WriteTimeout)
            self._inner.write(buffer[start : start + _PIECE], left)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Any:
        """Return the connection encrypted."""
        import httpx2

        bounds = _bounds.get()
        left = timeout if bounds is None else bounds.seconds(timeout, httpx2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def close(self) -> None:
        """Close it."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._inner.get_extra_info(info)
