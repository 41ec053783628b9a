"""Which documents have what a finding is about, decided as it was for the finding.

Every document is decided, also one that was not counted because it has no partner or was not drawn into the
sample. Not for: testing (:mod:`saetext.analysis.differences.families`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.design import make_design
from saetext.analysis.differences.families import ROWS
from saetext.analysis.differences.sampling import sampled
from saetext.analysis.differences.simplest import FAMILY_OF
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.detectors import of_such_length, presence, shipped
from saetext.features.theme_counts import documents_with_theme
from saetext.features.themes import Themes
from saetext.io.progress import OnProgress, Stages
from saetext.text.marks import LONGER, mark_named
from saetext.text.one_line import one_line, quoted
from saetext.text.phrases import phrase_named

_SEED = 0  # the default of diff
_TELL = 2_000  # texts between two looks at whether to go on

Bools = NDArray[np.bool_]


def documents_having(
    sets: Sequence[Corpus],
    sae: str | None,
    kind: str,
    term: str | int,
    *,
    pair_on: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[Bools]:
    """Return which documents have a word, a mark of format, a property, a theme or a feature.

    Parameters
    ----------
    sets : sequence of Corpus
        The sets that were compared. From how many of its features on a theme counts, and how many words are
        more than the median document's, is taken from the rows that :func:`saetext.diff` counts of two sets.
    sae : str, optional
        On which SAE, where there are several.
    kind : {"word", "format", "property", "theme", "feature"}
        What it is, as the column ``kind`` of the findings says.
    term : str or int
        Which, as the column ``term`` says; of a feature its number.
    pair_on : str, optional
        As it was for the comparison: rows without a partner are not counted by it.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` while texts are read through.

    Returns
    -------
    list of bool[n]
        One for each set.

    Raises
    ------
    InputError
        If there is no such term in these documents, or it cannot be counted in them.

    Examples
    --------
    >>> import saetext
    >>> from saetext.analysis.differences.having import documents_having
    >>> gentle = saetext.Corpus.open("gentle.corpus")
    >>> [has] = documents_having([gentle], None, "word", "rice")
    >>> gentle.select(~has).n_documents < gentle.n_documents
    True
    """
    name, term = sets[0].spec.sae(sae).name, str(term)
    if kind == "feature":
        return _having_feature(sets, name, int(term))
    if kind not in FAMILY_OF:
        raise InputError(f"a finding is one of {', '.join(FAMILY_OF)}, not {quoted(kind)}")
    if kind in ("word", "format"):
        return _split(sets, _in_texts(sets, kind, term, pair_on, on_progress))
    if kind == "property":
        return _having_property(sets, name, term)
    themes = Themes.for_spec(sets[0].spec, name)
    if themes is None:
        raise _uncounted(kind)
    theme = next((theme for theme in themes if theme.name == term), None)
    if theme is None:
        raise _unknown(kind, term)
    return _split(sets, documents_with_theme(sets, name, theme, rows=_counted(sets, pair_on)))


def _counted(sets: Sequence[Corpus], pair_on: str | None) -> NDArray[np.int64]:
    """Return the rows of two sets that a comparison counts words and themes on; of one set all."""
    sizes = [corpus.n_documents for corpus in sets]
    if len(sets) != 2 or not all(sizes):
        return np.arange(sum(sizes))
    side = np.repeat(np.array([0, 1], np.int8), sizes)
    design = make_design(sets, side, ("A", "B"), pair_on=pair_on, seed=_SEED)
    [design] = sampled([design], ROWS, _SEED)
    return np.flatnonzero(design.side >= 0)


def _in_texts(
    sets: Sequence[Corpus], kind: str, term: str, pair_on: str | None, on_progress: OnProgress | None
) -> Bools:
    told = f"looking for documents with {one_line(term, 40)}"
    if kind == "format" and term == LONGER:
        words = _each(sets, lambda text: len(text.split()), kind, told, on_progress)
        return words > np.median(words[_counted(sets, pair_on)])
    has = phrase_named(term) if kind == "word" else mark_named(term)
    found = None if has is None else _each(sets, has, kind, told, on_progress) > 0
    if found is None or not found.any():
        raise _unknown(kind, term)
    return found


def _each(
    sets: Sequence[Corpus],
    of: Callable[[str], float],
    kind: str,
    told: str,
    on_progress: OnProgress | None,
) -> NDArray[np.float64]:
    """Return what a function says of each text; a shard's texts at a time are in memory."""
    say, total = Stages(on_progress), sum(corpus.n_documents for corpus in sets)
    found = np.zeros(total)
    for at, text in enumerate(_texts(sets)):
        if text is None:
            raise _uncounted(kind)
        if at % _TELL == 0:
            say(told, at, total)
        found[at] = of(text)
    return found


def _texts(sets: Sequence[Corpus]) -> Iterator[str | None]:
    for corpus in sets:
        for frame in corpus.frames(["text"]):
            yield from frame["text"]


def _having_property(sets: Sequence[Corpus], sae: str, term: str) -> list[Bools]:
    detectors = of_such_length(sets, shipped(sets[0].spec, sae, topics=True), sae)
    if not detectors:
        raise _uncounted("property")
    mine = [detector for detector in detectors if detector.title == term][:1]
    if not mine:
        raise _unknown("property", term)
    return [presence(corpus, mine, sae).toarray().ravel() > 0 for corpus in sets]


def _having_feature(sets: Sequence[Corpus], sae: str, feature: int) -> list[Bools]:
    d_sae = sets[0].spec.sae(sae).d_sae
    if not 0 <= feature < d_sae:
        raise InputError(f"there is no feature {feature}; they are 0 to {d_sae - 1:,}")
    found = []
    for corpus in sets:
        has = np.zeros(corpus.n_documents, bool)
        start = 0
        for block in corpus.rows(sae):
            at = np.flatnonzero(block.feature == feature)
            has[start + np.searchsorted(block.indptr, at, side="right") - 1] = True
            start += len(block)
        found.append(has)
    return found


def _split(sets: Sequence[Corpus], has: Bools) -> list[Bools]:
    return np.split(has, np.cumsum([corpus.n_documents for corpus in sets])[:-1])


def _unknown(kind: str, term: str) -> InputError:
    return InputError(f"no {kind} {quoted(term)} is counted in these documents")


def _uncounted(kind: str) -> InputError:
    return InputError(f"the {FAMILY_OF[kind]} of these documents cannot be counted")
