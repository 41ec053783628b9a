"""Train the small SAEs of the list study at several places of SmolLM2; they are not shipped.

    python benchmarks/chat_texts.py -o build/lists/own.jsonl --documents 6000
    python benchmarks/list_saes.py ../shared/data/sae_corpus.parquet build/lists/own.jsonl -o build/lists

One directory for each hook, with its quality in ``card.json``. They are small and short of text: enough to ask
whether a feature matters where it stands, not to describe a layer. Stop it when you like, it goes on from there.
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

HOOKS = (
    *("blocks.6.hook_resid_post", "blocks.22.hook_resid_post"),
    *("blocks.7.hook_attn_out", "blocks.14.hook_attn_out"),
)

# characters of each kind: mostly answers and chats, where lists stand
CHARACTERS = {
    "arena_hard_outputs": 700_000,
    "own": 500_000,
    "self_dialogue": 120_000,
    "user_prompts": 80_000,
    "gsm8k_train": 50_000,
    "masc": 100_000,
    "novels": 60_000,
    "movie_reviews": 60_000,
}


def name_of(hook: str) -> str:
    """Return the directory of a hook's SAE.

    >>> name_of("blocks.7.hook_attn_out")
    'attn_7'
    """
    _, layer, place = hook.split(".", 2)
    return f"{'attn' if 'attn' in place else 'resid'}_{layer}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="sae_corpus.parquet")
    parser.add_argument("own", type=Path, help="what chat_texts.py wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory that gets one for each")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--hooks", nargs="+", default=HOOKS)
    parser.add_argument("-k", type=int, default=32)
    parser.add_argument("--d-sae", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=8e-4)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--valid-tokens", type=int, default=10_000)
    parser.add_argument("--calibration-tokens", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    texts, held_out = (
        training_texts(args.corpus, None, args.own, split, CHARACTERS) for split in ("train", "valid")
    )
    config = TrainConfig(
        d_sae=args.d_sae, k=args.k, steps=args.steps, batch=args.batch, lr=args.lr, seed=args.seed
    )
    for hook in args.hooks:
        place = args.output / name_of(hook)
        if (place / "card.json").exists():
            continue
        with training_bar() as show:
            trained = train(
                texts,
                place,
                model=args.model,
                hook=hook,
                **config.keywords(),
                max_tokens=args.tokens,
                valid_tokens=args.valid_tokens,
                calibration_tokens=args.calibration_tokens,
                role="all",
                held_out=held_out,
                reference="answers, chats and public-domain texts",
                on_progress=show,
            )
        print(hook, json.dumps(dataclasses.asdict(trained.quality)))


if __name__ == "__main__":
    main()
