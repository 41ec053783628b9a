"""The table of what differs, a row a finding, each with a name, its members and an example.

Not for: which findings there are (:mod:`saetext.analysis.differences.simplest`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.differences.examples import MarkedExamples
from saetext.analysis.differences.excerpts import Finder
from saetext.analysis.differences.families import Families
from saetext.analysis.differences.naming import Names
from saetext.analysis.differences.result import FOUND, Evidence
from saetext.analysis.differences.simplest import Description, Led
from saetext.corpus.protocol import Ints
from saetext.features.peaks import FeatureName
from saetext.features.peaks.naming import BY_FUNCTION_WORDS
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

ILLUSTRATED = 200  # findings that get an example, the first ones
NAMED = 12  # members named in a row
_TEXTS = ("name", "kind", "length", "prompt", "term", "label", "snippet_a", "snippet_b")


def features_of_list(led: Sequence[Led], most: int = ILLUSTRATED) -> Ints:
    """int64[n]: the features that lead one of the first findings."""
    return np.array([int(one.lead.key) for one in led[:most] if one.lead.kind == "feature"], np.int64)


def figures_of(led: Sequence[Led]) -> dict[str, int]:
    """Return how many findings there are, and what length has to do with them."""
    lengths = [one.lead.numbers["length"] for one in led]
    return {
        "found": len(led),
        "found_confirmed": sum(one.lead.numbers["confirmed"] for one in led),
        "found_by_length": lengths.count("yes"),
        "found_unclear": sum(length not in ("yes", "no", None) for length in lengths),
    }


def name_of_term(kind: str, term: str | int, *, of_format: bool = False) -> str:
    """Return what a term is called among findings: words are quoted, themes of format said to be it."""
    return f"“{term}”" if kind == "word" else f"format: {term}" if of_format else str(term)


def found_table(
    led: Sequence[Led],
    families: Families,
    name_of: Callable[[Description], str | None],
    names: Names,
    evidence: Mapping[int, Evidence],
    illustrated: int = ILLUSTRATED,
    of: str = "",
    columns: Sequence[str] = FOUND,
) -> tuple[pl.DataFrame, MarkedExamples]:
    """Return the table, with the columns of :data:`saetext.analysis.differences.result.FOUND`, and examples.

    Parameters
    ----------
    led : sequence of Led
        The findings in order.
    families : Families
        What words and marks were compared on.
    name_of : callable
        What a description is called; None for one that was not looked at. A finding without a name has its
        feature's number.
    names : mapping
        Feature to its label and words, for those that lead.
    evidence : mapping
        Feature to its example in each set.
    illustrated : int
        How many of the first findings get examples.
    of : str
        The set that the examples are listed under.
    columns : sequence of str
        Those of the table; numbers that a finding does not have are null.
    """
    import polars as pl

    finder = Finder(families, [one.lead for one in led[:illustrated]])
    rows = []
    marked: MarkedExamples = {}
    for at, one in enumerate(led):
        lead = one.lead
        a = b = None
        if at < illustrated:
            a, b = _snippets(lead, evidence, finder, at)
            if sides := finder.marked(lead, at):
                marked[of, lead.kind, str(lead.key)] = sides
        rows.append(
            {
                "name": printable(name_of(lead) or f"feature {lead.key}"),
                "kind": lead.kind,
                "telling": _telling(lead, names),
                **lead.numbers,
                "term": None if lead.kind == "feature" else lead.key,
                "feature": lead.key if lead.kind == "feature" else None,
                "members": _members(one, name_of, names),
                "n_members": len(one.members),
                **_named(names.get(int(lead.key)) if lead.kind == "feature" else None),
                "snippet_a": a,
                "snippet_b": b,
            }
        )
    types: dict[str, Any] = dict.fromkeys(columns, pl.Float64) | dict.fromkeys(_TEXTS, pl.String)
    types |= dict.fromkeys(("n", "n_a", "n_b", "feature", "n_members"), pl.Int64)
    types |= dict.fromkeys(("confirmed", "fits", "telling"), pl.Boolean)
    types |= dict.fromkeys(("members", "words"), pl.List(pl.String))
    return pl.DataFrame(rows, schema={name: types[name] for name in columns}, orient="row"), marked


def _telling(lead: Description, names: Names) -> bool:
    """Whether a finding's name tells something; a label that is not its name does not speak against it."""
    if lead.kind != "feature":
        return lead.says_something
    named = names.get(int(lead.key))
    if named is None or not named.telling:
        return False
    if named.fits is False:
        return named.labelled or named.weight > BY_FUNCTION_WORDS
    return lead.says_something


def _members(one: Led, name_of: Callable[[Description], str | None], names: Names) -> list[str]:
    """Return the names of the first members that tell something: simple ones before features.

    Each once, in whatever case, and not that of the finding itself.
    """
    told = [m for m in one.members if m.kind != "feature" or (m.key in names and names[int(m.key)].telling)]
    plain = sorted(told, key=lambda member: member.kind == "feature")
    named = [printable(name) for member in plain if (name := name_of(member))]
    first = {name.casefold(): name for name in reversed(named)}  # of equal ones the first
    own = printable(name_of(one.lead) or "").casefold()
    return list(dict.fromkeys(first[name.casefold()] for name in named if name.casefold() != own))[:NAMED]


def _named(named: FeatureName | None) -> dict[str, Any]:
    if named is None:
        return {"label": None, "words": [], "fits": None}
    return {
        "label": printable(named.label),
        "words": [printable(word) for word in named.words],
        "fits": named.fits,
    }


def _snippets(
    lead: Description, evidence: Mapping[int, Evidence], finder: Finder, nth: int
) -> tuple[str | None, str | None]:
    if lead.kind == "feature":
        found = evidence.get(int(lead.key), (None, None))
        a, b = (None if example is None else example.snippet.marked() for example in found)
        return a, b
    return finder.snippets(lead, nth)
