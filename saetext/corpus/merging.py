"""Several corpora of one reader as one: their files linked, their shards numbered anew. No model is run.

Not for: adding texts to a corpus (:mod:`saetext.encoding.encoder`).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from saetext.corpus.corpus import Corpus
from saetext.corpus.files import require_here, require_known_home, require_outside_corpora, writing
from saetext.corpus.journal import JournalEntry, lines
from saetext.corpus.manifest import JOURNAL, REJECTS, Manifest
from saetext.corpus.shard import docs_name, features_name, map_docs, write_docs
from saetext.corpus.spec import require_comparable
from saetext.documents.convert import IdSet
from saetext.documents.record import ROW_NUMBERS
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.files import atomic_directory, checksum, make_directory
from saetext.io.opener import open_regular
from saetext.io.progress import OnProgress, Stages
from saetext.text.one_line import quoted

_PIECE = 1 << 20  # bytes that are copied at a time


def merge(
    corpora: Sequence[str | Path | Corpus], output: str | Path, *, on_progress: OnProgress | None = None
) -> Corpus:
    """Make one corpus of several that the same reader made.

    Files are linked where the file system can, else copied; the corpora stay as they are. What was made from
    them stays with them: labels, index. Documents keep their order and their ids. Where ids were made from
    row numbers, those of later corpora go on where the earlier ones end, as :func:`saetext.append` has it.

    Parameters
    ----------
    corpora : sequence of paths
        Two or more finished corpora.
    output : path
        The new corpus; nothing may be there.

    Returns
    -------
    Corpus

    Raises
    ------
    InputError
        If there are fewer than two, or two documents have the same id.
    IncompatibleError
        If different readers made them.
    CorpusError
        If one keeps no texts and another does, or the new one cannot be written.

    Examples
    --------
    >>> import saetext
    >>> one = saetext.encode([{"text": "Sorry to hear that!"}], "monday.corpus")
    >>> two = saetext.encode([{"text": "Restart it."}], "tuesday.corpus")
    >>> saetext.merge([one, two], "week.corpus").ids.to_pylist()
    ['0', '1']
    """
    output = Path(output)
    require_here(output)
    opened = [_opened(one) for one in corpora]
    if len(opened) < 2:
        raise InputError("merge takes two corpora or more")
    if twice := [p for p, n in Counter(os.path.realpath(one.path) for one in opened).items() if n > 1]:
        raise InputError(f"{twice[0]} is given more than once")
    _require_alike(opened)
    require_known_home(output)
    if output.exists() or output.is_symlink():
        raise CorpusError(f"{output} exists already; choose another path")
    require_outside_corpora(output)
    say = Stages(on_progress)
    moved = _moved(opened, say)
    with writing(output):
        make_directory(output.absolute().parent)
        with atomic_directory(output) as beside:
            _fill(beside, opened, moved, say)
    return Corpus.open(output)


def _opened(one: str | Path | Corpus) -> Corpus:
    corpus = one if isinstance(one, Corpus) else Corpus.open(one)
    if corpus.selection is not None:
        raise InputError(f"{corpus.path}: a selection of a corpus cannot be merged, only a whole one")
    if corpus.elsewhere is not None:
        raise InputError(f"{corpus.elsewhere} is elsewhere: copy it first: saetext pull URL DIR")
    return corpus


def _require_alike(opened: Sequence[Corpus]) -> None:
    first = opened[0]
    for one in opened[1:]:
        require_comparable(first.spec, one.spec, names=(str(first.path), str(one.path)))
        if one.stores_text != first.stores_text:
            without, having = (first, one) if one.stores_text else (one, first)
            raise CorpusError(
                f"{without.path} keeps no texts and {having.path} does: encode one of them again"
            )


def _moved(opened: Sequence[Corpus], say: Stages) -> list[int]:
    """Return what is added to the ids of each corpus, 0 for those that keep theirs."""
    taken, moved, following = IdSet(), [], 0
    total, done = sum(map(len, opened)), 0
    for number, corpus in enumerate(opened):
        ids = [id for chunk in corpus.ids.chunks for id in chunk.to_pylist()]
        by_row = ROW_NUMBERS in str(corpus.manifest.extra.get("columns", ""))
        plain = by_row and all(id.isdecimal() and len(id) < 19 for id in ids)
        shift = following if number and plain else 0
        for id in ids:
            kept = str(int(id) + shift) if shift else id
            if not taken.add(kept):
                raise InputError(
                    f"the id {quoted(id)} of {corpus.path} is in an earlier corpus too: encode one of them "
                    "with another column as --id"
                )
            if kept.isdecimal() and len(kept) < 19:
                following = max(following, int(kept) + 1)
        moved.append(shift)
        done += len(ids)
        say("comparing ids", done, total)
    return moved


def _fill(home: Path, opened: Sequence[Corpus], moved: Sequence[int], say: Stages) -> None:
    first = opened[0]
    saes = [sae.name for sae in first.spec.saes]
    for folder in ("docs", "cards", *(f"features/{sae}" for sae in saes)):
        (home / folder).mkdir(parents=True)
    for sae in saes:
        link(first.path / "cards" / f"{sae}.arrow", home / "cards" / f"{sae}.arrow")
    entries: list[JournalEntry] = []
    total = sum(len(corpus.manifest.shards) for corpus in opened)
    with (home / REJECTS).open("wb") as rejects:
        for corpus, shift in zip(opened, moved, strict=True):
            before = rejects.tell()
            copy_rejects(corpus, rejects)
            for entry in corpus.manifest.shards:
                entries.append(_placed(home, corpus, entry, len(entries), before, shift))
                say("linking shards", len(entries), total)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    (home / JOURNAL).write_bytes(lines(entries))
    Manifest(
        spec=first.spec,
        calibrations=first.manifest.calibrations,
        rejects=checksum(home / REJECTS),
        shards=tuple(entries),
        stores_text=first.stores_text,
        runs=tuple(run for corpus in opened for run in corpus.manifest.runs),
        created=now,
        updated=now,
        extra={
            **_columns(opened),
            "source": f"{len(opened)} corpora merged",
            "merged": [{"path": corpus.path.name, "fingerprint": corpus.fingerprint} for corpus in opened],
        },
    ).write(home)


def _columns(opened: Sequence[Corpus]) -> dict[str, str]:
    """Return where texts and ids came from, if that is the same for all: it says whose ids may change."""
    told = {str(corpus.manifest.extra.get("columns", "")) for corpus in opened}
    return {"columns": told.pop()} if len(told) == 1 else {}


def copy_rejects(corpus: Corpus, target: BinaryIO) -> None:
    """Copy the rejects that the manifest knows of.

    Raises
    ------
    ShardCorruptError
        If they are damaged: they get a new checksum, which would hide it.
    """
    path, told = corpus.path / REJECTS, corpus.manifest.rejects
    if checksum(path, limit=told.bytes) != told:
        raise ShardCorruptError(f"{path} is damaged: its first {told.bytes} bytes have changed; restore it")
    left = told.bytes
    with open_regular(path) as file:
        while left and (piece := file.read(min(left, _PIECE))):
            target.write(piece)
            left -= len(piece)


def _placed(
    home: Path, corpus: Corpus, entry: JournalEntry, number: int, rejects_before: int, shift: int
) -> JournalEntry:
    """Put the files of a shard under its new number."""
    names = {docs_name(entry.shard): docs_name(number)}
    for sae in corpus.spec.saes:
        names[features_name(sae.name, entry.shard)] = features_name(sae.name, number)
    files, without_texts = {}, entry.without_texts
    for old, new in names.items():
        if shift and new == docs_name(number):
            files[new], without_texts = write_docs(home / new, _with_ids(corpus, entry, shift))
            continue
        link(corpus.path / old, home / new)
        files[new] = entry.files[old]
    return replace(
        entry,
        shard=number,
        files=files,
        rejects_bytes=rejects_before + entry.rejects_bytes,
        without_texts=without_texts,
    )


def _with_ids(corpus: Corpus, entry: JournalEntry, shift: int) -> pa.RecordBatch:
    """Return the documents of a shard with ids that go on from the corpora before."""
    name = docs_name(entry.shard)
    batch = map_docs(corpus.path / name, entry.files[name], entry.rows).batch
    ids = pc.cast(pc.add(pc.cast(batch.column("id"), pa.int64()), shift), pa.string())
    at = batch.schema.get_field_index("id")
    columns = [ids if i == at else batch.column(i) for i in range(batch.num_columns)]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def link(source: Path, target: Path) -> None:
    """Link a file that never changes, or copy it where it cannot be linked; never a link that leads to it."""
    source = Path(os.path.realpath(source))
    if os.access(source, os.W_OK):  # what is linked is synced, which takes a file that may be written
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)
