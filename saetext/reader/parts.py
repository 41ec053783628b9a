"""What a reader consists of: a language model, the rules of what counts, and SAEs that fit both.

Not for: finding them by name (:mod:`saetext.reader.loading`), or running them
(:mod:`saetext.reader.running`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor

from saetext.corpus.calibration import Calibration
from saetext.errors import ReaderError
from saetext.reader.language_model import LanguageModel
from saetext.reader.sae import Entries, SparseEncoder
from saetext.reader.sinks import are_sinks
from saetext.reader.tokenization import Tokens


@dataclass(frozen=True)
class LoadedSae:
    """One SAE of a reader; ``calibration`` is None until the reader is calibrated."""

    name: str
    origin: str
    encoder: SparseEncoder
    calibration: Calibration | None

    @property
    def norm_limit(self) -> float | None:
        """Norm above which a token is a sink: what the SAE states, else its calibration; None for no rule."""
        stated = self.encoder.metadata.norm_limit
        if stated is not None or self.calibration is None:
            return stated
        return self.calibration.norm_limit

    def entries(self, x: Tensor, cut: Tensor | None = None) -> Entries:
        """Return what :meth:`SparseEncoder.entries` does, without the tokens that are sinks.

        Everything that reads texts with an SAE goes through here.
        """
        if self.norm_limit is None:
            return self.encoder.entries(x, cut)
        sinks = are_sinks(x, self.norm_limit)
        if not bool(sinks.any()):
            return self.encoder.entries(x, cut)
        kept = (~sinks).nonzero()[:, 0]
        token, feature, value = self.encoder.entries(x.index_select(0, kept), cut)
        return kept.to(token.device)[token], feature, value


@dataclass(frozen=True)
class Parts:
    """A language model up to its hooks, the rules of what counts, and the SAEs that read each hook.

    Attributes
    ----------
    model : LanguageModel
    saes : tuple of LoadedSae
    tokens : Tokens
    name : str
        What the reader is called.
    source : dict
        How to load it again.
    identity : (str, str)
        Name and revision of the model, as they stand in specs.
    device : str
        Where it was asked to run, such as ``"auto"``.
    trust_pickle : bool
        Whether pickled weights were allowed.

    Raises
    ------
    ReaderError
        If an SAE or its calibration does not fit the model.
    """

    model: LanguageModel
    saes: tuple[LoadedSae, ...]
    tokens: Tokens
    name: str
    source: Mapping[str, Any] = field(default_factory=dict)
    identity: tuple[str, str] = ("", "")
    device: str = "auto"
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        if self.identity == ("", ""):
            object.__setattr__(self, "identity", (self.model.name, self.model.revision))
        for sae in self.saes:
            _require_fit(self.model, sae)


def _require_fit(model: LanguageModel, sae: LoadedSae) -> None:
    width = model.widths[sae.encoder.hook]
    if width != sae.encoder.d_in:
        raise ReaderError(
            f"the SAE {sae.origin!r} reads {sae.encoder.d_in} values at {sae.encoder.hook}, "
            f"but {model.name} has {width} there: the SAE belongs to another model"
        )
    if sae.calibration is not None and len(sae.calibration) != sae.encoder.d_sae:
        raise ReaderError(
            f"the calibration has {len(sae.calibration)} features, SAE {sae.origin!r} has {sae.encoder.d_sae}"
        )


def counting_rules(model: LanguageModel, encoders: Sequence[SparseEncoder]) -> Tokens:
    """Build the counting rules that the SAEs' metadata asks for; they must not contradict each other."""
    bos = {e.metadata.prepend_bos is not False for e in encoders}
    slices = {tuple(e.metadata.seqpos_slice or (None,)) for e in encoders}
    if len(bos) > 1 or len(slices) > 1:
        raise ReaderError(
            "these SAEs were trained with different BOS or position rules: encode them one at a time"
        )
    sizes = [e.metadata.context_size for e in encoders if e.metadata.context_size]
    slice_ = slices.pop()
    # true, false and absent mean the same here: special tokens never count
    excluded = {
        x if isinstance(x, tuple) else () for x in (e.metadata.exclude_special_tokens for e in encoders)
    }
    if len(excluded) > 1:
        raise ReaderError("these SAEs were trained with different excluded tokens: encode them one at a time")
    return Tokens(
        model.tokenizer,
        max_positions=model.max_positions,
        context_size=min(sizes) if sizes else None,
        prepend_bos=bos.pop(),
        bidirectional=model.bidirectional,
        seqpos_slice=None if slice_ == (None,) else slice_,
        uncounted_ids=excluded.pop(),
    )


def place_of(model: str | Path | None) -> str:
    """Return where a model can be found again from another working directory."""
    if model is None:
        return ""
    return str(Path(model).resolve()) if Path(model).is_dir() else str(model)


def sae_name(hook: str, taken: set[str]) -> str:
    """Return the hook as a name that is safe as a directory name and not taken.

    Not the SAE's own name: a directory may be renamed, and its corpora stay comparable.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", hook).strip("-._")[:80] or "tap"
    candidate, i = slug, 2
    while candidate in taken:
        candidate, i = f"{slug}-{i}", i + 1
    return candidate
