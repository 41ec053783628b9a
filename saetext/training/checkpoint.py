"""The state of an unfinished training run: one safetensors file, whole or absent, checked when it is read.

Weights and the optimiser's moments are tensors; the configuration, what the run is of, the place in the
schedule and the random generator are JSON in the file's header, with a checksum over all of it. Not for:
pickles, or what is in a step (:mod:`saetext.training.batch_topk`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saetext.errors import SaetextError
from saetext.io.files import writing
from saetext.io.json_file import loads, plain
from saetext.io.opener import require_regular
from saetext.training.batch_topk import BatchTopK
from saetext.training.config import TrainConfig, config_dict
from saetext.training.schedule import TokenOrder
from saetext.training.tensor_file import write_tensors

_FORMAT = 1
_ROWS = 65_536  # of activations hashed at a time


@dataclass(frozen=True)
class Checkpoint:
    """Where the state of a run is kept, and what the run is of.

    Attributes
    ----------
    path : Path
        The file.
    config, data : dict
        What decides the result, as JSON; a state of anything else is refused.
    threads : int
        Of torch: those of the run that the state is from.
    """

    path: Path
    config: dict[str, Any]
    data: dict[str, Any]
    threads: int

    @classmethod
    def of(
        cls, path: Path, config: TrainConfig, activations: NDArray[np.floating], scale: float
    ) -> Checkpoint:
        """Return the checkpoint of a run on ``activations`` [n_tokens, d_in], which are read through once.

        Raises
        ------
        SaetextError
            If there is one already that is damaged.
        """
        n, d_in = activations.shape
        data = {"tokens": n, "d_in": d_in, "scale": scale, "xxh3_128": _digest_of_rows(activations)}
        threads = torch.get_num_threads()
        if path.exists():
            threads = int(_read(path)[1]["threads"])
        return cls(path, plain(config_dict(config)), data, threads)

    def save(self, step: BatchTopK, order: TokenOrder, done: int) -> None:
        """Write the state after ``done`` steps.

        Raises
        ------
        SaetextError
            If it cannot be written; the one before is kept.
        """
        tensors, of_step = step.state()
        told = {
            "format": _FORMAT,
            "config": self.config,
            "data": self.data,
            "threads": self.threads,
            "done": done,
            "step": of_step,
            "order": order.state(),
        }
        state = json.dumps(told, sort_keys=True)
        with writing(self.path, SaetextError):
            write_tensors(self.path, tensors, {"state": state, "xxh3_128": _digest(tensors, state)})

    def resume(self, step: BatchTopK, order: TokenOrder) -> int:
        """Put the kept state into ``step`` and ``order``, if there is one; return the number of steps done.

        Raises
        ------
        SaetextError
            If it is damaged, or of another configuration or data.
        """
        if not self.path.exists():
            return 0
        tensors, told = _read(self.path)
        for kind, wanted in (("config", self.config), ("data", self.data)):
            theirs = told[kind]
            if different := [f"{k} {theirs.get(k)}" for k, v in wanted.items() if theirs.get(k) != v]:
                raise SaetextError(
                    f"{self.path} is the checkpoint of another run ({', '.join(different)}): "
                    "give the same settings, or remove it to start again"
                )
        try:
            step.restore(tensors, told["step"])
            order.restore(told["order"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(self.path) from error
        return int(told["done"])


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the rest of a checkpoint whose checksum is right."""
    try:
        require_regular(path)
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = about["state"]
        if about["xxh3_128"] != _digest(tensors, state):
            raise _damaged(path)
        told = loads(state)
        if told["format"] != _FORMAT or told["threads"] < 1 or told["done"] < 1:
            raise _damaged(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error
    return tensors, told


def _damaged(path: Path) -> SaetextError:
    return SaetextError(f"{path} is damaged or no checkpoint of this version: remove it to start again")


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    """Return XXH3-128 (hex) over names, shapes, types and bytes of tensors, and what is told beside them."""
    digest = xxhash.xxh3_128(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _digest_of_rows(activations: NDArray[np.floating]) -> str:
    """Return XXH3-128 (hex) over all activations and their type."""
    digest = xxhash.xxh3_128(f"{activations.dtype.str} {activations.shape}".encode())
    for start in range(0, len(activations), _ROWS):
        digest.update(activations[start : start + _ROWS].tobytes())
    return digest.hexdigest()
