"""What a hostile or broken endpoint may do to a client, by name: redirects, bombs, stalls, nonsense.

Each script says what must come of it: ``"fine"`` (an answer all the same), or the reason that is counted.
"""

from __future__ import annotations

import gzip
import itertools
import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any

from chat_server import completion
from hostile_server import CLOSE, RESET, Asked, Script, Step, chunked, dribbled, forever, head, http

KEY = "sk-Secret/77+x=="
ANSWER = json.dumps(completion("fine")).encode()
FINE = http(200, ANSWER, "Content-Type: application/json")
LOST, SLOW, STRANGE, LARGE = "connection lost", "timed out", "not a chat completion", "too large"
CODED, MOVED = "damaged or unknown encoding", "redirected elsewhere"
STALL = 30.0
MIB = 1 << 20

SCRIPTS: dict[str, tuple[Script, str]] = {}


def add(name: str, expected: str, *steps: Step) -> None:
    """A script that does the same whoever asks."""
    assert name not in SCRIPTS, name
    SCRIPTS[name] = (lambda asked: steps, expected)


def says(name: str, expected: str, content: Any = None, **changes: Any) -> None:
    """A script that answers 200 with JSON (or bytes)."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    if changes:
        body = json.dumps(completion("fine") | changes).encode()
    add(name, expected, http(200, body, "Content-Type: application/json"))


# ---- redirects: every code, to the same and to another origin, each with a completion as its body


def _moving(code: int, target: str) -> Script:
    def script(asked: Asked) -> Iterable[Step]:
        if asked.path == "/v2/chat/completions":
            return [FINE]
        location = target.format(
            origin=asked.origin, elsewhere=asked.elsewhere, port=asked.origin.rpartition(":")[2]
        )
        return [http(code, ANSWER, f"Location: {location}")]

    return script


for code in (300, 301, 302, 303, 304, 305, 307, 308):
    kept = code in (307, 308)
    other = MOVED if code not in (300, 304, 305) else f"status {code}"
    SCRIPTS[f"{code} same origin"] = _moving(code, "{origin}/v2/chat/completions"), "fine" if kept else other
    SCRIPTS[f"{code} other port"] = _moving(code, "{elsewhere}/v1/chat/completions"), other
TARGETS = {
    "other name of the host": "http://localhost:{port}/v2/chat/completions",
    "other scheme": "https://127.0.0.1:{port}/v2/chat/completions",
    "without a scheme": "//localhost:{port}/v2/chat/completions",
    "file": "file:///etc/passwd",
    "data": "data:application/json,{{}}",
    "script": "javascript:alert(1)",
    "with a password": "http://user:pw@127.0.0.1:{port}/v2/chat/completions",
    "empty": "",
    "bad port": "http://127.0.0.1:99999999/",
    "bad address": "http://[::1/",
    "long": "http://127.0.0.2/" + "a" * 50_000,
    "escapes": "http://\xc2\x9b31m.example/",
    "to itself": "/v1/chat/completions",
}  # fmt: skip
for name, target in TARGETS.items():
    SCRIPTS[f"307 {name}"] = _moving(307, target), MOVED
SCRIPTS["308 by a path alone"] = _moving(308, "/v2/chat/completions"), "fine"
SCRIPTS["307 by a relative path"] = _moving(307, "../../v2/chat/completions"), "fine"
add("307 without a place", MOVED, http(307, ANSWER))

# ---- bombs


def _gzip_of(piece: bytes, times: int) -> bytes:
    """Return a gzip file of a piece many times over, which is compressed once: each begins a block anew."""
    pack = zlib.compressobj(9, wbits=-15)
    packed = pack.compress(piece) + pack.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(times):
        check = zlib.crc32(piece, check)
    head, end = b"\x1f\x8b\x08\0\0\0\0\0\0\xff", zlib.compressobj(9, wbits=-15).flush()
    return head + packed * times + end + struct.pack("<II", check, len(piece) * times % 2**32)


BOMB = _gzip_of(b" " * MIB, 1024)  # a GiB of blanks in one MiB
GZIP = "Content-Encoding: gzip"
SCRIPTS["3 GiB"] = (
    (lambda a: itertools.chain([head(200, f"Content-Length: {3 << 30}")], forever(b" " * MIB))),
    LARGE,
)
SCRIPTS["chunks without end"] = (
    (
        lambda a: itertools.chain(
            [head(200, "Transfer-Encoding: chunked")], forever(chunked(b" " * MIB, end=b""))
        )
    ),
    LARGE,
)
SCRIPTS["no length and no end"] = (lambda a: itertools.chain([head(200)], forever(b"[" * MIB))), LARGE
add("gzip bomb", LARGE, http(200, BOMB, GZIP))
add("gzip bomb in chunks", LARGE, head(200, GZIP, "Transfer-Encoding: chunked"), chunked(BOMB))
add("gzip bomb of an error", "status 500", http(500, BOMB, GZIP))
add("gzip", "fine", http(200, gzip.compress(ANSWER), GZIP))
add("gzip in two members", "fine", http(200, gzip.compress(ANSWER[:50]) + gzip.compress(ANSWER[50:]), GZIP))
add("gzip cut short", CODED, http(200, gzip.compress(ANSWER)[:-9], GZIP))
add("gzip that is none", CODED, http(200, ANSWER, GZIP))
add("gzip with a wrong checksum", CODED, http(200, gzip.compress(ANSWER)[:-8] + b"12345678", GZIP))
add("gzip and rubbish", CODED, http(200, gzip.compress(ANSWER) + b"rubbish", GZIP))
add("gzip twice", CODED, http(200, gzip.compress(gzip.compress(ANSWER)), "Content-Encoding: gzip, gzip"))
for coding in ("br", "zstd", "deflate", "compress", "x-made-up"):
    add(f"coded as {coding}", CODED, http(200, b"\x28\xb5\x2f\xfd" * 9, f"Content-Encoding: {coding}"))
add("said to be coded as identity", "fine", http(200, ANSWER, "Content-Encoding: identity"))
says("5 MiB of JSON", LARGE, ANSWER + b" " * (5 * MIB))
says("an answer of 1 MiB", "longer than max_tokens allows", completion("x" * MIB))
add("an error of 3 GiB", "status 500", head(500, f"Content-Length: {3 << 30}"), *[b"e" * MIB] * 2)

# ---- too slow


def _endless(*first: Step, piece: bytes, pause: float = 0.0) -> Script:
    return lambda asked: itertools.chain(first, forever(piece, pause))


SCRIPTS["never a byte"] = (lambda a: [STALL]), SLOW
SCRIPTS["headers a byte at a time"] = (lambda a: dribbled(FINE, 0.03)), SLOW
SCRIPTS["a body a byte at a time"] = (
    (lambda a: itertools.chain([head(200, "Content-Length: 900")], forever(b" ", 0.03))),
    SLOW,
)
SCRIPTS["chunks a byte at a time"] = (
    (lambda a: itertools.chain([head(200, "Transfer-Encoding: chunked")], forever(b"1\r\n \r\n", 0.03))),
    SLOW,
)
SCRIPTS["interim answers, one by one"] = _endless(piece=head(102), pause=0.03), SLOW
SCRIPTS["header lines, one by one"] = _endless(b"HTTP/1.1 200 -\r\n", piece=b"A: b\r\n", pause=0.03), SLOW
add("stalls in its headers", SLOW, FINE[:40], STALL)
add("stalls in its body", SLOW, FINE[:-9], STALL)
add("stalls in a chunk", SLOW, head(200, "Transfer-Encoding: chunked"), b"ff\r\n{", STALL)
SCRIPTS["a flood of 100 Continue"] = _endless(piece=head(100) * 5000), LARGE
SCRIPTS["a flood of 103 hints"] = _endless(piece=head(103, "Link: </a>") * 5000), LARGE
SCRIPTS["headers without end"] = _endless(b"HTTP/1.1 200 -\r\n", piece=b"A: " + b"b" * 60_000 + b"\r\n"), LOST
SCRIPTS["one header without end"] = _endless(b"HTTP/1.1 200 -\r\nA: ", piece=b"b" * 60_000), LOST
SCRIPTS["a status line without end"] = _endless(b"HTTP/1.1 200 ", piece=b"b" * 60_000), LOST
SCRIPTS["trailers without end"] = (
    _endless(
        head(200, "Transfer-Encoding: chunked"), chunked(ANSWER, end=b"0\r\n"), piece=b"A: b\r\n" * 9999
    ),
    LOST,
)

# ---- no HTTP, or broken off

add("closes at once", LOST, CLOSE)
add("resets at once", LOST, RESET)
add("resets in its headers", LOST, FINE[:30], RESET)
add("resets in its body", LOST, FINE[:-30], RESET)
add("resets in a chunk", LOST, head(200, "Transfer-Encoding: chunked"), b"ffff\r\n{", RESET)
add("closes in its headers", LOST, FINE[:30], CLOSE)
add("closes in its body", LOST, FINE[:-30], CLOSE)
add("speaks HTTP/0.9", LOST, ANSWER, CLOSE)
add("speaks HTTP/9.9", "fine", FINE.replace(b"HTTP/1.1", b"HTTP/9.9"))
add("speaks SSH", LOST, b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE)
add("speaks TLS", LOST, b"\x15\x03\x01\x00\x02\x02\x46", CLOSE)
add("a status of five digits", LOST, http(99999, ANSWER))
add("a status of letters", LOST, http("two", ANSWER))
add("a negative length", LOST, http(200, ANSWER, length=-1))
add("a length in words", LOST, http(200, ANSWER, length="1e3"))
add("a length of 400 digits", LOST, http(200, ANSWER, length="9" * 400))
add("two lengths", LOST, http(200, ANSWER, "Content-Length: 5"))
add("more than its length", "fine", FINE + b"and more", CLOSE)
add("less than its length", STRANGE, http(200, ANSWER, length=20))
add("an unknown transfer encoding", LOST, head(200, "Transfer-Encoding: gzip"), ANSWER, CLOSE)
add("a chunk of no size", LOST, head(200, "Transfer-Encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n", CLOSE)
add("a negative chunk", LOST, head(200, "Transfer-Encoding: chunked"), b"-5\r\n{}\r\n0\r\n\r\n", CLOSE)
add("a chunk of 2**80", LOST, head(200, "Transfer-Encoding: chunked"), b"f" * 20 + b"\r\n{}", CLOSE)
add(
    "chunks without their end", LOST, head(200, "Transfer-Encoding: chunked"), chunked(ANSWER, end=b""), CLOSE
)
add("chunks", "fine", head(200, "Transfer-Encoding: chunked"), chunked(ANSWER[:9], ANSWER[9:]))
add("NUL in a header", LOST, http(200, ANSWER, "X: a\0b"))
add("escapes in a header", "fine", http(200, ANSWER, "X: a\xff b"))
add("bare line feeds", "fine", FINE.replace(b"\r\n", b"\n"))
add("a header without a colon", LOST, http(200, ANSWER, "nonsense"))
add("one 100 Continue", "fine", head(100), FINE)
add("two answers at once", "fine", FINE + http(200, json.dumps(completion("another's")).encode()))
add("switches protocols", LOST, head(101, "Upgrade: x", "Connection: upgrade"), ANSWER)
add("hop-by-hop oddities", "fine", http(200, ANSWER, "Connection: keep-alive, x", "Keep-Alive: timeout=-1"))
for code in (204, 205, 206, 226, 299, 400, 418, 451, 511, 599, 700, 999):
    reason = LOST if code >= 1000 else f"status {code}"
    add(f"status {code}", reason, head(code) if code == 204 else http(code, ANSWER))
add("status 201", "fine", http(201, ANSWER))

# ---- answers that are none

says("HTML", STRANGE, b"<html><script>alert(1)</script></html>")
says("a stream of events", STRANGE, b"data: " + ANSWER + b"\n\ndata: [DONE]\n\n")
add("JSON called HTML", "fine", http(200, ANSWER, "Content-Type: text/html; charset=utf-7"))
says("JSON cut short", STRANGE, ANSWER[:-1])
says("JSON and more", STRANGE, ANSWER + ANSWER)
says("lists 100,000 deep", STRANGE, b"[" * 100_000 + b"]" * 100_000)
says("objects 100,000 deep", STRANGE, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
says("500 deep beside an answer", STRANGE, ANSWER[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}")
says("an integer of 5,000 digits", STRANGE, ANSWER[:-1] + b', "x": ' + b"9" * 5000 + b"}")
says("NaN", STRANGE, ANSWER[:-1] + b', "x": NaN}')
says("infinity", STRANGE, ANSWER[:-1] + b', "x": -Infinity}')
says("bytes that are not UTF-8", STRANGE, ANSWER.replace(b"fine", b"fin\xe9"))
says("UTF-8 with a mark", "fine", b"\xef\xbb\xbf" + ANSWER)
says("no choices", STRANGE, choices=[])
says("choices that are none", STRANGE, choices=None)
says("choices by name", STRANGE, choices={"0": completion("fine")["choices"][0]})
says("choices of numbers", STRANGE, choices=[1, 2])
says("no message", STRANGE, choices=[{"index": 0}])
says("a text for a message", STRANGE, choices=[{"message": "fine"}])
says("what the user said", STRANGE, choices=[{"message": {"role": "user", "content": "fine"}}])
says("another choice than the first", STRANGE, choices=[completion("fine")["choices"][0] | {"index": 7}])
says("no content", "empty answer", choices=[{"message": {"role": "assistant"}}])
says("content in parts", "empty answer", choices=[{"message": {"content": [{"text": "fine"}]}}])
says("content of blanks", "empty answer", completion(" \n\t\u200b".replace("\u200b", "")))
says("an error with 200", STRANGE, {"error": {"message": f"no {KEY}"}})
says("an error beside an answer", STRANGE, error={"message": "overloaded"})
says("cut off", "cut off at max_tokens", completion("fine", "length"))
says("filtered", "filtered", completion("fine", "content_filter"))
says("tokens of 400 digits", STRANGE, usage={"prompt_tokens": 10**400, "completion_tokens": -(10**400)})
says("tokens that are infinite", STRANGE, ANSWER.replace(b"15", b"Infinity"))
says("tokens in floats", "fine", usage={"prompt_tokens": 1e300, "completion_tokens": 0.5})
for name, wrong in {"null": None, "a number": 7, "a text": "fine", "a list": [ANSWER.decode()]}.items():
    says(f"{name} alone", STRANGE, wrong)

# ---- errors that say too much, and waits that are too long

ECHO = json.dumps({"error": {"message": f"bad key {KEY}\x1b]0;x\x07\nand " + "x" * 9000}}).encode()
for code in (400, 401, 403, 404, 422, 500):
    add(f"status {code} with the key", f"status {code}", http(code, ECHO, f"X-Key: {KEY}"))
add("an error that is no JSON, with the key", "status 400", http(400, f"<b>{KEY}</b>".encode()))
for wait in ("3600", "1e400", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"):
    add(f"wait {wait[:16]}", "rate limited", http(429, b"", f"Retry-After: {wait}"))
for wait in ("-5", "nan", "soon", "", "0"):
    add(f"wait {wait!r}", "rate limited", http(429, b"", f"Retry-After: {wait}"))
