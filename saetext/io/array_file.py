"""Arrays of numbers from ``.npy`` and ``.npz``: never pickled, never larger than their file.

The header of a small file may claim an array of any size: it is compared with the file's size before memory
is taken. Not for: safetensors, whose library does the same.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from tokenize import TokenError  # numpy parses headers as Python
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from saetext.io.opener import open_regular, why

_MOST_AXES = 8
_DAMAGE = (RecursionError, MemoryError, SyntaxError, TokenError, TypeError, EOFError, OverflowError)


def load_array(path: str | os.PathLike[str], *, mapped: bool = False) -> NDArray[Any]:
    """Return the array in a ``.npy`` file, copied into memory or mapped read-only.

    Raises
    ------
    OSError
        If the file is missing, cannot be read, or is no regular file.
    ValueError
        If it is no array of numbers or texts, or smaller than its header says.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        shape, fortran, dtype = _header(file, size)
        if mapped:
            order: Any = "F" if fortran else "C"
            return np.memmap(file, dtype, "r", offset=file.tell(), shape=shape, order=order)
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False))


def load_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.npz`` archive that is not compressed, as :func:`numpy.savez` writes it.

    Raises
    ------
    ValueError
        If it is damaged or compressed, or an array is no array of numbers or texts.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # all at once: the members of a crafted archive may lie over each other
            if sum(member.file_size for member in archive.infolist()) > len(content):
                raise ValueError("the archive is smaller than what it holds")
            return {
                member.filename.removesuffix(".npy"): _member(archive, member)
                for member in archive.infolist()
            }
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"the archive cannot be read ({error})") from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} in the archive is compressed")
    content = archive.read(member)
    file = io.BytesIO(content)
    _header(file, len(content))
    file.seek(0)
    return np.asarray(npy.read_array(file, allow_pickle=False))


def _header(file: BinaryIO, size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type, if ``size`` bytes can hold such an array."""
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (*_DAMAGE, ValueError) as error:
        raise ValueError(f"its header is damaged ({why(error)[:80]})") from error
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which can run code when loaded")
    if dtype.itemsize == 0 or len(shape) > _MOST_AXES or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"its header is damaged (shape {str(shape)[:60]})")
    if math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError(f"its header says {str(shape)[:60]} of {dtype}, and the file is smaller")
    return shape, fortran, dtype
