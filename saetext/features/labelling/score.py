"""Scores: how well a label tells, on unseen passages, where its feature fires; offline by an embedding.

The offline score asks whether the embedding of label and description is closer to the passages where the
feature fires than to the others. It is a weak judge: an embedding knows topics and words better than layout
or function, so a low score may be the judge's fault, a high one is rarely luck. Not for: judging with a
language model (:mod:`saetext.features.labelling.by_llm`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from saetext.features.contexts import Trial
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io.progress import OnProgress, Stages


class Embeds(Protocol):
    """What turns texts into unit vectors; :class:`saetext.reader.sentences.Embedder` does."""

    def embed(
        self, texts: Sequence[str], on_done: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Return float32[n, width] of length 1."""
        ...


@dataclass(frozen=True)
class Score:
    """Balanced accuracy (mean of the shares of firing and of silent passages told right; .5 is chance)."""

    balanced_accuracy: float
    trials: int
    method: str


def score_by_embedding(
    labels: FeatureLabels,
    trials: Mapping[int, Sequence[Trial]],
    embedder: Embeds,
    on_progress: OnProgress | None = None,
) -> dict[int, Score]:
    """Score labels by the likeness of label and passage, without a language model.

    A passage is taken to fire if its likeness to the label, less what this passage has with labels on average
    and less what this label has with passages on average, is above 0. The threshold thus knows nothing of the
    feature's own truth, and does not drift with general labels or long passages.
    """
    features = [f for f in trials if f in labels and trials[f]]
    if not features:
        return {}
    rows = [labels[f] for f in features]
    named = embedder.embed([f"{row.label}. {row.description}".strip() for row in rows])
    texts = list(dict.fromkeys(t.text for f in features for t in trials[f]))
    place = {text: i for i, text in enumerate(texts)}
    done, tell = 0, Stages(on_progress, "passages")

    def count(n: int) -> None:
        nonlocal done
        done += n
        tell("embedding passages", done, len(texts))

    passages = embedder.embed(texts, count)
    # what a passage has in common with any label, and a label with any passage
    of_passage = passages @ named.mean(0)
    of_label = named @ passages.mean(0)
    overall = float(of_label.mean())
    found = {}
    for i, feature in enumerate(features):
        at = [place[t.text] for t in trials[feature]]
        likeness = passages[at] @ named[i] - of_passage[at] - of_label[i] + overall
        found[feature] = Score(
            balanced_accuracy([t.fires for t in trials[feature]], (likeness > 0).tolist()),
            len(at),
            "embedding",
        )
    return found


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
