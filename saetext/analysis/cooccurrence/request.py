"""What pairs are asked for: the options of :func:`saetext.correlate`, each declared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from saetext.analysis.request import ClusteredRequest
from saetext.io.common_options import top_option
from saetext.io.memory import memory_option, size_of
from saetext.io.request import keyword, option

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels


@dataclass(frozen=True, kw_only=True)
class CorrelateRequest(ClusteredRequest):
    """The options of :func:`saetext.correlate`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or an option none of its choices.
    """

    top: int | None = top_option(
        "pairs",
        12,
        " of those more often together than by chance, and of those less often (pairs of the same two "
        "concepts count once)",
    )
    column: str | None = option(
        "Pair features with this column (its values, or a number) instead of with each other.",
        default=None,
        flags=("--with",),
        metavar="COLUMN",
    )
    pair_on: str | None = option(
        "With a second corpus: the column on which documents belong together; by default prompt_id, prompt "
        "or id, whichever pairs most.",
        default=None,
        metavar="COLUMN",
    )
    within: str | None = option(
        "Compare within each value of this column; pairs whose sign differs without it are flagged.",
        default=None,
        metavar="COLUMN",
    )
    to: int | str | Sequence[int] | None = option(
        "Use only pairs with this feature, or with features whose labels match this text; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar='N|"TEXT"',
    )
    group: str | None = option(
        "Column of rows that are not independent of each other, such as those of one user.",
        default=None,
        metavar="COLUMN",
    )
    across_sae: str | None = option(
        "Which SAE's features to use of the second corpus; by default as for the first.",
        default=None,
        metavar="NAME",
    )
    min_support: int | None = option(
        "Number of documents a feature must be present in; by default 5 or 0.05 % of them, whichever is "
        "more.",
        default=None,
        least=1,
        metavar="N",
    )
    min_joint: int = option(
        "Number of documents that must have both, for a pair more often together than by chance.",
        default=5,
        least=1,
        metavar="N",
    )
    everything: bool = option(
        "Show redundant pairs, and pairs that are not significant, as well.", default=False, flags=("--all",)
    )
    max_similarity: float = option(
        "Cosine similarity of two labels above which a pair is redundant.", default=0.45, metavar="X"
    )
    max_cosine: float = option(
        "Cosine similarity of two decoder directions above which a pair is redundant.",
        default=0.3,
        metavar="X",
    )
    max_same_phrase: float = option(
        "Share of the common documents with both in one phrase above which a pair is redundant.",
        default=0.5,
        metavar="X",
    )
    order: Literal["residual", "npmi"] = option(
        "Order by residual association (what does not follow from other pairs) or by NPMI.",
        default="residual",
    )
    fdr: Literal["bh", "by"] = option(
        "False discovery rate: Benjamini-Hochberg, or Benjamini-Yekutieli, which holds under any dependence.",
        default="bh",
    )
    bootstrap: int = option(
        "Number of bootstrap resamples for the confidence intervals; 0 for none.",
        default=200,
        least=0,
        metavar="N",
    )
    memory: int | str | None = memory_option()
    snippets: bool | int = keyword(
        "Whether rows get their snippets, or how many of the first rows do.", default=True, least=0
    )
    names: Sequence[str] | None = keyword(
        "What to call the corpora; by default the names of their files.", default=None
    )
    across_labels: FeatureLabels | None = keyword(
        "Labels of the second corpus's features; by default those known for it.", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory is not None:
            size_of(self.memory)
