"""One feature: histogram, passages over the whole range of its activation, words, near features, sets.

Not for: the table of all (features.py), or renaming (naming.py).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.features.profile import phi
from saetext.reader.directions import decoder_of
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.about import both, condition
from saetext.report.explore.queries.conditions import column_of
from saetext.report.explore.queries.counts import counts_of
from saetext.stats.proportions import wilson
from saetext.text.passages import printable, word_bounds

if TYPE_CHECKING:
    from saetext.report.explore.loaded import Loaded

BANDS = (
    ("strongest", 1.0),
    ("upper quarter", 0.875),
    ("middle", 0.5),
    ("lower quarter", 0.125),
    ("weakest", 0.0),
)
_PER_BAND = 3
_BINS = 32
_LOOKED_AT = 96  # documents whose word at the peak is counted
_COMPANIONS = 1000  # documents whose other features are counted
_STRETCH = 10  # of them that stand together
_LEAST_TOGETHER = 3
_NEAR = 8
_VALUES = 12  # of a column
_ROOM = 2**30  # bytes of decoders that are kept, or one that is larger
_decoders: Kept[NDArray[np.float32]] = Kept(4, room=_ROOM, size=lambda decoder: decoder.nbytes)


@dataclass(frozen=True)
class Bar:
    """A bin of the histogram: from, to, documents, and its place in a box 1000 x 100."""

    low: float
    high: float
    documents: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Near:
    """A feature that is near: how near, its label."""

    feature: int
    label: str
    similarity: float


@dataclass(frozen=True)
class InSet:
    """How many documents of a set have the feature: share with its 95 % interval."""

    name: str
    having: int
    documents: int
    share: float
    low: float
    high: float
    where: str = ""


def histogram_of(corpus: Corpus, sae: str, feature: int) -> list[Bar]:
    """Return the documents by the feature's maximum in them; heights go with the root: few are seen too."""
    _, value = corpus.postings(sae).documents(feature)
    if not len(value):
        return []
    low, high = float(value.min()), float(value.max())
    bins = int(np.clip(4 * np.sqrt(len(value)), 8, _BINS))
    counts, edges = np.histogram(value.astype(np.float64), bins, (low, high if high > low else low + 1))
    wide = 1000 / bins
    most = float(np.sqrt(counts.max()))
    bars = []
    for at, count in enumerate(counts.tolist()):
        tall = max(100 * float(np.sqrt(count)) / most, 2.0) if count else 0.0
        bars.append(
            Bar(
                float(edges[at]),
                float(edges[at + 1]),
                int(count),
                round(at * wide, 2),
                round(100 - tall, 2),
                round(wide * 0.92, 2),
                round(tall, 2),
            )
        )
    return bars


def bands_of(corpus: Corpus, sae: str, feature: int, seed: int = 0) -> list[tuple[str, list[int]]]:
    """Return rows of the whole corpus in bands over the whole range of the activation, none of them twice."""
    rows, value = corpus.postings(sae).documents(feature)
    order = np.argsort(value, kind="stable")
    taken: set[int] = set()
    bands = []
    for name, quantile in BANDS:
        middle = round(quantile * (len(order) - 1)) if len(order) else 0
        near = sorted(range(len(order)), key=lambda at: abs(at - middle)) if len(order) <= 64 else None
        window = near if near is not None else _around(middle, len(order), 32)
        chosen = [at for at in window if at not in taken][:_PER_BAND]
        taken.update(chosen)
        found = sorted(chosen, key=lambda at: -float(value[order[at]]))
        if found:
            bands.append((name, _whole(corpus, rows[order[found]])))
    return bands


def between(corpus: Corpus, sae: str, feature: int, low: float, high: float) -> tuple[list[int], int]:
    """Return rows with a maximum from ``low`` to ``high``, evenly over the range, and how many there are."""
    rows, value = corpus.postings(sae).documents(feature)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)  # an address has fewer digits than a float
    inside = np.flatnonzero((value >= low - slack) & (value <= high + slack))
    ordered = inside[np.argsort(-value[inside], kind="stable")]
    places = np.unique(np.linspace(0, max(len(ordered) - 1, 0), 12).astype(np.int64))
    return _whole(corpus, rows[ordered[places]]) if len(ordered) else [], len(ordered)


def words_of(corpus: Corpus, sae: str, feature: int) -> tuple[list[tuple[str, int]], int]:
    """Return the words at its peaks with how many documents have each, and how many were looked at.

    The documents are spread evenly over the range of the activation.
    """
    rows, value = corpus.postings(sae).documents(feature)
    if not len(rows) or not corpus.stores_text:
        return [], 0
    order = np.argsort(-value, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(_LOOKED_AT, len(order))).astype(np.int64))
    counted: Counter[str] = Counter()
    for row in _whole(corpus, rows[order[places]]):
        document = corpus.whole.document(row)
        entries = document["entries"][sae]
        peak = int(entries.peak[np.searchsorted(entries.feature, feature)])
        if peak >= 0 and document["text"] is not None:
            start, end = int(document["token_start"][peak]), int(document["token_end"][peak])
            low, high = word_bounds(document["text"], start, end)
            counted[printable(document["text"][low:high]).strip().casefold() or "␣"] += 1
    corpus.give_back_pages()
    return counted.most_common(12), len(places)


def together_with(corpus: Corpus, sae: str, feature: int, labels: FeatureLabels) -> tuple[list[Near], int]:
    """Return the features found in the same documents, by phi, and how many documents were looked at."""
    whole, rows = counts_of(corpus, sae), corpus.postings(sae).documents(feature)[0]
    if not len(rows):
        return [], 0
    places = _stretches(len(rows))
    shared = np.zeros(len(whole.support), np.int64)
    for block in corpus.select(rows[places].astype(np.int64)).rows(sae):
        shared += np.bincount(block.feature, minlength=len(shared))
    corpus.give_back_pages()
    scaled = np.round(shared * (len(rows) / len(places))).astype(np.int64)
    similar = phi(np.minimum(scaled, whole.support), whole.support, len(rows), corpus.n_documents)
    similar[feature], similar[shared < _LEAST_TOGETHER] = -1, -1
    return _near(similar, labels), len(places)


def nearest_to(corpus: Corpus, sae: str, feature: int, labels: FeatureLabels) -> list[Near] | None:
    """Return the features with the most similar decoder directions; None where the SAE is not here."""
    try:
        # the same weights are the same wherever they lie; that they do not lie in one place is not kept
        decoder = _decoders.get(corpus.spec.sae(sae).weights_sha256, lambda: _decoder(corpus, sae))
    except FileNotFoundError:
        return None
    norms = np.linalg.norm(decoder, axis=1)
    cosine = decoder @ decoder[feature] / np.maximum(norms * norms[feature], 1e-30)
    similar = np.nan_to_num(cosine.astype(np.float64))
    similar[feature] = -1
    return _near(similar, labels)


def _decoder(corpus: Corpus, sae: str) -> NDArray[np.float32]:
    found = decoder_of(corpus.spec, sae)
    if found is None:
        raise FileNotFoundError(sae)
    return found


def sets_of(loaded: Loaded, corpus: Corpus, sae: str) -> dict[str, Corpus]:
    """Return what has the same features under the same SAE's name: open corpora, the view, saved sets."""
    weights = corpus.spec.sae(sae).weights_sha256
    same = {
        name: other
        for name, other in loaded.corpora.items()
        if any(spec.name == sae and spec.weights_sha256 == weights for spec in other.spec.saes)
    }
    if corpus.selection is not None:
        same["these documents"] = corpus
    for saved in loaded.sets:
        if saved.corpus in same:
            same[saved.name] = loaded.documents_of(saved)
    return same


def in_sets(sets: dict[str, Corpus], sae: str, feature: int) -> list[InSet]:
    """Return how many documents of each set have the feature."""
    found = []
    for name, corpus in sets.items():
        having = len(corpus.postings(sae).documents(feature)[0])
        found.append(_in_set(name, having, corpus.n_documents))
    return found


def by_column(corpus: Corpus, sae: str, feature: int, column: str, where: str = "") -> list[InSet]:
    """Return the same for the most frequent values of a column.

    Each with the condition that picks its documents, together with ``where``, which made the view.
    """
    import polars as pl

    values = column_of(corpus, column)
    values = values if corpus.selection is None else values.gather(corpus.selection)
    having = np.zeros(len(values), bool)
    having[corpus.postings(sae).documents(feature)[0]] = True
    table = (
        pl.DataFrame({"value": values, "having": having})
        .drop_nulls("value")
        .group_by("value")
        .agg(pl.len().alias("n"), pl.col("having").sum().alias("k"))
        .sort("n", "value", descending=[True, False])
        .head(_VALUES)
    )
    rows = [
        _in_set(printable(str(value)), int(k), int(n), both(where, condition(column, value)))
        for value, n, k in table.iter_rows()
    ]
    return sorted(rows, key=lambda row: -row.share)


def _in_set(name: str, having: int, documents: int, where: str = "") -> InSet:
    low, high = wilson(having, documents) if documents else (0.0, 0.0)
    return InSet(name, having, documents, having / max(documents, 1), float(low), float(high), where)


def _near(similar: NDArray[np.float64], labels: FeatureLabels) -> list[Near]:
    order = np.lexsort((np.arange(len(similar)), -similar))[:_NEAR]
    return [Near(f, printable(labels.label(f)), float(similar[f])) for f in order.tolist() if similar[f] > 0]


def _stretches(n: int) -> NDArray[np.int64]:
    """Return places among ``n``: all, or short stretches all over, so that few files are touched."""
    if n <= _COMPANIONS:
        return np.arange(n)
    starts = np.linspace(0, n - _STRETCH, _COMPANIONS // _STRETCH).astype(np.int64)
    return np.unique((starts[:, None] + np.arange(_STRETCH)).ravel())


def _around(middle: int, n: int, width: int) -> list[int]:
    low = max(0, min(middle - width // 2, n - width))
    return sorted(range(low, min(low + width, n)), key=lambda at: abs(at - middle))


def _whole(corpus: Corpus, rows: NDArray[np.integer]) -> list[int]:
    found = rows.astype(np.int64)
    return [int(row) for row in (found if corpus.selection is None else corpus.selection[found])]
