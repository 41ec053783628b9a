"""``saetext demo``: the tour on the shipped example, offline."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from saetext.errors import InputError
from saetext.text.terminal import typed, visible
from saetext_cli.common import note, result

SENTENCE = "Sorry to hear that! Perhaps you could try restarting it, and let me know whether it helps?"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("demo", epilog="Example: saetext demo -o tour/")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory for the example's corpora.")
    ] = Path("demo"),
) -> None:
    """Compare two sets of 150 answers, one gentle and one brisk, from text files to a report."""
    from saetext.analysis.differences import DiffRequest
    from saetext_cli.diff import run
    from saetext_cli.diff_why import DiffWhy
    from saetext_cli.options import Endpoint, FileColumns, Labelled, PageOutput, ReaderChoice, Running
    from saetext_cli.read import read

    files = _copies(output)
    _step("What does the reader see in a sentence?", f"saetext read {shlex.quote(SENTENCE)} --top 8")
    read(SENTENCE, ReaderChoice(), Labelled(), top=8)
    page = output / "report.html"
    page.unlink(missing_ok=True)  # an earlier tour's
    compare = [
        "saetext",
        "diff",
        *map(str, files),
        "--pair-on",
        "prompt_id",
        "--top",
        "15",
        "--html",
        str(page),
    ]
    _step("How do the two sets of answers differ?", shlex.join(compare))
    asked = DiffRequest(pair_on="prompt_id", top=15)
    run(files, asked, FileColumns(), PageOutput(html=page), Endpoint(), Running(), DiffWhy())
    corpus = shlex.quote(f"{files[0]}.corpus")
    note("")
    note(f"The corpora are in {output}/, and the report: open {typed(page)}")
    note(f"Try: saetext show {corpus} cooking-01-gentle")


def _copies(output: Path) -> list[Path]:
    """Copy the example, so that its corpora land beside the copies and not in the installed package."""
    from saetext.io.files import write_atomic
    from saetext.io.opener import LARGE, read_bytes
    from saetext_cli.paths import example_files

    copies = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for source in example_files():
            copy = output / source.name
            if not copy.exists() or read_bytes(copy, LARGE) != read_bytes(source, LARGE):
                write_atomic(copy, read_bytes(source, LARGE))
            copies.append(copy)
    except OSError as error:
        raise InputError(
            f"cannot write {output}: {error.strerror or error}; name another directory with --output"
        ) from error
    return copies


def _step(question: str, command: str) -> None:
    result(f"\n# {question}\n$ {visible(command)}\n\n")
