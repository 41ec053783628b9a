"""Answers of language models on disk, one file each, with a checksum: a changed one is asked again.

Not for: which answers are kept (:mod:`saetext.io.llm`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from saetext.io.cache import cache_dir
from saetext.io.files import make_directory, write_atomic
from saetext.io.json_file import loads
from saetext.io.opener import read_bytes

_LARGEST = 8 << 20  # bytes of an entry: no answer is as long


def fingerprint(**decides: Any) -> str:
    """Return the name of an answer (hex): of all that decides it, as plain JSON values."""
    return hashlib.sha256(_plain(decides)).hexdigest()


def find(key: str) -> str | None:
    """Return a kept answer; None if there is none, or it is not what was kept under this name."""
    try:
        entry = loads(read_bytes(_path(key), _LARGEST), most=_LARGEST, loose=True)
    except (OSError, ValueError):
        return None
    if not isinstance(entry, dict):
        return None
    check = entry.pop("sha256", None)
    text = entry.get("text")
    whole = entry.get("key") == key and check == hashlib.sha256(_plain(entry)).hexdigest()
    return text if whole and isinstance(text, str) and text else None


def keep(key: str, text: str, **about: Any) -> None:
    """Keep an answer; where that cannot be done, only a later run asks again."""
    entry = {**about, "key": key, "text": text}
    path = _path(key)
    with contextlib.suppress(OSError):
        make_directory(path.parent)
        write_atomic(
            path, json.dumps({**entry, "sha256": hashlib.sha256(_plain(entry)).hexdigest()}).encode()
        )


def forget(key: str) -> None:
    """Drop a kept answer, if there is one."""
    with contextlib.suppress(OSError):
        _path(key).unlink(missing_ok=True)


def _path(key: str) -> Path:
    return cache_dir() / "llm" / key[:2] / f"{key}.json"


def _plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, sort_keys=True).encode()
