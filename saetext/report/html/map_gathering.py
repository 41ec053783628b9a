"""From clusters to what their map shows: points, passages with the words that fire, whole documents.

Not for: drawing (:mod:`saetext.report.html.map_page`, :mod:`saetext.report.html.map_picture`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.clusters import ClusterResult
from saetext.analysis.clusters.typical import Typical
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Stages
from saetext.report.html.map_model import MapCluster, MapColumn, MapDocument, MapFeature, MapPage
from saetext.report.html.passages import Passage, PassageBuilder, Piece
from saetext.text.passages import printable, word_bounds

if TYPE_CHECKING:
    import polars as pl

    from saetext.reader.reader import Reader

WHOLE = 5000  # documents up to which each can be opened
_BEGINNING = 160
_LONGEST = 20_000  # characters of an opened document
_FEATURES = 6  # of a cluster
_STRONGEST = 10  # features of an opened document
_COLUMNS = 20
_VALUES = 200  # values of a category that are told apart
_RESERVED = ("row", "id", "text", "prompt")
_SHADING = (
    "Words are shaded where the features fire that set the cluster apart, read again.",
    "Words are shaded where the features fire that set the cluster apart, read again.",
    "The reader was not at hand, so only each feature's strongest word is marked.",
)


def map_page(
    result: ClusterResult,
    corpus: CorpusLike,
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    whole: int = WHOLE,
    on_progress: OnProgress | None = None,
) -> MapPage:
    """Collect the page.

    Parameters
    ----------
    result : ClusterResult
        The result. Documents without a place are not on the map.
    corpus : Corpus
        The corpus it came from.
    labels : FeatureLabels
        What features are called.
    reader : Reader, optional
        Reads the examples again to shade every token; without it the strongest words are marked.
    whole : int
        Documents up to which each one is there as a whole.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as clusters are done.
    """
    tell = Stages(on_progress, "clusters")
    table = result.documents
    on_map = np.flatnonzero(table["x"].is_not_null().to_numpy())
    point = np.full(table.height, -1)
    point[on_map] = np.arange(len(on_map))
    shown = table[on_map]
    builder = PassageBuilder([corpus], [result.params["tap"]], [reader])
    clusters = []
    rows = [found.row for found in result.findings()]
    for number, row in enumerate(rows):
        examples = result.typical[number] if number < len(result.typical) else ()
        clusters.append(_cluster(row, [_passage(builder, t, point) for t in examples]))
        tell("reading the examples", number + 1, len(rows))
    import polars as pl

    texts = corpus.documents.select(pl.col("text").str.slice(0, 4 * _BEGINNING)).collect()["text"][on_map]
    return MapPage(
        _title(result),
        _summary(result),
        shown["x"].to_numpy().astype(np.float32),
        shown["y"].to_numpy().astype(np.float32),
        shown["cluster"].to_numpy().astype(np.int32),
        shown["probability"].to_numpy().astype(np.float32),
        [printable(text) for text in shown["id"].to_list()],
        [_beginning(text) for text in texts.to_list()],
        clusters,
        _columns(corpus, on_map),
        _documents(result, corpus, labels, on_map) if len(on_map) <= whole and not texts.null_count() else (),
        result.notes,
        _facts(result),
        builder.told(*_SHADING),
    )


def _title(result: ClusterResult) -> str:
    along = result.params.get("along")
    axis = f", along {', '.join(map(printable, along))}" if along else ""
    return f"What is in {printable(result.params['corpus'])}{axis}"


def _summary(result: ClusterResult) -> list[str]:
    m = result.metrics
    lines = [
        f"{m['documents']:,} documents in {m['n_clusters']:,} clusters; {m['noise']:.0%} are in none.",
        "Documents lie near each other that share features; distances across the whole map mean little.",
    ]
    if "ari" in m:
        lines.append(
            f"Against {printable(result.params['truth'])} ({m['truth_values']:,} values): adjusted Rand "
            f"index {m['ari']:.2f}, normalised mutual information {m['nmi']:.2f}, noise counted as a class."
        )
    if "stability_seeds" in m:
        lines.append(
            f"Clustered again with other seeds the adjusted Rand index is {m['stability_seeds']:.2f}, with "
            f"80 % of the documents {m['stability_subsamples']:.2f}."
        )
    return lines


def _cluster(row: Mapping[str, Any], examples: Sequence[Passage]) -> MapCluster:
    facts = []
    if row["probability"] is not None:
        facts.append(("mean probability", f"{row['probability']:.2f}"))
    if row["persistence"] is not None:
        facts.append(("persistence", f"{row['persistence']:.2f}"))
    return MapCluster(
        int(row["cluster"]),
        row["name"],
        int(row["size"]),
        float(row["share"]),
        _features(row["features"]),
        tuple((near["name"], _features(near["features"])[:3]) for near in row["against"]),
        tuple(row["words"]),
        tuple(examples),
        tuple(facts),
    )


def _features(told: Sequence[Mapping[str, Any]]) -> tuple[MapFeature, ...]:
    return tuple(MapFeature(t["label"], t["inside"], t["outside"], t["feature"]) for t in told[:_FEATURES])


def _beginning(text: str | None) -> str:
    if text is None:
        return ""
    shown = printable(text).strip()
    return shown if len(shown) <= _BEGINNING else shown[: _BEGINNING - 1].rstrip() + "…"


def _columns(corpus: CorpusLike, rows: Ints) -> list[MapColumn]:
    """Return the metadata that points can be coloured by: numbers, and categories with few values."""
    schema = corpus.documents.collect_schema()
    found: list[MapColumn] = []
    for name, dtype in schema.items():
        if name in _RESERVED or dtype.is_nested() or len(found) == _COLUMNS:
            continue
        column = corpus.documents.select(name).collect()[name][rows]
        made = _column(name, column)
        if made is not None:
            found.append(made)
    return found


def _column(name: str, column: pl.Series) -> MapColumn | None:
    import polars as pl

    if column.dtype in (pl.Binary, pl.Duration):  # neither is text
        return None
    distinct = column.drop_nulls().n_unique()
    if distinct < 2:
        return None
    if column.dtype.is_numeric() and distinct > 12:
        numbers = column.cast(pl.Float32).fill_null(float("nan")).to_numpy()
        return MapColumn(printable(name), number=np.where(np.isfinite(numbers), numbers, np.nan))
    if distinct > _VALUES:
        return None
    text = column.cast(pl.String)
    counts = text.drop_nulls().value_counts(sort=True).sort(["count", text.name], descending=[True, False])
    values = counts[text.name].to_list()
    place = {value: at for at, value in enumerate(values)}
    code = np.array([-1 if value is None else place[value] for value in text.to_list()], np.int32)
    return MapColumn(printable(name), tuple(printable(value) for value in values), code)


def _documents(
    result: ClusterResult, corpus: CorpusLike, labels: FeatureLabels, on_map: Ints
) -> list[MapDocument]:
    """Return whole documents, the words marked where the cluster's features fire most."""
    tap = result.params["tap"]
    usual = np.maximum(_usual(corpus, tap), 1e-9)
    telling = [{t.feature for t in one.telling[:_FEATURES]} for one in result.described]
    cluster = result.documents["cluster"].to_numpy()
    made: dict[int, MapDocument] = {}
    wanted = np.zeros(corpus.n_documents, bool)
    wanted[on_map] = True
    start = 0
    for block in corpus.rows(tap):
        for local in range(len(block)):
            row = start + local
            if not wanted[row]:
                continue
            here = slice(int(block.indptr[local]), int(block.indptr[local + 1]))
            feature, value, peak = block.feature[here], block.value[here], block.peak[here]
            strength = value / usual[feature]
            order = np.argsort(-strength, kind="stable")[:_STRONGEST]
            mine = telling[cluster[row] - 1] if cluster[row] else set()
            document = corpus.document(row)
            marks = [int(p) for f, p in zip(feature.tolist(), peak.tolist(), strict=True) if f in mine]
            made[row] = MapDocument(
                _whole(document, marks),
                tuple((labels.label(int(feature[i])), float(strength[i])) for i in order),
                printable(document.get("prompt") or "", newlines=True)[:_LONGEST],
            )
        start += len(block)
    return [made[int(row)] for row in on_map]


def _usual(corpus: CorpusLike, tap: str) -> np.ndarray[Any, Any]:
    """Return float64[d_sae]: the mean strength of each feature where it is present."""
    d_sae = corpus.spec.tap(tap).d_sae
    total, count = np.zeros(d_sae), np.zeros(d_sae)
    for block in corpus.rows(tap):
        total += np.bincount(block.feature, block.value, minlength=d_sae)
        count += np.bincount(block.feature, minlength=d_sae)
    return total / np.maximum(count, 1)


def _whole(document: Mapping[str, Any], marks: Sequence[int]) -> tuple[Piece, ...]:
    text, start, end = document["text"], document["token_start"], document["token_end"]
    spans = sorted({word_bounds(text, int(start[p]), int(end[p])) for p in marks if 0 <= p < len(start)})
    pieces, at = [], 0
    for low, high in spans:
        low = max(low, at)
        if low >= high or high > _LONGEST:
            continue
        pieces += [Piece(text[at:low]), Piece(text[low:high], 0.7)]
        at = high
    rest = text[at : max(_LONGEST, at)]
    pieces.append(Piece(rest + ("…" if len(text) > max(_LONGEST, at) else "")))
    return tuple(piece for piece in pieces if piece.text)


def _passage(builder: PassageBuilder, example: Typical, point: Ints) -> Passage:
    """Return an example with the words shaded on which the features of its cluster are active."""
    fired = example.fired[:_FEATURES]
    spans = [s for f in fired for s in builder.spans(0, example.row, f.feature, f.value, f.peak)]
    focus = builder.focus(0, example.row, fired[0].peak if fired else -1)
    at = int(point[example.row])
    return builder.passage(0, example.row, [spans], focus, point=at if at >= 0 else None)


def _facts(result: ClusterResult) -> dict[str, str]:
    facts = {}
    for key, value in result.params.items():
        if value is None or value == [] or value == {}:
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name} ({weight:g})" for name, weight in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        facts[key.replace("_", " ")] = printable(str(value))
    for source in result.sources:
        facts[f"corpus {printable(source.name)}"] = printable(f"{source.path}, {source.fingerprint[:12]}")
    return facts
