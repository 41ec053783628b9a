"""Train two SAEs on the same texts at the same hook, a narrow and a wide one, for ``bias.py``.

    python benchmarks/bias_saes.py ../shared/data/sae_corpus.parquet -o saes/

Small on purpose: both see the same tokens, the same number of times, with as many active features per token.
Only the number of features differs. Stop it when you like, it goes on from there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import polars as pl
from training_bar import training_bar

from saetext.documents import Document, open_documents
from saetext.training.pipeline import train

REGISTERS = ("fiction", "dialogue", "assistant")  # where people are spoken of
WIDTHS = {"narrow": 2048, "wide": 8192}


def texts(path: Path, split: str, most: int) -> list[Document]:
    """Return texts of a split, drawn evenly from its registers."""
    table = pl.read_parquet(path, columns=["id", "text", "register", "split"])
    kept = table.filter(pl.col("register").is_in(REGISTERS) & (pl.col("split") == split))
    drawn = kept.sample(min(most, kept.height), seed=0, shuffle=True)
    found = open_documents(drawn.select("id", "text"), text="text", id="id")
    return [item for item in found if isinstance(item, Document)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="sae_corpus.parquet")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--layer", type=int, default=14, help="residual stream after this layer")
    parser.add_argument("--tokens", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("-k", type=int, default=32)
    args = parser.parse_args()
    args.output.mkdir(exist_ok=True, parents=True)
    train_on, held_out = texts(args.corpus, "train", 300), texts(args.corpus, "valid", 30)
    for name, width in WIDTHS.items():
        if (args.output / name).exists():
            continue
        with training_bar() as show:
            trained = train(
                train_on,
                args.output / name,
                model="smollm2",
                hook=f"blocks.{args.layer}.hook_resid_post",
                d_sae=width,
                k=args.k,
                steps=args.steps,
                batch=args.batch,
                lr=1e-3,
                max_tokens=args.tokens,
                valid_tokens=2_000,
                calibration_tokens=5_000,
                held_out=held_out,
                dead_after=30_000,
                reference="novels, dialogues and answers",
                on_progress=show,
            )
        print(name, json.dumps(dataclasses.asdict(trained.quality)), flush=True)


if __name__ == "__main__":
    main()
