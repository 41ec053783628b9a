"""Which of two answers in one row won, as an outcome of both. Not for: one answer (``column.py``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saetext.analysis.differences.outcome.column import TIES, Outcome, listing, values_of, word, word_set
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError

_FIRST = word_set(
    "a 1 left first model_a answer_a response_a assistant_a model_1 answer_1 response_1 answer_left"
)
_SECOND = word_set(
    "b 2 right second model_b answer_b response_b assistant_b model_2 answer_2 response_2 answer_right"
)


def winner_of(sets: Sequence[CorpusLike], names: Sequence[str], asked: str) -> Outcome:
    """Read which answer won: 1 for the winner, 0 for the other, .5 for both of a tie.

    Parameters
    ----------
    sets : sequence of two Corpus
        The answers, of the same rows.
    names : sequence of str
        Their columns.
    asked : str
        The column, or ``column=value`` with the value that says that the first answer won.

    Raises
    ------
    InputError
        If there are not two answers, or the values do not say which of them won.
    """
    if len(sets) != 2:
        raise InputError(f"with an outcome two columns are compared, not {len(sets)}")
    column, texts, named = values_of(sets[0], asked)
    counts: dict[str, int] = {}
    for value in texts:
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    if named is not None and word(named) not in {word(value) for value in counts}:
        raise InputError(f"no row has {column} = {named!r}; it has: {listing(counts)}")
    points = {value: _points(value, names, named) for value in counts}
    unknown = [value for value, won in points.items() if won is None]
    if unknown or not {0.0, 1.0} & {won for won in points.values() if won is not None}:
        raise InputError(
            f"{column} does not say which of {' and '.join(names)} won; it has: {listing(counts)}. Name the "
            f"value with which {names[0]} won: --outcome {column}=VALUE"
        )
    by_id = dict(zip(_ids(sets[0]), texts, strict=True))
    first = [_of(by_id.get(one), points) for one in _ids(sets[0])]
    second = [1.0 - _of(by_id.get(one), points) for one in _ids(sets[1])]
    ties = sum(counts[value] for value, won in points.items() if won == 0.5)
    told = ", ".join(
        f"{value} for {'neither' if won == 0.5 else names[0] if won == 1.0 else names[1]}"
        for value, won in points.items()
    )
    notes = [f"{column} counts {told}"] + ([f"{ties:,} ties count half for both"] if ties else [])
    return Outcome(column, np.array(first + second, np.float64), "won", tuple(notes))


def _ids(corpus: CorpusLike) -> list[str]:
    found: list[str] = corpus.documents.select("id").collect()["id"].to_list()
    return found


def _of(value: str | None, points: dict[str, float | None]) -> float:
    won = None if value is None else points[value]
    return float("nan") if won is None else won


def _points(value: str, names: Sequence[str], named: str | None) -> float | None:
    """Return 1 if a value says that the first answer won, 0 the second, .5 neither, None if nothing."""
    said = word(value)
    if named is not None and said == word(named):
        return 1.0
    if said in TIES:
        return 0.5
    if named is not None:
        return 0.0
    one, two = word(names[0]), word(names[1])
    own = [{one, *_apart(one, two)}, {two, *_apart(two, one)}]
    sides = [_FIRST, _SECOND]
    if own[0] & _SECOND and own[1] & _FIRST:  # response_b was named before response_a
        sides.reverse()
    for won, mine, usual in ((1.0, own[0], sides[0]), (0.0, own[1], sides[1])):
        if said in mine:
            return won
        if said in usual and said not in own[0] | own[1]:
            return won
    return None


def _apart(name: str, other: str) -> set[str]:
    """Return what of a name sets it apart from another: a of response_a and response_b."""
    before = next((at for at, (x, y) in enumerate(zip(name, other, strict=False)) if x != y), 0)
    rest, of_other = name[before:], other[before:]
    pairs = zip(reversed(rest), reversed(of_other), strict=False)
    after = next((at for at, (x, y) in enumerate(pairs) if x != y), 0)
    return {rest, rest[: len(rest) - after]} - {""}
