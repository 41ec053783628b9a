"""What features do in the texts at hand: the words at their peaks there, and whether their labels fit.

A label was written for other texts. Not for: writing labels (:mod:`saetext.features.labelling`), or one
snippet a feature (:mod:`saetext.features.evidence`).
"""

from saetext.features.peaks.group_names import GroupName, name_group
from saetext.features.peaks.local import LocalEvidence, local_evidence

__all__ = ["GroupName", "LocalEvidence", "local_evidence", "name_group"]
