"""Finding features by what their labels mean, looking at one, and statistics of all.

Not for: making labels (:mod:`saetext.features.labelling`) or drawing (:mod:`saetext.report`).
"""

from saetext.features.label_index import LabelIndex
from saetext.features.profile import Profile, profile
from saetext.features.subject import Subject, open_subject
from saetext.features.table import feature_table

__all__ = ["LabelIndex", "Profile", "Subject", "feature_table", "open_subject", "profile"]
