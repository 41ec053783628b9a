"""``saetext show``: one document of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.looks import print_look
from saetext_cli.options import Labelled


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("show", epilog="Example: saetext show answers.corpus cooking-01-gentle")(show)


def show(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    id: Annotated[str, typer.Argument(metavar="ID", help="A document's id.")],
    labelled: Labelled,
    top: Annotated[int, typer.Option("--top", help="Number of features to show; 0 for all.", min=0)] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show one document of a corpus with its strongest features on the words where they peak."""
    from saetext.corpus import Corpus
    from saetext.features.inspect import look_at_document

    found = look_at_document(Corpus.open(corpus), id, sae=labelled.sae, top=top, labels=labelled.labels)
    print_look(found, as_json)
