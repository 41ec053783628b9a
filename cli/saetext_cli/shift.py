"""``saetext shift``: features moved so that a model answers as groups of people do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.intervene.shifts.request import ShiftEvalRequest, ShiftRequest
from saetext.io.request import option
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, note, require_new, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import PageOutput
from saetext_cli.outputs import all_or_none

if TYPE_CHECKING:
    from saetext.analysis.base import Result

_FIT_ONLY = (
    *("hold_out", "share", "sparsity", "displacement", "steps", "step", "patience", "check_every"),
    *("train_orders", "repeats", "controls", "preserve"),
)
_EVAL_ONLY = ("shift", "random", "all_questions", "orders", "persona")


@dataclass(frozen=True, kw_only=True)
class ShiftOutput(PageOutput):
    """Output with the fitted shift, or the answers."""

    output: Path | None = option(
        "fit: the directory of the shift. eval: a Parquet file of all answers.",
        default=None,
        flags=("--output", "-o"),
        metavar="PATH",
        group="Output",
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What will be written."""
        return (*super().files, self.output)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "shift",
        epilog="Examples: saetext shift fit smollm2 opinions.parquet --by group --hold-out question "
        "-o opinions.shift; saetext shift eval smollm2 opinions.parquet --by group --shift opinions.shift "
        "--html shift.html",
    )(expanded(shift))


def shift(
    action: Annotated[str, typer.Argument(metavar="fit|eval", help="What to do.")],
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A language model that writes: smollm2, a name, a directory."),
    ],
    opinions: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Parquet or JSONL, a row each question and group: question, options, distribution or "
            "counts.",
        ),
    ],
    fit: ShiftRequest,
    evaluation: ShiftEvalRequest,
    output: ShiftOutput,
) -> None:
    """Fit which features to move so that a model answers as groups of people do, or evaluate such a shift.

    fit moves few features for each group, on part of the questions. eval asks the questions that were held
    out and puts the answers beside those without a shift, under a plain instruction, at another temperature,
    under one shift for all groups, a dense vector and random features; every group's shift is held against
    every group's answers. Interrupted, fit resumes.
    """
    _require(action, fit, evaluation, output)
    for path in output.files:
        require_new(path)
    convert_first(model)
    run: Any = _fit if action == "fit" else _eval
    run(model, opinions, fit if action == "fit" else evaluation, output)


def _require(action: str, fit: ShiftRequest, evaluation: ShiftEvalRequest, output: ShiftOutput) -> None:
    if action not in ("fit", "eval"):
        raise typer.BadParameter(f"expected fit or eval, not {action!r}")
    alien = evaluation.changed(*_EVAL_ONLY) if action == "fit" else fit.changed(*_FIT_ONLY)
    for name in alien:
        other = "eval" if action == "fit" else "fit"
        raise typer.BadParameter(f"--{name.replace('_', '-')} goes with {other}")
    if action == "fit" and output.html is not None:
        raise typer.BadParameter("--html goes with eval: a fit has no page")
    if action == "eval" and evaluation.shift is None:
        raise typer.BadParameter("name the fitted shift with --shift")


def _fit(model: str, opinions: Path, request: ShiftRequest, output: ShiftOutput) -> None:
    from saetext.intervene.shifts.run import shift as compute

    with progress_bar("loading the model") as show:
        found = compute(model, opinions, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        if output.output is not None:
            found.shift.save(output.output)
            note(f"wrote {output.output}")
    _finish(found, output)


def _eval(model: str, opinions: Path, request: ShiftEvalRequest, output: ShiftOutput) -> None:
    from saetext.intervene.shifts.evaluate import evaluate_shift

    with progress_bar("loading the model") as show:
        found = evaluate_shift(model, opinions, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        if output.html is not None:
            found.to_html(output.html)
            note(f"wrote {output.html}")
        if output.output is not None:
            found.write_answers(output.output)
            note(f"wrote {output.output}")
    _finish(found, output)


def _finish(found: Result, output: ShiftOutput) -> None:
    from saetext.report.console.shifts import render_shift

    finish(found, output, lambda: render_shift(found, width(), colored(), encoding=encoding()))
