"""A saved set as columns of its corpus: what ``--clusters`` reads, packed for a download.

Not for: saved sets (:class:`saetext.report.explore.loaded.Loaded`).
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from saetext.analysis.base import Source
from saetext.analysis.clusters import ClusterResult
from saetext.analysis.clusters.model import save_clusters
from saetext.corpus import Corpus
from saetext.io.opener import LARGE, read_bytes
from saetext.report.explore.loaded import SavedSet


def column_archive(corpus: Corpus, saved: SavedSet, folder: str) -> bytes:
    """Return a zip file with one directory, as ``saetext cluster`` writes it, in which the set is cluster 1.

    Unpacked, ``--clusters DIRECTORY`` gives the corpus the column ``cluster`` (1: in the set, 0: not) and
    ``cluster_name``.

    Parameters
    ----------
    corpus : Corpus
        The whole corpus that the set is of.
    saved : SavedSet
        The set.
    folder : str
        What the directory is called: plain letters, digits and hyphens.
    """
    import polars as pl

    n = corpus.n_documents
    cluster = np.zeros(n, np.int32)
    cluster[saved.rows] = 1
    documents = pl.DataFrame(
        {
            "row": np.arange(n),
            "id": pl.Series(corpus.ids),
            "cluster": cluster,
            "name": pl.Series([saved.name if one else None for one in cluster.tolist()], dtype=pl.String),
        }
    )
    size = len(saved.rows)
    table = pl.DataFrame({"cluster": [1], "name": [saved.name], "size": [size], "share": [size / max(n, 1)]})
    result = ClusterResult(
        "cluster",
        table,
        {"sae": corpus.saes[0], "corpus": saved.corpus, "set": saved.name},
        {"n_clusters": 1, "documents": n},
        (saved.told,) if saved.told else (),
        (Source.of(corpus, saved.corpus),),
        documents=documents,
    )
    packed = io.BytesIO()
    with (
        tempfile.TemporaryDirectory() as temporary,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        made = save_clusters(result, corpus.spec, Path(temporary) / "made")
        for path in sorted(made.iterdir()):
            archive.writestr(f"{folder}/{path.name}", read_bytes(path, LARGE))
    return packed.getvalue()
