"""One list of what differs, each difference under the simplest description that carries it.

Marks of format, properties, words, themes and features are tested alike; what says the same is folded. Not
for: the tests (:mod:`saetext.analysis.differences.families`), folding
(:mod:`saetext.analysis.differences.folding`) or the table (:mod:`saetext.analysis.differences.found`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.counting import Counted
from saetext.analysis.differences.families import Families
from saetext.analysis.differences.findings import Rows
from saetext.analysis.differences.folding import Foldable, Together, fold
from saetext.analysis.differences.testing import ALPHA
from saetext.text.marks import LONGER

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.features.labels import FeatureLabels

MOST = 400  # descriptions of each kind that are looked at, those with the largest differences
#: What a family's descriptions are called in the list.
KINDS = {
    "format": "format", "properties": "property", "words": "word", "themes": "theme", "features": "feature",
}  # fmt: skip
#: And the other way round.
FAMILY_OF = {kind: family for family, kind in KINDS.items()}
#: By how much the size of a difference counts more where its description is simple.
_SIMPLE = {"format": 1.15, "property": 1.0, "word": 1.1, "theme": 1.0, "feature": 0.7}
_UNCONFIRMED = 0.7  # how much of it counts where the held-out half did not confirm it
_UNCLEAR = 0.5  # least share of it that counts where length may explain it
_WEAK = 0.5  # how much a description counts whose name says little
_SMALL_WORD = 0.5  # of words that say nothing by themselves, like "the"
_PHRASE, _FEW = 1.1, 2  # of more words than so many: what they say is the more definite
_MOST_OF_IT = 0.8  # share of a difference that a more definite description of it has, at least
#: Marks that every text has which has certain others: these say what the line breaks are.
_SEEN_IN = {
    "line breaks": ("bullet list", "numbered list", "list", "table", "heading", "code block"),
    "several paragraphs": ("bullet list", "numbered list", "list", "table", "heading", "code block"),
    "list": ("bullet list", "numbered list"),
}
_VERDICT = "explained_by_length"
_COUNTS = ("n_a", "n_b")
_NUMBERS = (
    "rate_a", "rate_b", "diff", "ci_low", "ci_high", "q", "odds_ratio", "auc", "auc_low", "auc_high",
    "adjusted_diff", "adjusted_low", "adjusted_high", "adjusted_q", "diff_confirm", "q_confirm",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Description:
    """A description of a difference, tested.

    Attributes
    ----------
    kind : str
        One of the values of :data:`KINDS`.
    key : str or int
        The term, or the feature.
    column : int
        Its column in its family's matrix.
    numbers : mapping
        The columns of the table of features that have the same meaning here, and ``length``, the verdict.
    weak : bool
        Whether its name says little: a label that calls itself loose, or a theme of function words or
        punctuation.
    of_format : bool
        Whether it is a theme of how texts look.
    """

    kind: str
    key: str | int
    column: int
    numbers: Mapping[str, Any]
    weak: bool = False
    of_format: bool = False

    @property
    def says_something(self) -> bool:
        """Whether its name tells a reader who has not seen the texts what they say or do."""
        return not self.weak and not (self.kind == "word" and _say_nothing(str(self.key).split()))

    @property
    def by_length(self) -> bool:
        """Whether length explains it."""
        return self.numbers["length"] == "yes"

    @property
    def strength(self) -> float:
        """By what it is ranked: the size of the difference that is sure, more for simple descriptions."""
        low, high = self.numbers["ci_low"], self.numbers["ci_high"]
        sure = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        weight = _SIMPLE[self.kind] * (_WEAK if self.weak else 1.0)
        if self.kind == "word":
            words = str(self.key).split()
            weight *= _SMALL_WORD if _say_nothing(words) else _PHRASE if len(words) > _FEW else 1.0
        if self.numbers["length"] == "unclear":
            sure *= self._remaining
        # a difference whose interval touches 0 is told from nothing by its size alone
        return float(weight * (sure + 1e-3 * abs(self.numbers["diff"])) * _held(self.numbers["confirmed"]))

    @property
    def _remaining(self) -> float:
        """How much of the difference counts if length may explain it: what seems left, half at the least."""
        diff, left = self.numbers["diff"], self.numbers.get("adjusted_diff")
        if left is None or not diff:
            return _UNCLEAR
        return min(max(left / diff, _UNCLEAR), 1.0)


@dataclass(frozen=True, eq=False)
class Led:
    """A description that leads, those that say the same, and how much what it is called says."""

    lead: Description
    members: tuple[Description, ...] = field(default=())
    weight: float = 1.0


def simplest(rows: Rows, groups: Mapping[int, int], families: Families, labels: FeatureLabels) -> list[Led]:
    """Return what differs, the strongest first, those that length explains last.

    Parameters
    ----------
    rows : Rows
        What was found of the features of one contrast.
    groups : mapping
        Feature to the feature that leads its concept group.
    families : Families
        What was found of other descriptions.
    labels : FeatureLabels
        Of the features: those that call themselves loose lead seldom.
    """
    given = [*_of_families(families), *_of_features(rows, labels)]
    if not given:
        return []
    matrix = matrix_of(given, families.counted)
    return arranged(given, Together.count(matrix, families.design.side[families.rows]), groups)


def arranged(given: Sequence[Description], together: Foldable, groups: Mapping[int, int]) -> list[Led]:
    """Return descriptions, those that say the same under the simplest of them, in order.

    Parameters
    ----------
    given : sequence of Description
        What was found.
    together : Foldable
        How they hang together.
    groups : mapping
        Feature to the feature that leads its concept group.
    """
    strength = np.array([one.strength for one in given])
    leader = fold(together, strength)
    leader = _by_group(given, leader, strength, groups)
    found = []
    for at in np.flatnonzero(leader == np.arange(len(given))).tolist():
        behind = [i for i in np.flatnonzero(leader == at).tolist() if i != at]
        behind.sort(key=lambda i: (-strength[i], str(given[i].key)))
        found.append(_led(given[at], [given[i] for i in behind]))
    return in_order(found)


def _led(lead: Description, behind: Sequence[Description]) -> Led:
    """Return a finding led by the most definite description that has most of its difference.

    "I hope this helps" says more than "helps", and a bullet list more than line breaks, where nearly all of
    the texts with the one have the other.
    """
    sharper = [one for one in behind if _is_sharper(one, lead)]
    if not sharper:
        return Led(lead, tuple(behind))
    best = max(sharper, key=lambda one: (len(str(one.key).split()) * (one.kind == "word"), one.strength))
    return Led(best, (lead, *(one for one in behind if one is not best)))


def _is_sharper(one: Description, lead: Description) -> bool:
    """Whether a description says more definitely what another one says, and has most of its difference."""
    diff, most = one.numbers["diff"], lead.numbers["diff"]
    if one.kind != lead.kind or diff * most <= 0 or abs(diff) < _MOST_OF_IT * abs(most):
        return False
    if one.by_length and not lead.by_length:
        return False
    if one.kind == "format":
        return one.key in _SEEN_IN.get(str(lead.key), ())
    if one.kind != "word":
        return False
    mine, its = str(one.key).split(), str(lead.key).split()
    inside = any(mine[at : at + len(its)] == its for at in range(len(mine) - len(its) + 1))
    return inside and not _say_nothing([word for word in mine if word not in its])


def in_order(led: Sequence[Led]) -> list[Led]:
    """Return findings in order: the strongest first, those that length explains last."""
    return sorted(
        led, key=lambda one: (one.lead.by_length, -one.weight * one.lead.strength, str(one.lead.key))
    )


def _of_families(families: Families) -> list[Description]:
    found = []
    for family in families.tested:
        if family.table is None:
            continue
        place = {name: at for at, name in enumerate(families.terms[family.name].names)}
        rows = [row for row in family.table.to_dicts() if row["confirmed"] or row["q"] < ALPHA]
        rows.sort(key=lambda row: (-abs(row["diff"]), row["term"]))
        for row in rows[:MOST]:
            numbers = _numbers(row)
            if row["term"] == LONGER:
                numbers["length"] = None  # it is length
            of = families.weak.get(row["term"]) if family.name == "themes" else None
            found.append(
                Description(
                    KINDS[family.name],
                    row["term"],
                    place[row["term"]],
                    numbers,
                    weak=of is not None,
                    of_format=of == "format",
                )
            )
    return found


def _of_features(rows: Rows, labels: FeatureLabels) -> list[Description]:
    at = np.flatnonzero(rows.found)
    at = at[np.lexsort((rows.columns["feature"][at], -np.abs(rows.columns["diff"][at])))][:MOST]
    columns = {key: rows.columns[key][at] for key in (*_COUNTS, *_NUMBERS, "confirmed", _VERDICT)}
    found = []
    for i, feature in enumerate(rows.columns["feature"][at].tolist()):
        row = {key: column[i] for key, column in columns.items()}
        loose = "loose" in labels.label(feature)
        found.append(Description("feature", feature, feature, _numbers(row), loose))
    return found


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: int(row[key]) for key in _COUNTS},
        **{key: _number(row[key]) for key in _NUMBERS},
        "confirmed": bool(row["confirmed"]),
        "length": row[_VERDICT],
    }


def _number(value: Any) -> float | None:
    """Return a number, None for one that there is not."""
    return None if value is None or np.isnan(value) else float(value)


def matrix_of(given: Sequence[Description], counted: Counted) -> csr_matrix:
    """Return the rows counted x descriptions, above 0 where present; those of a kind follow one another."""
    from scipy import sparse

    parts = []
    for kind in dict.fromkeys(one.kind for one in given):
        columns = [one.column for one in given if one.kind == kind]
        parts.append(counted.columns(FAMILY_OF[kind])[:, columns])
    return sparse.csr_matrix(sparse.hstack(parts, format="csr"))


def _by_group(
    given: Sequence[Description],
    leader: NDArray[np.int64],
    strength: NDArray[np.float64],
    groups: Mapping[int, int],
) -> NDArray[np.int64]:
    """Put a feature that leads under the strongest leading feature of its concept group and sign."""
    first: dict[tuple[int, bool], int] = {}
    moved = leader.copy()
    for at in np.argsort(-strength, kind="stable").tolist():
        one = given[at]
        if one.kind != "feature" or leader[at] != at:
            continue
        group = groups.get(int(one.key), int(one.key)), one.numbers["diff"] > 0
        moved[leader == at] = first.setdefault(group, at)
    return moved


def _held(confirmed: bool) -> float:
    return 1.0 if confirmed else _UNCONFIRMED


def _say_nothing(words: Sequence[str]) -> bool:
    from saetext.text.function_words import only_function_words

    return only_function_words([word.lower().replace("’", "'") for word in words])
