"""Shift: what was fitted for each group, on disk, and applied while a model writes.

A directory with ``shift.safetensors`` and ``shift.json``, which has the checksum of the other. Not for:
fitting (:mod:`saetext.intervene.shifts.run`) or what it is worth (:mod:`saetext.intervene.shifts.evaluate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.io import json_file
from saetext.io.files import atomic_directory, write_atomic, writing
from saetext.io.opener import LARGE, reading, require_regular, shown
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import ANY, INT32, List, Maybe, Number, Record, Shape, Table, Text, Whole, check
from saetext.io.strict_json import dumps
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.intervene.subject import Subject
    from saetext.reader.causal import CausalModel
    from saetext.reader.parts import LoadedSae

FORMAT, VERSION = "saetext shift", 1
_JSON, _TENSORS = "shift.json", "shift.safetensors"
_MOST = 4 << 30
_WHAT, _ADVICE = "fitted shift", "fit it again with saetext shift fit -o DIRECTORY"
_SHAPE: Shape = Record(
    {
        "format": Text(choices=(FORMAT,)),
        "version": Whole(1, VERSION),
        "groups": List(Text()),
        "temperatures": List(Number(0, above=True)),
        "hook": Text(),
        "model": Record({"name": Text(), "revision": Text()}),
        "sae": Record(
            {
                "origin": Text(),
                "place": Text(),
                "weights_sha256": Text(),
                "d_sae": Whole(1, INT32),
                "d_in": Whole(1, INT32),
            }
        ),
        "fitted_on": List(Text()),
        "repeats": Maybe(List(List(Whole(0, INT32)))),
        "params": Table(),
        "tensors_sha256": Text(),
        "seal": ANY,
    }
)

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Shift:
    """A shift of features for each group, and what it is held against.

    Attributes
    ----------
    groups : tuple of str
    delta : float32[groups, d_sae]
        What is added to each feature's activation, which stays at 0 or above.
    everyone : float32[d_sae] or None
        One shift for all groups together.
    dense : float32[groups, width] or None
        A vector for each group, without features.
    temperatures : tuple of float
        For each group the temperature at which the model's letters are closest to it.
    hook : str
    model, sae : mapping
        Name and revision; origin, place, checksum of the weights and sizes.
    fitted_on : tuple of str
        Fingerprints of the questions that were fitted on; they are not held out.
    params : mapping
        The options of the fit.
    repeats : tuple of tuple of int
        For each group, for each feature that moved, in how many of the fits it did so in the same direction.
    """

    groups: tuple[str, ...]
    delta: Floats
    everyone: Floats | None
    dense: Floats | None
    temperatures: tuple[float, ...]
    hook: str
    model: Mapping[str, str]
    sae: Mapping[str, Any]
    fitted_on: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    repeats: tuple[tuple[int, ...], ...] = ()

    def __repr__(self) -> str:
        moved = (self.delta != 0).sum(axis=1).tolist()
        told = ", ".join(f"{g} {n} features" for g, n in zip(self.groups, moved, strict=True))
        return about(self, f"{self.model['name']} at {self.hook}: {told}")

    def of(self, group: str | None = None) -> Floats:
        """Return the shift of a group, float32[d_sae]; of the only one without a name.

        Raises
        ------
        InputError
            If there is no such group, or several and none is named.
        """
        return self.delta[self.number(group)]

    def number(self, group: str | None = None) -> int:
        """Return the number of a group; errors as of :meth:`of`."""
        if group is None and len(self.groups) == 1:
            return 0
        if group not in self.groups:
            named = ", ".join(quoted(name, 30) for name in self.groups[:12])
            told = "name a group" if group is None else f"there is no group {quoted(group, 40)}"
            raise InputError(f"{told}: the shift has {named}")
        return self.groups.index(group)

    # ---- on any generation -----------------------------------------------------------------------------

    @contextmanager
    def apply(
        self,
        model: CausalModel | Generator | Subject,
        group: str | None = None,
        *,
        strength: float = 1.0,
        positions: str = "all",
    ) -> Iterator[CausalModel]:
        """Shift everything that the model writes within the block, and give the model.

        Parameters
        ----------
        model : CausalModel, Generator or Subject
            A bare model gets the SAE from where it was when the shift was fitted.
        group : str, optional
            Whose shift; not needed if there is one only.
        strength : float
            What the shift is multiplied by.
        positions : str
            As of :func:`saetext.intervene.positions.positions_of`.

        Raises
        ------
        InputError
            If there is no such group, or the shift was fitted on another model or SAE.
        ReaderError
            If the SAE cannot be loaded.
        """
        import torch

        from saetext.intervene.positions import positions_of, require_mode
        from saetext.intervene.shifts.change import ShiftEdit
        from saetext.reader.causal import CausalModel

        require_mode(positions)
        delta = torch.from_numpy(self.of(group)) * strength
        causal = model if isinstance(model, CausalModel) else model.model
        sae = self._sae_for(causal) if isinstance(model, CausalModel) else model.sae
        if sae is None:
            raise InputError("the model has no SAE: a shift needs the one it was fitted with")
        self.require_fit(causal, sae)
        with causal.edited(lambda p: {self.hook: ShiftEdit(delta, positions_of(positions, p), sae)}):
            yield causal

    def require_fit(self, model: CausalModel, sae: LoadedSae) -> None:
        """Raise :class:`InputError` unless the shift was fitted on this model and this SAE."""
        if model.revision != self.model["revision"]:
            raise InputError(
                f"the shift was fitted on {self.model['name']} ({self.model['revision'][:20]}), and this is "
                f"{model.name} ({model.revision[:20]}): name the same model, or fit again"
            )
        if sae.encoder.weights_sha256 != self.sae["weights_sha256"]:
            raise InputError(
                f"the shift was fitted with the SAE {self.sae['origin']}, and this is {sae.origin}, with "
                "other weights: name the same SAE, or fit again"
            )

    def _sae_for(self, model: CausalModel) -> LoadedSae:
        from saetext.intervene.generator import load_sae
        from saetext.reader.parts import LoadedSae

        if not self.sae["place"]:
            raise InputError("the shift does not say where its SAE is: give a model with its SAE")
        found, _ = load_sae(self.sae["place"])
        return LoadedSae(found.name, found.origin, found.encoder.to(model.device), found.calibration)

    # ---- on disk ---------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write a directory, whole or not at all, and return its path.

        Raises
        ------
        InputError
            If something is there already, or it cannot be written.
        """
        import torch
        from safetensors.torch import save as bytes_of

        path = Path(path)
        require_absent(path)
        tensors = {"delta": self.delta, "everyone": self.everyone, "dense": self.dense}
        content = bytes_of({n: torch.from_numpy(t.copy()) for n, t in tensors.items() if t is not None})
        told = {
            "format": FORMAT, "version": VERSION, "groups": list(self.groups),
            "temperatures": list(self.temperatures), "hook": self.hook, "model": dict(self.model),
            "sae": dict(self.sae), "fitted_on": list(self.fitted_on),
            "repeats": [list(row) for row in self.repeats] if self.repeats else None,
            "params": dict(self.params), "tensors_sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        with writing(path, InputError), atomic_directory(path) as beside:
            write_atomic(beside / _TENSORS, content)
            write_atomic(beside / _JSON, dumps(sealed(told)).encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Shift:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError
            If there is no such directory, or it is damaged or something else.
        """
        folder = Path(path)
        with reading(folder, InputError, _WHAT, _ADVICE):
            if not folder.is_dir():
                require_regular(folder)  # says that it is missing
                raise ValueError("it is a file; a shift is a directory")
            told = json_file.load(folder / _JSON, most=LARGE)
            _require_known(told, folder)
            check(_SHAPE, told)
            if not require_seal(told):
                raise ValueError("it has no checksum")
            tensors = _tensors(folder / _TENSORS, told["tensors_sha256"])
            _require_consistent(told, tensors)
        return cls(
            tuple(told["groups"]), tensors["delta"], tensors.get("everyone"), tensors.get("dense"),
            tuple(told["temperatures"]), told["hook"], told["model"], told["sae"], tuple(told["fitted_on"]),
            told["params"], tuple(tuple(row) for row in told["repeats"] or ()),
        )  # fmt: skip


def require_absent(path: Path) -> None:
    """Raise :class:`InputError` if something is where a shift shall be written."""
    if path.exists():
        raise InputError(f"{path} exists already; choose another name")


def _require_known(told: Any, folder: Path) -> None:
    """Raise :class:`InputError` if a newer saetext wrote it, whose fields may be others."""
    if isinstance(told, dict) and told.get("format") == FORMAT:
        version = told.get("version")
        if type(version) is int and version > VERSION:
            raise InputError(f"{folder} is a fitted shift of version {shown(version)}: upgrade saetext")


def _tensors(path: Path, expected: str) -> dict[str, Floats]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    from saetext.io.opener import read_bytes

    content = read_bytes(path, _MOST)
    if hashlib.sha256(content).hexdigest() != expected:
        raise ValueError("its tensors do not fit their checksum")
    try:
        return {name: np.asarray(tensor) for name, tensor in load(content).items()}
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def _require_consistent(told: Mapping[str, Any], tensors: Mapping[str, Floats]) -> None:
    n, d_sae, width = len(told["groups"]), told["sae"]["d_sae"], told["sae"]["d_in"]
    shapes = {"delta": (n, d_sae), "everyone": (d_sae,), "dense": (n, width)}
    if "delta" not in tensors or len(told["temperatures"]) != n:
        raise ValueError("it lacks a shift for its groups")
    for name, tensor in tensors.items():
        if tensor.shape != shapes.get(name) or tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise ValueError(f"its tensor {name} is not as its groups and its SAE say")


def fingerprint(key: str) -> str:
    """Return what a question is called in a file that shall not hold its text."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
