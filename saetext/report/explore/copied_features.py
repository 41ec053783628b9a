"""The tables of features and themes of a corpus as pages of a static copy, searched and sorted in the page.

Not for: one feature (``copied_feature.py``), the documents (``copied_texts.py``), or the explorer's tables
(``rooms/features.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.report.explore.copied_feature import file_of, share_of
from saetext.report.explore.queries.features import Row, features_of, rows_of, theme_rows
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
    pages: str = "",
    paged: Collection[int] = frozenset(),
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
    pages : str
        Folder of the pages of single features; empty if there is none.
    paged : collection of int
        The features that have a page there.
    """
    found = features_of(corpus, sae, labels, words="", sort="telling", turned=False, absent=False)
    told = f"{len(found):,} of {corpus.spec.sae(sae).d_sae:,} features are in at least one document."
    if len(found) > MOST:
        told += f" The {MOST:,} that tell most are here; the others are left out."
    if paged and len(paged) < len(found):
        told += f" The first {len(paged):,} of them have a page each."
    there = dict(marked or {})
    page = draw(
        "explore/copied_features.html.j2",
        ("base.css", "explore/collected.css", "explore/copied.css"),
        ("explore/copied_features.js",),
        name=printable(name),
        told=told,
        read=read,
        rows=[
            _row(
                row,
                there.get(row.feature, 0),
                f"{pages}/{file_of(row.feature)}" if row.feature in paged else "",
            )
            for row in rows_of(corpus, sae, labels, found[:MOST])
        ],
    )
    return page, told


def themes_page(
    corpus: Corpus, sae: str, labels: FeatureLabels, name: str, *, pages: str, paged: Collection[int]
) -> tuple[str, str]:
    """Return the page of themes and its first sentence; parameters are those of :func:`features_page`.

    Raises
    ------
    InputError
        If the reader has no themes.
    """
    rows = theme_rows(corpus, sae, labels, "")
    if not rows:
        raise InputError(f"the reader of {name} has no themes")
    shown = [
        {
            "id": row.id,
            "name": printable(row.name),
            "kind": row.kind,
            "description": printable(row.description),
            "present": row.present,
            "features": row.features,
            "examples": [(label, _link(feature, pages, paged)) for feature, label in row.examples],
        }
        for row in rows
    ]
    there = sum(row.present > 0 for row in rows)
    told = f"{there:,} of {len(rows):,} themes have a feature in at least one document."
    page = draw(
        "explore/copied_themes.html.j2",
        ("base.css", "explore/collected.css", "explore/copied.css"),
        ("explore/copied_features.js",),
        name=printable(name),
        told=told,
        rows=shown,
    )
    return page, told


def _link(feature: int, pages: str, paged: Collection[int]) -> str:
    return f"{pages}/{file_of(feature)}" if feature in paged else ""


def _row(row: Row, marked: int, page: str) -> dict[str, Any]:
    return {
        "feature": row.feature,
        "label": row.label if len(row.label) <= _LABEL else row.label[: _LABEL - 1] + "…",
        "source": "marked wrong" if row.source == "wrong" else row.source[:40],
        "marked": marked,
        "page": page,
        # what is shown and what it is sorted by; nothing known stands last
        "cells": [
            ("score", f"{row.score:.2f}".lstrip("0") if row.score is not None else "", row.score),
            ("documents", f"{row.documents:,} ({share_of(row.share)})", row.documents),
            ("mean", f"{row.mean:.2f}" if row.mean is not None else "", row.mean),
            ("largest", f"{row.largest:.2f}" if row.largest is not None else "", row.largest),
            ("density", share_of(row.density) if row.density is not None else "", row.density),
        ],
    }
