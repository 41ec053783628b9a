"""Hidden states of a language model, computed once for all pages and notebooks of the documentation.

A helper for tests, not a test. They read the same 300 texts again and again, and the model takes nine tenths
of that time. The same tokens in the same batches through the same weights give the same states, so a
file named after all of these holds them; whatever comes before and after is done for each command. Not for:
tests of the model or of encoding, and commands that run as they are installed.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = "saetext.reader.language_model"


class _Sharing(importlib.abc.MetaPathFinder):
    """Changes the module each time that it is imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        spec = PathFinder.find_spec(name, path)
        assert spec is not None and spec.loader is not None
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            module.LanguageModel.hidden = shared(module.LanguageModel.hidden, self.folder)

        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


def share(folder: Path) -> None:
    """Let this process and its forks share states through a folder; call it before saetext is imported."""
    assert MODULE not in sys.modules
    sys.meta_path.insert(0, _Sharing(folder))


def shared(computed: Callable[..., Any], folder: Path) -> Callable[..., Any]:
    """Return ``LanguageModel.hidden`` that looks in a folder first, and leaves there what it computes."""
    import numpy as np
    import torch

    def hidden(self: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        told = (self.revision, self.dtype, *self.widths, *input_ids.shape, torch.get_num_threads())
        key = hashlib.sha256(repr(told).encode())
        for tensor in (input_ids, attention_mask.to(torch.int64)):
            key.update(tensor.cpu().contiguous().numpy().tobytes())
        path = folder / f"{key.hexdigest()}.npz"
        if path.exists():
            with np.load(path) as kept, torch.inference_mode():
                return {name: torch.from_numpy(kept[name]) for name in kept.files}
        values: dict[str, torch.Tensor] = computed(self, input_ids, attention_mask)
        if all(v.dtype == torch.float32 and v.device.type == "cpu" for v in values.values()):
            half = folder / f"{os.getpid()}.half"
            with half.open("wb") as file:
                np.savez(file, **{name: value.numpy() for name, value in values.items()})
            half.rename(path)
        return values

    return hidden
