"""Two sets compared as one asks in the explorer: with things left out, and what then remains of the findings.

The comparison is :func:`saetext.diff`'s. Not for: pages (:mod:`saetext.report.explore.rooms.compare`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Row
from saetext.analysis.differences import ALPHA, DiffResult, diff
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.report.explore.queries.choosing import Chosen, Without, leave_out
from saetext.report.html.gathering import diff_page
from saetext.report.html.page_model import DiffPage

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

CARDS = 60  # findings with passages
HALF = 0.5  # of a difference that must be left for it to count as remaining


@dataclass(frozen=True)
class Question:
    """What is compared.

    Attributes
    ----------
    a, b : Chosen
        The sets.
    sae : str
        On which SAE.
    without : tuple of Without
        What documents of both are left out for.
    pair_on : str or None
        The column that pairs documents; None for what :func:`saetext.diff` finds, empty for none.
    """

    a: Chosen
    b: Chosen
    sae: str
    without: tuple[Without, ...] = ()
    pair_on: str | None = None

    def asked(self, labels: FeatureLabels) -> dict[str, Any]:
        """Return what the answer depends on, in plain JSON types: two with the same have the same answer."""
        sets = [[one.name, one.corpus.fingerprint, str(one.corpus.path)] for one in (self.a, self.b)]
        without = [one.key for one in self.without]
        return {
            "labels": labels.checksum,
            "sets": sets,
            "sae": self.sae,
            "without": without,
            "pair_on": self.pair_on,
        }

    @property
    def names(self) -> tuple[str, str]:
        """What the sets are called, each another."""
        a, b = self.a.name, self.b.name
        return (a, b) if a != b else (f"{a} (A)", f"{b} (B)")

    @property
    def title(self) -> str:
        """What is done, for who waits."""
        a, b = self.names
        return f"Comparing {a} with {b}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of a question.

    Attributes
    ----------
    question : Question
        What was asked.
    result : DiffResult
        The findings.
    page : DiffPage
        The first findings with their passages.
    sets : tuple of Corpus
        The documents that were compared.
    labels : FeatureLabels
        What features were called then.
    """

    question: Question
    result: DiffResult
    page: DiffPage
    sets: tuple[Corpus, ...]
    labels: FeatureLabels

    def at(self, kind: str, term: str) -> int | None:
        """Return the number of the finding of a kind and term in the list, from 0; None if there is none."""
        assert self.result.found is not None
        for number, row in enumerate(self.result.found.to_dicts()):
            if (row["kind"], term_of(row)) == (kind, term):
                return number
        return None


def compare(
    question: Question,
    labels: FeatureLabels,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare two sets.

    Parameters
    ----------
    question : Question
        What is asked.
    labels : FeatureLabels
        What features are called.
    reader : Reader, optional
        Reads the passages again, to shade every token.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as the work goes on.

    Raises
    ------
    InputError
        If both sets are the same documents, no document is left, or what is left out is not there.
    IncompatibleError
        If different readers made the sets.
    """
    require_apart(question.a, question.b)
    sets: Sequence[Corpus] = (question.a.corpus, question.b.corpus)
    if question.without:
        sets = leave_out(
            sets, question.without, question.sae, pair_on=question.pair_on, on_progress=on_progress
        )
    result = diff(
        *sets,
        sae=question.sae,
        names=question.names,
        labels=labels,
        pair_on=question.pair_on,
        top=0,
        snippets=CARDS,  # all features are listed: an example of each would take most of the time
        on_progress=on_progress,
    )
    page = diff_page(
        result, sets, labels, reader=reader, findings=CARDS, opened=CARDS, on_progress=on_progress
    )
    return Comparison(question, result, page, tuple(sets), labels)


def require_apart(a: Chosen, b: Chosen) -> None:
    """Raise :class:`InputError` if two sets are the same documents: nothing could differ."""
    if a.corpus.fingerprint == b.corpus.fingerprint:
        raise InputError("both sets are the same documents: choose another corpus, or a condition for one")


def term_of(row: Row) -> str:
    """Return what tells a finding from the others of its kind: its term, or its feature's number."""
    return str(row["feature"]) if row["kind"] == "feature" else str(row["term"])


@dataclass(frozen=True)
class Remaining:
    """One finding before something was left out, and after it.

    Attributes
    ----------
    name, kind, term : str
        The finding.
    before, after : float or None
        The difference of the shares, A less B; None where it was not listed.
    fate : {"remains", "shrinks", "goes", "appears"}
        ``goes``: it is no longer significant, or not listed; ``shrinks``: less than half is left.
    """

    name: str
    kind: str
    term: str
    before: float | None
    after: float | None
    fate: str


def remaining(before: DiffResult, after: DiffResult) -> list[Remaining]:
    """Say what became of each finding that was confirmed before or after something was left out.

    Where documents were too few to hold half of them out, findings with q < .05 count as confirmed. A finding
    that another description now stands for is counted by its members.
    """
    one, other = _by_key(before), _by_key(after)
    found = []
    for key, row in one.items():
        if not _counts(row, before):
            continue
        now = other.get(key)
        found.append(_remaining(row, now, None if now is None else _significant(now)))
    for key, row in other.items():
        if _counts(row, after) and key not in one:
            found.append(Remaining(row["name"], row["kind"], term_of(row), None, row["diff"], "appears"))
    return found


def _remaining(row: Row, now: Row | None, significant: bool | None) -> Remaining:
    if now is None or not significant or now["diff"] * row["diff"] <= 0:
        fate = "goes"
    else:
        fate = "remains" if abs(now["diff"]) >= HALF * abs(row["diff"]) else "shrinks"
    after = None if now is None else now["diff"]
    return Remaining(row["name"], row["kind"], term_of(row), row["diff"], after, fate)


def _by_key(result: DiffResult) -> dict[tuple[str, str], Row]:
    """Return every description that was tested, those of the list first: kind and term to its figures."""
    found: dict[tuple[str, str], Row] = {}
    assert result.found is not None
    for row in result.found.to_dicts():
        found[row["kind"], term_of(row)] = row
    for family in result.families:
        if family.table is None:
            continue
        kind = {"words": "word", "properties": "property", "themes": "theme"}.get(family.name, family.name)
        for row in family.table.select("term", "diff", "q", "confirmed").to_dicts():
            row |= {"kind": kind, "name": row["term"], "feature": None, "listed": False}
            found.setdefault((kind, str(row["term"])), row)
    for row in result.table.select("feature", "label", "diff", "q", "confirmed").to_dicts():
        row |= {"kind": "feature", "name": row["label"], "term": None, "listed": False}
        found.setdefault(("feature", str(row["feature"])), row)
    return found


def _significant(row: Row) -> bool:
    return bool(row["confirmed"]) or (row["q"] is not None and row["q"] < ALPHA)


def _counts(row: Row, result: DiffResult) -> bool:
    """Whether a row is a finding: of the list, and confirmed where half was held out."""
    if not row.get("listed", True):
        return False
    split = result.design is not None and result.design.split
    return bool(row["confirmed"]) if split else _significant(row)
