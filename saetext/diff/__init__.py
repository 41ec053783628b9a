"""What differs between sets of documents, with error control, length control and confirmation.

Not for: drawing results (:mod:`saetext.report`).
"""

from saetext.diff.compare import diff, diff_by
from saetext.diff.many import SetsResult, diff_sets, diff_sets_by
from saetext.diff.result import DiffResult, Family, NullCheck
from saetext.diff.testing import ALPHA, LEVEL

__all__ = [
    "ALPHA",
    "LEVEL",
    "DiffResult",
    "Family",
    "NullCheck",
    "SetsResult",
    "diff",
    "diff_by",
    "diff_sets",
    "diff_sets_by",
]
