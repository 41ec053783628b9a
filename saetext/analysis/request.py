"""What every analysis is asked: which documents, which features, how many rows, and a seed.

An analysis's own request inherits from :class:`AnalysisRequest`, so that these mean the same everywhere. Not
for: how options are declared (:mod:`saetext.io.request`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
from saetext.io.common_options import labels_option, progress_keyword, seed_option, top_option, where_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.provided import provided
from saetext.io.request import Request, option

if TYPE_CHECKING:
    from saetext.corpus.protocol import CorpusLike
    from saetext.features.labels import FeatureLabels


@dataclass(frozen=True, kw_only=True)
class AnalysisRequest(Request):
    """The options that all analyses share."""

    where: str | None = where_option()
    sample: int | None = option(
        "Use a random sample of at most this many documents.", default=None, least=2, metavar="N"
    )
    seed: int = seed_option()
    top: int | None = top_option("rows", 20)
    sae: str | None = option(
        "Which SAE's features to use, where a corpus has several.", default=None, metavar="NAME"
    )
    labels: FeatureLabels | Path | str | None = labels_option()
    on_progress: OnProgress | None = progress_keyword()

    @property
    def most(self) -> int | None:
        """The number of rows to keep; None for all."""
        return self.top or None

    def labels_of(self, corpus: CorpusLike, sae: str | None = None) -> FeatureLabels:
        """Return the labels asked for, or those known for the corpus.

        Raises
        ------
        IncompatibleError
            If they are of another reader's features.
        LabelError
            If the file cannot be read.
        """
        from saetext.features.known_labels import labels_for

        name = corpus.spec.sae(sae or self.sae).name
        if self.labels is None or isinstance(self.labels, str | Path):
            return labels_for(corpus, name, None if self.labels is None else Path(self.labels))
        self.labels.require_for(corpus.spec.sae(name))
        return self.labels

    def selected(self, corpus: Any, name: str = "") -> Any:
        """Return the documents for which ``where`` holds.

        Raises
        ------
        InputError
            If there are none, or the condition cannot be read.
        """
        if self.where is None:
            return corpus
        view = corpus.select(self.where)
        if not view.n_documents:
            raise InputError(f"no document of {name or corpus.path} has {self.where}")
        return view


@dataclass(frozen=True, kw_only=True)
class ClusteredRequest(AnalysisRequest):
    """The options of analyses of which clusters can be the columns.

    Raises
    ------
    InputError
        If no directory is named.
    """

    clusters: Path | str | Sequence[Path | str] | None = option(
        "Directory that 'saetext cluster' wrote for this corpus: its columns cluster (0: none) and "
        "cluster_name are there for conditions and comparisons. May be repeated, for several corpora.",
        default=None,
        hint=list[Path] | None,
        metavar="DIR",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clusters is not None:
            given = [self.clusters] if isinstance(self.clusters, str | Path) else self.clusters
            object.__setattr__(self, "clusters", tuple(map(str, given)) or None)

    def with_clusters(self, corpus: Any) -> Any:
        """Return the corpus with the columns of its clusters, where they are asked for.

        Raises
        ------
        InputError
            If they are clusters of another corpus, or of another content of it.
        CorpusError
            If a directory holds none, or is damaged.
        """
        return corpus if self.clusters is None else provided("cluster_columns")(corpus, self.clusters)

    def selected(self, corpus: Any, name: str = "") -> Any:
        """Return the documents for which ``where`` holds, with the columns of their clusters.

        Raises
        ------
        InputError
            If there are none, or the condition cannot be read, or the clusters are another corpus's.
        """
        return super().selected(self.with_clusters(corpus), name)
