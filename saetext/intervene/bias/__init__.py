"""Bias: features that carry gender, what a model guesses of people with them dampened, and what it loses.

Loaded when first used: a command names its options without what computes them. Not for: what features do to
whole texts (:mod:`saetext.intervene.ablation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.bias.request import BiasRequest
    from saetext.intervene.bias.result import BiasResult
    from saetext.intervene.bias.run import bias

__all__ = ["BiasRequest", "BiasResult", "bias"]

_HOMES = {"BiasRequest": "request", "BiasResult": "result", "bias": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
