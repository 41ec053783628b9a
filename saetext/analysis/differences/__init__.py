"""What differs between sets of documents, with error control, length control and confirmation.

Not for: drawing results (:mod:`saetext.report`).
"""

from saetext.analysis.differences.compare import diff
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.differences.result import DiffResult, Family, NullCheck
from saetext.analysis.differences.testing import ALPHA, LEVEL

__all__ = ["ALPHA", "LEVEL", "DiffRequest", "DiffResult", "Family", "NullCheck", "diff"]
