"""Files elsewhere: ``s3://``, ``https://``, ``hf://`` and what else fsspec knows, copied here once.

A file is read several times (its beginning for guesses, its ids, its texts), so it is fetched to a temporary
folder that ends with the program, and again where the place says that it has changed, or says nothing.
Not for: language models' endpoints (:mod:`saetext.io.web`).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, Final

from saetext.documents.reading import shorten
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.urls import is_remote as is_remote
from saetext.io.urls import shown_url as shown_url
from saetext.io.urls import without_secrets

_MOST_FILES: Final = 10_000
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


def fetch(url: str, fits: Callable[[Path], bool]) -> Path:
    """Return a local copy of a file, or of the files in a folder.

    Parameters
    ----------
    url : str
        ``s3://bucket/answers.jsonl``; ``hf://datasets/OWNER/NAME`` and its folders.
    fits : function
        Whether a file of a folder, by its name, may hold rows.

    Returns
    -------
    Path
        A file or a folder that is deleted when the program ends.

    Raises
    ------
    InputError
        If the package for this kind of URL is missing, there is no such file, or it cannot be read.
    """
    shown = shown_url(url)
    if "::" in url:
        raise InputError(f"{shown} chains protocols; name a file or a folder itself")
    require("fsspec", "files", f"reading {shown}", error=InputError)
    import fsspec
    from fsspec.registry import known_implementations, registry

    kind = url.partition("://")[0].casefold()
    if kind not in known_implementations and kind not in registry:
        raise InputError(f"{shown}: no kind of place is called {kind}://; download the file and name it")
    try:
        system, place = fsspec.core.url_to_fs(url)
        if kind in ("file", "local"):
            return Path(place)
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


def _copied(system: Any, place: str, fits: Callable[[Path], bool], shown: str) -> Path:
    system.invalidate_cache()  # else it lists what it has seen before
    if not system.isdir(place):
        known = _fetched(system, place, {place: system.info(place)})
        return next(iter(known.iterdir()))
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


_copies: Final[dict[tuple[Any, ...], Path]] = {}


def _fetched(system: Any, place: str, infos: Mapping[str, Any]) -> Path:
    """Return a folder with a copy of each file; the one made before, if it tells that it is the same."""
    versions = [_version(info) for info in infos.values()]
    key = (type(system).__name__, str(system.storage_options), place, *infos, *map(str, versions))
    if key in _copies and None not in versions:
        return _copies[key]
    target = Path(tempfile.mkdtemp(dir=_folder().name))
    for name in infos:
        _copy(system, name, _unused(target / local_name(name)))
    _copies[key] = target
    return target


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
