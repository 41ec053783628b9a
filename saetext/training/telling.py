"""Stages of training -> :class:`saetext.io.progress.Progress`. Not for: showing it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from saetext.io.progress import OnProgress, Progress


def called(stage: str, tokens: int, on_progress: OnProgress | None) -> OnProgress | None:
    """Return a callback that hears of a stage by this name, which ends after so many tokens."""
    if on_progress is None:
        return None
    tell = on_progress
    return lambda p: tell(
        dataclasses.replace(p, stage=stage, share=min(1.0, p.tokens / max(1, tokens)), left=None)
    )


class Bar:
    """Turns counts into :class:`Progress`."""

    def __init__(self, stage: str, total: int, on_progress: OnProgress | None) -> None:
        self.stage, self.total, self.on_progress = stage, total, on_progress
        self.started = time.perf_counter()
        self.done = self.before = 0

    def add(self, tokens: int) -> None:
        """Count tokens."""
        self.done += tokens
        self._tell(tokens=self.done)

    def step(self, step: int, steps: int, figures: Mapping[str, float]) -> None:
        """Show a training step."""
        if not self.done:
            self.before = max(0, step - 10)  # where an earlier run stopped
        self.done = step
        text = (
            f"step {step:,}, FVU {figures['fvu']:.3f}, L0 {figures['l0']:.1f}, "
            f"dead {figures['dead']:.1%}, densest {figures['densest']:.0%}"
        )
        self._tell(figures=text)

    def _tell(self, tokens: int = 0, figures: str = "") -> None:
        if self.on_progress is None:
            return
        seconds = time.perf_counter() - self.started
        share = min(1.0, self.done / max(1, self.total))
        gained = (self.done - self.before) / max(1, self.total)
        left = seconds * (1 - share) / gained if gained > 0 and seconds >= 3 else None
        self.on_progress(
            Progress(self.stage, tokens=tokens, share=share, seconds=seconds, left=left, figures=figures)
        )
