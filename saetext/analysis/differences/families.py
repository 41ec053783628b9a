"""What words, format, properties and themes find beside the features, by the same tests on the same rows.

Not for: counting them (:mod:`saetext.analysis.differences.counting`), or joining the families of several sets
(:mod:`saetext.analysis.differences.of_several`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.counting import FEATURES, Counted, count_terms, features_of
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import Entries, from_matrix
from saetext.analysis.differences.result import Family
from saetext.analysis.differences.sampling import sampled
from saetext.analysis.differences.table import as_columns
from saetext.analysis.differences.testing import ALPHA, measure, numbers, order, without_verdict
from saetext.io.progress import Count, OnProgress, Stages

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.text.terms import TermMatrix

ROWS = 20_000  # documents whose words are counted; of more, a sample of units
MODEL_ROWS = 4_000  # documents of each half that linear models see

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Families:
    """What descriptions besides the features find of one contrast.

    Attributes
    ----------
    tested : tuple of Family
        Features, words and format (where texts are stored), properties and themes (where they come with the
        reader).
    design : Design
        The contrast's, with the rows on which words and format were compared.
    counted : Counted
        What was counted of all contrasts together. Some of its rows may have no side in this one.
    """

    tested: tuple[Family, ...]
    design: Design
    counted: Counted

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64[n]: the rows that were counted."""
        return self.counted.rows

    @property
    def terms(self) -> Mapping[str, TermMatrix]:
        """By family, what was tested: its terms, and rows x terms."""
        return self.counted.terms

    @property
    def texts(self) -> list[str] | None:
        """Of the rows, in their order; None where they are not stored."""
        return self.counted.texts

    @property
    def weak(self) -> Mapping[str, str]:
        """Themes of forms of words and of format, to which of the two they are."""
        return self.counted.weak

    @property
    def notes(self) -> list[str]:
        """What could not be compared."""
        return self.counted.notes


def compare_families(
    done: Sequence[Contrast], *, seed: int = 0, on_progress: OnProgress | None = None
) -> list[Families]:
    """Test phrases and marks of format as the features were tested, and let each family separate two sets.

    Of several sets there are no linear models: one a set and family would take longer than all the rest.

    Parameters
    ----------
    done : sequence of Contrast
        That of two sets, or those of several. What is tested is counted once for all; q is over all of them.
    seed : int
        For samples and linear models.
    on_progress : callable, optional
        Called with what is being done.

    Returns
    -------
    list of Families
        One a contrast.
    """
    say = Stages(on_progress)
    designs = sampled([one.design for one in done], ROWS, seed)
    rows = np.flatnonzero(np.any([design.side >= 0 for design in designs], axis=0))
    counted = count_terms(done[0].sets, done[0].sae, rows, say)
    if any(
        (new.side >= 0).sum() < (one.design.side >= 0).sum() for new, one in zip(designs, done, strict=True)
    ):
        which = "words and linear models are" if len(done) == 1 else "words are"
        counted.notes.insert(0, f"{which} of a sample of {len(rows):,} documents")
    few = [np.flatnonzero(design.side >= 0) for design in sampled(designs, 2 * MODEL_ROWS, seed)]
    stage = "linear model of the features" if len(done) == 1 else "comparing words and format"
    say(stage)
    reading = say.counting("reading features")
    tested = [[family] for family in _features(done, designs, few, seed, say.counting(stage), reading)]
    for name in counted.terms:
        say(stage := f"comparing {name}")
        families = _family(name, counted, done, designs, few, seed, say.counting(stage))
        for found, family in zip(tested, families, strict=True):
            found.append(family)
    return [Families(tuple(one), design, counted) for one, design in zip(tested, designs, strict=True)]


def _features(
    done: Sequence[Contrast],
    designs: Sequence[Design],
    few: Sequence[NDArray[np.int64]],
    seed: int,
    count: Count,
    reading: Count,
) -> list[Family]:
    found = []
    for one, design, rows in zip(done, designs, few, strict=True):
        auc = None
        if len(done) == 1:
            matrix = features_of(one.sets, one.sae, rows, reading)
            auc = _auc(matrix, design, rows, "max", seed, count)
        significant, confirmed = (one.columns["q"] < ALPHA).sum(), one.columns["confirmed"].sum()
        found.append(Family(FEATURES, len(one.features), int(significant), int(confirmed), auc))
    return found


def _family(
    name: str,
    counted: Counted,
    done: Sequence[Contrast],
    designs: Sequence[Design],
    few: Sequence[NDArray[np.int64]],
    seed: int,
    count: Count,
) -> list[Family]:
    """Return what a family finds of each contrast."""
    terms, rows = counted.terms[name], counted.rows
    whole = in_all_rows(terms.matrix, rows, len(designs[0].side))
    lives = [design.side >= 0 for design in designs]
    alike = all(np.array_equal(lives[0], live) for live in lives)  # as nearly always: gathered once
    gathered = [from_matrix(whole, live) for live in lives[: 1 if alike else None]]
    gathered *= len(lives) // len(gathered)
    tested = [_numbers(*one) for one in zip(gathered, done, designs, strict=True)]
    over_all(tested)
    found = []
    for columns, design, mine in zip(tested, designs, few, strict=True):
        auc = None
        if len(done) == 1:
            some = terms.matrix[np.searchsorted(rows, mine)]
            auc = _auc(some, design, mine, counted.scales[name], seed, count)
        found.append(_named(name, terms.names, columns, auc))
    return found


def _numbers(entries: Entries, done: Contrast, design: Design) -> Columns:
    """Return the numbers of each term."""
    # bins of the documents that are compared here; length means what it means for the features
    length = type(done.length).by(done.length.code, design, done.length.n_tokens)
    control = None if done.control is None else type(done.control).by(done.control.code, design)
    sums = measure([entries], design, length, control or length, done.room.threads)
    return numbers(sums, design, length, control)


def over_all(tested: Sequence[Columns]) -> None:
    """Let q be over the rows of all contrasts, and take the verdicts from rows that are not significant."""
    q = stats.benjamini_hochberg(np.concatenate([columns["p"] for columns in tested]))
    ends = np.cumsum([len(columns["p"]) for columns in tested])
    for columns, part in zip(tested, np.split(q, ends[:-1]), strict=True):
        columns["q"] = part
        without_verdict(columns)


def _named(name: str, terms: Sequence[str], columns: Columns, auc: float | None) -> Family:
    import polars as pl

    at = order(columns, np.arange(len(terms)), np.abs(columns["diff"]))
    table = pl.DataFrame(
        {
            "term": pl.Series([terms[i] for i in at], dtype=pl.String),
            **as_columns({key: column[at] for key, column in columns.items() if key != "early_diff"}),
        }
    )
    significant = int((columns["q"] < ALPHA).sum())
    return Family(name, len(at), significant, int(columns["confirmed"].sum()), auc, table)


def _auc(
    matrix: csr_matrix, design: Design, rows: NDArray[np.int64], scale: Any, seed: int, count: Count
) -> float | None:
    from saetext.stats.separation import separation

    if not design.split:
        return None
    return separation(matrix, design.side[rows], design.half[rows] == 0, scale=scale, seed=seed, count=count)


def in_all_rows(matrix: csr_matrix, rows: NDArray[np.int64], n: int) -> csr_matrix:
    """Return the matrix with its rows where they are among all rows."""
    from scipy import sparse

    lengths = np.zeros(n + 1, np.int64)
    lengths[rows + 1] = np.diff(matrix.indptr)
    return sparse.csr_matrix((matrix.data, matrix.indices, np.cumsum(lengths)), shape=(n, matrix.shape[1]))
