"""Views of piles with known labels, beside k-means of embeddings and of TF-IDF with as many groups.

Run by ``cluster.py views``. Each set is also looked at with its features and embeddings shuffled within bins
of length: what is claimed then is false. Not for: the sets (:mod:`cluster_sets`).
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
from cluster_sets import PILES, corpus_of

RESULTS = common.RESULTS / "cluster_views.json"
FIRST = 2  # views among which the truth should be


def run(only: list[str] | None, data: Path, work: Path, reader: str, output: Path = RESULTS) -> None:
    """Measure the sets, save each, and print the table of all that are saved."""
    for name in only or PILES:
        common.save(output, name, measured(name, data, work, reader))
        print(name, "done", flush=True)
    import json

    table(json.loads(output.read_text()))


def measured(name: str, data: Path, work: Path, reader: str) -> dict[str, Any]:
    """Return what each view shows of a set, what peers show with as many groups, and false claims."""
    from saetext.analysis.clusters.request import ClusterRequest
    from saetext.analysis.clusters.views import looking as views
    from saetext.features import Themes

    corpus, request = corpus_of(name, data, work, reader), ClusterRequest()
    sae = corpus.saes[0]
    said = lambda *_: None  # noqa: E731
    started = time.process_time()
    found = views.look(corpus, sae, request, np.arange(len(corpus)), said)
    seconds = time.process_time() - started
    frame = corpus.documents.select("text", PILES[name].truth).collect()[found.rows]
    texts, truth = frame["text"].to_list(), frame[PILES[name].truth].to_list()
    seen = views.sample_of(corpus, sae, request, np.arange(len(corpus)), said)
    rows = [view.row() | scores(truth, view.groups) for view in found.views]
    for row in rows[:FIRST]:
        row |= peers(texts, seen.embedded, truth, max(2, row["n_clusters"]))
    mixed = shuffled(seen)
    themes = Themes.for_spec(corpus.spec, sae)
    claims = [views.looked_through(mixed, request, view, themes) for view in views.ABOUT]
    told = common.environment()
    return {
        "date": told["date"], "versions": told["versions"], "machine": told["machine"],
        "half": PILES[name].half, "documents": len(truth), "classes": len(set(truth)),
        "holds": PILES[name].holds, "cpu_seconds": round(seconds, 1), "views": rows,
        "every": [view.row() | scores(truth, view.groups) for view in found.every],
        "shuffled": {
            one.name: {"structure": one.found.structure, "score": one.found.score}
            for one in claims if one is not None
        },
    }  # fmt: skip


def scores(truth: list[str], groups: Any) -> dict[str, float]:
    """Return ARI and NMI; documents with nothing that the view looks at are a group of their own."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "ari": float(adjusted_rand_score(truth, groups)),
        "nmi": float(normalized_mutual_info_score(truth, groups)),
    }


def peers(texts: list[str], dense: Any, truth: list[str], k: int) -> dict[str, Any]:
    """Return the scores of k-means of MiniLM embeddings and of TF-IDF, with as many groups."""
    from cluster import _k_means, _tf_idf

    return {
        "embeddings_at_k": None if dense is None else scores(truth, _k_means(dense, k, 0)),
        "tf_idf_at_k": scores(truth, _tf_idf(texts, k, 0)),
    }


def shuffled(seen: Any) -> Any:
    """Return a sample whose features and embeddings are each shuffled among documents of like length."""
    from saetext.analysis.clusters.views import stability as stable

    rng = np.random.default_rng(40)
    every = np.flatnonzero(np.bincount(seen.matrix.indices, minlength=seen.matrix.shape[1]))
    return dataclasses.replace(
        seen,
        matrix=stable.shuffled_sparse(seen.matrix, every, seen.stratum, rng),
        embedded=None if seen.embedded is None else stable.shuffled(seen.embedded, seen.stratum, rng),
    )


def table(found: dict[str, Any]) -> None:
    """Print a line for each set: its first two views, the better of them beside its peers, false claims."""
    rows = [["", "half", "first two views", "ARI", "NMI", "MiniLM at k", "TF-IDF at k", "shuffled: claims"]]
    for name, one in found.items():
        first = one["views"][:FIRST]
        best = max(first, key=lambda row: row["ari"])
        dense = best["embeddings_at_k"]
        claims = [view for view, told in one["shuffled"].items() if told["structure"] != "none"]
        rows.append(
            [
                name, one["half"],
                ", ".join(f"{row['view']} {row['n_clusters']} ({row['stability']:.2f})" for row in first),
                f"{best['ari']:.2f}", f"{best['nmi']:.2f}",
                "" if dense is None else f"{dense['ari']:.2f}", f"{best['tf_idf_at_k']['ari']:.2f}",
                ", ".join(claims) or "none",
            ]
        )  # fmt: skip
    common.say("views of piles with known labels", rows)
