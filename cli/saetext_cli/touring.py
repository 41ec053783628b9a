"""``saetext demo``: the tour on the shipped example, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import note, result


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("demo", epilog="Example: saetext demo -o tour/")(demo)


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Directory for the example's corpora.")
    ] = Path("demo"),
) -> None:
    """Compare two sets of 150 answers, one gentle and one brisk, from text files to a ranked table."""
    from saetext_cli.comparing import diff
    from saetext_cli.looking import read
    from saetext_cli.paths import example_files

    output.mkdir(parents=True, exist_ok=True)
    files = []
    for source in example_files():
        target = output / source.name
        # copied, so that the corpora land beside the copies and not in the installed package
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.write_bytes(source.read_bytes())
        files.append(target)
    _step(
        "What does the reader see in a sentence?",
        'saetext read "Sorry to hear that! Perhaps you could try ..."',
    )
    read("Sorry to hear that! Perhaps you could try restarting it, and let me know whether it helps?", top=8)
    _step(
        "How do the two sets of answers differ?",
        f"saetext diff {files[0]} {files[1]} --pair-on prompt_id",
    )
    diff(files, pair_on="prompt_id", top=15)
    note(f"\nThe corpora are in {output}/. Try: saetext show {files[0]}.corpus cooking-01-gentle")


def _step(question: str, command: str) -> None:
    result(f"\n# {question}\n$ {command}\n")
