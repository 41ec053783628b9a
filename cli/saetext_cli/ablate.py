"""``saetext ablate``: what a model's texts lose when features are taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext.intervene.ablation.request import AblateRequest
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import Columns
from saetext_cli.outputs import all_or_none
from saetext_cli.written import ArmsOutput, write_arms, write_page


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "ablate",
        epilog="Examples: saetext ablate smollm2 prompts.jsonl --features attribution.json:5 --by topic "
        "--metrics items,distinct,repeats,tokens --mode zero,mean --html ablated.html; "
        "saetext ablate smollm2 prompts.jsonl -f 2162 -f 4976 --controls 3 -o arms.jsonl",
    )(expanded(ablate))


def ablate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A causal model: Hugging Face id, directory, or an added model's name."
        ),
    ],
    prompts: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Prompts, one a row; answers beside them are not looked at."),
    ],
    request: AblateRequest,
    columns: Columns,
    output: ArmsOutput,
) -> None:
    """Write texts with features taken out, and without, and say what that changes.

    Features are chosen on half of the topics and tested on the other. Every arm shares the sampling noise of
    its prompt and sample. Beside the ablated texts stand controls (matched features, random directions) and
    two cheap rivals: a token that is never written, and the difference of means. Interrupted, the same
    command resumes.
    """
    output.require_writable()
    from saetext.intervene.rows import asked_in

    # answers are not looked at: a column that is named has the prompts
    rows = asked_in(prompts, text=columns.text_column, prompt=columns.prompt_column, id=columns.id_column)
    convert_first(model)
    from saetext.intervene.ablation.run import ablate as run
    from saetext.report.console.ablation import render_ablation

    with progress_bar("loading the model") as show:
        found = run(model, rows, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        write_page(found, output.html)
        write_arms(found, output.output)
    finish(found, output, lambda: render_ablation(found, width(), colored(), encoding=encoding()))
