"""The explorer over small corpora, for tests: a client in this process, and a server for a real browser.

A helper for tests, not a test.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from saetext.corpus import Corpus
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.served import explorer_app

TOKEN = "a-token-of-tests"


def client_of(corpora: Mapping[str, Corpus] | Loaded, *, strict: bool = True, **app: Any) -> Any:
    """Return a client whose addresses are those of pages: ``client.get("read?page=2")``.

    With ``strict`` a fault in the app is raised here, not answered with a line.
    """
    from starlette.testclient import TestClient

    loaded = corpora if isinstance(corpora, Loaded) else Loaded(corpora, reads=False)
    base = f"http://127.0.0.1:8000/{TOKEN}/"
    headers = {"accept": "text/html", "origin": "http://127.0.0.1:8000"}
    return TestClient(
        explorer_app(loaded, TOKEN, **app), base, headers=headers, raise_server_exceptions=strict
    )


@contextlib.contextmanager
def serving(loaded: Loaded, **app: Any) -> Iterator[str]:
    """Serve in a thread, at the address that is yielded, with a slash at its end."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            explorer_app(loaded, TOKEN, **app), log_level="warning", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/{TOKEN}/"
        server.should_exit = True
        thread.join(10)
