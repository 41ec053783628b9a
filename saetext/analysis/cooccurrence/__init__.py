"""Which concepts travel together: pairs that are in one document more or less often than chance.

Not for: what differs between sets (:mod:`saetext.analysis.differences`).
"""

from saetext.analysis.cooccurrence.result import CorrelateResult
from saetext.analysis.cooccurrence.run import correlate
from saetext.analysis.cooccurrence.surprise import Limits

__all__ = ["CorrelateResult", "Limits", "correlate"]
