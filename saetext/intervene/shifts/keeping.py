"""Fits that are kept in the cache: an interrupted run resumes, and the same fit is not made twice.

Not for: shifts that a user keeps (:mod:`saetext.intervene.shifts.saved`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch

from saetext.intervene.shifts.fitting import Fitted
from saetext.io import answer_cache
from saetext.io.json_file import loads

_VERSION = 1  # of what is kept, and of how a fit is made


def kept_or_made(decides: Mapping[str, Any], device: torch.device, make: Callable[[], Fitted]) -> Fitted:
    """Return a fit from the cache, or make it and keep it.

    Parameters
    ----------
    decides : mapping
        All that decides it, plain JSON types.
    device : torch.device
        Where its value goes.
    make : callable
    """
    key = answer_cache.fingerprint(version=_VERSION, fit=dict(decides))
    found = _read(answer_cache.find(key))
    if found is None:
        found = make()
        answer_cache.keep(key, json.dumps(_row(found)), of="shift")
    return Fitted(found.value.to(device), found.steps, found.taken, found.before, found.after)


def _row(fit: Fitted) -> list[Any]:
    value = fit.value.cpu().numpy()
    there = np.flatnonzero(value).astype(np.int32)
    return [
        len(value), _text(there), _text(value[there]), fit.steps, fit.taken, fit.before, fit.after,
    ]  # fmt: skip


def _text(array: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _read(kept: str | None) -> Fitted | None:
    """Return the fit that was kept; None if there is none, or it is not what is kept."""
    if kept is None:
        return None
    try:
        size, there, own, steps, taken, before, after = loads(kept.encode(), most=len(kept) * 4)
        value = np.zeros(int(size), np.float32)
        value[np.frombuffer(base64.b64decode(there), np.int32)] = np.frombuffer(
            base64.b64decode(own), np.float32
        )
        return Fitted(torch.from_numpy(value), int(steps), int(taken), float(before), float(after))
    except (TypeError, ValueError, IndexError):
        return None
