"""One set against the others, counted and tested; two sets are one such contrast, K sets are K.

Not for: putting contrasts together (:mod:`saetext.analysis.differences.findings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.design import Design, make_design
from saetext.analysis.differences.entries import Entries, gather, support
from saetext.analysis.differences.room import ROOMY, Room, largest_shard, room_for
from saetext.analysis.differences.sampling import sampled
from saetext.analysis.differences.testing import Adjusting, Sums, measure, numbers
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import MOST_BINS, bins, column_bins, crossed
from saetext.errors import InputError
from saetext.io.memory import Bound
from saetext.io.progress import Count, OnProgress, Stages, nobody

_STAGES = ("counting", "sorting by feature", "testing features")
_EARLY = 0.1  # quantile of a side's lengths: nearly all of its documents have so many tokens


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two sides of some corpora, counted and tested.

    Attributes
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    sae : str
        On which SAE.
    design : Design
        Which rows are on which side.
    length, control : Adjusting
        Bins of length, and of the columns to adjust for (None without any).
    early : int
        How many tokens count as early.
    min_support : int
        Documents in which a feature must be present to be tested.
    features : int64[F]
        The features that were tested.
    columns : mapping
        Their numbers, see :func:`saetext.analysis.differences.testing.numbers`.
    support : int64[d_sae]
        In how many rows of the design each feature is present.
    n_tokens : int64[rows]
        Length of each document.
    room : Room
        How many entries may be in memory at once.
    """

    sets: Sequence[CorpusLike]
    sae: str
    design: Design
    length: Adjusting
    control: Adjusting | None
    early: int
    min_support: int
    features: Ints
    columns: dict[str, NDArray[Any]]
    support: Ints
    n_tokens: NDArray[np.int64]
    room: Room = ROOMY

    def entries(self, features: Ints | None = None, count: Count = nobody) -> Iterator[Entries]:
        """Gather the entries of the tested features, or of some, again; drop each part before the next."""
        some = self.features if features is None else features
        live = self.design.side >= 0
        return gather(
            self.sets, self.sae, some, self.support, live, self.early, held=self.room.entries, count=count
        )

    def median_tokens(self, side: int) -> float:
        """Return the median length of a side's documents, 0 if it has none."""
        return float(np.median(self.n_tokens[self.design.side == side])) if self.design.rows(side) else 0.0


def contrasts(
    asked: Asked,
    without: NDArray[np.bool_] | None = None,
    on_progress: OnProgress | None = None,
) -> list[Contrast]:
    """Contrast the first of two sets with the second, or each of several with all others.

    Parameters
    ----------
    asked : Asked
        What is compared.
    without : bool[rows], optional
        Rows to leave out.
    on_progress : callable, optional
        Called with what is being done.
    """
    say = Stages(on_progress)
    bound = Bound.of(asked.request.memory)
    say.within(bound.bytes)
    say("reading documents")
    request, owner = asked.request, asked.owner
    designs = []
    compared = list(enumerate(asked.names[:1] if asked.two else asked.names))
    for number, name in compared:
        side = np.where(owner == number, 0, 1).astype(np.int8)
        designs.append(
            make_design(
                asked.sets, side, asked.names, sides=(name, asked.names[1] if asked.two else "all others"),
                pair_on=request.pair_on, group=request.group, seed=request.seed, say=say,
            )
        )  # fmt: skip
    if request.sample is not None:
        designs = sampled(designs, request.sample, request.seed)
    done = []
    for (_, name), design in zip(compared, designs, strict=True):
        stage = "" if asked.two else f"comparing {name} with the others"
        say(stage or _STAGES[0])
        if without is not None:
            design = design.without(without)
        done.append(
            contrast(
                asked.sets, asked.sae, design, asked.names,
                controls=request.controls, min_support=request.min_support, bound=bound,
                counts=[say.counting(stage or each) for each in _STAGES],
            )
        )  # fmt: skip
    return done


def contrast(
    sets: Sequence[CorpusLike],
    sae: str,
    design: Design,
    names: Sequence[str],
    *,
    controls: Sequence[str] = (),
    min_support: int | None = None,
    bound: Bound | None = None,
    counts: Sequence[Count] = (nobody, nobody, nobody),
) -> Contrast:
    """Count and test every feature with support, within a bound of memory if there is one.

    ``counts`` get how much is done of counting, of sorting entries by feature, and of testing.

    Raises
    ------
    InputError
        If a column to adjust for is missing, or there are too many combinations of them, or the bound is less
        than the smallest part needs.
    """
    live = design.side >= 0
    n_tokens = np.concatenate(
        [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.int64) for c in sets]
    )
    length = Adjusting.by(bins(n_tokens.astype(np.float64), live), design, n_tokens.astype(np.float64))
    control = _control(sets, design, names, controls)
    reading, sorting, testing = counts
    having = support(sets, sae, live, sets[0].spec.sae(sae).d_sae, reading)
    if min_support is None:
        min_support = max(5, -(-int(live.sum()) // 2000))
    features = np.flatnonzero(having >= max(min_support, 1))
    early = [int(np.quantile(n_tokens[design.side == s], _EARLY)) for s in (0, 1) if design.rows(s)]
    first = max(1, min(early, default=1))
    # kernels take bins of a control in any case: without one, a single bin
    within = control or Adjusting.by(np.zeros(len(live), np.int32), design)
    room = (
        ROOMY
        if bound is None
        else room_for(bound, design, having[features], length, within, largest_shard(sets))
    )
    parts = gather(sets, sae, features, having, live, first, held=room.entries, count=sorting)
    sums: Sums = measure(parts, design, length, within, room.threads, testing)
    tested = numbers(sums, design, length, control)
    return Contrast(
        sets, sae, design, length, control, first, int(min_support), features, tested, having, n_tokens, room
    )


def _control(
    sets: Sequence[CorpusLike], design: Design, names: Sequence[str], controls: Sequence[str]
) -> Adjusting | None:
    if not controls:
        return None
    live = design.side >= 0
    code = np.zeros(len(live), np.int32)
    for column in controls:
        code = crossed(code, column_bins(sets, names, column, live))
    if code.max(initial=0) >= MOST_BINS:
        raise InputError(
            f"{', '.join(controls)} make {code.max() + 1:,} combinations of values, more than {MOST_BINS} "
            "can be compared within; control for fewer columns"
        )
    return Adjusting.by(code, design)
