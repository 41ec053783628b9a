"""Train the embedded reader's SAE and make its calibration, from a Parquet file of texts.

    python benchmarks/train_embedded.py ../shared/data/sae_corpus.parquet -o embedded/

The file needs the columns ``text`` and ``split`` (``train`` or ``valid``). This is ``saetext train`` with the
embedded reader's settings and the file's own split; stop it when you like, it goes on from there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import polars as pl
from training_bar import training_bar

from saetext.corpus.calibration import Calibration
from saetext.documents import Document
from saetext.training.config import TrainConfig
from saetext.training.pipeline import train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--layer", type=int, default=4, help="hidden state after this many layers")
    parser.add_argument("-k", type=int, default=24)
    parser.add_argument("--d-sae", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--valid-tokens", type=int, default=150_000)
    parser.add_argument("--calibration-tokens", type=int, default=600_000)
    parser.add_argument("--percentile", type=float, default=75.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    frame = pl.read_parquet(args.texts, columns=["text", "split"])
    split = {
        name: [
            Document(str(i), text, None, None, {}, i, "")
            for i, text in enumerate(frame.filter(pl.col("split") == name)["text"])
        ]
        for name in ("train", "valid")
    }
    config = TrainConfig(d_sae=args.d_sae, k=args.k, steps=args.steps, lr=args.lr, seed=args.seed)
    with training_bar() as show:
        trained = train(
            split["train"],
            args.output,
            layer=args.layer,
            **config.keywords(),
            max_tokens=args.tokens,
            valid_tokens=args.valid_tokens,
            calibration_tokens=args.calibration_tokens,
            percentile=args.percentile,
            held_out=split["valid"],
            reference=args.texts.name,
            weights="float16",
            on_progress=show,
        )
    calibration = Calibration.read(args.output / "card.arrow")
    dataclasses.replace(calibration, about={**calibration.about, "language": "English"}).write(
        args.output / "card.arrow"
    )
    print(json.dumps(dataclasses.asdict(trained.quality)))
    print(f"wrote {trained.path}")


if __name__ == "__main__":
    main()
