"""A server of raw bytes, for tests: it sends what no HTTP library would, as slowly or endlessly as told."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# What is done on a connection: bytes are sent, seconds are waited, CLOSE ends it, RESET breaks it off rudely
Step = bytes | float
RESET, CLOSE = float("-inf"), float("inf")
Script = Callable[["Asked"], Iterable[Step]]


@dataclass(frozen=True)
class Asked:
    """One request as it came, and where it came to."""

    method: str
    path: str
    headers: str
    body: bytes
    number: int  # of its method, from 1
    origin: str  # http://127.0.0.1:port of the server that got it
    elsewhere: str  # origin of another server, for redirects


@dataclass
class HostileServer:
    """Answers every POST by a script; ``GET`` gets a plain 404 unless ``models`` says otherwise."""

    script: Script
    elsewhere: str = ""
    models: Script | None = None
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.origin = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = f"{self.origin}/v1"
        self.stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def posts(self) -> list[Asked]:
        return [one for one in self.asked if one.method == "POST"]

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            left = b""
            while (read := _request(connection, left)) is not None:
                head, body, left = read
                first, _, headers = head.partition("\r\n")
                method, path, _ = first.split(" ")
                number = 1 + sum(one.method == method for one in self.asked)
                asked = Asked(method, path, headers, body, number, self.origin, self.elsewhere)
                self.asked.append(asked)
                script = self.script if method == "POST" else self.models
                steps = script(asked) if script else [b"HTTP/1.1 404 -\r\nContent-Length: 0\r\n\r\n"]
                if not self._play(connection, steps) or "connection: close" in headers.lower():
                    return

    def _play(self, connection: socket.socket, steps: Iterable[Step]) -> bool:
        for step in steps:
            if self.stopped.is_set():
                return False
            if step == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            if step == CLOSE:
                return False
            if isinstance(step, float):
                if self.stopped.wait(step):
                    return False
            else:
                connection.sendall(step)
        return True


def _request(connection: socket.socket, data: bytes) -> tuple[str, bytes, bytes] | None:
    """Return head and body of the next request, and what came after it; None at the end."""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    size = int(length[1]) if length else 0
    while len(body) < size:
        body += connection.recv(65536)
    return head.decode("latin-1"), body[:size], body[size:]


@contextmanager
def hostile_server(
    script: Script, *, models: Script | None = None, elsewhere: str = ""
) -> Iterator[HostileServer]:
    server = HostileServer(script, elsewhere, models)
    try:
        yield server
    finally:
        server.stopped.set()
        with contextlib.suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)  # or its thread would wait for ever
        server.listener.close()


def http(status: int | str, body: bytes = b"", *headers: str, length: int | str | None = None) -> bytes:
    """Return a response; ``length`` lies about the body's."""
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def head(status: int | str, *headers: str) -> bytes:
    """Return the beginning of a response, without a length."""
    return "\r\n".join([f"HTTP/1.1 {status} -", *headers]).encode("latin-1") + b"\r\n\r\n"


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return a body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + end


def forever(piece: bytes, pause: float = 0.0) -> Iterator[Step]:
    """Yield a piece again and again."""
    while True:
        yield piece
        if pause:
            yield pause


def dribbled(data: bytes, pause: float) -> Iterator[Step]:
    """Yield a byte at a time."""
    for i in range(len(data)):
        yield data[i : i + 1]
        yield pause


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
