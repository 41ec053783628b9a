"""URLs of files elsewhere: which names are URLs, and how they are shown without the keys they may hold.

Not for: reading what is there (:mod:`saetext.io.store`), or servers of language models (``addresses``).
"""

from __future__ import annotations

import os
import re
from pathlib import PureWindowsPath
from typing import Final

from saetext.text.one_line import one_line

_URL: Final = re.compile(r"(?P<kind>[a-z][a-z0-9+.-]+)://(?P<place>.+)", re.I | re.S)
#: The user of a URL; in a store's, a password with ``/`` in it too, which a key of S3 may have; a query.
_SECRET: Final = re.compile(
    r"(?<=//)[^/\s]*@|(?:(?<=\bs3://)|(?<=\bgs://)|(?<=\bgcs://)|(?<=\babfs://)|(?<=\babfss://))"
    r"[^/?#@\s]*:\S*@|[?#].*",
    re.I | re.S,
)
_AS_PATH: Final = re.compile(r"(?P<kind>[a-z][a-z0-9+.-]+):/+", re.I)


def is_remote(name: str) -> bool:
    """Return whether a source is named by a URL: a scheme of two letters or more, and ``://``."""
    return _URL.fullmatch(name) is not None


def shown_url(url: str) -> str:
    """Return a URL without a password or a query, which may hold a key."""
    return one_line(without_secrets(url), 200)


def without_secrets(text: str) -> str:
    """Return ``text`` without the users and passwords of URLs in it, and without any query."""
    return _SECRET.sub("", text)


def kind_of(url: str) -> str:
    """Return the scheme of a URL in small letters, ``s3``."""
    return url.partition("://")[0].casefold()


def url_of(name: object) -> str | None:
    """Return the URL that a name is, if it is one and no file here; a path keeps one slash of the two.

    Examples
    --------
    >>> from pathlib import Path
    >>> url_of(Path("s3://bucket/a.corpus"))
    's3://bucket/a.corpus'
    >>> url_of("a.corpus") is None
    True
    """
    if not isinstance(name, str | os.PathLike):
        return None
    text = name.as_posix() if isinstance(name, PureWindowsPath) else os.fsdecode(name)  # s3:\\bucket there
    begins = _AS_PATH.match(text)
    if begins is None or os.path.lexists(text):
        return None
    rest = text[begins.end() :]
    slashes = "///" if begins["kind"].casefold() in ("file", "local") else "://"[1:]
    return f"{begins['kind']}:{slashes}{rest}" if rest else None
