"""The user's cache directory, and SHA-256 of large files remembered between runs.

Not for: anything whose loss would matter. Every entry can be made again, and a cache that cannot be read or
written is passed over in silence.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import platformdirs

from saetext.errors import InputError
from saetext.io.files import write_atomic
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

    The hash is remembered by resolved path, size and modification time, so that gigabytes of weights are
    hashed once.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    path = Path(path).resolve()
    stat = path.stat()
    state = [stat.st_size, stat.st_mtime_ns]
    known = _read_hashes().get(str(path))
    if isinstance(known, list) and known[:2] == state and len(known) == 3 and isinstance(known[2], str):
        return known[2]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _remember(str(path), [*state, digest])
    return digest


def _read_hashes() -> dict[str, object]:
    try:
        content = json.loads((cache_dir() / _HASHES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(key: str, entry: list[int | str]) -> None:
    hashes = _read_hashes()
    hashes.pop(key, None)
    hashes[key] = entry  # last in order: the oldest entries are dropped first
    kept = dict(list(hashes.items())[-_MAX_ENTRIES:])
    with contextlib.suppress(OSError):
        cache_dir().mkdir(parents=True, exist_ok=True)
        write_atomic(cache_dir() / _HASHES, json.dumps(kept, ensure_ascii=True).encode())
