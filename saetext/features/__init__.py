"""Finding features by what their labels mean, looking at one, statistics of all, and themes.

What it offers is loaded when first used: what is asked of features is declared without loading any of it. Not
for: making labels (:mod:`saetext.features.labelling`) or drawing (:mod:`saetext.report`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.io.lazy import lazily

if TYPE_CHECKING:
    from saetext.features.activity import TokenTable, token_table
    from saetext.features.label_index import LabelIndex
    from saetext.features.profile import Profile
    from saetext.features.properties import Property, PropertyProfile, find_properties, property_profile
    from saetext.features.subject import Subject, open_subject
    from saetext.features.table import feature_table
    from saetext.features.theme_counts import theme_matrix, theme_presence
    from saetext.features.themes import Theme, Themes

__all__ = [
    "LabelIndex",
    "Profile",
    "Property",
    "PropertyProfile",
    "Subject",
    "Theme",
    "Themes",
    "TokenTable",
    "feature_table",
    "find_properties",
    "open_subject",
    "property_profile",
    "theme_matrix",
    "theme_presence",
    "token_table",
]

_HOMES = {
    "LabelIndex": "label_index",
    "Profile": "profile",
    "Property": "properties",
    "PropertyProfile": "properties",
    "Subject": "subject",
    "Theme": "themes",
    "Themes": "themes",
    "TokenTable": "activity",
    "feature_table": "table",
    "find_properties": "properties",
    "open_subject": "subject",
    "property_profile": "properties",
    "theme_matrix": "theme_counts",
    "theme_presence": "theme_counts",
    "token_table": "activity",
}

if not TYPE_CHECKING:  # or every name that there is not would have a type
    __getattr__ = lazily(__name__, _HOMES)
