"""What comes before the explorer is served: under which names it is asked, and a browser that opens it.

Not for: serving it (serving.py), or what is printed.
"""

from __future__ import annotations

import html
import os
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from saetext.errors import InputError
from saetext.io.extras import require
from saetext.report.explore.guard import LOOPBACK

_EVERYWHERE = ("0.0.0.0", "::")


def require_server() -> None:
    """Raise :class:`InputError` unless the packages of the extra ``explore`` are installed."""
    for module in ("starlette", "uvicorn"):
        require(module, "explore", "the explorer", error=InputError)


def is_own(host: str) -> bool:
    """Return whether nobody but this machine can reach an address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def shown_host(host: str) -> str:
    """Return the name that stands in the link."""
    return socket.gethostname() if host in _EVERYWHERE else host


def hosts_of(host: str) -> list[str]:
    """Return the names that a request may be addressed to."""
    hosts = list(LOOPBACK)
    if host in _EVERYWHERE:
        hosts += ["*", socket.gethostname(), socket.getfqdn()]
    else:
        hosts.append(f"[{host}]" if ":" in host else host)
    return hosts


def has_screen() -> bool:
    """Return whether a browser can be seen here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def opening(address: str, *, wanted: bool = True) -> Iterator[Callable[[], None]]:
    """Yield what opens a browser, by a file only this user can read: others see command lines.

    It does nothing where it is not wanted, or there is no screen.
    """
    if not wanted or not has_screen():
        yield lambda: None
        return
    with tempfile.TemporaryDirectory(prefix="saetext-explore-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(address)}">', "utf-8"
        )

        def go() -> None:
            threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()

        yield go
