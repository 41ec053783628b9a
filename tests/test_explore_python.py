"""saetext.explore in Python: served by a thread, opened in a browser where there is a screen, stopped."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from corpus_factory import make_corpus

import saetext
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.io import extras
from saetext.report.explore import opening


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("explored") / "some.corpus")[0]


def text_of(url: str) -> str:
    asked = urllib.request.Request(url, headers={"accept": "text/html"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        found: str = answer.read().decode()
    return found


def test_pages_are_answered_until_it_is_stopped(corpus: Corpus) -> None:
    explorer = saetext.explore(corpus, str(corpus.path), browser=False, peaks=True)
    assert explorer.running and explorer.url in repr(explorer)
    page = text_of(explorer.url)
    assert "some" in page and "some 2" in page, "of two of one name the second gets a number"
    with pytest.raises(urllib.error.HTTPError):
        text_of(explorer.url.replace(urlparse(explorer.url).path, "/another-token/"))
    port = urlparse(explorer.url).port
    assert port is not None
    explorer.stop()
    explorer.stop()
    assert not explorer.running and "stopped" in repr(explorer) and "stopped" in explorer._repr_html_()
    with pytest.raises(urllib.error.URLError):
        text_of(explorer.url)
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


def test_it_stops_with_its_block_whatever_happens_there(corpus: Corpus) -> None:
    with pytest.raises(KeyError), saetext.explore(corpus, browser=False) as explorer:
        assert text_of(explorer.url) and f'href="{explorer.url}"' in explorer._repr_html_()
        raise KeyError
    assert not explorer.running


def test_two_run_beside_each_other_at_ports_and_tokens_of_their_own(corpus: Corpus) -> None:
    with saetext.explore(corpus, browser=False) as one, saetext.explore(corpus, browser=False) as other:
        assert one.url != other.url and text_of(one.url) and text_of(other.url)
        one.stop()
        assert text_of(other.url)


def test_a_script_waits_until_another_thread_stops_it(corpus: Corpus) -> None:
    told: list[str] = []

    def started(url: str) -> None:
        told.append(text_of(url))
        (thread,) = [one for one in threading.enumerate() if one.name == "saetext-explore"]
        threading.Timer(0.3, stop, [thread]).start()

    def stop(thread: Any) -> None:
        thread._target.__self__.stop() if hasattr(thread, "_target") else None

    explorer = saetext.explore(corpus, browser=False, block=True, on_start=started)
    assert told and not explorer.running


def test_it_works_where_an_event_loop_runs_already(corpus: Corpus) -> None:
    """As in a notebook."""
    import asyncio

    async def cell() -> str:
        with saetext.explore(corpus, browser=False) as explorer:
            return await asyncio.to_thread(text_of, explorer.url)

    assert "some" in asyncio.run(cell())


@pytest.mark.parametrize(("screen", "wanted"), [(True, True), (True, False), (False, True)])
def test_a_browser_is_opened_where_there_is_a_screen_unless_told_not_to(
    screen: bool, wanted: bool, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, there = [], threading.Event()

    def open_page(address: str) -> None:
        opened.append(Path(urllib.request.url2pathname(urlparse(address).path)).read_text())
        there.set()

    monkeypatch.setattr(opening.webbrowser, "open", open_page)
    monkeypatch.setattr(opening, "has_screen", lambda: screen)
    with saetext.explore(corpus, browser=wanted) as explorer:
        if screen and wanted:
            assert there.wait(30) and explorer.url in opened[0]
        text_of(explorer.url)
    assert len(opened) == (screen and wanted)


def test_what_is_missing_or_wrong_is_one_line(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="name a corpus"):
        saetext.explore()
    with pytest.raises(InputError, match="no such corpus or file"):
        saetext.explore(tmp_path / "nonesuch.corpus", browser=False)
    with pytest.raises(InputError, match="it cannot write"):
        saetext.explore(corpus, model="embedded", browser=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen at 127.0.0.1:{port}"):
            saetext.explore(corpus, port=port, browser=False)
    with pytest.raises(TypeError):
        saetext.explore(corpus, prot=1)
    assert not [one for one in threading.enumerate() if one.name == "saetext-explore"]
    plain = extras.installed
    monkeypatch.setattr(extras, "installed", lambda module: module != "uvicorn" and plain(module))
    with pytest.raises(InputError, match=r"saetext\[explore\]") as told:
        saetext.explore(corpus, browser=False)
    assert "\n" not in str(told.value)


def test_a_port_is_free_again_after_a_start_that_failed(corpus: Corpus, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(InputError):
        saetext.explore(tmp_path / "nonesuch.corpus", port=port, browser=False)
    with saetext.explore(corpus, port=port, browser=False) as explorer:
        assert urlparse(explorer.url).port == port


def test_naming_it_loads_no_server() -> None:
    code = (
        "import sys, saetext; saetext.explore; saetext.Explorer; "
        "print([name for name in ('uvicorn', 'starlette', 'torch', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
