"""The dense side of a hybrid search: MiniLM's sentence embedding of every document.

Embeddings are kept by shard (half precision) under the shard's checksum, so that a build that was stopped
goes on where it was, and one after ``saetext append`` embeds only what is new. Not for: labels of features
(:mod:`saetext.features.label_index`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.stored import Part, mapped
from saetext.analysis.search.vectors import write_vectors
from saetext.corpus.files import writing
from saetext.io.files import FileStamp, atomic_file
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


def build_dense(corpus: Corpus, *, device: str = "auto", on_progress: OnProgress | None = None) -> Path:
    """Embed the documents of a whole corpus and build the index.

    ``on_progress`` is called as documents are embedded.

    Raises
    ------
    ReaderError
        If the sentence model cannot be had.
    CorpusError
        If the index cannot be written.
    """
    shards = corpus.path / "index" / "text" / "embeddings"
    with writing(shards):
        shards.mkdir(parents=True, exist_ok=True)
    embedder: embed.Embedder | None = None
    done, total = 0, corpus.n_documents
    tell = Stages(on_progress, "documents")
    files = []
    frames = corpus.frames(["text"])
    for entry in corpus.manifest.shards:
        if not entry.rows:
            continue
        texts = [text or "" for text in next(frames)["text"].to_list()]
        path = shards / f"{_docs_checksum(entry.files)}-{embed.MODEL_SHA256[:8]}.npy"
        files.append(path)
        if not _is_whole(path, len(texts)):
            embedder = embedder or embed.Embedder.load(device)
            parts = []
            for start in range(0, len(texts), _BATCH):
                parts.append(embedder.embed(texts[start : start + _BATCH]).astype(np.float16))
                tell("embedding documents", done + min(start + _BATCH, len(texts)), total)
            with writing(path), atomic_file(path) as file:
                np.save(file, np.concatenate(parts), allow_pickle=False)
        done += len(texts)
        tell("embedding documents", done, total)

    def blocks() -> Iterator[NDArray[np.float32]]:
        for path in files:
            yield mapped(path).astype(np.float32)

    folder = dense_part(corpus).build(lambda folder: write_vectors(folder, blocks(), total, embed.WIDTH))
    for old in shards.glob("*.npy"):
        if old not in files:
            old.unlink(missing_ok=True)
    return folder


def _docs_checksum(files: Mapping[str, FileStamp]) -> str:
    return str(next(stamp.xxh3_128 for name, stamp in files.items() if name.startswith("docs/")))


def _is_whole(path: Path, n: int) -> bool:
    try:
        return bool(mapped(path).shape == (n, embed.WIDTH))
    except (OSError, ValueError):
        return False
