"""``saetext explore``: corpora in the browser."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from saetext.errors import InputError
from saetext.io.request import option
from saetext.report.explore.request import ExploreRequest
from saetext_cli.common import note, result, waiting
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import FileColumns, Running


@dataclass(frozen=True, kw_only=True)
class ServerChoice(Running, ExploreRequest):
    """Where the explorer is served, whether a browser is opened, and which model writes."""

    export: Path | None = option(
        "Write a static copy to this directory instead: reports, documents and features as files.",
        default=None,
        metavar="DIR",
        group="Server",
    )


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
    from saetext.report.explore.opening import hosts_of, is_own, opening, require_server, shown_host

    require_server()
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
        app = explorer_app(loaded, token, hosts_of(server.host), proxied=server.allow_host)
        address = address_of(listening, shown_host(server.host), token)
        if not is_own(server.host):
            note("everyone with this link who can reach this machine can read the corpora and rename labels")
        note("the explorer runs until Ctrl-C; open this link:")
        result(address)
        with opening(address, wanted=server.browser) as go:
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
