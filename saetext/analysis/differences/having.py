"""Which documents have what a finding is about: counted as the finding itself was.

Not for: testing (:mod:`saetext.analysis.differences.families`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.counting import count_family
from saetext.analysis.differences.simplest import FAMILY_OF
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.text.one_line import quoted


def documents_having(
    sets: Sequence[CorpusLike], sae: str | None, kind: str, term: str | int
) -> list[NDArray[np.bool_]]:
    """Return which documents have a word, a mark of format, a property, a theme or a feature.

    Parameters
    ----------
    sets : sequence of Corpus
        The sets that were compared: from how many of its features on a theme counts is chosen on all of them.
    sae : str, optional
        On which SAE, where there are several.
    kind : {"word", "format", "property", "theme", "feature"}
        What it is, as the column ``kind`` of the findings says.
    term : str or int
        Which, as the column ``term`` says; of a feature its number.

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
    name = sets[0].spec.sae(sae).name
    if kind == "feature":
        return _having_feature(sets, name, int(term))
    if kind not in FAMILY_OF:
        raise InputError(f"a finding is one of {', '.join(FAMILY_OF)}, not {quoted(kind)}")
    n = sum(corpus.n_documents for corpus in sets)
    counted = count_family(sets, name, np.arange(n), FAMILY_OF[kind])
    if counted is None:
        raise InputError(f"the {FAMILY_OF[kind]} of these documents cannot be counted")
    if term not in counted.names:
        raise InputError(f"no {kind} {quoted(str(term))} is counted in these documents")
    column = counted.matrix[:, [counted.names.index(str(term))]].toarray().ravel() > 0
    ends = np.cumsum([corpus.n_documents for corpus in sets])
    return np.split(column, ends[:-1])


def _having_feature(sets: Sequence[CorpusLike], sae: str, feature: int) -> list[NDArray[np.bool_]]:
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
