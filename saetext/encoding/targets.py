"""Where a corpus goes when nobody says: next to its file, or for texts in memory in the cache, by content.

Not for: encoding (:mod:`saetext.encoding.encoder`) or deciding whether what lies there may be used again
(:mod:`saetext.encoding.opening`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saetext.corpus.notices import warn
from saetext.documents import Document, DocumentSource, Reject
from saetext.documents.remote import is_remote, local_name
from saetext.errors import InputError
from saetext.io.cache import cache_dir, file_sha256

SUFFIX = ".corpus"


def default_output(source: str | os.PathLike[str]) -> Path:
    """Return where the corpus of a file goes: next to it, or here if the file is elsewhere."""
    return (
        Path(local_name(source) + SUFFIX)
        if isinstance(source, str) and is_url(source)
        else beside(Path(source))
    )


def beside(path: Path, part: str | None = None) -> Path:
    """Return where the corpus of a data file lies, ``answers.jsonl.corpus``, or that of a part of it.

    InputError for ``/``, which has no name to call a corpus by; ``.`` has that of the folder it is.
    """
    path = path if path.name else path.resolve()
    if not path.name:
        raise InputError(f"{path} has no name to call a corpus by: name a file or a corpus")
    if part is None:
        return path.with_name(path.name + SUFFIX)
    plain = re.sub(r"[^\w.-]+", "_", part)[:40].strip("._")
    if plain != part:  # two columns may read alike
        plain += "-" + hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()[:8]
    return path.with_name(f"{path.name}.{plain}{SUFFIX}")


def kept_by_content(source: DocumentSource, settings: Mapping[str, Any]) -> Path:
    """Return where the corpus of texts in memory is kept in the cache.

    Parameters
    ----------
    source : DocumentSource
        Read through once; the same rows in the same columns give the same place.
    settings : mapping
        What else decides what the corpus is, JSON types: the reader, its thresholds.

    Raises
    ------
    InputError
        If the source can be read only once.
    """
    if not source.restartable:
        raise InputError(f"{source.name} can be read once: name its corpus: encode(source, 'my.corpus')")
    about = {**source.identity(), **settings}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode("utf-8", "surrogatepass"))
    for item in source:
        for part in parts_of(item):
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return cache_dir() / "corpora" / f"texts-{digest.hexdigest()[:20]}{SUFFIX}"


def parts_of(item: Document | Reject) -> tuple[str, ...]:
    """Return the strings that tell one row of an input from another."""
    if isinstance(item, Reject):
        return ("reject", str(item.position), item.reason)
    turns = [item.text]
    if item.messages is not None:
        turns = [f"{m.role}\1{m.content}" for m in item.messages]
    return (item.id, item.prompt or "", *turns, repr(item.meta))


def path_of(source: object) -> Path | None:
    """Return the path that a source names; None for standard input, a URL and anything in memory."""
    if isinstance(source, str | os.PathLike) and source != "-" and not is_url(source):
        return Path(source)
    return None


def is_url(source: object) -> bool:
    """Return whether a source is elsewhere: a URL that is no file here."""
    return isinstance(source, str) and is_remote(source) and not os.path.lexists(source)


def source_stamp(path: Path) -> dict[str, Any]:
    """Return what tells later whether the file (or dataset) a corpus was made from has its content still."""
    files = _files_of(path)
    if not files:
        return {}
    hashes = [(str(f.relative_to(path)), f.stat().st_size, file_sha256(f)) for f in files]
    return {"source_sha256": _digest(hashes)}


def unchanged(path: Path, told: Mapping[str, Any]) -> bool:
    """Return whether the file (or dataset) is what a corpus that says ``told`` of it was made from.

    A corpus of an earlier version knows the size and time of its file alone; then a warning says so.
    """
    if "source_sha256" in told:
        return told["source_sha256"] == source_stamp(path).get("source_sha256")
    if "source_stamp" not in told:
        return not _files_of(path)
    stats = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in _files_of(path)]
    if told["source_stamp"] != _digest(stats):
        return False
    warn(
        f"{beside(path)} was made by an earlier version: that {path.name} is unchanged is known by its "
        "size and time alone; encode it again to have its content compared"
    )
    return True


def _files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())


def _digest(stats: Sequence[tuple[Any, ...]]) -> str:
    return hashlib.sha256(repr(stats).encode("utf-8", "surrogatepass")).hexdigest()
