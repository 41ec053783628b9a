"""The table of features of a corpus as one page of a static copy: searched and sorted without a server.

Not for: the documents (``copied_texts.py``), or the table of the explorer (``rooms/features.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.report.explore.queries.features import Row, features_of, rows_of
from saetext.report.html.parts import draw
from saetext.text.passages import printable

MOST = 2_000  # lines
_LABEL = 200  # characters


def features_page(
    corpus: Corpus,
    sae: str,
    labels: FeatureLabels,
    name: str,
    *,
    read: str = "",
    marked: Mapping[int, int] | None = None,
) -> tuple[str, str]:
    """Return the page and its first sentence.

    Parameters
    ----------
    corpus : Corpus
    sae : str
        Whose features.
    labels : FeatureLabels
        What they are called.
    name : str
        What the corpus is called.
    read : str
        File of the page with documents; empty if there is none.
    marked : mapping of int to int, optional
        How many documents of that page each feature marks.
    """
    found = features_of(corpus, sae, labels, words="", sort="telling", turned=False, absent=False)
    told = f"{len(found):,} of {corpus.spec.sae(sae).d_sae:,} features are in at least one document."
    if len(found) > MOST:
        told += f" The {MOST:,} that tell most are here; the others are left out."
    there = dict(marked or {})
    page = draw(
        "explore/copied_features.html.j2",
        ("base.css", "explore/collected.css", "explore/copied.css"),
        ("explore/copied_features.js",),
        name=printable(name),
        told=told,
        read=read,
        rows=[_row(row, there.get(row.feature, 0)) for row in rows_of(corpus, sae, labels, found[:MOST])],
    )
    return page, told


def _row(row: Row, marked: int) -> dict[str, Any]:
    return {
        "feature": row.feature,
        "label": row.label if len(row.label) <= _LABEL else row.label[: _LABEL - 1] + "…",
        "source": "marked wrong" if row.source == "wrong" else row.source[:40],
        "marked": marked,
        # what is shown and what it is sorted by; nothing known stands last
        "cells": [
            ("score", f"{row.score:.2f}".lstrip("0") if row.score is not None else "", row.score),
            ("documents", f"{row.documents:,} ({_share(row.share)})", row.documents),
            ("mean", f"{row.mean:.2f}" if row.mean is not None else "", row.mean),
            ("largest", f"{row.largest:.2f}" if row.largest is not None else "", row.largest),
            ("density", _share(row.density) if row.density is not None else "", row.density),
        ],
    }


def _share(share: float) -> str:
    """Return a share in percent, with two digits that count where it is small.

    >>> _share(0.5), _share(0.0312), _share(0.00012)
    ('50\\xa0%', '3.1\\xa0%', '0.012\\xa0%')
    """
    percent = 100 * share
    digits = 0 if percent >= 10 else 1 if percent >= 1 else 2 if percent >= 0.1 else 3
    return f"{percent:.{digits}f}\u00a0%"
