"""Damage to inputs: bits, pieces and numbers of any file, and values of JSON. Not for: running them."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from typing import Any

PIECES = (
    *(
        b"",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\r",
        b"\n",
        b"\r\n",
    ),
    *(
        b'"',
        b"'",
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"\\uDFFF\\ud800",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\t",
    ),
    *(b"null", b"NaN", b"-Infinity", b"1e999", b"-0", b"0x1", b"true", b"1" + b"0" * 400, b"9" * 5000),
    *(b'{"text":', b'"":1', b'"text":"text","text":2', b"[" * 3000, b'{"a":' * 3000, b'"' * 1001),
    *(
        "\u2028\x85\u202e\u200b\ue0000\ue001".encode(),
        "é".encode("latin-1"),
        b"PAR1",
        b"ARROW1",
        b"PK\x03\x04",
    ),
    *(b"\x1f\x8b\x08", b"=cmd()", b"\x1b[31m", b"x" * 70_000, b" " * 5000, b"\n" * 3000),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, -(2**63) - 1, 10**30, 10**400, 1.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "a" * 3000,
        "2024-13-45",
        "2024-01-01T00:00:00Z",
        "true",
        "nan",
        "\x1b]0;x\x07",
    ),
    *([], {}, [[]], {"": ""}, [{"role": "user"}], [{"role": 1, "content": 2}], {"text": {"text": "x"}}),
    *(
        [{"role": "assistant", "content": ["a", {"type": "text", "text": "b"}]}],
        "[]",
        "{}",
        '[{"role":"user"}]',
    ),
)
KEYS = (
    "",
    " ",
    "text",
    "id",
    "prompt",
    "messages",
    "row",
    "n_tokens",
    "meta.id",
    "a\x00b",
    "\ud800",
    "k" * 300,
    "é",
)


def damaged(draw: random.Random, content: bytes, others: list[bytes], name: str) -> bytes:
    """Return ``content`` changed in one to five places."""
    if name.endswith(".gz") and draw.random() < 0.6:
        try:
            inner = damaged(draw, gzip.decompress(content), others, name.removesuffix(".gz"))
            return gzip.compress(inner, 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            pass
    if name.endswith((".jsonl", ".json")) and draw.random() < 0.5:
        content = _other_json(draw, content, name)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        content = draw.choice(_WAYS)(draw, content, others)
    return content


def resealed(draw: random.Random, content: bytes, others: list[bytes], name: str) -> bytes:
    """Return a sealed JSON file with values of its tables changed, mostly with a seal that fits.

    So writes whoever means harm; a file that is damaged by accident is found by its seal alone.
    """
    from saetext.io.sealed import SEAL, sealed

    if draw.random() < 0.2:
        return damaged(draw, content, others, name)
    try:
        data = json.loads(content)
        del data[SEAL]
    except (ValueError, KeyError, TypeError, RecursionError):
        return damaged(draw, content, others, name)
    for _ in range(draw.choice((1, 1, 2, 5))):
        _change_inside(draw, data)
    try:
        return json.dumps(sealed(data) if draw.random() < 0.95 else data).encode()
    except (ValueError, RecursionError):
        return content


_FITTING: tuple[Any, ...] = (
    *(0, 1, 2, 7, 2**31 - 1, 0.0, -0.0, 1e299, -1e299, 5e-324, 1e-300, 0.5, None, "", "\u202e", "a\nb"),
    *("\x1b[31m", "<script>", "é" * 500, "x" * 100_000, "=1+1", [], {}),
)


def _change_inside(draw: random.Random, data: Any) -> None:
    """Change one value somewhere below, or one column as a whole."""
    at, holder, key = data, None, None
    while isinstance(at, dict | list) and at and (holder is None or draw.random() < 0.9):
        holder = at
        key = draw.choice(list(at)) if isinstance(at, dict) else draw.randrange(len(at))
        at = holder[key]
    if holder is None:
        return
    value = draw.choice(_FITTING if draw.random() < 0.8 else VALUES)
    if isinstance(holder, list) and draw.random() < 0.4:
        holder[:] = draw.choice(([value] * len(holder), holder[1:], holder * 2, holder[::-1]))
    elif draw.random() < 0.1:
        if isinstance(holder, dict):
            holder[draw.choice(KEYS)] = holder.pop(key)
        else:
            holder.insert(key, value)
    else:
        holder[key] = value


def _at(draw: random.Random, content: bytes) -> int:
    """Return a place; in half of the cases near an end, where formats keep what they need."""
    near = min(len(content), 120)
    kind = draw.random()
    if kind < 0.25:
        return draw.randint(0, near)
    return len(content) - draw.randint(0, near) if kind < 0.5 else draw.randint(0, len(content))


def _flip(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(draw.choice((1, 2, 8))):
        changed[min(_at(draw, content), len(content) - 1)] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _insert(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = _at(draw, content)
    return content[:at] + draw.choice(PIECES) + content[at + draw.choice((0, 0, 1, 4)) :]


def _cut(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    return content[: _at(draw, content)]


def _drop(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = _at(draw, content)
    return content[:at] + content[at + draw.choice((1, 4, 30)) :]


def _double(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = _at(draw, content)
    return (
        content[:at] + content[at : at + draw.choice((1, 40, 400))] * draw.choice((2, 3, 50)) + content[at:]
    )


def _splice(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    other = draw.choice(others)
    return content[: _at(draw, content)] + other[_at(draw, other) :]


def _number(draw: random.Random, content: bytes, others: list[bytes]) -> bytes:
    at = _at(draw, content)
    value = draw.choice((0, 1, -1, 2**31 - 1, -(2**31), 2**24, 127, 65536))
    return content[:at] + struct.pack("<i", value) + content[at + 4 :]


_WAYS = (_flip, _flip, _insert, _insert, _cut, _drop, _double, _splice, _number)


def _other_json(draw: random.Random, content: bytes, name: str) -> bytes:
    """Exchange values and keys of rows; what is no JSON stays as it is."""
    try:
        rows = (
            json.loads(content)
            if name.endswith(".json")
            else [json.loads(line) for line in content.splitlines()]
        )
    except (ValueError, RecursionError):
        return content
    if not isinstance(rows, list) or not rows:
        return content
    for _ in range(draw.choice((1, 2, 4))):
        at = draw.randrange(len(rows))
        if isinstance(rows[at], dict) and rows[at] and draw.random() < 0.9:
            key = draw.choice((*rows[at], draw.choice(KEYS)))
            rows[at][key] = draw.choice(VALUES)
        else:
            rows[at] = draw.choice(VALUES)
    try:
        if name.endswith(".json"):
            return json.dumps(rows).encode()
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    except (ValueError, RecursionError):
        return content
