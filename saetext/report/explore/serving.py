"""Serving the explorer: a socket on this machine, and a server until it is asked to stop.

Not for: what is served (served.py), or printing where.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

from saetext.errors import InputError

PORT = 8417  # tried first where none is named, so that a tunnel can be set up before
_GRACE = 1  # seconds that open answers get once it stops


def new_token() -> str:
    """Return a token nobody can guess: 128 random bits."""
    return secrets.token_urlsafe(16)


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens.

    Parameters
    ----------
    host : str
        Address or name of this machine.
    port : int, optional
        Number; by default :data:`PORT`, or another one where that is taken.

    Raises
    ------
    InputError
        If the address is not of this machine, or the port is taken or may not be used.
    """
    for number in (port,) if port is not None else (PORT, 0):
        try:
            found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _, _, _, address = found[0]
            return socket.create_server(address[:2], family=family, backlog=128)
        except (OSError, UnicodeError, OverflowError) as error:
            if port is None and number and getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise InputError(f"cannot listen at {host}:{number}: {_why(error)}") from error
    raise AssertionError("the last try names no port")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)  # its own text repeats the address
    return getattr(error, "strerror", None) or str(error)


def address_of(listening: socket.socket, host: str, token: str) -> str:
    """Return the address to open."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}/{token}/"


def server_of(app: Any, started: Callable[[], None] = lambda: None) -> Any:
    """Return a server of uvicorn, which stops once its ``should_exit`` is set.

    Parameters
    ----------
    app : ASGI app
        Of :func:`saetext.report.explore.served.explorer_app`.
    started : callable
        Called once requests are answered.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.jobs.stop_all()  # then streams of their progress end by themselves
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=32768,
    )
    return Server(config)


def serve(app: Any, listening: socket.socket, started: Callable[[], None] = lambda: None) -> None:
    """Serve until the process is asked to stop by a signal, which is passed on.

    Parameters
    ----------
    app : ASGI app
    listening : socket
        Of :func:`listen`.
    started : callable
        As of :func:`server_of`.
    """
    try:
        server_of(app, started).run(sockets=[listening])
    finally:  # the signal is passed on
        app.state.jobs.close()
