"""A corpus of an earlier version brought to this one's layout: its manifest is written anew, no other file.

Not for: opening one, which every later version does as it is.
"""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import xxhash

from saetext.corpus.files import writing
from saetext.corpus.journal import JournalEntry, lines
from saetext.corpus.manifest import APPEND_PLAN, JOURNAL, SCHEMA, Manifest, is_older
from saetext.corpus.shard import docs_name, map_docs
from saetext.corpus.starting import locked
from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import CorpusError, ShardCorruptError
from saetext.io.files import FileStamp, write_atomic
from saetext.io.opener import open_regular


def upgrade(path: str | Path) -> str:
    """Bring a corpus to this version's layout and return that version.

    From 1.0 to 1.1: documents are read once, and the manifest gets a checksum of what is beside their texts.
    Files, fingerprint and dates stay. What is of this version or a newer one stays as it is.

    Raises
    ------
    CorpusError
        If there is no corpus, a newer saetext wrote it, an append to it is unfinished, or it cannot be
        written.
    ShardCorruptError
        If a file of documents is damaged.
    """
    path = Path(path)
    if _is_new(Manifest.read(path)):
        return Manifest.read(path).schema
    lock = locked(path)
    try:
        manifest = Manifest.read(path)  # as it is now that nobody else can write it
        if (path / APPEND_PLAN).exists():
            raise CorpusError(
                f"an append to {path} is unfinished: run it again, or delete {path / APPEND_PLAN} to cancel "
                "it"
            )
        shards = tuple(_with_checksum(path, entry) for entry in manifest.shards)
        schema = SCHEMA if is_older(manifest.schema) else manifest.schema
        with writing(path):
            (path / JOURNAL).unlink(missing_ok=True)  # it has the manifest's shards, or there is none
            replace(manifest, shards=shards, schema=schema).write(path)
            write_atomic(path / JOURNAL, lines(shards))
    finally:
        lock.release()
    return schema


def _is_new(manifest: Manifest) -> bool:
    whole = all(entry.without_texts is not None for entry in manifest.shards)  # not after a merge with 1.0
    return whole and not is_older(manifest.schema)


def _with_checksum(home: Path, entry: JournalEntry) -> JournalEntry:
    if entry.without_texts is not None:
        return entry
    name = docs_name(entry.shard)
    path, stamp = home / name, entry.files[name]
    map_docs(path, stamp, entry.rows)  # says what is wrong with it
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        seen = FileStamp(len(pages), xxhash.xxh3_128_hexdigest(pages))  # of the very bytes that are used
        told = WithoutTexts.of(pa.py_buffer(pages)) if seen == stamp else None
    if told is None:
        raise ShardCorruptError(f"{path} has changed while it was read; restore it")
    return replace(entry, without_texts=told)
