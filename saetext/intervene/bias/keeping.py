"""What each arm gave, kept in the cache: an interrupted run resumes. Not for: computing it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.bias.arms import Arm
from saetext.intervene.bias.suites import Item
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.io import answer_cache
from saetext.io.json_file import loads

_VERSION = 1  # of what is kept, and of how it is computed
Floats = NDArray[np.float64]
Scores = tuple[Floats, Floats | None]


class Keeper:
    """Keeps the values of arms over the same items and passages."""

    def __init__(self, panel: Panel, items: Sequence[Item], passages: Sequence[Kept]) -> None:
        encoder = panel.sae.encoder
        self._decides: dict[str, Any] = {
            "version": _VERSION,
            "model": [panel.model.revision, panel.model.dtype, panel.model.device.type],
            "sae": [encoder.weights_sha256, encoder.hook, panel.sae.norm_limit],
            "items": [[i.measure, i.prompt, i.first, i.second] for i in items],
            "passages": [kept.ids.tolist() for kept in passages],
            "batch": panel.batch,
        }
        self._sizes = len(items), len(passages)

    def kept_or_made(self, arm: Arm, make: Callable[[], Scores]) -> Scores:
        """Return the values of items and of passages, from the cache or computed now."""
        key = answer_cache.fingerprint(bias=self._decides, arm=arm.about())
        found = self._read(answer_cache.find(key))
        if found is None:
            found = make()
            values, nll = found
            answer_cache.keep(
                key, json.dumps([values.tolist(), None if nll is None else nll.tolist()]), of="bias"
            )
        return found

    def _read(self, kept: str | None) -> Scores | None:
        if kept is None:
            return None
        try:
            values, nll = loads(kept.encode(), most=len(kept) * 4)
            made = np.array(values, np.float64), None if nll is None else np.array(nll, np.float64)
        except (TypeError, ValueError):
            return None
        fit = made[0].shape == (self._sizes[0],) and (made[1] is None or made[1].shape == (self._sizes[1],))
        return made if fit else None
