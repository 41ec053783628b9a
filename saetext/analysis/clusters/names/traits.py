"""Themes, properties, marks and length that set a cluster apart: what has a name that needs no label.

A trait sets a cluster apart if many of its documents have it, several times as often as the others', and
length does not explain that. Not for: words (:mod:`saetext.analysis.clusters.names.words`) or names
(:mod:`saetext.analysis.clusters.names.naming`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.describing import measured
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import bins
from saetext.features.detectors import of_such_length, presence, shipped
from saetext.features.theme_counts import theme_presence
from saetext.features.themes import Theme, Themes
from saetext.text.marks import LONGER, mark_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAST_INSIDE = 0.5  # share of the cluster's documents
LEAST_RATIO = 2.5  # of shares
LEAST_DIFF = 0.3
APART = 0.9  # probability that a document of the cluster is longer (shorter) than another
_BINS = 5  # of length
_OPENING = "the opening "
# Marks that are the look of a text or its language; others ("question mark") name no kind of text
_NAMING = frozenset(
    (
        "list", "bullet list", "numbered list", "heading", "table", "code", "code block", "link",
        "mathematical notation", "emoji", "mostly capital letters", "letters of a script other than Latin",
        "greeting at the start", "sign-off",
    )
)  # fmt: skip
_KINDS = ("topic", "style", "discourse")  # of themes that name texts
_LANGUAGES = ("Chinese, Japanese and Korean", "Russian text", "Other languages")  # and so do these
_ASKS = ("question_back",)  # sees any question in texts that are no answers


@dataclass(frozen=True)
class Trait:
    """Something a cluster's documents have.

    Attributes
    ----------
    kind : str
        ``theme``, ``property``, ``mark``, ``sign`` (a mark that names no kind of text, such as a question
        mark), ``opening`` or ``length``.
    name : str
        What it is called.
    inside, outside : float
        Share of the cluster's documents that have it, and of the others'; of length, the probability that a
        document of the cluster is longer (or shorter) than another, and its complement.
    score : float
        inside * ln(inside / outside), half a document added to each count.
    features : tuple of int
        Of a theme, its features.
    """

    kind: str
    name: str
    inside: float
    outside: float
    score: float
    features: tuple[int, ...] = ()


def traits(
    corpus: CorpusLike,
    sae: str,
    cluster: NDArray[np.int32],
    n_clusters: int,
    rows: Ints,
    texts: Sequence[str] | None,
) -> list[list[Trait]]:
    """Return what sets each cluster apart from all other documents, the most telling first.

    Parameters
    ----------
    corpus : Corpus
        The documents; themes, properties and length are counted in all of them.
    sae : str
        Which SAE.
    cluster : int32[n]
        The cluster of each document, from 1; 0 for none.
    n_clusters : int
        Number of clusters.
    rows : int64[m]
        Sampled documents, in whose texts marks are counted.
    texts : sequence of str, optional
        Theirs; without them there are no marks.
    """
    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.float64)
    strata = bins(n_tokens, np.ones(len(n_tokens), bool), _BINS)
    found: list[list[Trait]] = [[] for _ in range(n_clusters)]
    for kind, names, matrix in _families(corpus, sae):
        _add(found, kind, names, matrix, cluster, strata)
    of = {theme.name: theme.features for theme in _themes(corpus, sae)}
    found = [[replace(t, features=of[t.name]) if t.kind == "theme" else t for t in some] for some in found]
    if texts is not None and len(rows):
        marks = mark_matrix(texts)
        kinds = np.array([_kind_of(name) for name in marks.names])
        for kind in ("mark", "sign", "opening"):
            kept = np.flatnonzero(kinds == kind)
            told = [marks.names[i].replace(_OPENING, "begins with ") for i in kept.tolist()]
            _add(found, kind, told, marks.matrix[:, kept], cluster[rows], strata[rows])
    for c in range(1, n_clusters + 1):
        found[c - 1].sort(key=lambda t: -t.score)
        found[c - 1] += _length(n_tokens, cluster == c)
    return found


def _kind_of(mark: str) -> str:
    if mark.startswith(_OPENING):
        return "opening"
    return "mark" if mark in _NAMING else "" if mark == LONGER else "sign"


def _families(corpus: CorpusLike, sae: str) -> list[tuple[str, list[str], csr_matrix]]:
    families: list[tuple[str, list[str], csr_matrix]] = []
    themes = _themes(corpus, sae)
    if themes:
        families.append(("theme", [theme.name for theme in themes], theme_presence([corpus], sae, themes)))
    detectors = of_such_length([corpus], shipped(corpus.spec, sae), sae)
    if used := [detector for detector in detectors if detector.name not in _ASKS]:
        families.append(("property", [d.title for d in used], presence(corpus, used, sae)))
    return families


def _themes(corpus: CorpusLike, sae: str) -> list[Theme]:
    themes = Themes.for_spec(corpus.spec, sae)
    if themes is None:
        return []
    return [theme for theme in themes if theme.kind in _KINDS or theme.name in _LANGUAGES]


def _add(
    found: list[list[Trait]],
    kind: str,
    names: Sequence[str],
    matrix: csr_matrix,
    cluster: NDArray[np.int32],
    strata: NDArray[np.int32],
) -> None:
    """Add the traits of one kind to those of each cluster."""
    from scipy import sparse

    k, s = len(found) + 1, int(strata.max(initial=0)) + 1
    code = cluster.astype(np.int64) * s + strata
    ones = np.ones(len(code))
    member = sparse.csr_matrix((ones, (code, np.arange(len(code)))), shape=(k * s, len(code)))
    counts = (member @ (matrix > 0).astype(np.float64)).toarray().astype(np.int64).reshape(k, s, -1)
    rows = np.bincount(code, minlength=k * s).reshape(k, s)
    told = [
        measured(counts[c], rows[c], counts.sum(0) - counts[c], rows.sum(0) - rows[c]) for c in range(1, k)
    ]
    for into, one in zip(found, told, strict=True):
        inside, outside = one["inside"], one["outside"]
        keep = (inside >= LEAST_INSIDE) & (inside - outside >= LEAST_DIFF) & (inside >= LEAST_RATIO * outside)
        keep &= (one["adjusted_diff"] >= LEAST_DIFF / 2) & (one["p"] < 0.001)
        into += [
            Trait(kind, names[i], float(inside[i]), float(outside[i]), float(one["score"][i]))
            for i in np.flatnonzero(keep).tolist()
        ]


def _length(n_tokens: NDArray[np.float64], mine: NDArray[np.bool_]) -> list[Trait]:
    """Say that a cluster's documents are long or short, if nearly each is longer (shorter) than others."""
    from scipy.stats import rankdata

    a, b = int(mine.sum()), int((~mine).sum())
    if not a or not b:
        return []
    longer = float((rankdata(n_tokens)[mine].sum() - a * (a + 1) / 2) / (a * b))  # Mann and Whitney 1947
    if max(longer, 1 - longer) < APART:
        return []
    name, share = ("long texts", longer) if longer > 0.5 else ("short texts", 1 - longer)
    return [Trait("length", name, share, 1 - share, 0.0)]
