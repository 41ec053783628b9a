"""What encoding a source would cost, from a sample of it: documents, tokens, time, disk. Writes nothing."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saetext.documents import Document, DocumentSource
from saetext.errors import InputError

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared

SAMPLE = 256  # documents given to the model, drawn from those looked at
LOOK_ROWS = 20_000
LOOK_CHARACTERS = 50_000_000
SECONDS = 10.0  # of the model's time, after which smaller samples have to do
_FEATURE_BYTES = 24  # an entry's six columns
_DOCUMENT_BYTES = 24  # offsets of those six lists


@dataclass(frozen=True)
class Estimate:
    """What encoding a source would cost.

    Attributes
    ----------
    documents, tokens : int
        In the whole source.
    exact : bool
        Whether the documents were counted, or extrapolated from how far the sample reached into the source.
    seconds : float
        Of reading them, thresholds for a reader without any included, loading the reader not.
    bytes : int
        Of the corpus on disk.
    tokens_per_second : float
        Measured on the sample.
    sampled : int
        Documents that the model read.
    looked_at : int
        Input rows that were looked at.
    rejects : mapping of reason to int
        Those of them that would be rejected.
    at_least : bool
        The figures are of the rows looked at only: how much follows is not known (a long stream).
    """

    documents: int
    tokens: int
    exact: bool
    seconds: float
    bytes: int
    tokens_per_second: float
    sampled: int
    looked_at: int
    rejects: dict[str, int]
    at_least: bool = False


@dataclass(frozen=True)
class _Look:
    """The first rows of a source: what they hold and how much of it they are."""

    rows: int
    documents: int
    characters: int
    sample: list[Document]
    rejects: Counter[str]
    share: float | None  # of the input that they are; 1.0 when it ended
    role: str


def estimate(
    source: DocumentSource,
    reader: Reader,
    *,
    store_text: bool = True,
    threshold: float | None = None,
    min_tokens: int | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
) -> Estimate:
    """Look at the first rows of a source, let the model read a sample of them, and extrapolate.

    Parameters
    ----------
    source : DocumentSource
        Its first 20,000 rows (or 50M characters) are looked at.
    reader : Reader
        If it has no thresholds yet, some are made from the sample and thrown away.
    store_text, threshold, min_tokens
        As for :func:`saetext.encoding.encoder.encode`.
    seconds : float
        About how long the model may take.
    seed : int
        Which documents are drawn.

    Raises
    ------
    InputError
        If none of the rows can be read.
    """
    from saetext.encoding.shards import shard_table
    from saetext.reader.thresholds.estimation import DEFAULT_TOKENS
    from saetext.reader.thresholds.policy import from_sample, with_known_thresholds
    from saetext.reader.tokenization import Prepared

    known = with_known_thresholds(reader, threshold, min_tokens)
    calibrates = known is None
    look = _look(source, seed)
    pairs = [
        (d, p)
        for d, p in zip(look.sample, reader.tokens.prepare(look.sample, look.role), strict=True)
        if isinstance(p, Prepared)
    ]
    if not pairs:
        raise InputError(f"{source.name}: none of the first {look.rows:,} rows can be read")
    if known is None:
        known = from_sample(reader, [d for d, _ in pairs[:32]], look.role, threshold=threshold)
    known.pool([p for _, p in pairs[:4]])  # the first passes compile and warm up
    read, took, entries = _timed(known, [p for _, p in pairs], seconds)

    # from what the model read to the sample's documents, to those looked at, to all of them
    sample_tokens = sum(p.n_tokens for _, p in pairs)
    sample_characters = sum(map(_characters, look.sample))
    documents = look.documents * (len(pairs) / len(look.sample)) / (look.share or 1.0)
    tokens = sample_tokens * look.characters / max(sample_characters, 1) / (look.share or 1.0)
    read_tokens = sum(p.n_tokens for p in read)
    speed = read_tokens / max(took, 1e-9)
    table = shard_table([d for d, _ in pairs[: len(read)]], read, look.role, store_text)
    per_token = (table.nbytes + _FEATURE_BYTES * entries + _DOCUMENT_BYTES * len(read)) / read_tokens
    calibrations = sum(calibration.table.nbytes for calibration in known.calibrations.values())
    calibrating = min(tokens, DEFAULT_TOKENS) / speed if calibrates else 0.0
    return Estimate(
        documents=round(documents),
        tokens=round(tokens),
        exact=look.share == 1.0 and len(pairs) == len(look.sample),
        at_least=look.share is None,
        seconds=tokens / speed + calibrating,
        bytes=round(tokens * per_token + calibrations),
        tokens_per_second=speed,
        sampled=len(read),
        looked_at=look.rows,
        rejects=dict(look.rejects),
    )


def _look(source: DocumentSource, seed: int) -> _Look:
    """Read the first rows and draw a sample of the documents among them, each as likely as any other."""
    draw = random.Random(seed)
    rows = documents = characters = 0
    sample: list[Document] = []
    rejects: Counter[str] = Counter()
    ended = True
    for item in source:
        rows += 1
        if isinstance(item, Document):
            documents += 1
            characters += _characters(item)
            if len(sample) < SAMPLE:
                sample.append(item)
            elif (place := draw.randrange(documents)) < SAMPLE:
                sample[place] = item
        else:
            rejects[item.reason] += 1
        if rows >= LOOK_ROWS or characters >= LOOK_CHARACTERS:
            ended = False
            break
    if not sample:
        raise InputError(f"{source.name}: none of the first {rows:,} rows can be read")
    draw.shuffle(sample)  # so that the first ones are a sample, too
    if ended:
        share: float | None = 1.0
    elif source.n_rows is not None:
        share = rows / source.n_rows
    else:
        share = source.progress()
    return _Look(rows, documents, characters, sample, rejects, share, source.role)


def _timed(reader: Reader, prepared: Sequence[Prepared], seconds: float) -> tuple[list[Prepared], float, int]:
    """Let the model read growing parts until the time is up; return what it read, the time, the entries."""
    done, entries, size = 0, 0, 16
    started = time.perf_counter()
    while done < len(prepared) and (took := time.perf_counter() - started) < seconds:
        # as much as fits into the time left at the speed so far, so that batches are as full as when encoding
        size = max(size, int(done * (seconds - took) / took)) if done else size
        rows = reader.pool(prepared[done : done + size])
        entries += sum(r.n_entries for r in rows.values())
        done = min(len(prepared), done + size)
    return list(prepared[:done]), time.perf_counter() - started, entries


def _characters(document: Document) -> int:
    if document.messages is None:
        return len(document.text)
    return sum(len(m.content) for m in document.messages)
