"""A corpus of many small shards as one of fewer, larger ones: daily appends leave a shard each.

The documents are cut anew as ``encode`` would have cut them. No model is run. Not for: joining corpora
(:mod:`saetext.corpus.merging`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from saetext.corpus.copying import BESIDE
from saetext.corpus.corpus import Corpus
from saetext.corpus.files import require_here, require_known_home, require_outside_corpora, writing
from saetext.corpus.journal import JournalEntry, lines
from saetext.corpus.manifest import JOURNAL, PLAN, REJECTS, Manifest
from saetext.corpus.merging import copy_rejects, link
from saetext.corpus.meta import docs_table
from saetext.corpus.opened import Opened
from saetext.corpus.parts import Parts
from saetext.corpus.put import put_shard
from saetext.corpus.rows import PooledRows
from saetext.corpus.shard import SHARD_CHARACTERS, pooled_rows
from saetext.errors import CorpusError, InputError
from saetext.io.files import atomic_directory, checksum, make_directory
from saetext.io.progress import OnProgress, Stages

SHARD_ROWS = 10_000
_MOST_ROWS = 2**31 - 1  # documents that a corpus may have
_PER_TOKEN = 4  # characters, where texts are not kept


def compact(
    corpus: str | Path | Corpus,
    output: str | Path,
    *,
    shard_rows: int = SHARD_ROWS,
    on_progress: OnProgress | None = None,
) -> Corpus:
    """Write a corpus with fewer, larger shards: opening is quicker, and there are fewer files.

    The corpus stays as it is. Documents, their order and ids, features, rejects, thresholds and labels are
    the same; the index is not copied. Fingerprints differ where shards do. Shards that are large enough stay.

    Parameters
    ----------
    corpus : path or Corpus
        A finished corpus.
    output : path
        The new one; nothing may be there.
    shard_rows : int
        Input rows of a shard, at most, unless one shard has more already.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as shards are written.

    Returns
    -------
    Corpus
        Of one ``encode``, with a multiple of its ``shard_rows``, it has the shards that ``encode`` with that
        number would have made; activations may differ in their last bits, as in any other batches.

    Raises
    ------
    InputError
        If ``shard_rows`` is below 1, or it is a selection.
    CorpusError
        If it is damaged, or the new one cannot be written.

    Examples
    --------
    >>> import saetext
    >>> small = saetext.encode([{"text": "Sorry!"}, {"text": "Wait."}], "small.corpus", shard_rows=1)
    >>> len(small.manifest.shards), len(saetext.compact(small, "compact.corpus").manifest.shards)
    (2, 1)
    """
    output = Path(output)
    require_here(output)
    if not 1 <= shard_rows <= _MOST_ROWS:
        raise InputError(f"shard_rows goes from 1 to {_MOST_ROWS:,}")
    source = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    if source.selection is not None:
        raise InputError(f"{source.path}: a selection of a corpus cannot be compacted, only a whole one")
    if source.elsewhere is not None:
        raise InputError(f"{source.elsewhere} is elsewhere: copy it first: saetext pull URL DIR")
    require_known_home(output)
    if output.exists() or output.is_symlink():
        raise CorpusError(f"{output} exists already; choose another path")
    require_outside_corpora(output)
    with writing(output):
        make_directory(output.absolute().parent)
        with atomic_directory(output) as beside:
            _fill(beside, source, shard_rows, Stages(on_progress))
    return Corpus.open(output)


def _fill(home: Path, source: Corpus, shard_rows: int, say: Stages) -> None:
    manifest = source.manifest
    parts = Parts(source.path, manifest, None, Opened())
    saes = [sae.name for sae in manifest.spec.saes]
    for folder in ("docs", "cards", *(f"features/{sae}" for sae in saes)):
        (home / folder).mkdir(parents=True)
    for sae in saes:
        link(source.path / "cards" / f"{sae}.arrow", home / "cards" / f"{sae}.arrow")
    with (home / REJECTS).open("wb") as rejects:
        copy_rejects(source, rejects)
    entries: list[JournalEntry] = []
    done = 0
    for group in _groups(parts, manifest.shards, shard_rows):
        entries.append(_put(home, manifest, parts, group, len(entries)))
        done += len(group)
        say("writing shards", done, len(manifest.shards))
    (home / JOURNAL).write_bytes(lines(entries))
    for path in sorted(source.path.iterdir()):
        if BESIDE.fullmatch(path.name) and path.name not in (JOURNAL, PLAN) and path.is_file():
            shutil.copyfile(path, home / path.name)
    Manifest(
        spec=manifest.spec,
        calibrations=manifest.calibrations,
        rejects=checksum(home / REJECTS),
        shards=tuple(entries),
        stores_text=manifest.stores_text,
        runs=manifest.runs,
        created=manifest.created,
        updated=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        extra={
            **manifest.extra,
            "compacted": {"fingerprint": manifest.fingerprint, "shard_rows": shard_rows},
        },
    ).write(home)


def _groups(parts: Parts, shards: Sequence[JournalEntry], shard_rows: int) -> Iterator[list[JournalEntry]]:
    """Yield the shards that become one, in order: as many as keep within the rows and the characters."""
    group: list[JournalEntry] = []
    rows = characters = 0
    for entry in shards:
        size = _characters(parts, entry)
        if group and (rows + entry.input_rows > shard_rows or characters + size > SHARD_CHARACTERS):
            yield group
            group, rows, characters = [], 0, 0
        group.append(entry)
        rows, characters = rows + entry.input_rows, characters + size
    if group:
        yield group


def _characters(parts: Parts, entry: JournalEntry) -> int:
    """Return about how many characters a shard has: bytes of its texts, or by its tokens."""
    if not parts.manifest.stores_text:
        return entry.tokens * _PER_TOKEN
    docs = parts.docs(entry)
    return sum(_bytes(docs.column(name)) for name in ("text", "prompt"))


def _bytes(strings: pa.StringArray) -> int:
    return sum(buffer.size for buffer in strings.buffers()[2:] if buffer is not None)


def _put(
    home: Path, manifest: Manifest, parts: Parts, group: Sequence[JournalEntry], number: int
) -> JournalEntry:
    """Write the documents and features of several shards as one."""
    spec = manifest.spec
    tables = [parts.docs(entry) for entry in group]
    stats: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    for entry in group:
        stats.update({name: value for name, value in entry.stats.items() if isinstance(value, int)})
        rejects.update(entry.rejects)
    digest = hashlib.blake2b("\n".join(entry.input_hash for entry in group).encode(), digest_size=16)
    made, _ = put_shard(
        home,
        number,
        spec,
        stores_text=manifest.stores_text,
        docs=_joined(tables),
        rows={
            sae.name: PooledRows.concatenate([pooled_rows(parts.features(e, sae.name)) for e in group])
            for sae in spec.saes
        },
        rejects=(),
        input_rows=sum(entry.input_rows for entry in group),
        input_hash=group[0].input_hash if len(group) == 1 else digest.hexdigest(),
        stats=dict(stats),
    )
    return JournalEntry(
        **{
            **made.__dict__,
            "rejects": dict(sorted(rejects.items())),
            "rejects_bytes": group[-1].rejects_bytes,
        }
    )


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return the documents of several shards as those of one, the types of metadata from all of its rows."""
    if all(batch.schema == batches[0].schema for batch in batches):
        return pa.Table.from_batches(batches)

    def column(name: str) -> list[Any]:
        return [value for batch in batches for value in batch.column(name).to_pylist()]

    return docs_table(
        ids=column("id"),
        texts=column("text"),
        prompts=column("prompt"),
        n_tokens=column("n_tokens"),
        n_unknown=column("n_unknown"),
        token_start=column("token_start"),
        token_end=column("token_end"),
        metas=column("meta"),
    )
