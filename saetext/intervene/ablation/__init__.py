"""Ablation: features taken out while a model writes, and what that changes in its texts.

Loaded when first used: a command names its options without what computes them. Not for: where a decision
comes from (:mod:`saetext.intervene.attribution`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.ablation.request import AblateRequest
    from saetext.intervene.ablation.result import AblateResult
    from saetext.intervene.ablation.run import ablate

__all__ = ["AblateRequest", "AblateResult", "ablate"]

_HOMES = {"AblateRequest": "request", "AblateResult": "result", "ablate": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
