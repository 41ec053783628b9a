"""Postings: from a feature to the documents it is in, an index on disk that is built once per content.

It lies in ``index/<sae>/postings-<hash>/``, the hash being of the corpus's fingerprint: what was built from
other content is never taken for it. Built in two passes over the shards (count, then counting sort) with
memory for one shard. Not for: search and ranking.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.files import require_intact
from saetext.errors import InputError, ShardCorruptError
from saetext.io.files import FileStamp, atomic_directory, checksum, write_atomic
from saetext.io.orphans import sweep

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

    from saetext.corpus.corpus import Corpus

_FORMAT = 1
_ARRAYS = {"indptr": np.int64, "doc": np.int32, "value": np.float32}
_ZEROS = bytes(1 << 20)


@dataclass(frozen=True, eq=False)
class _Index:
    """CSC layout of the whole corpus: documents ascending within a feature."""

    indptr: NDArray[np.int64]
    doc: NDArray[np.int32]
    value: NDArray[np.float32]


class Postings:
    """The documents of each feature, with their maximum activations; made by :meth:`Corpus.postings`.

    Row numbers are those of the corpus or view it was asked of.
    """

    def __init__(self, index: _Index, corpus: Corpus, sae: str) -> None:
        self._index = index
        self._corpus = corpus
        self._sae = sae

    @classmethod
    def of(cls, corpus: Corpus, sae: str, cache_dir: Path | None = None) -> Postings:
        """Load the index of a corpus, building it if it is missing, damaged or of other content."""

        whole = corpus.whole
        stamp = f"{_FORMAT} {whole.fingerprint} {sae}"
        name = f"postings-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}"
        homes = [corpus.path / "index" / sae, *([cache_dir] if cache_dir else [])]
        for home in homes:
            if index := _load(home / name, stamp):
                return cls(index, corpus, sae)
        for home in homes:
            try:
                index = _build_on_disk(whole, sae, home, name, stamp)
            except OSError:  # read-only or full: the next place, and memory in the end
                continue
            return cls(index, corpus, sae)
        return cls(_build(whole, sae, lambda _, n, dtype: np.zeros(n, dtype)), corpus, sae)

    def documents(self, feature: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the rows that have a feature, ascending, and its maximum in each."""
        d_sae = len(self._index.indptr) - 1
        if not 0 <= feature < d_sae:
            raise InputError(f"there is no feature {feature}; {self._sae} has 0 to {d_sae - 1}")
        here = slice(self._index.indptr[feature], self._index.indptr[feature + 1])
        doc, value = np.asarray(self._index.doc[here]), np.asarray(self._index.value[here])
        selection = self._corpus.selection
        if selection is None:
            return doc, value
        if not len(selection):
            return doc[:0], value[:0]
        row = np.minimum(np.searchsorted(selection, doc), len(selection) - 1)
        found = selection[row] == doc
        return row[found].astype(np.int32), value[found]

    def whole(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return ``indptr``, ``doc`` and ``value`` of the whole corpus, also of a view, without a copy.

        Those of feature ``f`` are at ``indptr[f]:indptr[f + 1]``, documents ascending.
        """
        index = self._index
        return np.asarray(index.indptr), np.asarray(index.doc), np.asarray(index.value)

    @cached_property
    def document_frequency(self) -> NDArray[np.int64]:
        """int64[d_sae]: number of documents in which each feature is present."""
        if self._corpus.selection is None:
            return np.diff(self._index.indptr)
        counts = np.zeros(len(self._index.indptr) - 1, np.int64)
        for _, block in self._corpus.blocks("max", self._sae):
            counts += np.bincount(block.indices, minlength=len(counts))
        return counts

    def csc(self) -> csc_matrix:
        """Return documents x features in CSC layout; without a copy of the entries unless this is a view."""
        from scipy.sparse import csc_matrix

        if self._corpus.selection is not None:
            return self._corpus.csr("max", self._sae).tocsc()
        shape = (len(self._corpus), len(self._index.indptr) - 1)
        rows = self._index.indptr
        if rows[-1] < 2**31:
            rows = rows.astype(np.int32)  # scipy wants both index arrays of one type
        matrix = csc_matrix((self._index.value, self._index.doc, rows), shape=shape, copy=False)
        matrix.has_canonical_format = True
        return matrix


def _build(corpus: Corpus, sae: str, array: Any) -> _Index:
    """Build the index in arrays made by ``array(name, length, dtype)``."""
    d_sae = corpus.spec.sae(sae).d_sae
    indptr = array("indptr", d_sae + 1, np.int64)
    for _, block in corpus.blocks("max", sae):
        indptr[1:] += np.bincount(block.indices, minlength=d_sae)
    np.cumsum(indptr, out=indptr)
    doc, value = array("doc", int(indptr[-1]), np.int32), array("value", int(indptr[-1]), np.float32)
    filled = np.array(indptr[:-1])  # where the next entry of each feature goes
    for rows, block in corpus.blocks("max", sae):
        columns = block.tocsc()  # a counting sort, stable in the rows
        lengths = np.diff(columns.indptr)
        place = np.repeat(filled - columns.indptr[:-1], lengths) + np.arange(columns.nnz)
        doc[place] = columns.indices + rows[0]
        value[place] = columns.data
        filled += lengths
    return _Index(indptr, doc, value)


def _build_on_disk(corpus: Corpus, sae: str, home: Path, name: str, stamp: str) -> _Index:
    """Build beside the place, then rename; raises OSError where that cannot be."""
    home.mkdir(parents=True, exist_ok=True)
    sweep(home)
    target = home / name
    try:
        with atomic_directory(target) as building:
            arrays: list[np.memmap[Any, Any]] = []

            def array(name: str, length: int, dtype: Any) -> NDArray[Any]:
                arrays.append(_mapped_zeros(building / f"{name}.npy", length, dtype))
                return arrays[-1][:length]

            _build(corpus, sae, array)
            for mapped in arrays:
                mapped.flush()
            files = {f"{array}.npy": checksum(building / f"{array}.npy").to_dict() for array in _ARRAYS}
            write_atomic(building / "stamp.json", json.dumps({"built_from": stamp, "files": files}).encode())
            if target.exists() and _load(target, stamp) is None:  # damaged: out of the way
                shutil.rmtree(target, ignore_errors=True)
    except OSError:
        if _load(target, stamp) is None:  # another process was first, else this is a real failure
            raise
    for old in home.glob("postings-*"):
        if old.name != name and home == corpus.path / "index" / sae:
            shutil.rmtree(old, ignore_errors=True)  # of content this corpus no longer has
    index = _load(target, stamp)
    if index is None:
        raise OSError(f"{target} cannot be read back")
    return index


def _mapped_zeros(path: Path, length: int, dtype: Any) -> np.memmap[Any, Any]:
    """Make a .npy file of zeros with its blocks allocated and map it (one item at least).

    Writing into a hole of a mapped file kills the process when the disk is full; allocating raises OSError.
    """
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": (length,)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        length = max(length, 1)  # nothing cannot be mapped; a spare item beyond the shape is harmless
        size = length * np.dtype(dtype).itemsize
        if hasattr(os, "posix_fallocate"):
            file.flush()
            os.posix_fallocate(file.fileno(), start, size)
        else:
            for done in range(0, size, len(_ZEROS)):
                file.write(_ZEROS[: size - done])
    return np.memmap(path, dtype, "r+", offset=start, shape=(length,))


def _load(folder: Path, stamp: str) -> _Index | None:
    """Map an index; None if it is missing, damaged or of other content."""
    try:
        found = json.loads((folder / "stamp.json").read_bytes())
        if found["built_from"] != stamp:
            return None
        arrays = {}
        for name, dtype in _ARRAYS.items():
            path = folder / f"{name}.npy"
            require_intact(path, FileStamp.from_dict(found["files"][f"{name}.npy"]))
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            if arrays[name].dtype != dtype or arrays[name].ndim != 1:
                return None
        index = _Index(**arrays)
    except (OSError, ShardCorruptError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return index if len(index.doc) == len(index.value) == index.indptr[-1] else None
