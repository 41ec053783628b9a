"""The tables of a result: a row a cluster, and a row a document. Not for: computing what is in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.clusters.describing import Described, Telling
from saetext.analysis.clusters.exemplars import Exemplar
from saetext.analysis.clusters.names.naming import Evidence
from saetext.analysis.clusters.placing import Placed
from saetext.analysis.clusters.result import COLUMNS, DOCUMENT_COLUMNS
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.text.passages import printable, snippet

if TYPE_CHECKING:
    import polars as pl

SHOWN = 12  # features of each cluster in the table
_BEGINNING = 160  # characters


def documents_table(
    corpus: CorpusLike, placed: Placed, called: list[str], exemplars: Ints, number: NDArray[np.int32]
) -> pl.DataFrame:
    """Return a row a document: where it is, its cluster, and its part at each level (``number``)."""
    import polars as pl

    ids = corpus.documents.select(pl.col("id").cast(pl.String)).collect()["id"]
    exemplar = np.zeros(len(placed.cluster), bool)
    exemplar[exemplars] = True
    named = pl.Series([None, *called], dtype=pl.String)
    return pl.DataFrame(
        {
            "row": np.arange(len(ids)),
            "id": ids,
            "cluster": placed.cluster,
            "name": named.gather(placed.cluster),
            "probability": placed.probability,
            "outlier": pl.Series(placed.outlier).fill_nan(None),
            "x": pl.Series(placed.x).fill_nan(None),
            "y": pl.Series(placed.y).fill_nan(None),
            "exemplar": exemplar,
            "placed": ~placed.fitted & ~placed.empty,
        }
    ).select(*DOCUMENT_COLUMNS, *(pl.Series(f"level_{at}", own) for at, own in enumerate(number, start=1)))


def clusters_table(
    corpus: CorpusLike,
    placed: Placed,
    described: Sequence[Described],
    exemplars: Sequence[tuple[Exemplar, ...]],
    words: Sequence[tuple[str, ...]],
    called: Sequence[str],
    persistence: Sequence[float | None],
    labels: FeatureLabels,
    evidence: Sequence[Evidence] = (),
) -> pl.DataFrame:
    """Return a row a cluster: its name, size, features, words and exemplars.

    ``evidence`` says whether labels fit, where that was looked at.
    """
    import polars as pl

    sizes = np.bincount(placed.cluster, minlength=len(called) + 1)
    rows = []
    for c, one in enumerate(described, start=1):
        examples = [corpus.document(t.row) for t in exemplars[c - 1]]
        first = examples[0] if examples else None
        text = None if first is None else first["text"]
        mine = placed.probability[placed.cluster == c]
        seen = evidence[c - 1] if evidence else None
        rows.append(
            {
                "cluster": c,
                "name": called[c - 1],
                "size": int(sizes[c]),
                "share": sizes[c] / max(len(placed.cluster), 1),
                "probability": float(mine.mean()) if len(mine) else None,
                "persistence": persistence[c - 1],
                "features": [_row(t, labels, seen) for t in one.telling[:SHOWN]],
                "against": [
                    {
                        "cluster": other,
                        "name": called[other - 1],
                        "features": [_row(t, labels) for t in telling[:SHOWN]],
                    }
                    for other, telling in one.against
                ],
                "words": list(words[c - 1]),
                "examples": [str(example["id"]) for example in examples],
                "example": None if text is None else _cut(printable(text).strip()),
                "snippet": None if text is None else _marked(first, exemplars[c - 1][0]),
            }
        )
    return pl.DataFrame(rows, schema=_schema(), orient="row").select(COLUMNS)


def _row(telling: Telling, labels: FeatureLabels, evidence: Evidence | None = None) -> dict[str, Any]:
    known = dataclasses.asdict(telling)
    del known["p"]
    label = labels.label(telling.feature)
    fits = None if evidence is None else evidence.fits(telling.feature, label)
    return {"feature": known.pop("feature"), "label": label, **known, "fits": fits}


def _cut(text: str) -> str:
    return text if len(text) <= _BEGINNING else text[: _BEGINNING - 1].rstrip() + "…"


def _marked(document: Any, example: Exemplar) -> str | None:
    if not example.fired:
        return None
    words = snippet(
        document["text"], document["token_start"], document["token_end"], example.fired[0].peak, 80
    )
    return words.marked()


def _schema() -> dict[str, Any]:
    import polars as pl

    telling = pl.List(
        pl.Struct(
            {
                "feature": pl.Int64, "label": pl.String, "inside": pl.Float64, "outside": pl.Float64,
                "diff": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64, "q": pl.Float64,
                "adjusted_diff": pl.Float64, "adjusted_q": pl.Float64, "score": pl.Float64,
                "explained_by_length": pl.String, "fits": pl.Boolean,
            }
        )
    )  # fmt: skip
    return {
        "cluster": pl.Int32, "name": pl.String, "size": pl.Int64, "share": pl.Float64,
        "probability": pl.Float64, "persistence": pl.Float64, "features": telling,
        "against": pl.List(pl.Struct({"cluster": pl.Int32, "name": pl.String, "features": telling})),
        "words": pl.List(pl.String), "examples": pl.List(pl.String), "example": pl.String,
        "snippet": pl.String,
    }  # fmt: skip
