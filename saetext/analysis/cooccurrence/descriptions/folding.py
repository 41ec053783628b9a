"""Which pairs lead the list: by evidence, each thing once, pairs across topics before pairs within one.

A pair is folded under another if its association goes away among rows that are alike in having both of that
one, unless that one stands for one of the two. A pair is within a topic if a third description covers both
and its association goes away given that ("import" and "def" where there is code), or if both are of one theme
("Monday" and "Tuesday"). Not for: testing, or where descriptions stand.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.descriptions.making import OPENING, Descriptions, content
from saetext.analysis.cooccurrence.descriptions.testing import Associated
from saetext.analysis.cooccurrence.evidence import least_phi, weight_of
from saetext.analysis.cooccurrence.items import Items
from saetext.corpus.protocol import Ints
from saetext.io.progress import Count, nobody

Floats = NDArray[np.float64]

CANDIDATES = 3_000  # pairs that are looked at, those of the strongest evidence
MOST_LED = 200  # pairs of the list
OF_ONE = 2  # pairs of the list with the same description
OF_TOPIC = 2  # pairs of the list within the same topic, or of the same rows
SAME_ROWS = 0.5  # share of a pair's rows that are rows of one before it, where they are of one subject
_MORE = 3.0  # ... and how many times as many as by chance
COVERS = 0.75  # share of both descriptions' rows that a topic has
_BROADER = 1.25  # times as many rows as either that a topic has: else it is one of the two by another name
GONE = 0.5  # share of an association that may be left where it has gone away
#: By how much evidence counts of what is plain to see, and of what is gathered from many features.
_PLAIN = {"word": 1.0, "format": 1.0, "property": 0.95, "theme": 0.85}
_WITHIN = 0.5  # how much evidence counts within one topic
_SAME = 0.9  # share of the rows of two pairs that both have, where the plainer one stands for both


@dataclass(frozen=True)
class Led:
    """A pair that leads: its place among those found, its topic if it has one, and what it stands for."""

    at: int
    topic: str | None
    members: list[int] = field(default_factory=list)


def lead(
    found: Associated,
    made: Descriptions,
    n: int,
    reason: Callable[[int], str | None],
    themes: Callable[[int], frozenset[str]],
    counts: tuple[Count, Count] = (nobody, nobody),
) -> tuple[list[Led], Counter[str]]:
    """Choose the pairs of the list.

    Parameters
    ----------
    found : Associated
        Pairs that hold.
    made : Descriptions
        What they are of.
    n : int
        Rows.
    reason : callable
        From a pair's place to why it is no finding, None if it is one.
    themes : callable
        From a description to the themes it is of: two of one theme are within a topic as well.
    counts : tuple of callable
        Get for how many pairs a topic was looked for, and how many are decided, of how many.

    Returns
    -------
    led : list of Led
        By the lower bound of phi, of pairs within a topic by half of it.
    hidden : Counter
        How many pairs are no finding, by reason.
    """
    if not len(found):
        return [], Counter()
    strength = _strength(found, made, n)
    order = np.lexsort((np.arange(len(found)), -_telling(found, made), -strength))[:CANDIDATES]
    present = _Present(made.items, n)
    excess = present.excess(found)
    topic_of = {}
    for place, k in enumerate(order.tolist(), 1):
        topic_of[k] = present.topic(found, made, k, excess[k])
        counts[0](place, len(order))
    queue = [(-_weighed(strength[k], topic_of[k]), place, k) for place, k in enumerate(order.tolist())]
    heapq.heapify(queue)
    led: list[Led] = []
    hidden: Counter[str] = Counter()
    taken: Counter[object] = Counter()
    first: dict[object, Led] = {}
    subjects: list[Ints] = []  # rows of the pairs that came first of their subject
    waiting, looked_at = dict.fromkeys(order.tolist()), set[int]()

    def keys_of(k: int) -> list[tuple[object, int]]:
        """Return what a pair takes a place of, and how many places there are."""
        keys: list[tuple[object, int]] = [(int(found.at_a[k]), OF_ONE), (int(found.at_b[k]), OF_ONE)]
        keys += [(topic_of[k], OF_TOPIC)] if topic_of[k] is not None else []
        subject = _subject(present.both(found, k), subjects, n)
        return keys + ([(("rows", subject), OF_TOPIC)] if subject is not None else [])

    while queue and len(led) < MOST_LED:
        counts[1](len(order) - len(waiting), len(order))
        _, place, k = heapq.heappop(queue)
        if k not in waiting:
            continue
        if k not in looked_at:
            looked_at.add(k)
            if (why := reason(k)) is not None:
                hidden[why] += 1
                del waiting[k]
                continue
            if topic_of[k] is None and (shared := _shared(found, made, themes, k)) is not None:
                topic_of[k] = shared
                heapq.heappush(queue, (-_weighed(strength[k], shared), place, k))
                continue
        del waiting[k]
        full = [key for key, most in keys_of(k) if taken[key] >= most]
        if full:
            first[full[0]].members.append(k)
            continue
        rest = np.array(list(waiting), np.int64)
        goes = present.left(found, rest, k) < GONE * excess[rest]
        gone = rest[goes & ~present.stands_for_one(found, rest, k)].tolist()
        chief = _plainest(found, made, present, k, gone, reason)
        one = Led(chief, topic_of[k], [other for other in (k, *gone) if other != chief])
        led.append(one)
        keys = keys_of(chief)
        if _subject(rows := present.both(found, chief), subjects, n) is None:
            keys.append((("rows", len(subjects)), OF_TOPIC))
            subjects.append(rows)
        for key, _ in keys:
            taken[key] += 1
            first.setdefault(key, one)
        for other in gone:
            del waiting[other]
    return led, hidden


def _strength(found: Associated, made: Descriptions, n: int) -> Floats:
    """float64[P]: how much evidence each pair has, weighed by what it is of."""
    columns = found.columns
    strength = least_phi(columns["n_ab"], columns["expected"], columns["n_a"], columns["n_b"], n)
    strength = strength * weight_of(found.columns["confirmed"])
    plain = np.array([_PLAIN[made.kind[name]] for name in made.items.name])
    return np.asarray(strength * plain[found.at_a] * plain[found.at_b])


def _weighed(strength: float, topic: str | None) -> float:
    return strength if topic is None or strength < 0 else _WITHIN * strength


def _plainest(
    found: Associated,
    made: Descriptions,
    present: _Present,
    k: int,
    gone: Sequence[int],
    reason: Callable[[int], str | None],
) -> int:
    """Return the pair of the same rows as ``k`` that is plainest to see, then says most."""

    def plain(pair: int) -> tuple[float, int]:
        kinds = (made.kind[int(made.items.name[at[pair]])] for at in (found.at_a, found.at_b))
        return math.prod(_PLAIN[kind] for kind in kinds), int(telling[pair])

    best, rows, telling = k, present.both(found, k), _telling(found, made)
    for other in gone:
        if plain(other) > plain(best):
            shared = len(np.intersect1d(rows, theirs := present.both(found, other)))
            if shared >= _SAME * max(len(rows), len(theirs)) and reason(other) is None:
                best = other
    return best


def _shared(
    found: Associated, made: Descriptions, themes: Callable[[int], frozenset[str]], k: int
) -> str | None:
    """Return the first theme that both of a pair are of."""
    a, b = (themes(int(made.items.name[at[k]])) for at in (found.at_a, found.at_b))
    return min(a & b, default=None)


def _subject(rows: Ints, subjects: Sequence[Ints], n: int) -> int | None:
    """Return the first pair in whose rows most of these are: recipes have garlic, salt, pans and ovens."""
    for number, known in enumerate(subjects):
        shared = len(np.intersect1d(rows, known))
        if shared >= SAME_ROWS * len(rows) and shared > _MORE * len(rows) * len(known) / n:
            return number
    return None


def _telling(found: Associated, made: Descriptions) -> Ints:
    """int64[P]: letters of the words that say something; of phrases in the same rows the fullest leads.

    The name of a mark or a theme is not in the texts, so it has none: what is said leads before how.
    """
    said = [made.kind[name] == "word" or made.term[name].startswith(OPENING) for name in made.items.name]
    told = [
        content(made.term[name]) if is_said else []
        for name, is_said in zip(made.items.name, said, strict=True)
    ]
    letters = np.array([sum(map(len, each)) for each in told], np.int64)
    return letters[found.at_a] + letters[found.at_b] if len(found) else np.empty(0, np.int64)


class _Present:
    """Which rows have which items, and what is left of pairs among some rows."""

    def __init__(self, items: Items, n: int) -> None:
        from scipy import sparse

        self._n, self._items = n, items
        ones = np.ones(len(items.row), np.float32)
        self._matrix = sparse.csr_matrix((ones, items.row, items.indptr), shape=(len(items), n))

    def both(self, found: Associated, k: int) -> Ints:
        return np.intersect1d(self._items.rows(int(found.at_a[k])), self._items.rows(int(found.at_b[k])))

    def excess(self, found: Associated) -> Floats:
        """float64[P]: rows with both, less those expected of all rows."""
        n_a, n_b = found.columns["n_a"].astype(np.float64), found.columns["n_b"]
        return np.asarray(found.columns["n_ab"] - n_a * n_b / self._n)

    def left(self, found: Associated, which: Ints, given: int) -> Floats:
        """float64[len(which)]: the excess of pairs among rows alike in having both of one pair."""
        return self._left(found, which, self.both(found, given))

    def _left(self, found: Associated, which: Ints, rows: Ints) -> Floats:
        inside = np.zeros(self._n, np.float32)
        inside[rows] = 1
        with_it = self._matrix @ inside
        counts = [with_it, self._items.n - with_it]
        expected = np.zeros(len(which))
        for count, size in zip(counts, (len(rows), self._n - len(rows)), strict=True):
            if size:
                expected += count[found.at_a[which]] * count[found.at_b[which]] / size
        return np.asarray(found.columns["n_ab"][which] - expected)

    def stands_for_one(self, found: Associated, which: Ints, given: int) -> NDArray[np.bool_]:
        """bool[len(which)]: whether a pair's rows are those of one of the two, without the other.

        "I hope this helps!" is an exclamation mark and a first person: given both, whatever goes with it
        would go away, because all that are left have it.
        """
        rows = self.both(found, given)
        inside = np.zeros(self._n, np.float32)
        inside[rows] = 1
        shared = self._matrix @ inside
        mostly = shared >= COVERS * self._items.n  # of the item's rows are of the pair
        same = mostly & (shared >= COVERS * len(rows))
        a, b = found.at_a[which], found.at_b[which]
        return np.asarray((same[a] & ~mostly[b]) | (same[b] & ~mostly[a]))

    def topic(self, found: Associated, made: Descriptions, k: int, excess: float) -> str | None:
        """Return the description other than the two that covers both and explains them, None without one."""
        a, b = int(found.at_a[k]), int(found.at_b[k])
        best, covered = None, COVERS
        for t, shares in self._wide(made).items():
            if t in (a, b) or self._items.n[t] < _BROADER * max(self._items.n[a], self._items.n[b]):
                continue
            cover = min(shares[a], shares[b])
            if (
                cover >= covered
                and self._left(found, np.array([k]), self._items.rows(t).astype(np.int64))[0] < GONE * excess
            ):
                best, covered = t, cover
        return None if best is None else made.term[int(self._items.name[best])]

    def _wide(self, made: Descriptions) -> dict[int, Floats]:
        """Return for each theme, property and mark the share of each item's rows that have it."""
        if not hasattr(self, "_shares"):
            kinds = [made.kind[name] for name in self._items.name]
            wide = [at for at, kind in enumerate(kinds) if kind != "word"]
            counts = (self._matrix @ self._matrix[wide].T).toarray() / self._items.n[:, None]
            self._shares = dict(zip(wide, counts.T, strict=True))
        return self._shares
