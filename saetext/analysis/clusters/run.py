"""Clusters of a corpus: computed, described, named, checked; and placing other documents in them.

Not for: any one step; each has its module beside this one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.clusters import trust as trusting
from saetext.analysis.clusters.axis import Axis, Phrases, axis_of
from saetext.analysis.clusters.describing import AGAINST, Described, Telling, describe
from saetext.analysis.clusters.fitting import Fitted, Placed, Settings, fit, place
from saetext.analysis.clusters.meaning import texts_of
from saetext.analysis.clusters.naming import MOST_SAMPLED, SAMPLED, Words, names, typical_words
from saetext.analysis.clusters.result import COLUMNS, DOCUMENT_COLUMNS, ClusterResult
from saetext.analysis.clusters.typical import Typical, centres, nearest_clusters, typical, typical_rows
from saetext.corpus.notices import warn_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.spec import require_comparable
from saetext.encoding.opening import as_corpus, names_of
from saetext.errors import InputError
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Say, Stages
from saetext.text.passages import printable, snippet

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.clusters.model import ClusterModel
    from saetext.encoding.opening import AnyCorpus
    from saetext.io.llm import ChatClient

SHOWN = 12  # features of each cluster in the table
EXAMPLES = 5
_BEGINNING = 160  # characters
_READ = 2000  # characters of a text whose words are counted
_GIANT = 0.8  # share of the documents in one cluster from which on a note says so
_NOISY = 0.5


def cluster(
    corpus: AnyCorpus,
    *,
    along: Phrases | str = (),
    without: Sequence[str] | str = (),
    features: Mapping[int, float] | Sequence[int] | None = None,
    settings: Settings | None = None,
    truth: str | None = None,
    trust: bool = False,
    client: ChatClient | None = None,
    tap: str | None = None,
    name: str | None = None,
    labels: FeatureLabels | None = None,
    on_progress: OnProgress | None = None,
    **parameters: Any,
) -> ClusterResult:
    """Group documents by what they share, say what each group is, and place all on a map.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        The documents.
    along : str, sequence of str, or mapping of str to float
        Only features whose labels are like these words count (several phrases, with weights if a mapping).
    without : str or sequence of str
        Features whose labels are like these words do not count.
    features : sequence of int, or mapping of int to float
        Only these features count, or these besides those of ``along``.
    settings : Settings, optional
        Parameters of every step; single ones may be given by name instead (``min_cluster_size=20``).
    truth : str, optional
        Column of labels to compare the clusters with.
    trust : bool
        Whether to measure DBCV, stability and silhouette (:mod:`saetext.analysis.clusters.trust`).
    client : ChatClient, optional
        Language model that names the clusters, in one request.
    tap : str, optional
        Which tap; needed only when there are several.
    name : str, optional
        What to call the corpus; by default the name of its file.
    labels : FeatureLabels, optional
        What to call the features; by default those known for the corpus.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` at every stage, and as it goes on.
    **parameters
        Fields of :class:`saetext.analysis.clusters.fitting.Settings`.

    Returns
    -------
    ClusterResult

    Raises
    ------
    InputError
        If there are too few documents or they are all the same, no feature is on the axis, or a parameter is
        out of range.

    Examples
    --------
    >>> import saetext
    >>> result = saetext.cluster(saetext.Corpus.open("gentle.corpus"), min_cluster_size=10)
    >>> result.documents.height, result.table.height == result.n_clusters
    (150, True)
    """
    say = Stages(on_progress)
    unknown = set(parameters) - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        raise TypeError(f"unknown parameters: {', '.join(sorted(unknown))}")
    chosen = dataclasses.replace(settings or Settings(), **parameters)
    name = name or (names_of([corpus]) or ["corpus"])[0]
    opened: CorpusLike = as_corpus(corpus)
    warn_of(opened)
    tap_name = opened.spec.tap(tap).name
    if labels is None:
        labels = labels_for(opened, tap_name)
    else:
        labels.require_for(opened.spec.tap(tap_name))
    if truth is not None:
        trusting.known_labels(opened, truth)  # refused before the fit, not after it
    axis = _axis(opened, tap_name, labels, along, without, features)
    fitted, grouping, chosen, notes = fit(
        opened, tap_name, chosen, None if axis is None else axis.weight, say
    )
    placed = place(opened, tap_name, fitted, say, known=fitted.rows, noise=not chosen.assign_noise)
    placed.outlier[fitted.rows] = grouping.outlier
    if axis is not None:
        notes = [*axis.notes, *notes]
    notes += _placing_notes(placed, fitted)
    k = fitted.n_clusters
    described, typicals, scored = _describe(opened, tap_name, fitted, placed, chosen.seed, say)
    called = names(described, scored, labels)
    words = [tuple(word for word, _ in some) for some in scored]
    if client is not None and k:
        from saetext.analysis.clusters.named_by_llm import ask_names

        say("asking for names", 0, 0)
        beginnings = [_beginnings(opened, [t.row for t in some[:3]]) for some in typicals]
        called, told = ask_names(client, described, words, beginnings, labels, called)
        notes += told
    metrics = _metrics(placed, k)
    notes += _shape_notes(metrics, chosen)
    if trust:
        found, told = trusting.trust(opened, fitted, chosen, say)
        metrics |= found
        notes += told
    if truth is not None:
        metrics |= trusting.against_truth(opened, placed.cluster, truth)
    persistence: list[float | None] = grouping.persistence.tolist()
    params = {
        "corpus": name,
        "tap": tap_name,
        "along": dict(along) if isinstance(along, Mapping) else _phrases(along),
        "without": _phrases(without),
        "features": None if features is None else _numbered(features),
        "kept_features": None if axis is None else len(axis.kept),
        **dataclasses.asdict(chosen),
        "truth": truth,
        "trust": trust,
        "used_features": len(fitted.basis.features),
        "fitted": len(fitted.rows),
    }
    return ClusterResult(
        "cluster",
        _table(opened, placed, described, typicals, words, called, persistence, labels),
        params,
        metrics,
        tuple(notes),
        (Source(name, str(opened.path), opened.fingerprint),),
        documents=_documents(opened, placed, called, fitted.rows[grouping.exemplar]),
        tree=grouping.tree,
        fitted=fitted,
        axis=axis,
        described=tuple(described),
        typical=tuple(typicals),
    )


def predict(
    model: ClusterModel,
    corpus: AnyCorpus,
    *,
    truth: str | None = None,
    name: str | None = None,
    labels: FeatureLabels | None = None,
    on_progress: OnProgress | None = None,
) -> ClusterResult:
    """Place the documents of a corpus in clusters that were fitted to another.

    Parameters
    ----------
    model : ClusterModel
        From :func:`saetext.analysis.clusters.model.load_model`.
    corpus : Corpus, path, or what can be encoded
        Read by a comparable reader.
    truth, name, labels, on_progress
        As for :func:`cluster`.

    Returns
    -------
    ClusterResult
        Described by the new documents, with the fitted clusters' numbers and names; a cluster none of them
        is in has size 0.

    Raises
    ------
    IncompatibleError
        If another reader made the corpus.
    """
    say = Stages(on_progress)
    name = name or (names_of([corpus]) or ["corpus"])[0]
    opened: CorpusLike = as_corpus(corpus)
    require_comparable(model.spec, opened.spec, model.tap, names=("the model", name))
    if opened.n_documents == 0:
        raise InputError(f"{name} ({opened.path}) has no documents")
    warn_of(opened)
    if truth is not None:
        trusting.known_labels(opened, truth)
    labels = labels if labels is not None else labels_for(opened, model.tap)
    fitted = model.fitted
    placed = place(opened, model.tap, fitted, say, noise=not model.params.get("assign_noise"))
    k = fitted.n_clusters
    described, typicals, scored = _describe(opened, model.tap, None, placed, 0, say, k)
    words = [tuple(word for word, _ in some) for some in scored]
    metrics = _metrics(placed, k)
    if truth is not None:
        metrics |= trusting.against_truth(opened, placed.cluster, truth)
    params = {**model.params, "corpus": name, "tap": model.tap, "model": str(model.path), "truth": truth}
    persistence: list[float | None] = [None] * k
    return ClusterResult(
        "cluster",
        _table(opened, placed, described, typicals, words, list(model.names), persistence, labels),
        params,
        metrics,
        tuple(_placing_notes(placed, fitted)),
        (Source(name, str(opened.path), opened.fingerprint),),
        documents=_documents(opened, placed, list(model.names), np.empty(0, np.int64)),
        fitted=fitted,
        described=tuple(described),
        typical=tuple(typicals),
    )


def _axis(
    corpus: CorpusLike,
    tap: str,
    labels: FeatureLabels,
    along: Phrases | str,
    without: Sequence[str] | str,
    features: Mapping[int, float] | Sequence[int] | None,
) -> Axis | None:
    return axis_of(
        labels,
        corpus.spec.tap(tap).d_sae,
        along=[along] if isinstance(along, str) else along,
        without=_phrases(without),
        features=None if features is None else _numbered(features),
    )


def _phrases(told: Phrases | str) -> list[str]:
    return [told] if isinstance(told, str) else list(told)


def _numbered(features: Mapping[int, float] | Sequence[int]) -> dict[int, float]:
    return dict(features) if isinstance(features, Mapping) else dict.fromkeys(features, 1.0)


def _describe(
    corpus: CorpusLike,
    tap: str,
    fitted: Fitted | None,
    placed: Placed,
    seed: int,
    say: Say,
    n_clusters: int | None = None,
) -> tuple[list[Described], list[tuple[Typical, ...]], list[Words]]:
    """Describe all clusters; without ``fitted`` (new documents) the typical ones are those placed firmly."""
    k = n_clusters if fitted is None else fitted.n_clusters
    if not k:
        return [], [], []
    if fitted is None:
        near: list[list[int]] = [[] for _ in range(k)]
        rows = [
            members[np.argsort(-placed.probability[members], kind="stable")[:EXAMPLES]]
            for members in (np.flatnonzero(placed.cluster == c) for c in range(1, k + 1))
        ]
    else:
        centre = centres(fitted.vectors, fitted.cluster, k)
        near = nearest_clusters(centre, AGAINST)
        rows = [
            fitted.rows[at]
            for at in typical_rows(fitted.vectors, fitted.cluster, fitted.probability, centre, EXAMPLES)
        ]
    described = describe(
        corpus, tap, placed.cluster, near, lambda done, of: say("describing clusters", done, of)
    )
    described += [Described((), ())] * (k - len(described))
    telling = [[t.feature for t in one.telling[:SHOWN]] for one in described]
    typicals = typical(corpus, tap, rows, telling)
    say("counting words", 0, 0)
    return described, typicals, _words(corpus, placed.cluster, k, seed)


def _words(corpus: CorpusLike, cluster: NDArray[np.int32], k: int, seed: int) -> list[Words]:
    rng = np.random.default_rng([seed, 13])
    each = max(5, min(SAMPLED, MOST_SAMPLED // k))
    chosen: list[Ints] = []
    for c in range(1, k + 1):
        members = np.flatnonzero(cluster == c)
        chosen.append(rng.permutation(members)[:each])
    rows = np.sort(np.concatenate(chosen))
    if not len(rows):
        return [()] * k
    texts = texts_of(corpus, rows, _READ)
    if texts is None:
        return [()] * k
    return typical_words(texts, cluster[rows].tolist(), k)


def _metrics(placed: Placed, k: int) -> dict[str, Any]:
    sizes = np.bincount(placed.cluster, minlength=k + 1)
    n = len(placed.cluster)
    return {
        "documents": n,
        "n_clusters": k,
        "noise": float(sizes[0] / max(n, 1)),
        "noise_documents": int(sizes[0]),
        "largest": int(sizes[1:].max(initial=0)),
        "placed": int((~placed.fitted & ~placed.empty).sum()),
        "empty": int(placed.empty.sum()),
        "unlike": placed.unlike,
    }


def _placing_notes(placed: Placed, fitted: Fitted) -> list[str]:
    notes = []
    if empty := int(placed.empty.sum()):
        notes.append(f"{empty:,} documents have none of the features that count: they are in no cluster")
    if placed.unlike:
        notes.append(
            f"{placed.unlike:,} placed documents are farther from all fitted ones than 99.5 % of those are "
            "from each other: they are in no cluster"
        )
    return notes


def _shape_notes(metrics: Mapping[str, Any], settings: Settings) -> list[str]:
    n, k = metrics["documents"], metrics["n_clusters"]
    if not k:
        return [
            "all documents are noise: no part of the pile is denser than the rest. Lower --min-cluster-size "
            f"({settings.min_cluster_size}) or --min-samples ({settings.min_samples}), or keep fewer "
            "features with --along"
        ]
    notes = []
    if metrics["largest"] > _GIANT * n:
        finer = "" if settings.method == "leaf" else "--method leaf, "
        notes.append(
            f"one cluster holds {metrics['largest'] / n:.0%} of the documents: for finer ones try {finer}a "
            f"smaller --min-cluster-size ({settings.min_cluster_size}), or another axis with --along"
        )
    if metrics["noise"] > _NOISY:
        notes.append(
            f"{metrics['noise']:.0%} of the documents are in no cluster: --assign-noise puts each where it "
            f"belongs most, a smaller --min-samples ({settings.min_samples}) leaves out fewer"
        )
    return notes


def _documents(corpus: CorpusLike, placed: Placed, called: list[str], exemplars: Ints) -> pl.DataFrame:
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
    ).select(DOCUMENT_COLUMNS)


def _beginnings(corpus: CorpusLike, rows: Sequence[int]) -> list[str]:
    texts = [corpus.document(row)["text"] for row in rows]
    return [printable(text).strip()[:_BEGINNING] for text in texts if text is not None]


def _table(
    corpus: CorpusLike,
    placed: Placed,
    described: Sequence[Described],
    typicals: Sequence[tuple[Typical, ...]],
    words: Sequence[tuple[str, ...]],
    called: Sequence[str],
    persistence: Sequence[float | None],
    labels: FeatureLabels,
) -> pl.DataFrame:
    import polars as pl

    sizes = np.bincount(placed.cluster, minlength=len(called) + 1)
    rows = []
    for c, one in enumerate(described, start=1):
        examples = [corpus.document(t.row) for t in typicals[c - 1]]
        first = examples[0] if examples else None
        text = None if first is None else first["text"]
        mine = placed.probability[placed.cluster == c]
        rows.append(
            {
                "cluster": c,
                "name": called[c - 1],
                "size": int(sizes[c]),
                "share": sizes[c] / max(len(placed.cluster), 1),
                "probability": float(mine.mean()) if len(mine) else None,
                "persistence": persistence[c - 1],
                "features": [_row(t, labels) for t in one.telling[:SHOWN]],
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
                "snippet": None if text is None else _marked(first, typicals[c - 1][0]),
            }
        )
    return pl.DataFrame(rows, schema=_schema(), orient="row").select(COLUMNS)


def _row(telling: Telling, labels: FeatureLabels) -> dict[str, Any]:
    known = dataclasses.asdict(telling)
    del known["p"]
    return {"feature": known.pop("feature"), "label": labels.label(telling.feature), **known}


def _cut(text: str) -> str:
    return text if len(text) <= _BEGINNING else text[: _BEGINNING - 1].rstrip() + "…"


def _marked(document: Any, example: Typical) -> str | None:
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
