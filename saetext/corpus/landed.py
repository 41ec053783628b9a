"""What slices leave behind: the record of a shard that has landed, and what one has seen of the whole input.

Records come from anybody who can write to the directory: shape, seal, names and sizes are compared before
any is believed. Not for: writing shards (:mod:`saetext.corpus.landing`), or making a corpus of them
(:mod:`saetext.corpus.finishing`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.corpus.files import require_intact, require_size
from saetext.corpus.journal import JournalEntry
from saetext.corpus.manifest import require_sae_names
from saetext.corpus.shard import docs_name, features_name
from saetext.corpus.starting import LANDED
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.files import FileStamp, write_atomic
from saetext.io.json_file import load
from saetext.io.opener import HUGE, LARGE, why
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import Record, Table, Text, Whole

MOST_SLICES = 100_000
MOST_SHARDS = 1 << 22  # at 512 documents each, more than a corpus can have
ABOUT, END = "about.json", "end.json"
_RECORD = re.compile(r"part-(\d{5,10})\.json")
_LANDED = Record(
    {
        "entry": Table(),
        "rejected": Text(longest=1 << 31),
        "slice": Whole(0, MOST_SLICES),
        "of": Whole(1, MOST_SLICES),
    }
)
_ABOUT = Record({"extra": Table()})
_END = Record({"shards": Whole(0, MOST_SHARDS), "digest": Text(longest=200), "of": Whole(1, MOST_SLICES)})


@dataclass(frozen=True)
class Slice:
    """One of ``of`` slices: the shards whose number leaves ``index`` when divided by ``of``."""

    index: int
    of: int

    def __post_init__(self) -> None:
        if not (1 <= self.of <= MOST_SLICES and 0 <= self.index < self.of):
            raise InputError(
                f"there is no slice {self}: those of {self.of} are 0/{self.of} to {self.of - 1}/{self.of}"
            )

    @classmethod
    def parse(cls, told: str) -> Slice:
        """Read ``3/8``; InputError for anything else."""
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", told)
        if found is None or not int(found[2]):
            raise InputError(
                f"{told[:40]!r} is no slice: write 0/8 for the first of eight, 7/8 for the last, or auto"
            )
        return cls(int(found[1]), int(found[2]))

    def has(self, shard: int) -> bool:
        """Return whether a shard is in this slice."""
        return shard % self.of == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


@dataclass(frozen=True)
class Landed:
    """A shard that is on disk.

    Attributes
    ----------
    entry : JournalEntry
        Its entry; ``rejects_bytes`` are those of this shard alone.
    rejected : str
        Its lines of ``rejects.jsonl``.
    slice : Slice
        Which slice has landed it.
    """

    entry: JournalEntry
    rejected: str
    slice: Slice

    def write(self, home: Path) -> None:
        """Write the record, atomically and with a checksum."""
        data = {
            "entry": self.entry.to_dict(), "rejected": self.rejected,
            "slice": self.slice.index, "of": self.slice.of,
        }  # fmt: skip
        write_atomic(record_path(home, self.entry.shard), json.dumps(sealed(data)).encode())

    @classmethod
    def read(
        cls,
        home: Path,
        shard: int,
        *,
        intact: bool = False,
        check: Callable[[str, FileStamp], None] | None = None,
    ) -> Landed:
        """Read the record of a shard, whose files are there with the size they should have.

        Parameters
        ----------
        home : Path
            The corpus.
        shard : int
            The shard's number.
        intact : bool
            Whether the files are read too, and their checksums compared.
        check : callable, optional
            Called instead with the name of each file and what it should be, where files are not in ``home``.

        Raises
        ------
        CorpusError
            If record or files are damaged; the message says what to do.
        """
        path = record_path(home, shard)
        try:
            data = load(path, _LANDED, most=HUGE)
            require_seal(data)
            landed = cls(
                JournalEntry.from_dict(data["entry"]), data["rejected"], Slice(data["slice"], data["of"])
            )
            if landed.entry.shard != shard:
                raise ValueError(f"it is of shard {landed.entry.shard}")
            if not all(_is_of(shard, name) for name in landed.entry.files):  # before one is looked for
                raise ValueError("it names files that are not of this shard")
        except (OSError, ValueError, InputError) as error:
            raise _damaged(path, why(error), shard) from error
        for name, stamp in landed.entry.files.items():
            try:
                if check is not None:
                    check(name, stamp)
                else:
                    (require_intact if intact else require_size)(home / name, stamp)
            except ShardCorruptError as error:
                raise _damaged(path, str(error).partition(";")[0], shard) from error
        return landed


@dataclass(frozen=True)
class End:
    """What a slice knows once it has seen the whole input: how many shards there are, of what.

    ``of`` is into how many slices it was cut by whoever came to the end first.
    """

    shards: int
    digest: str
    of: int

    @classmethod
    def read(cls, home: Path) -> End | None:
        """Read it; None before a slice has come to the end. CorpusError if it is damaged."""
        data = _of_all(home / LANDED / END, _END)
        return None if data is None else cls(data["shards"], data["digest"], data["of"])


def read_about(home: Path) -> dict[str, Any]:
    """Return what is to be kept in the manifest beside what shards say; CorpusError if it is damaged."""
    data = _of_all(home / LANDED / ABOUT, _ABOUT)
    return {} if data is None else dict(data["extra"])


def _of_all(path: Path, shape: Record) -> dict[str, Any] | None:
    """Return what slices have said of all of them; None before one has. CorpusError if it is damaged."""
    try:
        data: dict[str, Any] = load(path, shape, most=LARGE)
        require_seal(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} is damaged ({why(error)}): delete it and run any slice again") from error
    return data


def input_digest(hashes: Iterable[str]) -> str:
    """Return what tells one input from another, of the hashes of its shards in order."""
    return hashlib.blake2b("\n".join(hashes).encode(), digest_size=16).hexdigest()


def record_path(home: Path, shard: int) -> Path:
    """Return where the record of a shard lies."""
    return home / LANDED / f"part-{shard:05d}.json"


def landed_numbers(home: Path) -> list[int]:
    """Return the numbers of the shards that have a record, in order; CorpusError if they cannot be listed."""
    folder = home / LANDED
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {why(error)}") from error
    return numbers_in(names)


def numbers_in(names: Iterable[str]) -> list[int]:
    """Return the numbers of the shards whose records are among these files, in order."""
    return sorted(int(told[1]) for name in names if (told := _RECORD.fullmatch(name)))


def _is_of(shard: int, name: str) -> bool:
    """Return whether a shard has a file of this name: a record may come from anybody."""
    folder, _, rest = name.partition("/")
    if folder != "features":
        return name == docs_name(shard)
    sae = rest.partition("/")[0]
    try:
        require_sae_names([sae])
    except ValueError:
        return False
    return name == features_name(sae, shard)


def _damaged(path: Path, reason: str, shard: int) -> CorpusError:
    return CorpusError(f"{path} is damaged ({reason}): run the slice that has shard {shard} again")
