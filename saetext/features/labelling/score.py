"""Scores: how well a label tells, on unseen passages, where its feature is active; offline by an embedding.

The offline score asks whether the embedding of label and description is closer to the passages that activate
the feature than to the others. It is a weak judge: an embedding knows topics and words better than layout
or function, so a low score may be the judge's fault, a high one is rarely luck. Not for: judging with a
language model (:mod:`saetext.features.labelling.by_llm`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from saetext.features.contexts import Trial
from saetext.features.known_labels import shipped_labels
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io.progress import OnProgress, Stages

_REFERENCE = 256  # labels that stand for labels in general
_ROUNDING = 1e-6  # a passage at the threshold is no hit: cosines in float32 are no more exact than this


class Embeds(Protocol):
    """What turns texts into unit vectors; :class:`saetext.reader.sentences.Embedder` does."""

    def embed(
        self, texts: Sequence[str], on_done: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Return float32[n, width] of length 1."""
        ...


@dataclass(frozen=True)
class Score:
    """Balanced accuracy: mean of sensitivity and specificity; .5 is chance."""

    balanced_accuracy: float
    trials: int
    method: str


def score_by_embedding(
    labels: FeatureLabels,
    trials: Mapping[int, Sequence[Trial]],
    embedder: Embeds,
    on_progress: OnProgress | None = None,
    *,
    reference: Sequence[str] | None = None,
) -> dict[int, Score]:
    """Score labels by the cosine similarity of label and passage, without a language model.

    A passage is judged to be activating if its similarity to the label, beyond its similarity to labels in
    general, is above the mean of the feature's own passages. So a score does not depend on which other labels
    are scored. The threshold does not know which passages are active. General labels or long passages do not
    move it.

    Parameters
    ----------
    reference : sequence of str, optional
        Texts that stand for labels in general; by default :func:`reference_labels`.
    """
    features = [f for f in trials if f in labels and trials[f]]
    if not features:
        return {}
    named = embedder.embed([_told(labels[f]) for f in features])
    texts = list(dict.fromkeys(t.text for f in features for t in trials[f]))
    place = {text: i for i, text in enumerate(texts)}
    done, tell = 0, Stages(on_progress, "passages")

    def count(n: int) -> None:
        nonlocal done
        done += n
        tell("embedding passages", done, len(texts))

    passages = embedder.embed(texts, count)
    general = reference_labels() if reference is None else reference
    named = named - (embedder.embed(general).mean(0) if general else np.float32(0))
    found = {}
    for i, feature in enumerate(features):
        own = passages[[place[t.text] for t in trials[feature]]]
        above = (own - own.mean(0)) @ named[i]
        found[feature] = Score(
            balanced_accuracy([t.fires for t in trials[feature]], (above > _ROUNDING).tolist()),
            len(own),
            "embedding",
        )
    return found


@functools.cache  # it is of files that come with the package, and reading them takes longer than a score
def reference_labels() -> Sequence[str]:
    """Return texts that stand for labels in general: a fixed sample of the embedded reader's labels.

    Empty in a source tree without these labels.
    """
    shipped = shipped_labels()
    if shipped is None:
        return ()
    rows = list(shipped)
    chosen = np.random.default_rng(0).choice(len(rows), min(_REFERENCE, len(rows)), replace=False)
    return tuple(_told(rows[at]) for at in sorted(chosen.tolist()))


def _told(row: FeatureLabel) -> str:
    return f"{row.label}. {row.description}".strip()


def balanced_accuracy(truth: Sequence[bool], told: Sequence[bool]) -> float:
    """Return the mean over the two classes of the share told right; of the one class if there is one."""
    shares = []
    for side in (True, False):
        mine = [t == side for actual, t in zip(truth, told, strict=True) if actual == side]
        if mine:
            shares.append(sum(mine) / len(mine))
    return sum(shares) / len(shares) if shares else float("nan")


def with_scores(labels: FeatureLabels, scores: Mapping[int, Score]) -> FeatureLabels:
    """Return the labels with these scores in place of what they had."""
    import dataclasses

    rows: list[FeatureLabel] = []
    for row in labels:
        if (score := scores.get(row.feature)) is not None:
            row = dataclasses.replace(
                row,
                score=round(score.balanced_accuracy, 4),
                score_method=score.method,
                trials=score.trials,
            )
        rows.append(row)
    return FeatureLabels.from_rows(rows, labels.about)
