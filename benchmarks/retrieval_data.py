"""The pools of benchmarks/retrieval.py: samples of labelled texts, encoded by a reader.

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
from retrieval_queries import ONLY, POOLS, PROPERTIES, WHOLE

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from saetext import Corpus

SEED = 0
# Pools are cut to this where time is short (--quick): documents of a pool, and characters of each.
QUICK = {"emotions": 2_000, "stances": 2_500, "intents": 1_500, "tasks": 1_500, "reasoning": 1_500}
QUICK_OTHERS, QUICK_CHARACTERS = 800, 250


@dataclass(frozen=True)
class Property:
    """Something texts of a pool can be like, and how people ask for it."""

    pool: str
    name: str
    phrasings: tuple[str, ...]
    split: str  # "dev" or "test"


def properties() -> list[Property]:
    """All of them; half of each pool for development, drawn with a seed, or a pool as a whole."""
    found = []
    rng = np.random.default_rng(SEED)
    for pool, known in PROPERTIES.items():
        if pool in WHOLE:
            found += [Property(pool, name, phrasings, WHOLE[pool]) for name, phrasings in known.items()]
            continue
        dev = set(rng.permutation(len(known))[: (len(known) + len(found) % 2) // 2].tolist())
        for at, (name, phrasings) in enumerate(known.items()):
            found.append(Property(pool, name, phrasings, "dev" if at in dev else "test"))
    return found


def sample(pool: str, data: Path, quick: bool = False) -> pl.DataFrame:
    """Draw a pool's documents: ``id``, ``text`` (cut), ``truth`` (its values, one or several)."""
    import polars as pl

    file, size, characters, column = POOLS[pool]
    if quick:
        size, characters = min(size, QUICK.get(pool, QUICK_OTHERS)), min(characters, QUICK_CHARACTERS)
    table = pl.read_parquet(data / f"{file}.parquet")
    if pool in ONLY:
        key, value = ONLY[pool]
        table = table.filter(pl.col(key).is_in(value if isinstance(value, list) else [value]))
    truth = pl.col(column)
    if pool == "comparison":  # its few comparatives are kept, up to a quarter of the texts
        truth = truth.str.starts_with("comparative").replace_strict({True: "comparative", False: "none"})
        kept = table.filter(pl.col(column) != "not comparative")
        kept = kept.sample(min(kept.height, size // 4), seed=SEED)
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
    data: Path,
    to: Path,
    names: Collection[str] = tuple(POOLS),
    reader_name: str = "embedded",
    quick: bool = False,
) -> Iterator[tuple[str, pl.DataFrame, Path]]:
    """Yield each pool with its table and its corpus, encoded where that has not been done."""
    from saetext import Corpus, Reader, encode

    to.mkdir(parents=True, exist_ok=True)
    reader = None
    for pool in names:
        table, corpus = sample(pool, data, quick), to / f"{pool.replace(' ', '-')}.corpus"
        if not (corpus / "manifest.json").is_file():
            reader = reader or Reader(reader_name)
            encode(table.select("id", "text"), corpus, reader=reader)
        ids = Corpus.open(corpus).ids.to_pylist()
        yield pool, table.filter(table["id"].is_in(ids)), corpus


def mean_activations(corpus: Corpus, to: Path, reader_name: str = "embedded") -> NDArray[np.float32]:
    """float32[n, width]: each document's mean over its counted tokens of the layer that the SAE reads.

    Kept beside the corpus, since a pool takes minutes.
    """
    from saetext.documents import Document
    from saetext.reader.batches import Batcher
    from saetext.reader.reader import Reader
    from saetext.reader.running import hidden_states
    from saetext.reader.tokenization import Prepared

    path = to / f"{corpus.path.stem}.activations.npy"
    if path.exists():
        return np.asarray(np.load(path), np.float32)
    reader = Reader(reader_name)
    hook = reader.spec.saes[0].hook
    batcher = Batcher(reader.tokens, 4096)
    texts = corpus.documents.select("text").collect()["text"].to_list()
    found = np.zeros((len(texts), reader.model.widths[hook]), np.float32)
    for start in range(0, len(texts), 256):
        chunk = [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(texts[start : start + 256])]
        prepared = reader.tokens.prepare(chunk, "assistant")
        kept = [i for i, p in enumerate(prepared) if isinstance(p, Prepared)]
        total = np.zeros((len(kept), found.shape[1]))
        counted = np.zeros(len(kept))
        readable = [p for p in prepared if isinstance(p, Prepared)]
        for batch, states in hidden_states(reader.model, batcher, readable, lambda x: x[hook].cpu().numpy()):
            np.add.at(total, batch.rows, states)
            np.add.at(counted, batch.rows, 1)
        found[start + np.array(kept, int)] = total / np.maximum(counted, 1)[:, None]
    np.save(path, found.astype(np.float16))
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--to", type=Path, required=True)
    options.add_argument("--reader", default="embedded", help="a name or a directory; a --to for each")
    options.add_argument("--quick", action="store_true", help="small pools of short texts")
    given = options.parse_args()
    for pool, table, corpus in pools(given.data, given.to, reader_name=given.reader, quick=given.quick):
        print(f"{pool}: {table.height:,} documents, {corpus}", flush=True)


if __name__ == "__main__":
    main()
