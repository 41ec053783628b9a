"""The manifest: what a finished corpus consists of. Written last, so its presence means the corpus is whole.

Not for: corpora still being written (journal.py) or the contents of shards (shard.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from saetext.corpus.journal import JournalEntry
from saetext.corpus.meta import META_TYPES, unify
from saetext.corpus.shapes import MANIFEST
from saetext.corpus.shard import docs_name, features_name
from saetext.corpus.spec import ReaderSpec
from saetext.errors import CorpusError
from saetext.io.files import FileStamp, write_atomic
from saetext.io.json_file import load, loads
from saetext.io.opener import HUGE, shown, why
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import check
from saetext.io.urls import shown_url, url_of

SCHEMA = "1.1"
FIRST_SCHEMA = "1.0"  # its shards have no checksum beside their texts
NAME = "manifest.json"
PLAN = "plan.json"
APPEND_PLAN = "append.json"
JOURNAL = "journal"
REJECTS = "rejects.jsonl"
_BYTES_OF_A_FEATURE = 20  # in the thresholds, which are not compressed: an int32 and four float32
_BYTES_OF_A_ROW = 4  # in any file of a shard, which are not compressed either: an offset
_SAE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@-]{0,99}")


@dataclass(frozen=True)
class Manifest:
    """A finished corpus.

    Attributes
    ----------
    spec : ReaderSpec
        The reader.
    calibrations : mapping of SAE to FileStamp
        Stamps of ``cards/<sae>.arrow``.
    rejects : FileStamp
        Stamp of ``rejects.jsonl``.
    shards : tuple of JournalEntry
        The shards, in order.
    stores_text : bool
        False for a corpus made with ``--no-text``.
    runs : tuple of mappings
        The encode and the appends that made it: ``plan``, ``numerics`` (a list: a resumed run may have seen
        other library versions), ``shards``, ``rows``.
    created, updated : str
        When it was first finished and last appended to, ISO 8601 in UTC.
    extra : mapping
        What the encoder wanted to keep.
    schema : str
        Version of the layout.
    sealed : bool
        Whether the file that it was read from has a checksum of its content.
    """

    spec: ReaderSpec
    calibrations: Mapping[str, FileStamp]
    rejects: FileStamp
    shards: tuple[JournalEntry, ...]
    stores_text: bool
    runs: tuple[Mapping[str, Any], ...]
    created: str
    updated: str
    extra: Mapping[str, Any]
    schema: str = SCHEMA
    sealed: bool = field(default=True, compare=False)

    @cached_property
    def n_documents(self) -> int:
        """Number of documents."""
        return sum(shard.rows for shard in self.shards)

    @cached_property
    def meta(self) -> dict[str, str]:
        """Metadata columns and the types that fit all shards, names of :data:`meta.META_TYPES`."""
        return unify(shard.meta for shard in self.shards)

    @cached_property
    def counts(self) -> dict[str, Any]:
        """Documents, input rows, tokens, entries by SAE, rejects by reason, bytes."""
        rejects: Counter[str] = Counter()
        for shard in self.shards:
            rejects.update(shard.rejects)
        return {
            "documents": self.n_documents,
            "input_rows": sum(shard.input_rows for shard in self.shards),
            "tokens": sum(shard.tokens for shard in self.shards),
            "entries": {t.name: sum(s.entries[t.name] for s in self.shards) for t in self.spec.saes},
            "rejects": dict(sorted(rejects.items())),
            "bytes": sum(stamp.bytes for shard in self.shards for stamp in shard.files.values()),
        }

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the reader's identity and the shards' checksums: it changes with the content."""
        files = [
            [name, stamp.bytes, stamp.xxh3_128]
            for shard in self.shards
            for name, stamp in sorted(shard.files.items())
        ]
        content = json.dumps([self.spec.fingerprint, self.stores_text, files])
        return hashlib.sha256(content.encode()).hexdigest()

    def write(self, root: Path) -> None:
        """Write ``manifest.json`` atomically."""
        stamps = {sae: stamp.to_dict() for sae, stamp in self.calibrations.items()}
        data = {
            "schema": self.schema,
            "created": self.created,
            "updated": self.updated,
            "spec": self.spec.to_dict(),
            "reader_fingerprint": self.spec.fingerprint,
            "fingerprint": self.fingerprint,
            "stores_text": self.stores_text,
            "counts": self.counts,
            "meta": self.meta,
            "cards": stamps,
            "rejects": self.rejects.to_dict(),
            "runs": list(self.runs),
            "extra": dict(self.extra),
            "shards": [shard.to_dict() for shard in self.shards],
        }
        write_atomic(root / NAME, json.dumps(sealed(data), indent=1).encode())

    @classmethod
    def read(cls, root: Path) -> Manifest:
        """Read the manifest of a finished corpus; unknown keys (a newer minor version) are ignored.

        Raises
        ------
        CorpusError
            If there is none, it is damaged, or a newer saetext wrote it.
        """
        path = root / NAME
        try:
            data = load(path, most=HUGE, loose=True)
        except (FileNotFoundError, NotADirectoryError):
            raise CorpusError(_why_no_manifest(root)) from None
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {why(error)}") from error
        except ValueError as error:
            raise CorpusError(
                f"{path} is damaged ({why(error)}); restore it, or delete {root} and encode again"
            ) from error
        return cls._checked(data, root)

    @classmethod
    def parse(cls, content: bytes, called: str) -> Manifest:
        """Return the manifest in these bytes, of a corpus elsewhere that is ``called`` so.

        Raises
        ------
        CorpusError
            As :meth:`read`.
        """
        try:
            data = loads(content, most=HUGE, loose=True)
        except ValueError as error:
            raise CorpusError(
                f"{called}/{NAME} is damaged ({why(error)}); copy the corpus there again"
            ) from error
        return cls._checked(data, called)

    @classmethod
    def _checked(cls, data: Any, root: Path | str) -> Manifest:
        path = f"{root}/{NAME}" if isinstance(root, str) else root / NAME
        require_schema(data.get("schema") if isinstance(data, dict) else None, root)
        try:
            check(MANIFEST, data)
            manifest = cls(
                spec=ReaderSpec.from_dict(data["spec"]),
                calibrations={sae: FileStamp.from_dict(stamp) for sae, stamp in data["cards"].items()},
                rejects=FileStamp.from_dict(data["rejects"]),
                shards=tuple(map(JournalEntry.from_dict, data["shards"])),
                stores_text=data["stores_text"],
                runs=tuple(data["runs"]),
                created=data["created"],
                updated=data["updated"],
                extra=data["extra"],
                schema=data["schema"],
            )
            manifest.check()
            is_sealed = require_seal(data)  # last: what is wrong with a field says more
        except ValueError as error:
            raise CorpusError(f"{path} is damaged ({why(error)}); restore it or encode again") from error
        return replace(manifest, sealed=is_sealed)

    def check(self) -> None:
        """Raise ValueError unless names stay inside the corpus and every shard has its files."""
        names = [sae.name for sae in self.spec.saes]
        require_sae_names(names)
        if set(self.calibrations) != set(names):
            raise ValueError(f"calibrations of {sorted(self.calibrations)}, SAEs {sorted(names)}")
        for sae in self.spec.saes:  # or arrays of any length would be made before a file is looked into
            if sae.d_sae * _BYTES_OF_A_FEATURE > self.calibrations[sae.name].bytes:
                raise ValueError(f"SAE {sae.name}: d_sae is {sae.d_sae:,}, and its thresholds are fewer")
        for number, shard in enumerate(self.shards):
            wanted = {docs_name(number), *(features_name(sae, number) for sae in names)}
            if shard.shard != number or set(shard.files) != wanted or set(shard.entries) != set(names):
                raise ValueError(f"shard {number} is not described")
            if any(shard.rows * _BYTES_OF_A_ROW > stamp.bytes for stamp in shard.files.values()):
                raise ValueError(f"the files of shard {number} cannot hold {shard.rows:,} documents")
            if shard.without_texts is not None:
                shard.without_texts.require(shard.files[docs_name(number)].bytes)
            if not set(shard.meta.values()) <= set(META_TYPES):
                raise ValueError(f"shard {number} has metadata of an unknown type")
        if self.n_documents >= 2**31:  # rows are int32 in the postings
            raise ValueError(f"{self.n_documents} documents")


def require_sae_names(names: Sequence[str]) -> None:
    """Raise ValueError unless the names are different and safe as directory names."""
    for name in names:
        if not isinstance(name, str) or not _SAE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of an SAE; use letters, digits and . _ + = @ -")
    if len({name.lower() for name in names}) != len(names):  # some file systems do not tell case
        raise ValueError(f"SAEs need different names: {', '.join(names)}")


def require_schema(found: Any, root: Path | str) -> None:
    """Raise :class:`CorpusError` if this saetext cannot read that version of the layout."""
    if not isinstance(found, str) or not re.fullmatch(r"\d{1,9}\.\d{1,9}", found):
        raise CorpusError(
            f"{root}/{NAME} does not say which schema it has (found {shown(found)}); encode again"
        )
    if int(found.partition(".")[0]) > int(SCHEMA.partition(".")[0]):
        raise CorpusError(f"{root} has schema {found} and this saetext reads up to {SCHEMA}; upgrade saetext")


def is_older(schema: str) -> bool:
    """Return whether a version of the layout, as a manifest has it, is older than this saetext's."""
    return [int(number) for number in schema.split(".")] < [int(number) for number in SCHEMA.split(".")]


def _why_no_manifest(root: Path) -> str:
    if (url := url_of(root)) is not None:
        return f"{shown_url(url)} is elsewhere; copy it first: saetext pull URL DIR"
    if not root.exists():
        return f"{root} does not exist"
    if not root.is_dir():
        return f"{root} is a file, not a corpus; encode it first"
    if (root / "landed").is_dir():
        return (
            f"{root} is being made by slices or workers: 'saetext finish {root} --status' says what "
            "is missing"
        )
    if (root / PLAN).exists() or (root / JOURNAL).exists():
        return f"{root} is unfinished; run the same encode command again to resume it"
    return f"{root} is not a corpus: it has no {NAME}"
