"""Shifts: features moved so that a model answers questions as a group of people does.

Loaded when first used: a command names its options without what computes them. Not for: turning features by
hand (:mod:`saetext.intervene.steer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.shifts.evaluate import evaluate_shift
    from saetext.intervene.shifts.request import ShiftEvalRequest, ShiftRequest
    from saetext.intervene.shifts.result import ShiftEvaluation, ShiftResult
    from saetext.intervene.shifts.run import shift
    from saetext.intervene.shifts.saved import Shift

__all__ = [
    "Shift",
    "ShiftEvalRequest",
    "ShiftEvaluation",
    "ShiftRequest",
    "ShiftResult",
    "evaluate_shift",
    "shift",
]

_HOMES = {
    "Shift": "saved",
    "ShiftEvalRequest": "request",
    "ShiftEvaluation": "result",
    "ShiftRequest": "request",
    "ShiftResult": "result",
    "evaluate_shift": "evaluate",
    "shift": "run",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
