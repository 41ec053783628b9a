"""From clusters to what their map shows: points, passages with the words that are active, whole documents.

Not for: drawing (:mod:`saetext.report.html.map_page`, :mod:`saetext.report.html.map_picture`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.clusters import ClusterResult
from saetext.analysis.clusters.describing import Described
from saetext.analysis.clusters.exemplars import Exemplar
from saetext.corpus.joined import SET
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.features.shading import FullShade
from saetext.io.progress import OnProgress, Say, Stages
from saetext.report.html.map_changes import change_facts
from saetext.report.html.map_model import (
    MapCluster,
    MapColumn,
    MapDocument,
    MapFeature,
    MapLevel,
    MapPage,
    MapPart,
)
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
    "Words are shaded where the features that set the cluster apart are active, read again.",
    "Words are shaded where the features that set the cluster apart are active, read again.",
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
    tell = Stages(on_progress)
    table = result.documents
    on_map = np.flatnonzero(table["x"].is_not_null().to_numpy())
    point = np.full(table.height, -1)
    point[on_map] = np.arange(len(on_map))
    shown = table[on_map]
    builder = PassageBuilder([corpus], [result.params["sae"]], [reader])
    wanted = {
        example.row: {one.feature for one in example.fired[:_FEATURES]}
        for examples in result.exemplars
        for example in examples
        if example.fired
    }
    builder.read_ahead(0, wanted, lambda done, of: tell("reading examples", done, of))
    clusters = []
    rows = [found.row for found in result.grouped()]
    for number, row in enumerate(rows):
        examples = result.exemplars[number] if number < len(result.exemplars) else ()
        told = _cluster(row, _passages(builder, examples, point))
        clusters.append(dataclasses.replace(told, facts=(*change_facts(result, row["cluster"]), *told.facts)))
        tell("gathering clusters", number + 1, len(rows))
    import polars as pl

    texts = corpus.documents.select(pl.col("text").str.slice(0, 4 * _BEGINNING)).collect()["text"][on_map]
    whole_ones = len(on_map) <= whole and not texts.null_count()
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
        _documents(result, corpus, labels, on_map, tell) if whole_ones else (),
        result.notes,
        _facts(result),
        builder.told(*_SHADING),
        *_levels(result, on_map),
        colour=SET if result.params.get("sets") else "",
    )


def _levels(result: ClusterResult, on_map: Ints) -> tuple[tuple[MapLevel, ...], int]:
    """Return the levels, if there is more than the clusters, and which of them those are."""
    if result.n_levels < 2:
        return (), 0
    found = []
    for level in range(1, result.n_levels + 1):
        rows = result.levels.filter(result.levels["level"] == level).to_dicts()
        parts = tuple(
            MapPart(row["part"], row["name"], row["size"], row["parent"] or 0, row["cluster"]) for row in rows
        )
        found.append(MapLevel(parts, result.documents[f"level_{level}"].to_numpy()[on_map]))
    return tuple(found), int(result.metrics["level_of_clusters"]) - 1


def _title(result: ClusterResult) -> str:
    include = result.params.get("include")
    axis = f", including {', '.join(map(printable, include))}" if include else ""
    return f"Clusters of {printable(result.params['corpus'])}{axis}"


def _summary(result: ClusterResult) -> list[str]:
    m = result.metrics
    lines = [
        f"{m['documents']:,} documents in {m['n_clusters']:,} clusters; {m['noise']:.0%} are in no cluster.",
        "Documents that are close share features. Large distances on the map mean little.",
    ]
    if "ari" in m:
        lines.append(
            f"Compared with {printable(result.params['truth'])} ({m['truth_values']:,} values): adjusted "
            f"Rand index {m['ari']:.2f}, normalised mutual information {m['nmi']:.2f}. "
            "Noise counts as one class."
        )
    if "stability_seeds" in m:
        lines.append(
            f"Stability (adjusted Rand index): {m['stability_seeds']:.2f} over seeds, "
            f"{m['stability_subsamples']:.2f} over samples of 80 % of the documents."
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
    result: ClusterResult, corpus: CorpusLike, labels: FeatureLabels, on_map: Ints, say: Say
) -> list[MapDocument]:
    """Return whole documents, the words marked where the cluster's features are active most."""
    sae = result.params["sae"]
    usual, largest = _strengths(corpus, sae)
    usual = np.maximum(usual, 1e-9)
    shades = FullShade([corpus.calibration(sae)])
    full = {f: shades.of(f, [float(largest[f])]) for one in result.described for f in _marked(one)}
    telling = [set(_marked(one)) for one in result.described]
    cluster = result.documents["cluster"].to_numpy()
    made: dict[int, MapDocument] = {}
    wanted = np.zeros(corpus.n_documents, bool)
    wanted[on_map] = True
    start = 0
    for block in corpus.rows(sae):
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
            marks = [
                (p, v / full[f])
                for f, p, v in zip(feature.tolist(), peak.tolist(), value.tolist(), strict=True)
                if f in mine
            ]
            made[row] = MapDocument(
                _whole(document, marks),
                tuple((labels.label(int(feature[i])), float(strength[i])) for i in order),
                printable(document.get("prompt") or "", newlines=True)[:_LONGEST],
            )
        start += len(block)
        say("gathering documents", start, corpus.n_documents)
    return [made[int(row)] for row in on_map]


def _marked(one: Described) -> list[int]:
    return [told.feature for told in one.telling[:_FEATURES]]


def _strengths(corpus: CorpusLike, sae: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return float64[d_sae] twice: the mean strength of each feature where it is present, and the largest."""
    d_sae = corpus.spec.sae(sae).d_sae
    total, count, largest = np.zeros(d_sae), np.zeros(d_sae), np.zeros(d_sae)
    for block in corpus.rows(sae):
        np.maximum.at(largest, block.feature, block.value)
        total += np.bincount(block.feature, block.value, minlength=d_sae)
        count += np.bincount(block.feature, minlength=d_sae)
    return total / np.maximum(count, 1), largest


def _whole(document: Mapping[str, Any], marks: Sequence[tuple[int, float]]) -> tuple[Piece, ...]:
    """Return a document in pieces; ``marks`` are token ordinals and the strength of what is active there."""
    text, start, end = document["text"], document["token_start"], document["token_end"]
    spans: dict[tuple[int, int], float] = {}
    for peak, strength in marks:
        if 0 <= peak < len(start):
            word = word_bounds(text, int(start[peak]), int(end[peak]))
            spans[word] = max(strength, spans.get(word, 0.0))
    pieces, at = [], 0
    for (low, high), strength in sorted(spans.items()):
        low = max(low, at)
        if low >= high or high > _LONGEST:
            continue
        pieces += [Piece(text[at:low]), Piece(text[low:high], strength)]
        at = high
    rest = text[at : max(_LONGEST, at)]
    pieces.append(Piece(rest + ("…" if len(text) > max(_LONGEST, at) else "")))
    return tuple(piece for piece in pieces if piece.text)


def _passages(builder: PassageBuilder, examples: Sequence[Exemplar], point: Ints) -> list[Passage]:
    """Return all examples of a cluster, each feature on one scale of shades."""
    shown: dict[int, list[float]] = {}
    for example in examples:
        for one in example.fired[:_FEATURES]:
            shown.setdefault(one.feature, []).append(one.value)
    full = {feature: builder.full(0, feature, values) for feature, values in shown.items()}
    return [_passage(builder, example, point, full) for example in examples]


def _passage(builder: PassageBuilder, example: Exemplar, point: Ints, full: Mapping[int, float]) -> Passage:
    """Return an example with the words shaded on which the features of its cluster are active."""
    fired = example.fired[:_FEATURES]
    spans = [
        span
        for f in fired
        for span in builder.spans(0, example.row, f.feature, f.value, f.peak, full[f.feature])
    ]
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
