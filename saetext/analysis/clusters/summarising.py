"""What each cluster is about: what sets it apart, its exemplars and its words.

Not for: any one of these; each has its module beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.describing import AGAINST, Described, describe
from saetext.analysis.clusters.exemplars import (
    Exemplar,
    centres,
    exemplar_rows,
    find_exemplars,
    nearest_clusters,
)
from saetext.analysis.clusters.fitting import Fitted
from saetext.analysis.clusters.naming import MOST_SAMPLED, SAMPLED, Words, typical_words
from saetext.analysis.clusters.placing import Placed
from saetext.analysis.clusters.semantic_map import texts_of
from saetext.analysis.clusters.tables import SHOWN
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.io.progress import Say
from saetext.text.passages import printable

EXAMPLES = 5
_BEGINNING = 160  # characters
_READ = 2000  # characters of a text whose words are counted


def summarise(
    corpus: CorpusLike,
    sae: str,
    fitted: Fitted | None,
    placed: Placed,
    seed: int,
    say: Say,
    n_clusters: int | None = None,
) -> tuple[list[Described], list[tuple[Exemplar, ...]], list[Words]]:
    """Describe all clusters; without ``fitted`` (new documents) the exemplars are those placed firmly."""
    k = n_clusters if fitted is None else fitted.n_clusters
    if not k:
        return [], [], []
    if fitted is None:
        near: list[list[int]] = [[] for _ in range(k)]
        rows = [
            members[np.argsort(-placed.probability[members], kind="stable")[:EXAMPLES]]
            for members in (np.flatnonzero(placed.cluster == c) for c in range(1, k + 1))
        ]
    else:
        centre = centres(fitted.vectors, fitted.cluster, k)
        near = nearest_clusters(centre, AGAINST)
        rows = [
            fitted.rows[at]
            for at in exemplar_rows(fitted.vectors, fitted.cluster, fitted.probability, centre, EXAMPLES)
        ]
    described = describe(
        corpus, sae, placed.cluster, near, lambda done, of: say("describing clusters", done, of)
    )
    described += [Described((), ())] * (k - len(described))
    telling = [[t.feature for t in one.telling[:SHOWN]] for one in described]
    examples = find_exemplars(corpus, sae, rows, telling)
    say("counting words", 0, 0)
    return described, examples, _words(corpus, placed.cluster, k, seed)


def _words(corpus: CorpusLike, cluster: NDArray[np.int32], k: int, seed: int) -> list[Words]:
    rng = np.random.default_rng([seed, 13])
    each = max(5, min(SAMPLED, MOST_SAMPLED // k))
    chosen: list[Ints] = []
    for c in range(1, k + 1):
        members = np.flatnonzero(cluster == c)
        chosen.append(rng.permutation(members)[:each])
    rows = np.sort(np.concatenate(chosen))
    if not len(rows):
        return [()] * k
    texts = texts_of(corpus, rows, _READ)
    if texts is None:
        return [()] * k
    return typical_words(texts, cluster[rows].tolist(), k)


def beginnings(corpus: CorpusLike, rows: Sequence[int]) -> list[str]:
    """Return the beginnings of some documents' texts."""
    texts = [corpus.document(row)["text"] for row in rows]
    return [printable(text).strip()[:_BEGINNING] for text in texts if text is not None]
