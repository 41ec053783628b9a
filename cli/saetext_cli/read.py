"""``saetext read``, ``show`` and ``info``: look at a text, a document, a corpus."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import (
    Device,
    Dtype,
    LabelFile,
    ModelName,
    ReaderNames,
    TapName,
    TrustPickle,
    colored,
    encoding,
    load_reader,
    note,
    result,
    width,
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("read", epilog='Example: saetext read "I am so sorry, perhaps we could try again?"')(read)
    app.command("show", epilog="Example: saetext show answers.corpus cooking-01-gentle")(show)
    app.command("info", epilog="Example: saetext info answers.corpus --verify")(info)


def read(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text itself, or - for stdin.")],
    reader: ReaderNames = None,
    model: ModelName = None,
    top: Annotated[int, typer.Option("--top", help="Features to show.", min=1)] = 12,
    tap: TapName = None,
    labels: LabelFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Show what the reader sees in a text: its strongest features on the words."""
    content = sys.stdin.read() if text == "-" else text
    loaded = load_reader(reader, model, device=device, dtype=dtype, trust_pickle=trust_pickle)
    _print(loaded.read(content).look(0, tap=tap, top=top, labels=labels), as_json)


def show(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    id: Annotated[str, typer.Argument(metavar="ID", help="A document's id.")],
    top: Annotated[int, typer.Option("--top", help="Features to show.", min=1)] = 12,
    tap: TapName = None,
    labels: LabelFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show one document of a corpus with its strongest features on the words where they peak."""
    from saetext.corpus import Corpus
    from saetext.features.inspect import look_at_document

    _print(look_at_document(Corpus.open(corpus), id, tap=tap, top=top, labels=labels), as_json)


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

    opened = Corpus.open(corpus)
    if verify:
        opened.verify()
    facts = describe(opened)
    if as_json:
        result(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False))
        return
    result("".join(f"{line}\n" for key, value in facts.items() for line in _fact(key, value)))
    if verify:
        note("all files have the checksums of the manifest")


def _print(look: object, as_json: bool) -> None:
    from saetext.features.inspect import Look
    from saetext.report.console.reading import render_document

    assert isinstance(look, Look)
    if as_json:
        result(look.to_json())
    else:
        text = render_document(
            look.segments, look.hits, width(), colored(), title=look.title, encoding=encoding()
        )
        result(text)


def _fact(key: str, value: object) -> list[str]:
    """Return ``key: value`` as lines that fit the window."""
    from saetext.text.passages import printable

    if isinstance(value, dict):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    elif isinstance(value, list):
        value = "; ".join(map(str, value))
    elif isinstance(value, int):
        value = f"{value:,}"
    shown = printable(str(value)) or "none"
    return textwrap.wrap(
        f"{key + ':':<14}{shown}", max(width(), 40), subsequent_indent=" " * 14, break_on_hyphens=False
    )
