"""The user's cache directory, and SHA-256 of large files remembered between runs.

Not for: anything whose loss would matter. Every entry can be made again, and a cache that cannot be read or
written is passed over in silence.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs
import xxhash

from saetext.errors import InputError
from saetext.io.file_state import file_state
from saetext.io.files import make_directory, write_atomic
from saetext.io.json_file import loads
from saetext.io.opener import SMALL, open_regular, read_bytes
from saetext.io.shape import Table
from saetext.text.one_line import quoted

_HASHES = "file-hashes.json"
_MAX_ENTRIES = 1000


def cache_dir() -> Path:
    """Return the cache directory, which need not exist: ``$SAETEXT_CACHE``, or the platform's usual place.

    Raises
    ------
    InputError
        If it begins with ``~`` and a user that the system does not know.
    """
    chosen = os.environ.get("SAETEXT_CACHE")
    try:
        return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("saetext"))
    except RuntimeError as error:  # ~nobody
        raise InputError(
            f"the cache directory {quoted(chosen or '~')} (SAETEXT_CACHE) begins with ~ and a user that "
            "this system does not know: set another path"
        ) from error


def file_sha256(path: str | Path) -> str:
    """Return the SHA-256 (hex) of a file's bytes.

    The hash is remembered by resolved path and :func:`saetext.io.file_state.file_state` (inode, ctime,
    size, mtime, a sample of the bytes), so that gigabytes of weights are hashed once, and a file that takes
    another's place with its size and time is not taken for it.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    path = Path(path).resolve()
    state = file_state(path)
    known = _read_hashes().get(str(path))
    if isinstance(known, list) and known == _entry(state, known):
        return str(known[-2])
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if file_state(path) == state:  # or it changed while it was read
        _remember(str(path), _entry(state, [digest, ""]))
    return digest


def _entry(state: list[int | str], known: list[Any]) -> list[int | str]:
    """Return what is remembered: the state, the hash (last but one of ``known``), and a checksum of both."""
    told = [*state, *map(str, known[-2:-1])]
    return [*told, xxhash.xxh3_64_hexdigest(json.dumps(told).encode())]


def _read_hashes() -> dict[str, object]:
    try:
        return dict(_hashes_in(read_bytes(cache_dir() / _HASHES, SMALL)))
    except (OSError, ValueError):
        return {}


@functools.lru_cache(1)  # a command asks for the hashes of a dozen files, and mostly nothing has changed
def _hashes_in(content: bytes) -> dict[str, object]:
    return dict(loads(content, Table()))


def _remember(key: str, entry: list[int | str]) -> None:
    hashes = _read_hashes()
    hashes.pop(key, None)
    hashes[key] = entry  # last in order: the oldest entries are dropped first
    kept = dict(list(hashes.items())[-_MAX_ENTRIES:])
    with contextlib.suppress(OSError):
        make_directory(cache_dir())
        write_atomic(cache_dir() / _HASHES, json.dumps(kept, ensure_ascii=True).encode())
