"""A language model that writes, the SAE whose features are edited in it, and what they are called.

Not for: editing (:mod:`saetext.intervene.edit`), or writing (:mod:`saetext.reader.decoding`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.corpus.calibration import Calibration
from saetext.errors import InputError, ReaderError, refuse_unused
from saetext.features.known_labels import reader_labels
from saetext.features.labels import FeatureLabels
from saetext.features.subject import open_subject
from saetext.io.warning import warn
from saetext.reader import embedded, shipped
from saetext.reader.causal import CausalModel
from saetext.reader.names import hub_id
from saetext.reader.parts import LoadedSae, sae_name

# what a chat model is called besides its base model's name
_TUNED = re.compile(r"[-_.](?:it|instruct|chat|base|pt|hf)(?=$|[-_.])")


@dataclass(frozen=True, eq=False)
class Generator:
    """A model and an SAE that fit; made by :func:`load_generator`.

    Attributes
    ----------
    model : CausalModel
    sae : LoadedSae or None
        None where only a direction is edited.
    labels : FeatureLabels
        What the features are called; may be empty.
    hook : str
        Where edits are made.
    place : str
        What the SAE was called: a reader of the package, ``RELEASE/SAE_ID`` or a directory.
    """

    model: CausalModel
    sae: LoadedSae | None
    labels: FeatureLabels
    hook: str
    place: str = ""


def load_generator(
    model: str | Path,
    sae: str | None = None,
    *,
    hook: str | None = None,
    labels: FeatureLabels | str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    trust_pickle: bool = False,
) -> Generator:
    """Load a causal model with the SAE whose features are to be edited.

    Parameters
    ----------
    model : str or path
        Hugging Face id, directory, or name of an added model.
    sae : str, optional
        A reader that comes with the package, ``RELEASE/SAE_ID`` or a directory; by default the package's
        reader of the model's name, if there is one.
    hook : str, optional
        Where a direction is edited; an SAE says so itself.
    labels, device, dtype, trust_pickle
        As of the readers.

    Raises
    ------
    InputError
        If there is neither an SAE nor a hook, labels without an SAE, or the SAE belongs to another model.
    ReaderError
        If something cannot be loaded, or the model reads only.

    Warns
    -----
    SaetextWarning
        If the SAE was trained on the base model of an instruction-tuned one, or the other way round.
    """
    place = sae if sae is not None else _shipped_with(str(model))
    if place is None and hook is None:
        raise InputError(f"which SAE of {model}? name its directory, or RELEASE/SAE_ID, with --sae")
    if place is None:
        refuse_unused("without an SAE there are no features to name", labels=labels)
    loaded, known = (
        (None, FeatureLabels.from_rows([])) if place is None else load_sae(place, labels, trust_pickle)
    )
    at = hook or (loaded.encoder.hook if loaded is not None else "")
    if loaded is not None and at != loaded.encoder.hook:
        raise InputError(
            f"the SAE {loaded.origin} is of {loaded.encoder.hook}, not of {at}: leave --hook out"
        )
    causal = load_causal(model, device=device, dtype=dtype, trust_pickle=trust_pickle)
    width = causal.width(at)  # says if there is no such hook
    if loaded is not None:
        require_fit(loaded, causal.name, width, named=is_named(causal))
        loaded = LoadedSae(loaded.name, loaded.origin, loaded.encoder.to(causal.device), loaded.calibration)
    return Generator(causal, loaded, known, at, place or "")


def load_causal(model: str | Path, **settings: Any) -> CausalModel:
    """Load a model that writes by name or directory; a reader of the package is named by its own name.

    Raises
    ------
    ReaderError
        If it is not there, or reads only.
    """
    own = shipped.by_name(str(model))
    if own is not None and own.model == embedded.MODEL:
        raise ReaderError(f"{model} reads, it cannot write: name a causal model, such as smollm2")
    return CausalModel.load(model if own is None else own.place(), **settings)


def is_named(model: CausalModel) -> bool:
    """Return whether a model's name says which model it is; that of a directory can be anything."""
    return model.name != Path(model.path).resolve().name


def require_fit(sae: LoadedSae, model: str, width: int, *, named: bool) -> None:
    """Refuse an SAE of another model, for everything that edits or explains one.

    Parameters
    ----------
    sae : LoadedSae
    model : str
        The model's name.
    width : int
        Values at the SAE's hook.
    named : bool
        Whether the name says which model it is (:func:`is_named`). Otherwise another name is warned of.

    Raises
    ------
    InputError
        If the widths differ, or the SAE says that it was trained on another model.

    Warns
    -----
    SaetextWarning
        If it may have been: on the base model of an instruction-tuned one, or a directory has another name.
    """
    encoder = sae.encoder
    if encoder.d_in != width:
        raise InputError(
            f"the SAE {sae.origin} reads {encoder.d_in} values at {encoder.hook}, {model} has {width} there: "
            "it belongs to another model"
        )
    trained = encoder.metadata.model_name
    if not trained or Path(trained).is_dir():
        return
    one, other = (hub_id(name).casefold().rpartition("/")[2] for name in (trained, model))
    if one == other or (not named and (_bare(one) in _bare(other) or _bare(other) in _bare(one))):
        return
    if named and _TUNED.sub("", one) != _TUNED.sub("", other):
        raise InputError(f"the SAE {sae.origin} was trained on {trained}, not on {model}: name its own model")
    warn(f"the SAE {sae.origin} was trained on {trained}, and {model} writes: features may mean other things")


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name)


def _shipped_with(model: str) -> str | None:
    own = shipped.by_name(model)
    return None if own is None else own.name


def load_sae(
    place: str, labels: FeatureLabels | str | os.PathLike[str] | None = None, trust_pickle: bool = False
) -> tuple[LoadedSae, FeatureLabels]:
    """Load a reader's SAE by name, ``RELEASE/SAE_ID`` or directory, with its thresholds and its labels."""
    table = labels if isinstance(labels, FeatureLabels) else None
    file = None if isinstance(labels, FeatureLabels) else labels
    subject = open_subject(place, labels=file, trust_pickle=trust_pickle)
    if subject.corpus is not None:
        raise InputError(f"{place} is a corpus: name its SAE")
    encoder, calibration = subject.load_encoder(), subject.calibration
    known = subject.labels
    if calibration is None and (card := Path(place) / "card.arrow").is_file():
        calibration = Calibration.read(card)
        known = reader_labels(subject.sae, calibration, file)
    if table is not None:
        table.require_for(subject.sae)
        known = table
    return LoadedSae(sae_name(encoder.hook, set()), subject.sae.origin, encoder, calibration), known
