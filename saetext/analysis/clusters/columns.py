"""Clusters that were saved as columns of their corpus: ``cluster`` and ``cluster_name``.

The directory says which corpus it is about by its fingerprint, so that numbers of one pile never stand beside
the documents of another. Not for: placing other documents (:func:`saetext.analysis.clusters.run.predict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saetext.analysis.base import Source
from saetext.analysis.clusters.model import load_placed
from saetext.corpus import Corpus
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError
from saetext.text.terminal import typed

if TYPE_CHECKING:
    import polars as pl


def with_clusters(corpus: Corpus, paths: Sequence[str | Path]) -> Corpus:
    """Return a corpus with the columns of the clusters that its documents are in.

    Parameters
    ----------
    corpus : Corpus
        A corpus or a view of one.
    paths : sequence of path
        Directories that ``saetext cluster`` wrote, one of them for this corpus.

    Returns
    -------
    Corpus
        Its documents have ``cluster`` (int32; 0: in none; null: they were not clustered) and
        ``cluster_name`` (null where there is no cluster).

    Raises
    ------
    InputError
        If all are clusters of other corpora or of another content of this one, or it is no corpus on disk.
    CorpusError
        If a directory holds none, or is damaged.
    """
    if not isinstance(corpus, Corpus):
        raise InputError("clusters become columns of a corpus on disk; encode the documents first")
    whole = corpus.whole
    refusals = []
    for path in paths:
        table, sources, spec = load_placed(path)
        for source in sources:
            mine = table if len(sources) == 1 else table.filter(table["set"] == source.name)
            if (rows := clustered_rows(whole, source, mine)) is not None:
                return corpus.with_columns(_columns(whole.n_documents, rows, mine), (str(path),))
        refusals.append(_refusal(path, sources, spec.fingerprint == whole.spec.fingerprint, corpus))
    raise InputError(refusals[0])


def clustered_rows(whole: CorpusLike, source: Source, table: pl.DataFrame) -> Ints | None:
    """Return the row of each clustered document in a corpus; None if these are another corpus's.

    Of a part of a corpus, which was selected by a condition or drawn at random, the fingerprint tells the
    rows as well as the content.

    Parameters
    ----------
    whole : Corpus
        A corpus that is no view.
    source : Source
        What was clustered.
    table : DataFrame
        Its documents, with ``id``.
    """
    import polars as pl

    if source.fingerprint == whole.fingerprint and table.height == whole.n_documents:
        return np.arange(table.height)
    if table.height >= whole.n_documents or not isinstance(whole, Corpus):
        return None
    ids = pl.Series("id", whole.ids)
    known = pl.DataFrame({"id": ids, "at": np.arange(len(ids))})
    found = table.select("id").join(known, on="id", how="left", maintain_order="left")["at"]
    if found.len() != table.height or found.null_count():
        return None
    rows = found.to_numpy().astype(np.int64)
    if (np.diff(rows) <= 0).any() or whole.select(rows).fingerprint != source.fingerprint:
        return None
    return rows


def _columns(n: int, rows: Ints, table: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    clustered = table.select(
        pl.Series("at", rows), pl.col("cluster").cast(pl.Int32), cluster_name=pl.col("name").cast(pl.String)
    )
    every = pl.DataFrame({"at": np.arange(n)})
    return every.join(clustered, on="at", how="left", maintain_order="left").drop("at")


def _refusal(path: str | Path, sources: Sequence[Source], alike: bool, corpus: Corpus) -> str:
    of = ", ".join(f"{source.name} ({source.path})" for source in sources) or "another corpus"
    if not alike:
        return f"{path} holds clusters of {of}, which another reader made than {corpus.path}: cluster that"
    command = f"saetext cluster --predict {typed(path)} {typed(corpus.path)}"
    return (
        f"{path} holds clusters of {of}, and {corpus.path} is another corpus or has changed since: place its "
        f"documents in them, and name that directory: {command}"
    )
