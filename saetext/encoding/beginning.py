"""Where an encoding begins: its source, its reader and its plan; and how it is undone if nothing came of it.

Not for: encoding (:mod:`saetext.encoding.encoder`, :mod:`saetext.encoding.slices`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus.files import require_known_home, require_outside_corpora, writing
from saetext.corpus.manifest import JOURNAL, PLAN, REJECTS
from saetext.corpus.outbox import require_free_there
from saetext.corpus.starting import LANDED, LOCK
from saetext.documents import DocumentSource, open_documents
from saetext.errors import CorpusError, refuse_unused
from saetext.io.files import sync_directory
from saetext.io.orphans import is_ours
from saetext.io.urls import url_of

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


def as_source(source: Any, **options: Any) -> DocumentSource:
    """Return a source, opened if it is not yet; options that an open one cannot heed are refused."""
    if not isinstance(source, DocumentSource):
        return open_documents(source, **options)
    role = None if options["role"] == "assistant" else options["role"]
    refuse_unused(
        f"{source.name} is open already; give what to read to open_documents", **{**options, "role": role}
    )
    return source


def as_reader(reader: Reader | str | Sequence[str] | None) -> Reader:
    """Return a reader, loaded if it is given by name; the embedded one if it is not given."""
    from saetext.reader.reader import Reader as ReaderClass

    if isinstance(reader, ReaderClass):
        return reader
    if reader is None or isinstance(reader, str):
        return ReaderClass.load_many([reader] if isinstance(reader, str) else [])
    return ReaderClass.load_many(list(reader))


def plan_of(source: DocumentSource, shard_rows: int) -> dict[str, Any]:
    """Return what a resumed run must agree on, besides the reader, to fit the shards already there."""
    identity = {f"input {key}": value for key, value in source.identity().items()}
    return {**identity, "rows per shard": shard_rows}


def require_free(output: Path) -> None:
    """Raise :class:`CorpusError` if ``output`` cannot become a corpus; ask before a model is loaded."""
    if (url := url_of(output)) is not None:
        require_free_there(url)
        return
    require_known_home(output)
    with writing(output):
        there = next(path for path in (output, *output.absolute().parents) if path.exists())
        finished = (output / "manifest.json").exists()
    if finished:
        raise CorpusError(
            f"{output} is a finished corpus already: add to it with 'saetext append', or choose another path"
        )
    if not there.is_dir():
        raise CorpusError(f"{there} is a file; choose another path for the corpus")
    require_outside_corpora(output)
    if not os.access(there, os.W_OK | os.X_OK):
        raise CorpusError(
            f"cannot write {output}: no permission in {there}; choose another path for the corpus"
        )


class Undo:
    """Takes away what a run has made of its output, for a failure before the first document is done."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._begun = (output / PLAN).exists()  # by an earlier run: not ours to remove
        self._made = [path for path in (output, *output.parents) if not path.exists()]

    def __call__(self) -> None:
        """Take it away, unless an earlier run had begun it."""
        if self._begun:
            return
        plan = self._output / PLAN
        with contextlib.suppress(OSError):
            for path in self._own():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path != plan:
                    path.unlink()
            sync_directory(self._output)
            plan.unlink(missing_ok=True)  # last: by it a half-removed corpus is known for one
            for path in self._made:
                path.rmdir()

    def _own(self) -> list[Path]:
        """Return what the run has made: the directory was empty, but somebody may have put a file into it."""
        names = (LOCK, PLAN, JOURNAL, REJECTS, LANDED, "docs", "cards", "features")
        return [path for path in self._output.iterdir() if path.name in names or is_ours(path.name)]
