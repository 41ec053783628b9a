"""What the explorer is asked for: the options of :func:`saetext.explore`, each declared once."""

from __future__ import annotations

from collections.abc import Callable  # at run time: it is part of the signature
from dataclasses import dataclass

from saetext.io.request import Request, keyword, option

_GROUP, _TURN = "Server", "Turning features"


@dataclass(frozen=True, kw_only=True)
class ExploreRequest(Request):
    """The options of :func:`saetext.explore`.

    Raises
    ------
    InputError
        If a number is out of its bounds.
    """

    port: int | None = option(
        "Port to listen at; by default 8417, or a free one.", default=None, least=0, most=65535, group=_GROUP
    )
    host: str = option(
        "Address to listen at. Anything but this machine's own lets others in who have the link.",
        default="127.0.0.1",
        metavar="ADDRESS",
        group=_GROUP,
    )
    allow_host: tuple[str, ...] = option(
        "Another name under which browsers may ask, as of a proxy with http or https. Repeat it for several.",
        default=(),
        hint=list[str] | None,
        metavar="NAME",
        group=_GROUP,
    )
    browser: bool = option("Open a browser, if this machine has a screen.", default=True, group=_GROUP)
    model: str | None = option(
        "Causal model that writes in the room Turn, e.g. smollm2; by default the one that read the corpora.",
        default=None,
        metavar="MODEL",
        group=_TURN,
    )
    sae: str | None = option(
        "SAE whose features are turned in --model; by default the one that comes with saetext.",
        default=None,
        metavar="SAE",
        group=_TURN,
    )
    peaks: bool = option("Mark stored peaks only, without loading the model.", default=False)
    device: str = keyword("Where models run: auto, cpu, cuda or mps.", default="auto")
    dtype: str = keyword("Precision in which texts are encoded.", default="auto")
    block: bool = keyword(
        "Wait until the explorer is stopped, by Ctrl-C or otherwise: for scripts.", default=False
    )
    on_start: Callable[[str], object] | None = keyword(
        "Called with the address once pages are answered, such as print.", default=None
    )
