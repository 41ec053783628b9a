"""``saetext append``: more documents into a corpus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from saetext.encoding.request import AppendRequest
from saetext.errors import InputError
from saetext_cli.common import describe_corpus, describe_source, note, require_file_of_texts
from saetext_cli.meters import progress_bar
from saetext_cli.options import ReaderChoice, Texts


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("append", epilog="Example: saetext append answers.corpus more.jsonl")(append)


def append(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A finished corpus.")],
    source: Annotated[str, typer.Argument(metavar="FILE", help="What to add, as for encode.")],
    request: AppendRequest,
    texts: Texts,
    choice: ReaderChoice,
) -> None:
    """Add documents to a corpus, read exactly as it was. Interrupted, the same command resumes."""
    from saetext.corpus import Corpus
    from saetext.corpus.notices import reading_notes
    from saetext.documents import open_documents
    from saetext.encoding.encoder import append as run

    opened = Corpus.open(corpus)
    if opened.elsewhere is not None:
        raise InputError(
            f"{opened.elsewhere} is elsewhere: copy it with 'saetext pull URL DIR', append, and push it again"
        )
    before = len(opened)
    require_file_of_texts(source)
    documents = open_documents(source, **texts.given())
    told = describe_source(documents)
    reader = choice.load(like=corpus)
    for line in reading_notes(documents, reader, request.shard_rows):
        note(line)
    started = time.perf_counter()
    with progress_bar() as show:
        grown = run(documents, corpus, **request.replace(reader=reader, on_progress=show).keywords())
    describe_corpus(grown, documents, told=told, seconds=time.perf_counter() - started, before=before)
