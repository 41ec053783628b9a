"""A small S3 on loopback, in this process, that fails where a test says: the subset that pyarrow speaks.

A helper for tests, not a test. moto's server would bring some 80 MB and thirty packages; it was run by hand.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

BUCKET = "shelf"
SECRET = "very-secret-key-of-a-test"
#: Gets the method, the key and the number of requests before; returns the fault, or "" for none.
Fault = Callable[[str, str, int], str]


class Shelf:
    """The objects of one bucket, what was asked, and the fault that meets the next request."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, float] = {}
        self.asked: list[tuple[str, str]] = []
        self.fault: Fault = lambda method, key, number: ""
        self.lock = threading.Lock()
        self.uploads: dict[str, dict[int, bytes]] = {}

    def put(self, key: str, content: bytes) -> None:
        self.objects[key], self.times[key] = content, time.time()

    def got(self) -> list[str]:
        """Return the keys whose bytes were asked for."""
        return [key for method, key in self.asked if method == "GET" and key]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each small answer waits for the one before
    shelf: Shelf

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, BrokenPipeError, TimeoutError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        shelf = self.shelf
        with shelf.lock:
            number = len(shelf.asked)
            shelf.asked.append((method, key))
        fault = shelf.fault(method, key, number)
        if fault == "drop":
            return self._hang_up()
        body = self._body() if method in ("PUT", "POST") else b""
        if fault == "500":
            return self._send(500, _error("InternalError"))
        if fault == "403":
            return self._send(403, _error("AccessDenied"))
        if bucket != BUCKET:
            return self._send(404, _error("NoSuchBucket"))
        if method == "PUT":
            return self._put(key, query, body, fault)
        if method == "POST" and "delete" in query:
            for gone in re.findall(r"<Key>(.*?)</Key>", body.decode()):
                self.shelf.objects.pop(unescape(gone), None)
            return self._send(200, _xml("DeleteResult", ""))
        if method == "POST":
            return self._post(key, query)
        if method == "DELETE":
            shelf.objects.pop(key, None)
            return self._send(204, b"")
        if not key:
            return self._send(200, self._list(query) if method == "GET" else b"")
        if key not in shelf.objects:
            return self._send(404, _error("NoSuchKey"))
        return self._object(key, fault)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            content = b"".join(self._chunks())
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "x-amz-decoded-content-length" not in self.headers:
            return content
        whole = b""
        while True:  # pieces with their lengths before them, a checksum behind
            head, _, content = content.partition(b"\r\n")
            size = int(head.partition(b";")[0], 16)
            if not size:
                return whole
            whole, content = whole + content[:size], content[size + 2 :]

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _put(self, key: str, query: dict[str, str], body: bytes, fault: str) -> None:
        if fault == "half":  # as a store that broke off and kept what it had
            self.shelf.put(key, body[: len(body) // 2])
            return self._hang_up()
        if "partNumber" in query:
            self.shelf.uploads[query["uploadId"]][int(query["partNumber"])] = body
        elif fault != "lost":
            self.shelf.put(key, body)
        if fault == "unheard":  # it is there, and nobody is told
            return self._hang_up()
        return self._send(200, b"", ETag=_etag(body))

    def _post(self, key: str, query: dict[str, str]) -> None:
        if "uploads" in query:
            name = f"upload{len(self.shelf.uploads)}"
            self.shelf.uploads[name] = {}
            inner = f"<Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            return self._send(200, _xml("InitiateMultipartUploadResult", inner))
        parts = self.shelf.uploads.pop(query["uploadId"])
        whole = b"".join(parts[number] for number in sorted(parts))
        self.shelf.put(key, whole)
        inner = f"<Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key><ETag>{_etag(whole)}</ETag>"
        return self._send(200, _xml("CompleteMultipartUploadResult", inner))

    def _list(self, query: dict[str, str]) -> bytes:
        begins, mark = query.get("prefix", ""), query.get("delimiter", "")
        keys, folders = [], set()
        for key in sorted(k for k in self.shelf.objects if k.startswith(begins)):
            rest = key[len(begins) :]
            if mark and mark in rest:
                folders.add(begins + rest.partition(mark)[0] + mark)
            else:
                keys.append(key)
        inner = "".join(
            f"<Contents><Key>{escape(k)}</Key><Size>{len(self.shelf.objects[k])}</Size>"
            f"<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{_etag(self.shelf.objects[k])}</ETag></Contents>"
            for k in keys
        )
        inner += "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in folders)
        count = f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        return _xml("ListBucketResult", f"<Name>{BUCKET}</Name>{count}{inner}")

    def _object(self, key: str, fault: str) -> None:
        content = self.shelf.objects[key]
        status, headers = 200, {"ETag": _etag(content), "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        wanted = self.headers.get("Range")
        if wanted and self.command == "GET":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last or len(content)) + 1, len(content))
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
            status, content = 206, content[begin:end]
        if fault == "flipped" and content:
            content = bytes([content[0] ^ 1]) + content[1:]
        self._send(status, content, cut=fault == "cut", slow=fault == "slow", **headers)

    def _send(
        self, status: int, body: bytes, *, cut: bool = False, slow: bool = False, **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Content-Type", "application/xml" if body.startswith(b"<?xml") else "binary/octet-stream"
        )
        self.end_headers()
        if self.command == "HEAD":
            return
        if slow:
            for start in range(0, len(body), max(1, len(body) // 5)):
                self.wfile.write(body[start : start + max(1, len(body) // 5)])
                self.wfile.flush()
                time.sleep(0.02)
            return
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self._hang_up()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'.encode()


def _error(code: str) -> bytes:
    return _xml("Error", f"<Code>{code}</Code><Message>{code}</Message>")


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Serve an empty bucket, which the environment names, until the block ends."""
    shelf = Shelf()
    handler = type("Handler", (_Handler,), {"shelf": shelf})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
