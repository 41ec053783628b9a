"""Finding a reader's parts by name: readers of the package, SAELens's pretrained SAEs, directories.

Not for: what a reader does with them (:mod:`saetext.reader.reader`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.corpus.calibration import Calibration
from saetext.errors import InputError, ReaderError, refuse_unused
from saetext.reader import embedded, shipped
from saetext.reader.added.adding import is_added
from saetext.reader.foreign.loading import load_directory
from saetext.reader.language_model import LanguageModel
from saetext.reader.parts import LoadedSae, Parts, counting_rules, place_of, sae_name
from saetext.reader.sae import SparseEncoder
from saetext.reader.weights import load_sae_release

_OWN_MODEL = "the {} reader has its own language model; leave it out, or name an SAE"


@dataclass(frozen=True)
class How:
    """How parts are loaded: where the model runs, in which dtype, and what is trusted.

    ``revision`` is a commit of the model's hub repository; ``trust_pickle`` allows pickled weights, which are
    then read with ``weights_only=True``.
    """

    device: str = "auto"
    dtype: str = "auto"
    trust_pickle: bool = False
    revision: str | None = None


def parts_by_name(names: Sequence[str], model: str | Path | None, how: How) -> Parts:
    """Return the parts of a reader by the names the command line uses.

    Raises
    ------
    InputError
        If ``model`` or ``revision`` is given for a reader that comes with the package.
    ReaderError
        If there is no such reader.
    """
    own = shipped.by_name(names[0] if names else embedded.NAME) if len(names) < 2 else None
    if own is not None:
        told = _OWN_MODEL.format(own.name)
        refuse_unused(told, model=model, revision=how.revision, trust_pickle=how.trust_pickle)
        return shipped_parts(own, how)
    if all(Path(n).is_dir() for n in names):
        return parts_in_directories([Path(n) for n in names], model, how)
    encoders = []
    for name in names:
        release, slash, sae_id = name.partition("/")
        if not slash or name.startswith((".", "/", "~")):
            if is_added(name):
                raise ReaderError(
                    f"{name} is a language model, and a reader needs an SAE too: name one with --model "
                    f"{name}, or train one (saetext train TEXTS -o DIR --model {name})"
                )
            raise ReaderError(
                f"no reader called {name!r}: {shipped.NAMES}, RELEASE/SAE_ID as in SAELens, or a directory"
            )
        encoders.append((name, load_sae_release(release, sae_id)))
    source = {"kind": "release", "saes": list(names), "model": place_of(model)}
    return _assembled(encoders, model, source, how)


def parts_in_directories(directories: Sequence[Path], model: str | Path | None, how: How) -> Parts:
    """Return the parts of a reader of SAE directories, with the calibrations that ``saetext train`` left.

    Raises
    ------
    InputError
        If there is no directory.
    """
    if not directories:
        raise InputError("there is no SAE in an empty list: name a directory")
    encoders = [(d.resolve().name, load_directory(d, trust_pickle=how.trust_pickle)) for d in directories]
    source = {"kind": "local", "saes": [str(d.resolve()) for d in directories], "model": place_of(model)}
    parts = _assembled(encoders, model, source, how)
    files = [d / "card.arrow" for d in directories]
    if not all(f.is_file() for f in files):
        return parts
    saes = [
        dataclasses.replace(sae, calibration=Calibration.read(f))
        for sae, f in zip(parts.saes, files, strict=True)
    ]
    return dataclasses.replace(parts, saes=tuple(saes))


def shipped_parts(own: shipped.Shipped, how: How) -> Parts:
    """Return the parts of a reader that comes with the package."""
    encoder, calibration = own.load_sae(), own.load_calibration()
    model = LanguageModel.load(own.place(), [encoder.hook], device=how.device, dtype=how.dtype)
    identity = own.identity(model)
    encoder = encoder.to(model.device)
    return Parts(
        model,
        (LoadedSae(own.name, own.name, encoder, calibration),),
        counting_rules(model, [encoder]),
        own.name,
        dict(own.source),
        identity,
        how.device,
    )


def _assembled(
    encoders: Sequence[tuple[str, SparseEncoder]],
    model: str | Path | None,
    source: Mapping[str, Any],
    how: How,
) -> Parts:
    if model is None:
        named = {e.metadata.model_name for _, e in encoders if e.metadata.model_name}
        if len(named) != 1:
            found = ", ".join(sorted(named)) or "none"
            raise ReaderError(f"which language model? give it with --model (the SAEs name: {found})")
        model = named.pop()
    identity = ("", "")
    if str(model) == embedded.MODEL and how.revision is None:
        # as the embedded reader: from its package, where there is one, and known by its published weights
        model, identity = embedded.find_model(), (embedded.MODEL, f"sha256:{embedded.WEIGHTS_SHA256}")
    hooks = list(dict.fromkeys(e.hook for _, e in encoders))
    loaded = LanguageModel.load(
        model, hooks, revision=how.revision, device=how.device, dtype=how.dtype, trust_pickle=how.trust_pickle
    )
    if identity != ("", ""):
        embedded.check_weights(loaded.path)
    saes: list[LoadedSae] = []
    for name, encoder in encoders:
        slug = sae_name(encoder.hook, {sae.name for sae in saes})
        saes.append(LoadedSae(slug, name, encoder.to(loaded.device), None))
    tokens = counting_rules(loaded, [e for _, e in encoders])
    name = " + ".join(n for n, _ in encoders)
    return Parts(loaded, tuple(saes), tokens, name, source, identity, how.device, how.trust_pickle)
