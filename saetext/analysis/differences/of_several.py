"""The list of findings of several sets, each of which was compared with all others together.

Not for: the list of one contrast (:mod:`saetext.analysis.differences.simplest`,
:mod:`saetext.analysis.differences.found`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.counting import FEATURES
from saetext.analysis.differences.examples import MarkedExamples
from saetext.analysis.differences.families import Families
from saetext.analysis.differences.findings import Rows
from saetext.analysis.differences.found import found_table
from saetext.analysis.differences.naming import Names
from saetext.analysis.differences.result import FOUND_OF_SEVERAL, Evidence, Family
from saetext.analysis.differences.simplest import FAMILY_OF, Description, Led
from saetext.analysis.differences.testing import ALPHA
from saetext.features.evidence import Example

if TYPE_CHECKING:
    import polars as pl

ILLUSTRATED = 200  # findings that get an example, over all sets
_FEWEST = 20  # findings of each set that do
#: What the columns of one contrast are called where it is one set against all others.
_NAMES = {
    "n_a": "n", "rate_a": "rate", "rate_b": "rate_rest", "snippet_a": "snippet", "snippet_b": "snippet_rest",
}  # fmt: skip
_LEFT_OUT = "n_b"

NameOf = Callable[[Description], str | None]


def illustrated_of_each(sets: int) -> int:
    """Return how many findings of each set get an example."""
    return max(ILLUSTRATED // sets, _FEWEST)


def joined(families: Sequence[Families], rows: Rows, names: Sequence[str]) -> tuple[Family, ...]:
    """Return what each family finds of all sets.

    Parameters
    ----------
    families : sequence of Families
        Of each set against all others.
    rows : Rows
        What was found of the features.
    names : sequence of str
        What the sets are called.
    """
    import polars as pl

    found = []
    for place, first in enumerate(families[0].tested):
        of_sets = [one.tested[place] for one in families]
        if first.name == FEATURES:  # those with support in each contrast, with q over all
            counts = len(rows.features), int(rows.significant.sum()), int(rows.columns["confirmed"].sum())
            found.append(Family(FEATURES, *counts, None))
            continue
        tables = [
            family.table.select(pl.lit(name).alias("set"), pl.all())
            for family, name in zip(of_sets, names, strict=True)
            if family.table is not None
        ]
        table = pl.concat(tables).select("term", pl.exclude("term", "n_b")).rename(_NAMES, strict=False)
        table = table.sort(~pl.col("confirmed"), pl.col("q") >= ALPHA, -pl.col("diff").abs(), "term", "set")
        significant, confirmed = (
            sum(getattr(f, key) for f in of_sets) for key in ("significant", "confirmed")
        )
        found.append(Family(first.name, first.tested, significant, confirmed, None, table))
    return tuple(found)


def found_of_several(
    asked: Asked,
    rows: Rows,
    led: Sequence[Sequence[Led]],
    families: Sequence[Families],
    name_of: Sequence[NameOf],
    names: Sequence[Names],
    evidence: Mapping[int, Evidence],
) -> tuple[pl.DataFrame, MarkedExamples]:
    """Return the list, with the columns of :data:`saetext.analysis.differences.result.FOUND_OF_SEVERAL`.

    And the examples of its findings but features.

    Parameters
    ----------
    asked : Asked
        The sets.
    rows : Rows
        What was found of the features, for their rates.
    led : sequence of sequence of Led
        The findings of each set in order.
    families : sequence of Families
        What words and marks were compared on, by set.
    name_of : sequence of callable
        What a description is called in each set's contrast.
    names : sequence of mapping
        Feature to its label and words in each set's contrast.
    evidence : mapping
        Feature to its example in each set.
    """
    import polars as pl

    most = illustrated_of_each(len(asked.sets)) if asked.request.snippets else 0
    rates = _Rates(asked.names, rows, families)
    tables, keys = [], []
    marked: MarkedExamples = {}
    for number, (mine, one, named, features) in enumerate(zip(led, families, name_of, names, strict=True)):
        table, few = found_table(
            mine, one, named, features, _of_two(evidence, mine, number), most, asked.names[number]
        )
        marked |= few
        of_sets = [rates.of(found.lead) for found in mine]
        tables.append(
            table.select(
                pl.col(name).alias(_NAMES.get(name, name)) for name in table.columns if name != _LEFT_OUT
            )
            .with_columns(
                pl.lit(asked.names[number]).alias("set"),
                pl.Series("rates", of_sets, dtype=pl.Struct(dict.fromkeys(asked.names, pl.Float64))),
            )
            .select(FOUND_OF_SEVERAL)
        )
        keys += _order(mine, rates, number, asked.request.against)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return pl.concat(tables)[order], marked


def _order(led: Sequence[Led], rates: _Rates, number: int, against: str) -> list[tuple[bool, int, float]]:
    """Return by what a set's findings are ordered among those of all sets: the first of each come first.

    Or all the first ones would be those of the one set that differs most.
    """
    sizes = np.array([one.weight * _size(one.lead, rates, number, against) for one in led])
    late = [one.lead.by_length for one in led]
    places = np.empty(len(led), np.int64)
    places[np.lexsort((-sizes, np.array(late)))] = np.arange(len(led))
    return [(last, int(place), -size) for last, place, size in zip(late, places, sizes.tolist(), strict=True)]


class _Rates:
    """The rate of each description in each set: its rate in that set's own contrast."""

    def __init__(self, names: Sequence[str], rows: Rows, families: Sequence[Families]) -> None:
        self._names, self._rows = names, rows
        self._terms: dict[str, list[dict[str, float]]] = {
            family.name: [_rate_of_term(one.tested[place]) for one in families]
            for place, family in enumerate(families[0].tested)
            if family.table is not None
        }

    def of(self, lead: Description) -> dict[str, float]:
        """Return the rates by the names of the sets."""
        if lead.kind == "feature":
            rates = self._rows.rates[np.searchsorted(self._rows.features, int(lead.key))].tolist()
        else:
            rates = [terms[str(lead.key)] for terms in self._terms[FAMILY_OF[lead.kind]]]
        return dict(zip(self._names, rates, strict=True))


def _rate_of_term(family: Family) -> dict[str, float]:
    assert family.table is not None
    return dict(family.table.select("term", "rate_a").iter_rows())


def _size(lead: Description, rates: _Rates, number: int, against: str) -> float:
    """Return by what findings of all sets are ranked: their strength, in proportion to what was asked for."""
    if against == "union":
        return lead.strength
    values = list(rates.of(lead).values())
    mine = values.pop(number)
    gap = abs(mine - float(np.mean(values))) if against == "mean" else max(mine - max(values), 0.0)
    return lead.strength * gap / max(abs(lead.numbers["diff"]), 1e-9)


def _of_two(
    evidence: Mapping[int, Evidence], led: Sequence[Led], number: int
) -> dict[int, tuple[Example | None, Example | None]]:
    """Return the examples of the features that lead: the set's, and the strongest of the others."""
    found = {}
    for one in led:
        if one.lead.kind != "feature" or (shown := evidence.get(int(one.lead.key))) is None:
            continue
        others: list[Any] = [e for at, e in enumerate(shown) if at != number and e is not None]
        best = max(others, key=lambda example: example.value, default=None)
        # an example of the rest beside one of the set says little where the set has more
        found[int(one.lead.key)] = (shown[number], None if one.lead.numbers["diff"] > 0 else best)
    return found
