"""``saetext train``: an SAE on one's own texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from saetext_cli.common import (
    Device,
    Format,
    MessagesColumn,
    PromptColumn,
    Role,
    TextColumn,
    TrustPickle,
    describe_source,
    note,
    result,
)
from saetext_cli.meters import clock, progress_bar


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("train", epilog="Example: saetext train texts.jsonl -o my-sae --model gpt2 --layer 8 -k 32")(
        train
    )


def train(
    texts: Annotated[str, typer.Argument(metavar="FILE", help="Texts to train on, as for encode.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to make, in sae-lens's format.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help="Hugging Face id or directory; default: the embedded reader's model."),
    ] = None,
    layer: Annotated[
        int | None,
        typer.Option("--layer", min=0, help="Residual stream before this layer; default: two thirds up."),
    ] = None,
    hook: Annotated[
        str | None, typer.Option("--hook", help="Or a transformer-lens hook, e.g. blocks.8.hook_mlp_out.")
    ] = None,
    d_sae: Annotated[int, typer.Option("--features", min=1, help="Number of features.")] = 4096,
    k: Annotated[int, typer.Option("-k", min=1, help="Active features per token, on average.")] = 24,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 5000,
    batch: Annotated[int, typer.Option(min=1, help="Tokens per step.")] = 4096,
    lr: Annotated[float, typer.Option(min=0, help="Learning rate.")] = 6e-4,
    prefixes: Annotated[
        str | None,
        typer.Option(help="Matryoshka: sizes that reconstruct on their own, e.g. 256,1024."),
    ] = None,
    max_tokens: Annotated[int, typer.Option("--tokens", min=1, help="Tokens to train on.")] = 5_000_000,
    window: Annotated[int, typer.Option(min=4, help="Tokens in one forward pass.")] = 256,
    percentile: Annotated[
        float, typer.Option(min=0, max=99.99, help="Of the floors; see saetext calibrate.")
    ] = 75.0,
    weights: Annotated[str, typer.Option(help="Stored as float32, float16 or bfloat16.")] = "float32",
    seed: Annotated[int, typer.Option(help="Of the initial weights and the order of tokens.")] = 0,
    text_column: TextColumn = None,
    prompt_column: PromptColumn = None,
    messages_column: MessagesColumn = None,
    role: Role = "assistant",
    format: Format = None,
    device: Device = "auto",
    trust_pickle: TrustPickle = False,
) -> None:
    """Train a sparse autoencoder on your own texts and any Hugging Face encoder or decoder.

    Reads the texts into activations (float16, beside the output), trains on the CPU, measures on held-out
    documents, sets the floors. Stop it when you like: the same command goes on from there.
    """
    from saetext.documents import open_documents
    from saetext.reader.thresholds.policy import readable

    if weights not in ("float32", "float16", "bfloat16"):
        raise typer.BadParameter("--weights is float32, float16 or bfloat16")
    documents = open_documents(
        texts, format=format, text=text_column, prompt=prompt_column, messages=messages_column, role=role
    )
    describe_source(documents)
    from saetext.training.batch_topk import TrainConfig
    from saetext.training.pipeline import train as run

    config = TrainConfig(
        d_sae=d_sae, k=k, batch=batch, steps=steps, lr=lr, seed=seed, prefixes=_numbers(prefixes)
    )
    with progress_bar() as show:
        trained = run(
            readable(documents),
            output,
            model=model,
            layer=layer,
            hook=hook,
            config=config,
            max_tokens=max_tokens,
            window=window,
            percentile=percentile,
            role=role,
            reference=documents.name,
            weights=weights,
            device=device,
            trust_pickle=trust_pickle,
            on_progress=show,
        )
    q = trained.quality
    note(
        f"trained in {clock(trained.seconds)}; on {q.tokens:,} held-out tokens: FVU {q.fvu:.3f}, "
        f"L0 {q.l0:.1f}, {q.dead:.1%} of the features dead, {q.dense} on more than 20 % of the tokens "
        f"(densest {q.max_density:.0%})"
    )
    note(f"read texts with it: saetext encode FILE --sae {output}" + (f" --model {model}" if model else ""))
    result(str(trained.path))


def _numbers(given: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(n) for n in given.split(",")) if given else ()
    except ValueError as error:
        raise typer.BadParameter(f"--prefixes takes numbers such as 256,1024, not {given!r}") from error
