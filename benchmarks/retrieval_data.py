"""The pools of benchmarks/retrieval.py: samples of labelled texts, encoded by the embedded reader.

    python benchmarks/retrieval_data.py --data DIR --to DIR

draws the samples (seed 0), encodes them and builds their indexes. Nothing of it belongs into the repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from retrieval_queries import ONLY, POOLS, PROPERTIES

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

SEED = 0


@dataclass(frozen=True)
class Property:
    """Something texts of a pool can be like, and how people ask for it."""

    pool: str
    name: str
    phrasings: tuple[str, ...]
    split: str  # "dev" or "test"


def properties() -> list[Property]:
    """All of them, half of each pool for development, drawn with a seed."""
    found = []
    rng = np.random.default_rng(SEED)
    for pool, known in PROPERTIES.items():
        dev = set(rng.permutation(len(known))[: (len(known) + len(found) % 2) // 2].tolist())
        for at, (name, phrasings) in enumerate(known.items()):
            found.append(Property(pool, name, phrasings, "dev" if at in dev else "test"))
    return found


def sample(pool: str, data: Path) -> pl.DataFrame:
    """Draw a pool's documents: ``id``, ``text`` (cut), ``truth`` (its values, one or several)."""
    import polars as pl

    file, size, characters, column = POOLS[pool]
    table = pl.read_parquet(data / f"{file}.parquet")
    if pool in ONLY:
        key, value = ONLY[pool]
        table = table.filter(pl.col(key) == value)
    truth = pl.col(column)
    if pool == "comparison":  # its few comparatives are all kept
        truth = truth.str.starts_with("comparative").replace_strict({True: "comparative", False: "none"})
        kept = table.filter(pl.col(column) != "not comparative")
        rest = table.filter(pl.col(column) == "not comparative").sample(size - kept.height, seed=SEED)
        table = pl.concat([kept, rest])
    table = table.sample(min(size, table.height), seed=SEED, shuffle=True)
    if table.schema[column] != pl.List(pl.String):
        truth = pl.concat_list(truth)
    text = pl.col("text").str.slice(0, characters)
    return table.select("id", text, truth.alias("truth")).filter(pl.col("text").str.strip_chars() != "")


def relevant(table: pl.DataFrame, name: str) -> NDArray[np.bool_]:
    """bool[n]: which documents have a property."""
    found: NDArray[np.bool_] = table["truth"].list.contains(name).to_numpy()
    return found


def pools(
    data: Path, to: Path, names: Collection[str] = tuple(POOLS)
) -> Iterator[tuple[str, pl.DataFrame, Path]]:
    """Yield each pool with its table and its corpus, encoded where that has not been done."""
    from saetext import Corpus, Reader, encode

    to.mkdir(parents=True, exist_ok=True)
    reader = None
    for pool in names:
        table, corpus = sample(pool, data), to / f"{pool.replace(' ', '-')}.corpus"
        if not (corpus / "manifest.json").is_file():
            reader = reader or Reader.load()
            encode(table.select("id", "text"), corpus, reader=reader)
        ids = Corpus.open(corpus).ids.to_pylist()
        yield pool, table.filter(table["id"].is_in(ids)), corpus


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--to", type=Path, required=True)
    given = options.parse_args()
    for pool, table, corpus in pools(given.data, given.to):
        print(f"{pool}: {table.height:,} documents, {corpus}", flush=True)


if __name__ == "__main__":
    main()
