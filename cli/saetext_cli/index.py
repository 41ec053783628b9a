"""``saetext index``: build what makes searches fast and hybrid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext.analysis.search.request import IndexRequest
from saetext_cli.common import megabytes, note
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import EngineChoice


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("index", epilog="Example: saetext index answers.corpus")(expanded(index))


def index(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus.")],
    request: IndexRequest,
    workers: EngineChoice,
) -> None:
    """Build what makes searches fast and hybrid: postings, sentence embeddings, words.

    The index is kept inside the corpus. Parts that are there already are checked and kept, so run it again
    after an append or an interruption.
    """
    from saetext.analysis.search import build_index
    from saetext.corpus import Corpus

    if workers.engine is not None and (request.part is not None or not request.dense):
        other = "--slice" if request.part is not None else "--no-dense"
        raise typer.BadParameter(f"--engine embeds all documents with workers: leave out {other}")
    if (engine := workers.made()) is not None:
        engine.size()  # before anything is read
    opened = Corpus.open(corpus)
    with progress_bar("indexing") as show:
        done = build_index(opened, **request.replace(on_progress=show, engine=engine).keywords())
    for part, state in done.items():
        note(f"{part}: {state}")
    if request.part is None:
        note(f"{opened.elsewhere or corpus}: index of {megabytes(opened.sizes()['index'])}")
