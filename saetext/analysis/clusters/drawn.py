"""Which documents clusters are fitted to: all of them, or some drawn at random.

Not for: the smaller sample in which views are looked at (:mod:`saetext.analysis.clusters.views.looking`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike, Ints

if TYPE_CHECKING:
    from saetext.analysis.clusters.request import ClusterRequest


def drawn(corpus: CorpusLike, request: ClusterRequest) -> tuple[Ints, list[str]]:
    """Return int64[m], increasing, the documents to fit; and a note, where they are not all.

    Of several sets as many of each as there are, so that no set outweighs the others; what is told of those
    is told with their shares.
    """
    if isinstance(corpus, Joined):
        return corpus.rows_to_fit(request.fit_on, request.seed), []
    n = corpus.n_documents
    if n <= request.fit_on:
        return np.arange(n), []
    rows = np.sort(np.random.default_rng([request.seed, 10]).permutation(n)[: request.fit_on])
    return rows, [
        f"fitted to {len(rows):,} documents drawn at random (--fit-on), the others were placed by them"
    ]
