"""What differs between sets of documents, with error control, length control and confirmation.

Loaded when first used: a command names its options without what computes them. Not for: drawing results
(:mod:`saetext.report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.analysis.differences.outcome.result import OutcomeResult
    from saetext.analysis.differences.request import DiffRequest
    from saetext.analysis.differences.result import DiffResult, Family, NullCheck
    from saetext.analysis.differences.run import diff
    from saetext.analysis.differences.testing import ALPHA, LEVEL

__all__ = ["ALPHA", "LEVEL", "DiffRequest", "DiffResult", "Family", "NullCheck", "OutcomeResult", "diff"]

_HOMES = {
    "ALPHA": "testing",
    "LEVEL": "testing",
    "DiffRequest": "request",
    "DiffResult": "result",
    "Family": "result",
    "NullCheck": "result",
    "OutcomeResult": "outcome.result",
    "diff": "run",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
