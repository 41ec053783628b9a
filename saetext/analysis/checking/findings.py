"""Rules on any finding: those of a diff, at an interval that allows for everything that was tested.

Not for: rules on one subject (:mod:`saetext.analysis.checking.run`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.checking.figures import Baseline
from saetext.analysis.checking.judging import Changes, changes, of_counts, together
from saetext.analysis.checking.rules import FINDING_KINDS, Rule
from saetext.analysis.checking.sides import Sides
from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.compare import compare
from saetext.analysis.differences.counting import FEATURES, count_terms
from saetext.analysis.differences.families import ROWS, in_all_rows
from saetext.analysis.differences.sampling import sampled
from saetext.analysis.differences.simplest import FAMILY_OF, KINDS
from saetext.features.detectors import of_such_length
from saetext.io.progress import Stages

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.features.labels import FeatureLabels

#: Kinds of findings, as subjects of rules are called.
_OF_SUBJECT = {"detector": "property", "theme": "theme", "format": "format"}


@dataclass(frozen=True, eq=False)
class Found:
    """What rose or fell, and how it was counted; one entry a finding.

    Attributes
    ----------
    names, kinds : sequence of str
        What each is called, and its kind, as a diff has them.
    terms : sequence of str or int
        What each is: a term, or a feature.
    matrix : csr_matrix
        float32[rows of both sets, findings], above 0 where present; of a baseline's features only new rows.
    measure : callable
        Gets a confidence level and returns the changes with intervals of that level.
    tested : mapping
        By kind, how many descriptions were tested to find these.
    listed : bool
        Whether these are the findings of a diff: significant, and under the simplest description. Against a
        baseline they are all descriptions there are.
    """

    names: Sequence[str]
    kinds: Sequence[str]
    terms: Sequence[Any]
    matrix: csr_matrix
    measure: Callable[[float], Changes]
    tested: Mapping[str, int]
    listed: bool

    def number(self, rule: Rule) -> int:
        """Return how many descriptions of a rule's kinds were tested."""
        return sum(n for kind, n in self.tested.items() if kind in rule.of)

    def changes(self, rule: Rule, rules: int, confidence: float) -> Changes:
        """Return the changes at the level at which all intervals hold together.

        These are one for each of the rules, and of this one as many as descriptions of its kinds were tested.
        """
        return self.measure(together(confidence, rules * max(self.number(rule), 1)))

    def of(self, rule: Rule) -> NDArray[np.int64]:
        """int64[n]: the findings that a rule is about."""
        ignored = {name.casefold() for name in rule.ignored}
        kept = [
            at
            for at, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
            if kind in rule.of
            and name.casefold() not in ignored
            and name.strip("“”").casefold() not in ignored
        ]
        return np.array(kept, np.int64)


def of_diff(asked: Asked) -> tuple[Found, tuple[str, ...]]:
    """Return the findings of a diff.

    Parameters
    ----------
    asked : Asked
        The new and the old set; all findings are asked for.

    Returns
    -------
    found : Found
    notes : tuple of str
        Those of the diff.
    """
    from scipy import sparse

    result = compare(asked)
    assert result.found is not None and result.design is not None
    [design] = sampled([result.design], ROWS, asked.request.seed)
    n = len(design.side)
    tested = {KINDS[family.name]: family.tested for family in result.families}
    table = result.found
    if not table.height:
        empty = sparse.csr_matrix(np.zeros((n, 0), np.float32))
        return Found((), (), (), empty, partial(changes, empty, design), tested, True), result.notes
    rows = np.flatnonzero(design.side >= 0)
    counted = count_terms(asked.sets, asked.sae, rows, Stages(asked.request.on_progress))
    parts, order = [], []
    for kind in FINDING_KINDS:
        at = np.flatnonzero((table["kind"] == kind).to_numpy())
        if not len(at):
            continue
        family = FAMILY_OF[kind]
        if family == FEATURES:
            where = table["feature"].gather(at).to_list()
        else:
            place = {name: i for i, name in enumerate(counted.terms[family].names)}
            where = [place[term] for term in table["term"].gather(at).to_list()]
        parts.append(counted.columns(family)[:, where])
        order += at.tolist()
    whole = sparse.csr_matrix(sparse.hstack(parts, format="csr"), dtype=np.float32)
    whole = sparse.csr_matrix(whole[:, np.argsort(order)])
    spread = in_all_rows(whole, rows, n)
    terms = [
        feature if kind == "feature" else term
        for kind, feature, term in zip(table["kind"], table["feature"], table["term"], strict=True)
    ]
    return (
        Found(
            table["name"].to_list(), table["kind"].to_list(), terms, spread,
            partial(changes, spread, design), tested, True,
        ),
        result.notes,
    )  # fmt: skip


def of_baseline(sides: Sides, labels: FeatureLabels) -> Found:
    """Return what has a name and every feature, against a baseline.

    What has a name is compared row by row, features by their counts, which takes rows for independent. Words
    are not in a baseline, and nothing is put under a simpler description: that takes the old texts.
    """
    from scipy import sparse

    old = sides.old
    assert isinstance(old, Baseline)
    design, n_new = sides.design, sides.new.n_documents
    features, matrix, counts = _features(sides)
    short = _of_such_length(sides)
    named = [at for at, one in enumerate(sides.subjects) if one.kind in _OF_SUBJECT and one.id not in short]
    if design.kind in (
        "by prompt",
        "by group",
    ):  # counts of features know nothing of rows that belong together
        features, matrix, counts = features[:0], matrix[:, :0], (counts[0][:0], counts[1][:0])
    mine = sparse.csr_matrix(sides.matrix[:, named])

    def measure(level: float) -> Changes:
        second = of_counts(counts[0], n_new, counts[1], old.n_documents, level)
        return _joined(changes(mine, design, level), second)

    below: Any = sparse.csr_matrix(np.zeros((0, matrix.shape[1]), np.float32))
    below.resize((old.n_documents, matrix.shape[1]))
    whole = sparse.hstack([sides.matrix[:, named], sparse.vstack([matrix, below])], format="csr")
    kinds = [*(_OF_SUBJECT[sides.subjects[at].kind] for at in named), *(["feature"] * len(features))]
    return Found(
        [*(sides.subjects[at].title for at in named), *(labels.label(f) for f in features.tolist())],
        kinds,
        [*(sides.subjects[at].title for at in named), *features.tolist()],
        sparse.csr_matrix(whole), measure, Counter(kinds), False,
    )  # fmt: skip


def _of_such_length(sides: Sides) -> set[tuple[str, str]]:
    """Return the detectors that say nothing of texts of this length, which a diff leaves out too."""
    detectors = [one.detector for one in sides.subjects if one.detector is not None]
    kept = {one.name for one in of_such_length([sides.new], detectors, sides.sae)}
    return {("detector", one.name) for one in detectors if one.name not in kept}


def _features(
    sides: Sides,
) -> tuple[NDArray[np.int64], csr_matrix, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the features with support, new rows x these, and in how many new and old documents each is."""
    from saetext.analysis.differences.counting import features_of

    old = sides.old
    assert isinstance(old, Baseline)
    rows = np.arange(sides.new.n_documents)
    matrix = features_of([sides.new], sides.sae, rows)
    mine = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)
    least = max(5, -(-(len(rows) + old.n_documents) // 2000))  # as many as a diff asks for
    kept = np.flatnonzero(mine + old.features >= least)
    return kept, matrix[:, kept], (mine[kept], old.features[kept])


def _joined(first: Changes, second: Changes) -> Changes:
    """Put changes one after the other."""
    names = ("x_new", "x_old", "n_new", "n_old", "low", "high", "only_old", "excess")
    both = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names}
    shares = None if first.by_prompt is None else (  # of counts there is nothing by prompt
        np.concatenate([first.by_prompt[0], second.new]), np.concatenate([first.by_prompt[1], second.old]))
    return Changes(**both, level=first.level, by_prompt=shares)
