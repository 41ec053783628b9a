"""A map of texts as one Parquet file, for programs that show maps (Nomic Atlas, Embedding Atlas, Kepler).

Not for: making clusters, or saetext's own page (:mod:`saetext.report.html.map_page`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.clusters.model import SUFFIX, load_tables
from saetext.analysis.export import atomically
from saetext.corpus.corpus import Corpus
from saetext.errors import InputError

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("id", "text", "x", "y", "cluster", "topic", "topic_words", "probability", "exemplar", "n_tokens")
NO_TOPIC = "no cluster"


def export_atlas(
    corpus: Corpus, path: str | Path, clusters: str | Path | None = None, *, overwrite: bool = False
) -> int:
    """Write one row a text, with its place on the map of its clusters.

    Parameters
    ----------
    corpus : Corpus
        The corpus that was clustered; it must store its texts.
    path : path
        The file.
    clusters : path, optional
        The directory that ``saetext cluster`` wrote; by default ``x.clusters`` beside ``x.corpus``.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    int
        Texts without a place on the map, which are left out: they were not clustered, or have no feature
        that counts.

    Raises
    ------
    InputError
        If there are no clusters, the corpus stores no texts or other ones than were clustered, or the file
        exists and ``overwrite`` is false.
    CorpusError
        If the clusters are damaged.
    """
    import pyarrow.parquet as pq

    table = atlas_table(corpus, clusters)
    placed = table.filter(table["x"].is_not_null())
    arrow = placed.to_arrow()
    atomically(Path(path), lambda beside: pq.write_table(arrow, beside, compression="zstd"), overwrite)
    return len(corpus) - len(placed)


def atlas_table(corpus: Corpus, clusters: str | Path | None = None) -> pl.DataFrame:
    """Return that table: :data:`COLUMNS`, then the metadata.

    ``cluster`` counts from 1, 0 is none; ``topic`` is the cluster's name, ``topic_words`` its typical words;
    ``x`` and ``y`` are null where a text has no place. A metadata column of one of these names has the prefix
    ``meta.``.
    """
    import polars as pl

    folder = Path(clusters) if clusters is not None else _beside(corpus.path)
    documents, groups = load_tables(folder, corpus.spec)
    words = groups.select("cluster", topic_words=pl.col("words").list.join(", "))
    places = (
        documents.select("id", "x", "y", "cluster", "name", "probability", "exemplar")
        .join(words, on="cluster", how="left")
        .rename({"name": "topic"})
        .with_columns(pl.col("topic").fill_null(NO_TOPIC), pl.col("topic_words").fill_null(""))
    )
    own = corpus.documents.collect().drop("row", "prompt", strict=False)
    taken = {
        name: f"meta.{name}"
        for name in own.columns
        if name in COLUMNS and name not in ("id", "text", "n_tokens")
    }
    own = own.rename(mapping=taken).with_columns(pl.col("id").cast(pl.String))
    if own["text"].null_count() == len(own):
        raise InputError(f"{corpus.path} stores no texts, so there is nothing to show on a map")
    found = own.join(places, on="id", how="inner", maintain_order="left")
    if found.is_empty():
        raise InputError(f"{folder} has none of the documents of {corpus.path}: it is of another corpus")
    return found.select(*COLUMNS, *[name for name in found.columns if name not in COLUMNS])


def _beside(corpus: Path) -> Path:
    folder = corpus.resolve().parent / f"{corpus.resolve().name.removesuffix('.corpus')}{SUFFIX}"
    if not folder.is_dir():
        raise InputError(
            f"there are no clusters {folder}: run saetext cluster {corpus} first, or name them with "
            "--clusters"
        )
    return folder
