"""A file of float16 rows that grows by blocks: a block counts once it is synced and its checksum is written.

The rows lie in ``NAME.f16``, the blocks' sizes and checksums in ``NAME.f16.json``, written after each block.
A run that was killed between the two writes the block again. Not for: what the rows are
(:mod:`saetext.training.activations`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from saetext.corpus.notices import warn
from saetext.errors import SaetextError
from saetext.io.files import FileStamp, HashingFile, sync_directory, write_atomic, writing
from saetext.io.json_file import load
from saetext.io.opener import HUGE, open_regular

_FORMAT = 1
_CHUNK = 1 << 20
_BYTES = 2  # of a float16


@dataclass(frozen=True)
class _Block:
    """One block: its bytes, and how many of its tokens have no row."""

    stamp: FileStamp
    left_out: int

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> _Block:
        """Build a block from JSON, with ValueError or TypeError if it is none."""
        return cls(FileStamp.from_dict(data), int(data.get("left_out", 0)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; blocks with a row for every token are written as they always were."""
        told = self.stamp.to_dict()
        return {**told, "left_out": self.left_out} if self.left_out else told


class Blocks:
    """The whole blocks of one file; those from the first damaged one on are forgotten, with a warning.

    Parameters
    ----------
    path : Path
        The file of rows, which need not exist.
    width : int
        Numbers in a row.

    Attributes
    ----------
    finished : bool
        Whether :meth:`finish` was called.

    Warns
    -----
    SaetextWarning
        If a block or the list of blocks is damaged.
    """

    def __init__(self, path: Path, width: int) -> None:
        self.path, self.width = path, width
        self._manifest = path.with_name(f"{path.name}.json")
        listed, self.finished = self._listed()
        self._blocks = self._intact(listed)
        if len(self._blocks) < len(listed):
            self.finished = False
            warn(f"{path} is damaged after {self.n_rows:,} tokens: the texts from there on are read again")

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._blocks)

    @property
    def left_out(self) -> int:
        """Tokens of all blocks that have no row."""
        return sum(block.left_out for block in self._blocks)

    @property
    def n_rows(self) -> int:
        """Rows in all blocks."""
        return self._bytes // (self.width * _BYTES)

    @contextmanager
    def appending(self) -> Iterator[Callable[[NDArray[np.float16], int], None]]:
        """Yield a function that writes float16[n, width]; the block counts when this ends without an error.

        The function also takes the number of tokens among these that were left out.

        Raises
        ------
        SaetextError
            If it cannot be written; the blocks before it are kept.
        """
        with writing(self.path, SaetextError):
            file = self.path.open("r+b" if self.path.exists() else "w+b")
        try:
            hashing = HashingFile(file)
            with writing(self.path, SaetextError):
                file.truncate(self._bytes)
                file.seek(self._bytes)

            left_out = 0

            def write(rows: NDArray[np.float16], without: int) -> None:
                nonlocal left_out
                left_out += without
                with writing(self.path, SaetextError):
                    hashing.write(np.ascontiguousarray(rows))

            yield write
            with writing(self.path, SaetextError):
                file.flush()
                os.fsync(file.fileno())
                sync_directory(self.path.parent)
                self._record([*self._blocks, _Block(hashing.stamp, left_out)], finished=False)
        finally:
            with contextlib.suppress(OSError):  # what it cannot flush now was reported, or does not count
                file.close()

    def finish(self) -> None:
        """Record that no block comes any more.

        Raises
        ------
        SaetextError
            If it cannot be written.
        """
        with writing(self._manifest, SaetextError):
            self._record(self._blocks, finished=True)

    def array(self) -> NDArray[np.float16]:
        """Map the rows: float16[n_rows, width]."""
        if not self.n_rows:
            return np.empty((0, self.width), np.float16)
        return np.memmap(self.path, np.float16, "r", shape=(self.n_rows, self.width))

    @property
    def _bytes(self) -> int:
        return sum(block.stamp.bytes for block in self._blocks)

    def _record(self, blocks: list[_Block], *, finished: bool) -> None:
        told = {"width": self.width, "finished": finished, "blocks": [block.to_dict() for block in blocks]}
        whole = {"format": _FORMAT, **told, "xxh3_128": _digest(told)}
        write_atomic(self._manifest, (json.dumps(whole) + "\n").encode())
        self._blocks, self.finished = blocks, finished

    def _listed(self) -> tuple[list[_Block], bool]:
        """Return the blocks that the manifest lists, and whether they are all there will be."""
        if not self._manifest.exists():
            return [], False
        try:
            told = load(self._manifest, most=HUGE)
            wanted = told.pop("xxh3_128")
            if told.pop("format") != _FORMAT or wanted != _digest(told) or told["width"] != self.width:
                raise ValueError("another list")
            return [_Block.from_dict(block) for block in told["blocks"]], bool(told["finished"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            warn(f"{self._manifest} is damaged: the texts are read again")
            return [], False

    def _intact(self, listed: list[_Block]) -> list[_Block]:
        """Return the blocks before the first whose bytes are not what its checksum says."""
        if not listed:
            return []
        try:
            with open_regular(self.path) as file:
                for number, block in enumerate(listed):
                    if _stamp_of_next(file, block.stamp.bytes) != block.stamp:
                        return listed[:number]
        except OSError:
            return []
        return listed


def _stamp_of_next(file: Any, size: int) -> FileStamp:
    """Read so many bytes on, or to the end of the file, and return their stamp."""
    digest, done = xxhash.xxh3_128(), 0
    buffer = memoryview(bytearray(_CHUNK))
    while done < size and (n := file.readinto(buffer[: min(_CHUNK, size - done)])):
        digest.update(buffer[:n])
        done += n
    return FileStamp(done, digest.hexdigest())


def _digest(told: dict[str, Any]) -> str:
    return str(xxhash.xxh3_128_hexdigest(json.dumps(told, sort_keys=True).encode()))
