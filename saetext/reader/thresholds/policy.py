"""Which thresholds a reader uses: its own, those cached from an earlier corpus, or new ones from a corpus.

Not for: how thresholds are computed (:mod:`saetext.reader.thresholds.estimation`) or stored
(:mod:`saetext.corpus.calibration`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock

from saetext.corpus.calibration import Calibration
from saetext.corpus.notices import warn
from saetext.documents import Document, DocumentSource
from saetext.documents.rejects import nothing_readable
from saetext.errors import InputError, ReaderError
from saetext.io.cache import cache_dir
from saetext.io.files import make_directory
from saetext.io.progress import OnProgress, Progress

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


def ready(
    reader: Reader,
    source: DocumentSource,
    *,
    threshold: float | None = None,
    min_tokens: int | None = None,
    on_progress: OnProgress | None = None,
) -> Reader:
    """Return ``reader`` with calibrations: its own, cached ones, or made from a sample of ``source``.

    The sample is of the whole source, by the hash of each text: the order of its rows does not matter. Of a
    source with more than a million documents, it is of the first million.
    A calibration made here is kept in the user's cache, so that the reader's next corpus is comparable.

    Parameters
    ----------
    threshold : float, optional
        Percentile wanted; by default that of the calibration, else the 75th. 0 keeps every activation.
    min_tokens : int, optional
        Tokens above the threshold that make a feature present; by default the calibration's, else 1.

    Raises
    ------
    InputError
        If ``threshold`` or ``min_tokens`` is out of range, or ``source`` is needed twice and can be read
        once.

    Warns
    -----
    SaetextWarning
        If thresholds are made from little text, or cannot be kept.
    """
    from saetext.reader.thresholds.estimation import cache_calibrations, calibrate

    known = with_known_thresholds(reader, threshold, min_tokens)
    if known is not None:
        return known
    if not source.restartable:
        raise InputError(
            f"{source.name} can be read only once, and {reader.name} has no thresholds yet: first run "
            "'saetext calibrate', or read a file"
        )
    percentile = _wanted(threshold) or 0.0  # at 0 only the limit of attention sinks is wanted
    with _alone(reader, percentile):
        known = with_known_thresholds(reader, threshold, min_tokens)  # another process may have made them
        if known is not None:
            return known
        calibrated = calibrate(
            reader,
            readable(source),
            percentile=percentile,
            role=source.role,
            reference=source.name,
            on_progress=_reporter(source, on_progress),
            quiet=threshold == 0,  # a median needs few tokens
        )
        calibrated = _with_cached(calibrated, percentile)
        try:
            cache_calibrations(calibrated, percentile, 1)
        except OSError as error:
            warn(
                f"cannot cache the thresholds from {source.name} in {cache_dir()} "
                f"({error.strerror or error}): to compare other texts with this corpus, encode them with "
                "--reader-of"
            )
    return _on_tokens(calibrated, min_tokens)


@contextlib.contextmanager
def _alone(reader: Reader, percentile: float) -> Iterator[None]:
    """Wait until nobody else makes this reader's thresholds; where locks do not work, go on at once."""
    from saetext.reader.thresholds.estimation import calibration_path

    lock = None
    with contextlib.suppress(OSError, NotImplementedError):
        name = calibration_path(reader, next(iter(reader.saes)), percentile, 1).stem
        folder = cache_dir() / "locks"
        make_directory(folder)
        lock = FileLock(folder / f"{name}.lock")
        lock.acquire()
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def with_known_thresholds(
    reader: Reader, threshold: float | None = None, min_tokens: int | None = None
) -> Reader | None:
    """Return ``reader`` with calibrations if that takes no text, else None; arguments as in :func:`ready`."""
    from saetext.reader.thresholds.estimation import cached_calibrations

    if threshold is not None and not 0 <= threshold < 100:
        raise InputError(f"the threshold is a percentile from 0 to below 100, not {threshold:g}")
    if min_tokens is not None and min_tokens < 1:
        raise InputError(f"a feature is present on at least 1 token, not {min_tokens}")
    if threshold == 0:
        if _lacks_limit(reader):
            return None
        return reader.with_calibrations(_without_thresholds(reader, min_tokens))
    if reader.calibrated and all(
        threshold in (None, calibration.percentile) for calibration in reader.calibrations.values()
    ):
        return _on_tokens(reader, min_tokens)
    calibrations = cached_calibrations(reader, _wanted(threshold), 1)
    return None if calibrations is None else _on_tokens(reader.with_calibrations(calibrations), min_tokens)


def _with_cached(reader: Reader, percentile: float) -> Reader:
    """Return ``reader`` with the cached calibration of every SAE that has one: earlier corpora used it."""
    from saetext.reader.thresholds.estimation import calibration_path

    calibrations = reader.calibrations
    for name in reader.saes:
        path = calibration_path(reader, name, percentile, 1)
        if path.is_file():
            with contextlib.suppress(ReaderError):  # damaged: the new one takes its place
                calibrations[name] = Calibration.read(path)
    return reader.with_calibrations(calibrations)


def from_sample(
    reader: Reader, documents: list[Document], role: str, *, threshold: float | None = None
) -> Reader:
    """Return ``reader`` with thresholds from these documents alone, for an estimate; nothing is cached."""
    from saetext.reader.thresholds.estimation import calibrate

    return calibrate(reader, documents, percentile=_wanted(threshold), role=role, quiet=True)


def made_note(reader: Reader) -> str:
    """Return what to tell about thresholds that were just made from a first corpus."""
    calibration = next(iter(reader.calibrations.values()))
    tokens = int(calibration.about["tokens"])
    lacked = "no limit for attention sinks" if calibration.percentile is None else "no thresholds"
    return (
        f"{reader.name} had {lacked}: computed from {tokens:,} tokens of {drawn_from(calibration)}, "
        "and cached for later corpora"
    )


def drawn_from(calibration: Calibration) -> str:
    """Return ``300 of 20,000 documents of a.jsonl``, which a calibration's thresholds were made from."""
    drawn = calibration.about["documents"]
    of = calibration.about.get("drawn_from", drawn)  # a calibration of an earlier version does not say
    documents = f"{drawn:,} of {of:,} documents" if drawn < of else f"{of:,} documents"
    return f"{documents} of {calibration.about['reference']}"


def readable(source: DocumentSource) -> Iterator[Document]:
    """Yield the documents of a source; InputError at its end if there was none."""
    rejects: Counter[str] = Counter()
    found = False
    for item in source:
        if isinstance(item, Document):
            found = True
            yield item
        else:
            rejects[item.reason] += 1
    if not found:
        raise nothing_readable(source.name, rejects)


def _on_tokens(reader: Reader, min_tokens: int | None) -> Reader:
    """Return ``reader`` with calibrations that ask for so many tokens; thresholds do not depend on that."""
    if min_tokens is None:
        return reader
    calibrations = {
        name: dataclasses.replace(calibration, min_tokens=min_tokens)
        for name, calibration in reader.calibrations.items()
    }
    return reader.with_calibrations(calibrations)


def _wanted(threshold: float | None) -> float:
    from saetext.reader.thresholds.estimation import DEFAULT_PERCENTILE

    return DEFAULT_PERCENTILE if threshold is None else threshold


def _lacks_limit(reader: Reader) -> bool:
    """Say whether the limit of attention sinks has yet to be measured; thresholds of old have none."""
    if reader.calibrated or reader.model.bidirectional:
        return False
    stated = all(sae.norm_limit is not None for sae in reader.saes.values())
    return not stated and not _cached_for_zero(reader)


def _cached_for_zero(reader: Reader) -> dict[str, Calibration]:
    """Return what an earlier corpus without thresholds left in the cache, else one with the usual ones."""
    from saetext.reader.thresholds.estimation import cached_calibrations

    return cached_calibrations(reader, 0.0, 1) or cached_calibrations(reader, _wanted(None), 1) or {}


def _without_thresholds(reader: Reader, min_tokens: int | None) -> dict[str, Calibration]:
    """Return calibrations on which every activation is present; top words stay where there are some."""
    known = reader.calibrations if reader.calibrated else _cached_for_zero(reader)
    calibrations = {}
    for name, sae in reader.saes.items():
        calibration = known.get(name) or Calibration.from_arrays(np.zeros(sae.encoder.d_sae), percentile=None)
        least = min_tokens or calibration.min_tokens
        calibrations[name] = dataclasses.replace(calibration.without_thresholds(), min_tokens=least)
    return calibrations


def _reporter(source: DocumentSource, on_progress: OnProgress | None) -> OnProgress | None:
    if on_progress is None:
        return None
    tell = on_progress

    def show(p: Progress) -> None:
        # how far the source has been read is known to the source alone
        tell(dataclasses.replace(p, share=source.progress()) if p.stage == "sampling" else p)

    return show
