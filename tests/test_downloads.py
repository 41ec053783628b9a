"""Downloads from hostile servers: bounded, redirected where that is harmless, and kept only if whole."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from hostile_scripts import BOMB, SCRIPTS, STALL
from hostile_server import Asked, HostileServer, Step, hostile_server, http

from saetext.errors import LabelError
from saetext.features.labelling import neuronpedia
from saetext.features.labelling.neuronpedia import published
from saetext.io.web import open_client
from saetext.io.web_bounds import Refused


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-sent")
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)
    monkeypatch.setattr(neuronpedia, "_DEADLINE", 20.0)
    monkeypatch.setattr(neuronpedia, "_LARGEST", 1 << 20)


def rows(*labels: str) -> bytes:
    lines = [json.dumps({"index": i, "description": label}) for i, label in enumerate(labels)]
    return "\n".join(lines).encode()


GOOD = gzip.compress(rows("zero", "one"), mtime=0)


def serving(*batches: bytes) -> object:
    """Return a script that serves whole responses for batches by number, and 404 after the last."""

    def script(asked: Asked) -> Iterable[Step]:
        number = int(asked.path.split("batch-")[1].split(".")[0])
        return [batches[number] if number < len(batches) else http(404)]

    return script


def labels_of(url: str) -> list[str]:
    return [row.label for row in published("m/l", 8, base_url=url)]


def test_a_redirect_to_another_origin_is_followed_without_the_key() -> None:
    with hostile_server(serving(), models=serving(http(200, GOOD))) as other:  # type: ignore[arg-type]

        def moved(asked: Asked) -> Iterable[Step]:
            return [http(302, b"", f"Location: {other.origin}{asked.path}")]

        with hostile_server(moved, models=moved) as server:
            assert labels_of(server.origin) == ["zero", "one"]
        assert other.asked and not any("sk-never" in asked.headers for asked in [*other.asked, *server.asked])
        assert all("authorization" not in asked.headers.lower() for asked in other.asked)


MOVED = {
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/",
    "a password": "http://me:pw@127.0.0.1/",
    "itself": "{origin}{path}",
    "nowhere": "",
}


@pytest.mark.parametrize("name", MOVED)
def test_other_redirects_are_refused(name: str) -> None:
    def moved(asked: Asked) -> Iterable[Step]:
        return [http(302, GOOD, "Location: " + MOVED[name].format(origin=asked.origin, path=asked.path))]

    with hostile_server(moved, models=moved) as server:
        with pytest.raises(LabelError, match="redirects") as caught:
            published("m/l", 8, base_url=server.origin)
        assert len(server.asked) <= 6
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_names_are_resolved_once_and_a_public_server_does_not_lead_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address that is judged is the one that is connected to."""

    def moved(asked: Asked) -> Iterable[Step]:
        return [http(302, b"", f"Location: http://internal.test:{port}/secret")]

    resolved: list[str] = []

    def resolve(host: str, at: int, **more: object) -> list[object]:
        resolved.append(host)
        address = "93.184.215.14" if host == "public.test" else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, at))]

    connect = socket.create_connection

    def connected(address: tuple[str, int], *args: object, **more: object) -> socket.socket:
        return connect(("127.0.0.1", address[1]), *args, **more)  # type: ignore[arg-type]

    with hostile_server(moved, models=moved) as server:
        port = server.origin.rpartition(":")[2]
        names = SimpleNamespace(getaddrinfo=resolve, SOCK_STREAM=socket.SOCK_STREAM)
        monkeypatch.setattr("saetext.io.web_bounds.socket", names)
        monkeypatch.setattr("httpcore2._backends.sync.socket.create_connection", connected)
        client = open_client("this", timeout=5, deadline=5)
        with pytest.raises(Refused, match="private"):
            client.download(f"http://public.test:{port}/x", most_bytes=1000)
        assert resolved == ["public.test", "internal.test"] and len(server.asked) == 1


@pytest.mark.parametrize(("timeout", "deadline"), [(0.3, 20.0), (20.0, 0.3)])
def test_a_resolver_that_does_not_answer_is_waited_for_no_longer(
    timeout: float, deadline: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        over.wait(30)
        return []

    names = SimpleNamespace(getaddrinfo=resolve, SOCK_STREAM=socket.SOCK_STREAM)
    monkeypatch.setattr("saetext.io.web_bounds.socket", names)
    client = open_client("this", timeout=timeout, deadline=deadline)
    started = time.perf_counter()
    with pytest.raises(httpx2.ConnectTimeout, match="no address of the host was found in 0 s"):
        client.download("http://slow.test/x", most_bytes=1000)
    over.set()
    assert 0.25 < time.perf_counter() - started < 15  # not the 20 and 30 seconds of the others


BROKEN = [
    name
    for name, (_, expected) in SCRIPTS.items()
    if expected in ("too large", "connection lost", "timed out")
]


@pytest.mark.parametrize("name", BROKEN[::2])
def test_what_a_hostile_server_does_is_one_line_and_nothing_is_kept(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neuronpedia, "_TRIES", 1)
    monkeypatch.setattr(neuronpedia, "_DEADLINE", 0.4)
    started = time.perf_counter()
    script, _ = SCRIPTS[name]
    with hostile_server(script, models=script) as server, pytest.raises(LabelError) as caught:
        published("m/l", 8, base_url=server.origin)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert time.perf_counter() - started < 15  # one that stalls does for thirty
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


CONTENTS = {
    "a bomb": BOMB,
    "deep": gzip.compress(b'{"index": ' + b"[" * 100_000),
    "an infinite index": gzip.compress(b'{"index": 1e999, "description": "x"}'),
    "an index of 5,000 digits": gzip.compress(b'{"index": ' + b"9" * 5000 + b"}"),
    "an index of 400 digits": gzip.compress(b'{"index": ' + b"9" * 400 + b"}"),
    "an index of a MiB": gzip.compress(b'{"index": "' + b"x" * 900_000 + b'"}'),
    "NaN": gzip.compress(b'{"index": NaN}'),
    "not UTF-8": gzip.compress(b'{"index": 1, "description": "\xff"}'),
    "cut short": GOOD[:-4],
    "a wrong checksum": GOOD[:-8] + b"12345678",
    "HTML": b"<html>",
    "another SAE's": gzip.compress(b'{"index": 99, "description": "x"}'),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_batch_is_one_line_and_is_not_kept(name: str, tmp_path: Path) -> None:
    with hostile_server(serving(), models=serving(http(200, CONTENTS[name]))) as server:  # type: ignore[arg-type]
        with pytest.raises(LabelError) as caught:
            published("m/l", 8, base_url=server.origin)
        assert str(caught.value).isprintable() and len(str(caught.value)) < 300
        assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        server.models = serving(http(200, GOOD))  # type: ignore[assignment]
        assert labels_of(server.origin) == ["zero", "one"]


def test_labels_are_cut_and_safe_to_print() -> None:
    said = {
        "index": 3,
        "description": "a\x1b[2J\u202e\n" + "b" * 90_000,
        "explanationModelName": "c\x9b" * 5000,
    }
    batch = http(200, gzip.compress(json.dumps(said).encode()))
    with hostile_server(serving(), models=serving(batch)) as server:  # type: ignore[arg-type]
        [row] = published("m/l", 8, base_url=server.origin)
    assert row.label.isprintable() and len(row.label) <= 500
    assert row.source.isprintable() and len(row.source) <= 120


@pytest.fixture
def kept(tmp_path: Path) -> tuple[HostileServer, list[Path]]:
    unpacked = rows("two", "three")  # a server that unpacks: what is kept has a checksum all the same
    replies = serving(http(200, GOOD), http(200, unpacked))
    with hostile_server(serving(), models=replies) as server:  # type: ignore[arg-type]
        assert labels_of(server.origin) == ["two", "three"]
        paths = sorted((tmp_path / "cache").rglob("batch-*.gz"))
        assert len(paths) == 2
        yield server, paths


def test_every_changed_byte_of_a_kept_batch_is_seen(kept: tuple[HostileServer, list[Path]]) -> None:
    server, paths = kept
    wrong = 0
    for path in paths:
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            wrong += labels_of(server.origin) != ["two", "three"]
        path.write_bytes(whole)
    assert wrong == 0


def test_other_servers_have_other_labels(kept: tuple[HostileServer, list[Path]]) -> None:
    server, _ = kept
    batch = http(200, gzip.compress(rows("others'")))
    with hostile_server(serving(), models=serving(batch)) as other:  # type: ignore[arg-type]
        assert labels_of(other.origin) == ["others'"]
    assert labels_of(server.origin) == ["two", "three"]


def test_a_kept_batch_that_would_block_is_passed_over(kept: tuple[HostileServer, list[Path]]) -> None:
    server, paths = kept
    paths[0].unlink()
    os.mkfifo(paths[0])
    assert labels_of(server.origin) == ["two", "three"]


@pytest.mark.parametrize("bad", ["../x", "x/..", "./x", ".hidden/x", "a/" + "b" * 200, "a\n/b"])
def test_ids_are_no_paths(bad: str) -> None:
    with pytest.raises(LabelError, match="not a Neuronpedia id") as caught:
        published(bad, 8)
    assert len(str(caught.value)) < 300


def test_requests_through_a_proxy_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stalls = [b"HTTP/1.1 200 -\r\nContent-Length: 900\r\n\r\n", *[b" ", 0.05] * 800, STALL]
    with hostile_server(lambda asked: stalls, models=lambda asked: stalls) as proxy:
        monkeypatch.setenv("http_proxy", proxy.origin)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr(neuronpedia, "_TRIES", 1)
        monkeypatch.setattr(neuronpedia, "_DEADLINE", 0.4)
        started = time.perf_counter()
        with pytest.raises(LabelError, match="cannot reach"):
            published("m/l", 8, base_url="http://example.invalid")
        assert time.perf_counter() - started < 20  # without a deadline, seventy
        assert proxy.asked[0].path.startswith("http://example.invalid/")
