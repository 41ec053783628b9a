"""Files elsewhere: ``s3://``, ``https://``, ``hf://`` and what else fsspec knows, copied here once.

A file is read several times (its beginning for guesses, its ids, its texts), so it is fetched to a temporary
folder that ends with the program. Not for: language models' endpoints (:mod:`saetext.io.web`).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from saetext.documents.reading import shorten
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.text.one_line import one_line

_URL: Final = re.compile(r"(?P<kind>[a-z][a-z0-9+.-]+)://(?P<place>.+)", re.I | re.S)
_SECRET: Final = re.compile(r"(?<=//)[^/@\s]*@|[?#].*", re.S)
_MOST_FILES: Final = 10_000


def is_remote(name: str) -> bool:
    """Return whether a source is named by a URL: a scheme of two letters or more, and ``://``."""
    return _URL.fullmatch(name) is not None


def shown_url(url: str) -> str:
    """Return a URL without a password or a query, which may hold a key."""
    return one_line(_SECRET.sub("", url), 200)


@cache
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
        return _copied(system, place, Path(tempfile.mkdtemp(dir=_folder().name)), fits, shown)
    except ImportError as error:
        raise InputError(f"{shown} needs a package more: {shorten(str(error))}") from error
    except FileNotFoundError:
        raise InputError(f"no such file: {shown}") from None
    except InputError:
        raise
    except Exception as error:  # each system has exceptions of its own, and some name a key
        what = shorten(_SECRET.sub("", str(error)) or type(error).__name__, 160)
        raise InputError(f"{shown} cannot be read: {what}") from error


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="saetext-fetched-")  # removed at the end by its finalizer


def _copied(system: Any, place: str, target: Path, fits: Callable[[Path], bool], shown: str) -> Path:
    if not system.isdir(place):
        return _copy(system, place, target / _local(place))
    names = [str(name) for name in system.find(place)]
    if len(names) > _MOST_FILES:
        raise InputError(f"{shown} holds {len(names):,} files; name a folder in it")
    wanted = [name for name in names if fits(Path(PurePosixPath(name).name))]
    folders = sorted({str(PurePosixPath(name).parent) for name in wanted})
    if not folders:
        raise InputError(f"{shown} holds no file of rows")
    if len(folders) > 1:
        inside = [folder.removeprefix(place.rstrip("/") + "/") for folder in folders]
        raise InputError(
            f"{shown} holds files in several folders ({', '.join(inside[:5])}); name one of them"
        )
    for name in wanted:
        _copy(system, name, target / _local(name))
    return target


def _local(name: str) -> str:
    """Return a name in a folder of ours, whatever the other side calls the file."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[^\w.() -]", "_", last).lstrip(".")[-150:] or "file"


def _copy(system: Any, name: str, target: Path) -> Path:
    with system.open(name, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    return target
