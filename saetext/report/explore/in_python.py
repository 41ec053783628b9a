"""saetext.explore: the explorer from a script or a notebook, served by a thread of this process.

Not for: the command, which runs until Ctrl-C (``saetext explore``), or what is served (served.py).
"""

from __future__ import annotations

import html
import os
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.io.request import verb_of_many
from saetext.report.explore.request import ExploreRequest

if TYPE_CHECKING:
    import socket

    from saetext.encoding.opening import AnyCorpus

_STOP = 10.0  # seconds that it gets to end


class Explorer:
    """An explorer that a thread serves; made by :func:`saetext.explore`. As a context manager it stops.

    Attributes
    ----------
    url : str
        The address to open. It has a secret in it: whoever has it can read the corpora and rename labels.

    Examples
    --------
    >>> import saetext
    >>> explorer = saetext.explore("gentle.corpus", browser=False)
    >>> explorer.running, explorer.url.startswith("http://127.0.0.1:")
    (True, True)
    >>> explorer.stop()
    >>> explorer.running
    False
    """

    def __init__(self, app: Any, listening: socket.socket, url: str, clearing: ExitStack) -> None:
        from saetext.report.explore.serving import server_of

        self.url = url
        self._app, self._clearing = app, clearing
        self._started = threading.Event()
        self._server = server_of(app, self._started.set)
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name="saetext-explore", daemon=True
        )
        self._thread.start()
        while not self._started.wait(0.05):
            if not self._thread.is_alive():
                raise InputError("the explorer's server ended before it answered")

    @property
    def running(self) -> bool:
        """Whether pages are answered."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait until it is stopped, from another thread or by an interrupt, which stops it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.2)  # so that an interrupt is heard
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop it: what is being computed is given up, and the port is free. Again, it does nothing."""
        self._server.should_exit = True
        self._thread.join(_STOP)
        self._clearing.close()

    def _run(self, listening: socket.socket) -> None:
        try:
            self._server.run(sockets=[listening])
        finally:
            self._app.state.jobs.close()
            listening.close()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Explorer at {self.url}>" if self.running else "<Explorer, stopped>"

    def _repr_html_(self) -> str:
        """Return a link, for notebooks."""
        if not self.running:
            return "<p>An explorer, stopped.</p>"
        address = html.escape(self.url)
        return f'<p><a href="{address}" target="_blank" rel="noopener">{address}</a></p>'


@verb_of_many(ExploreRequest)
def explore(corpora: tuple[AnyCorpus, ...], request: ExploreRequest) -> Explorer:
    """Look at corpora in the browser, as ``saetext explore`` does, without waiting for it to end.

    The pages are served by a thread of this process, at an address with a secret in it. They write nothing
    but labels that are changed there. Needs the extra ``explore``. A model that is not here is fetched
    when a page needs it, unless ``HF_HUB_OFFLINE`` is set.

    Parameters
    ----------
    *corpora : Corpus, path, or what can be encoded
        What to look at. See :func:`saetext.encoding.opening.as_corpora` on files and texts.

    Returns
    -------
    Explorer
        Has its address, and stops it. With ``block`` it has been stopped.

    Raises
    ------
    InputError
        If the extra is not installed, there is no such corpus or SAE, or the address or port cannot be used.

    Examples
    --------
    >>> import saetext
    >>> with saetext.explore("gentle.corpus", "brisk.corpus", browser=False) as explorer:
    ...     explorer  # doctest: +ELLIPSIS
    <Explorer at http://127.0.0.1:...>
    """
    from saetext.report.explore.opening import require_server

    if not corpora:
        raise InputError("name a corpus to look at")
    require_server()
    explorer = _started(corpora, request)
    if request.on_start is not None:
        request.on_start(explorer.url)
    if request.block:
        explorer.wait()
    return explorer


def _started(corpora: tuple[AnyCorpus, ...], request: ExploreRequest) -> Explorer:
    from saetext.encoding.opening import as_corpora
    from saetext.report.explore.loaded import Loaded
    from saetext.report.explore.opening import hosts_of, opening, shown_host
    from saetext.report.explore.served import explorer_app
    from saetext.report.explore.serving import address_of, listen, new_token
    from saetext.report.explore.warming import index, warm
    from saetext.report.explore.writers import Writers

    writers = Writers(request.model, request.sae, device=request.device)
    with ExitStack() as undoing:
        listening = undoing.enter_context(listen(request.host, request.port))
        opened = as_corpora(corpora, device=request.device, dtype=request.dtype)
        if writers.named is not None:
            writers.subject(writers.named)  # says if there is no such SAE
        loaded = Loaded(
            _named(corpora, opened), device=request.device, reads=not request.peaks, writers=writers
        )
        index(loaded)
        token = new_token()
        app = explorer_app(loaded, token, hosts_of(request.host), proxied=request.allow_host)
        address = address_of(listening, shown_host(request.host), token)
        held = ExitStack()
        go = held.enter_context(opening(address, wanted=request.browser))
        warm(loaded)
        explorer = Explorer(app, listening, address, held)
        undoing.pop_all()  # from here on the explorer closes it
    go()
    return explorer


def _named(corpora: tuple[AnyCorpus, ...], opened: list[Any]) -> dict[str, Any]:
    """Return the corpora by name: the end of the path that was given, or of where the corpus is."""
    from saetext.report.explore.loaded import names_of

    given = [
        source if isinstance(source, str | os.PathLike) else corpus.path
        for source, corpus in zip(corpora, opened, strict=True)
    ]
    return dict(zip(names_of([os.fspath(path) for path in given]), opened, strict=True))
