"""The journal: one line of JSON for each shard that is safely on disk, appended and synced as it lands.

Not for: finished corpora, which their manifest describes; the journal is what a killed run resumes from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.corpus.shapes import ENTRY
from saetext.corpus.without_texts import WithoutTexts
from saetext.errors import CorpusError
from saetext.io.files import FileStamp, append_synced
from saetext.io.json_file import loads
from saetext.io.opener import HUGE, read_bytes, why
from saetext.io.shape import check


@dataclass(frozen=True)
class JournalEntry:
    """One finished shard.

    Attributes
    ----------
    shard : int
        Its number.
    rows : int
        Documents in it.
    input_rows : int
        Input rows it consumed: documents and rejects.
    input_hash : str
        What the encoder says identifies that input.
    tokens : int
        Counted tokens.
    entries : mapping of SAE to int
        Stored (document, feature) entries.
    rejects : mapping of reason to int
        Input rows that could not be encoded.
    rejects_bytes : int
        Length of ``rejects.jsonl`` once this shard's rejects are in it.
    files : mapping of relative path to FileStamp
        Its files.
    meta : mapping of name to type
        Types of its metadata columns.
    stats : mapping
        What the encoder wants to keep, plain JSON types.
    without_texts : WithoutTexts or None
        Checksum of the documents' file beside its texts; None in a corpus of schema 1.0.
    """

    shard: int
    rows: int
    input_rows: int
    input_hash: str
    tokens: int
    entries: Mapping[str, int]
    rejects: Mapping[str, int]
    rejects_bytes: int
    files: Mapping[str, FileStamp]
    meta: Mapping[str, str]
    stats: Mapping[str, Any]
    without_texts: WithoutTexts | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        files = {name: stamp.to_dict() for name, stamp in self.files.items()}
        told = {**self.__dict__, "files": files}
        if self.without_texts is None:  # as 1.0 wrote it
            del told["without_texts"]
        else:
            told["without_texts"] = self.without_texts.to_dict()
        return told

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> JournalEntry:
        """Build an entry from :meth:`to_dict`'s output; ValueError unless it is a :data:`ENTRY`."""
        check(ENTRY, data)  # stamps and places of texts among it: a manifest may have 20,000 of them
        values = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        values["files"] = {str(name): FileStamp.of_checked(stamp) for name, stamp in data["files"].items()}
        if "without_texts" in data:
            values["without_texts"] = WithoutTexts.of_checked(data["without_texts"])
        return cls(**values)


class Journal:
    """The journal of a corpus being written.

    Attributes
    ----------
    entries : list of JournalEntry
        What is on disk, in order.
    """

    def __init__(self, path: Path, entries: list[JournalEntry], size: int) -> None:
        self.path = path
        self.entries = entries
        self._size = size

    @classmethod
    def read(cls, path: Path, advice: str) -> Journal:
        """Read a journal, leaving out a last line that was torn; a missing file is an empty journal.

        ``advice`` is what to do about a damaged one, for the message.

        Raises
        ------
        CorpusError
            If it cannot be read, or a line before the last one is damaged.
        """
        try:
            data = read_bytes(path, HUGE) if path.exists() else b""
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {why(error)}; {advice}") from error
        lines = data.split(b"\n")
        entries: list[JournalEntry] = []
        size = 0
        for number, line in enumerate(lines[:-1]):  # what follows the last newline is torn or empty
            try:
                entry = JournalEntry.from_dict(loads(line, loose=True))
            except ValueError as error:
                if number == len(lines) - 2 and not lines[-1]:
                    break
                raise CorpusError(f"{path} is damaged in line {number + 1}; {advice}") from error
            if entry.shard != number:
                raise CorpusError(f"{path} has no line for shard {number}; {advice}")
            entries.append(entry)
            size += len(line) + 1
        return cls(path, entries, size)

    def append(self, entry: JournalEntry) -> None:
        """Add a line and sync it; what a torn line or a failed attempt left is cut off first."""
        self._size = append_synced(self.path, self._size, line(entry))
        self.entries.append(entry)

    def trim(self) -> None:
        """Cut a torn last line off the file."""
        append_synced(self.path, self._size, b"")


def line(entry: JournalEntry) -> bytes:
    """Return an entry's line."""
    return json.dumps(entry.to_dict()).encode() + b"\n"


def lines(entries: Sequence[JournalEntry]) -> bytes:
    """Return a whole journal."""
    return b"".join(map(line, entries))
