"""Ways to answer, compared: the unit is the question, its groups averaged. Not for: asking the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.intervene.shifts.opinions import Answer, Opinions
from saetext.intervene.shifts.scores import MEASURES, Closeness, ceiling, closeness
from saetext.stats.paired import bca_interval, paired

if TYPE_CHECKING:
    from saetext.intervene.shifts.arms import Answered

FEW = 8  # questions below which there is no interval

#: (question, group) -> how close.
Scores = Mapping[tuple[int, str], Closeness]


def scored(arm: Answered, opinions: Opinions, numbers: Sequence[int]) -> dict[tuple[int, str], Closeness]:
    """Return how close one way's answers are to each group's, draws averaged."""
    found = {}
    for answer in opinions.of(numbers):
        ordinal = opinions.questions[answer.question].ordinal
        draws = [closeness(answer.shares, own, ordinal) for own in arm.draws(answer.group, answer.question)]
        if draws:
            found[answer.question, answer.group] = Closeness(*np.mean(draws, axis=0).tolist())
    return found


def by_question(scores: Scores) -> dict[int, Closeness]:
    """Return the mean over groups of each question."""
    rows: dict[int, list[Closeness]] = {}
    for (question, _), own in scores.items():
        rows.setdefault(question, []).append(own)
    return {question: Closeness(*np.mean(own, axis=0).tolist()) for question, own in rows.items()}


def arm_rows(arms: Sequence[Answered], scores: Mapping[str, Scores], seed: int) -> list[dict[str, Any]]:
    """Return a row for each way: means with intervals over questions, and what is gained over no shift."""
    base = by_question(scores[arms[0].name])
    rows = []
    for arm in arms:
        own = by_question(scores[arm.name])
        side = arm.side
        # of each group its own questions, whatever else an arm was asked: arms are compared
        elsewhere = [
            draw[question].elsewhere
            for question, group in scores[arm.name]
            for draw in arm.letters.get(group, ())
            if question in draw
        ]
        rows.append(
            {
                **_row(arm.name, arm.kind, own, seed),
                **({} if arm is arms[0] else _gain(own, base, seed)),
                "elsewhere": float(np.mean(elsewhere)),
                "length": None if side is None else side.length,
                "features": None if side is None else side.features,
                "neutral_kl": None if side is None else side.neutral_kl,
                "nll_diff": None if side is None else side.nll_diff,
            }
        )
    return rows


def ceiling_row(opinions: Opinions, numbers: Sequence[int], seed: int) -> dict[str, Any] | None:
    """Return how close one half of each group is to its other; None where no answer has counts."""
    scores = ceilings(opinions.of(numbers), opinions, seed)
    return _row("other half of the group", "ceiling", by_question(scores), seed) if scores else None


def ceilings(answers: Sequence[Answer], opinions: Opinions, seed: int) -> dict[tuple[int, str], Closeness]:
    """Return the split-half closeness of each answer with counts."""
    return {
        (answer.question, answer.group): ceiling(
            answer.counts, opinions.questions[answer.question].ordinal, [seed, number, 6]
        )
        for number, answer in enumerate(answers)
        if answer.counts is not None and answer.counts.sum() >= 2
    }


def group_rows(
    arms: Sequence[Answered], scores: Mapping[str, Scores], opinions: Opinions, numbers: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a row for each way and group."""
    rows = []
    refused = {
        group: float(np.mean([a.refused for a in opinions.of(numbers) if a.group == group]))
        for group in arms[0].letters
    }
    for arm in arms:
        for group in arm.letters:
            own = [value for (_, name), value in scores[arm.name].items() if name == group]
            if own:
                means = dict(zip(MEASURES, np.mean(own, axis=0).tolist(), strict=True))
                rows.append(
                    {
                        "arm": arm.name, "kind": arm.kind, "group": group, "questions": len(own),
                        **means, "refused": refused[group],
                    }
                )  # fmt: skip
    return rows


def _row(name: str, kind: str, own: Mapping[int, Closeness], seed: int) -> dict[str, Any]:
    means = Closeness(*np.mean(list(own.values()), axis=0).tolist())
    low, high = (None, None)
    if len(own) >= FEW:
        low, high = bca_interval([value.alignment for value in own.values()], seed=seed)
    return {
        "arm": name, "kind": kind, "questions": len(own), **means._asdict(), "low": low, "high": high,
    }  # fmt: skip


def _gain(own: Mapping[int, Closeness], base: Mapping[int, Closeness], seed: int) -> dict[str, Any]:
    # rounding is no gain
    gains = [round(own[question].alignment - base[question].alignment, 12) for question in own]
    if len(gains) < FEW:
        return {"diff": float(np.mean(gains))}
    found = paired(gains, seed=seed)
    return {"diff": found.mean, "diff_low": found.low, "diff_high": found.high, "p": found.p}
