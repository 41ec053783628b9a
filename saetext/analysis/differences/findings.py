"""From contrasts to the rows of a table: false discovery over all of them, order, concept groups.

Not for: labels, snippets and the table itself (:mod:`saetext.analysis.differences.table`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.testing import ALPHA, order, without_verdict
from saetext.corpus.protocol import Ints
from saetext.features.groups import Selection, concept_groups

_SIZE = {"union": "diff", "mean": "diff_mean", "max": "diff_max"}


@dataclass(frozen=True, eq=False)
class Rows:
    """A row for each contrast and each feature that was tested in all of them.

    Attributes
    ----------
    features : int64[F]
        The features.
    rates : float64[F, K]
        Share of documents with each feature, by set.
    columns : mapping
        Numbers of each row: ``feature``, ``set`` (the first side's), those of its contrast with ``q`` over
        all rows, and ``diff_mean`` and ``diff_max``, the rate less the mean and the largest of the other
        sets' rates.
    """

    features: Ints
    rates: NDArray[np.float64]
    columns: dict[str, NDArray[Any]]

    @property
    def significant(self) -> NDArray[np.bool_]:
        """bool[rows]: whether q is below 0.05."""
        return self.columns["q"] < ALPHA

    @property
    def found(self) -> NDArray[np.bool_]:
        """bool[rows]: whether a row is significant or confirmed."""
        return self.significant | self.columns["confirmed"]

    def of(self, number: int) -> Rows:
        """Return the rows of one contrast."""
        mine = self.columns["set"] == number
        return Rows(self.features, self.rates, {key: column[mine] for key, column in self.columns.items()})


@dataclass(frozen=True, eq=False)
class Findings:
    """Rows in the order of the table.

    Attributes
    ----------
    at : int64[n]
        Which rows are kept, members of a concept group behind its leader.
    leaders : int64[n]
        The feature that leads the concept group of each.
    count : int
        Number of findings, kept or not; a concept group is one.
    groups : mapping
        The feature that leads the concept group of each feature, kept or not.
    """

    at: Ints
    leaders: Ints
    count: int
    groups: Mapping[int, int]


def rows_of(done: Sequence[Contrast]) -> Rows:
    """Put contrasts one after the other."""
    features = done[0].features
    for other in done[1:]:
        features = np.intersect1d(features, other.features)
    parts = []
    for number, contrast in enumerate(done):
        where = np.searchsorted(contrast.features, features)
        columns = {key: column[where] for key, column in contrast.columns.items()}
        parts.append({"feature": features, "set": np.full(len(features), number), **columns})
    rates = np.stack([part["rate_a"] for part in parts], axis=1)
    if len(done) == 1:
        rates = np.stack([parts[0]["rate_a"], parts[0]["rate_b"]], axis=1)
    for number, part in enumerate(parts):
        others = np.delete(rates, number, axis=1)
        part["diff_mean"] = rates[:, number] - others.mean(1)
        part["diff_max"] = rates[:, number] - others.max(1)
    whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    whole["q"] = stats.benjamini_hochberg(whole["p"])
    without_verdict(whole)
    return Rows(features, rates, whole)


def findings_of(asked: Asked, done: Sequence[Contrast], rows: Rows) -> Findings:
    """Order the rows, group those that are found into concepts, and keep the first ``top`` findings."""
    at = order(rows.columns, rows.columns["feature"], _sizes(asked, rows))
    leaders = _leaders(asked, done, rows, at)
    place = _places(rows, at, leaders)
    arranged = np.lexsort((np.arange(len(at)), place))
    at, leaders, place = at[arranged], leaders[arranged], place[arranged]
    led = dict(zip(rows.columns["feature"][at].tolist(), leaders.tolist(), strict=True))
    groups = np.unique(place)
    # of several sets, a row that is not significant is counted as well
    count = len(np.unique(place[rows.found[at]])) if asked.two else len(groups)
    top = asked.request.most
    if top is not None and top < len(groups):
        kept = place < groups[top]
        at, leaders = at[kept], leaders[kept]
    return Findings(at, leaders, count, led)


def _sizes(asked: Asked, rows: Rows) -> NDArray[np.float64]:
    """Return by what size rows are ranked; for two sets the three comparisons are one."""
    if asked.two:
        return np.abs(rows.columns["diff"])
    against = asked.request.against
    size = rows.columns[_SIZE[against]]
    # less than the largest of the others is nothing that stands out
    return np.maximum(size, 0) if against == "max" else np.abs(size)


def _leaders(asked: Asked, done: Sequence[Contrast], rows: Rows, at: Ints) -> Ints:
    """Return the leading feature of each row; features without a found row stay alone."""
    from saetext.reader.directions import decoder_of

    feature = rows.columns["feature"][at]
    grouped, first = np.unique(feature[rows.found[at]], return_index=True)
    grouped = grouped[np.argsort(first)]
    if len(grouped) < 2:
        return feature.copy()
    sign, live = None, np.ones(asked.starts[-1], bool)
    if asked.two:
        # with more sets a feature has no one sign and no one choice of rows
        sign = np.sign(rows.columns["diff"][at[: len(grouped)]]).astype(np.int64)
        live = done[0].design.side >= 0
    selections = [
        Selection(corpus, np.flatnonzero(live[low:high]))
        for corpus, low, high in zip(asked.sets, asked.starts, asked.starts[1:], strict=False)
    ]
    decoder = decoder_of(asked.sets[0].spec, asked.sae)
    leads = concept_groups(
        selections, asked.sae, grouped, sign=sign, decoder=decoder, seed=asked.request.seed
    )
    lead = dict(zip(grouped.tolist(), leads.tolist(), strict=True))
    return np.array([lead.get(f, f) for f in feature.tolist()], np.int64)


def _places(rows: Rows, at: Ints, leaders: Ints) -> Ints:
    """Return the place of each row's finding: rows of one concept, set and sign have that of the first."""
    sign = np.sign(rows.columns["diff"][at]).astype(int)
    key = list(zip(leaders.tolist(), rows.columns["set"][at].tolist(), sign.tolist(), strict=True))
    first = {k: place for place, k in reversed(list(enumerate(key)))}
    return np.array([first[k] for k in key], np.int64)
