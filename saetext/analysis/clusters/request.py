"""What clusters are asked for: the options of :func:`saetext.cluster` and ``predict``, declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from saetext.analysis.request import ClusteredRequest
from saetext.errors import InputError, refuse_unused
from saetext.io.common_options import top_option
from saetext.io.request import keyword, option

if TYPE_CHECKING:
    from saetext.analysis.clusters.model import ClusterModel
    from saetext.io.llm import ChatClient

SCALINGS = ("sqrt", "log", "raw", "binary")
_WORDS, _FIT, _CHANGES = "Which features count", "Fit", "What changed"


@dataclass(frozen=True, kw_only=True)
class PredictRequest(ClusteredRequest):
    """The options of placing documents in clusters that were fitted to others."""

    top: int | None = top_option("clusters", 20, " (the result always has all)")
    truth: str | None = option(
        "Column of known labels to compare the clusters with.", default=None, metavar="COLUMN"
    )
    over: str | None = option(
        "Column of dates, numbers or ordered values: shares of the clusters along it, with trends.",
        default=None,
        metavar="COLUMN",
        group=_CHANGES,
    )
    bin: Literal["hour", "day", "week", "month", "quarter", "year"] | None = option(
        "How long a bin of dates is; by default such that there are at most 31.", default=None, group=_CHANGES
    )
    name: str | None = keyword("What to call the corpus; by default the name of its file.", default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bin is not None and self.over is None:
            raise InputError("bin is how long a bin of dates is: name their column with over")

    def require_random(self) -> None:
        """Raise :class:`InputError` if a seed is given and nothing is random."""
        if self.sample is None:
            refuse_unused("nothing is random without sample; leave it out", **self.changed("seed"))

    def chosen(self, corpus: Any, name: str = "") -> Any:
        """Return the documents to look at: those selected, or a random sample of them.

        Raises
        ------
        InputError
            If there are none, or the condition cannot be read.
        """
        import numpy as np

        view = self.selected(corpus, name)
        if self.sample is None or self.sample >= view.n_documents:
            return view
        mixed = np.random.default_rng([self.seed, 14]).permutation(view.n_documents)
        return view.select(np.sort(mixed[: self.sample]))


@dataclass(frozen=True, kw_only=True)
class ClusterRequest(PredictRequest):
    """The options of :func:`saetext.cluster`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or an option none of its choices.
    """

    include: Mapping[str, float] | Sequence[str] | str = option(
        "Use only features whose labels match this concept; may be repeated, with weights.",
        default=(),
        hint=list[str] | None,
        metavar='"TEXT"[:WEIGHT]',
        group=_WORDS,
    )
    exclude: Sequence[str] | str = option(
        "Leave out features whose labels match this concept; may be repeated.",
        default=(),
        hint=list[str] | None,
        metavar='"TEXT"',
        group=_WORDS,
    )
    features: Mapping[int, float] | Sequence[int] | str | None = option(
        "Use only these features, by number, or these besides the included ones; with weights.",
        default=None,
        hint=str | None,
        metavar="N[:W],...",
        group=_WORDS,
    )
    max_share: float = option(
        "Leave out features present in more than this share of the documents.",
        default=0.5,
        above=0,
        most=1,
        metavar="X",
        group=_WORDS,
    )
    view: (
        Literal["recommended", "subject", "function", "style", "layout", "emotion", "features", "embedding"]
        | None
    ) = option(
        "Show the groups of one view of the documents instead of clusters of all features.",
        default=None,
        group=_WORDS,
    )
    views: bool = option(
        "Look at several views of the documents (subject, function, style, layout, emotion, all features, "
        "sentence embeddings) and say what each shows; with include, exclude or features there is one view.",
        default=True,
        group=_WORDS,
    )
    metric: Literal["cosine", "jaccard"] = option(
        "Distance: cosine of the vectors, or Jaccard of the features present (for small corpora).",
        default="cosine",
        group=_FIT,
    )
    pooling: str = keyword(
        "How a feature's strengths in a document are pooled.", default="max", recorded=True
    )
    scaling: str = keyword("Scale of strengths: sqrt, log, raw or binary.", default="sqrt", recorded=True)
    idf_power: float = keyword(
        "Exponent of the inverse document frequency by which features are weighted.",
        default=0.5,
        recorded=True,
        least=0,
        most=10,
    )
    min_documents: int = keyword(
        "Number of documents a feature must be present in.", default=5, recorded=True, least=1
    )
    dims: int = option(
        "Number of dimensions of the truncated SVD.", default=100, least=2, metavar="N", group=_FIT
    )
    semantic: bool = option(
        "Add a semantic map: a linear map from features to sentence embeddings, fitted on a sample.",
        default=True,
        group=_FIT,
    )
    neighbours: int = option(
        "Number of neighbours of each document in UMAP's graph, itself included.",
        default=15,
        least=2,
        metavar="N",
        group=_FIT,
    )
    components: int = option(
        "Number of UMAP dimensions in which clusters are found.",
        default=5,
        least=2,
        metavar="N",
        group=_FIT,
    )
    epochs: int | None = option(
        "Number of UMAP epochs; by default by the number of documents.",
        default=None,
        least=1,
        metavar="N",
        group=_FIT,
    )
    min_cluster_size: int | None = option(
        "Number of documents a cluster must have; by default 0.35 of the square root of all, at least 5.",
        default=None,
        least=2,
        metavar="N",
        group=_FIT,
    )
    min_samples: int = option(
        "HDBSCAN's min_samples: the larger, the more documents are noise.",
        default=5,
        least=1,
        metavar="N",
        group=_FIT,
    )
    method: Literal["eom", "leaf"] = option(
        "How HDBSCAN selects clusters: excess of mass, or leaves (finer clusters).",
        default="eom",
        group=_FIT,
    )
    levels: int = option(
        "Number of levels, at most: groups of the clusters, the clusters, parts of the big ones; 1 for the "
        "clusters alone.",
        default=3,
        least=1,
        most=8,
        metavar="N",
    )
    assign_noise: bool = option(
        "Assign noise to the cluster each document belongs to most.", default=False, group=_FIT
    )
    fit_on: int = option(
        "Number of documents to fit; the others are placed among them.",
        default=50_000,
        least=20,
        metavar="N",
        group=_FIT,
    )
    validate: bool = option(
        "Measure DBCV, stability over seeds and subsamples, and silhouette.", default=False
    )
    client: ChatClient | None = keyword(
        "Language model that names the clusters, in one request.", default=None
    )

    def __post_init__(self) -> None:
        # plain containers, so that a request can neither change nor be changed by who made it
        object.__setattr__(self, "include", _phrases(self.include))
        object.__setattr__(self, "exclude", tuple(_phrases(self.exclude)))
        if self.features is not None:
            object.__setattr__(self, "features", _numbered(self.features))
        super().__post_init__()
        if self.scaling not in SCALINGS:
            raise InputError(f"unknown scaling {self.scaling!r}; choose one of {', '.join(SCALINGS)}")
        if self.metric == "jaccard":
            refuse_unused(
                "metric 'jaccard' compares which features are present; leave it out",
                **self.changed("pooling", "scaling", "idf_power", "dims"),
                semantic=None if self.semantic else True,
            )

        if self.view is not None:
            refuse_unused(
                f"the view {self.view!r} has its own features and cuts them into groups; leave it out",
                include=self.include or None, exclude=self.exclude or None, features=self.features or None,
                **self.changed("metric", "min_cluster_size", "min_samples", "method", "assign_noise"),
            )  # fmt: skip
        if self.view not in (None, "recommended"):  # where none shows groups, there are clusters after all
            refuse_unused("the groups of a view have no levels; leave it out", **self.changed("levels"))
        if self.view not in (None, "recommended", "features", "embedding"):
            refuse_unused(
                f"the view {self.view!r} has its own features and dimensions; leave it out",
                **self.changed("max_share", "dims"),
            )
        if self.view == "embedding" and not self.semantic:
            raise InputError("the view 'embedding' looks at sentence embeddings: leave out no-semantic")
        if self.view == "recommended" and not self.views:
            raise InputError("one view is recommended of all that were looked at: leave out no-views")

    @property
    def looks(self) -> bool:
        """Whether several views are looked at; features that were named are a view of their own."""
        return self.views and not (self.include or self.exclude or self.features) and self.metric == "cosine"

    @property
    def phrases(self) -> dict[str, float]:
        """The concepts to include, with their weights."""
        told = self.include
        return dict(told) if isinstance(told, Mapping) else dict.fromkeys(told, 1.0)

    @property
    def weights(self) -> dict[int, float] | None:
        """The features given by number, with their weights."""
        return None if self.features is None else _numbered(self.features)


@dataclass(frozen=True, kw_only=True)
class CompareRequest(ClusterRequest):
    """The options of comparing clusters in several sets."""

    pair_on: str | None = option(
        "With --compare of two sets: column of what belongs together, such as prompt_id; shares are compared "
        "within its values.",
        default=None,
        metavar="COLUMN",
        group=_CHANGES,
    )
    names: Sequence[str] | None = keyword("What to call the sets; by default as their files.", default=None)
    model: ClusterModel | None = keyword(
        "Clusters that were fitted earlier, in which all sets are placed.", default=None
    )


def _phrases(told: Mapping[str, float] | Sequence[str] | str) -> dict[str, float] | tuple[str, ...]:
    if isinstance(told, Mapping):
        return dict(told)
    return (told,) if isinstance(told, str) else tuple(told)


def _numbered(told: Mapping[int, float] | Sequence[int] | str) -> dict[int, float]:
    if isinstance(told, str):
        return dict(map(_weighted, told.split(",")))
    if isinstance(told, Mapping):
        return {int(feature): float(weight) for feature, weight in told.items()}
    return dict.fromkeys(map(int, told), 1.0)


def _weighted(part: str) -> tuple[int, float]:
    number, _, weight = part.strip().partition(":")
    try:
        return int(number), float(weight) if weight else 1.0
    except ValueError:
        raise InputError(
            f"{part.strip()!r} is no feature: give numbers, with weights if you like, such as 12,88:2"
        ) from None
