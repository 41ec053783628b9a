"""evaluate_shift: how close answers under a shift are to groups' on held-out questions, and beside what.

Not for: fitting (:mod:`saetext.intervene.shifts.run`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl

from saetext.errors import InputError
from saetext.intervene.shifts.across import diagonal
from saetext.intervene.shifts.arms import Answered, Arms
from saetext.intervene.shifts.comparing import arm_rows, ceiling_row, group_rows, scored
from saetext.intervene.shifts.moved import features_table
from saetext.intervene.shifts.opinions import Opinions, opinions_of
from saetext.intervene.shifts.request import ShiftEvalRequest
from saetext.intervene.shifts.result import ShiftEvaluation
from saetext.intervene.shifts.saved import Shift, fingerprint
from saetext.intervene.shifts.scores import closeness
from saetext.intervene.shifts.setting import Setting, opened
from saetext.intervene.shifts.tables import ACROSS, ANSWERS, ARMS, GROUPS
from saetext.intervene.shifts.verdict import verdict_of
from saetext.intervene.subject import Subject
from saetext.io.request import verb_of_two
from saetext.reader.causal import CausalModel

FEW = 8  # questions below which there is no interval
_LEAST_GROUPS = 4  # below which names cannot be permuted often enough for p <= .05


@verb_of_two(ShiftEvalRequest)
def evaluate_shift(
    model: str | Path | CausalModel | Subject, opinions: Any, request: ShiftEvalRequest
) -> ShiftEvaluation:
    """Ask a model, under a fitted shift and without, questions the shift was not fitted on.

    Answers are held against each group's: those of the unedited model, under a plain instruction, at the
    group's best temperature, under one shift for all groups, a dense vector, and random features moved as
    far; and against the other half of the group's own respondents, where the table has counts.

    Parameters
    ----------
    model : str, path, CausalModel or Subject
        The model that the shift was fitted on.
    opinions : path, polars.DataFrame, or rows
        As of :func:`saetext.shift`. Questions that were fitted on are left out.

    Returns
    -------
    ShiftEvaluation

    Raises
    ------
    InputError
        If there is no shift, or no question that it was not fitted on, or it is of another model, SAE or
        other groups.
    ReaderError
        If the model or the SAE cannot be loaded.

    Examples
    --------
    >>> import saetext
    >>> try:
    ...     saetext.evaluate_shift("smollm2", "opinions.parquet")
    ... except saetext.SaetextError as error:
    ...     print(error)
    which shift? name the directory that saetext shift fit -o wrote, with --shift
    """
    if request.shift is None:
        raise InputError("which shift? name the directory that saetext shift fit -o wrote, with --shift")
    shift = request.shift if isinstance(request.shift, Shift) else Shift.load(request.shift)
    found = opinions_of(opinions, request)
    numbers = _asked(found, shift, request)
    if request.sae is None and not isinstance(model, Subject) and _has_no_sae(model):
        request = request.replace(sae=shift.sae["place"] or None)
    subject = opened(model, request)
    shift.require_fit(subject.model, subject.sae)
    labels = subject.labels(request.labels)
    setting = Setting(subject, found, request)
    arms = Arms(setting, shift, numbers, request)
    given = arms.all()
    rows = {arm.name: scored(arm, found, numbers) for arm in given}
    table = pl.DataFrame(arm_rows(given, rows, request.seed), schema=ARMS)
    top = ceiling_row(found, numbers, request.seed)
    if top is not None:
        table = pl.concat([table, pl.DataFrame([top], schema=ARMS)])
    across, metrics = _across(arms.across(), found, numbers, shift, request.seed)
    verdict = verdict_of(
        table.to_dicts(), len(shift.groups), metrics["diagonal_p"], metrics["diagonal_least_p"]
    )
    metrics |= {
        "verdict": verdict,
        "questions": len(numbers),
        "groups": len(shift.groups),
        "elsewhere": float(np.mean([letters.elsewhere for letters in arms.unedited.values()])),
        "refused": float(np.mean([answer.refused for answer in found.of(numbers)])),
    }
    return ShiftEvaluation(
        "shift_eval",
        table=table,
        params={
            **request.params(),
            "sae": subject.sae.origin,
            "subject": subject.about(),
            "shift": shift.params,
        },
        metrics=metrics,
        notes=(*found.notes, *_notes(metrics, top is not None)),
        groups=pl.DataFrame(group_rows(given, rows, found, numbers), schema=GROUPS),
        across=across,
        features=features_table(shift, labels, subject.sae.encoder.decoder),
        answers=_answers(given, found, numbers),
    )


def _has_no_sae(model: Any) -> bool:
    from saetext.reader import shipped

    return isinstance(model, CausalModel) or shipped.by_name(str(model)) is None


def _asked(opinions: Opinions, shift: Shift, request: ShiftEvalRequest) -> tuple[int, ...]:
    """Return the questions that were not fitted on, of groups that the shift has."""
    if missing := [group for group in shift.groups if group not in opinions.groups]:
        raise InputError(f"the table has no answer of group {missing[0]!r}, which the shift has")
    known = set(shift.fitted_on)
    there = {answer.question for answer in opinions.answers if answer.group in shift.groups}
    numbers = tuple(
        i
        for i, question in enumerate(opinions.questions)
        if i in there and (request.all_questions or fingerprint(question.key) not in known)
    )
    if not numbers:
        raise InputError(
            f"all {len(there):,} questions of the table were fitted on: give others, or --all-questions to "
            "see how close the fit is to what it was fitted on"
        )
    for group in shift.groups:
        if not any(answer.group == group for answer in opinions.of(numbers)):
            raise InputError(f"no question that was held out has an answer of group {group!r}")
    return numbers


def _across(
    answers: Mapping[str, Mapping[int, Any]],
    opinions: Opinions,
    numbers: Sequence[int],
    shift: Shift,
    seed: int,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return every group's shift against every group's answers, and what the diagonal says."""
    rows, table = [], np.zeros((len(shift.groups), len(shift.groups)))
    for i, own in enumerate(shift.groups):
        for j, group in enumerate(shift.groups):
            values = [
                closeness(
                    answer.shares,
                    answers[own][answer.question].shares(),
                    opinions.questions[answer.question].ordinal,
                ).alignment
                for answer in opinions.of(numbers)
                if answer.group == group
            ]
            table[i, j] = np.mean(values)
            rows.append(
                {"shift": own, "group": group, "questions": len(values), "alignment": float(table[i, j])}
            )
    found = diagonal(table, seed)
    return pl.DataFrame(rows, schema=ACROSS), {
        "diagonal": found.own,
        "off_diagonal": found.other,
        "best_of_own": found.best,
        "diagonal_p": found.p,
        "diagonal_least_p": found.least,
    }


def _answers(arms: Sequence[Answered], opinions: Opinions, numbers: Sequence[int]) -> pl.DataFrame:
    rows = []
    for arm in arms:
        for answer in opinions.of(numbers):
            if (own := arm.shares(answer.group, answer.question)) is None:
                continue
            question = opinions.questions[answer.question]
            rows.append(
                {
                    "arm": arm.name,
                    "group": answer.group,
                    "question": question.text,
                    "options": list(question.options),
                    "distribution": answer.shares.tolist(),
                    "model": own.tolist(),
                    **closeness(answer.shares, own, question.ordinal)._asdict(),
                }
            )
    return pl.DataFrame(rows, schema=ANSWERS)


def _notes(metrics: Mapping[str, Any], counted: bool) -> tuple[str, ...]:
    notes = []
    if metrics["questions"] < FEW:
        notes.append(f"no intervals: they need {FEW} questions, here there are {metrics['questions']}")
    if metrics["groups"] < _LEAST_GROUPS:
        notes.append(
            f"of {metrics['groups']} groups the names can be permuted in few ways: p is at least "
            f"{metrics['diagonal_least_p']:.2f}"
        )
    if metrics["elsewhere"] > 0.5:
        notes.append(
            f"the model gives {metrics['elsewhere']:.0%} of its probability to none of the letters: it "
            "hardly takes part; shares are among the letters alone"
        )
    if not counted:
        notes.append("no ceiling: the table has neither counts nor respondents")
    return tuple(notes)
