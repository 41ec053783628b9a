"""Train the small SAEs of the list study at several places of SmolLM2; they are not shipped.

    python benchmarks/chat_texts.py -o build/lists/own.jsonl --documents 6000
    python benchmarks/list_saes.py read ../shared/data/sae_corpus.parquet build/lists/own.jsonl -o build/lists
    python benchmarks/list_saes.py train -o build/lists

One pass over the texts keeps what stands at all places (``--part 0/2`` and ``1/2`` share it out), then each
place gets its SAE, a directory with the quality on held-out tokens in ``card.json``. They are small and had
little text: enough to ask whether a feature matters where it stands, not to describe a layer. ``saetext
train`` makes one SAE at a time from as much text as there is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from smollm2_texts import training_texts

from saetext.reader.batches import Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.running import hidden_states
from saetext.reader.sinks import are_sinks, limit_of, norms
from saetext.reader.tokenization import Prepared, Tokens
from saetext.training.config import TrainConfig
from saetext.training.optimisation import train_sae
from saetext.training.quality import evaluate
from saetext.training.saving import save_sae

HOOKS = (
    *("blocks.6.hook_resid_post", "blocks.22.hook_resid_post"),
    *("blocks.7.hook_attn_out", "blocks.14.hook_attn_out"),
)
MODEL = "smollm2"
WINDOW = 256
_CHUNK = 32  # documents that are read together

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


def read(args: argparse.Namespace) -> None:
    """Keep the hidden states of the texts at all hooks."""
    part, parts = map(int, args.part.split("/"))
    model = LanguageModel.load(MODEL, args.hooks, dtype="float32")
    tokens = Tokens(
        model.tokenizer, max_positions=model.max_positions, context_size=WINDOW, bidirectional=False
    )
    batcher = Batcher(tokens, 4096)
    (args.output / "hooks.json").write_text(json.dumps(list(args.hooks)) + "\n", encoding="utf-8")
    for split, most in (("valid", args.valid_tokens), ("train", args.tokens)):
        documents = training_texts(args.corpus, None, args.own, split, CHARACTERS)[part::parts]
        kept: list[NDArray[np.float16]] = []
        done, started = 0, time.process_time()
        for start in range(0, len(documents), _CHUNK):
            found = tokens.prepare(documents[start : start + _CHUNK], "all")
            prepared = [p for p in found if isinstance(p, Prepared)]
            for _, states in hidden_states(
                model, batcher, prepared, lambda at: torch.stack([at[hook] for hook in args.hooks], 1).cpu()
            ):
                kept.append(states.clamp(-6e4, 6e4).numpy().astype(np.float16))
                done += len(states)
            print(f"{split}: {done:,} tokens, {time.process_time() - started:.0f} s", flush=True)
            if done >= most // parts:
                break
        np.save(args.output / f"{split}_{part}.npy", np.concatenate(kept)[: most // parts])


def train(args: argparse.Namespace) -> None:
    """Train an SAE on what was kept at each hook."""
    config = TrainConfig(
        d_sae=args.d_sae, k=args.k, steps=args.steps, batch=args.batch, lr=args.lr, seed=args.seed
    )
    there = json.loads((args.output / "hooks.json").read_text("utf-8"))
    for hook in args.hooks:
        place = args.output / name_of(hook)
        if (place / "card.json").exists():
            continue
        column = there.index(hook)
        texts, held = (_states(args.output, split, column) for split in ("train", "valid"))
        limit = limit_of(norms(torch.from_numpy(texts.astype(np.float32))).numpy())
        texts, held = (
            x[~are_sinks(torch.from_numpy(x.astype(np.float32)), limit).numpy()] for x in (texts, held)
        )
        started = time.process_time()
        sae = train_sae(texts, config, _told)
        seconds = time.process_time() - started
        quality = evaluate(sae, held)
        about = {"prepend_bos": True, "context_size": WINDOW, "dataset_path": "answers, chats, public texts"}
        if limit is not None:
            about["norm_limit"] = limit
        save_sae(sae, place, hook=hook, model=MODEL, metadata=about)
        card = {
            "hook": hook,
            "train_tokens": len(texts),
            "passes": round(args.steps * args.batch / len(texts), 1),
            "cpu_seconds": round(seconds),
            "training": dataclasses.asdict(config),
            "valid": dataclasses.asdict(quality),
        }
        (place / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        print(hook, json.dumps(card["valid"]), flush=True)


def _told(step: int, steps: int, figures: Mapping[str, float]) -> None:
    if step % 100 == 0:
        print(f"{step} of {steps}", json.dumps(dict(figures)), flush=True)


def _states(folder: Path, split: str, column: int) -> NDArray[np.float16]:
    parts = sorted(folder.glob(f"{split}_*.npy"))
    return np.concatenate([np.load(part, mmap_mode="r")[:, column] for part in parts])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    reads = commands.add_parser("read", help="keep hidden states")
    reads.set_defaults(run=read)
    reads.add_argument("corpus", type=Path, help="sae_corpus.parquet")
    reads.add_argument("own", type=Path, help="what chat_texts.py wrote")
    reads.add_argument("--tokens", type=int, default=90_000)
    reads.add_argument("--valid-tokens", type=int, default=5_000)
    reads.add_argument("--part", default="0/1", help="which part of how many")
    trains = commands.add_parser("train", help="train SAEs on them")
    trains.set_defaults(run=train)
    trains.add_argument("-k", type=int, default=24)
    trains.add_argument("--d-sae", type=int, default=1024)
    trains.add_argument("--steps", type=int, default=800)
    trains.add_argument("--batch", type=int, default=1024)
    trains.add_argument("--lr", type=float, default=1e-3)
    trains.add_argument("--seed", type=int, default=0)
    for command in (reads, trains):
        command.add_argument("-o", "--output", type=Path, required=True)
        command.add_argument("--hooks", nargs="+", default=HOOKS)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    args.run(args)


if __name__ == "__main__":
    main()
