"""``saetext train``: an SAE on one's own texts."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from saetext.text.terminal import visible
from saetext.training.request import TrainRequest
from saetext_cli.common import convert_first, describe_source, note, result
from saetext_cli.meters import clock, progress_bar
from saetext_cli.options import Texts


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("train", epilog="Example: saetext train texts.jsonl -o my-sae --model gpt2 --layer 8 -k 32")(
        train
    )


def train(
    source: Annotated[str, typer.Argument(metavar="FILE", help="Texts to train on, as for encode.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to make, in sae-lens's format.")],
    request: TrainRequest,
    texts: Texts,
    prefixes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="Matryoshka: numbers of features that reconstruct on their own."
        ),
    ] = None,
) -> None:
    """Train a sparse autoencoder on your own texts and any Hugging Face encoder or decoder.

    Reads the texts into activations (float16, beside the output), trains on the CPU, measures on held-out
    documents, sets the thresholds. Every stage is resumable: interrupted, the same command goes on, and ends
    with the same bytes. The number of threads (OMP_NUM_THREADS) changes an SAE slightly: card.json states it.
    """
    from saetext.documents import open_documents
    from saetext.reader.thresholds.policy import readable
    from saetext.training.pipeline import train as run

    request = request.replace(prefixes=_numbers(prefixes), role=texts.role)
    documents = open_documents(source, **texts.given())
    describe_source(documents)
    convert_first(None if request.model is None else str(request.model))
    with progress_bar() as show:
        asked = request.replace(reference=documents.name, on_progress=show)
        trained = run(readable(documents), output, **asked.keywords())
    q = trained.quality
    threads = "1 thread" if trained.threads == 1 else f"{trained.threads} threads"
    note(
        f"trained in {clock(trained.seconds)} on {threads}: "
        f"{trained.passes:,.1f} passes over {trained.tokens:,} tokens"
    )
    note(
        f"on {q.tokens:,} held-out tokens: FVU {q.fvu:.3f}, "
        f"L0 {q.l0:.1f}, {q.dead:.1%} of the features dead, {q.dense} on more than 20 % of the tokens "
        f"(densest {q.max_density:.0%})"
    )
    note(f"read texts with it: {_reading(output, request)}")
    result(visible(str(trained.path)))


def _reading(output: Path, request: TrainRequest) -> str:
    """Return the command that reads a file with the SAE, quoted for a shell."""
    command = ["saetext", "encode", "FILE", "-r", str(output)]
    if request.model is not None:
        command += ["--model", str(request.model)]
    if request.trust_pickle:
        command.append("--trust-pickle")
    return shlex.join(command)


def _numbers(given: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in given.split(",")) if given else ()
    except ValueError as error:
        raise typer.BadParameter(f"--prefixes takes numbers such as 256,1024, not {given!r}") from error
