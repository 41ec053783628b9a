"""Answers of groups to questions: read from a table, checked, and split into training and held-out questions.

A row is one group's answers to one question: ``distribution`` (shares) or ``counts`` over ``options``; or a
statement with ``matches`` (a boolean), which is a question of yes and no that the group answers one way. Not
for: asking a model (:mod:`saetext.intervene.shifts.prompts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.documents.memory import open_in_memory
from saetext.errors import InputError
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    import polars as pl

    from saetext.intervene.shifts.request import AnswersRequest

Floats = NDArray[np.float64]
_OFF = 0.02  # by which shares may miss 1: published tables are rounded
YES_NO = ("Yes", "No")
STATEMENT = "Is the following statement something you would say?\n\n{}"
LEAST_GROUPS = 2


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    text : str
        As the model is asked.
    options : tuple of str
        Without refusals, in the order of the scale.
    ordinal : bool
        Whether the order means something.
    unit : str
        The value of the column that is held out.
    """

    text: str
    options: tuple[str, ...]
    ordinal: bool
    unit: str

    @property
    def key(self) -> str:
        """What tells it from others."""
        return "\x1f".join((self.text, *self.options))


@dataclass(frozen=True, eq=False)
class Answer:
    """What one group answers to one question.

    Attributes
    ----------
    question : int
        Number of the question.
    group : str
    shares : float64[options]
        They add up to 1; refusals are not among them.
    refused : float
        Share of all answers that were refusals.
    counts : int64[options] or None
        Number of respondents, where known.
    """

    question: int
    group: str
    shares: Floats
    refused: float
    counts: NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Opinions:
    """Questions and the answers of groups to them.

    Attributes
    ----------
    questions : tuple of Question
    answers : tuple of Answer
        Of each question and group one at most.
    groups : tuple of str
        In alphabetical order.
    notes : tuple of str
        What was left out.
    """

    questions: tuple[Question, ...]
    answers: tuple[Answer, ...]
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def of(self, numbers: Sequence[int]) -> list[Answer]:
        """Return the answers to some questions."""
        wanted = set(numbers)
        return [answer for answer in self.answers if answer.question in wanted]


def pattern_of(text: str) -> re.Pattern[str]:
    """Return a pattern of refusals; InputError if it is none."""
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"{quoted(text, 60)} is no pattern for --refusals: {error}") from None


def opinions_of(given: Any, request: AnswersRequest, hold_out: str | None = None) -> Opinions:
    """Return questions and answers.

    Parameters
    ----------
    given : path, frame, table, dataset, or iterable of mappings
        A Parquet, CSV (with lists as JSON) or JSONL file, or rows.
    request : AnswersRequest
    hold_out : str, optional
        Column whose values are held out; by default the question.

    Raises
    ------
    InputError
        If columns are missing, a row cannot be used, or there is one group only.
    """
    table = _table(given)
    question = _question_column(table, request)
    _require_columns(table, [request.by, *([hold_out] if hold_out not in (None, "question") else [])])
    planted = "matches" in table.columns and "options" not in table.columns
    if not planted:
        _require_columns(table, ["options"])
        if not {"distribution", "counts"} & set(table.columns):
            raise InputError(
                "the table has neither a column 'distribution' nor 'counts': one of them says what a group "
                f"answered; it has {_names(table)}"
            )
    gathered = _Gathered(request, question, hold_out if hold_out != "question" else None, planted)
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        gathered.add(number, row)
    return gathered.whole()


class _Gathered:
    """Rows put together."""

    def __init__(self, request: AnswersRequest, question: str, hold_out: str | None, planted: bool) -> None:
        self.request, self.column, self.unit, self.planted = request, question, hold_out, planted
        self.refusal = pattern_of(request.refusals)
        self.numbers: dict[str, int] = {}
        self.questions: list[Question] = []
        self.answers: dict[tuple[int, str], Answer] = {}
        self.few = self.narrow = self.wide = 0
        self.thin: set[str] = set()

    def add(self, number: int, row: Mapping[str, Any]) -> None:
        """Take one row."""
        group, text = row[self.request.by], row[self.column]
        if group is None or text is None or not str(text).strip():
            raise InputError(f"row {number} has no {self.request.by if group is None else self.column}")
        options, values, total = self._values(number, row)
        kept = [i for i, option in enumerate(options) if not self.refusal.search(option)]
        if len(kept) < 2 or values[kept].sum() <= 0:
            self.narrow += 1
            return
        if len(kept) > len(self.request.symbols):
            self.wide += 1
            return
        respondents = None if total is None else float(total * values[kept].sum())
        if respondents is not None and respondents < self.request.min_respondents:
            self.few += 1
            self.thin.add(str(group))
            return
        ordinal = {"ordinal": True, "nominal": False}.get(self.request.scale)
        if ordinal is None:
            ordinal = True if row.get("ordinal") is None else bool(row["ordinal"])
        put = STATEMENT.format(str(text).strip()) if self.planted else str(text).strip()
        unit = put if self.unit is None else str(row[self.unit])
        question = Question(put, tuple(options[i] for i in kept), ordinal, unit)
        at = self.numbers.setdefault(question.key, len(self.questions))
        if at == len(self.questions):
            self.questions.append(question)
        elif self.questions[at].unit != unit:
            raise InputError(
                f"row {number}: the same question stands under two values of {self.unit!r}, and would be on "
                "both sides"
            )
        if (at, str(group)) in self.answers:
            raise InputError(f"row {number}: group {quoted(str(group), 40)} answers a question twice")
        shares = values[kept] / values[kept].sum()
        counts = None if total is None else np.rint(values[kept] * total).astype(np.int64)
        refused = float(1 - values[kept].sum()) if len(kept) < len(options) else 0.0
        self.answers[at, str(group)] = Answer(at, str(group), shares, max(refused, 0.0), counts)

    def _values(self, number: int, row: Mapping[str, Any]) -> tuple[list[str], Floats, float | None]:
        """Return options, shares of all answers, and the number of respondents where it is known."""
        if self.planted:
            if not isinstance(row["matches"], bool):
                raise InputError(
                    f"row {number}: 'matches' is {quoted(str(row['matches']), 20)}, not a boolean"
                )
            return list(YES_NO), np.array([row["matches"], not row["matches"]], np.float64), None
        options = [str(option).strip() for option in _list(number, "options", row["options"])]
        if len(set(options)) < len(options):
            raise InputError(f"row {number}: an option stands twice in 'options'")
        name = "counts" if row.get("counts") is not None else "distribution"
        found = _list(number, name, row.get(name))
        if len(found) != len(options):
            raise InputError(f"row {number}: {len(options)} options, but {len(found)} values in '{name}'")
        try:
            values = np.array(found, np.float64)
        except (TypeError, ValueError):
            raise InputError(f"row {number}: '{name}' holds something that is no number") from None
        if not np.isfinite(values).all() or (values < 0).any():
            raise InputError(f"row {number}: '{name}' holds a value that is negative or not finite")
        total = float(values.sum())
        if name == "counts":
            if total <= 0:
                raise InputError(f"row {number}: 'counts' are all 0")
            return options, values / total, total
        if abs(total - 1) > _OFF:
            raise InputError(f"row {number}: the shares in 'distribution' add up to {total:.3f}, not to 1")
        respondents = row.get("respondents")
        return options, values / total, None if respondents is None else float(respondents)

    def whole(self) -> Opinions:
        """Return what was gathered."""
        groups = tuple(sorted({answer.group for answer in self.answers.values()}))
        if gone := sorted(self.thin - set(groups)):
            raise InputError(
                f"group {quoted(gone[0], 40)} has fewer than {self.request.min_respondents} respondents to "
                "every question: leave it out, or lower --min-respondents"
            )
        notes = self._notes()
        if not groups:
            raise InputError(f"no row can be used: {'; '.join(notes) or 'the table is empty'}")
        if len(groups) < LEAST_GROUPS:
            raise InputError(
                f"there is only one group, {quoted(groups[0], 40)}, in column {self.request.by!r}: two at "
                "least can be compared"
            )
        return Opinions(tuple(self.questions), tuple(self.answers.values()), groups, tuple(notes))

    def _notes(self) -> list[str]:
        """Return what was left out, a line each."""
        notes = []
        if self.few:
            notes.append(
                f"{self.few:,} answers of fewer than {self.request.min_respondents} respondents left out"
            )
        if self.narrow:
            notes.append(f"{self.narrow:,} rows left out: fewer than two options are opinions")
        if self.wide:
            notes.append(f"{self.wide:,} rows left out: more options than letters")
        return notes


@dataclass(frozen=True)
class Split:
    """Numbers of questions: fitted on, looked at for stopping, held out."""

    train: tuple[int, ...]
    check: tuple[int, ...]
    held: tuple[int, ...]


def split_of(opinions: Opinions, share: float, seed: int, checked: float = 0.2) -> Split:
    """Split questions by their units, and set part of the training questions aside for early stopping.

    Raises
    ------
    InputError
        If nothing is left on one side for one of the groups.
    """
    units = sorted({question.unit for question in opinions.questions})
    draw = np.random.default_rng([seed, 1])
    order = [units[i] for i in draw.permutation(len(units))]
    n_held = round(share * len(units))
    n_check = max(1, round(checked * (len(units) - n_held)))
    parts = (set(order[:n_held]), set(order[n_held : n_held + n_check]), set(order[n_held + n_check :]))
    held, check, train = (
        tuple(i for i, question in enumerate(opinions.questions) if question.unit in part) for part in parts
    )
    for numbers, what in ((held, "held out"), (check, "set aside to stop by"), (train, "left to fit on")):
        there = {answer.group for answer in opinions.of(numbers)}
        if missing := [group for group in opinions.groups if group not in there]:
            raise InputError(
                f"no question of group {quoted(missing[0], 40)} is {what}: there are {len(units)} values to "
                f"hold out, of which {n_held} are; give more questions, or another --share"
            )
    return Split(train, check, held)


# ---- the table -------------------------------------------------------------------------------------------


def _table(given: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, str | Path):
        return _read(Path(given))
    reader = None if isinstance(given, list | tuple) else open_in_memory(given)  # frames, tables, datasets
    rows = list(given) if reader is None else [row for _, row in reader.rows()]
    if not rows or not all(isinstance(row, Mapping) for row in rows):
        raise InputError("answers are a file, a frame, a table or a dataset, or rows with columns")
    return pl.DataFrame(rows, infer_schema_length=None)


def _read(path: Path) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    from saetext.io.opener import HUGE, read_bytes, reading
    from saetext.io.table_file import read_table

    with reading(
        path, InputError, "table of answers", "expected Parquet or JSONL, a row each question and group"
    ):
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            content = read_bytes(path, HUGE)
            try:
                return pl.read_ndjson(content, infer_schema_length=None)
            except pl.exceptions.PolarsError as error:
                raise ValueError(str(error)) from None
        try:
            found = pl.from_arrow(read_table(path))
        except pa.ArrowException as error:
            raise ValueError(str(error)) from None
        assert isinstance(found, pl.DataFrame)
        return found


def _question_column(table: pl.DataFrame, request: AnswersRequest) -> str:
    if request.question is not None:
        _require_columns(table, [request.question])
        return request.question
    for name in ("question", "text"):
        if name in table.columns:
            return name
    raise InputError(
        f"there is no column 'question' or 'text': name it with --question; there is {_names(table)}"
    )


def _require_columns(table: pl.DataFrame, names: Sequence[str | None]) -> None:
    for name in names:
        if name is not None and name not in table.columns:
            raise InputError(f"there is no column {quoted(name, 40)}: the table has {_names(table)}")


def _names(table: pl.DataFrame) -> str:
    return ", ".join(quoted(name, 30) for name in table.columns[:12])


def _list(number: int, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise InputError(f"row {number}: '{name}' is a list of two or more, not {quoted(str(value), 40)}")
    return list(value)
