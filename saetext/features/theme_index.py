"""ThemeIndex: themes by what their names and descriptions mean.

Not for: themes themselves (:mod:`saetext.features.themes`), or labels of single features
(:mod:`saetext.features.label_index`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.features.themes import Theme


class ThemeIndex:
    """Says how similar words are to each theme, and so to each feature's themes.

    Parameters
    ----------
    themes : sequence of Theme
        Those that are shown; at least one.
    d_sae : int
        Number of features of the SAE.
    embed : callable
        Texts to float32[n, d], rows of length 1.
    """

    def __init__(
        self, themes: Sequence[Theme], d_sae: int, embed: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> None:
        self.themes = tuple(themes)
        self._d_sae = d_sae
        self._vectors = embed([f"{t.name}. {t.description}" for t in self.themes])

    def similarities(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32[n_themes]: cosines of a vector of length 1 and each theme's name and description."""
        found: NDArray[np.float32] = self._vectors @ vector
        return found

    def nearest(self, vector: NDArray[np.float32]) -> tuple[Theme, float]:
        """Return the theme most similar to a vector of length 1, with the cosine."""
        like = self.similarities(vector)
        at = int(like.argmax())
        return self.themes[at], float(like[at])

    def of_features(self, similarity: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return float64[d_sae]: for each feature the largest of its themes' similarities, at least 0.

        A feature without a theme has 0.

        Parameters
        ----------
        similarity : float32[n_themes]
            As :meth:`similarities` returns.
        """
        found = np.zeros(self._d_sae)
        for theme, like in zip(self.themes, similarity.tolist(), strict=True):
            features = list(theme.features)
            found[features] = np.maximum(found[features], like)
        return found
