"""saetext: read piles of text through a language model and a sparse autoencoder, and compare what is in them.

The names a user types, loaded when first used: importing saetext loads neither torch nor polars.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from saetext.analysis import registry
from saetext.errors import SaetextError, SaetextWarning
from saetext.io.provided import provide, resolve

if TYPE_CHECKING:
    from saetext.analysis.checking import Baseline, CheckResult, baseline, check
    from saetext.analysis.clusters import ClusterResult, cluster
    from saetext.analysis.cooccurrence import CorrelateResult, correlate
    from saetext.analysis.differences import DiffResult, OutcomeResult, diff
    from saetext.analysis.search import Searcher, SearchResult, build_index, search
    from saetext.corpus import Corpus
    from saetext.corpus.compacting import compact
    from saetext.corpus.finishing import finish_slices
    from saetext.corpus.merging import merge
    from saetext.corpus.transfer import pull, push
    from saetext.documents import open_documents
    from saetext.encoding.encoder import append, encode
    from saetext.encoding.engines.on_ray import RayEngine
    from saetext.encoding.engines.processes import ProcessEngine
    from saetext.encoding.slices import encode_slice, prepare_slices
    from saetext.features.labelling.pipeline import label
    from saetext.features.labels import FeatureLabels
    from saetext.features.vectorizer import SAEVectorizer
    from saetext.intervene.ablation import AblateResult, ablate
    from saetext.intervene.attribution import AttributionResult, attribute
    from saetext.intervene.bias import BiasResult, bias
    from saetext.intervene.causes import WhyResult, why
    from saetext.intervene.expression import ExpressionResult, expression
    from saetext.intervene.heads import AttendResult, attend
    from saetext.intervene.result import SteerResult
    from saetext.intervene.shifts import Shift, ShiftEvaluation, ShiftResult, evaluate_shift, shift
    from saetext.intervene.steer import steer
    from saetext.reader.reader import Reader
    from saetext.reader.thresholds.estimation import calibrate
    from saetext.report.explore.in_python import Explorer, explore
    from saetext.training.config import TrainConfig
    from saetext.training.optimisation import train_sae
    from saetext.training.pipeline import train

__all__ = [
    "AblateResult",
    "AttendResult",
    "AttributionResult",
    "Baseline",
    "BiasResult",
    "CheckResult",
    "ClusterResult",
    "Corpus",
    "CorrelateResult",
    "DiffResult",
    "Explorer",
    "ExpressionResult",
    "FeatureLabels",
    "OutcomeResult",
    "ProcessEngine",
    "RayEngine",
    "Reader",
    "SAEVectorizer",
    "SaetextError",
    "SaetextWarning",
    "SearchResult",
    "Searcher",
    "Shift",
    "ShiftEvaluation",
    "ShiftResult",
    "SteerResult",
    "TrainConfig",
    "WhyResult",
    "ablate",
    "append",
    "attend",
    "attribute",
    "baseline",
    "bias",
    "build_index",
    "calibrate",
    "check",
    "cluster",
    "compact",
    "correlate",
    "diff",
    "encode",
    "encode_slice",
    "evaluate_shift",
    "explore",
    "expression",
    "finish_slices",
    "label",
    "merge",
    "open_documents",
    "prepare_slices",
    "pull",
    "push",
    "search",
    "shift",
    "steer",
    "train",
    "train_sae",
    "why",
]

_HOMES = {
    "AblateResult": "saetext.intervene.ablation",
    "AttendResult": "saetext.intervene.heads",
    "AttributionResult": "saetext.intervene.attribution",
    "Baseline": "saetext.analysis.checking",
    "BiasResult": "saetext.intervene.bias",
    "CheckResult": "saetext.analysis.checking",
    "ClusterResult": "saetext.analysis.clusters",
    "Corpus": "saetext.corpus",
    "CorrelateResult": "saetext.analysis.cooccurrence",
    "DiffResult": "saetext.analysis.differences",
    "Explorer": "saetext.report.explore.in_python",
    "ExpressionResult": "saetext.intervene.expression",
    "FeatureLabels": "saetext.features.labels",
    "OutcomeResult": "saetext.analysis.differences",
    "ProcessEngine": "saetext.encoding.engines.processes",
    "RayEngine": "saetext.encoding.engines.on_ray",
    "Reader": "saetext.reader.reader",
    "SAEVectorizer": "saetext.features.vectorizer",
    "SearchResult": "saetext.analysis.search",
    "Searcher": "saetext.analysis.search",
    "Shift": "saetext.intervene.shifts.saved",
    "ShiftEvaluation": "saetext.intervene.shifts.result",
    "ShiftResult": "saetext.intervene.shifts.result",
    "SteerResult": "saetext.intervene.result",
    "TrainConfig": "saetext.training.config",
    "WhyResult": "saetext.intervene.causes",
    "append": "saetext.encoding.encoder",
    "baseline": "saetext.analysis.checking",
    "build_index": "saetext.analysis.search",
    "calibrate": "saetext.reader.thresholds.estimation",
    "cluster": "saetext.analysis.clusters",
    "compact": "saetext.corpus.compacting",
    "correlate": "saetext.analysis.cooccurrence",
    "diff": "saetext.analysis.differences",
    "encode": "saetext.encoding.encoder",
    "encode_slice": "saetext.encoding.slices",
    "evaluate_shift": "saetext.intervene.shifts.evaluate",
    "explore": "saetext.report.explore.in_python",
    "finish_slices": "saetext.corpus.finishing",
    "label": "saetext.features.labelling.pipeline",
    "merge": "saetext.corpus.merging",
    "open_documents": "saetext.documents",
    "prepare_slices": "saetext.encoding.slices",
    "pull": "saetext.corpus.transfer",
    "push": "saetext.corpus.transfer",
    "search": "saetext.analysis.search",
    "steer": "saetext.intervene.steer",
    "train": "saetext.training.pipeline",
    "train_sae": "saetext.training.optimisation",
}

# what a lower floor uses of a higher one, without importing it
provide(
    labels_of_corpus="saetext.features.known_labels:labels_for",
    labels_path_of_corpus="saetext.features.known_labels:corpus_labels_path",
    features_of_document="saetext.features.present:of_document",
    features_of_reading="saetext.features.present:of_reading",
    look_at_text="saetext.features.inspect:look_at",
    text_of_look="saetext.report.console.reading:render_document",
    table_over_tokens="saetext.features.activity:token_table",
    cluster_columns="saetext.analysis.clusters.columns:with_clusters",
    draw_chart="saetext.report.charts.drawing:draw_chart",
    html_of_table="saetext.report.html.notebook:to_html",
    page_inline="saetext.report.html.inline:shown_inline",
    write_junit="saetext.report.junit:write_junit",
    markdown_of_check="saetext.report.markdown:markdown_of_check",
    write_page="saetext.report.html.pages:write_page",
    write_matrix_page="saetext.report.html.matrix_page:write_matrix_page",
)

if not TYPE_CHECKING:  # or every name that there is not would have a type

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            value = getattr(importlib.import_module(_HOMES[name]), name)
        elif (analysis := registry.of_verb(name)) is not None:
            value = resolve(analysis.function)
        else:
            raise AttributeError(f"module 'saetext' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
