"""``saetext steer``: what a model writes with features turned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from saetext.errors import InputError, refuse_unused
from saetext.intervene.request import SteerRequest
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import Columns
from saetext_cli.outputs import all_or_none
from saetext_cli.written import ArmsOutput, write_arms, write_page

_MOST_PROMPTS = 100_000
# one word that ends as files of documents do
_FILE_NAME = re.compile(r"\S+\.(?:jsonl|ndjson|json|csv|tsv|parquet|pq|arrow|feather|ipc|txt)(?:\.gz)?", re.I)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "steer",
        epilog='Examples: saetext steer smollm2 "What is your favourite animal?" -f 2162:+1 '
        "--doses -2,-1,0,1,2 --html steer.html; "
        'saetext steer smollm2 prompts.jsonl --concept "apologising" --controls 19 -o arms.jsonl; '
        "saetext steer smollm2 prompts.jsonl --shift opinions.shift --group Kenya --doses 0,1,2",
    )(expanded(steer))


def steer(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A causal model: Hugging Face id, directory, or an added model's name."
        ),
    ],
    prompts: Annotated[
        list[str],
        typer.Argument(
            metavar="PROMPT ...", help="Prompts, or files of them (.jsonl, .csv, .parquet, one text a row)."
        ),
    ],
    request: SteerRequest,
    columns: Columns,
    output: ArmsOutput,
) -> None:
    """Write texts with features turned up or down, and say what that changes.

    Each arm's texts stand beside the unedited ones, which share their sampling noise, with the dose-response,
    likelihood under the unedited model, repetition, and controls: matched features, a random direction of the
    same length, the sign turned, the plain instruction. Interrupted, the same command resumes.
    """
    output.require_writable()
    given = _prompts(prompts, columns)
    convert_first(model)
    from saetext.intervene.steer import steer as run
    from saetext.report.console.steering import render_steer

    with progress_bar("loading the model") as show:
        found = run(model, given, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        write_page(found, output.html)
        write_arms(found, output.output)
    finish(found, output, lambda: render_steer(found, width(), colored(), encoding=encoding()))


def _prompts(given: list[str], columns: Columns) -> list[Any]:
    """Return the prompts of arguments, each a prompt or a file of prompts."""
    if not any(_is_file(text) for text in given):
        refuse_unused("it says where the prompts of a file are, and no file was given; leave it out",
                      **columns.keywords())  # fmt: skip
    found: list[Any] = []
    for text in given:
        if not _is_file(text) and _FILE_NAME.fullmatch(text):
            raise InputError(f"there is no file {text}")  # as a prompt it would be a mistake
        found += _rows(Path(text), columns) if _is_file(text) else [text]
    if len(found) > _MOST_PROMPTS:
        raise InputError(f"{len(found):,} prompts: at most {_MOST_PROMPTS:,} are steered at once")
    return found


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (ValueError, OSError):  # a zero byte, or a text too long for a name
        return False


def _rows(path: Path, columns: Columns) -> list[Any]:
    """Return the prompts in a file: its prompts or turns, else its texts; answers are not looked at."""
    from saetext.intervene.rows import asked_in

    rows = asked_in(path, text=columns.text_column, prompt=columns.prompt_column, id=columns.id_column)
    return [
        row.prompt if isinstance(row.prompt, str) else [dict(turn) for turn in row.prompt] for row in rows
    ]
