"""Do big clusters, split down HDBSCAN's tree, agree better with known labels? Half to choose, half to tell.

    python benchmarks/cluster_levels.py NAME=CORPUS:COLUMN ... --work DIR      (fits are kept in --work)

Each pile is cut in two by a hash of its ids, and each half is clustered on its own. The share of documents
and the stability from which on a cluster is split were chosen on the first half (``choosing``).
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import common
import numpy as np
import polars as pl

RESULTS = common.RESULTS / "cluster_levels.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("piles", nargs="+", metavar="NAME=CORPUS:COLUMN")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    for pile in args.piles:
        name, _, rest = pile.partition("=")
        path, _, column = rest.rpartition(":")
        halves = {
            half: measured(name, path, column, at, args.work)
            for at, half in enumerate(("choosing", "telling"))
        }
        rows = [["", "documents", "labels", "level", "parts", "largest", "ARI", "NMI"]]
        for half, found in halves.items():
            for level in found["levels"]:
                rows.append([half, found["documents"], found["labels"], *level.values()])
        common.say(name, rows)
        common.save(args.output, name, {**common.environment(), **halves})


def measured(name: str, path: str, column: str, half: int, work: Path) -> dict[str, Any]:
    """Return how the clusters of one half, and the level below them, agree with a column."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    from saetext.analysis.clusters.levels.cutting import levels

    kept = work / f"fit_{name}_{half}.npz"
    if not kept.exists():
        _fit(path, column, half, kept)
    held, tree = np.load(kept), pl.read_parquet(kept.with_suffix(".parquet"))
    cluster, truth = held["cluster"], held["truth"]
    found = levels(tree, held["points"], cluster, 3)
    told = {found.base: "clusters", found.base + 1: "below"}
    return {
        "documents": len(cluster),
        "labels": len(set(truth.tolist())),
        "levels": [
            {
                "level": told[at],
                "parts": int(number.max()),
                "largest": round(float(np.bincount(number)[1:].max() / len(number)), 3),
                "ari": round(float(adjusted_rand_score(truth, number)), 3),
                "nmi": round(float(normalized_mutual_info_score(truth, number)), 3),
            }
            for at, number in enumerate(found.number)
            if at in told
        ],
    }


def _fit(path: str, column: str, half: int, kept: Path) -> None:
    """Cluster one half of a pile, and keep what the cut needs."""
    from saetext import Corpus
    from saetext.analysis.clusters import cluster

    corpus = Corpus.open(path)
    ids = corpus.documents.select("id").collect()["id"].cast(pl.String).to_list()
    side = np.array([hashlib.sha256(one.encode()).digest()[0] % 2 for one in ids])
    view = corpus.select(np.flatnonzero(side == half))
    result = cluster(view, levels=1)
    assert result.fitted is not None and result.tree is not None
    truth = view.documents.select(column).collect()[column].cast(pl.String).fill_null("").to_numpy()
    result.tree.write_parquet(kept.with_suffix(".parquet"))
    fitted = result.fitted
    np.savez(kept, points=fitted.points, cluster=fitted.cluster, truth=truth[fitted.rows].astype(str))


if __name__ == "__main__":
    main()
