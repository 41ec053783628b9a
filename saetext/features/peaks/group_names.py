"""What to call a concept group: the words its members share, and the member whose label fits best.

Not for: which features are one concept (:mod:`saetext.features.groups`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from saetext.features.peaks.local import LocalEvidence
from saetext.features.peaks.words import WORDS


@dataclass(frozen=True)
class GroupName:
    """What to call a concept group.

    Attributes
    ----------
    words : tuple of str
        Up to four words that two or more members have at their peaks, those of most members first; of a group
        that shares none, those of the member that is best covered by its words.
    feature : int or None
        The member whose label fits best, not the one with the largest difference; None if no label fits, and
        then the words stand alone.
    """

    words: tuple[str, ...]
    feature: int | None


def name_group(members: Mapping[int, LocalEvidence]) -> GroupName:
    """Name a concept group.

    Parameters
    ----------
    members : mapping
        Feature to its local evidence; at least one. On a tie the one that comes first.

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> from saetext.features.peaks import LocalEvidence, name_group
    >>> hello = LocalEvidence(("Hello", "Hi"), 0.9, 0.8, True)
    >>> greet = LocalEvidence(("hi", "!"), 0.7, 0.3, False)
    >>> name_group({7: greet, 9: hello})
    GroupName(words=('hi',), feature=9)
    """
    if not members:
        raise ValueError("a group without members has no name")
    ranks: dict[str, list[int]] = defaultdict(list)
    written: dict[str, str] = {}
    for evidence in members.values():
        for rank, word in enumerate(evidence.words):
            ranks[word.casefold()].append(rank)
            written.setdefault(word.casefold(), word)
    shared = sorted(
        (key for key, places in ranks.items() if len(places) > 1),
        key=lambda key: (-len(ranks[key]), sum(ranks[key]) / len(ranks[key])),
    )
    words = tuple(written[key] for key in shared[:WORDS])
    if not words:
        words = max(members.values(), key=lambda e: e.coverage).words
    best = max(members, key=lambda f: members[f].fit or 0.0)
    return GroupName(words, best if members[best].fits else None)
