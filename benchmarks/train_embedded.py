"""Train the embedded reader's SAE and make its card, from a Parquet file of texts.

    python benchmarks/train_embedded.py ../shared/data/sae_corpus.parquet -o embedded/

The file needs the columns ``text`` and ``split`` (``train`` or ``valid``). Resumes at the stage that is
missing: activations (a few gigabytes in ``--work``), the SAE, the card. Writes the measurements to
``card.json`` beside the weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from rich.progress import Progress, TextColumn

from saetext.activations import collect_activations
from saetext.calibrate import calibrate
from saetext.documents import Document
from saetext.reader import embedded
from saetext.reader.model import LanguageModel
from saetext.reader.reader import Reader, Tap
from saetext.reader.tokens import Tokens
from saetext.reader.weights import load_sae_dir
from saetext.train import TrainConfig, TrainedSae, evaluate, save_sae, train_sae

WINDOW = 256  # the length all-MiniLM-L6-v2 was tuned for


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("train-work"), help="where activations are kept")
    parser.add_argument("--layer", type=int, default=4, help="hidden state after this many layers")
    parser.add_argument("-k", type=int, default=24)
    parser.add_argument("--d-sae", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--valid-tokens", type=int, default=150_000)
    parser.add_argument("--calibration-tokens", type=int, default=600_000)
    parser.add_argument("--percentile", type=float, default=90.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    hook = f"blocks.{args.layer}.hook_resid_pre"
    model = LanguageModel.load(embedded.find_model(), [hook], dtype="float32", device="cpu")
    embedded.check_weights(model.path)
    tokens = Tokens(
        model.tokenizer, max_positions=model.max_positions, context_size=WINDOW, bidirectional=True
    )
    frame = pl.read_parquet(args.texts, columns=["text", "split"])
    split = {}
    for name in ("train", "valid"):
        texts = frame.filter(pl.col("split") == name)["text"].to_list()
        split[name] = [texts[i] for i in np.random.default_rng(args.seed).permutation(len(texts))]

    activations = {}
    for name, limit in (("valid", args.valid_tokens), ("train", args.tokens)):
        path = args.work / f"{name}-{args.layer}-{limit}.f16"
        activations[name] = _activations(model, tokens, hook, split[name], path, limit)
        print(f"{name}: {len(activations[name]):,} tokens")

    training = args.output / "training.json"
    if not training.exists():
        config = TrainConfig(d_sae=args.d_sae, k=args.k, steps=args.steps, lr=args.lr, seed=args.seed)
        started = time.perf_counter()
        sae = _train(activations["train"], config)
        seconds = round(time.perf_counter() - started)
        args.output.mkdir(parents=True, exist_ok=True)
        metadata = {"prepend_bos": False, "context_size": WINDOW, "dataset_path": args.texts.name}
        save_sae(sae, args.output, hook=hook, model=embedded.MODEL, metadata=metadata, dtype="float16")
        about = {**dataclasses.asdict(config), "seconds": seconds, "threads": torch.get_num_threads()}
        training.write_text(json.dumps(about), "utf-8")

    # measured on what ships: the float16 weights
    encoder = load_sae_dir(args.output)
    shipped = _as_trained(encoder, args.output)
    quality = dataclasses.asdict(evaluate(shipped, activations["valid"]))
    print(json.dumps(quality))

    reader = Reader(model, [Tap("embedded", "embedded", encoder, None)], tokens, name="embedded", source={})
    documents = (Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(split["train"]))
    with _bar("calibrating", args.calibration_tokens) as advance:
        reader = calibrate(
            reader,
            documents,
            percentile=args.percentile,
            max_tokens=args.calibration_tokens,
            reference=args.texts.name,
            on_tokens=advance,
        )
    card = reader.cards["embedded"]
    card = dataclasses.replace(card, about={**card.about, "language": "English"})
    card.write(args.output / "card.arrow")
    about = {
        "model": embedded.MODEL,
        "model_sha256": embedded.WEIGHTS_SHA256,
        "hook": hook,
        "texts": {
            "file": args.texts.name,
            "train_tokens": len(activations["train"]),
            "window": WINDOW,
            "order": f"documents shuffled with seed {args.seed}",
        },
        "training": json.loads(training.read_text("utf-8")),
        "valid": quality,
        "floors": {"percentile": args.percentile, **dict(card.about)},
        "limits": [
            "English only, uncased; emoji and other scripts become unknown tokens",
            "concepts are closer to words and topics than to intentions",
        ],
    }
    training.unlink()
    (args.output / "card.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {args.output}")


def _activations(
    model: LanguageModel, tokens: Tokens, hook: str, texts: list[str], path: Path, limit: int
) -> np.ndarray:
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with _bar(f"activations {path.name}", limit) as advance:
            collect_activations(model, tokens, hook, texts, unfinished, max_tokens=limit, on_tokens=advance)
        shutil.move(unfinished, path)
    return np.memmap(path, dtype=np.float16, mode="r").reshape(-1, model.widths[hook])


def _train(activations: np.ndarray, config: TrainConfig) -> TrainedSae:
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[figures]}")) as bar:
        task = bar.add_task("training", total=config.steps, figures="")

        def show(step: int, steps: int, figures: object) -> None:
            text = " ".join(f"{k} {v:.4f}" for k, v in dict(figures).items())  # type: ignore[call-overload]
            bar.update(task, completed=step, figures=text)
            if step % 500 == 0:
                bar.console.print(f"step {step} of {steps}: {text}")

        return train_sae(activations, config, show)


def _as_trained(encoder: object, directory: Path) -> TrainedSae:
    from safetensors.torch import load_file

    t = {k: v.float() for k, v in load_file(directory / "sae_weights.safetensors").items()}
    return TrainedSae(t["W_enc"], t["b_enc"], t["W_dec"], t["b_dec"], t["threshold"])


class _bar:
    def __init__(self, what: str, total: int) -> None:
        self.bar = Progress()
        self.what, self.total = what, total

    def __enter__(self):
        self.bar.__enter__()
        task = self.bar.add_task(self.what, total=self.total)
        return lambda n: self.bar.advance(task, n)

    def __exit__(self, *error) -> None:
        self.bar.__exit__(*error)


if __name__ == "__main__":
    main()
