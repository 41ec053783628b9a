"""The corpora of a result, opened again: the same contents, the same rows. Not for: what reads them."""

from __future__ import annotations

from saetext.analysis.base import Source
from saetext.corpus import Corpus
from saetext.corpus.keys import of_value
from saetext.errors import InputError, SaetextError
from saetext.io.provided import provided


def reopened(source: Source) -> Corpus:
    """Open the corpus of a source and select its rows again.

    Raises
    ------
    InputError
        If it cannot be opened, or it is not what it was: it has changed, or its rows were selected in a way
        that the source does not tell.
    """
    called = f"{source.name} ({source.path})"
    try:
        corpus = Corpus.open(source.path)
        if source.clusters:
            corpus = provided("cluster_columns")(corpus, source.clusters)
        if source.condition is not None:
            corpus = corpus.select(source.condition)
        if source.column is not None and source.value is not None:
            corpus = of_value(corpus, source.column, source.value)
    except SaetextError as error:
        raise InputError(f"cannot open {called} again; pass the corpora as sets=: {error}") from error
    if corpus.fingerprint != source.fingerprint:
        raise InputError(
            f"{called} has changed since the result was made, or other rows of it were used; "
            "pass the corpora as sets="
        )
    return corpus
