"""Half of a cluster's documents to choose its name by, and half to check the name on.

Not for: choosing (:mod:`saetext.analysis.clusters.names.words`,
:mod:`saetext.analysis.clusters.names.naming`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.text.inflection import base
from saetext.text.words import parts

LEAST = 4  # different texts of a half; with fewer nothing can be checked
Flags = NDArray[np.bool_]


def held_out(texts: Sequence[str], cluster: Sequence[int]) -> Flags:
    """Return bool[n]: the documents on which names are checked, about half of each cluster and of none.

    All copies of a text are on one side. A cluster with too few different texts has none to check on.

    Examples
    --------
    >>> from saetext.analysis.clusters.names.halves import held_out
    >>> held = held_out(["a", "b", "c", "d", "e", "f", "g", "h", "h"], [1] * 9)
    >>> int(held[:7].sum() + held[8]), bool(held[7] == held[8])
    (4, True)
    """
    code = np.asarray(cluster, np.int64)
    held = np.zeros(len(texts), bool)
    for c in np.unique(code).tolist():
        members = np.flatnonzero(code == c).tolist()
        digest = {texts[i]: hashlib.sha256(texts[i].encode("utf-8", "replace")).digest() for i in members}
        if len(digest) < 2 * LEAST:
            continue
        second = set(sorted(digest, key=digest.__getitem__)[1::2])
        held[members] = [texts[i] in second for i in members]
    return held


@dataclass(frozen=True, eq=False)
class Reach:
    """Held-out documents with a cluster's words: bool[m, words] of its own, bool[o, words] of all others."""

    inside: Flags
    outside: Flags

    def of(self, which: Sequence[int]) -> tuple[float, float]:
        """Return the share of the members, and of others, that have at least one of some words."""
        chosen = list(which)
        if not chosen:
            return 0.0, 0.0
        a = np.atleast_1d(self.inside[:, chosen].any(axis=1))
        b = np.atleast_1d(self.outside[:, chosen].any(axis=1))
        return float(a.mean()) if len(a) else 0.0, float(b.mean()) if len(b) else 0.0


def reaches(
    texts: Sequence[str], cluster: Sequence[int], held: Flags, words: Sequence[Sequence[str]]
) -> list[Reach | None]:
    """Count each cluster's words in held-out documents, any form of each; None where none are held out."""
    code, at = np.asarray(cluster, np.int64), np.flatnonzero(held)
    told = [_keyed(texts[i]) for i in at.tolist()]
    found: list[Reach | None] = []
    for c, mine in enumerate(words, start=1):
        inside = code[at] == c
        if not inside.any() or not mine:
            found.append(None)
            continue
        keys = [_keyed(word) for word in mine]
        has = np.array([[key in text for key in keys] for text in told], bool)
        found.append(Reach(has[inside], has[~inside]))
    return found


def _keyed(text: str) -> str:
    """Return the keys of a text's words between blanks, so that phrases are found whole."""
    return f" {' '.join(base(word) for word in parts(text))} "
