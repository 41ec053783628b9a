"""``saetext.diff(corpus, outcome=...)``: from what is given to a result. Not for: the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saetext.analysis.base import Source
from saetext.analysis.differences.of_columns import columns_of
from saetext.analysis.differences.outcome.column import outcome_of
from saetext.analysis.differences.outcome.compare import compare_outcome
from saetext.analysis.differences.outcome.result import OutcomeResult
from saetext.analysis.differences.outcome.winner import winner_of
from saetext.analysis.differences.request import DiffRequest
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpora, names_of, short_names
from saetext.errors import InputError


def outcome_result(given: Sequence[Any], request: DiffRequest) -> OutcomeResult:
    """Say what goes with an outcome of one corpus, or of two answers in each row.

    Parameters
    ----------
    given : sequence
        One corpus, path or what can be encoded; with ``request.columns`` one file of texts, or the corpora
        that its columns were made into.
    request : DiffRequest
        The options, with an outcome.

    Raises
    ------
    InputError
        If more than one corpus is given, or the column is no outcome.
    """
    if request.columns is not None:
        return _of_pairs(given, request)
    if len(given) != 1:
        raise InputError(f"an outcome is a column of one corpus or file, and {len(given)} were given")
    named = request.replace(names=None)
    corpus = named.selected(as_corpora(given)[0])
    warn_of(corpus)
    if not corpus.n_documents:
        raise InputError(f"{corpus.path} has no documents")
    outcome = outcome_of(corpus, str(request.outcome))
    called = (names_of(given) or short_names([corpus.path]))[0]
    source = Source.of(corpus, called, condition=request.where)
    return compare_outcome([corpus], outcome, named, (source,))


def _of_pairs(given: Sequence[Any], request: DiffRequest) -> OutcomeResult:
    names = tuple(request.columns or ())
    made = len(given) == len(names) and len(given) > 1
    corpora = list(given) if made else columns_of(given, names)
    sets = [request.selected(corpus, name) for corpus, name in zip(corpora, names, strict=True)]
    warn_of(*sets)
    outcome = winner_of(sets, names, str(request.outcome))
    sources = tuple(Source.of(c, n, condition=request.where) for c, n in zip(sets, names, strict=True))
    return compare_outcome(sets, outcome, request, sources, in_rows=True)
