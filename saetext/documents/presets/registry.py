"""All presets, the most telling first, and which one fits. Not for: what one reads (its family's file)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from saetext.documents.presets import (
    anthropic,
    chats,
    gemini,
    generated,
    harness,
    inspect_ai,
    judged,
    label_studio,
    openai,
    promptfoo,
    traces,
)
from saetext.documents.presets.base import Preset

PRESETS: Final[tuple[Preset, ...]] = (
    *openai.PRESETS,
    *anthropic.PRESETS,
    *gemini.PRESETS,
    *harness.PRESETS,
    *inspect_ai.PRESETS,
    *promptfoo.PRESETS,
    *chats.PRESETS,
    *label_studio.PRESETS,
    *traces.PRESETS,
    *judged.PRESETS,
    *generated.PRESETS,
)
_MOST: Final = 0.8  # share of the first rows that have the shape


def preset_of(rows: Sequence[Mapping[str, Any]]) -> Preset | None:
    """Return the preset that nearly all of the first rows fit; None if there is none."""
    for preset in PRESETS:
        if _fits(preset, rows) and not (preset.unless is not None and preset.unless(rows)):
            return preset
    return None


def _fits(preset: Preset, rows: Sequence[Mapping[str, Any]]) -> bool:
    left = len(rows)
    for row in rows:
        left -= not preset.fits(row)
        if left < _MOST * len(rows):  # whatever comes
            return False
    return bool(rows)
