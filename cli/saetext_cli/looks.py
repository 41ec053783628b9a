"""How ``read`` and ``show`` print a text with its strongest features. Not for: finding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext_cli.common import colored, encoding, result, width

if TYPE_CHECKING:
    from saetext.features.inspect import Look


def print_look(look: Look, as_json: bool) -> None:
    """Print the text with its features, or one JSON object."""
    from saetext.report.console.reading import render_document

    if as_json:
        result(look.to_json())
        return
    result(
        render_document(look.segments, look.hits, width(), colored(), title=look.title, encoding=encoding()),
        colours=colored(),
    )
