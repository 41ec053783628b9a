"""The new set beside the old one: which document has what, and which rows belong together.

The old set is a corpus, or a baseline of which only figures are kept; what follows need not know which. Not
for: counting and judging (:mod:`saetext.analysis.checking.judging`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.checking.figures import Baseline
from saetext.analysis.checking.flags import Levels, flags, tokens_of
from saetext.analysis.checking.keyed import Keyed, hashed
from saetext.analysis.checking.subjects import Subject
from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.design import Design, make_design
from saetext.analysis.differences.sampling import sampled
from saetext.corpus.keys import columns
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.text.passages import printable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Sides:
    """Rows of the new set, then those of the old one.

    Attributes
    ----------
    names : (str, str)
        What the new and the old set are called.
    sae : str
        On which SAE.
    new : Corpus
        The new set.
    old : Corpus or Baseline
        The old one.
    design : Design
        Which rows are compared: side 0 is new, side 1 is old.
    subjects : tuple of Subject
        The columns of ``matrix``.
    matrix : csr_matrix
        float32[rows, subjects], above 0 where present; 1 in rows of a baseline.
    tokens : int64[rows]
        Lengths.
    """

    names: tuple[str, str]
    sae: str
    new: CorpusLike
    old: CorpusLike | Baseline
    design: Design
    subjects: tuple[Subject, ...]
    matrix: csr_matrix
    tokens: Ints

    def rows(self) -> NDArray[np.int64]:
        """int64[n]: the rows that are compared."""
        found: NDArray[np.int64] = np.flatnonzero(self.design.side >= 0)
        return found


def of_corpora(asked: Asked, subjects: Sequence[Subject]) -> Sides:
    """Bring two corpora together, as a diff compares them: the first is the new one."""
    request = asked.request
    side = np.minimum(asked.owner, 1).astype(np.int8)
    design = make_design(
        asked.sets, side, asked.names, pair_on=request.pair_on, group=request.group, seed=request.seed
    )
    if request.sample is not None:
        [design] = sampled([design], request.sample, request.seed)
    return Sides(
        (asked.names[0], asked.names[1]), asked.sae, asked.sets[0], asked.sets[1], design, tuple(subjects),
        _flags(asked.sets, asked.sae, subjects),
        np.concatenate([tokens_of(corpus) for corpus in asked.sets]),
    )  # fmt: skip


def with_baseline(
    new: CorpusLike,
    name: str,
    sae: str,
    old: Baseline,
    subjects: Sequence[Subject],
    *,
    pair_on: str | None = None,
    group: str | None = None,
    seed: int = 0,
) -> Sides:
    """Bring a corpus and a baseline together; rows pair by hashes of what the baseline has kept.

    Raises
    ------
    IncompatibleError
        If the baseline is of another reader, or of other subjects.
    InputError
        If rows shall pair on a column of which it has no hashes.
    """
    from scipy import sparse

    old.require_for(new.spec, sae)
    there = old.columns(subjects)
    asked_for = group or pair_on
    if asked_for and asked_for not in old.keys:
        kept = printable(", ".join(old.keys)) or "none"
        raise InputError(
            f"the baseline {old.called} has no hashes of {asked_for!r} (it has: {kept}); write it again with "
            f"{'--group' if group else '--pair-on'} {asked_for}"
        )
    names = (asked_for,) if asked_for else tuple(key for key in old.keys if key in columns(new))
    if pair_on == "":
        names = ()
    mine = Keyed(Path(new.path), new.n_documents, hashed(new, names) if _there(new, names) else {})
    theirs = Keyed(Path(old.name), old.n_documents, {key: old.keys[key] for key in names})
    sets: list[Any] = [mine, theirs]
    side = np.repeat([0, 1], [new.n_documents, old.n_documents]).astype(np.int8)
    design = make_design(sets, side, (name, old.name), pair_on=pair_on, group=group, seed=seed)
    matrix = flags(new, sae, subjects, old.levels_of(subjects))
    stacked = sparse.csr_matrix(
        sparse.vstack([matrix, sparse.csr_matrix(there.astype(np.float32))], format="csr")
    )
    return Sides(
        (name, old.name), sae, new, old, design, tuple(subjects), stacked,
        np.concatenate([tokens_of(new), old.tokens]),
    )  # fmt: skip


def _there(corpus: CorpusLike, names: Sequence[str]) -> bool:
    return all(name in columns(corpus) for name in names)


def _flags(sets: Sequence[CorpusLike], sae: str, subjects: Sequence[Subject]) -> csr_matrix:
    """Say what is where. From which number of features on a theme counts is taken from the old set alone.

    So the new texts do not move what they are held against, and a baseline of the old ones says the same.
    """
    from scipy import sparse

    themes = [one.theme for one in subjects if one.theme is not None]
    levels = Levels.of(sets[1:], sae, themes)
    parts = [flags(corpus, sae, subjects, levels) for corpus in sets]
    return sparse.csr_matrix(sparse.vstack(parts, format="csr"))
