"""A shard: what is cut from a source, read ahead, and pooled; what it becomes depends on nothing else.

So a shard can be made by anybody, any number of times, with the same bytes. Not for: which shards are made
and where they go (:mod:`saetext.encoding.encoder`, :mod:`saetext.encoding.slices`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from saetext.corpus.meta import docs_table
from saetext.corpus.shard import SHARD_CHARACTERS
from saetext.documents import Document, DocumentSource, Reject
from saetext.encoding.targets import parts_of
from saetext.text.language import looks_english

if TYPE_CHECKING:
    import pyarrow as pa

    from saetext.io.progress import Meter
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared, Unreadable


@dataclass
class Shard:
    """One shard's input.

    Attributes
    ----------
    documents, rejects : list
        What the rows became.
    rows : int
        How many there were.
    share : float or None
        Share of the source that is read once this shard is.
    digest : str
        Says whether another run sees the same rows.
    """

    documents: list[Document] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rows: int = 0
    share: float | None = None
    digest: str = ""


class Unique(Protocol):
    """The ids that are taken already."""

    def unique(self, document: Document, named: bool) -> Document | Reject:
        """Return the document, if need be with another id, or why it has none."""
        ...


def cut(source: DocumentSource, shard_rows: int, taken: Unique | None = None) -> Iterator[Shard]:
    """Cut the stream into shards by input rows and characters, which does not depend on how fast it runs."""
    shard, digest, characters = Shard(), hashlib.blake2b(digest_size=16), 0
    for item in source:
        shard.rows += 1
        if taken is not None and isinstance(item, Document):
            item = taken.unique(item, named=source.columns.id is not None)
        told = parts_of(item)
        if isinstance(item, Reject):
            shard.rejects.append(item)
        else:
            shard.documents.append(item)
            strings = (v for v in item.meta.values() if isinstance(v, str))
            characters += sum(map(len, (*told[1:-1], *strings)))  # all but its id and its metadata
        for part in told:
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        if shard.rows >= shard_rows or characters >= SHARD_CHARACTERS:
            shard.share, shard.digest = source.progress(), digest.hexdigest()
            yield shard
            shard, digest, characters = Shard(), hashlib.blake2b(digest_size=16), 0
    if shard.rows:
        shard.share, shard.digest = 1.0, digest.hexdigest()
        yield shard


def ahead(
    shards: Iterator[Shard], reader: Reader, role: str, wanted: Callable[[int], bool]
) -> Generator[tuple[Shard, list[Prepared | Unreadable]]]:
    """Parse and tokenise the next shard in a thread while the model reads the current one.

    Parameters
    ----------
    shards : iterator of Shard
        From :func:`cut`.
    reader : Reader
        Whose tokens.
    role : str
        Whose turns of a chat count.
    wanted : callable
        Whether the shard of this number is to be read at all; the others come without tokens.
    """

    def load(i: int) -> tuple[Shard, list[Prepared | Unreadable]] | None:
        shard = next(shards, None)
        if shard is None:
            return None
        return shard, reader.tokens.prepare(shard.documents, role) if wanted(i) else []

    pool = ThreadPoolExecutor(1, thread_name_prefix="saetext-input")
    try:
        i = 0
        future = pool.submit(load, i)
        while (loaded := future.result()) is not None:
            i += 1
            future = pool.submit(load, i)
            yield loaded
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt shall not wait for the next shard


def read_shard(
    reader: Reader,
    shard: Shard,
    prepared: Sequence[Prepared | Unreadable],
    *,
    role: str,
    store_text: bool,
    meter: Meter,
) -> dict[str, Any]:
    """Read a shard's documents; return what :func:`saetext.corpus.put.put_shard` takes of it.

    Parameters
    ----------
    reader : Reader
        With thresholds.
    shard, prepared
        From :func:`ahead`.
    role : str
        Whose turns of a chat count.
    store_text : bool
        Whether texts and prompts are kept.
    meter : Meter
        Told of tokens as they are read.
    """
    from saetext.reader.long_texts import LONGEST, n_characters
    from saetext.reader.tokenization import Unreadable

    documents: list[Document] = []
    readable: list[Prepared] = []
    rejects = list(shard.rejects)
    for document, p in zip(shard.documents, prepared, strict=True):
        if isinstance(p, Unreadable):
            rejects.append(Reject(document.position, document.where, p.reason, p.detail))
        else:
            documents.append(document)
            readable.append(p)
    rejects.sort(key=lambda r: r.position)
    meter.begin(shard.share, sum(p.n_tokens for p in readable))
    rows = reader.pool(readable, meter.add)
    english = [looks_english(p.text) for p in readable]
    cut_short = sum(n_characters(d) > LONGEST for d in documents)
    return {
        "docs": shard_table(documents, readable, role, store_text),
        "rows": rows,
        "rejects": [dataclasses.asdict(r) for r in rejects],
        "input_rows": shard.rows,
        "input_hash": shard.digest,
        "stats": {
            "unknown": sum(p.n_unknown for p in readable),
            "language_known": sum(e is not None for e in english),
            "not_english": sum(e is False for e in english),
            **({"cut": cut_short} if cut_short else {}),
        },
    }


def shard_table(
    documents: Sequence[Document], readable: Sequence[Prepared], role: str, store_text: bool
) -> pa.Table:
    """Return the documents' part of a shard, one row a document."""
    return docs_table(
        ids=[d.id for d in documents],
        texts=[p.text if store_text else None for p in readable],
        prompts=[_context(d, role) if store_text else None for d in documents],
        n_tokens=[p.n_tokens for p in readable],
        n_unknown=[p.n_unknown for p in readable],
        token_start=[p.start for p in readable],
        token_end=[p.end for p in readable],
        metas=[d.meta for d in documents],
    )


def _context(document: Document, role: str) -> str | None:
    """Return what was read but not counted: the prompt, or a chat's other turns."""
    if document.messages is None:
        return document.prompt
    others = [m.content for m in document.messages if role not in ("all", m.role) and m.content.strip()]
    return "\n\n".join(others) or None
