"""Options that mean the same in every request, each declared in one place.

What they are about differs (documents, clusters, heads), how they are given does not. Not for: options of one
verb, or how options are declared (:mod:`saetext.io.request`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saetext.io.request import keyword, option


def top_option(things: str, default: int, more: str = "") -> Any:
    """Declare how many rows are shown, an ``int | None``: 0 and None are all of them."""
    return option(f"Number of {things} to show{more}; 0 for all.", default=default, least=0, metavar="N")


def labels_option(group: str | None = None, *, within: str = "") -> Any:
    """Declare what features are called: ``FeatureLabels``, a file, or None for the labels that are known."""
    help = "Table of labels to use instead of the known ones."
    return option(
        f"{within}: {help[0].lower()}{help[1:]}" if within else help,
        default=None,
        hint=Path | None,
        metavar="FILE",
        group=group,
    )


def seed_option(of: str = "everything random", group: str | None = None) -> Any:
    """Declare the seed, an ``int``: with the same one a run gives the same result."""
    return option(f"Seed of {of}.", default=0, least=0, metavar="N", group=group)


def where_option() -> Any:
    """Declare which documents are used, a ``str | None``: a condition of :mod:`saetext.corpus.where`."""
    return option(
        "Use only the documents for which this condition on metadata holds, e.g. \"topic = 'travel'\".",
        default=None,
        metavar="EXPR",
    )


def progress_keyword() -> Any:
    """Declare the callback that gets a :class:`saetext.io.progress.Progress`."""
    return keyword("Called with a Progress as the work goes on.", default=None)
