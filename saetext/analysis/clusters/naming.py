"""A short name for every cluster, no two alike: from the labels of the features that set it apart, and words.

Not for: which features those are (:mod:`saetext.analysis.clusters.describing`), or names by a language model
(:mod:`saetext.analysis.clusters.named_by_llm`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from saetext.analysis.clusters.describing import Described
from saetext.features.labels import FeatureLabels
from saetext.text.passages import printable
from saetext.text.terms import word_matrix
from saetext.text.words import parts

SAMPLED = 200  # documents of each cluster whose words are counted
MOST_SAMPLED = 20_000
_WORDS = 8  # typical words of each
_LONGEST = 48  # characters of a label in a name
_POOR = 0.6  # a label's score below which words are the better name
_STEM = 5

Words = tuple[tuple[str, float], ...]


def names(described: Sequence[Described], words: Sequence[Words], labels: FeatureLabels) -> list[str]:
    """Return a name for each cluster.

    Two of the most telling labels and words, each by share inside times the logarithm of the ratio of shares,
    labels less the worse they are told apart (label score), without such as repeat each other; another one
    is added until no two names are equal.

    Parameters
    ----------
    described : sequence of Described
        By number.
    words : sequence of Words
        Typical words of each.
    labels : FeatureLabels
        What features are called.
    """
    found: list[str] = []
    taken: set[str] = set()
    for number, (one, typical) in enumerate(zip(described, words, strict=True), start=1):
        made = _parts(one, typical, labels)
        name = ""
        for count in range(min(2, len(made)), len(made) + 1):
            name = " · ".join(made[:count])
            if name and name.casefold() not in taken:
                break
        name = name or f"cluster {number}"
        plain, again = name, number
        while name.casefold() in taken:
            name, again = f"{plain} ({again})", again + 1
        taken.add(name.casefold())
        found.append(name)
    return found


def _parts(one: Described, typical: Words, labels: FeatureLabels) -> list[str]:
    """Return what a name can be made of, the best first."""
    ranked = [
        (t.score * _reliability(labels.score(t.feature)), shortened(labels.label(t.feature)))
        for t in one.telling[:12]
        if t.feature in labels
    ]
    ranked += [(score, _bare(word)) for word, score in typical if not _says_nothing(word)]
    chosen: list[str] = []
    stems: set[str] = set()
    for _, part in sorted(ranked, key=lambda pair: -pair[0]):
        mine = _stems(part)
        if part and not any(
            one.startswith(other) or other.startswith(one) for one in mine for other in stems
        ):
            chosen.append(part)
            stems |= mine
    return chosen or [word for word, _ in typical]


def _says_nothing(word: str) -> bool:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return any(
        part in ENGLISH_STOP_WORDS
        or (len(part) < 3 and part.isascii())
        or not any(letter.isalpha() for letter in part)
        for part in word.split()
    )


def _bare(word: str) -> str:
    """Return words without the 's of a possessive, which names nothing."""
    return " ".join(re.sub(r"['’]s$", "", part) for part in word.split())


def shortened(label: str) -> str:
    """Return a label fit for a name: ``the word "job"`` becomes ``"job"``, a long one is cut at a comma."""
    text = printable(label).strip()
    if match := re.fullmatch(r'the words? ("[^"]+")', text):
        return match[1]
    text = re.sub(r"^(loose|loosely|mixed): ", "", text)
    if len(text) > _LONGEST:
        cut = text[:_LONGEST]
        for mark in (",", ";", " "):
            if cut.rfind(mark) > _LONGEST // 2:
                return cut[: cut.rfind(mark)].rstrip(" ,;") + ("…" if mark == " " else "")
        return cut.rstrip() + "…"
    return text


def typical_words(texts: Sequence[str], cluster: Sequence[int], n_clusters: int) -> list[Words]:
    """Return the words and pairs of words that each cluster's texts have more often than the others'.

    Each with its score, share inside times the logarithm of the ratio of shares; best first.

    Parameters
    ----------
    texts : sequence of str
        Sampled documents, about as many of each cluster.
    cluster : sequence of int
        Theirs, from 1.
    n_clusters : int
        Number of clusters.
    """
    from scipy import sparse

    terms = word_matrix(texts, min_documents=3)
    if not terms.names:
        return [()] * n_clusters
    code = np.asarray(cluster) - 1
    member = sparse.csr_matrix(
        (np.ones(len(code)), (code, np.arange(len(code)))), shape=(n_clusters, len(code))
    )
    counts = (member @ (terms.matrix > 0).astype(np.float64)).toarray()
    sizes = np.bincount(code, minlength=n_clusters)
    total = counts.sum(0)
    found = []
    for c in range(n_clusters):
        inside = (counts[c] + 0.5) / (sizes[c] + 1)
        outside = (total - counts[c] + 0.5) / (len(code) - sizes[c] + 1)
        score = np.where(counts[c] >= min(3, sizes[c]), inside * np.log(inside / outside), -1.0)
        chosen: list[tuple[str, float]] = []
        for at in np.argsort(-score, kind="stable")[: 6 * _WORDS].tolist():
            if score[at] <= 0.01 or len(chosen) == _WORDS:
                break
            term = terms.names[at]
            if len(term) > 1 and not any(_repeats(term, other) for other, _ in chosen):
                chosen.append((term, float(score[at])))
        found.append(tuple(chosen))
    return found


def _reliability(score: float | None) -> float:
    return 0.75 if score is None else min(max((score - 0.5) * 2, 0.1), 1.0)


def _stems(text: str) -> set[str]:
    found = {word[:_STEM] for word in parts(text) if len(word) > 2}
    return found - {"and", "the", "word", "words", "for", "with"}


def _repeats(term: str, other: str) -> bool:
    return bool(set(term.split()) & set(other.split()))
