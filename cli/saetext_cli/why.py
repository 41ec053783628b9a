"""``saetext why``: whether a feature of the model that writes drives what a diff found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from saetext.errors import InputError
from saetext.intervene.causes.request import WhyRequest
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
        "why",
        epilog='Examples: saetext why prompts.jsonl --model smollm2 --system-a "Be cautious." '
        '--system-b "Be blunt." --html why.html; '
        "saetext why diff.json --model smollm2 -f 2162 --edit-a 2162:+1",
    )(expanded(why))


def why(
    given: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A diff that was saved (saetext diff A B --json > diff.json), or prompts, one a row.",
        ),
    ],
    request: WhyRequest,
    columns: Columns,
    output: ArmsOutput,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The causal model that wrote both sides: Hugging Face id, directory, or an added model's "
            "name.",
        ),
    ] = None,
) -> None:
    """Say whether a feature of the model that writes drives what a diff found.

    For each confirmed finding features are proposed on half of the prompts and tested on the other: taken out
    where the model shows more of the finding, turned up where it shows less, against matched features.
    Verdicts are drives it, contributes, only reads it, breaks the text, and not shown. Where nobody says how
    the model wrote A and B, features are proposed without a verdict. Interrupted, the same command resumes.
    """
    if model is None:
        raise InputError(
            "which model wrote A and B? name it with --model; where that one cannot be run here, another can "
            "only propose features"
        )
    output.require_writable()
    rows = _given(given, columns)
    convert_first(model)
    from saetext.intervene.causes.run import why as run
    from saetext.report.console.causes import render_why

    with progress_bar("loading the model") as show:
        found = run(rows, model, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        write_page(found, output.html)
        write_arms(found, output.output)
    finish(found, output, lambda: render_why(found, width(), colored(), encoding=encoding()))


def _given(path: Path, columns: Columns) -> Any:
    """Return the saved diff's path, or the prompts in a file."""
    from saetext.intervene.causes.compared import is_saved_result
    from saetext.intervene.rows import asked_in

    if is_saved_result(path):
        return path
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    # answers are not looked at: a column that is named has the prompts
    return asked_in(path, text=columns.text_column, prompt=columns.prompt_column, id=columns.id_column)
