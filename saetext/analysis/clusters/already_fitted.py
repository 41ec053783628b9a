"""Which documents clusters were fitted to: placed anew, each would vote for itself.

Not for: placing (:mod:`saetext.analysis.clusters.placing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saetext.analysis.clusters.columns import clustered_rows
from saetext.analysis.clusters.model import load_placed
from saetext.corpus import Corpus
from saetext.corpus.protocol import CorpusLike, Ints

if TYPE_CHECKING:
    from saetext.analysis.clusters.model import ClusterModel


def already_fitted(model: ClusterModel, corpora: list[CorpusLike]) -> list[Ints]:
    """Return of each document which fitted one it is.

    Known by the fingerprints of corpora. A part of a corpus, by a condition or drawn at random, is known too:
    whether the clusters were fitted to it, or it is of one that they were fitted to.

    Parameters
    ----------
    model : ClusterModel
        From a directory.
    corpora : list of Corpus
        In which documents are looked for.

    Returns
    -------
    list of int64[n]
        By corpus: the place in ``Fitted.rows``, -1 for documents that were not fitted.
    """
    table, sources, _ = load_placed(model.path)
    place = np.full(table.height, -1)
    place[model.fitted.rows] = np.arange(len(model.fitted.rows))
    numbered = table.with_row_index("_at")
    found = []
    for corpus in corpora:
        whole = corpus.whole if isinstance(corpus, Corpus) else corpus
        own = np.full(whole.n_documents, -1)
        for source in sources:
            mine = numbered if len(sources) == 1 else numbered.filter(numbered["set"] == source.name)
            if (rows := clustered_rows(whole, source, mine)) is not None:
                own[rows] = np.maximum(own[rows], place[mine["_at"].to_numpy()])
        selection = corpus.selection if isinstance(corpus, Corpus) else None
        found.append(own.astype(np.int64) if selection is None else own[selection].astype(np.int64))
    return found
