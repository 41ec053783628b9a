"""What attribution is asked for: the options of :func:`saetext.attribute`, each declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from saetext.errors import refuse_unused
from saetext.io.common_options import labels_option, progress_keyword, seed_option, top_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels


@dataclass(frozen=True, kw_only=True)
class AttributeRequest(Request):
    """The options of :func:`saetext.attribute`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or an option none of its choices or without any effect.
    """

    metric: str | None = option(
        "What to explain: terms logit(TOKEN), logprob(TEXT) and prob(TEXT, TEXT, ...), joined by + and -; "
        "texts in quotation marks.",
        default=None,
        metavar="METRIC",
    )
    at: str = option(
        "Where the metric is taken: last (after the prompt and the answer so far), last-item (after the last "
        "item of a list), or before REGEX (before its last match).",
        default="last",
        metavar="PLACE",
    )
    method: Literal["grad", "ig"] = option(
        "grad: activation times gradient. ig: integrated gradients, whose shares add up.", default="grad"
    )
    nodes: int = option(
        "Number of points of integrated gradients.", default=10, least=1, most=200, metavar="N"
    )
    top: int | None = top_option(
        "pairs of a feature and a position", 20, ", each verified by an exact ablation"
    )
    checks: int = option(
        "Number of other pairs, drawn at random, that are ablated exactly.", default=200, least=0, metavar="N"
    )
    positions: Literal["content", "all"] = option(
        "Where features are looked at: in the contents of the turns, or in the template's words too.",
        default="content",
    )
    sae: str | Path | None = option(
        "SAE at a layer of the model: a directory, or RELEASE/SAE_ID as in SAELens. A reader that comes with "
        "saetext has its own.",
        default=None,
        hint=str | None,
        metavar="SAE",
    )
    labels: FeatureLabels | Path | str | None = labels_option()
    system: str | None = option("System prompt.", default=None, metavar="TEXT")
    raw: bool = option("Take prompts as plain text, without the chat template.", default=False)
    write: int = option(
        "Where there is no answer yet, let the model write up to this many tokens first, the most probable "
        "ones.",
        default=0,
        least=0,
        metavar="N",
    )
    batch: int = option("Most prompts that are run at once.", default=8, least=1, metavar="N")
    seed: int = seed_option()
    device: str = keyword("Where the model runs: auto, cpu, cuda or mps.", default="auto")
    dtype: str = keyword("Precision of the model; auto is float32.", default="auto")
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "grad":
            refuse_unused(
                "the gradient is taken at one point; nodes go with --method ig", **self.changed("nodes")
            )
