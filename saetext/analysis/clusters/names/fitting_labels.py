"""Which features' labels describe what the features do in a cluster's own texts.

A label was written for other texts; only one that fits here may name a cluster. Not for: whether a label fits
(:mod:`saetext.features.peaks`), or names (:mod:`saetext.analysis.clusters.names.naming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.describing import Described
from saetext.analysis.clusters.names.traits import Trait
from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import LocalEvidence, local_evidence
from saetext.io.progress import Say

READ = 8  # features of each cluster that are looked at
READ_OF_THEMES = 8  # and further ones of the themes that set it apart


def fitting_labels(
    corpus: CorpusLike,
    sae: str,
    described: Sequence[Described],
    samples: Sequence[Ints],
    traits: Sequence[Sequence[Trait]],
    labels: FeatureLabels,
    say: Say,
) -> list[dict[int, LocalEvidence]]:
    """Say for each cluster what its telling features do in its texts.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    described : sequence of Described
        By number.
    samples : sequence of int64 arrays
        Rows of each cluster to look at, increasing.
    traits : sequence of sequence of Trait
        What sets each apart; of its themes features are looked at too.
    labels : FeatureLabels
        What features are called.
    say : callable
        Progress.

    Returns
    -------
    list of dict
        For each cluster, feature to evidence, of its most telling features that have a label. ``fit`` is
        None where texts are not stored.
    """
    found: list[dict[int, LocalEvidence]] = []
    for number, (one, rows, some) in enumerate(zip(described, samples, traits, strict=True), start=1):
        say("reading what features do in clusters", number, len(described))
        features = _features(one, some, labels)
        if not len(features) or not len(rows):
            found.append({})
            continue
        part, chosen = _view(corpus, rows)
        found.append(local_evidence([part], sae, features, chosen, labels=labels))
    return found


def still_fitting(
    corpus: CorpusLike,
    sae: str,
    found: Sequence[dict[int, LocalEvidence]],
    held: Sequence[Ints],
    labels: FeatureLabels,
) -> list[dict[int, LocalEvidence]]:
    """Return the evidence with labels that do not fit in held-out documents said not to fit.

    Parameters
    ----------
    corpus, sae, labels
        As of :func:`fitting_labels`.
    found : sequence of dict
        What it returned.
    held : sequence of int64 arrays
        Other rows of each cluster, increasing; where there are none, nothing is changed.
    """
    checked: list[dict[int, LocalEvidence]] = []
    for one, rows in zip(found, held, strict=True):
        features = np.array([feature for feature, evidence in one.items() if evidence.fits], np.int64)
        if not len(features) or not len(rows):
            checked.append(one)
            continue
        part, chosen = _view(corpus, rows)
        again = local_evidence([part], sae, features, chosen, labels=labels)
        gone = {f for f in features.tolist() if f not in again or not again[f].fits}
        checked.append({f: replace(e, fits=False) if f in gone else e for f, e in one.items()})
    return checked


def _features(one: Described, traits: Sequence[Trait], labels: FeatureLabels) -> Ints:
    known = [t.feature for t in one.telling if t.feature in labels]
    of_themes = {f for trait in traits for f in trait.features}
    more = [feature for feature in known[READ:] if feature in of_themes]
    return np.array(known[:READ] + more[:READ_OF_THEMES], np.int64)


def _view(corpus: CorpusLike, rows: Ints) -> tuple[CorpusLike, NDArray[np.bool_]]:
    """Return what holds the rows, and which of its rows they are: of a corpus on disk no others are read."""
    from saetext.corpus import Corpus

    if isinstance(corpus, Corpus | Joined):
        return corpus.select(rows), np.ones(len(rows), bool)
    chosen = np.zeros(corpus.n_documents, bool)
    chosen[rows] = True
    return corpus, chosen
