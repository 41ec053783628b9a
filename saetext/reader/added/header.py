"""The head of a GGUF file, read within bounds before any library reads the file.

The head says what the model is and where its tensors lie. Everything it counts is compared with the size of
the file, so that a damaged or hostile one is one line, whatever it claims. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Not for: what families there are
(:mod:`saetext.reader.added.families`), or reading tensors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TypeAlias

from saetext.errors import ReaderError
from saetext.io.opener import open_regular, shown, why

_VERSIONS = (2, 3)
_MOST_FIELDS = 10_000
_MOST_TENSORS = 100_000
_MOST_ITEMS = 2_000_000  # of a list: the largest vocabularies have half a million merges
_MOST_TEXT = 4 << 20  # bytes: a chat template, a licence
_MOST_NAME = 1024  # bytes
_MOST_HEAD = 256 << 20  # bytes
_MOST_DIMENSIONS = 4
_SEEK_FROM = 1 << 13  # bytes; fewer are read faster than passed over
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_TEXT, _LIST = 8, 9
# type of a tensor -> (values in a block, bytes of a block); those that transformers dequantises
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 30: (1, 2),  # F32, F16, BF16
    2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),  # Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),  # Q2_K to Q6_K
    20: (32, 18), 23: (256, 136),  # IQ4_NL, IQ4_XS
}  # fmt: skip

Value: TypeAlias = int | float | bool | str


@dataclass(frozen=True)
class ListField:
    """A list among the fields; only its length is kept."""

    length: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself.

    Attributes
    ----------
    path : Path
        The file.
    bytes : int
        Its size.
    fields : mapping
        Numbers, texts and the lengths of lists, by their names such as ``llama.block_count``.
    tensors : mapping
        Name -> shape, the dimension that varies fastest first, as the format has it.
    """

    path: Path
    bytes: int
    fields: Mapping[str, Value | ListField]
    tensors: Mapping[str, tuple[int, ...]]

    @property
    def parameters(self) -> int:
        """Number of values in all tensors."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    def whole(self, name: str) -> int | None:
        """Return a whole number above zero, or None where there is none of this name."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
            raise ReaderError(f"{self.path} cannot be used: {name} is {shown(_plain(value))}")
        return value

    def text(self, name: str) -> str:
        """Return a text, empty where there is none of this name."""
        value = self.fields.get(name, "")
        return value if isinstance(value, str) else ""

    def length(self, name: str) -> int:
        """Return the length of a list, 0 where there is none of this name."""
        value = self.fields.get(name)
        return value.length if isinstance(value, ListField) else 0


def _plain(value: Value | ListField) -> object:
    return [] if isinstance(value, ListField) else value


def read_header(path: Path) -> Header:
    """Return what a GGUF file says of itself; every tensor it names lies within the file.

    Raises
    ------
    ReaderError
        One line: there is no such file, it is not a regular one, no GGUF file, cut off or damaged.
    """
    try:
        with open_regular(path) as file:
            return _Walk(file, path).header()
    except FileNotFoundError as error:
        raise ReaderError(f"there is no file {path}") from error
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {why(error)}") from error
    except _Bad as error:
        raise ReaderError(f"{path} {error}") from error


class _Bad(Exception):
    """What is wrong, in words that follow the file's name."""


class _Walk:
    """Goes through the head of a file from its first byte to the tensors' data."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self._file, self._path = file, path
        self._size = file.seek(0, 2)
        self._limit, self._at = min(self._size, _MOST_HEAD), file.seek(0)

    def header(self) -> Header:
        if self._file.peek(4)[:4] != b"GGUF":
            raise _Bad("is not a GGUF file")
        self._skip(4)
        version = self._number("<I")
        if version not in _VERSIONS:
            known = " and ".join(map(str, _VERSIONS))
            raise _Bad(f"is a GGUF file of version {version}; versions {known} can be read")
        n_tensors, n_fields = self._count(_MOST_TENSORS, "tensors"), self._count(_MOST_FIELDS, "fields")
        fields: dict[str, Value | ListField] = {}
        for _ in range(n_fields):
            name = self._text(_MOST_NAME)
            if name in fields:
                raise _Bad(f"is damaged: the field {shown(name)} stands there twice")
            fields[name] = self._value(int(self._number("<I")))
        infos = [self._tensor() for _ in range(n_tensors)]
        self._require_inside(infos, fields.get("general.alignment", 32))
        tensors = {name: shape for name, shape, *_ in infos}
        if len(tensors) < n_tensors:
            raise _Bad("is damaged: a tensor stands there twice")
        return Header(self._path, self._size, fields, tensors)

    def _tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Return name, shape, bytes and place of the next tensor."""
        name, n = self._text(_MOST_NAME), self._number("<I")
        if not 1 <= n <= _MOST_DIMENSIONS:
            raise _Bad(f"is damaged: the tensor {shown(name)} has {n} dimensions")
        shape = tuple(int(self._number("<Q")) for _ in range(int(n)))
        kind, at = int(self._number("<I")), int(self._number("<Q"))
        if kind not in _BLOCKS:
            raise _Bad(f"has a tensor of a type ({kind}) that cannot be read: {shown(name)}")
        values, size = _BLOCKS[kind]
        if min(shape) < 1 or shape[0] % values:
            raise _Bad(f"is damaged: the tensor {shown(name)} has the shape {list(shape)}")
        return name, shape, math.prod(shape) // values * size, at

    def _require_inside(
        self, infos: list[tuple[str, tuple[int, ...], int, int]], alignment: Value | ListField
    ) -> None:
        step = alignment if isinstance(alignment, int) else 0
        if not 0 < step <= 1 << 20 or step & (step - 1):
            raise _Bad("is damaged: its alignment is no power of two")
        start = -(-self._at // step) * step
        for name, _, size, at in infos:
            if start + at + size > self._size:
                raise _Bad(f"is cut off or damaged: the tensor {shown(name)} ends beyond the file")

    def _value(self, kind: int) -> Value | ListField:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _TEXT:
            return self._text(_MOST_TEXT)
        if kind != _LIST:
            raise _Bad(f"is damaged: there is no type {kind} of fields")
        inner = int(self._number("<I"))
        length = self._count(_MOST_ITEMS, "items of a list")
        if inner in _SCALARS:
            self._skip(length * struct.calcsize(_SCALARS[inner]))
        elif inner == _TEXT:
            for _ in range(length):
                self._skip(int(self._number("<Q")))
        else:
            raise _Bad(f"is damaged: there are no lists of type {inner}")
        return ListField(length)

    def _text(self, most: int) -> str:
        length = int(self._number("<Q"))
        if length > most:
            raise _Bad(f"is damaged: a text has {length:,} bytes")
        try:
            return self._bytes(length).decode()
        except UnicodeDecodeError:
            raise _Bad("is damaged: a text is not UTF-8") from None

    def _count(self, most: int, of: str) -> int:
        number = int(self._number("<Q"))
        if number > most:
            raise _Bad(f"is damaged: it counts {number:,} {of}")
        return number

    def _number(self, kind: str) -> int | float | bool:
        (value,) = struct.unpack(kind, self._bytes(struct.calcsize(kind)))
        return value

    def _bytes(self, n: int) -> bytes:
        if n > self._limit - self._at:
            raise _Bad("is cut off")
        self._at += n
        content = self._file.read(n)
        if len(content) < n:  # it shrinks while it is read
            raise _Bad("is cut off")
        return content

    def _skip(self, n: int) -> None:
        if n > self._limit - self._at:
            raise _Bad("is cut off or damaged: a list ends beyond the file")
        self._at += n
        if n > _SEEK_FROM:
            self._file.seek(n, 1)
        else:
            self._file.read(n)
