"""What differs between sets of documents, with error control, length control and confirmation.

Not for: drawing results (:mod:`saetext.report`).
"""

from saetext.diff.compare import diff
from saetext.diff.request import DiffRequest
from saetext.diff.result import DiffResult, Family, NullCheck
from saetext.diff.testing import ALPHA, LEVEL

__all__ = ["ALPHA", "LEVEL", "DiffRequest", "DiffResult", "Family", "NullCheck", "diff"]
