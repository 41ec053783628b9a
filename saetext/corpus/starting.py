"""What is looked at before a corpus is written: is the place free, ours, whole, and not in use by another.

Not for: writing (:mod:`saetext.corpus.writer`, :mod:`saetext.corpus.landing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from saetext.corpus.calibration import Calibration
from saetext.corpus.files import writing
from saetext.corpus.journal import Journal
from saetext.corpus.manifest import JOURNAL, NAME, PLAN, require_sae_names
from saetext.corpus.spec import ReaderSpec
from saetext.errors import CorpusError
from saetext.io.orphans import is_ours

LOCK = ".lock"
#: Where slices put the record of each shard that they have landed.
LANDED = "landed"


def require_calibrations(spec: ReaderSpec, calibrations: Mapping[str, Calibration]) -> None:
    """Raise ValueError unless there is the calibration that each SAE's spec names."""
    require_sae_names([sae.name for sae in spec.saes])
    if set(calibrations) != {sae.name for sae in spec.saes}:
        raise ValueError(
            f"calibrations of {sorted(calibrations)}, SAEs are {sorted(sae.name for sae in spec.saes)}"
        )
    for sae in spec.saes:
        if (
            calibrations[sae.name].sha256 != sae.calibration_sha256
            or len(calibrations[sae.name]) != sae.d_sae
        ):
            raise ValueError(f"the calibration given for SAE {sae.name} is not the one its spec names")


def refuse_finished(path: Path) -> None:
    """Raise :class:`CorpusError` if a corpus is finished."""
    if (path / NAME).exists():
        raise CorpusError(
            f"{path} already exists and is finished; add to it with saetext append, or choose another path"
        )


def require_ours(path: Path) -> None:
    """Refuse a directory that holds things and is no corpus."""
    if not path.exists() or any((path / name).exists() for name in (NAME, PLAN, LANDED)):
        return
    with writing(path):
        others = [f.name for f in path.iterdir() if not f.name.startswith(LOCK) and not is_ours(f.name)]
    if others:
        raise CorpusError(
            f"{path} is not a corpus and not empty (it has {min(others)}); choose another path for the corpus"
        )


def refuse_sliced(path: Path) -> None:
    """Raise :class:`CorpusError` if a corpus is being made in slices."""
    if (path / LANDED).is_dir() and not (path / NAME).exists():
        raise CorpusError(
            f"{path} was begun with --slice or --engine: run the same command as at first; 'saetext finish "
            f"{path} --status' says what is missing"
        )


def refuse_begun(path: Path) -> None:
    """Raise :class:`CorpusError` if a corpus was begun by a run that makes all of it."""
    if (path / PLAN).exists() and not (path / LANDED).is_dir():
        begun = Journal.read(path / JOURNAL, f"delete {path} and encode again").entries
        raise CorpusError(
            f"{path} was begun without --slice and has {len(begun):,} shards: run the same command as at "
            "first, or choose another path"
        )


def locked(path: Path, name: str = LOCK, what: str = "", wait: float = 0) -> FileLock:
    """Take a lock of a corpus; :class:`CorpusError` if another process has it for ``wait`` seconds more."""
    lock = FileLock(path / name, thread_local=False)
    with writing(path):
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise CorpusError(
                f"{what}{path} is being written by another process; wait for it to end"
            ) from None
    return lock
