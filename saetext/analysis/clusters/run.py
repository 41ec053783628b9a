"""Clusters of a corpus: computed, described, named, validated; and placing other documents in them.

Not for: any one step; each has its module beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.base import Source
from saetext.analysis.clusters import validation
from saetext.analysis.clusters.already_fitted import already_fitted
from saetext.analysis.clusters.axis import Axis, axis_of
from saetext.analysis.clusters.changes.binning import Bins, bins_of
from saetext.analysis.clusters.changes.over_time import over_time
from saetext.analysis.clusters.fitting import fit
from saetext.analysis.clusters.levels.names import (
    Called,
    at_levels,
    level_names,
    levels_table,
    named_by_parts,
)
from saetext.analysis.clusters.names.naming import Evidence, names
from saetext.analysis.clusters.notes import levels_metrics, metrics_of, placing_notes, same_notes, shape_notes
from saetext.analysis.clusters.placing import place
from saetext.analysis.clusters.request import ClusterRequest, PredictRequest
from saetext.analysis.clusters.result import ClusterResult
from saetext.analysis.clusters.summarising import Summary, beginnings, evidence_of, summarise
from saetext.analysis.clusters.tables import clusters_table, documents_table
from saetext.analysis.clusters.views.fitting import fit_view
from saetext.analysis.clusters.views.showing import looked_at, shown_view, view_metrics, view_notes
from saetext.corpus.joined import Joined
from saetext.corpus.notices import warn_of
from saetext.corpus.protocol import CorpusLike
from saetext.corpus.spec import require_comparable
from saetext.encoding.opening import as_corpus, names_of
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.io.progress import Say, Stages
from saetext.io.request import verb, verb_of_two

if TYPE_CHECKING:
    from saetext.analysis.clusters.model import ClusterModel
    from saetext.encoding.opening import AnyCorpus


@verb(ClusterRequest)
def cluster(corpus: AnyCorpus, request: ClusterRequest) -> ClusterResult:
    """Group documents by what they share, say what each group is, and place all on a map.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        The documents.

    Returns
    -------
    ClusterResult

    Raises
    ------
    InputError
        If there are too few documents or they are all the same, or no feature matches.

    Examples
    --------
    >>> import saetext
    >>> result = saetext.cluster(saetext.Corpus.open("gentle.corpus"), min_cluster_size=10)
    >>> result.documents.height, result.table.height == result.n_clusters
    (150, True)
    """
    say = Stages(request.on_progress)
    asked = _opened(corpus, request)
    opened, sae, labels = asked.corpus, asked.sae, asked.labels
    axis = axis_of(
        labels, opened.spec.sae(sae).d_sae, include=request.phrases, exclude=tuple(request.exclude),
        features=request.weights,
    )  # fmt: skip
    seen = looked_at(opened, sae, request, say)
    shown, wanted = shown_view(seen, request), request.view
    if shown is None:
        by_density = request.replace(view=None)
        fitted, grouping, request, notes = fit(
            opened, sae, by_density, None if axis is None else axis.weight, say
        )
    else:
        fitted, grouping, notes = fit_view(opened, sae, request, shown.name, shown.found.k, say)
    noise = not request.assign_noise and shown is None
    placed = place(opened, sae, fitted, say, known=fitted.rows, noise=noise)
    placed.outlier[fitted.rows] = grouping.outlier
    if axis is not None:
        notes = [*axis.notes, *notes]
    notes += placing_notes(placed)
    k = fitted.n_clusters
    told = summarise(opened, sae, fitted, placed, request.seed, say)
    evidence = evidence_of(opened, sae, placed.cluster, told.described, told.words, told.sample, labels, say)
    called = _names(asked, request, told, evidence, notes, say)
    number = at_levels(fitted.levels, placed)
    words = [tuple(word for word, _ in some) for some in told.words]
    parts = level_names(
        opened, sae, fitted.levels, number, list(zip(called, words, strict=True)), labels, request.seed, say
    )
    if request.client is None and called:
        parts = named_by_parts(fitted.levels, parts)
        called = [name for name, _ in parts[fitted.levels.base]]
    metrics = metrics_of(placed, k) | levels_metrics(fitted.levels)
    metrics |= view_metrics(opened, seen, shown, request)
    notes += shape_notes(metrics, request) if shown is None else []
    notes += view_notes(seen, shown, wanted, request.looks)
    if request.validate:
        found, warned = validation.validate(opened, fitted, request, say)
        metrics |= found
        notes += warned
    if request.truth is not None:
        metrics |= validation.against_truth(opened, placed.cluster, request.truth)
        metrics |= validation.levels_against_truth(opened, number, request.truth)
    persistence: list[float | None] = [
        None if value != value else value for value in grouping.persistence.tolist()
    ]
    params = {
        **_params(asked, request, axis), "view": None if shown is None else shown.name,
        "used_features": len(fitted.basis.features), "fitted": len(fitted.rows),
    }  # fmt: skip
    result = ClusterResult(
        "cluster",
        clusters_table(
            opened, placed, told.described, told.exemplars, words, called, persistence, labels, evidence
        ),
        params,
        metrics,
        tuple(notes),
        asked.sources,
        documents=documents_table(opened, placed, called, fitted.rows[grouping.exemplar], number),
        levels=levels_table(fitted.levels, number, parts),
        tree=grouping.tree,
        fitted=fitted,
        axis=axis,
        described=tuple(told.described),
        exemplars=tuple(told.exemplars),
    )
    return _over(result, asked, request)


@verb_of_two(PredictRequest)
def predict(model: ClusterModel, corpus: AnyCorpus, request: PredictRequest) -> ClusterResult:
    """Place the documents of a corpus in clusters that were fitted to another.

    Parameters
    ----------
    model : ClusterModel
        From :func:`saetext.analysis.clusters.model.load_model`.
    corpus : Corpus, path, or what can be encoded
        Read by a comparable reader.

    Returns
    -------
    ClusterResult
        Described by the new documents, with the fitted clusters' numbers and names; a cluster none of them
        is in has size 0.

    Raises
    ------
    IncompatibleError
        If another reader made the corpus.
    InputError
        If there are no documents, or ``sae`` is not the model's.
    """
    say = Stages(request.on_progress)
    request.require_random()
    if request.sae not in (None, model.sae):
        raise InputError(f"the clusters were fitted to the features of {model.sae}, not of {request.sae}")
    asked = _opened(corpus, request, model)
    opened = asked.corpus
    fitted, called = model.fitted, list(model.names)
    own = opened.own if isinstance(opened, Joined) else None
    if own is None and request.over is not None:  # a bin of fitted documents would seem to differ from others
        own = already_fitted(model, [opened])[0]
    noise = not model.params.get("assign_noise") and model.params.get("view") is None  # as when it was fitted
    placed = place(opened, model.sae, fitted, say, noise=noise, own=own)
    k = fitted.n_clusters
    told = summarise(opened, model.sae, None, placed, 0, say, k)
    number = at_levels(fitted.levels, placed)
    metrics = metrics_of(placed, k) | levels_metrics(fitted.levels)
    if request.truth is not None:
        metrics |= validation.against_truth(opened, placed.cluster, request.truth)
        metrics |= validation.levels_against_truth(opened, number, request.truth)
    words = [tuple(word for word, _ in some) for some in told.words]
    parts: list[list[Called]] = [[(name, ()) for name in names] for names in model.level_names]
    result = ClusterResult(
        "cluster",
        clusters_table(
            opened, placed, told.described, told.exemplars, words, called, [None] * k, asked.labels
        ),
        _predicted_params(asked, request, model),
        metrics,
        (*placing_notes(placed), *(same_notes(placed) if own is None else [])),
        asked.sources,
        documents=documents_table(opened, placed, called, np.empty(0, np.int64), number),
        levels=levels_table(fitted.levels, number, parts),
        fitted=fitted,
        described=tuple(told.described),
        exemplars=tuple(told.exemplars),
    )
    return _over(result, asked, request)


@dataclass(frozen=True, eq=False)
class _Asked:
    """The documents to look at, what they are called, whose features count, and their labels."""

    corpus: CorpusLike
    name: str
    sae: str
    labels: FeatureLabels
    bins: Bins | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        return (Source.of(self.corpus, self.name),)


def _opened(corpus: AnyCorpus, request: PredictRequest, model: ClusterModel | None = None) -> _Asked:
    """Open a corpus and select from it; what cannot be is refused before the fit, not after it."""
    name = request.name or (names_of([corpus]) or ["corpus"])[0]
    opened: CorpusLike = as_corpus(corpus)
    if model is not None:
        require_comparable(model.spec, opened.spec, model.sae, names=("the model", name))
    opened = request.chosen(opened)
    if model is not None and opened.n_documents == 0:
        raise InputError(f"{name} ({opened.path}) has no documents")
    warn_of(opened)
    sae = opened.spec.sae(request.sae).name if model is None else model.sae
    labels = request.labels_of(opened, sae)
    if request.truth is not None:
        validation.known_labels(opened, request.truth)
    bins = None if request.over is None else bins_of(opened, request.over, request.bin)
    return _Asked(opened, name, sae, labels, bins)


def _over(result: ClusterResult, asked: _Asked, request: PredictRequest) -> ClusterResult:
    return result if asked.bins is None else over_time(result, asked.bins, request.seed)


def _names(
    asked: _Asked,
    request: ClusterRequest,
    told: Summary,
    evidence: Sequence[Evidence],
    notes: list[str],
    say: Say,
) -> list[str]:
    """Return the names of the clusters: from their words, labels and traits, or from a language model."""
    called = names(evidence, asked.labels)
    if request.client is None or not called:
        return called
    from saetext.analysis.clusters.names.by_llm import ask_names

    say("asking for names", 0, 0)
    words = [tuple(word for word, _ in some) for some in told.words]
    texts = [beginnings(asked.corpus, [one.row for one in some[:3]]) for some in told.exemplars]
    called, warned = ask_names(request.client, told.described, words, texts, asked.labels, called)
    notes += warned
    return called


def _params(asked: _Asked, request: ClusterRequest, axis: Axis | None) -> dict[str, Any]:
    """Return what was asked for, as it was resolved."""
    return {
        "corpus": asked.name,
        **request.params(),
        "sae": asked.sae,
        "kept_features": None if axis is None else len(axis.kept),
    }


def _predicted_params(asked: _Asked, request: PredictRequest, model: ClusterModel) -> dict[str, Any]:
    """Return what the fit was asked for, with what is asked for now."""
    told = request.params()
    if request.sample is None:
        del told["seed"]  # nothing random: the fit's stays
    return {
        **model.params, **told, "corpus": asked.name, "sae": model.sae, "model": str(model.path)
    }  # fmt: skip
