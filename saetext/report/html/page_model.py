"""What an HTML report shows, as plain data: sentences, findings with passages, tables, a matrix.

Made from a result by :mod:`saetext.report.html.gathering`, drawn by :mod:`saetext.report.html.differences`.
Everything textual may come from strangers: whoever draws it escapes it. Not for: computing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saetext.report.html.passages import Passage


@dataclass(frozen=True)
class SideBySide:
    """One example: a passage of each set; of a pair, both sides of it. None where a set has none.

    ``told`` says which features show a property or a theme there.
    """

    a: Passage | None
    b: Passage | None
    prompt: str = ""
    told: str = ""


@dataclass(frozen=True)
class Cause:
    """A feature of the model that wrote the texts, and whether it drives a finding; all as it is shown.

    ``kind`` is what the page colours a verdict by, ``figures`` has each figure under its word.
    """

    name: str
    verdict: str
    kind: str
    because: str
    figures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Finding:
    """One finding: a feature, or a concept group led by it.

    Attributes
    ----------
    row : mapping
        The row of the result's table (column name to value; None where unknown).
    members : sequence of mapping
        The rows of the other features of its concept group, largest difference first.
    examples : tuple of SideBySide
        Evidence, best first.
    description : str
        One sentence on the feature, may be empty.
    also : tuple of str
        Names of other descriptions that say the same.
    causes : tuple of Cause or None
        What drives it; None where that was not looked into.
    brief : bool
        Whether it has one line, without examples, instead of a card.
    """

    row: Mapping[str, object]
    members: tuple[Mapping[str, object], ...] = ()
    examples: tuple[SideBySide, ...] = ()
    description: str = ""
    also: tuple[str, ...] = ()
    causes: tuple[Cause, ...] | None = None
    brief: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table: column names, rows of cells as they are shown, and a note above it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class HeatMap:
    """Features x sets: ``values[i][j]`` from 0 to 1 is feature i's rate in set j."""

    title: str
    features: tuple[str, ...]
    sets: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class DiffPage:
    """Everything on the page.

    Attributes
    ----------
    title : str
        Heading.
    names : pair of str
        What sets A and B are called; of more than two sets, one set and all others.
    summary : sequence of str
        Sentences with the main numbers, one paragraph each.
    findings : sequence of Finding
        Confirmed ones first.
    tables : sequence of Table
        What plain words, format counts and themes find, hypotheses, how well each separates the sets.
    heat_map : HeatMap or None
        For more than two sets.
    notes : sequence of str
        What to know before believing it.
    facts : mapping
        How it was made: parameters as name to text.
    shading : str
        Whether tokens are shaded by activation, or only the strongest word is known; one sentence.
    plottable : int
        Number of differences that the plot is about, those without a card included; 0 for those on the page.
    opened : int or None
        Number of findings that are shown before anything is searched for; None for all of the page. The
        filter searches all of the page, and a button shows them.
    total : int
        Number of findings, those that are not on the page included; 0 for those on the page.
    """

    title: str
    names: tuple[str, str]
    summary: Sequence[str]
    findings: Sequence[Finding]
    tables: Sequence[Table] = ()
    heat_map: HeatMap | None = None
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    shading: str = ""
    plottable: int = 0
    opened: int | None = None
    total: int = 0
