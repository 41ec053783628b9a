"""What is asked of the things that a version has written; used when they are made and in every test since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import saetext
from saetext.analysis.clusters.model import load_model
from saetext.analysis.clusters.run import predict
from saetext.analysis.search.query import FeatureQuery
from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.reader.weights import load_sae_dir


def answers(folder: Path) -> dict[str, Any]:
    """Return the answers of a folder, plain JSON types; numbers rounded."""
    corpus = Corpus.open(folder / "corpus")
    query = FeatureQuery.read(folder / "query.json", corpus.spec.sae(None))
    return {
        "corpus": _corpus(corpus),
        "labels": {str(row.feature): row.label for row in FeatureLabels.read(folder / "labels.parquet")},
        "search": saetext.search(corpus, query, top=5).ids,
        "projected": saetext.search(corpus, similar="d3", mode="projected", top=5).ids,
        "clusters": _clusters(corpus, folder / "clusters"),
        "trained": sae_answers(folder / "trained.sae"),
        "standard": sae_answers(folder / "standard.sae"),
    }


def _corpus(corpus: Corpus) -> dict[str, Any]:
    postings = corpus.postings(corpus.saes[0])
    strong = {str(f): postings.documents(f)[0].tolist() for f in range(0, corpus.spec.sae(None).d_sae, 8)}
    means = corpus.csr("mean")
    return {
        "ids": corpus.ids.to_pylist(),
        "texts": [document.text for document in corpus],
        "topics": corpus.documents.collect()["topic"].to_list(),
        "tokens": corpus.manifest.counts["tokens"],
        "rejects": corpus.manifest.counts["rejects"],
        "reader": corpus.spec.fingerprint,
        "fingerprint": corpus.fingerprint,
        "postings": strong,
        "sum": round(float(means.sum()), 3),
        "thresholds": round(float(corpus.calibration().thresholds.sum()), 4),
        "selected": corpus.select("topic = 'a' AND n_tokens > 5").n_documents,
    }


def _clusters(corpus: Corpus, path: Path) -> dict[str, Any]:
    model = load_model(path)
    placed = predict(model, corpus)
    return {"names": list(model.names), "placed": placed.documents["cluster"].to_list()}


def sae_answers(path: Path) -> dict[str, Any]:
    """Return what an SAE makes of fixed vectors."""
    sae = load_sae_dir(path)
    width = sae.d_in
    vectors = torch.linspace(-2.0, 2.0, 3 * width).reshape(3, width)
    values = sae.encode(vectors).double()
    return {
        "shape": [sae.d_in, sae.d_sae],
        "active": (values > 0).sum(1).tolist(),
        "sum": round(float(values.sum()), 2),
    }
