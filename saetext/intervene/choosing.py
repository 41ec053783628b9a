"""Which feature a concept is turned by: like it by its label, and one that writes its words.

Not for: features that are named by number (:mod:`saetext.intervene.handles`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.similarity import answering, named
from saetext.intervene.edit import Change, require_editable
from saetext.intervene.output_score import OWN, Output, OutputScores

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.intervene.strength import Strengths

MOST = 8  # labels that are considered
SHARE = 0.8  # of the best label's similarity that a label must have


@dataclass(frozen=True)
class Candidate:
    """A feature whose label is like the concept.

    Attributes
    ----------
    feature : int
    label : str
    similarity : float
        Of the label and the concept.
    output : Output or None
        What its direction does to its own words; None where its strength is unknown, so that it cannot be
        turned.
    """

    feature: int
    label: str
    similarity: float
    output: Output | None

    @property
    def worth(self) -> float:
        """Similarity times 2 score - 1, the score's distance from chance; 0 where there is no score."""
        score = None if self.output is None else self.output.score
        return 0.0 if score is None else self.similarity * max(2 * score - 1, 0.0)

    def row(self, chosen: int) -> dict[str, Any]:
        """Return what is told of it."""
        output = self.output
        return {
            "feature": self.feature,
            "label": self.label,
            "similarity": self.similarity,
            "output_score": None if output is None else output.score,
            "promotes": [] if output is None else list(output.promoted),
            "chosen": self.feature == chosen,
        }


def candidates_of(
    concept: str, generator: Generator, strengths: Strengths, scores: OutputScores | None
) -> list[Candidate]:
    """Return the features whose labels are like a concept, the one to turn first.

    Raises
    ------
    InputError
        If no label is like it.
    """
    index = LabelIndex(generator.labels, device=str(generator.model.device))
    best = named(index, concept)
    if not best.found:
        near = "" if best.nearest is None else f"; the nearest is {index.label(best.nearest.feature)!r}"
        raise InputError(f"no feature is labelled like {concept[:60]!r}{near}: see 'saetext features'")
    least = SHARE * best.found[0].similarity
    like = {m.feature: float(m.similarity) for m in (*best.found, *answering(index, concept, MOST).found)}
    kept = [(feature, value) for feature, value in like.items() if value >= least][:MOST]
    found = []
    for feature, similarity in kept:
        require_editable(generator.sae, [feature])
        label = generator.labels.label(feature)
        found.append(Candidate(feature, label, similarity, _output(feature, generator, strengths, scores)))
    # stable: of equal ones, as where there are no scores, the better label stands first
    return sorted(found, key=lambda one: (one.output is None, -one.worth, -one.similarity))


def own_words(generator: Generator, feature: int, most: int) -> list[str]:
    """Return the words that activate a feature most in its calibration, the strongest first."""
    calibration = None if generator.sae is None else generator.sae.calibration
    return [] if calibration is None else list(calibration.top_words(feature)[:most])


def _output(
    feature: int, generator: Generator, strengths: Strengths, scores: OutputScores | None
) -> Output | None:
    if scores is None:
        return None
    unit = float(strengths.p99[feature])
    if not unit and generator.sae is not None and generator.sae.calibration is not None:
        unit = float(generator.sae.calibration.maxima[feature])
    return scores(Change(feature, "add", unit), own_words(generator, feature, OWN)) if unit else None
