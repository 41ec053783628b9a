"""``saetext explore``: corpora in the browser."""

from __future__ import annotations

import contextlib
import html
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from saetext.errors import InputError
from saetext.io.request import option
from saetext_cli.common import note, result, waiting
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import FileColumns, Running

_EVERYWHERE = ("0.0.0.0", "::")
_GROUP, _TURN = "Server", "Turning features"


@dataclass(frozen=True, kw_only=True)
class ServerChoice(Running):
    """Where the explorer is served, and whether a browser is opened."""

    port: int | None = option(
        "Port to listen at; by default 8417, or a free one.", default=None, least=0, most=65535, group=_GROUP
    )
    host: str = option(
        "Address to listen at. Anything but this machine's own lets others in who have the link.",
        default="127.0.0.1",
        metavar="ADDRESS",
        group=_GROUP,
    )
    allow_host: tuple[str, ...] = option(
        "Another name under which browsers may ask, as of a proxy with http or https. Repeat it for several.",
        default=(),
        hint=list[str] | None,
        metavar="NAME",
        group=_GROUP,
    )
    browser: bool = option("Open a browser, if this machine has a screen.", default=True, group=_GROUP)
    export: Path | None = option(
        "Write a static copy to this directory instead: reports, documents and features as files.",
        default=None,
        metavar="DIR",
        group=_GROUP,
    )
    model: str | None = option(
        "Causal model that writes in the room Turn, e.g. smollm2; by default the one that read the corpora.",
        default=None,
        metavar="MODEL",
        group=_TURN,
    )
    sae: str | None = option(
        "SAE whose features are turned in --model; by default the one that comes with saetext.",
        default=None,
        metavar="SAE",
        group=_TURN,
    )
    peaks: bool = option("Mark stored peaks only, without loading the model.", default=False)


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("explore", epilog="Example: saetext explore gentle.corpus brisk.corpus")(expanded(explore))


def explore(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Corpora or data files.")],
    columns: FileColumns,
    server: ServerChoice,
) -> None:
    """Look at corpora in the browser: read, filter, shade by features, rename them.

    The pages are served by this machine alone, under a link with a secret in it, until Ctrl-C. Nothing is
    sent anywhere. Nothing is written into corpora but labels that you change, and the index of features that
    other commands build too; a search by property keeps an index of the labels in your cache.
    """
    from saetext.io.extras import require

    for module in ("starlette", "uvicorn"):
        require(module, "explore", "the explorer", error=InputError)
    from saetext.report.explore.loaded import Loaded, names_of
    from saetext.report.explore.served import explorer_app
    from saetext.report.explore.serving import address_of, listen, new_token, serve
    from saetext.report.explore.warming import index, warm
    from saetext.report.explore.writers import Writers

    if server.export is not None:
        if server.model is not None or server.sae is not None:
            raise InputError("a static copy writes no texts: leave --model and --sae out")
        _copy(corpora, columns, server)
        return
    writers = Writers(server.model, server.sae, device=server.device)
    with listen(server.host, server.port) as listening:
        opened = open_or_encode_all(corpora, device=server.device, dtype=server.dtype, **columns.given())
        _fetch_nothing()
        if writers.named is not None:
            writers.subject(writers.named)  # says if there is no such SAE
        loaded = Loaded(
            dict(zip(names_of(corpora), opened, strict=True)),
            device=server.device,
            reads=not server.peaks,
            writers=writers,
        )
        with waiting("building the index of features, once"):
            index(loaded)
        token = new_token()
        app = explorer_app(loaded, token, _hosts(server), proxied=server.allow_host)
        shown = socket.gethostname() if server.host in _EVERYWHERE else server.host
        address = address_of(listening, shown, token)
        if not _is_own(server.host):
            note("everyone with this link who can reach this machine can read the corpora and rename labels")
        note("the explorer runs until Ctrl-C; open this link:")
        result(address)
        with _opening(address) if server.browser and _has_screen() else _nothing() as go:
            warm(loaded)
            serve(app, listening, go)


def _copy(corpora: list[Path], columns: FileColumns, server: ServerChoice) -> None:
    """Write the static copy, and print where its first page is."""
    from saetext.report.explore.copying import require_free, write_copy
    from saetext.report.explore.loaded import Loaded, names_of

    assert server.export is not None
    require_free(server.export)
    opened = open_or_encode_all(corpora, device=server.device, dtype=server.dtype, **columns.given())
    loaded = Loaded(
        dict(zip(names_of(corpora), opened, strict=True)), device=server.device, reads=not server.peaks
    )
    with progress_bar("reading") as show:
        page = write_copy(loaded, server.export, on_progress=show)
    note("open this page, or put the directory on a web server:")
    result(str(page))


def _fetch_nothing() -> None:
    """Have pages not wait for a hub: a model that is not here is not fetched, unless the user says so."""
    if "HF_HUB_OFFLINE" in os.environ:
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    # which is read once, when the library is imported: encoding a data file has done that already
    if (known := sys.modules.get("huggingface_hub.constants")) is not None:
        known.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]


def _is_own(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _hosts(server: ServerChoice) -> list[str]:
    from saetext.report.explore.guard import LOOPBACK

    hosts = list(LOOPBACK)
    if server.host in _EVERYWHERE:
        hosts += ["*", socket.gethostname(), socket.getfqdn()]
    else:
        hosts.append(f"[{server.host}]" if ":" in server.host else server.host)
    return hosts


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextlib.contextmanager
def _nothing() -> Iterator[Callable[[], None]]:
    """Yield what does nothing."""
    yield lambda: None


@contextlib.contextmanager
def _opening(address: str) -> Iterator[Callable[[], None]]:
    """Yield what opens a browser, by a file only this user can read: others see command lines."""
    import threading
    import webbrowser

    with tempfile.TemporaryDirectory(prefix="saetext-explore-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(
            f'<!doctype html><meta http-equiv="refresh" content="0; url={html.escape(address)}">', "utf-8"
        )

        def go() -> None:
            threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()

        yield go
