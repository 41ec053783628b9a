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
from saetext.analysis.checking.flags import texts_of
from saetext.analysis.checking.judging import Changes, changes, of_counts, together
from saetext.analysis.checking.rules import FINDING_KINDS, Rule
from saetext.analysis.checking.sides import Sides
from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.compare import compare
from saetext.analysis.differences.counting import FEATURES, Counted, count_terms
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.families import ROWS, in_all_rows
from saetext.analysis.differences.result import DiffResult
from saetext.analysis.differences.sampling import sampled
from saetext.analysis.differences.simplest import FAMILY_OF, KINDS
from saetext.analysis.differences.testing import ALPHA
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
    missing : tuple of str
        Kinds that cannot be tested with these sets.
    quiet : sequence of (str, str, float)
        Kind, name and measured change of what was tested and is no finding, for it is not significant.
    """

    names: Sequence[str]
    kinds: Sequence[str]
    terms: Sequence[Any]
    matrix: csr_matrix
    measure: Callable[[float], Changes]
    tested: Mapping[str, int]
    listed: bool
    missing: tuple[str, ...] = ()
    quiet: Sequence[tuple[str, str, float]] = ()

    def untested(self, rule: Rule) -> list[str]:
        """Return the kinds of a rule that cannot be tested."""
        return [kind for kind in self.missing if kind in rule.of]

    def quiet_beyond(self, rule: Rule, direction: str, limit: float) -> int:
        """Return how many of a rule's descriptions were measured beyond a limit without being significant."""
        sign = 1 if direction == "rise" else -1
        return sum(
            kind in rule.of and sign * change > limit and not _accepted(name, rule)
            for kind, name, change in self.quiet
        )

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
        kept = [
            at
            for at, (name, kind) in enumerate(zip(self.names, self.kinds, strict=True))
            if kind in rule.of and not _accepted(name, rule)
        ]
        return np.array(kept, np.int64)


def _accepted(name: str, rule: Rule) -> bool:
    ignored = {each.casefold() for each in rule.ignored}
    return name.casefold() in ignored or name.strip("“”").casefold() in ignored


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
    missing = ("format", "word") if any(texts_of(corpus) is None for corpus in asked.sets) else ()
    rows = np.flatnonzero(design.side >= 0)
    counted = None
    if table.height or design.kind == "by prompt":
        counted = count_terms(asked.sets, asked.sae, rows, Stages(asked.request.on_progress))
    quiet = _quiet(result, counted, design, rows)
    if not table.height:
        empty = sparse.csr_matrix(np.zeros((n, 0), np.float32))
        none = Found((), (), (), empty, partial(changes, empty, design), tested, True, missing, quiet)
        return none, result.notes
    assert counted is not None
    parts, order = [], []
    for kind in FINDING_KINDS:
        at = np.flatnonzero((table["kind"] == kind).to_numpy())
        if not len(at):
            continue
        family = FAMILY_OF[kind]
        terms = table["feature" if family == FEATURES else "term"].gather(at).to_list()
        where = _places(counted, family, terms)
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
            partial(changes, spread, design), tested, True, missing, quiet,
        ),
        result.notes,
    )  # fmt: skip


def _places(counted: Counted, family: str, terms: Sequence[Any]) -> list[int]:
    """Return the columns of some terms of a family; a feature is its own."""
    if family == FEATURES:
        return list(terms)
    place = {name: i for i, name in enumerate(counted.terms[family].names)}
    return [place[term] for term in terms]


def _quiet(
    result: DiffResult, counted: Counted | None, design: Design, rows: NDArray[np.int64]
) -> list[tuple[str, str, float]]:
    """Return what was tested and is not significant: kind, name and measured change.

    A diff measures the change of all rows; where rows share a prompt it is measured within each here, as it
    is for what is found.
    """
    from scipy import sparse

    found: list[tuple[str, str, float]] = []
    for family in result.families:
        kind = KINDS[family.name]
        table = result.table if family.table is None else family.table
        table = table.filter(table["q"] >= ALPHA)
        if not table.height:
            continue
        terms = (table["feature"] if family.table is None else table["term"]).to_list()
        names = table["label"].to_list() if family.table is None else terms
        change = table["diff"].to_numpy()
        if counted is not None and design.kind == "by prompt":
            where = _places(counted, family.name, terms)
            own = sparse.csr_matrix(counted.columns(family.name)[:, where])
            mine = in_all_rows(own, rows, len(design.side))
            change = changes(mine, design, 0.95).change
        told = [str(name or term) for name, term in zip(names, terms, strict=True)]
        found += zip([kind] * len(told), told, change.tolist(), strict=True)
    return found


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
    missing = ["word"]
    if texts_of(sides.new) is None:
        missing.append("format")
    if design.kind in ("by prompt", "by group"):
        # counts of features know nothing of rows that belong together
        missing.append("feature")
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
        sparse.csr_matrix(whole), measure, Counter(kinds), False, tuple(missing),
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
    shares = (
        None
        if first.by_prompt is None
        else (  # of counts there is nothing by prompt
            np.concatenate([first.by_prompt[0], second.new]),
            np.concatenate([first.by_prompt[1], second.old]),
        )
    )
    return Changes(**both, level=first.level, by_prompt=shares)
