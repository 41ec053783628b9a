"""Texts in memory -> their rows of features, each text read once by a reader and kept in the cache.

A text's row depends on the text, the reader and its arithmetic (dtype, device) alone, so what is kept is
keyed by these. Texts are taken in pieces; while one is read, other processes that want the same reader wait,
and then find it. Not for: files, prompts, chats, or anything that becomes a corpus
(:mod:`saetext.encoding.encoder`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.shard import POOLINGS, SHARD_CHARACTERS, matrix
from saetext.corpus.spec import ReaderSpec
from saetext.documents import Document
from saetext.encoding.request import SHARD_ROWS
from saetext.errors import InputError
from saetext.io.blob_cache import BlobCache
from saetext.io.cache import cache_dir
from saetext.io.progress import OnProgress, Stages
from saetext.text.language import looks_english

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.reader.reader import Reader

_FORMAT = 1  # of a row as bytes, and of what is in it: another number, and all is read again
_HEAD = np.dtype("<i4")
_N_HEAD = 4  # counted tokens, unknown ones, whether it looks English (-1: cannot tell), features present
_FIELDS = (("feature", "<i4"), ("value", "<f4"), ("total", "<f4"), ("count", "<i4"))


@dataclass(frozen=True)
class TextRow:
    """What a reader made of one text; a text without anything to read has no tokens and no features.

    Attributes
    ----------
    n_tokens, n_unknown : int
        Counted tokens, and those of them that the tokenizer does not know.
    english : bool or None
        Whether it looks English; None where that cannot be told.
    feature : int32[n]
        The features present, increasing.
    value, total : float32[n]
        Maximum and sum of each one's activations, as :class:`saetext.corpus.rows.PooledRows` has them.
    count : int32[n]
        Tokens above the threshold.
    """

    n_tokens: int
    n_unknown: int
    english: bool | None
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    total: NDArray[np.float32]
    count: NDArray[np.int32]

    def to_bytes(self) -> bytes:
        """Return it as bytes."""
        head = [self.n_tokens, self.n_unknown, -1 if self.english is None else int(self.english)]
        parts = [np.array([*head, len(self.feature)], _HEAD)]
        parts += [getattr(self, name).astype(kind, copy=False) for name, kind in _FIELDS]
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, raw: bytes) -> TextRow:
        """Return what :meth:`to_bytes` gave; ValueError if it is something else."""
        n_tokens, n_unknown, english, n = np.frombuffer(raw, _HEAD, _N_HEAD).tolist()
        if len(raw) != 4 * (_N_HEAD + len(_FIELDS) * n):
            raise ValueError("a row of another length than it says")
        columns: dict[str, Any] = {
            name: np.frombuffer(raw, kind, n, 4 * (_N_HEAD + at * n))
            for at, (name, kind) in enumerate(_FIELDS)
        }
        return cls(n_tokens, n_unknown, None if english < 0 else bool(english), **columns)


def rows_of_texts(
    texts: Sequence[str],
    spec: ReaderSpec,
    sae: str,
    open_reader: Callable[[], Reader],
    *,
    cache: bool = True,
    on_progress: OnProgress | None = None,
) -> list[TextRow]:
    """Return the row of each text, from the cache or read now.

    Parameters
    ----------
    texts : sequence of str
        Valid Unicode; repeated ones are read once.
    spec : ReaderSpec
        What the reader is; with a text it names what is kept. Where the reader that opens computes in another
        dtype or on another device, its own takes the place of this.
    sae : str
        Which SAE's features.
    open_reader : callable
        Returns the reader, with thresholds; called only if some text has to be read.
    cache : bool
        Whether rows are looked for and kept on disk (``SAETEXT_CACHE``).
    """
    kept = BlobCache(cache_dir() / "rows.sqlite") if cache else None
    reader_key = _reader_key(spec, sae)
    keys = [reader_key + hashlib.sha256(text.encode()).digest()[:16] for text in texts]
    first = dict(zip(keys, texts, strict=True))
    distinct = list(dict.fromkeys(keys))
    found = _known(kept, distinct)
    told, done = Stages(on_progress, unit="texts"), len(found)
    for piece in _pieces(distinct, first, found):
        told("encoding", done, len(distinct))
        alone = kept.alone(reader_key.hex()[:16]) if kept is not None else contextlib.nullcontext()
        with alone:
            found |= _known(kept, piece)  # another process may have read it meanwhile
            left = [key for key in piece if key not in found]
            reader = open_reader() if left else None
            own = reader is None or _arithmetic(reader.spec) == _arithmetic(spec)
            if reader is not None and own:
                read = dict(zip(left, _read(reader, [first[key] for key in left], sae), strict=True))
                if kept is not None:
                    kept.keep({key: row.to_bytes() for key, row in read.items()})
                found |= read
        if reader is not None and not own:  # rows of two kinds of arithmetic are not put together
            same = functools.partial(_same, reader)
            return rows_of_texts(texts, reader.spec, sae, same, cache=cache, on_progress=on_progress)
        done += len(piece)
    if found:
        told("encoding", len(distinct), len(distinct))
    return [found[key] for key in keys]


def pooled_matrix(rows: Sequence[TextRow], pooling: str, d_sae: int) -> csr_matrix:
    """Return rows as a matrix, float32 [texts, features]; poolings as of :meth:`saetext.Corpus.blocks`."""
    if pooling not in POOLINGS:
        raise InputError(f"unknown pooling {pooling!r}; choose one of {', '.join(POOLINGS)}")
    name = {"max": "value", "mean": "total"}.get(pooling, pooling)
    lengths = np.array([len(row.feature) for row in rows], np.int64)
    indptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    indices = _joined((row.feature for row in rows), np.int32)
    if pooling == "binary":
        data = np.ones(len(indices), np.float32)
    else:
        data = _joined((getattr(row, name) for row in rows), np.float32)
    if pooling == "mean":
        tokens = np.maximum([row.n_tokens for row in rows], 1).astype(np.float32)
        data = data / np.repeat(tokens, lengths)
    return matrix(data, indices, indptr, (len(rows), d_sae))


def _joined(parts: Iterable[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)


def _reader_key(spec: ReaderSpec, sae: str) -> bytes:
    """Return what tells a reader's rows from others'; the processor's arithmetic is part of it."""
    about = json.dumps([_FORMAT, spec.identity(sae), *_arithmetic(spec)], sort_keys=True)
    return hashlib.sha256(about.encode()).digest()[:16]


def _same(reader: Reader) -> Reader:
    return reader


def _arithmetic(spec: ReaderSpec) -> tuple[str, str]:
    return spec.numerics.model_dtype, spec.numerics.device


def _known(kept: BlobCache | None, keys: Sequence[bytes]) -> dict[bytes, TextRow]:
    known = {}
    for key, raw in (kept.find(keys) if kept is not None else {}).items():
        with contextlib.suppress(ValueError):  # read again
            known[key] = TextRow.from_bytes(raw)
    return known


def _pieces(keys: Sequence[bytes], texts: dict[bytes, str], found: dict[bytes, TextRow]) -> list[list[bytes]]:
    """Cut what has to be read as shards of a corpus are cut: the same batches give the same bits."""
    pieces: list[list[bytes]] = []
    piece: list[bytes] = []
    characters = 0
    for key in keys:
        if key in found:
            continue
        piece.append(key)
        characters += len(texts[key])
        if len(piece) >= SHARD_ROWS or characters >= SHARD_CHARACTERS:
            pieces.append(piece)
            piece, characters = [], 0
    return [*pieces, piece] if piece else pieces


def _read(reader: Reader, texts: Sequence[str], sae: str) -> list[TextRow]:
    from saetext.reader.reading import without_blanks
    from saetext.reader.tokenization import Prepared

    documents = [Document(str(at), text, None, None, {}, at, f"text {at}") for at, text in enumerate(texts)]
    prepared = without_blanks(reader.tokens.prepare(documents, "assistant"))
    readable = [p for p in prepared if isinstance(p, Prepared)]
    pooled = reader.pool(readable)[sae]
    made = []
    at = 0
    for p in prepared:
        if not isinstance(p, Prepared):
            made.append(TextRow(0, 0, None, *(np.empty(0, kind) for _, kind in _FIELDS)))
            continue
        here = slice(pooled.indptr[at], pooled.indptr[at + 1])
        columns: dict[str, Any] = {name: getattr(pooled, name)[here] for name, _ in _FIELDS}
        made.append(TextRow(p.n_tokens, p.n_unknown, looks_english(p.text), **columns))
        at += 1
    return made
