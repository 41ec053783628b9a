"""Train the SAE of the reader ``smollm2`` and set its thresholds.

    python benchmarks/chat_texts.py -o own.jsonl
    python benchmarks/smollm2_answers.py ../shared/data/sae_corpus.parquet -o answers.jsonl
    python benchmarks/train_smollm2.py ../shared/data/sae_corpus.parquet answers.jsonl own.jsonl -o smollm2/

``smollm2_texts.py`` says how much of each is taken. Stop it when you like, it goes on from there.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from smollm2_texts import training_texts
from training_bar import training_bar

from saetext.training.config import TrainConfig
from saetext.training.pipeline import train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="sae_corpus.parquet")
    parser.add_argument("answers", type=Path, help="what smollm2_answers.py wrote")
    parser.add_argument("own", type=Path, help="what chat_texts.py wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--layer", type=int, default=14, help="residual stream after this layer")
    parser.add_argument("-k", type=int, default=32)
    parser.add_argument("--d-sae", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--valid-tokens", type=int, default=150_000)
    parser.add_argument("--calibration-tokens", type=int, default=600_000)
    parser.add_argument("--percentile", type=float, default=75.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    texts, held_out = (
        training_texts(args.corpus, args.answers, args.own, split) for split in ("train", "valid")
    )
    config = TrainConfig(
        d_sae=args.d_sae, k=args.k, steps=args.steps, batch=args.batch, lr=args.lr, seed=args.seed
    )
    with training_bar() as show:
        trained = train(
            texts,
            args.output,
            model=args.model,
            hook=f"blocks.{args.layer}.hook_resid_post",
            **config.keywords(),
            max_tokens=args.tokens,
            valid_tokens=args.valid_tokens,
            calibration_tokens=args.calibration_tokens,
            percentile=args.percentile,
            role="all",
            held_out=held_out,
            reference="chats, answers and public-domain texts",
            weights="float16",
            dtype="bfloat16",
            on_progress=show,
        )
    print(json.dumps(dataclasses.asdict(trained.quality)))
    print(f"wrote {trained.path}")


if __name__ == "__main__":
    main()
