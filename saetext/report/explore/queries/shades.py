"""Shade: what the words of texts are shaded by, a feature, a theme, or the features of a search.

Not for: shading (passages.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.themes import Theme, Themes
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.counts import calibration_of

_THEME = "theme:"
_OTHERS = 6  # features offered beside the one whose label fits best
_themes: Kept[tuple[Theme, ...]] = Kept(32)
_indices: Kept[LabelIndex] = Kept(8)


@dataclass(frozen=True)
class Shade:
    """Features that are shaded together.

    Attributes
    ----------
    key : str
        How an address names it: ``334`` or ``theme:apology``; empty for the features of a search.
    name : str
        What it is called.
    features : tuple of int
        Its features.
    others : tuple of (int, str)
        Other features whose labels fit the words that were asked for.
    """

    key: str
    name: str
    features: tuple[int, ...]
    others: tuple[tuple[int, str], ...] = ()

    @property
    def feature(self) -> int | None:
        """Its one feature; None for a theme or a search."""
        return self.features[0] if self.key.isdigit() else None


def themes_of(corpus: Corpus, sae: str) -> tuple[Theme, ...]:
    """Return the themes that come with a corpus's reader; none for other readers."""
    key = corpus.spec.sae(sae).weights_sha256
    return _themes.get(key, lambda: tuple(Themes.for_spec(corpus.spec, sae) or ()))


def shade_of_words(corpus: Corpus, sae: str, labels: FeatureLabels, asked: str) -> Shade | None:
    """Return what is meant by a number, ``theme:ID``, the name of a theme, or words of a label.

    None for nothing.

    Raises
    ------
    InputError
        If there is no such feature or theme, or no label has a word of it.
    """
    if not asked:
        return None
    d_sae = corpus.spec.sae(sae).d_sae
    if asked.isascii() and asked.isdigit():
        feature = int(asked[:12])
        if feature >= d_sae:
            raise InputError(f"there is no feature {feature}; {sae} has 0 to {d_sae - 1}")
        return Shade(str(feature), labels.label(feature), (feature,))
    themes = themes_of(corpus, sae)
    if asked.startswith(_THEME):
        for theme in themes:
            if theme.id == asked.removeprefix(_THEME):
                return of_theme(theme)
        raise InputError("there is no such theme: the page 'Features and themes' lists them")
    for theme in themes:
        if theme.name.casefold() == asked.casefold():
            return of_theme(theme)
    found = label_index(corpus, sae, labels).search(asked, _OTHERS + 1)
    if not found:
        raise InputError(
            "no label has these words: search in 'Features and themes', or give a feature's number"
        )
    best, *rest = (feature for feature, _ in found)
    others = tuple((feature, labels.label(feature)) for feature in rest)
    return Shade(str(best), labels.label(best), (best,), others)


def of_theme(theme: Theme) -> Shade:
    """Return a theme as a shade."""
    return Shade(f"{_THEME}{theme.id}", theme.name, theme.features)


def label_index(corpus: Corpus, sae: str, labels: FeatureLabels) -> LabelIndex:
    """Return the index of these labels by their words, made once for a table."""
    # the table itself is kept beside its index, so its id is not used again
    return _indices.get((corpus.path, sae, id(labels)), lambda: LabelIndex(labels, lexical=True))


def full_of(corpus: Corpus, sae: str) -> NDArray[np.float32]:
    """Return float32[d_sae]: the activation of each feature with the darkest shade, at least a tiny one.

    Its maximum on reference text; of a feature that was not active there, 0: what is shown decides.
    """
    return np.asarray(calibration_of(corpus, sae).maxima, np.float32)
