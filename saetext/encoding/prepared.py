"""What slices and workers have in common: made from a source and a reader, or read where it was recorded.

Not for: recording it (:mod:`saetext.corpus.landing`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.corpus import plan as plans
from saetext.corpus.calibration import Calibration
from saetext.corpus.landing import Common
from saetext.corpus.manifest import PLAN
from saetext.corpus.spec import ReaderSpec
from saetext.corpus.starting import LANDED
from saetext.documents import DocumentSource
from saetext.encoding.beginning import as_reader, plan_of
from saetext.encoding.request import EncodeRequest
from saetext.errors import InputError, ReaderError

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


@dataclass(frozen=True)
class NamedReader:
    """A reader that nobody has loaded yet: as the command line names it.

    Attributes
    ----------
    names : tuple of str
        Empty for the embedded one.
    model : str or None
        Where its language model is.
    device, dtype : str
        ``auto``: as recorded.
    trust_pickle : bool
        Whether pickled weights are read.
    """

    names: tuple[str, ...] = ()
    model: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    trust_pickle: bool = False

    def load(self) -> Reader:
        """Load it here after all."""
        from saetext.reader.reader import Reader as ReaderClass

        return ReaderClass.load_many(
            self.names,
            self.model,
            device=self.device,
            dtype=self.dtype,
            trust_pickle=self.trust_pickle,
        )


def common_of(documents: DocumentSource, reader: Reader, request: EncodeRequest) -> Common:
    """Return what slices of a corpus have in common."""
    return common_with(documents, reader.spec, reader.calibrations, request)


def common_with(
    documents: DocumentSource,
    spec: ReaderSpec,
    calibrations: Mapping[str, Calibration],
    request: EncodeRequest,
) -> Common:
    """Return the same, of what is known of a reader that need not be loaded."""
    about = {"source": documents.name, "columns": documents.columns.describe()}
    return Common(
        plan_of(documents, request.shard_rows),
        spec,
        calibrations,
        request.store_text,
        {**about, **(request.extra or {})},
    )


def is_prepared(output: Path) -> bool:
    """Return whether slices or workers of a corpus have begun, or were prepared."""
    return (output / PLAN).exists() and (output / LANDED).is_dir()


def prepared_reader(output: Path, request: EncodeRequest) -> Reader | None:
    """Return the reader with the thresholds that were recorded for all slices; None before there are any."""
    if not is_prepared(output):
        return None
    reader = as_reader(request.reader)
    known = _calibrations(output, list(reader.saes), request)
    return None if known is None else reader.with_calibrations(known)


def unloaded_reader(
    output: Path, request: EncodeRequest, reader: NamedReader
) -> tuple[ReaderSpec, Mapping[str, Calibration], Callable[[], Reader]] | None:
    """Return what was recorded of a reader, its thresholds, and what loads it; None before it was.

    Raises
    ------
    ReaderError
        If it is seen without loading it that another was recorded; what loads it sees the rest.
    """
    if not is_prepared(output):
        return None
    from saetext.reader.reader import Reader as ReaderClass
    from saetext.reader.shipped import EMBEDDED, of_source

    spec = ReaderSpec.from_dict(plans.read(output / PLAN, f"delete {output} and encode again")["spec"])
    known = _calibrations(output, [sae.name for sae in spec.saes], request)
    if known is None:
        return None
    own = of_source(spec.source)
    names: Sequence[str] = reader.names or [EMBEDDED.name]
    if own is None and names == [EMBEDDED.name]:
        raise ReaderError(f"{output} was begun with another reader than the embedded one: name it (--reader)")
    for what, asked, has in (
        ("device", reader.device, spec.numerics.device), ("dtype", reader.dtype, spec.numerics.model_dtype)
    ):  # fmt: skip
        if asked not in ("auto", has):
            raise ReaderError(f"{output} was begun with --{what} {has}, not {asked}")
    opened = functools.partial(
        ReaderClass.from_spec,
        spec,
        known,
        device=spec.numerics.device,
        trust_pickle=reader.trust_pickle,
        names=None if own is not None and list(names) == [own.name] else list(names),
        model=reader.model,
    )
    return spec, known, opened


def _calibrations(output: Path, saes: Sequence[str], request: EncodeRequest) -> dict[str, Calibration] | None:
    """Return the thresholds that were recorded; None if some were not. InputError if others are asked for."""
    cards = {name: output / "cards" / f"{name}.arrow" for name in saes}
    if not all(card.exists() for card in cards.values()):
        return None
    known = {name: Calibration.read(card) for name, card in cards.items()}
    for wanted, field, spelt in (
        (request.threshold, "percentile", "--threshold"), (request.min_tokens, "min_tokens", "--min-tokens")
    ):  # fmt: skip
        for calibration in known.values():
            has = getattr(calibration, field)
            if wanted is not None and wanted != (has or 0):
                raise InputError(f"{output} was prepared with {spelt} {has or 0:g}, not {wanted:g}")
    return known
