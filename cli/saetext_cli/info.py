"""``saetext info``: what is in a corpus."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from saetext.text.terminal import visible
from saetext_cli.common import note, result, width


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("info", epilog="Example: saetext info answers.corpus --verify")(info)


def info(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file and compare its checksum.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest's figures as one JSON object.")
    ] = False,
) -> None:
    """Say what is in a corpus and how it was read."""
    from saetext.corpus import Corpus
    from saetext.features.inspect import describe
    from saetext.io import strict_json

    opened = Corpus.open(corpus)
    if verify:
        opened.verify()
    facts = describe(opened)
    if as_json:
        result(strict_json.dumps(facts, indent=2))
        return
    result("".join(f"{line}\n" for key, value in facts.items() for line in _fact(key, value)))
    if verify:
        note("all files have the checksums of the manifest")


def _fact(key: str, value: object) -> list[str]:
    """Return ``key: value`` as lines that fit the window."""
    from saetext.text.passages import printable

    if isinstance(value, dict):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    elif isinstance(value, list):
        value = "; ".join(map(str, value))
    elif isinstance(value, int):
        value = f"{value:,}"
    shown = f"{visible(key) + ':':<14}{printable(str(value)) or 'none'}"
    return textwrap.wrap(shown, max(width(), 40), subsequent_indent=" " * 14, break_on_hyphens=False)
