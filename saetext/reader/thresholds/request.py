"""What ``calibrate`` is asked: the percentile, and which reference text.

Not for: computing thresholds (:mod:`saetext.reader.thresholds.estimation`).
"""

from __future__ import annotations

from dataclasses import dataclass

from saetext.io.common_options import progress_keyword
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option

DEFAULT_PERCENTILE = 75.0
DEFAULT_TOKENS = 200_000
MOST_DOCUMENTS = 1_000_000  # reading stops there, so that an endless source has a sample


@dataclass(frozen=True, kw_only=True)
class CalibrateRequest(Request):
    """How a reader's thresholds are set."""

    percentile: float = option(
        "Percentile of each feature's non-zero token activations, from 0 to below 100; 0 keeps all.",
        default=DEFAULT_PERCENTILE,
        least=0,
    )
    min_tokens: int = keyword("Number of tokens above the threshold that make a feature present.", default=1)
    max_tokens: int = option(
        "Number of reference tokens to read, at most.", default=DEFAULT_TOKENS, least=1, metavar="N"
    )
    max_documents: int = keyword(
        "Number of documents after which reading stops, in a very large or endless source.",
        default=MOST_DOCUMENTS,
    )
    role: str = keyword("Whose turns of a chat count: assistant, user, system or all.", default="assistant")
    reference: str = keyword("Name of the reference text, stored with the thresholds.", default="")
    quiet: bool = keyword("Whether to suppress the warning about little reference text.", default=False)
    on_progress: OnProgress | None = progress_keyword()
