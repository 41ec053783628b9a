"""A shard's files on disk, and its entry: what anybody can write, under its number, any number of times.

Its bytes depend on what is given alone. Not for: the books (journal, rejects, manifest), which have one
writer (:mod:`saetext.corpus.writer`, :mod:`saetext.corpus.landing`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from saetext.corpus.files import writing
from saetext.corpus.journal import JournalEntry
from saetext.corpus.meta import conform, meta_types
from saetext.corpus.rows import PooledRows
from saetext.corpus.shard import docs_name, features_batch, features_name, write_batch, write_docs
from saetext.io.json_file import plain

if TYPE_CHECKING:
    import pyarrow as pa

    from saetext.corpus.spec import ReaderSpec


def put_shard(
    home: Path,
    number: int,
    spec: ReaderSpec,
    *,
    stores_text: bool,
    docs: pa.Table,
    rows: Mapping[str, PooledRows],
    rejects: Sequence[Mapping[str, Any]],
    input_rows: int,
    input_hash: str,
    stats: Mapping[str, Any],
) -> tuple[JournalEntry, bytes]:
    """Write the files of one shard.

    Parameters
    ----------
    home : Path
        The corpus; its folders are there.
    number : int
        The shard's.
    spec : ReaderSpec
        The reader.
    stores_text : bool
        Whether texts and prompts are kept.
    docs : pyarrow.Table
        As :func:`saetext.corpus.meta.docs_table` makes it.
    rows : mapping of SAE to PooledRows
        One row for each document.
    rejects : sequence of mappings
        Input rows that could not be encoded, with ``reason`` among the keys; plain JSON types.
    input_rows : int
        Input rows this shard stands for.
    input_hash : str
        What identifies that input.
    stats : mapping
        Plain JSON types to keep with the shard; no timestamps, so that a resumed run ends with the same
        bytes.

    Returns
    -------
    JournalEntry
        Its ``rejects_bytes`` are those of this shard alone.
    bytes
        The lines for ``rejects.jsonl``.

    Raises
    ------
    CorpusError
        If they cannot be written.
    ValueError
        If documents and rows do not fit each other or the reader.
    """
    batch = conform(docs, stores_text=stores_text)
    if set(rows) != {sae.name for sae in spec.saes}:
        raise ValueError(f"rows for {sorted(rows)}, SAEs are {sorted(t.name for t in spec.saes)}")
    if unfit := [sae for sae, block in rows.items() if len(block) != batch.num_rows]:
        raise ValueError(f"{batch.num_rows} documents, and {len(rows[unfit[0]])} rows of SAE {unfit[0]}")
    features = {sae.name: features_batch(rows[sae.name], sae) for sae in spec.saes}
    told = "".join(json.dumps(dict(r), ensure_ascii=False, default=str) + "\n" for r in rejects)
    rejected = told.encode("utf-8", "backslashreplace")  # a lone surrogate becomes its JSON escape
    with writing(home):
        stamp, without_texts = write_docs(home / docs_name(number), batch)
        files = {docs_name(number): stamp}
        for sae, block in features.items():
            name = features_name(sae, number)
            files[name] = write_batch(home / name, block)
    entry = JournalEntry(
        shard=number,
        rows=batch.num_rows,
        input_rows=input_rows,
        input_hash=input_hash,
        tokens=pc.sum(batch.column("n_tokens")).as_py() or 0,
        entries={sae: rows[sae].n_entries for sae in features},
        rejects=dict(sorted(Counter(str(r.get("reason", "unknown")) for r in rejects).items())),
        rejects_bytes=len(rejected),
        files=files,
        meta=meta_types(batch),
        stats=plain(dict(stats)),
        without_texts=without_texts,
    )
    return entry, rejected
