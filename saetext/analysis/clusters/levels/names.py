"""The parts of every level with names and words, and the level columns of documents.

A part that is a cluster has the cluster's name. Groups of clusters and parts of one are named by the same
rules (:mod:`saetext.analysis.clusters.names.naming`), all of a level at once, against all other documents.
Not for: the cut (:mod:`saetext.analysis.clusters.levels.cutting`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.describing import describe
from saetext.analysis.clusters.levels.cutting import Levels
from saetext.analysis.clusters.names.naming import MIXED, NOTHING, names
from saetext.analysis.clusters.placing import Placed
from saetext.analysis.clusters.result import LEVEL_COLUMNS
from saetext.analysis.clusters.summarising import evidence_of, sampled, words_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.io.progress import Say

if TYPE_CHECKING:
    import polars as pl

PARTS = 3  # of a mixed cluster that name it
#: Name and words of a part.
Called = tuple[str, tuple[str, ...]]


def at_levels(levels: Levels, placed: Placed) -> NDArray[np.int32]:
    """Return int32[l, documents]: the part of every document of a corpus at each level, 0 for none.

    A placed document is where the fitted document of its cluster is that it is nearest.
    """
    found = np.zeros((len(levels), len(placed.cluster)), np.int32)
    inside = placed.like >= 0
    found[:, inside] = levels.number[:, placed.like[inside]]
    return found


def level_names(
    corpus: CorpusLike,
    sae: str,
    levels: Levels,
    number: NDArray[np.int32],
    clusters: Sequence[Called],
    labels: FeatureLabels,
    seed: int,
    say: Say,
) -> list[list[Called]]:
    """Return the name and words of each part of each level, by number.

    Parameters
    ----------
    corpus : Corpus
        All documents.
    sae : str
        Which SAE.
    levels : Levels
        Of the fitted documents.
    number : int32[l, documents]
        The part of every document at each level.
    clusters : sequence of (str, tuple of str)
        Names and words of the clusters themselves.
    labels : FeatureLabels
        What features are called.
    seed : int
        By which documents are drawn whose words are counted.
    say : callable
        Progress.
    """
    found: list[list[Called]] = [[] for _ in number]
    found[levels.base] = list(clusters)
    taken = {name for name, _ in clusters}
    above, below = range(levels.base - 1, -1, -1), range(levels.base + 1, len(levels))
    for level, near in [*((at, at + 1) for at in above), *((at, at - 1) for at in below)]:
        same = _same(levels.number[level], levels.number[near])
        known = {part: found[near][other - 1] for part, other in same.items()}
        new = [part for part in range(1, int(levels.number[level].max(initial=0)) + 1) if part not in known]
        code = np.zeros(int(levels.number[level].max(initial=0)) + 1, np.int32)
        code[new] = np.arange(1, len(new) + 1)
        made = _named(corpus, sae, code[number[level]], len(new), labels, seed, say) if new else []
        known |= {part: _apart(*one, taken) for part, one in zip(new, made, strict=True)}
        found[level] = [known[part] for part in sorted(known)]
    return found


def named_by_parts(levels: Levels, called: Sequence[Sequence[Called]]) -> list[list[Called]]:
    """Return the names and words of the parts of each level; of mixed ones, the names of their own parts.

    What no word says of a mixed part as a whole, its parts say: each has passed the check that the whole
    failed. The largest that have a name come first, and as many others are counted.

    Parameters
    ----------
    levels : Levels
        Of the fitted documents.
    called : sequence of sequence of (str, tuple of str)
        Names and words of the parts of each level, by number.
    """
    found = [list(some) for some in called]
    for level in range(len(found) - 2, -1, -1):
        parents, below = levels.parents(level + 1), found[level + 1]
        taken = {name for name, _ in found[level]}
        for part, (name, words) in enumerate(found[level], start=1):
            inside = [below[at - 1] for at in np.flatnonzero(parents == part).tolist() if at]
            if len(inside) == 1:  # the same part at both levels
                found[level][part - 1] = inside[0]
                continue
            made = _of_parts([one for one, _ in inside]) if name.startswith(MIXED) else ""
            if made and made not in taken:
                taken.add(made)
                found[level][part - 1] = made, words
    return found


def _of_parts(inside: Sequence[str]) -> str:
    """Return a name made of those of some parts; empty where fewer than two of them have one."""
    firm = [_first(name) for name in inside if not name.startswith((MIXED, NOTHING))]
    said = list(dict.fromkeys(firm))[:PARTS]
    more = len(inside) - len(said)
    return MIXED + " / ".join([*said, *([f"{more} more"] if more else [])]) if len(said) > 1 else ""


def _first(name: str) -> str:
    """Return the first two words of a name, or its label."""
    pieces = re.split(r" · ", name)[0].split(", ")
    return ", ".join(pieces[:2])


def _same(mine: NDArray[np.int32], other: NDArray[np.int32]) -> dict[int, int]:
    """Return the parts of one partition that are parts of another, and which."""
    pairs, sizes = np.unique(np.stack([mine, other]), axis=1, return_counts=True)
    here, there = np.bincount(mine), np.bincount(other)
    return {
        int(a): int(b)
        for (a, b), size in zip(pairs.T, sizes.tolist(), strict=True)
        if a and b and here[a] == size == there[b]
    }


def _named(
    corpus: CorpusLike,
    sae: str,
    code: NDArray[np.int32],
    k: int,
    labels: FeatureLabels,
    seed: int,
    say: Say,
) -> list[Called]:
    """Return names and words of ``k`` parts, each against all other documents."""
    nobody: list[list[int]] = [[] for _ in range(k)]
    told = describe(corpus, sae, code, nobody, lambda done, of: say("naming levels", done, of))
    sample = sampled(corpus, code, k, seed)
    words = words_of(sample, k)
    evidence = evidence_of(corpus, sae, code, told, words, sample, labels, say)
    return [
        (name, tuple(word for word, _ in some))
        for name, some in zip(names(evidence, labels), words, strict=True)
    ]


def _apart(name: str, words: tuple[str, ...], taken: set[str]) -> Called:
    """Return a name that no other part has: with more of its words, in the end with a number."""
    called, number = name, 2
    for word in words:
        if called not in taken:
            break
        if word not in called:
            called = f"{called}, {word}"
    plain = re.sub(r" \(\d+\)$", "", called)  # the number it had among the parts of its own level
    while called in taken:
        called, number = f"{plain} ({number})", number + 1
    taken.add(called)
    return called, words


def levels_table(
    levels: Levels, number: NDArray[np.int32], called: Sequence[Sequence[Called]]
) -> pl.DataFrame:
    """Return a row a part of each level; sizes are of the documents in ``number``, which may be new ones."""
    import polars as pl

    n = number.shape[1]
    rows: list[dict[str, Any]] = []
    for level in range(len(levels)):
        parents, own = levels.parents(level), cluster_of(levels, level)
        sizes = np.bincount(number[level], minlength=len(parents))
        for part, (name, words) in enumerate(called[level], start=1):
            rows.append(
                {
                    "level": level + 1,
                    "part": part,
                    "parent": int(parents[part]) if level else None,
                    "cluster": int(own[part]) or None,
                    "name": name,
                    "size": int(sizes[part]),
                    "share": sizes[part] / max(n, 1),
                    "words": list(words),
                }
            )
    return pl.DataFrame(rows, schema=schema(), orient="row").select(LEVEL_COLUMNS)


def cluster_of(levels: Levels, level: int) -> Ints:
    """Return int64[k + 1]: the cluster that each part of a level is or is part of; 0 where it has several."""
    mine, base = levels.number[level], levels.number[levels.base]
    k = int(mine.max(initial=0))
    low, high = np.full(k + 1, np.iinfo(np.int64).max), np.zeros(k + 1, np.int64)
    np.minimum.at(low, mine, base)
    np.maximum.at(high, mine, base)
    return np.where(low == high, high, 0)


def schema() -> dict[str, Any]:
    """Return the columns of the table of levels and their types."""
    import polars as pl

    return {
        "level": pl.Int32, "part": pl.Int32, "parent": pl.Int32, "cluster": pl.Int32, "name": pl.String,
        "size": pl.Int64, "share": pl.Float64, "words": pl.List(pl.String),
    }  # fmt: skip
