"""What the benchmarks share: where and when a figure was measured, texts, a random model and SAE, timing.

Everything is made from the shipped example and a seed, so that anyone can measure the same again.
"""

from __future__ import annotations

import datetime as dt
import gc
import importlib.metadata
import json
import os
import platform
import random
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = (ROOT / "examples" / "gentle.jsonl", ROOT / "examples" / "brisk.jsonl")
RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = (
    *("saetext", "torch", "transformers", "tokenizers", "sae-lens", "transformer-lens"),
    *("numpy", "scipy", "numba", "pyarrow", "polars"),
)


# ---- where, when, and where to --------------------------------------------------------------------------


def environment() -> dict[str, Any]:
    """Machine, versions and date of a measurement; no host name, no paths."""
    import torch

    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "ram_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": round(os.getloadavg()[0], 2),  # what else ran: 0 on a quiet machine
        },
        "torch_threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **versions},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def save(path: Path, section: str, result: Mapping[str, Any]) -> None:
    """Put one section into a results file, beside those that are there already."""
    there = json.loads(path.read_text()) if path.exists() else {}
    there[section] = result
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(there, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def say(title: str, rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers to the right, text to the left."""
    print(f"\n{title}")
    cells = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells if i < len(row)) for i in range(max(map(len, cells)))]
    for row, shown in zip(rows, cells, strict=True):
        padded = [
            text.rjust(width) if isinstance(cell, int | float) else text.ljust(width)
            for cell, text, width in zip(row, shown, widths, strict=False)
        ]
        print("  " + "  ".join(padded).rstrip())


def _shown(cell: object) -> str:
    if isinstance(cell, float) and abs(cell) < 100:
        return f"{cell:.3g}"
    return f"{cell:,.0f}" if isinstance(cell, int | float) else str(cell)


# ---- texts ----------------------------------------------------------------------------------------------


def sentences() -> list[list[str]]:
    """The example's answers, each as its sentences."""
    answers = []
    for path in EXAMPLES:
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.split(r"(?<=[.!?])\s+", json.loads(line)["text"])
            answers.append([s for s in found if s])
    return answers


def varied_texts(n: int, *, answers: tuple[int, int] = (1, 4), seed: int = 0) -> list[str]:
    """``n`` different texts of a mixture of lengths: the sentences of a few example answers, shuffled.

    All differ, because saetext reads a text that is repeated within a shard only once.
    """
    draw = random.Random(seed)
    pool = sentences()
    made: dict[str, None] = {}
    while len(made) < n:
        parts = [s for answer in draw.sample(pool, draw.randint(*answers)) for s in answer]
        draw.shuffle(parts)
        made[" ".join(parts)] = None
    return list(made)


def write_short_texts(path: Path, n: int, *, seed: int = 0) -> None:
    """Write ``n`` different texts of one sentence each, without holding them."""
    draw = random.Random(seed)
    pool = [s for answer in sentences() for s in answer]
    with path.open("w", encoding="utf-8") as file:
        for i in range(n):
            file.write(json.dumps({"id": f"short-{i}", "text": f"{draw.choice(pool)} {i}"}) + "\n")


def write_jsonl(path: Path, texts: Sequence[str]) -> None:
    """Write texts as JSONL with ids."""
    rows = (json.dumps({"id": f"text-{i}", "text": t}, ensure_ascii=False) for i, t in enumerate(texts))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


# ---- a random reader ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Size of a random GPT-2 and of the SAE in front of its layer ``layer``."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 50_257
    positions: int = 1024
    layer: int = 8
    features: int = 24_576
    l0: int = 50

    @property
    def hook(self) -> str:
        """Where the SAE reads."""
        return f"blocks.{self.layer}.hook_resid_pre"


GPT2_SMALL = Size()
TINY = Size(layers=3, width=32, heads=4, vocabulary=2_000, positions=1024, layer=2, features=512, l0=10)


def make_tokenizer(vocabulary: int) -> Any:
    """A byte-level BPE trained on the example, as a transformers tokenizer."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    boundary = "<|endoftext|>"
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        # the example has few words: with as many merges as a real one's, each would be one token
        vocab_size=min(vocabulary, 8_000),
        special_tokens=[boundary],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([" ".join(answer) for answer in sentences()], trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=boundary, eos_token=boundary, pad_token=boundary
    )


def make_model(directory: Path, size: Size, seed: int = 0) -> Path:
    """Save a randomly initialised GPT-2 with a byte-level BPE trained on the example."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    tokenizer = make_tokenizer(size.vocabulary)
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=size.vocabulary,
        n_positions=size.positions,
        n_embd=size.width,
        n_layer=size.layers,
        n_head=size.heads,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def make_sae(
    directory: Path,
    model: Path,
    size: Size,
    texts: Sequence[str],
    seed: int = 0,
    *,
    jump: bool = False,
    dtype: str = "float32",
    device: str = "cpu",
) -> Path:
    """Save a random SAE, as sae-lens would, whose features fire as often as a trained one's.

    Its directions are random; its biases (with ``jump`` its thresholds, then it is a JumpReLU) are such that
    about ``size.l0`` features are active on a token of ``texts``, all equally often. The model reads these in
    ``dtype`` on ``device``.
    """
    import torch
    from safetensors.torch import save_file

    from saetext.reader.batches import Batcher
    from saetext.reader.language_model import LanguageModel
    from saetext.reader.running import hidden_states
    from saetext.reader.tokenization import Prepared, Tokens

    language_model = LanguageModel.load(model, [size.hook], dtype=dtype, device=device)
    tokens = Tokens(language_model.tokenizer, max_positions=language_model.max_positions)
    prepared = [p for p in tokens.prepare(documents_of(texts)) if isinstance(p, Prepared)]
    batcher = Batcher(tokens, 4096)
    found = hidden_states(language_model, batcher, prepared, lambda hidden: hidden[size.hook].cpu())
    states = torch.cat([hidden for _, hidden in found])
    generator = torch.Generator().manual_seed(seed)
    mean = states.mean(dim=0)
    states = states[torch.randperm(len(states), generator=generator)[:2048]] - mean
    encoder = torch.randn(size.width, size.features, generator=generator)
    sample: list[torch.Tensor] = []
    for start in range(0, size.features, 4096):
        block = encoder[:, start : start + 4096]
        block /= (states @ block).std(dim=0)
        if start == 0:
            sample.append((states @ block).flatten())
    rank = int(len(sample[0]) * (1 - size.l0 / size.features))
    reached = torch.full((size.features,), float(sample[0].kthvalue(rank).values))
    directory.mkdir(parents=True)
    save_file(
        {
            "W_enc": encoder,
            "W_dec": torch.nn.functional.normalize(encoder.T, dim=1).contiguous(),
            "b_dec": mean.contiguous(),
            **({"b_enc": 0 * reached, "threshold": reached} if jump else {"b_enc": -reached}),
        },
        directory / "sae_weights.safetensors",
    )
    config = {
        "architecture": "jumprelu" if jump else "standard",
        "d_in": size.width,
        "d_sae": size.features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": size.hook, "model_name": model.name, "prepend_bos": True},
    }
    (directory / "cfg.json").write_text(json.dumps(config, indent=1))
    return directory


def documents_of(texts: Sequence[str]) -> list[Any]:
    """Texts as documents."""
    from saetext.documents import Document

    return [Document(f"text-{i}", t, None, None, {}, i, "") for i, t in enumerate(texts)]


# ---- timing ---------------------------------------------------------------------------------------------


@dataclass
class Timing:
    """Repeated measurements of one thing, in seconds: on the wall, and of all cores together."""

    wall: list[float]
    cpu: list[float]

    def summary(self, tokens: int) -> dict[str, Any]:
        """Median speed, and every run for who wants to look."""
        return {
            "tokens_per_second": round(tokens / statistics.median(self.wall), 1),
            "tokens_per_cpu_second": round(tokens / statistics.median(self.cpu), 1),
            "seconds": [round(s, 3) for s in self.wall],
            "cpu_seconds": [round(s, 3) for s in self.cpu],
        }


def interleaved(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Time several things in turn, there and back, so that what else the machine does hits all of them."""
    times = {name: Timing([], []) for name in runs}
    for repeat in range(repeats):
        for name in list(runs) if repeat % 2 == 0 else reversed(list(runs)):
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            runs[name]()
            times[name].wall.append(time.perf_counter() - wall)
            times[name].cpu.append(time.process_time() - cpu)
    return times


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """Median, lowest and highest ratio of measurements of the same round."""
    each = [n / d for n, d in zip(numerator, denominator, strict=True)]
    found = {"median": statistics.median(each), "low": min(each), "high": max(each)}
    return {name: round(ratio, 3) for name, ratio in found.items()}
