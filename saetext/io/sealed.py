"""Seals: what lies on disk says itself what it should be, and what it was made from.

JSON has its checksum under the key ``seal``; a file of another format has a few bytes behind its end, which
its own readers pass over. What has no seal was written by an earlier version or by hand. Not for: Arrow
tables (:mod:`saetext.io.sealed_table`) or directories (:mod:`saetext.io.derived`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash

SEAL = "seal"
_MAGIC = b"\0SAETEXT-SEAL-1\0"
_DIGEST = 16  # bytes of an XXH3-128
_LENGTH = len(_MAGIC) + 2 * _DIGEST


class Unsealed(ValueError):
    """Content that has no seal; the message is one line and does not name the file."""


class Stale(ValueError):
    """Whole content that was made from something else."""


class Broken(ValueError):
    """Content that does not fit its seal."""


# ---- JSON --------------------------------------------------------------------------------------------------


def sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its seal, as it will be read back."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(data)))
    return {**plain, SEAL: _seal(plain)}


def require_seal(data: Mapping[str, Any]) -> bool:
    """Return whether a JSON object has a seal; layout and order of its keys do not matter.

    Raises
    ------
    Broken
        If the object does not fit its seal.
    """
    if SEAL not in data:
        return False
    if data[SEAL] != _seal(data):
        raise Broken("its content does not fit its checksum")
    return True


def _seal(data: Mapping[str, Any]) -> str:
    content = {key: value for key, value in data.items() if key != SEAL}
    return xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()


# ---- bytes -------------------------------------------------------------------------------------------------


def seal_bytes(content: bytes, made_from: str) -> bytes:
    """Return content with a seal behind it: of what it was made from, and of all that is before the seal."""
    head = content + _MAGIC + xxhash.xxh3_128(made_from.encode()).digest()
    return head + xxhash.xxh3_128(head).digest()


def unseal_bytes(content: bytes, made_from: str) -> bytes:
    """Return content without its seal.

    Raises
    ------
    Unsealed
        If it has none.
    Broken
        If it does not fit it.
    Stale
        If it was made from something else.
    """
    at = len(content) - _LENGTH
    if at < 0 or content[at : at + len(_MAGIC)] != _MAGIC:
        raise Unsealed("it has no checksum")
    if xxhash.xxh3_128(memoryview(content)[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise Broken("its checksum has changed")
    if xxhash.xxh3_128(made_from.encode()).digest() != content[at + len(_MAGIC) : -_DIGEST]:
        raise Stale("it was made from something else")
    return content[:at]
