"""Encoding on one device, a GPU or the processor: forward pass alone beside what saetext makes of it.

The model is random and has Gemma 2 2B's size, the SAE is a JumpReLU of random directions in its middle. A
section of ``encode.py``, which has the command line.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

if TYPE_CHECKING:
    import torch

    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared

TARGET_OF_FORWARD = 0.85
POOLED = "forward, encode, pool"
_BLOCK = 4096  # tokens whose products with the SAE are held at once, as saetext does


@dataclass(frozen=True)
class GemmaSize(common.Size):
    """Size of a random Gemma 2 and of its SAE."""

    layers: int = 26
    width: int = 2304
    heads: int = 8
    vocabulary: int = 256_000
    positions: int = 8192
    layer: int = 12
    features: int = 65_536
    l0: int = 75
    kv_heads: int = 4
    head_dim: int = 256
    inner: int = 9216


SIZES = {
    "2b": GemmaSize(),
    "tiny": GemmaSize(
        layers=4, width=64, heads=4, vocabulary=2_000, positions=128, layer=2, features=512, l0=10,
        kv_heads=2, head_dim=16, inner=128,
    ),
}  # fmt: skip
DOCUMENTS = {"2b": 1024, "tiny": 6}


def make_gemma(directory: Path, size: GemmaSize, seed: int = 0) -> Path:
    """Save a random Gemma 2 in bfloat16, of whose layers only those before the SAE are there."""
    import torch
    import transformers

    from saetext.reader.quiet import quiet

    tokenizer = common.make_tokenizer(size.vocabulary)
    torch.manual_seed(seed)
    config = transformers.Gemma2Config(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layer,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        head_dim=size.head_dim,
        query_pre_attn_scalar=size.head_dim,
        max_position_embeddings=size.positions,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = transformers.AutoModel.from_config(config, dtype=torch.bfloat16, trust_remote_code=False)
    with quiet():
        model.save_pretrained(directory)
    # the configuration of all layers, since it is what the model would be
    transformers.Gemma2Config(
        **{**config.to_dict(), "num_hidden_layers": size.layers, "layer_types": None}
    ).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


class Forward:
    """The truncated forward pass on saetext's own batches, which are on the device.

    With ``product`` each counted token is multiplied with the SAE's encoder besides; nothing of it is kept.
    """

    def __init__(self, reader: Reader, prepared: list[Prepared], *, product: bool) -> None:
        import torch

        from saetext.reader.batches import Batcher

        (sae,) = reader.saes.values()
        self.model, self.hook = reader.model, sae.encoder.hook
        batcher = Batcher(reader.tokens, reader._batcher.budget)
        made = [batcher.build(group) for group in reversed(batcher.groups(prepared))]
        self.batches = [
            tuple(torch.from_numpy(x).to(self.model.device) for x in (b.ids, b.mask, b.positions))
            for b in made
        ]
        self.counted = sum(len(b.positions) for b in made)
        self.padded = sum(b.ids.size for b in made)
        self.weight = sae.encoder._weight if product else None
        if product:
            rows = min(_BLOCK, max(len(b.positions) for b in made))
            self.out = torch.empty(rows, sae.encoder.d_sae, device=self.model.device)

    def __call__(self) -> None:
        import torch

        for ids, mask, positions in self.batches:
            states = self.model.hidden(ids, mask)[self.hook]
            if self.weight is None:
                continue
            x = states.reshape(-1, states.shape[-1]).index_select(0, positions).float()
            for part in x.split(_BLOCK):
                torch.mm(part, self.weight, out=self.out[: len(part)])


class Watched:
    """A run that ends when the device has, and the most memory that was allocated there meanwhile."""

    def __init__(self, run: Callable[[], object], device: torch.device) -> None:
        self.run, self.device = run, device
        self.peak = 0

    def __call__(self) -> None:
        import torch

        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        self.run()
        if on_gpu:
            torch.cuda.synchronize(self.device)
            self.peak = max(self.peak, torch.cuda.max_memory_allocated(self.device))


def require_device(name: str) -> torch.device:
    """Return the device called ``name``; one line and the end if it is not there."""
    from saetext.errors import ReaderError
    from saetext.reader.device import choose_device

    try:
        return choose_device(name)
    except ReaderError as error:
        raise SystemExit(str(error)) from None


def on_device(
    args: argparse.Namespace,
    work: Path,
    encoder_run: Callable[[Reader, Path, Path, int], Callable[[], None]],
    peak_memory: Callable[[], int],
) -> dict[str, Any]:
    """Speed of the forward pass, with the SAE's product, with pooling, and of ``saetext.encode``; memory."""
    from saetext.reader.reader import Reader
    from saetext.reader.thresholds.estimation import calibrate
    from saetext.reader.tokenization import Prepared

    device = require_device(args.device)
    size = SIZES[args.size]
    texts = common.varied_texts(args.gemma2_documents or DOCUMENTS[args.size], seed=1)
    some = texts[: max(8, len(texts) // 16)]
    model = make_gemma(work / "model", size)
    sae = common.make_sae(*(work / "sae", model, size, some), jump=True, dtype="bfloat16", device=str(device))
    reader = Reader.load_local(sae, model, dtype="bfloat16", device=str(device))
    documents = common.documents_of(texts)
    reader = calibrate(reader, documents[: len(some)], reference="some of the texts", quiet=True)
    prepared = [p for p in reader.tokens.prepare(documents) if isinstance(p, Prepared)]
    common.write_jsonl(work / "texts.jsonl", texts)
    forward = Forward(reader, prepared, product=False)
    runs = {
        "forward": Watched(forward, device),
        "forward, product": Watched(Forward(reader, prepared, product=True), device),
        POOLED: Watched(functools.partial(reader.pool, prepared), device),
        "saetext.encode": Watched(encoder_run(reader, work / "texts.jsonl", work, args.shard_rows), device),
    }
    for run in runs.values():  # warm-up: kernels are chosen, and memory is kept for the next time
        run()
    repeats = args.repeats or 5
    times = common.interleaved(runs, repeats)
    of_forward = {
        name: common.ratios(times["forward"].wall, t.wall) for name, t in times.items() if name != "forward"
    }
    (calibration,) = reader.calibrations.values()
    built = sum(p.numel() for n, p in reader.model._model.named_parameters() if ".layers." in f".{n}")
    return {
        "settings": {
            "device": _named(device),
            "documents": len(texts),
            "tokens": forward.counted,
            "padding": round(forward.padded / forward.counted - 1, 3),
            "dtype": reader.model.dtype,
            "sae_dtype": "float32",
            "model": vars(size),
            "layers_run": reader.model.n_layers_built,
            "hook": size.hook,
            "l0": round(calibration.about["l0"], 1),
            "token_budget": reader._batcher.budget,
            "shard_rows": args.shard_rows,
            "repeats": repeats,
        },
        "multiply_adds_per_token": {"layers": built, "sae": size.width * size.features},
        "speed": {name: t.summary(forward.counted) for name, t in times.items()},
        "of_forward": of_forward,
        "target": TARGET_OF_FORWARD,
        "peak_mb": {name: round(run.peak / 1e6, 1) for name, run in runs.items()}
        if device.type == "cuda"
        else {"process": round(peak_memory() / 1e6, 1)},
    }


def show(result: dict[str, Any], size: str) -> None:
    """Print the speeds, the ratios beside the target, and the memory."""
    settings = result["settings"]
    shown = f"random Gemma 2 ({size}), {settings['layers_run']} layers, SAE {settings['model']['features']:,}"
    rows = [(name, s["tokens_per_second"], "tokens/s") for name, s in result["speed"].items()]
    common.say(f"{shown}, on {settings['device']}: {settings['tokens']:,} tokens", rows)
    pooled = result["of_forward"][POOLED]["median"]
    target = f"{TARGET_OF_FORWARD} or better: {'met' if pooled >= TARGET_OF_FORWARD else 'MISSED'}"
    common.say(
        "of the forward pass alone: median, range",
        [
            (
                name,
                r["median"],
                f"{r['low']} to {r['high']}",
                target if name == POOLED else "",
            )
            for name, r in result["of_forward"].items()
        ],
    )
    common.say("peak memory", [(name, mb, "MB") for name, mb in result["peak_mb"].items()])


def _named(device: torch.device) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} (no GPU)"
