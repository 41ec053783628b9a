"""Finding features by what their labels mean, looking at one, and statistics of all.

What it offers is loaded when first used: what is asked of features is declared without loading any of it. Not
for: making labels (:mod:`saetext.features.labelling`) or drawing (:mod:`saetext.report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.features.label_index import LabelIndex
    from saetext.features.profile import Profile
    from saetext.features.subject import Subject, open_subject
    from saetext.features.table import feature_table

__all__ = ["LabelIndex", "Profile", "Subject", "feature_table", "open_subject"]

_HOMES = {
    "LabelIndex": "label_index",
    "Profile": "profile",
    "Subject": "subject",
    "feature_table": "table",
    "open_subject": "subject",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
