"""What tells whether a file is still the one that was read: inode, times, size, and a sample of its bytes.

Times can be set back and copied; a change of content sets the time of the last status change (ctime),
which cannot be set. The sample guards against clocks and file systems that get that wrong: of a safetensors
file the header and three pieces of every tensor, of any other 64 pieces over its length, and so all of a
small file. Not for: proving that two files are equal; that takes their hash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import xxhash

_PIECES = 64
_PIECE = 4096  # bytes of a piece
_TENSOR_PIECE = 256
_HEADER = 25_000_000  # bytes of the longest header that is read for its tensors


def file_state(path: Path) -> list[int | str]:
    """Return inode, ctime, size, mtime and the XXH3-128 (hex) of a sample, as JSON types.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        digest = xxhash.xxh3_128()
        for start, size in _pieces(file, stat.st_size):
            file.seek(start)
            digest.update(file.read(size))
    return [stat.st_ino, stat.st_ctime_ns, stat.st_size, stat.st_mtime_ns, digest.hexdigest()]


def _pieces(file: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
    """Yield where the pieces of a sample begin and how long they are."""
    tensors = _tensors(file, size)
    if tensors is None:
        last = max(0, size - _PIECE)
        for i in range(_PIECES):
            yield last * i // (_PIECES - 1), _PIECE
        return
    data, places = tensors
    yield 0, data
    for start, stop in places:
        for at in (start, (start + stop) // 2, max(start, stop - _TENSOR_PIECE)):
            yield data + at, min(_TENSOR_PIECE, stop - at)


def _tensors(file: IO[bytes], size: int) -> tuple[int, list[tuple[int, int]]] | None:
    """Return where a safetensors file's data begins, and where each tensor lies in it; None for others."""
    if Path(str(file.name)).suffix != ".safetensors":
        return None
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > min(_HEADER, size - 8):
        return None
    try:
        header = json.loads(file.read(length))
        places = [tuple(about["data_offsets"]) for name, about in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    limit = size - 8 - length
    if not all(len(p) == 2 and all(type(n) is int for n in p) and 0 <= p[0] <= p[1] <= limit for p in places):
        return None
    return 8 + length, sorted(places)
