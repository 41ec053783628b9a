"""A file of tensors under another library's names, read by sae-lens's.

Not for: what the names are (:mod:`saetext.reader.foreign.sparsify`,
:mod:`saetext.reader.foreign.dictionary_learning`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from torch import Tensor

from saetext.corpus.shapes import MOST_FEATURES, MOST_WIDTH
from saetext.errors import ReaderError
from saetext.io.cache import file_sha256
from saetext.io.json_file import load
from saetext.io.opener import why
from saetext.reader.sae import SparseEncoder
from saetext.reader.sae_config import SaeConfig
from saetext.reader.weights import build_encoder, read_pickle, read_safetensors, read_shapes


@dataclass(frozen=True)
class Stored:
    """One tensor: its name in the file, and whether it lies there transposed."""

    name: str
    transposed: bool = False


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file or a pickled state dict.

    Attributes
    ----------
    path : Path
        The file; pickled unless its name ends in ``.safetensors``.
    names : mapping
        sae-lens's name -> how it is stored.
    """

    path: Path
    names: Mapping[str, Stored]

    def raw(self, names: tuple[str, ...] | None) -> dict[str, Tensor]:
        """Return tensors by the names they have in the file (all for None), float32."""
        if self.path.suffix == ".safetensors":
            return read_safetensors(self.path, names)
        found = read_pickle(self.path)
        return found if names is None else {n: found[n] for n in names if n in found}

    def read(self, names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """Return tensors by sae-lens's names; of those asked for the ones that are there."""
        wanted = {n: s for n, s in self.names.items() if names is None or n in names}
        raw = self.raw(tuple(s.name for s in wanted.values()))
        return {n: raw[s.name].T if s.transposed else raw[s.name] for n, s in wanted.items() if s.name in raw}

    def require(self, shapes: Mapping[str, tuple[int, ...]], config: str) -> None:
        """Raise unless every tensor is there and of the shape that the file ``config`` says.

        Parameters
        ----------
        shapes : mapping
            sae-lens's name -> shape.
        """
        found = self._shapes()
        for name, shape in shapes.items():
            stored = self.names[name]
            if stored.name not in found:
                there = ", ".join(sorted(found)[:12]) or "nothing"
                raise ReaderError(f"{self.path} lacks the tensor {stored.name}; there is {there}")
            has = found[stored.name]
            wanted = tuple(reversed(shape)) if stored.transposed else shape
            if has != wanted:
                raise ReaderError(
                    f"{self.path}: {stored.name} has shape {has} where {config} says {wanted}; "
                    "they do not belong together"
                )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if self.path.suffix == ".safetensors":
            return read_shapes(self.path)
        return {name: tuple(tensor.shape) for name, tensor in self.raw(None).items()}

    def encoder(
        self, config: SaeConfig, change: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None
    ) -> SparseEncoder:
        """Return the encoder that these tensors and a configuration make.

        Parameters
        ----------
        change : callable, optional
            Gets the tensors that were read, by sae-lens's names, and returns what they are to be.
        """
        try:
            digest = file_sha256(self.path)
        except OSError as error:
            raise ReaderError(f"cannot read {self.path}: {why(error)}") from error

        def read(names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
            found = self.read(names)
            return found if change is None else change(found)

        return build_encoder(config, read, str(self.path), digest)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a configuration file of another library.

    Raises
    ------
    ReaderError
        If there is none.
    """
    try:
        value = load(path, loose=True)
    except FileNotFoundError:
        raise ReaderError(f"{path.parent} lacks its configuration ({path.name})") from None
    except (OSError, ValueError) as error:
        raise ReaderError(f"cannot read {path}: {why(error)}") from error
    if not isinstance(value, dict):
        raise ReaderError(f"cannot read {path}: expected an object, found {type(value).__name__}")
    return value


def whole(value: Any, name: str, path: Path, most: int) -> int:
    """Return a whole number from 1 to ``most``.

    Raises
    ------
    ReaderError
        Naming the file and the setting.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ReaderError(f"{path}: {name} is {brief(value)}, not a whole number from 1 to {most:,}")
    return value


def width(value: Any, name: str, path: Path) -> int:
    """Return a width that an SAE can read."""
    return whole(value, name, path, MOST_WIDTH)


def features(value: Any, name: str, path: Path) -> int:
    """Return a number of features that an SAE can have."""
    return whole(value, name, path, MOST_FEATURES)


def brief(value: object) -> str:
    """Return a value for a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def text_of(about: Mapping[str, Any], name: str) -> str | None:
    """Return a text that is not empty, or None."""
    value = about.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 1000 else None


def context_of(value: Any) -> int | None:
    """Return tokens in a training context, or None where that is not known."""
    known = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= 10_000_000
    return value if known else None
