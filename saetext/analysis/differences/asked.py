"""What is compared: the sets with their names, from corpora or from the values of a column.

Not for: which rows are compared with which (:mod:`saetext.analysis.differences.design`).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.differences.request import DiffRequest
from saetext.corpus.keys import as_text, of_value, require_column
from saetext.corpus.protocol import CorpusLike
from saetext.corpus.spec import require_comparable
from saetext.errors import InputError, refuse_unused
from saetext.features.labels import FeatureLabels

MOST_SETS = 50


@dataclass(frozen=True, eq=False)
class Asked:
    """K sets with a name each, the SAE on which they are compared, and how.

    Attributes
    ----------
    sets : tuple of Corpus
        Two to fifty, none of them empty, read by comparable readers.
    names : tuple of str
        What they are called.
    sae : str
        The SAE's full name.
    labels : FeatureLabels
        What the features are called.
    request : DiffRequest
        The options.
    """

    sets: tuple[CorpusLike, ...]
    names: tuple[str, ...]
    sae: str
    labels: FeatureLabels
    request: DiffRequest

    @property
    def two(self) -> bool:
        """Whether A is compared with B, and not each set with the others."""
        return len(self.sets) == 2

    @property
    def starts(self) -> list[int]:
        """The first row of each set, and the number of rows of all."""
        return np.cumsum([0] + [corpus.n_documents for corpus in self.sets]).tolist()

    @property
    def owner(self) -> NDArray[np.int64]:
        """int64[rows]: the set of each row."""
        return np.repeat(np.arange(len(self.sets)), [corpus.n_documents for corpus in self.sets])

    @property
    def d_sae(self) -> int:
        """The number of features."""
        return self.sets[0].spec.sae(self.sae).d_sae

    def sources(self) -> tuple[Source, ...]:
        """Return where the sets come from, and how to select them again."""
        by = self.request.by
        return tuple(
            Source.of(corpus, name, condition=self.request.where, column=by, value=name if by else None)
            for name, corpus in zip(self.names, self.sets, strict=True)
        )


def resolve(sets: Sequence[CorpusLike], request: DiffRequest) -> Asked:
    """Return what is compared.

    Parameters
    ----------
    sets : sequence of Corpus
        The sets; with ``request.by`` the one corpus that is split.
    request : DiffRequest
        The options; without names the sets are called a, b, c and so on, or by the values of the column.

    Raises
    ------
    IncompatibleError
        If different readers made the sets, or the labels are another reader's.
    InputError
        If there are too few or too many sets, one is empty, or two have one name.
    """
    names = request.names
    sets = [request.selected(corpus) for corpus in sets]
    if request.by is not None:
        if len(sets) != 1:
            raise InputError(f"the values of a column are those of one corpus, and these are {len(sets)}")
        if names is not None:
            raise InputError("sets that are values of a column are called by them; leave out names")
        names, sets = split_by(sets[0], request.by, request.values)
    if not 2 <= len(sets) <= MOST_SETS:
        raise InputError(f"2 to {MOST_SETS} sets are compared, not {len(sets)}")
    names = _letters(len(sets)) if names is None else tuple(names)
    if len(names) != len(sets) or len(set(names)) != len(sets):
        raise InputError(f"every set needs a name of its own: {len(sets)} sets, names {', '.join(names)}")
    sae = sets[0].spec.sae(request.sae).name
    for other, name in zip(sets[1:], names[1:], strict=True):
        require_comparable(sets[0].spec, other.spec, sae, names=(names[0], name))
    for corpus, name in zip(sets, names, strict=True):
        if not corpus.n_documents:
            raise InputError(f"{name} ({corpus.path}) has no documents; every set needs some")
    _require_two(len(sets), request)
    return Asked(tuple(sets), names, sae, request.labels_of(sets[0], sae), request)


def split_by(
    corpus: CorpusLike, column: str, values: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[CorpusLike, ...]]:
    """Return the values of a column that are compared, and a view of the documents of each.

    Raises
    ------
    InputError
        If there is no such column, or it does not have those values; the message lists what it has.
    """
    require_column(corpus, column)
    value = as_text(corpus, column)
    counts = corpus.documents.select(value.alias("value")).drop_nulls().group_by("value").len()
    present: dict[str, int] = dict(
        counts.sort("len", "value", descending=[True, False]).collect().iter_rows()
    )
    listing = ", ".join(f"{text} ({n})" for text, n in list(present.items())[:10]) or "none, it is empty"
    if len(present) > 10:
        listing += f" and {len(present) - 10} more"
    chosen = tuple(map(str, values)) if values else tuple(sorted(present))
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise InputError(f"two or more different values of {column} are compared; it has: {listing}")
    for text in chosen:
        if text not in present:
            raise InputError(f"no document has {column} = {text!r}; it has: {listing}")
    return chosen, tuple(of_value(corpus, column, text) for text in chosen)


def _letters(n: int) -> tuple[str, ...]:
    letters = string.ascii_lowercase
    return tuple(letters[i] if i < len(letters) else f"set {i + 1}" for i in range(n))


def _require_two(sets: int, request: DiffRequest) -> None:
    for what, given in (
        ("the null check", request.null),
        ("judging hypotheses", request.client),
    ):
        if given and sets != 2:
            raise InputError(f"{what} is for two sets, and these are {sets}")
    if request.client is None:
        refuse_unused(
            "it is for hypotheses that a language model judges; name one, or leave it out",
            **request.changed("judged", "hypotheses", "on_estimate"),
        )
    if sets == 2:
        refuse_unused(
            "it ranks the rows of more than two sets; leave it out",
            against=None if request.against == "union" else request.against,
        )
