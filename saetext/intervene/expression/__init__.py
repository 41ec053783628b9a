"""Expression: features by examples, like genes by samples: what holds everywhere, and what only some share.

Loaded when first used: a command names its options without what computes them. Not for: which features an
example's metric comes from (:mod:`saetext.intervene.attribution`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.intervene.expression.request import ExpressionRequest
    from saetext.intervene.expression.result import ExpressionResult
    from saetext.intervene.expression.run import expression

__all__ = ["ExpressionRequest", "ExpressionResult", "expression"]

_HOMES = {"ExpressionRequest": "request", "ExpressionResult": "result", "expression": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
