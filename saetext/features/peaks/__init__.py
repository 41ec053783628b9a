"""What features do in the texts at hand: the words at their peaks there, and whether labels fit.

A label was written for other texts. Not for: writing labels (:mod:`saetext.features.labelling`), or one
snippet a feature (:mod:`saetext.features.evidence`).
"""

from saetext.features.peaks.local import LocalEvidence, local_evidence
from saetext.features.peaks.naming import NEAR, WORDS, FeatureName, names_here, tokens

__all__ = ["NEAR", "WORDS", "FeatureName", "LocalEvidence", "local_evidence", "names_here", "tokens"]
