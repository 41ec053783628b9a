"""Shapes of rows that tools write, each one declared in the file of its family: see :data:`PRESETS`.

A new one is an entry in a family's file: a test of one row, what the row gives, and a line that says so.
"""

from saetext.documents.presets.base import Preset
from saetext.documents.presets.registry import PRESETS, preset_of

__all__ = ["PRESETS", "Preset", "preset_of"]
