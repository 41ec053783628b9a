"""Signals of whether a feature's label describes what the feature does in the texts at hand.

Each is a number that costs little and needs no language model that writes. None is good alone. Not for:
putting them together (:mod:`saetext.features.peaks.fit`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from saetext.corpus.calibration import Calibration
from saetext.features.labels import FeatureLabel
from saetext.features.peaks.reading import Read, Windows
from saetext.features.peaks.units import BREAK
from saetext.features.peaks.words import LocalWords
from saetext.text.words import words

_STEM = 5  # first letters that two forms of a word share
_LEAST = 3  # letters of a word of a label that can stand at a peak
#: What labels call marks, and how those are written.
_MARKS = {
    "ampersand": "&", "asterisk": "*", "backtick": "`", "brace": "{}", "bracket": "[](){}", "colon": ":",
    "comma": ",", "dash": "-–—", "dollar": "$", "dot": ".", "ellipsis": "…", "equals": "=",
    "exclamation": "!", "full stop": ".", "hash": "#", "hyphen": "-", "line break": BREAK, "newline": BREAK,
    "parenthes": "()", "percent": "%", "period": ".", "pipe": "|", "question mark": "?",
    "quotation": "\"'“”‘’«»", "quote": "\"'“”‘’«»", "semicolon": ";", "slash": "/\\",
}  # fmt: skip
_SETTING = re.compile(r"\b(?:in|inside|within|of|before|after|around|between|beside)\b")
#: Activation, as a share of the largest, from which on a sign that a label names speaks for its setting too.
STRONG = 0.55
_ENDING = ("sentence-ending marks", "sentence-ending punctuation")
_DIGITS = ("number", "digit", "year", "quantit")
# words of labels that say what kind of thing is meant, and so are not expected at a peak
_SAID = """
    about after and any are before being between for from ing into like loose loosely not other over than
    that the their things this when with word words phrase phrases opening closing starting ending beginning
    inside start sentence sentences clause clauses text texts form forms prefix suffix pieces rare general
    loosely noun nouns verb verbs adjective adjectives adverb adverbs pronoun article preposition conjunction
    function determiner names name short long first second
"""
_SAYING = frozenset(_SAID.split())


@dataclass(frozen=True)
class Signals:
    """What is known of a label's fit.

    Attributes
    ----------
    said : float
        Share of the peaks at a word of the label, in any form, or at a mark it names.
    known : float
        Share of the peaks at a word on which the feature is active in reference text.
    coverage : float
        Share of the peaks that the local words cover.
    strength : float
        Median activation at the peaks, as a share of the largest on reference text; labels come from there.
    """

    said: float
    known: float
    coverage: float
    strength: float


def signals_of(
    label: FeatureLabel, read: Read, windows: Windows, local: LocalWords, calibration: Calibration
) -> Signals:
    """Measure a label against a feature's peaks."""
    at = [read.cut[piece].name[unit] for piece, unit in zip(windows.piece, windows.at, strict=True)]
    n = max(len(at), 1)
    known = {word.casefold() for word in calibration.top_words(label.feature)}
    full = float(np.asarray(calibration.maxima)[label.feature])
    strength = float(np.median(windows.value)) / full if windows.value and full > 0 else 0.0
    expected = _Expected(label, signs_alone=strength >= STRONG)
    return Signals(
        said=sum(map(expected.has, at)) / n,
        known=sum(name.casefold() in known for name in at) / n,
        coverage=local.coverage,
        strength=min(strength, 1.0),
    )


def expected_at(label: FeatureLabel, at: Mapping[str, float]) -> float:
    """Return the share of peaks at a word of a label or at a mark it names, from the share at each unit."""
    expected = _Expected(label)
    return sum(share for name, share in at.items() if expected.has(name))


class _Expected:
    """What a label leads one to expect at a peak.

    "Punctuation" or "symbols" lead to none: whatever mark stands there would do, whether the rest of the
    label is true or not. Nor does a sign with a setting ("full stops in reviews"), unless it may stand alone:
    the sign is everywhere, and where activations are middling the setting is often another one.
    """

    def __init__(self, label: FeatureLabel, *, signs_alone: bool = True) -> None:
        quoted = words(" ".join(re.findall(r"[\"“]([^\"“”]*)[\"”]", label.label)))
        plain = [w for w in words(label.label) if len(w) >= _LEAST and w not in _SAYING]
        self.exact = frozenset([*quoted, *plain])
        self.stems = frozenset(w[:_STEM] for w in plain if len(w) >= _STEM)
        told = label.label.lower()
        self.marks = frozenset("".join(marks for name, marks in _MARKS.items() if name in told))
        if any(name in told for name in _ENDING):
            self.marks |= frozenset(".!?")
        if not signs_alone and _SETTING.search(told):
            self.marks = frozenset()
        self.digits = any(name in told for name in _DIGITS)

    def has(self, name: str) -> bool:
        """Whether a unit is a word of the label or a mark it names."""
        if not any(c.isalnum() for c in name):
            return name[0] in self.marks
        if self.digits and name[0].isdigit():
            return True
        low = name.casefold()
        parts = [low, *re.split("['’_]", low)]
        return any(p in self.exact or (len(p) >= _STEM and p[:_STEM] in self.stems) for p in parts)
