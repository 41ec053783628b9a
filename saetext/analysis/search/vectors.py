"""Vectors of documents in a FAISS index on disk, mapped into memory: written, opened, searched.

Flat and exact up to 100,000 documents; above, lists of near vectors (IVF, half precision), of which the
nearest are searched. A graph (HNSW), as earlier versions wrote it, is searched as well: it took 52 seconds of
65 for 250,000 documents. Not for: making vectors.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import CorpusError
from saetext.io.shelf import Shelf, roomy
from saetext.io.threads import one_thread

FLAT = 100_000  # documents up to which the index is flat
FILE = "vectors.faiss"
_LISTS = 1024  # a constant number, so that time grows with the documents and no faster
_OF_A_LIST = 100  # documents, where there are fewer lists
_SAMPLE = 64  # documents for each list that they are found from
_COPIES = 3  # of that sample
_ADDED = 8192  # vectors added at a time
_PROBES = 128  # lists that are searched, at least
_BREADTH = 256  # documents the graph keeps in view while it is searched, at least
_EXACT = 20_000  # documents that pass a filter up to which all of them are compared


def needed(n: int, width: int) -> int:
    """Return about how many bytes of memory an index of ``n`` vectors takes while it is built."""
    if n <= FLAT:
        return 4 * n * width
    return 2 * n * width + _COPIES * 4 * width * _SAMPLE * _LISTS  # and those that the lists are found from


def write_vectors(
    folder: Path, blocks: Iterable[NDArray[np.float32]], n: int, width: int, shelf: Shelf | None = None
) -> None:
    """Write an index of ``n`` vectors (blocks of float32[*, width]); inner products are similarities.

    What lists are made of lies on the shelf: in a file, where that can be.
    """
    faiss = importlib.import_module("faiss")  # its stubs do not know these calls

    index: Any
    if n <= FLAT:
        index = faiss.IndexFlatIP(width)
        for block in blocks:
            index.add(np.ascontiguousarray(block, np.float32))
    else:
        index = _in_lists(faiss, blocks, n, width, shelf or roomy())
    if index.ntotal != n:
        raise ValueError(f"{index.ntotal} vectors for {n} documents")
    try:
        faiss.write_index(index, str(folder / FILE))
    except RuntimeError as error:  # what faiss says of a full disk
        raise OSError(errno.EIO, f"faiss cannot write it ({str(error).splitlines()[-1][-80:]})") from error


def _in_lists(faiss: Any, blocks: Iterable[NDArray[np.float32]], n: int, width: int, shelf: Shelf) -> Any:
    """Return an index of lists: linear algebra has one thread, and faiss's change nothing in its bytes."""
    held = shelf.array(n * width, np.float16, most=0).reshape(n, width)
    at = 0
    for block in blocks:
        if at + len(block) > n:
            raise ValueError(f"more than {n} vectors for {n} documents")
        held[at : at + len(block)] = block
        at += len(block)
    lists = max(1, min(_LISTS, n // _OF_A_LIST))
    chosen = np.sort(np.random.default_rng(0).permutation(at)[: _SAMPLE * lists])
    index: Any = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(width), width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT,
        False,
    )  # fmt: skip
    index.cp.spherical, index.cp.niter, index.cp.max_points_per_centroid = True, 10, _SAMPLE
    with one_thread():
        index.train(held[chosen].astype(np.float32))
        index.set_direct_map_type(faiss.DirectMap.Array)  # so that a vector is found by its row
        for start in range(0, at, _ADDED):
            index.add(held[start : min(start + _ADDED, at)].astype(np.float32))
    return index


class VectorIndex:
    """An index written by :func:`write_vectors`; searches are safe in several threads.

    Parameters
    ----------
    folder : Path
        Where it lies.
    n : int, optional
        Documents that it should have.

    Raises
    ------
    CorpusError
        If it cannot be read or is of another number of documents.
    """

    def __init__(self, folder: Path, n: int | None = None) -> None:
        import faiss

        try:
            self._index: Any = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_MMAP_IFC)
        except (RuntimeError, MemoryError) as error:
            raise CorpusError(f"{folder / FILE} is damaged: run 'saetext index' on its corpus") from error
        if n is not None and self._index.ntotal != n:
            raise CorpusError(
                f"{folder / FILE} is damaged ({self._index.ntotal:,} vectors of {n:,} documents): run "
                "'saetext index' on its corpus"
            )
        self._flat = isinstance(self._index, faiss.IndexFlat)

    def __len__(self) -> int:
        """Return the number of documents."""
        return int(self._index.ntotal)

    @property
    def width(self) -> int:
        """Dimensions of a vector."""
        return int(self._index.d)

    def vector(self, row: int) -> NDArray[np.float32]:
        """Return float32[width], a document's vector."""
        found: NDArray[np.float32] = self._index.reconstruct(int(row))
        return found

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return float32[k, width], the vectors of some documents."""
        if not len(rows):
            return np.empty((0, self.width), np.float32)
        found: NDArray[np.float32] = self._index.reconstruct_batch(np.ascontiguousarray(rows, np.int64))
        return found

    def search(
        self, vector: NDArray[np.float32], k: int, live: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return up to ``k`` rows with their similarity, best first, earlier rows first on a tie.

        ``live`` says which rows may be returned.
        """
        faiss = importlib.import_module("faiss")
        k = min(k, len(self) if live is None else int(live.sum()))
        if k <= 0:
            return np.empty(0, np.int64), np.empty(0)
        if live is not None and (self._flat is False and int(live.sum()) <= _EXACT):
            rows = np.flatnonzero(live)
            return _ranked(rows, self._index.reconstruct_batch(rows) @ vector, k)
        selector = None
        if live is not None:
            bits = np.packbits(live, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        if self._flat:
            settings = faiss.SearchParameters(sel=selector) if selector is not None else None
        elif isinstance(self._index, faiss.IndexIVF):
            settings = faiss.SearchParametersIVF(nprobe=self._probes(k, live), sel=selector)
        else:
            settings = faiss.SearchParametersHNSW(efSearch=max(2 * k, _BREADTH), sel=selector)
        score, rows = self._index.search(np.ascontiguousarray(vector[None], np.float32), k, params=settings)
        found = rows[0] >= 0
        return _ranked(rows[0][found].astype(np.int64), score[0][found], k)

    def _probes(self, k: int, live: NDArray[np.bool_] | None) -> int:
        """Return how many lists are searched: more for many results, or where few rows may be returned."""
        lists = int(self._index.nlist)
        may = len(self) if live is None else int(live.sum())
        wanted = max(_PROBES * len(self) // may, 8 * k * lists // may)
        return min(lists, wanted)


def _ranked(
    rows: NDArray[np.int64], score: NDArray[Any], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = np.lexsort((rows, -score))[:k]
    return rows[order], score[order].astype(np.float64)
