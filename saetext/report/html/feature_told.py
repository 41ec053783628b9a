"""What a page says of a feature below its name. Not for: names (:mod:`saetext.features.peaks`)."""

from __future__ import annotations

from collections.abc import Sequence

from saetext.features.labels import FeatureLabels
from saetext.text.passages import printable


def told_of(
    labels: FeatureLabels, feature: int | None, label: str, fits: bool | None, words: Sequence[str] = ()
) -> str:
    """Return where a feature is strongest, and what its label says unless that does not fit these texts.

    Parameters
    ----------
    labels : FeatureLabels
        For the description.
    feature : int or None
        None is no feature, of which nothing is told.
    label : str
        Its label.
    fits : bool or None
        Whether that describes what it does in these texts; None where that was not looked at.
    words : sequence of str
        Words at its peaks in these texts.
    """
    if feature is None:
        return ""
    told = []
    if words:
        told.append(f"Strongest at {', '.join(f'“{word}”' for word in words)}.")
    if fits is False:
        told.append(f"Its label, “{label}”, was written for other texts and does not fit these.")
    elif (known := labels.get(feature)) is not None and known.description:
        told.append(known.description)
    return printable(" ".join(told))
