"""Causes: whether a feature of the model that writes drives what a diff found.

Loaded when first used: a command names its options without what computes them. Not for: finding differences
(:mod:`saetext.analysis.differences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.causes.result import WhyResult
    from saetext.intervene.causes.run import why

__all__ = ["WhyRequest", "WhyResult", "why"]

_HOMES = {"WhyRequest": "request", "WhyResult": "result", "why": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
