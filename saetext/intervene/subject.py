"""The subject of an intervention: a model that writes, and an SAE at one of its hooks.

Not for: what is done to it.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.corpus.calibration import Calibration
from saetext.corpus.spec import SaeSpec
from saetext.errors import InputError, SaetextWarning
from saetext.features.known_labels import reader_labels
from saetext.features.labels import FeatureLabels
from saetext.reader import shipped
from saetext.reader.causal import CausalModel
from saetext.reader.parts import LoadedSae
from saetext.reader.sae import SparseEncoder
from saetext.reader.weights import load_sae_dir, load_sae_release


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
        spec = self._spec()
        if given is None or isinstance(given, str | Path):
            return reader_labels(spec, self.sae.calibration, given)
        given.require_for(spec)
        return given

    def _spec(self) -> SaeSpec:
        encoder = self.sae.encoder
        return SaeSpec(
            name=self.sae.name,
            origin=self.sae.origin,
            architecture=encoder.architecture,
            hook=encoder.hook,
            d_in=encoder.d_in,
            d_sae=encoder.d_sae,
            weights_sha256=encoder.weights_sha256,
            preprocessing=encoder.preprocessing,
            calibration_sha256="",
            threshold_percentile=None,
            min_tokens=1,
            settings=encoder.config.settings(),
        )


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
        If no SAE is named and the model has none of its own.
    ReaderError
        If either cannot be loaded.
    """
    own = shipped.by_name(str(model)) if not isinstance(model, CausalModel) else None
    if own is not None and sae is None:
        loaded, place = LoadedSae(own.name, own.name, own.load_sae(), own.load_calibration()), own.place()
    elif sae is None:
        name = model.name if isinstance(model, CausalModel) else model
        raise InputError(f"which SAE of {name}? name its directory, or RELEASE/SAE_ID, with --sae")
    else:
        loaded, place = _loaded(sae), str(model)
    if not isinstance(model, CausalModel):
        model = CausalModel.load(place, device=device, dtype="float32" if dtype == "auto" else dtype)
    _warn_of_another(model, loaded)
    moved = loaded.encoder.to(model.device)
    return Subject(model, LoadedSae(loaded.name, loaded.origin, moved, loaded.calibration))


def _loaded(sae: str | Path | SparseEncoder | LoadedSae) -> LoadedSae:
    if isinstance(sae, LoadedSae):
        return sae
    if isinstance(sae, SparseEncoder):
        return LoadedSae(sae.hook, sae.hook, sae, None)
    release, slash, sae_id = str(sae).partition("/")
    place = Path(sae)
    if place.is_dir() or isinstance(sae, Path) or not slash or str(sae).startswith((".", "/", "~")):
        encoder = load_sae_dir(place)
        card = place / "card.arrow"
        known = Calibration.read(card) if card.is_file() else None
        return LoadedSae(place.resolve().name, str(place), encoder, known)
    return LoadedSae(str(sae), str(sae), load_sae_release(release, sae_id), None)


def _warn_of_another(model: CausalModel, sae: LoadedSae) -> None:
    """Warn where the SAE says that it was trained on a model of another name."""
    stated = sae.encoder.metadata.model_name
    if stated is None or _bare(stated) in _bare(model.name) or _bare(model.name) in _bare(stated):
        return
    warnings.warn(
        f"the SAE {sae.origin} was trained on {stated}, and the model is {model.name}: its features may mean "
        "something else here",
        SaetextWarning,
        stacklevel=3,
    )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].casefold())
