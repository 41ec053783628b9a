"""Reading every file of a corpus through: the first that is damaged, or a verdict for each; and their sizes.

Not for: what was derived from the corpus (:mod:`saetext.analysis.verification`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from saetext.corpus.files import require_intact
from saetext.corpus.journal import Journal, JournalEntry
from saetext.corpus.manifest import JOURNAL, NAME, REJECTS
from saetext.corpus.parts import Parts
from saetext.errors import CorpusError, ShardCorruptError
from saetext.io.derived import Verdict
from saetext.io.files import FileStamp, checksum
from saetext.io.opener import why


def verify(parts: Parts) -> None:
    """Check every file of a corpus; ShardCorruptError names the first that is damaged."""
    for _, check in _checks(parts):
        check()


def corpus_verdicts(parts: Parts) -> list[Verdict]:
    """Return a verdict for each file of a corpus, its manifest first."""
    unsealed = Verdict(parts.path / NAME, "unchecked", "it has no checksum")
    found = [Verdict(parts.path / NAME, "intact") if parts.manifest.sealed else unsealed]
    for path, check in _checks(parts):
        try:
            check()
        except ShardCorruptError as error:
            reason = str(error).removeprefix(f"{path} ").removeprefix("is damaged: ")
            found.append(Verdict(path, "damaged", reason.partition("; restore")[0]))
        else:
            found.append(Verdict(path, "intact"))
    return [*found, *_journal(parts)]


def _journal(parts: Parts) -> Iterator[Verdict]:
    """Yield whether the journal has the manifest's shards; without one, an append writes it anew."""
    path, shards = parts.path / JOURNAL, list(parts.manifest.shards)
    if not path.exists():
        return
    try:
        fits = Journal.read(path, "delete it").entries[: len(shards)] == shards  # an append adds to it
        yield Verdict(path, "intact") if fits else Verdict(path, "damaged", "it does not fit the manifest")
    except CorpusError as error:
        yield Verdict(path, "damaged", str(error).removeprefix(f"{path} "))


def _checks(parts: Parts) -> Iterator[tuple[Path, Callable[[], object]]]:
    manifest, path = parts.manifest, parts.path
    for entry in manifest.shards:
        for name in sorted(entry.files):
            sae = name.split("/")[1]
            is_docs = name.startswith("docs/")
            read = partial(_read_docs, parts) if is_docs else partial(parts.features, sae=sae, again=True)
            yield path / name, partial(read, entry)
    for sae, stamp in manifest.calibrations.items():
        card = path / "cards" / f"{sae}.arrow"
        yield card, partial(_require_card, parts, card, stamp)
    yield path / REJECTS, partial(_require_rejects, parts)


def _read_docs(parts: Parts, entry: JournalEntry) -> None:
    parts.docs(entry, again=True)
    parts.columns(entry, again=True)  # has a checksum of its own, which may be wrong


def _require_card(parts: Parts, card: Path, stamp: FileStamp) -> None:
    parts.opened.bring(card, stamp)
    require_intact(card, stamp, again=True)


def _require_rejects(parts: Parts) -> None:
    # an append under way adds to the end of this file before the manifest knows
    told, path = parts.manifest.rejects, parts.path / REJECTS
    parts.opened.bring(path, told)
    try:
        intact = checksum(path, limit=told.bytes) == told
    except OSError as error:
        raise ShardCorruptError(f"{path} cannot be read ({why(error)})") from error
    if not intact:
        raise ShardCorruptError(f"{path} is damaged: its first {told.bytes} bytes have changed")


def sizes(parts: Parts) -> dict[str, float]:
    """Return the bytes on disk by part, see :meth:`saetext.corpus.Corpus.sizes`."""
    manifest = parts.manifest
    saes = [sae.name for sae in manifest.spec.saes]
    found: dict[str, float] = {"docs": 0, **{f"features/{sae}": 0 for sae in saes}}
    for entry in manifest.shards:
        for name, stamp in entry.files.items():
            found[name.rpartition("/")[0]] += stamp.bytes
    found["cards"] = sum(stamp.bytes for stamp in manifest.calibrations.values())
    found["rejects"] = manifest.rejects.bytes
    total = sum(found.values())
    found["index"] = sum(f.stat().st_size for f in (parts.path / "index").rglob("*") if f.is_file())
    found["total"] = total
    tokens = manifest.counts["tokens"]
    found["kb_per_100_tokens"] = total / 1000 / (tokens / 100) if tokens else 0.0
    return found
