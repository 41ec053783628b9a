"""Passages of words, marks of format, properties and themes: the places that show them, side by side.

Not for: features, whose tokens are shaded (:mod:`saetext.report.html.gathering`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from saetext.analysis.base import Row
from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.examples import Marked, MarkedSides
from saetext.features.labels import FeatureLabels
from saetext.report.html.page_model import SideBySide
from saetext.report.html.passages import Passage, PassageBuilder, Span
from saetext.text.passages import printable

_WORD, _LINE = 0.8, 0.3  # how strong a marked word is, and a line that is marked as a whole
_NAMED = 5  # features named below an example of a property or a theme


def marked_examples(
    builder: PassageBuilder, result: DiffResult, row: Row, labels: FeatureLabels, most: int
) -> tuple[SideBySide, ...]:
    """Return the examples of a finding that is no feature; nothing where none were kept.

    Parameters
    ----------
    builder : PassageBuilder
        Of the sets compared.
    result : DiffResult
        The result.
    row : mapping
        The finding's row.
    labels : FeatureLabels
        What the features of a property or a theme are called.
    most : int
        Examples to return.
    """
    of = row["set"] if result.several else ""
    found = result.marked.get((of, row["kind"], str(row["term"])), ())
    names = result.names if result.several else ()
    return tuple(_side_by_side(builder, sides, row["kind"], labels, names) for sides in found[:most])


def _side_by_side(
    builder: PassageBuilder, sides: MarkedSides, kind: str, labels: FeatureLabels, names: Sequence[str]
) -> SideBySide:
    prompt = builder.prompt((side.set, side.row) for side in sides if side is not None)
    told = "; ".join(_named(builder, side, labels) for side in sides if side is not None and side.features)
    a, b = (None if side is None else _passage(builder, side, kind, names) for side in sides)
    return SideBySide(a, b, prompt if not names else "", told)


def _passage(builder: PassageBuilder, side: Marked, kind: str, names: Sequence[str]) -> Passage:
    strength = _LINE if kind == "format" else _WORD
    spans: list[Span] = [(low, high, strength) for low, high in side.spans]
    focus = side.spans[0] if side.spans else (0, 0)
    if side.features:
        words = [builder.word(side.set, side.row, token) for _, token in side.features]
        spans = [(low, high, strength) for low, high in dict.fromkeys(words) if high > low]
        focus = words[0]
    # of a long line its beginning has to be shown, not all of it
    focus = focus[0], min(focus[1], focus[0] + 60)
    passage = builder.passage(side.set, side.row, [spans], focus, newlines=kind == "format")
    if not names:
        return passage
    return dataclasses.replace(passage, document=f"{names[side.set]}: {passage.document}")


def _named(builder: PassageBuilder, side: Marked, labels: FeatureLabels) -> str:
    """Return which features show a property or a theme in a text, each with its word."""
    few = []
    for feature, token in side.features[:_NAMED]:
        word = printable(builder.text(side.set, side.row, builder.word(side.set, side.row, token))).strip()
        label = labels.get(feature)
        called = f"feature {feature}" if label is None else f"{printable(label.label)} ({feature})"
        few.append(f"“{word}”: {called}" if word else called)
    more = len(side.features) - len(few)
    return "; ".join(few) + (f"; {more} more" if more > 0 else "")
