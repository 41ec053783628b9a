"""Which concepts travel together: pairs that are in one document more or less often than chance.

Loaded when first used: a command names its options without what computes them. Not for: what differs between
sets (:mod:`saetext.analysis.differences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.analysis.cooccurrence.request import CorrelateRequest
    from saetext.analysis.cooccurrence.result import CorrelateResult
    from saetext.analysis.cooccurrence.run import correlate

__all__ = ["CorrelateRequest", "CorrelateResult", "correlate"]

_HOMES = {"CorrelateRequest": "request", "CorrelateResult": "result", "correlate": "run"}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
