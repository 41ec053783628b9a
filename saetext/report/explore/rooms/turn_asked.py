"""The room Turn, what an address asks for: the model that is at hand, the feature, and the question.

Not for: what is computed (queries/turning.py), or pages (turn.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.report.explore.asked import Asked
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.turning import MOST_PROMPTS, STRONGEST, Question
from saetext.report.explore.writers import Model

LENGTHS = (40, 60, 100, 200)  # tokens of a text
LONGEST_PROMPTS = 4000  # characters: they stand in the address
_HOTTEST = 2.0
_OTHERS = 6  # features offered beside the one whose label fits best


@dataclass(frozen=True)
class Place:
    """The model that is at hand for a corpus, and the features that can be turned in it.

    Attributes
    ----------
    corpus, sae : str
        Names of the corpus and of its SAE.
    model : Model
    labels : FeatureLabels
        What the features are called, as of now.
    d_sae : int
        How many there are.
    own : bool
        Whether they are the features of the corpus.
    """

    corpus: str
    sae: str
    model: Model
    labels: FeatureLabels
    d_sae: int
    own: bool

    @classmethod
    def of(cls, loaded: Loaded, asked: Asked) -> Place | None:
        """Return it: of the corpus that is asked for, else of the first that has one; None if there is none.

        Raises
        ------
        SaetextError
            If there is no such corpus or SAE, or the SAE of the model cannot be found.
        """
        name = asked.text("corpus", longest=500)
        for home in [loaded.home_of(name)] if name else loaded.names:
            corpus = loaded.corpus(home)
            saes = [loaded.sae(home, asked.text("sae", longest=500))] if name else corpus.saes
            for sae in saes:
                if (model := loaded.writers.of(corpus, sae)) is None:
                    continue
                if loaded.writers.turns(corpus, sae):  # as they are called now
                    spec = corpus.spec.sae(sae)
                    return cls(home, sae, model, loaded.labels(home, sae), spec.d_sae, True)
        if loaded.writers.named is None:
            return None
        subject, home = loaded.writers.subject(loaded.writers.named), loaded.home_of(name)
        sae = loaded.sae(home, None)
        return cls(home, sae, loaded.writers.named, subject.labels, subject.sae.d_sae, False)

    def label(self, feature: int) -> str:
        """Return what a feature is called."""
        return self.labels.label(feature)


@dataclass(frozen=True)
class Chosen:
    """The feature that is meant, and others whose labels fit the words that were asked for."""

    feature: int
    others: tuple[tuple[int, str], ...] = ()


def feature_of(place: Place, asked: str) -> Chosen:
    """Return the feature of a number, or of words of a label.

    Raises
    ------
    InputError
        If there is none.
    """
    if asked.isascii() and asked.isdigit():
        feature = int(asked[:12])
        if feature >= place.d_sae:
            raise InputError(f"there is no feature {feature}; there are 0 to {place.d_sae - 1}")
        return Chosen(feature)
    found = LabelIndex(place.labels, lexical=True).search(asked, _OTHERS + 1) if len(place.labels) else []
    if not found:
        raise InputError("no label has these words: give a feature's number, or other words")
    best, *rest = (feature for feature, _ in found)
    return Chosen(best, tuple((feature, place.label(feature)) for feature in rest))


def question_of(place: Place, chosen: Chosen, asked: Asked) -> Question:
    """Return what an address asks for; InputError if it cannot be."""
    lines = asked.text("prompt", longest=LONGEST_PROMPTS).splitlines()
    prompts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(prompts) > MOST_PROMPTS:
        raise InputError(f"there are {len(prompts)} prompts, one a line; at most {MOST_PROMPTS} are answered")
    strength = _decimal(asked, "strength", 1.0, -STRONGEST, STRONGEST)
    if not strength:
        raise InputError("at strength 0 nothing is turned: move the slider")
    return Question(
        place.model,
        prompts,
        chosen.feature,
        strength,
        _decimal(asked, "temperature", 0.8, 0.0, _HOTTEST),
        asked.number("seed", 0),
        asked.number("tokens", LENGTHS[1], 1, LENGTHS[-1]),
        asked.number("raw", 0, 0, 1) == 1,
    )


def _decimal(asked: Asked, name: str, otherwise: float, least: float, most: float) -> float:
    given = asked.text(name, longest=30)
    try:
        value = float(given) if given else otherwise
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise InputError(f"{name} is a number from {least:g} to {most:g}")
    return value + 0.0
