"""What a corpus says of its files: which are damaged, and what to do when one cannot be written.

Not for: writing them (:mod:`saetext.io.files`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import CorpusError, ShardCorruptError
from saetext.io import files
from saetext.io.files import FileStamp, checksum
from saetext.io.opener import require_regular
from saetext.io.urls import shown_url, url_of

_RESTORE = "restore it or encode again"
_intact: set[tuple[object, ...]] = set()  # files whose checksum this process has already seen to be right


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn any OSError inside into a CorpusError that names ``path`` and says what to do."""
    return files.writing(path, CorpusError)


def is_corpus(path: Path) -> bool:
    """Return whether a directory is a corpus, finished or not; manifest.json alone may be of others."""
    named = any((path / name).is_file() for name in ("manifest.json", "plan.json"))
    return named and (path / "docs").is_dir() and (path / "cards").is_dir()


def require_known_home(path: Path) -> None:
    """Raise :class:`CorpusError` for ``~nobody``: a shell leaves it as it is where there is no such user."""
    first = path.parts[:1]
    if first and first[0].startswith("~") and not Path(first[0]).exists():
        raise CorpusError(
            f"{path} begins with a user this system does not know; write ./{path} if it is meant"
        )


def require_here(path: Path) -> None:
    """Raise :class:`CorpusError` for a URL, of which a directory ``s3:`` would be made here."""
    if (url := url_of(path)) is not None:
        raise CorpusError(
            f"{shown_url(url)} is elsewhere, and a new corpus or file is made here: name a path, then "
            "saetext push PATH URL"
        )


def require_outside_corpora(path: Path) -> None:
    """Raise :class:`CorpusError` if ``path`` lies inside a corpus, which may remove what it does not know."""
    for above in path.absolute().parents:
        if is_corpus(above):
            raise CorpusError(f"{path} lies inside the corpus {above}; choose a path outside it")


def require_outside_parts(path: Path) -> None:
    """Raise :class:`CorpusError` if ``path`` lies in one of the folders that a corpus keeps its shards in."""
    for above in path.absolute().parents:
        if above.name in ("docs", "features", "cards") and is_corpus(above.parent):
            raise CorpusError(
                f"{path} lies among the shards of the corpus {above.parent}; choose another path"
            )


def require_size(path: str | os.PathLike[str], stamp: FileStamp) -> os.stat_result:
    """Raise :class:`ShardCorruptError` unless the file is there with the promised size."""
    try:
        found = require_regular(path)
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if found.st_size != stamp.bytes:
        raise ShardCorruptError(
            f"{path} is damaged: it should have {stamp.bytes} bytes and has {found.st_size}; {_RESTORE}"
        )
    return found


def require_intact(
    path: Path,
    stamp: FileStamp,
    check: Callable[[], object] | None = None,
    *,
    again: bool = False,
    told: WithoutTexts | None = None,
) -> None:
    """Raise :class:`ShardCorruptError` unless size and checksum are right; a file is read once per process.

    Parameters
    ----------
    path : Path
        The file.
    stamp : FileStamp
        What it should be.
    check : callable, optional
        Further checks of the content, run when the checksum is computed.
    again : bool
        Read it even though this process has already done so.
    told : WithoutTexts, optional
        Compare this instead of the checksum of the whole file, and read no texts.
    """
    found = require_size(path, stamp)
    key = (os.path.realpath(path), found.st_ino, found.st_mtime_ns, stamp, told)
    if key in _intact and not again:
        return
    try:
        if told is None:
            expected, actual = stamp.xxh3_128, checksum(path).xxh3_128
        else:
            expected, actual = told.xxh3_128, told.checksum(path, found.st_size)
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({error.strerror}); {_RESTORE}") from error
    if actual != expected:
        raise ShardCorruptError(
            f"{path} is damaged: its checksum should be {expected} and is {actual}; {_RESTORE}"
        )
    if check is not None:
        check()
    _intact.add(key)
