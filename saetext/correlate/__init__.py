"""Which concepts travel together: pairs that are in one document more or less often than chance.

Not for: what differs between sets (:mod:`saetext.diff`).
"""

from saetext.correlate.result import CorrelateResult
from saetext.correlate.run import correlate
from saetext.correlate.surprise import Limits

__all__ = ["CorrelateResult", "Limits", "correlate"]
