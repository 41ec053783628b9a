"""Which SAE: layers, k, width, Matryoshka and the density penalty, trained briefly and probed.

    python benchmarks/compare_saes.py ../shared/data --work saes

Each is trained for ``--steps`` steps of 4,096 tokens on the same 1.2M tokens of ``sae_corpus`` and measured
on held-out text (FVU, L0, dead and dense features) and by the probes of ``probe_data.py`` on all activations
above zero. A configuration whose result is saved is not run again. Not for: the final training
(``train_embedded.py``), or comparing with other representations (``representations.py``).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import probe_data
import probes
import torch
from common import RESULTS, environment, save, say
from rich.progress import Progress
from scipy.sparse import csr_matrix

from saetext.documents import Document
from saetext.reader import embedded
from saetext.reader.batches import Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.running import hidden_states
from saetext.reader.tokenization import Prepared, Tokens
from saetext.training.config import TrainConfig
from saetext.training.jumprelu import TrainedSae
from saetext.training.optimisation import train_sae
from saetext.training.quality import evaluate

CONFIGURATIONS: list[dict[str, Any]] = [
    {"layer": 4, "k": 24},
    {"layer": 3, "k": 24},
    {"layer": 5, "k": 24},
    {"layer": 4, "k": 16},
    {"layer": 4, "k": 32},
    {"layer": 4, "k": 48},
    {"layer": 4, "k": 24, "prefixes": (256, 1024)},
    {"layer": 4, "k": 24, "dense_weight": 0.0},
    {"layer": 4, "k": 24, "d_sae": 8192},
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="where activations are kept (6 GB)")
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--tokens", type=int, default=1_200_000)
    parser.add_argument("--save", type=Path, default=RESULTS / "saes.json")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    texts = probe_data.load(args.data)
    corpus = pl.read_parquet(args.data / "sae_corpus.parquet", columns=["text", "split"])
    layers = sorted({c["layer"] for c in CONFIGURATIONS})
    _collect(args.work, "probe", texts.texts, 10**12, layers)
    for split, limit in (("valid", 100_000), ("train", args.tokens)):
        mine = corpus.filter(pl.col("split") == split)["text"].to_list()
        order = np.random.default_rng(0).permutation(len(mine))
        _collect(args.work, split, [mine[i] for i in order], limit, layers)

    rows = json.loads(args.save.read_text()).get("rows", []) if args.save.exists() else []
    for configuration in CONFIGURATIONS:
        if any(r["configuration"] == _plain(configuration) for r in rows):
            continue
        options = dict(configuration)
        layer = options.pop("layer")
        config = TrainConfig(steps=args.steps, lr=6e-4, **options)
        started = time.perf_counter()
        sae = _train(_states(args.work, "train", layer), config)
        seconds = round(time.perf_counter() - started)
        quality = dataclasses.asdict(evaluate(sae, _states(args.work, "valid", layer)))
        x = _pooled(sae, args.work, layer, len(texts.texts))
        scores = probes.score(x, texts.tasks)
        row = {
            "configuration": _plain(configuration),
            **quality,
            **{f"{k}_auc": v for k, v in scores.means.items()},
            "present_per_text": round(x.nnz / x.shape[0], 1),
            "train_seconds": seconds,
        }
        print(row, flush=True)
        rows.append(row)
        for key, value in {**environment(), "steps": args.steps, "tokens": args.tokens, "rows": rows}.items():
            save(args.save, key, value)
    columns = ["fvu", "l0", "dead", "dense", "max_density", "linear_auc", "single_auc", "present_per_text"]
    table = [[json.dumps(r["configuration"]), *(round(r[c], 4) for c in columns)] for r in rows]
    say("SAEs", [["configuration", *columns], *table])


def _plain(configuration: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(configuration))


def _states(work: Path, tag: str, layer: int) -> np.ndarray:
    return np.memmap(work / f"{tag}-{layer}.f16", dtype=np.float16, mode="r").reshape(-1, 384)


def _collect(work: Path, tag: str, texts: list[str], limit: int, layers: list[int]) -> None:
    """Write hidden states after each layer, and which text each token belongs to; one pass for all layers."""
    if (work / f"{tag}-rows.npy").exists():
        return
    hooks = {layer: f"blocks.{layer}.hook_resid_pre" for layer in layers}
    model = LanguageModel.load(embedded.find_model(), list(hooks.values()), dtype="float32", device="cpu")
    tokens = Tokens(model.tokenizer, max_positions=model.max_positions, context_size=256, bidirectional=True)
    batcher = Batcher(tokens, 4096)
    files = {layer: (work / f"{tag}-{layer}.f16").open("wb") for layer in layers}
    rows: list[np.ndarray] = []
    with Progress(transient=True) as bar:
        for start in bar.track(range(0, len(texts), 256), description=tag):
            chunk = texts[start : start + 256]
            documents = [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(chunk)]
            prepared = tokens.prepare(documents)
            good = np.array([i for i, p in enumerate(prepared) if isinstance(p, Prepared)])
            readable = [p for p in prepared if isinstance(p, Prepared)]

            def take(found: Any) -> Any:
                return {layer: found[hook].cpu() for layer, hook in hooks.items()}

            for batch, states in hidden_states(model, batcher, readable, take):
                rows.append(good[np.asarray(batch.rows)] + start)
                for layer, file in files.items():
                    file.write(states[layer].numpy().astype(np.float16).tobytes())
            if sum(map(len, rows)) >= limit:
                break
    for file in files.values():
        file.close()
    np.save(work / f"{tag}-rows.npy", np.concatenate(rows))


def _train(x: np.ndarray, config: TrainConfig) -> TrainedSae:
    with Progress(transient=True) as bar:
        task = bar.add_task("training", total=config.steps)
        return train_sae(x, config, lambda step, steps, figures: bar.update(task, completed=step))


def _pooled(sae: TrainedSae, work: Path, layer: int, n: int) -> csr_matrix:
    states, owner = _states(work, "probe", layer), np.load(work / "probe-rows.npy")
    d_sae = len(sae.b_enc)
    keys, values = [], []
    for start in range(0, len(states), 8192):
        with torch.no_grad():
            z = sae.encode(torch.from_numpy(np.asarray(states[start : start + 8192], np.float32)))
        token, feature = torch.nonzero(z, as_tuple=True)
        keys.append(owner[start : start + 8192][token.numpy()].astype(np.int64) * d_sae + feature.numpy())
        values.append(z[token, feature].numpy())
    key, value = np.concatenate(keys), np.concatenate(values)
    order = np.lexsort((value, key))
    key, value = key[order], value[order]
    last = np.append(key[1:] != key[:-1], True)
    key, value = key[last], value[last]
    return csr_matrix((np.log1p(value), (key // d_sae, key % d_sae)), shape=(n, d_sae))


if __name__ == "__main__":
    main()
