"""WithoutTexts: a checksum of a documents' file that leaves out its texts, for who needs metadata or lengths.

Texts and the places of their tokens are most of such a file. The checksum is of all other bytes, Arrow's own
descriptions among them, so that a column is checked by reading what is beside the texts and no more. Schema
1.1 has one for each shard; the file itself is as in 1.0. Not for: the texts, which need the checksum of the
whole file (shard.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash

from saetext.io.opener import open_regular
from saetext.io.shape import List, Record, Text, Whole, check

TEXTS: Final = ("text", "prompt", "token_start", "token_end")
SHAPE: Final = Record(
    {"left_out": List(List(Whole(), least=2, most=2), most=8), "xxh3_128": Text(longest=64)}
)
Span = tuple[int, int]
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class WithoutTexts:
    """What the bytes of a file beside its texts should be.

    Attributes
    ----------
    left_out : tuple of (int, int)
        From which byte to which texts and places of tokens lie, in order.
    xxh3_128 : str
        XXH3-128 (hex) of all other bytes, one after another.
    """

    left_out: tuple[Span, ...]
    xxh3_128: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"left_out": [list(span) for span in self.left_out], "xxh3_128": self.xxh3_128}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WithoutTexts:
        """Build one from JSON; ValueError unless it is a :data:`SHAPE`."""
        check(SHAPE, data)
        return cls.of_checked(data)

    @classmethod
    def of_checked(cls, data: Mapping[str, Any]) -> WithoutTexts:
        """Build one of what is known to be a :data:`SHAPE`."""
        return cls(tuple((first, last) for first, last in data["left_out"]), data["xxh3_128"])

    @classmethod
    def of(cls, content: pa.Buffer) -> WithoutTexts:
        """Return that of a file with this content, one record batch of documents."""
        left_out = spans_of(pa.ipc.open_file(pa.BufferReader(content)).get_batch(0), content.address)
        view = memoryview(content)
        kept = kept_spans(left_out, content.size)
        return cls(left_out, checksum_of(view[first:last] for first, last in kept))

    def require(self, size: int) -> None:
        """Raise ValueError unless what is left out lies in a file of so many bytes, in order."""
        places = [0, *(place for span in self.left_out for place in span), size]
        if places != sorted(places):
            raise ValueError(f"its texts are at {self.left_out}, and it has {size:,} bytes")

    def kept(self, size: int) -> list[Span]:
        """Return from which byte to which the checksum goes, in a file of so many bytes."""
        return kept_spans(self.left_out, size)

    def checksum(self, path: Path, size: int) -> str:
        """Return the checksum of what a file of so many bytes has there; no text is read."""
        return checksum_of(_read(path, self.kept(size)))


def spans_of(batch: pa.RecordBatch, start: int) -> tuple[Span, ...]:
    """Return where texts and places of tokens lie in a file that is in memory from the address ``start`` on.

    What lies side by side is one span, with the padding between.
    """
    found = sorted(
        (buffer.address - start, buffer.size, name in TEXTS)
        for name in batch.schema.names
        for buffer in batch.column(name).buffers()
        if buffer is not None and buffer.size
    )
    spans: list[Span] = []
    grows = False
    for first, size, is_text in found:
        if is_text and grows:
            spans[-1] = (spans[-1][0], first + size)
        elif is_text:
            spans.append((first, first + size))
        grows = is_text
    return tuple(spans)


def kept_spans(left_out: Iterable[Span], size: int) -> list[Span]:
    """Return what remains of a file of so many bytes."""
    kept, at = [], 0
    for first, last in left_out:
        kept.append((at, first))
        at = last
    return [(first, last) for first, last in [*kept, (at, size)] if last > first]


def checksum_of(pieces: Iterable[bytes | memoryview]) -> str:
    """Return the XXH3-128 (hex) of pieces, one after another."""
    digest = xxhash.xxh3_128()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _read(path: Path, spans: Sequence[Span]) -> Iterator[memoryview]:
    longest = max((last - first for first, last in spans), default=0)
    buffer = memoryview(bytearray(min(longest, _CHUNK)))
    with open_regular(path) as file:
        for first, last in spans:
            file.seek(first)
            left = last - first
            while left and (n := file.readinto(buffer[: min(_CHUNK, left)])):
                yield buffer[:n]
                left -= n
