"""What the HTML report of correlations shows, as plain data: pairs with marked passages, and a network.

Made from a result by :mod:`saetext.report.html.pair_gathering`, drawn by
:mod:`saetext.report.html.pair_page`. Everything textual may come from strangers: whoever draws it escapes
it. Not for: computing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saetext.report.html.passages import Passage


@dataclass(frozen=True)
class PairExample:
    """One example: a passage with both concepts, or one passage of each where they are of two documents."""

    passages: tuple[Passage, ...]
    prompt: str = ""
    told: str = ""


@dataclass(frozen=True)
class PairFinding:
    """One pair of concepts.

    Attributes
    ----------
    row : mapping
        The row of the result's table (column name to value; None where unknown).
    members : sequence of mapping
        Rows of pairs that are the same two concepts in other features.
    examples : tuple of PairExample
        Evidence, best first.
    description_a, description_b : str
        One sentence on each concept, may be empty.
    also : tuple of str
        Names of pairs that say the same.
    brief : bool
        Whether it has one line, without examples, instead of a card.
    """

    row: Mapping[str, object]
    members: tuple[Mapping[str, object], ...] = ()
    examples: tuple[PairExample, ...] = ()
    description_a: str = ""
    description_b: str = ""
    also: tuple[str, ...] = ()
    brief: bool = False


@dataclass(frozen=True)
class Node:
    """A concept of the network: where it is drawn (0 to 1 both ways), how large (0 to 1), its community.

    Communities count from 0 as they are listed; -1 for none.
    """

    label: str
    x: float
    y: float
    size: float
    community: int


@dataclass(frozen=True)
class Network:
    """Concepts and the pairs between them: ``edges`` are (node, node, strength 0 to 1, number of a finding).

    Findings are counted from 1; 0 where the pair has none.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int, float, int], ...]
    communities: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class PairPage:
    """Everything on the page.

    Attributes
    ----------
    title : str
        Heading.
    summary : sequence of str
        Sentences with the main numbers, one paragraph each.
    findings : sequence of PairFinding
        Pairs that occur more often than chance, then those that occur less often.
    network : Network or None
        Where there are pairs enough to draw.
    notes : sequence of str
        What to know before believing it.
    facts : mapping
        How it was made: parameters as name to text.
    shading : str
        Whether tokens are shaded by activation, or only the strongest word is known; one sentence.
    listed : sequence of PairFinding
        Pairs of words, marks of format, properties and themes; their cards come first.
    opened : int or None
        Number of pairs of each part of the page that are shown before anything is searched for; None for all.
    total : int
        Number of pairs, those that are not on the page included; 0 for those on the page.
    """

    title: str
    summary: Sequence[str]
    findings: Sequence[PairFinding]
    network: Network | None = None
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    shading: str = ""
    listed: Sequence[PairFinding] = ()
    opened: int | None = None
    total: int = 0
