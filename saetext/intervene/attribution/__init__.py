"""Attribution: which features, at which positions, a model's next word comes from.

Loaded when first used: a command names its options without what computes them. Not for: which features a
pile of examples has in common (:mod:`saetext.intervene.expression`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.attribution.request import AttributeRequest
    from saetext.intervene.attribution.result import AttributionResult
    from saetext.intervene.attribution.run import attribute

__all__ = ["AttributeRequest", "AttributionResult", "attribute"]

_HOMES = {"AttributeRequest": "request", "AttributionResult": "result", "attribute": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
