"""What looking at attention heads is asked for: the options of :func:`saetext.attend`, each declared once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from saetext.errors import InputError
from saetext.io.common_options import progress_keyword, seed_option, top_option
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option
from saetext.text.one_line import quoted

MOST_TOKENS = 256
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class AttendRequest(Request):
    """The options of :func:`saetext.attend`.

    Raises
    ------
    InputError
        If a number is out of its bounds, or layers cannot be read.
    """

    layers: str | None = option(
        "Layers to look at, e.g. 0,3-5; by default all.", default=None, metavar="L,L-L,..."
    )
    top: int | None = top_option("heads", 5, " for each score")
    max_tokens: int = option(
        "Tokens of the text that are shown; the rest is cut off.",
        default=64,
        least=2,
        most=MOST_TOKENS,
        metavar="N",
    )
    probes: int = option(
        "Number of random sequences, and of their controls, by which heads are scored.",
        default=16,
        least=2,
        most=1000,
        metavar="N",
    )
    sentences: int = option(
        "Number of sentences with two names by which name-movers are scored; 0 scores none.",
        default=48,
        least=0,
        most=1000,
        metavar="N",
    )
    batch: int = option("Most sequences that are run at once.", default=8, least=1, metavar="N")
    seed: int = seed_option()
    device: str = keyword("Where the model runs: auto, cpu, cuda or mps.", default="auto")
    dtype: str = keyword("Precision of the model; auto is float32.", default="auto")
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None:
            _numbers(self.layers)

    def chosen(self, n_layers: int, name: str) -> tuple[int, ...]:
        """Return the layers asked for, ascending.

        Raises
        ------
        InputError
            If the model has no such layer.
        """
        if self.layers is None:
            return tuple(range(n_layers))
        found = _numbers(self.layers)
        if found[-1] >= n_layers:
            raise InputError(f"there is no layer {found[-1]}: {name} has 0 to {n_layers - 1}")
        return found


def _numbers(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise InputError(f"layers are numbers and ranges such as 0,3-5, not {quoted(text, 40)}")
        found.update(range(first, last + 1))
    return tuple(sorted(found))
