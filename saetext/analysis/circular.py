"""The note on clusters that are compared in the very features they were made from.

Not for: the clusters as columns (:mod:`saetext.analysis.clusters.columns`).
"""

from __future__ import annotations

from saetext.corpus.no_column import CLUSTER_COLUMNS
from saetext.corpus.protocol import CorpusLike


def circular_notes(corpus: CorpusLike, column: str | None) -> list[str]:
    """Say that clusters differ by how they were made, where their column is what is looked at.

    Parameters
    ----------
    corpus : Corpus
        What has the column; one of its own of that name is another matter.
    column : str or None
        What is compared, or paired with features.
    """
    if column not in CLUSTER_COLUMNS or not getattr(corpus, "columns_from", ()):
        return []
    return [
        f"{column}: clusters are documents that are alike in features, or in embeddings of their texts: that "
        "features go with them is so by how they were made, and q values say little"
    ]
