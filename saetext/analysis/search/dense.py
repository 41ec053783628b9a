"""The dense side of a hybrid search: MiniLM's sentence embedding of every document.

Embeddings are kept by shard (half precision) under the shard's checksum, so that a build that was stopped
goes on where it was, and one after ``saetext append`` embeds only what is new. Not for: labels of features
(:mod:`saetext.features.label_index`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.kept import Kept, embeddings_folder
from saetext.analysis.search.room import for_dense
from saetext.analysis.search.stored import Part
from saetext.analysis.search.vectors import needed, write_vectors
from saetext.corpus.files import writing
from saetext.corpus.landed import Slice
from saetext.errors import CorpusError
from saetext.io.files import make_directory
from saetext.io.memory import Bound
from saetext.io.progress import OnProgress, Stages
from saetext.reader import sentences as embed

if TYPE_CHECKING:
    from saetext.corpus import Corpus

_FORMAT = 1
_BATCH = 2000  # documents embedded at a time


def dense_part(corpus: Corpus) -> Part:
    """Return where the index of a corpus's sentence embeddings is, or would be."""
    home = corpus.path / "index" / "text"
    return Part(home, "dense", f"{_FORMAT} {corpus.manifest.fingerprint} {embed.MODEL_SHA256}")


def build_dense(
    corpus: Corpus,
    *,
    device: str = "auto",
    bound: Bound | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Embed the documents of a whole corpus and build the index, within a bound of memory if there is one.

    ``on_progress`` is called as documents are embedded.

    Raises
    ------
    ReaderError
        If the sentence model cannot be had.
    CorpusError
        If the index cannot be written.
    InputError
        If the bound was asked for, and is too little.
    """
    n = corpus.n_documents
    shelf = for_dense(bound or Bound.of(None), needed(n, embed.WIDTH))
    files = embed_shards(corpus, Slice(0, 1), device=device, on_progress=on_progress)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for kept in files:
            found = kept.read()
            if found is None:  # it was there a moment ago
                raise CorpusError(f"{kept.path} cannot be read back; run the same command again")
            yield found.astype(np.float32)

    place = dense_part(corpus)
    folder = place.build(lambda folder: write_vectors(folder, blocks(), n, embed.WIDTH, shelf))
    with contextlib.suppress(OSError):  # what cannot be removed is left for next time
        for old in embeddings_folder(corpus.path).glob("*.npy"):
            if old not in {kept.path for kept in files}:
                old.unlink(missing_ok=True)
    return folder


def embed_shards(
    corpus: Corpus, part: Slice, *, device: str = "auto", on_progress: OnProgress | None = None
) -> list[Kept]:
    """Embed the documents of a slice of the shards, unless they are kept already; return where they are.

    Slices write files of their own, whose bytes depend on the shard alone. Raises as :func:`build_dense`.
    """
    with writing(corpus.path):
        make_directory(embeddings_folder(corpus.path))
    places = [place for place in places_of(corpus) if part.has(place.shard)]
    embedder: embed.Embedder | None = None
    done, total = 0, sum(place.kept.n for place in places)
    tell = Stages(on_progress, "documents")
    for place in places:
        kept = place.kept
        if kept.read(tell_of_damage=True) is None:
            embedder = embedder or embed.Embedder.load(device)
            told = partial(_told, tell, done, total)
            kept.write(embed_shard(corpus, place, embedder, told))
        done += kept.n
        tell("embedding documents", done, total)
    return [place.kept for place in places]


def _told(tell: Stages, before: int, total: int, n: int) -> None:
    tell("embedding documents", before + n, total)


def embed_shard(
    corpus: Corpus, place: Place, embedder: embed.Embedder, on_done: Callable[[int], None] | None = None
) -> NDArray[np.float16]:
    """Return float16[n, width], the embeddings of a shard's texts; they depend on nothing else.

    ``on_done`` is called with how many of them are done.
    """
    n = place.kept.n
    frame = next(corpus.select(np.arange(place.first, place.first + n)).frames(["text"]))
    texts = [text or "" for text in frame["text"].to_list()]
    parts = []
    for start in range(0, n, _BATCH):
        parts.append(embedder.embed(texts[start : start + _BATCH]).astype(np.float16))
        if on_done is not None:
            on_done(min(start + _BATCH, n))
    return np.concatenate(parts)


def missing_shards(corpus: Corpus) -> tuple[list[int], int]:
    """Return which shards have documents that are not embedded yet, and how many have documents at all."""
    places = list(places_of(corpus))
    return [place.shard for place in places if not place.kept.path.is_file()], len(places)


@dataclass(frozen=True)
class Place:
    """A shard that has documents: its number, its first row, and where its embeddings are or would be."""

    shard: int
    first: int
    kept: Kept


def places_of(corpus: Corpus) -> Iterator[Place]:
    """Yield the shards of a whole corpus that have documents."""
    first = 0
    for entry in corpus.manifest.shards:
        if entry.rows:
            yield Place(entry.shard, first, Kept.of(corpus.path, entry.files, entry.rows))
        first += entry.rows
