"""The subject of an intervention: a model that writes, and an SAE at one of its hooks.

Not for: what is done to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.features.known_labels import reader_labels
from saetext.features.labels import FeatureLabels
from saetext.features.subject import sae_of
from saetext.intervene.generator import is_named, load_causal, load_sae, require_fit
from saetext.reader import shipped
from saetext.reader.causal import CausalModel
from saetext.reader.parts import LoadedSae
from saetext.reader.sae import SparseEncoder


@dataclass(frozen=True)
class Subject:
    """A model that writes, and an SAE at one of its hooks."""

    model: CausalModel
    sae: LoadedSae

    def about(self) -> dict[str, object]:
        """Return what identifies both, in plain JSON types."""
        encoder = self.sae.encoder
        return {
            "model": self.model.name,
            "revision": self.model.revision,
            "dtype": self.model.dtype,
            "sae": self.sae.origin,
            "hook": encoder.hook,
            "d_sae": encoder.d_sae,
            "weights_sha256": encoder.weights_sha256,
        }

    def labels(self, given: FeatureLabels | Path | str | None) -> FeatureLabels:
        """Return the labels asked for, or those known for the SAE.

        Raises
        ------
        IncompatibleError, LabelError
            If they are of another SAE's features, or the file cannot be read.
        """
        spec = sae_of(self.sae.encoder, self.sae.origin)
        if given is None or isinstance(given, str | Path):
            return reader_labels(spec, self.sae.calibration, given)
        given.require_for(spec)
        return given


def open_subject(
    model: str | Path | CausalModel,
    sae: str | Path | SparseEncoder | LoadedSae | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
) -> Subject:
    """Load a model and an SAE at one of its hooks.

    Parameters
    ----------
    model : str, path or CausalModel
        A name or directory of a model that writes, or a reader that comes with saetext.
    sae : str, path, SparseEncoder or LoadedSae, optional
        A directory, ``RELEASE/SAE_ID`` as in SAELens, or one that is loaded; by default the reader's own.
    device : str
        As of :meth:`saetext.reader.causal.CausalModel.load`.
    dtype : str
        As there, but ``auto`` is float32: the effect of one feature is smaller than bfloat16 rounds.

    Raises
    ------
    InputError
        If no SAE is named and the model has none of its own, or the SAE belongs to another model.
    ReaderError
        If either cannot be loaded.

    Warns
    -----
    SaetextWarning
        If the SAE may belong to another model: see :func:`saetext.intervene.generator.require_fit`.
    """
    if sae is None and (isinstance(model, CausalModel) or shipped.by_name(str(model)) is None):
        name = model.name if isinstance(model, CausalModel) else model
        raise InputError(f"which SAE of {name}? name its directory, or RELEASE/SAE_ID, with --sae")
    loaded = _loaded(str(model) if sae is None else sae)
    if not isinstance(model, CausalModel):
        model = load_causal(model, device=device, dtype="float32" if dtype == "auto" else dtype)
    require_fit(loaded, model.name, model.width(loaded.encoder.hook), named=is_named(model))
    moved = loaded.encoder.to(model.device)
    return Subject(model, LoadedSae(loaded.name, loaded.origin, moved, loaded.calibration))


def _loaded(sae: str | Path | SparseEncoder | LoadedSae) -> LoadedSae:
    if isinstance(sae, LoadedSae):
        return sae
    if isinstance(sae, SparseEncoder):
        return LoadedSae(sae.hook, sae.hook, sae, None)
    return load_sae(str(sae))[0]
