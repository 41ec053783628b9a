"""What each cluster is about: what sets it apart, its exemplars, its words, its name's evidence.

Not for: any one of these; each has its module beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from saetext.analysis.clusters.names.fitting_labels import fitting_labels, still_fitting
from saetext.analysis.clusters.names.halves import held_out, reaches
from saetext.analysis.clusters.names.naming import Evidence, vocabulary
from saetext.analysis.clusters.names.traits import traits
from saetext.analysis.clusters.names.words import MOST_SAMPLED, SAMPLED, Words, typical_words
from saetext.analysis.clusters.placing import Placed
from saetext.analysis.clusters.semantic_map import texts_of
from saetext.analysis.clusters.tables import SHOWN
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.io.progress import Say
from saetext.text.passages import printable

EXAMPLES = 5
_BEGINNING = 160  # characters
_READ = 2000  # characters of a text whose words are counted


@dataclass(frozen=True, eq=False)
class Sample:
    """Documents whose words are read: int64[m] rows, increasing, int32[m] their clusters, and their texts.

    Texts are None where the corpus does not store them.
    """

    rows: Ints
    cluster: NDArray[np.int32]
    texts: list[str] | None


@dataclass(frozen=True, eq=False)
class Summary:
    """What each cluster is about, by number: what sets it apart, its exemplars, its words, and the sample."""

    described: list[Described]
    exemplars: list[tuple[Exemplar, ...]]
    words: list[Words]
    sample: Sample


def summarise(
    corpus: CorpusLike,
    sae: str,
    fitted: Fitted | None,
    placed: Placed,
    seed: int,
    say: Say,
    n_clusters: int | None = None,
) -> Summary:
    """Describe all clusters; without ``fitted`` (new documents) the exemplars are those placed firmly."""
    k = n_clusters if fitted is None else fitted.n_clusters
    if not k:
        return Summary([], [], [], Sample(np.empty(0, np.int64), np.empty(0, np.int32), None))
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
    sample = sampled(corpus, placed.cluster, k, seed)
    return Summary(described, examples, words_of(sample, k), sample)


def sampled(corpus: CorpusLike, cluster: NDArray[np.int32], k: int, seed: int) -> Sample:
    """Draw up to 200 documents of each cluster and of none, and read the beginnings of their texts."""
    rng = np.random.default_rng([seed, 13])
    each = max(5, min(SAMPLED, MOST_SAMPLED // max(k, 1)))
    chosen = [rng.permutation(np.flatnonzero(cluster == c))[:each] for c in (*range(1, k + 1), 0)]
    rows = np.sort(np.concatenate(chosen))
    return Sample(rows, cluster[rows], texts_of(corpus, rows, _READ) if len(rows) else None)


def words_of(sample: Sample, k: int) -> list[Words]:
    """Return the words of each cluster; none where texts are not stored."""
    if sample.texts is None:
        return [()] * k
    return typical_words(sample.texts, sample.cluster.tolist(), k)


def evidence_of(
    corpus: CorpusLike,
    sae: str,
    cluster: NDArray[np.int32],
    described: Sequence[Described],
    words: Sequence[Words],
    sample: Sample,
    labels: FeatureLabels,
    say: Say,
) -> list[Evidence]:
    """Gather what the clusters are named by."""
    found = traits(corpus, sae, cluster, len(described), sample.rows, sample.texts)
    if sample.texts is None:
        return [Evidence(one, (), some) for one, some in zip(described, found, strict=True)]
    cluster_of = sample.cluster.tolist()
    held = held_out(sample.texts, cluster_of)
    named = [[word for word, _ in some] for some in words]
    reach = reaches(sample.texts, cluster_of, held, named)
    halves = [
        (sample.rows[mine & ~held], sample.rows[mine & held])
        for mine in (sample.cluster == c for c in range(1, len(described) + 1))
    ]
    local = fitting_labels(corpus, sae, described, [a for a, _ in halves], found, labels, say)
    local = still_fitting(corpus, sae, local, [b for _, b in halves], labels)
    told: list[list[str]] = [[] for _ in range(len(described) + 1)]
    for c, text in zip(cluster_of, sample.texts, strict=True):
        told[c].append(text)
    return [
        Evidence(described[c], words[c], found[c], local[c], vocabulary(told[c + 1]), reach[c])
        for c in range(len(described))
    ]


def beginnings(corpus: CorpusLike, rows: Sequence[int]) -> list[str]:
    """Return the beginnings of some documents' texts."""
    texts = [corpus.document(row)["text"] for row in rows]
    return [printable(text).strip()[:_BEGINNING] for text in texts if text is not None]
