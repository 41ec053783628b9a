"""From what was found to the table that is shown: what is hidden, what is one finding, order, words.

Not for: computing the numbers (:mod:`saetext.analysis.cooccurrence.pairs`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.cooccurrence.communities import communities
from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.evidence import least_npmi, least_rho, weight_of
from saetext.analysis.cooccurrence.held import ALPHA, Pairs
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.kept import resample
from saetext.analysis.cooccurrence.meeting import Placed
from saetext.analysis.cooccurrence.naming import in_turn, names_of_sides, rank_of, telling_first
from saetext.analysis.cooccurrence.redundancy import explained
from saetext.analysis.cooccurrence.result import COLUMNS, Marked, Meeting
from saetext.analysis.cooccurrence.rows import Rows
from saetext.analysis.cooccurrence.showing import Lines
from saetext.analysis.cooccurrence.strata import Strata
from saetext.corpus.protocol import Ints
from saetext.features.groups import Selection, concept_groups
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import FeatureName

if TYPE_CHECKING:
    import polars as pl

LOOKED_AT = 2  # times as many findings as are shown have their names read, so that those that tell come first
RESAMPLED = 400  # rows that get a bootstrap interval
ONE_CONCEPT = "one concept"
_INTS = {"n_a", "n_b", "n_ab"}
_BOOLS = {"confirmed", "reversed"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Side:
    """The items of one side: features with their labels, or values with their names."""

    labels: FeatureLabels | None
    feature: Ints
    values: tuple[str, ...] = ()

    def name(self, item: int) -> str:
        """Return what an item is called."""
        if self.labels is None:
            return self.values[item]
        return self.labels.label(int(self.feature[item]))

    def number(self, item: int) -> int | None:
        """Return which feature an item is; None for a value."""
        return None if self.labels is None else int(self.feature[item])

    def score(self, item: int) -> float | None:
        """Return how far the label can be trusted."""
        return None if self.labels is None else self.labels.score(int(self.feature[item]))


@dataclass(frozen=True, eq=False)
class Found:
    """Pairs with their numbers, before anything is left out."""

    columns: Mapping[str, NDArray[Any]]
    hidden: list[str | None]
    sides: Sequence[Side]
    pairs: Pairs
    left: Items
    right: Items
    strata: Strata
    placed: tuple[tuple[Placed, Ints], tuple[Placed, Ints] | None]
    meets: Ints
    notes: tuple[str, ...]
    number: Floats | None = None


@dataclass(frozen=True, eq=False)
class Made:
    """The table and what goes with it."""

    table: pl.DataFrame
    evidence: dict[int, tuple[Meeting, ...]]
    lines: dict[int, Marked]
    communities: tuple[tuple[str, ...], ...]
    metrics: dict[str, Any]
    notes: tuple[str, ...]


def make_table(found: Found, context: Context) -> Made:
    """Choose, group and order rows, and give them intervals and words."""
    request, corpora, rows = context.request, context.corpora, context.rows
    columns = found.columns
    strength = columns["rho"] if found.number is not None else columns["npmi"]
    significant = columns["q"] < ALPHA
    notes: list[str] = []
    usable = significant & np.array([reason is None for reason in found.hidden], bool)
    residual = np.abs(strength) * (1 - _explained(found, strength, usable))
    columns = {**columns, "residual": np.where(strength < 0, -residual, residual)}
    if request.order == "npmi":
        rank_by = np.abs(strength)
    else:
        rank_by = _evidence(found, strength, len(rows)) * np.divide(
            residual, np.abs(strength), out=np.ones(len(strength)), where=strength != 0
        )
    order = _order(columns, strength, rank_by, found.number is not None)
    context.tell("grouping", 0, 0)
    leads = _concepts(found, order, context)
    reasons = list(found.hidden)
    if found.sides[1].labels is not None and len(corpora) == 1:
        for k in np.flatnonzero(leads[0] == leads[1]).tolist():
            reasons[k] = ", ".join(filter(None, (reasons[k], ONE_CONCEPT)))
    worth = significant | columns["confirmed"]
    causes = [why for k in np.flatnonzero(worth).tolist() if (why := reasons[k])]
    counted = Counter(reason for why in causes for reason in why.split(", "))
    visible = np.array([reason is None for reason in reasons], bool)
    keep = np.ones(len(order), bool) if request.everything else worth & visible
    shown = order[keep[order]]
    looked_at = None if request.most is None else LOOKED_AT * request.most
    shown, leader = _together(
        shown, leads, strength, looked_at, one=len(corpora) == 1, number=found.number is not None
    )
    names, numbers, scores = _told(found, shown)
    less = (strength[shown] < 0) & (found.number is None)
    turn = in_turn(leader, less).tolist()
    read = names_of_sides(
        context, [side.labels for side in found.sides], [[of[at] for at in turn] for of in numbers]
    )
    left, leader = telling_first(leader, rank_of(read, numbers, worth[shown]), less, request.most)
    shown = shown[left]
    names, numbers, scores = ([[of[at] for at in left] for of in each] for each in (names, numbers, scores))
    metrics: dict[str, Any] = {
        "looked_at": len(order),
        "confirmed": int((columns["confirmed"] & visible).sum()),
        "hidden": {key: int(n) for key, n in counted.most_common()},
        "hidden_pairs": len(causes),
        "pairs": int((worth & visible).sum()),
        "findings": len(np.unique(leader)),
    }
    table = {key: np.asarray(column)[shown] for key, column in columns.items()}
    if found.number is None and request.bootstrap and len(shown):
        context.tell("resampling", 0, 0)
        few = shown[:RESAMPLED]
        low, high = resample(
            found.pairs.take(few), found.left, found.right, rows, found.strata, request.bootstrap,
            request.seed, context.counting("resampling"),
        )  # fmt: skip
        rest = np.full(len(shown) - len(few), np.nan)
        table["npmi_low"], table["npmi_high"] = np.concatenate([low, rest]), np.concatenate([high, rest])
        if len(few) < len(shown):
            notes.append(f"intervals are of the first {RESAMPLED} pairs")
    called = [
        [_called(of, f, label) for f, label in zip(mine, labels, strict=True)]
        for of, mine, labels in zip(read, numbers, names, strict=True)
    ]
    groups, community = _communities(
        found, shown, leader, leads, strength, [[name for name, _ in side] for side in called],
        not context.across, request.seed,
    )  # fmt: skip
    context.tell("looking for examples", 0, 0)
    evidence = {
        k: meetings
        for k, at in enumerate(shown.tolist())
        if (meetings := _meetings(found, at, rows, len(corpora)))
    }
    lines: dict[int, Marked] = {}
    drawn = Lines(corpora)
    most = len(shown) if request.snippets is True else int(request.snippets)
    for k in range(min(most, len(shown))):
        if k in evidence and (line := drawn.line(evidence[k][0])) is not None:
            lines[k] = line
    if most and evidence and not lines:
        notes.append("the texts are not stored, so there are no snippets")
    frame = _frame(
        table,
        names,
        called,
        numbers,
        scores,
        [reasons[k] for k in shown.tolist()],
        leader,
        community,
        lines,
        request.within is not None,
    )
    return Made(frame, evidence, lines, groups, metrics, tuple(notes))


def _told(found: Found, shown: Ints) -> tuple[list[list[str]], list[list[int | None]], list[list[Any]]]:
    """Return for each side what the items of pairs are called elsewhere, their features, their scores."""
    items_of = found.pairs.left[shown].tolist(), found.pairs.right[shown].tolist()
    sides = list(zip(found.sides, items_of, strict=True))
    return (
        [[side.name(i) for i in items] for side, items in sides],
        [[side.number(i) for i in items] for side, items in sides],
        [[side.score(i) for i in items] for side, items in sides],
    )


def _called(names: Mapping[int, FeatureName], feature: int | None, label: str) -> tuple[str, bool | None]:
    """Return what an item is called, and whether its label fits; None where that was not looked at."""
    if feature is None or feature not in names:
        return label, None
    return names[feature].name, names[feature].fits


def _explained(found: Found, strength: Floats, usable: NDArray[np.bool_]) -> Floats:
    if found.number is not None:
        return np.zeros(len(strength))
    sides = found.sides
    if (
        sides[1].labels is not None
        and found.placed[1] is not None
        and found.placed[0][0] is found.placed[1][0]
    ):
        left, right = sides[0].feature[found.pairs.left], sides[1].feature[found.pairs.right]
    else:
        left, right = found.pairs.left, -1 - found.pairs.right
    return explained(left, right, strength >= 0, usable)


def _order(columns: Mapping[str, NDArray[Any]], strength: Floats, rank_by: Floats, number: bool) -> Ints:
    """More often than by chance before less often; significant before others; by ``rank_by``, others by p."""
    less = np.zeros(len(strength), bool) if number else strength < 0
    found = (columns["q"] < ALPHA) | columns["confirmed"]
    p = np.where(found, 0.0, columns["p"])
    place = np.arange(len(strength))
    return np.lexsort((place, -rank_by, p, ~found, less))


def _evidence(found: Found, strength: Floats, n: int) -> Floats:
    """Return float64[P]: how far the end of each interval that is nearest to chance lies beyond chance."""
    if found.number is not None:
        least = least_rho(strength, n)
    else:
        least = least_npmi(found.columns["n_ab"], found.columns["expected"], n)
    beyond = np.where(strength < 0, -least, least)
    return beyond * np.where(beyond > 0, weight_of(found.columns["confirmed"]), 1.0)


def _concepts(found: Found, order: Ints, context: Context) -> tuple[Ints, Ints]:
    """Return, for both sides of each pair, the feature that leads the concept (values are themselves)."""
    from saetext.reader.directions import decoder_of

    corpora, saes = context.corpora, context.saes
    leads = []
    for side, items in zip(found.sides, (found.pairs.left, found.pairs.right), strict=True):
        leads.append(side.feature[items] if side.labels is not None else -1 - items)
    one = len(corpora) == 1
    for number, corpus in enumerate(corpora):
        columns = [leads[0], leads[1]] if one and found.sides[1].labels is not None else [leads[number]]
        if found.sides[number].labels is None:
            continue
        stacked = np.stack(columns, 1)[order].ravel()
        _, first = np.unique(stacked, return_index=True)
        features = stacked[np.sort(first)]
        if len(features) < 2:
            continue
        # what goes together is what is looked for here: only the same words or directions make one concept
        leaders = concept_groups(
            [Selection(corpus, np.arange(corpus.n_documents))], saes[number], features,
            decoder=decoder_of(corpus.spec, saes[number]), alike=2.0, seed=context.request.seed,
        )  # fmt: skip
        lead_of = dict(zip(features.tolist(), leaders.tolist(), strict=True))
        for k in [0, 1] if len(columns) == 2 else [number]:
            leads[k] = np.array([lead_of[f] for f in leads[k].tolist()], np.int64)
    return leads[0], leads[1]


def _together(
    shown: Ints, leads: tuple[Ints, Ints], strength: Floats, top: int | None, *, one: bool, number: bool
) -> tuple[Ints, Ints]:
    """Put pairs of the same two concepts after the first of them; at most ``top`` findings of each kind."""
    first: dict[tuple[Any, ...], int] = {}
    members: dict[int, list[int]] = {}
    taken = [0, 0]
    for k in shown.tolist():
        a, b = int(leads[0][k]), int(leads[1][k])
        kind = int(not number and strength[k] < 0)
        key = (strength[k] < 0, *(sorted((a, b)) if one else (a, b)))
        if key not in first:
            if top is not None and taken[kind] >= top:
                continue
            taken[kind] += 1
            first[key] = k
        members.setdefault(first[key], []).append(k)
    rows = [k for group in members.values() for k in group]
    place = {k: at for at, k in enumerate(rows)}
    leader = [place[lead] for lead, group in members.items() for _ in group]
    return np.array(rows, np.int64), np.array(leader, np.int64)


def _communities(
    found: Found, shown: Ints, leader: Ints, leads: tuple[Ints, Ints], strength: Floats,
    names: Sequence[Sequence[str]], one: bool, seed: int,
) -> tuple[tuple[tuple[str, ...], ...], list[int | None]]:  # fmt: skip
    """Return the communities of concepts by name, and the community of each row."""
    edges, ends = [], []
    called: dict[tuple[int, int], str] = {}
    for k, at in enumerate(shown.tolist()):
        a, b = (0, int(leads[0][at])), (0 if one else 1, int(leads[1][at]))
        ends.append((a, b))
        for node, name in ((a, names[0][k]), (b, names[1][k])):
            called.setdefault(node, name)
        if leader[k] == k and strength[at] > 0 and found.number is None and a != b:
            edges.append((a, b, float(strength[at])))
    groups = [group for group in communities(edges, seed) if len(group) > 2]
    number = {node: at for at, group in enumerate(groups, start=1) for node in group}
    rows = [
        number.get(a) if strength[at] > 0 and number.get(a) == number.get(b) else None
        for (a, b), at in zip(ends, shown.tolist(), strict=True)
    ]
    return tuple(tuple(called[node] for node in group) for group in groups), rows  # type: ignore[index]


def _meetings(found: Found, at: int, rows: Rows, n_corpora: int) -> tuple[Meeting, ...]:
    """Return where the examples of a pair are."""
    (left, mine), other = found.placed
    a = int(mine[at])
    pairs = found.pairs

    def place(number: int, placed: Placed, item: int, row: int) -> tuple[int, int, float, int]:
        return (number, int(rows.take[number][row]), *placed.at(item, row))

    if other is None:
        best = left.strongest(a)
        if found.number is None:  # the strongest of the rows that have the value
            common = np.intersect1d(left.items.rows(a), found.right.rows(int(pairs.right[at])))
            if len(common):
                start = left.items.indptr[a]
                values = left.value[start + np.searchsorted(left.items.rows(a), common)]
                best = int(common[np.argmax(values)])
        return (Meeting(place(0, left, a, best), None),)
    right, theirs = other
    b = int(theirs[at])
    second = 0 if n_corpora == 1 else 1
    met = [int(row) for row in found.meets[at] if row >= 0]
    attracted = pairs.npmi[at] >= 0
    if met and attracted:
        return tuple(Meeting(place(0, left, a, row), place(second, right, b, row)) for row in met)
    one, two = left.strongest(a), right.strongest(b)
    return (Meeting(place(0, left, a, one), place(second, right, b, two)),)


def _frame(
    table: Mapping[str, NDArray[Any]],
    names: Sequence[Sequence[str]],
    called: Sequence[Sequence[tuple[str, bool | None]]],
    numbers: Sequence[Sequence[int | None]],
    scores: Sequence[Sequence[float | None]],
    reasons: Sequence[str | None],
    leader: Ints,
    community: Sequence[int | None],
    lines: Mapping[int, Marked],
    within: bool,
) -> pl.DataFrame:
    import polars as pl

    n = len(leader)
    made: dict[str, pl.Series] = {}
    for side, name in enumerate("ab"):
        made[f"feature_{name}"] = pl.Series(list(numbers[side]), dtype=pl.Int64)
        made[f"label_{name}"] = pl.Series(list(names[side]), dtype=pl.String)
        made[f"name_{name}"] = pl.Series([each for each, _ in called[side]], dtype=pl.String)
        made[f"fits_{name}"] = pl.Series([fits for _, fits in called[side]], dtype=pl.Boolean)
        made[f"label_score_{name}"] = pl.Series(list(scores[side]), dtype=pl.Float64)
    made["hidden"] = pl.Series(list(reasons), dtype=pl.String)
    made["group"] = pl.Series(leader.tolist(), dtype=pl.Int64)
    made["community"] = pl.Series(list(community), dtype=pl.Int64)
    made["snippet"] = pl.Series(
        [lines[k].marked() if k in lines else None for k in range(n)], dtype=pl.String
    )
    for key, column in table.items():
        dtype = pl.Int64 if key in _INTS else pl.Boolean if key in _BOOLS else pl.Float64
        series = pl.Series(np.asarray(column).tolist(), dtype=dtype)
        made[key] = series.fill_nan(None) if dtype == pl.Float64 else series
    if not within:
        for key in ("npmi_pooled", "rho_pooled", "reversed"):
            made.pop(key, None)
    for key in COLUMNS:
        if key not in made:
            dtype = pl.Boolean if key in _BOOLS else pl.Float64
            made[key] = pl.Series([None] * n, dtype=dtype)
    return pl.DataFrame({key: made[key] for key in COLUMNS})
