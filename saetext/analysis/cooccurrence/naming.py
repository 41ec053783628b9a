"""What the features of the first pairs are called: their label where it fits these texts, else their words.

Pairs of which nothing can be read come after the others. Not for: naming (:mod:`saetext.features.peaks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.context import Context
from saetext.corpus.protocol import Ints
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import FeatureName, local_evidence, names_here

MOST = 200  # features of a side that are read about, those of the first pairs
_UNREAD = 2  # rank of a name that was not read about: 0 tells, 1 does not


def names_of_sides(
    context: Context,
    labels: Sequence[FeatureLabels | None],
    numbers: Sequence[Sequence[int | None]],
) -> list[dict[int, FeatureName]]:
    """Name the features of both sides.

    Parameters
    ----------
    context : Context
        The corpora, and their rows. Of one corpus both sides are read about at once.
    labels : sequence of FeatureLabels or None
        Of each side; None for a side of values.
    numbers : sequence of sequence of int or None
        The feature of each pair on each side, the first pairs first; None for a value.

    Returns
    -------
    list of dict
        For each side feature to name; empty for values. Features of later pairs are missing.
    """
    found: list[dict[int, FeatureName]] = [{} for _ in labels]
    sides = [side for side, known in enumerate(labels) if known is not None]
    together = [sides] if not context.across else [[side] for side in sides]
    for group in together:
        number = group[0] if context.across else 0
        known = labels[group[0]]
        assert known is not None
        wanted = _first([numbers[side] for side in group])
        corpus, take = context.corpora[number], context.rows.take[number]
        rows = np.zeros(corpus.n_documents, bool)
        rows[take] = True
        read = local_evidence(
            [corpus], context.saes[number], wanted, rows, labels=known,
            on_progress=lambda told: context.tell(told.stage, told.done, told.total),
        )  # fmt: skip
        named = names_here(read, known)
        for side in group:
            found[side] = named
    return found


def _first(numbers: Sequence[Sequence[int | None]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the features of the first pairs, each once, increasing."""
    in_turn = (f for pair in zip(*numbers, strict=True) for f in pair if f is not None)
    return np.array(sorted(list(dict.fromkeys(in_turn))[:MOST]), np.int64)


def in_turn(leader: Ints, less: NDArray[np.bool_]) -> Ints:
    """Return all rows in the order in which their names are read, as only so many are.

    Those that lead come before the others, and of both kinds in turn: pairs that are together less often than
    by chance come last, and are shown all the same. ``leader`` and ``less`` are those of
    :func:`telling_first`.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.analysis.cooccurrence.naming import in_turn
    >>> in_turn(np.array([0, 0, 2, 3]), np.array([False, False, False, True])).tolist()
    [0, 3, 2, 1]
    """
    rows = np.arange(len(leader))
    leads = leader == rows
    place = np.zeros(len(leader), np.int64)
    for kind in (False, True):
        mine = less == kind
        place[mine] = np.cumsum(leads[mine])
    return np.lexsort((rows, less, place, ~leads))


def rank_of(
    read: Sequence[Mapping[int, FeatureName]],
    numbers: Sequence[Sequence[int | None]],
    worth: NDArray[np.bool_],
) -> Ints:
    """Return int64[rows]: the lower, the more a row says.

    Rows worth showing come before others. Of these each, names that say something come before those of which
    nothing can be read, and before two features of a corpus that are called the same ("near “;”" with
    "near “;”"). Last comes what was not read, in the order it has.
    """
    rank = np.zeros(len(worth), np.int64)
    if len(read) == 2 and read[0] is read[1]:  # of two corpora, one name on both sides says something
        names = read[0]
        for row, (a, b) in enumerate(zip(*numbers, strict=True)):
            if a in names and b in names and names[a].name == names[b].name:
                rank[row] = 1
    for own, of in zip(read, numbers, strict=True):
        mine = [0 if f is None else _UNREAD if f not in own else int(not own[f].telling) for f in of]
        rank = np.maximum(rank, np.array(mine, np.int64))
    return np.where(worth, rank, rank + _UNREAD + 1)


def telling_first(leader: Ints, rank: Ints, less: NDArray[np.bool_], top: int | None) -> tuple[Ints, Ints]:
    """Put findings of which nothing can be read after the others; at most ``top`` of each kind.

    Parameters
    ----------
    leader : int64[n]
        For each row the first row of its finding; the rows of a finding follow one another.
    rank : int64[n]
        The lower, the more a row says (:func:`rank_of`); equal ones keep their order.
    less : bool[n]
        Whether the pair is together less often than by chance; these come after the others.
    top : int or None
        None for all.

    Returns
    -------
    rows : int64[m]
        Which rows are left, in order. The row that says most leads its finding.
    leader : int64[m]
        For each of them the first row of its finding.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.analysis.cooccurrence.naming import telling_first
    >>> telling_first(np.array([0, 1, 1]), np.array([1, 1, 0]), np.zeros(3, bool), 12)
    (array([2, 1, 0]), array([0, 0, 2]))
    """
    edges = np.flatnonzero(np.diff(leader)) + 1
    findings = [rows for rows in np.split(np.arange(len(leader)), edges) if len(rows)]
    findings = [rows[np.argsort(rank[rows], kind="stable")] for rows in findings]
    findings.sort(key=lambda rows: (bool(less[rows[0]]), int(rank[rows[0]])))
    kept = [rows for kind in (False, True) for rows in [f for f in findings if less[f[0]] == kind][:top]]
    first = np.cumsum([0, *(len(rows) for rows in kept)])[:-1]
    every = np.concatenate([np.empty(0, np.int64), *kept])
    return every, np.repeat(first, [len(rows) for rows in kept]).astype(np.int64)
