"""What ``label`` is asked: the method, which features, and what the method needs.

Not for: making labels (:mod:`saetext.features.labelling.pipeline`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saetext.io.common_options import progress_keyword, seed_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option

if TYPE_CHECKING:
    from saetext.io.llm import ChatClient

MIN_SUPPORT = 3  # documents in which a feature must be present to be labelled


@dataclass(frozen=True, kw_only=True)
class LabelRequest(Request):
    """How features get labels."""

    method: Literal["words", "llm", "neuronpedia"] | None = option(
        "How labels are made: words (offline), llm (a language model), or neuronpedia (published labels).",
        default=None,
    )
    file: str | Path | None = option(
        "Import labels from a file: .csv, .tsv, .json, .jsonl or .parquet.",
        default=None,
        flags=("--from",),
        hint=Path | None,
        metavar="FILE",
    )
    features: Sequence[int] | None = keyword(
        "Numbers of the features to label; by default those present in min_support documents, or all that "
        "have published labels.",
        default=None,
    )
    limit: int | None = option(
        "Label only this many features, the most frequent.", default=None, least=1, metavar="N"
    )
    min_support: int = option(
        "Number of documents a feature must be present in.", default=MIN_SUPPORT, least=1, metavar="N"
    )
    sae: str | None = option(
        "Which SAE's features to label, where a corpus has several.", default=None, metavar="NAME"
    )
    seed: int = seed_option("the choice of contexts")
    client: ChatClient | None = keyword("The language model to ask, for method llm.", default=None)
    neuronpedia_id: str | None = keyword("MODEL/SAE on Neuronpedia, for method neuronpedia.", default=None)
    on_progress: OnProgress | None = progress_keyword()
