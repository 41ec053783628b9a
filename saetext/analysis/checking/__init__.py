"""A release check: whether a new set of texts stays within limits on how much may change since an old one.

Loaded when first used: a command names its options without what computes them. Not for: finding what differs
(:mod:`saetext.analysis.differences`, which this uses).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.analysis.checking.figures import Baseline
    from saetext.analysis.checking.request import BaselineRequest, CheckRequest
    from saetext.analysis.checking.result import CheckResult
    from saetext.analysis.checking.rules import Rule
    from saetext.analysis.checking.run import baseline, check

__all__ = ["Baseline", "BaselineRequest", "CheckRequest", "CheckResult", "Rule", "baseline", "check"]

_HOMES = {
    "Baseline": "figures",
    "BaselineRequest": "request",
    "CheckRequest": "request",
    "CheckResult": "result",
    "Rule": "rules",
    "baseline": "run",
    "check": "run",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
