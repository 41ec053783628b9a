"""Heads: where the attention heads of a model look in a text, and what kinds of head they are.

Loaded when first used: a command names its options without what computes them. Not for: features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.heads.request import AttendRequest
    from saetext.intervene.heads.result import AttendResult
    from saetext.intervene.heads.run import attend

__all__ = ["AttendRequest", "AttendResult", "attend"]

_HOMES = {"AttendRequest": "request", "AttendResult": "result", "attend": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
