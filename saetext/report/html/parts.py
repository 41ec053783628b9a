"""What the HTML pages of results are built of: templates, the style and script they admit, cards, shades.

A page is one file: its style sheets and scripts are put into it and admitted by their hashes, so that nothing
else could take effect. Not for: what any page says (:mod:`saetext.report.html.differences`,
:mod:`saetext.report.html.pair_page`, :mod:`saetext.report.html.map_page`).
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from saetext.io.opener import packaged_text

if TYPE_CHECKING:
    from jinja2 import Environment

SHADES = 8  # steps of shading, s1 to s8 in the style sheet


def draw(
    template: str, styles: Sequence[str], scripts: Sequence[str], *, library: str = "", **shown: Any
) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        File name of the template.
    styles, scripts : sequence of str
        File names of style sheets and scripts, joined in this order.
    library : str
        The text of a script of others that the page needs, admitted by its own hash.
    **shown
        What the template shows; everything textual made printable. It is escaped here.
    """
    style, script = ("".join(_file(name) for name in names) for names in (styles, scripts))
    return (
        _environment()
        .get_template(template)
        .render(
            **shown,
            shades=range(1, SHADES + 1),
            style=style,
            script=script,
            style_hash=_digest(style),
            script_hash=_digest(script),
            library=library,
            library_hash=_digest(library),
        )
    )


def number_cards(cards: Sequence[dict[str, Any]], label: str) -> None:
    """Give every card its ``number``, from 1, and its ``place`` in the order of the labels under a name."""
    for number, card in enumerate(cards, start=1):
        card["number"] = number
    ordered = sorted(cards, key=lambda card: (str(card[label]).casefold(), card["number"]))
    for place, card in enumerate(ordered):
        card["place"] = place


def shade_of(strength: float) -> int:
    """Return the step of shading of a strength from 0 to 1; 0 where there is none."""
    if not math.isfinite(strength) or strength <= 0:
        return 0
    return max(1, round(SHADES * min(strength, 1.0)))


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> str:
    return packaged_text("saetext.report", "templates", name)
