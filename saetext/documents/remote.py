"""Files elsewhere, copied here once: ``s3://``, ``gs://`` and ``abfs://`` by pyarrow, others by fsspec.

A file is read several times (its beginning for guesses, its ids, its texts), so it is fetched to a temporary
folder that ends with the program, and again where the place says that it has changed, or says nothing.
Not for: language models' endpoints (:mod:`saetext.io.web`).
"""

from __future__ import annotations

import glob
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Final

import xxhash

from saetext.documents.reading import shorten
from saetext.documents.several import natural
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.files import writing
from saetext.io.store import Store
from saetext.io.urls import is_remote as is_remote
from saetext.io.urls import kind_of, without_secrets
from saetext.io.urls import shown_url as shown_url

_MOST_FILES: Final = 10_000
_BY_PYARROW: Final = {"s3", "gs", "gcs", "abfs", "abfss", "mock"}
_SPARE: Final = 64 << 20  # bytes that a disk keeps free
#: What places tell of a file that changes with its content; each has words of its own for it.
_VERSIONS: Final = (
    *("etag", "checksum", "md5", "content-md5", "digest", "sha", "sha256", "blob_id", "xet_hash"),
    "generation",
    *("last_commit", "lastmodified", "last_modified", "mtime", "modified", "updated", "created"),
)


def local_name(place: str) -> str:
    """Return what to call a file here, whatever the other side calls it: without a query, which may be a key.

    Examples
    --------
    >>> local_name("https://example.org/logs/answers.jsonl?signature=secret")
    'answers.jsonl'
    """
    return re.sub(r"[^\w.() -]", "_", _last(place)).lstrip(".")[-150:] or "file"


def _last(place: str) -> str:
    if is_remote(place):  # elsewhere these marks are part of the name
        place = without_secrets(place)
    return PurePosixPath(place.replace("\\", "/").rstrip("/")).name


@dataclass(frozen=True)
class Fetched:
    """What was copied here.

    Attributes
    ----------
    path : Path
        A file or a folder that is deleted when the program ends.
    files : tuple of Path, or None
        The files, in order, if a pattern named them.
    version : str or None
        What changes when one of them does; None if the place does not tell.
    """

    path: Path
    files: tuple[Path, ...] | None = None
    version: str | None = None


def fetch(url: str, fits: Callable[[Path], bool]) -> Fetched:
    """Return a local copy of a file, of those that a pattern names, or of the files in a folder.

    Parameters
    ----------
    url : str
        ``s3://bucket/answers.jsonl``, ``s3://bucket/part-*.jsonl``; ``hf://datasets/OWNER/NAME`` and its
        folders.
    fits : function
        Whether a file of a folder, by its name, may hold rows.

    Returns
    -------
    Fetched

    Raises
    ------
    InputError
        If the package for this kind of URL is missing, there is no such file, or it cannot be read.
    """
    shown = shown_url(url)
    if "::" in url:
        raise InputError(f"{shown} chains protocols; name a file or a folder itself")
    kind = kind_of(url)
    if kind in _BY_PYARROW:
        return _from_store(Store.open(url), fits)
    require("fsspec", "files", f"reading {shown}", error=InputError)
    import fsspec
    from fsspec.registry import known_implementations, registry

    if kind not in known_implementations and kind not in registry:
        raise InputError(f"{shown}: no kind of place is called {kind}://; download the file and name it")
    try:
        system, place = fsspec.core.url_to_fs(url)
        if kind in ("file", "local"):
            return Fetched(Path(place))
        return _copied(system, place, fits, shown)
    except ImportError as error:
        raise InputError(f"{shown} needs a package more: {shorten(str(error))}") from error
    except FileNotFoundError:
        raise InputError(f"no such file: {shown}") from None
    except InputError:
        raise
    except Exception as error:  # each system has exceptions of its own, and some name a key
        what = shorten(without_secrets(str(error)) or type(error).__name__, 160)
        raise InputError(f"{shown} cannot be read: {what}") from error


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saetext-fetched-")  # removed at the end by its finalizer


def _copied(system: Any, place: str, fits: Callable[[Path], bool], shown: str) -> Fetched:
    system.invalidate_cache()  # else it lists what it has seen before
    if not system.isdir(place):
        known = _fetched(system, place, {place: system.info(place)})
        return Fetched(next(iter(known.path.iterdir())), version=known.version)
    infos = {str(name): info for name, info in system.find(place, detail=True).items()}
    if len(infos) > _MOST_FILES:
        raise InputError(f"{shown} holds {len(infos):,} files; name a folder in it")
    wanted = {name: info for name, info in infos.items() if fits(Path(_last(name)))}
    folders = sorted({str(PurePosixPath(name).parent) for name in wanted})
    if not folders:
        raise InputError(f"{shown} holds no file of rows")
    if len(folders) > 1:
        inside = [folder.removeprefix(place.rstrip("/") + "/") for folder in folders]
        raise InputError(
            f"{shown} holds files in several folders ({', '.join(inside[:5])}); name one of them"
        )
    return _fetched(system, place, wanted)


_copies: Final[dict[tuple[Any, ...], Fetched]] = {}


def _fetched(system: Any, place: str, infos: Mapping[str, Any]) -> Fetched:
    """Return a folder with a copy of each file; the one made before, if it tells that it is the same."""
    versions = [_version(info) for info in infos.values()]
    key = (type(system).__name__, str(system.storage_options), place, *infos, *map(str, versions))
    if key in _copies and None not in versions:
        return _copies[key]
    target = Path(tempfile.mkdtemp(dir=_folder().name))
    for name in infos:
        _copy(system, name, _unused(target / local_name(name)))
    told = None if None in versions else _digest(zip(infos, versions, strict=True))
    _copies[key] = Fetched(target, version=told)
    return _copies[key]


def _digest(versions: Iterable[tuple[str, str | None]]) -> str:
    return xxhash.xxh3_128_hexdigest(repr(sorted(versions)).encode("utf-8", "surrogatepass"))


def _version(info: Mapping[str, Any]) -> str | None:
    """Return what changes when a file does; None if the place does not tell."""
    told = {key: value for key, value in info.items() if key.casefold() in _VERSIONS and value is not None}
    return repr((info.get("size"), told)) if told else None


def _unused(path: Path) -> Path:
    """Return a path that is free: names that differ elsewhere may be one here."""
    names = (f"{n}-{path.name}" if n else path.name for n in count())
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def _copy(system: Any, name: str, target: Path) -> None:
    with system.open(name, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


# ---- object stores


def _from_store(store: Store, fits: Callable[[Path], bool]) -> Fetched:
    """Return copies from an object store: one file, the files of a folder, or those of a pattern."""
    if store.look() is not None:
        copied = _stored(store, [""])
        return Fetched(next(iter(copied.path.iterdir())), version=copied.version)
    if glob.has_magic(store.path):
        names, store = _matching(store)
        copied = _stored(store, names)
        return Fetched(copied.path, tuple(map(copied.path.joinpath, _local_names(names))), copied.version)
    names = sorted(name for name in store.files() if fits(Path(_last(name))))
    if not names:
        if not store.is_folder():
            store.require_bucket()
            raise InputError(f"no such file: {store.shown}")
        raise InputError(f"{store.shown} holds no file of rows")
    _require_few(store, names)
    folders = sorted({name.rpartition("/")[0] for name in names})
    if len(folders) > 1:
        raise InputError(
            f"{store.shown} holds files in several folders ({', '.join(folders[:5])}); name one of them, or "
            f"a pattern: {store.shown}/**/*"
        )
    return _stored(store, names)


def _matching(store: Store) -> tuple[list[str], Store]:
    """Return the files that a pattern names, in natural order, and the folder that they are named from."""
    parts = store.path.split("/")
    plain = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    if plain == 0:
        raise InputError(f"{store.shown}: the bucket is named by its name, not by a pattern")
    folder = Store(store.url, store.system, "/".join(parts[:plain]))
    names = [name for name in folder.files() if _fits(name.split("/"), parts[plain:])]
    if not names:
        folder.require_bucket()
        raise InputError(f"no file fits {store.shown}")
    _require_few(store, names)
    return sorted(names, key=natural), folder


def _fits(name: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether a name fits a pattern, folder by folder; ``**`` stands for any number of folders."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return _fits(name, pattern[1:]) or (bool(name) and _fits(name[1:], pattern))
    hidden = bool(name) and name[0].startswith(".") and not pattern[0].startswith(".")
    return bool(name) and not hidden and fnmatchcase(name[0], pattern[0]) and _fits(name[1:], pattern[1:])


def _require_few(store: Store, names: Sequence[str]) -> None:
    if len(names) > _MOST_FILES:
        raise InputError(f"{store.shown} holds {len(names):,} files; name a folder in it")


def _local_names(names: Sequence[str]) -> list[str]:
    """Return a name here for each file; two that would be one get a number."""
    found: dict[str, None] = {}
    for name in names:
        plain = local_name(name)
        free = (f"{n}-{plain}" if n else plain for n in count())
        found[next(each for each in free if each not in found)] = None
    return list(found)


def _stored(store: Store, names: Sequence[str]) -> Fetched:
    """Return a folder with copies of these files, which did not change meanwhile."""
    versions = [store.version(name) for name in names]
    key = (store.url, *names, *versions)
    if key in _copies:
        return _copies[key]
    target = Path(tempfile.mkdtemp(dir=_folder().name))
    sizes = [int(version.partition(" ")[0]) for version in versions]
    _require_room(target, sum(sizes), store.shown)
    called = [local_name(store.path)] if names == [""] else _local_names(names)
    for name, size, version, local in zip(names, sizes, versions, called, strict=True):
        with writing(target, InputError), (target / local).open("wb") as file:
            for piece in store.pieces(name, size):
                file.write(piece)
        if store.version(name) != version:
            raise InputError(f"{store.name(name)} changed while it was copied; run the same command again")
    _copies[key] = Fetched(target, version=_digest(zip(names, versions, strict=True)))
    return _copies[key]


def _require_room(folder: Path, size: int, shown: str) -> None:
    free = shutil.disk_usage(folder).free
    if size > free - _SPARE:
        raise InputError(
            f"{shown} has {size / 1e6:,.0f} MB, and the temporary directory {free / 1e6:,.0f} MB free: "
            "set TMPDIR to a larger disk"
        )
