"""How many presences flip when the language model, or the SAE's product too, computes with fewer bits.

    python benchmarks/flips.py
    OMP_NUM_THREADS=1 python benchmarks/flips.py --reader smollm2 --documents 60

The reader reads the example: all in float32; the language model in bfloat16 and the SAE's product in
float32, which is what ``--dtype bfloat16`` does (and ``auto``, where bfloat16 is fast); both in
bfloat16; with int8. ``weights int8`` rounds each row of each weight matrix of the layers to 255 levels
and computes in float32: the least that int8 weights lose, at no gain in speed. ``dynamic`` is torch's
quantisation: int8 products, with the activations rounded too, one scale for a whole batch; weights with
one scale for a matrix, or one for each row. The share of presences that differ is the Jaccard distance
of the two sets of (document, feature) pairs. Float32 in other batches is there for comparison: that is
what rounding does anyway. Seconds are CPU seconds of one reading after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from readers import shown
from torch.ao import quantization

from saetext.corpus.rows import PooledRows
from saetext.reader.parts import LoadedSae
from saetext.reader.reader import Reader


def main(arguments: Sequence[str] | None = None) -> None:
    """Read in every way, compare, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=common.RESULTS / "flips.json")
    parser.add_argument("--documents", type=int, help="of the example; default: all")
    parser.add_argument("--reader", default="embedded", help="name or directory, with one SAE")
    args = parser.parse_args(arguments)
    environment = common.environment()
    lines = [line for path in common.EXAMPLES for line in path.read_text("utf-8").splitlines()]
    texts = [json.loads(line)["text"] for line in lines][: args.documents]

    def loaded(dtype: str = "float32") -> Reader:
        return Reader(args.reader, dtype=dtype, device="cpu")

    whole = loaded()
    reference, tokens, seconds = read(whole, texts)
    (spec,), (sae,) = whole.spec.saes, whole.saes.values()
    d_sae = spec.d_sae
    result: dict[str, Any] = {
        "settings": {"documents": len(texts), "tokens": tokens, "features": d_sae},
        "presences": reference.n_entries,
        "cpu_seconds": {"float32": round(seconds, 2)},
    }
    ways: dict[str, Callable[[], Reader]] = {
        "all float32, batches of 512 tokens": lambda: in_small_batches(whole),
        "weights int8, a scale for each row": lambda: with_int8_weights(loaded()),
        "dynamic int8": lambda: with_dynamic_int8(loaded(), rows=False),
        "dynamic int8, a scale for each row": lambda: with_dynamic_int8(loaded(), rows=True),
        "model bfloat16, SAE float32": lambda: loaded("bfloat16"),
        "model float32, SAE bfloat16": lambda: with_sae_in(whole, torch.bfloat16),
        "model bfloat16, SAE bfloat16": lambda: with_sae_in(loaded("bfloat16"), torch.bfloat16),
    }
    for name in ways:
        rows, _, seconds = read(ways[name](), texts)
        result[name] = compare(reference, rows, sae.calibration.thresholds, d_sae)  # type: ignore[union-attr]
        result["cpu_seconds"][name] = round(seconds, 2)
        common.save(args.output, shown(args.reader), {**environment, **result})  # what is interrupted is kept
    common.say(
        f"presences that differ from all-float32 ({reference.n_entries:,} presences, {tokens:,} tokens)",
        [
            (name, f"{result[name]['jaccard_distance']:.2%}", f"lost {result[name]['lost']:,}",
             f"gained {result[name]['gained']:,}",
             f"half of them within {result[name]['median_distance_from_threshold']:.2%} of their threshold",
             f"largest change of a feature's rate {result[name]['largest_rate_change']:.1%}",
             f"{result['cpu_seconds'][name]} CPU s, float32 {result['cpu_seconds']['float32']}")
            for name in ways
        ],
    )  # fmt: skip


def read(reader: Reader, texts: Sequence[str]) -> tuple[PooledRows, int, float]:
    """Return the pooled rows, the counted tokens, and the CPU seconds it took."""
    documents = common.documents_of(texts)
    reader.read(documents[:2])
    started = time.process_time()
    reading = reader.read(documents)
    seconds = time.process_time() - started
    (rows,) = reading.rows.values()
    return rows, sum(p.n_tokens for p in reading.readable), seconds


def with_sae_in(reader: Reader, dtype: torch.dtype) -> Reader:
    """Return the reader with its SAE's product in ``dtype``, which saetext never does by itself."""
    (sae,) = reader.saes.values()
    saes = [LoadedSae(sae.name, sae.origin, sae.encoder.to(reader.model.device, dtype), sae.calibration)]
    return Reader.of_parts(reader.model, saes, reader.tokens, name=reader.name, source={})


def in_small_batches(reader: Reader) -> Reader:
    """Return the reader with other batches: what rounding alone does."""
    saes = list(reader.saes.values())
    return Reader.of_parts(reader.model, saes, reader.tokens, name=reader.name, source={}, token_budget=512)


def with_int8_weights(reader: Reader) -> Reader:
    """Round the weights of the reader's layers to int8 with a scale for each row, and return it."""
    for layer in linear_layers(reader).values():
        scale = layer.weight.abs().amax(1, keepdim=True) / 127
        layer.weight.data = (layer.weight / scale).round() * scale
    return reader


def with_dynamic_int8(reader: Reader, *, rows: bool) -> Reader:
    """Have torch quantise the reader's layers dynamically, by row or whole, and return it."""
    how = quantization.per_channel_dynamic_qconfig if rows else quantization.default_dynamic_qconfig
    quantization.quantize_dynamic(
        reader.model._model, dict.fromkeys(linear_layers(reader), how), inplace=True
    )
    return reader


def linear_layers(reader: Reader) -> dict[str, torch.nn.Linear]:
    """Return the matrix products of the layers that the reader runs, by name.

    Raises
    ------
    SystemExit
        If it has none of that kind, so that nothing would be rounded.
    """
    found = {
        name: module
        for name, module in reader.model._model.named_modules()
        if isinstance(module, torch.nn.Linear) and not module.weight.is_meta
    }
    if not found:
        raise SystemExit(f"{reader.name} has no linear layers")
    return found


def compare(ours: PooledRows, others: PooledRows, thresholds: np.ndarray, d_sae: int) -> dict[str, Any]:
    """Compare two readings of the same documents."""
    keys, values = zip(*(_keyed(rows, d_sae) for rows in (ours, others)), strict=True)
    lost, gained = np.setdiff1d(keys[0], keys[1]), np.setdiff1d(keys[1], keys[0])
    both, at, its = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    # how far above its threshold a presence stood where there was one
    flipped = np.concatenate(
        [values[0][np.searchsorted(keys[0], lost)], values[1][np.searchsorted(keys[1], gained)]]
    )
    distance = flipped / thresholds[np.concatenate([lost, gained]) % d_sae] - 1
    change = np.bincount(keys[1] % d_sae, minlength=d_sae) - np.bincount(keys[0] % d_sae, minlength=d_sae)
    relative = np.abs(values[1][its] / values[0][at] - 1)
    return {
        "jaccard_distance": round((len(lost) + len(gained)) / (len(both) + len(lost) + len(gained)), 5),
        "lost": len(lost),
        "gained": len(gained),
        "median_distance_from_threshold": round(float(np.median(distance)) if len(distance) else 0.0, 5),
        "p95_distance_from_threshold": round(float(np.quantile(distance, 0.95)) if len(distance) else 0.0, 5),
        "median_relative_change_of_value": round(float(np.median(relative)), 6),
        "largest_rate_change": round(float(np.abs(change).max()) / len(ours), 5),
        "mean_rate_change": round(float(np.abs(change).mean()) / len(ours), 6),
    }


def _keyed(rows: PooledRows, d_sae: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (document, feature) pairs as increasing numbers, and their values."""
    document = np.repeat(np.arange(len(rows)), np.diff(rows.indptr))
    return document * d_sae + rows.feature, rows.value


if __name__ == "__main__":
    main()
