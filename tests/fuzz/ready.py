"""The files that command lines name: small corpora, a tiny causal model with its SAE, and what commands save.

Each case gets a copy, some of whose files are damaged first. Not for: running cases.
"""

from __future__ import annotations

import io
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_file

from tests.fuzz.mutate import damaged, resealed
from tests.tiny_models import HIDDEN, save_model

EXAMPLES = Path(__file__).parents[2] / "examples"
HOOK: Final = "blocks.2.hook_resid_post"
CHATML: Final = (
    "{% for m in messages %}<bos>{{ m['role'] }}\n{{ m['content'] }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<bos>assistant\n{% endif %}"
)
PROMPTS: Final[list[dict[str, Any]]] = [
    {"id": "p1", "prompt": "the quick brown fox", "text": "- one\n- two", "topic": "food"},
    {"id": "p2", "prompt": "She wrote that", "text": "the answer", "topic": "tech"},
    {"id": "p3", "prompt": "However, there are", "text": "- reasons", "topic": "food"},
    {"id": "p4", "prompt": "let us count them", "text": "one, two", "topic": None},
]
#: Files of a case that are damaged now and then.
DAMAGED: Final = (
    *("attribution.json", "direction.npy", "tiny.gguf", "prompts.jsonl", "labels.csv", "query.json"),
    *("sae/cfg.json", "sae/sae_weights.safetensors", "model/config.json", "model/tokenizer.json"),
    *("model/tokenizer_config.json", "model/model.safetensors", "c.corpus/manifest.json"),
    "c.corpus/docs/part-00000.arrow",
)


def prompts() -> bytes:
    """Return prompts with the answers so far, a row each."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in PROMPTS)


def direction() -> bytes:
    """Return a direction of the tiny model's width, as NumPy saves it."""
    sink = io.BytesIO()
    np.save(sink, np.linspace(-1, 1, HIDDEN, dtype=np.float32))
    return sink.getvalue()


def gguf_file() -> bytes:
    """Return a model of one layer as llama.cpp keeps it."""
    sys.path.append(str(Path(__file__).parents[1]))  # its neighbours import each other by their names alone
    from tiny_gguf import write_gguf

    with tempfile.TemporaryDirectory() as name:
        write_gguf(Path(name) / "tiny.gguf", num_hidden_layers=1)
        return (Path(name) / "tiny.gguf").read_bytes()


def attribution(prompts: int = 8, tokens: int = 5) -> bytes:
    """Return a saved attribution, made up.

    Without polars, whose threads a fork would wait for; ``tests/test_fuzz.py`` loads and saves it again.
    """
    from saetext.intervene.attribution.saved import FORMAT, VERSION
    from saetext.intervene.attribution.tables import TABLES
    from saetext.io.sealed import sealed

    draw = random.Random(0)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for prompt in range(prompts):
        rows["prompts"].append(
            {"prompt": prompt, "id": f"p{prompt}", "tokens": tokens, "metric": float(prompt)}
        )
        rows["tokens"] += [{"prompt": prompt, "position": at, "token": f" t{at}"} for at in range(tokens)]
        rows["errors"] += [{"prompt": prompt, "position": at, "attribution": 0.1} for at in range(tokens)]
        for feature in sorted({1, *draw.sample(range(40), tokens + 1)}):
            value = {"activation": 1.0, "gradient": 0.5, "attribution": round(draw.gauss(0, 1), 6)}
            rows["pairs"].append(
                {"prompt": prompt, "position": feature % tokens, "feature": feature, **value}
            )
    tables = {
        name: {column: [row.get(column) for row in rows[name]] for column in TABLES[name]} for name in TABLES
    }
    content = {
        "format": FORMAT,
        "version": VERSION,
        "params": {"metric": 'logit("a")', "at": "last", "subject": {"model": "m", "sae": "s", "hook": HOOK}},
        "metrics": {"pairs": len(rows["pairs"])},
        "notes": [],
        "meta": [{"topic": "ab"[n % 2], "n": n} for n in range(prompts)],
        "labels": {"1": "everywhere"},
        "tables": tables,
    }
    return json.dumps(sealed(content), ensure_ascii=False).encode()


def save_sae(directory: Path) -> None:
    """Save a random SAE of the tiny model, as sae-lens does."""
    directory.mkdir()
    config = {
        "architecture": "standard", "d_in": HIDDEN, "d_sae": 64, "dtype": "float32", "device": "cpu",
        "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"hook_name": HOOK, "model_name": "model", "prepend_bos": False},
    }  # fmt: skip
    (directory / "cfg.json").write_text(json.dumps(config))
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(HIDDEN, 64, generator=draw) / HIDDEN**0.5,
        "W_dec": torch.randn(64, HIDDEN, generator=draw),
        "b_enc": torch.randn(64, generator=draw) * 0.3 - 1.0,
        "b_dec": torch.randn(HIDDEN, generator=draw) * 0.3,
    }
    save_file(tensors, directory / "sae_weights.safetensors")


def make_files(home: Path, inputs: dict[str, bytes]) -> None:
    """Write all files but the corpora of encoded texts."""
    (home / "folder").mkdir()
    for name in (
        "rows.jsonl",
        "chats.jsonl",
        "prompts.jsonl",
        "attribution.json",
        "direction.npy",
        "tiny.gguf",
    ):
        (home / name).write_bytes(inputs[name])
    (home / "labels.csv").write_text("feature,label\n1,one\n2,two\n")
    (home / "query.json").write_text("{}")
    save_model("llama", home / "model", chat_template=CHATML, max_position_embeddings=600)
    save_sae(home / "sae")
    for name, rows in (("c", "gentle.jsonl"), ("d", "brisk.jsonl"), ("e", "gentle.jsonl")):
        lines = (EXAMPLES / rows).read_bytes().splitlines(keepends=True)[:12]
        (home / f"{name}.jsonl").write_bytes(b"".join(lines))


def damage(draw: random.Random, home: Path, line: list[str]) -> str | None:
    """Damage one file of a case, one that its command line names if there is any; return which."""
    there = [name for name in DAMAGED if (home / name).is_file()]
    named = [name for name in there if any(part and part.split("/")[0] in name for part in line[1:])]
    if not there or draw.random() > 0.3:
        return None
    name = draw.choice(named or there)
    path = home / name
    content = path.read_bytes()
    change: Callable[..., bytes] = resealed if name == "attribution.json" else damaged
    path.write_bytes(change(draw, content, [content], name))
    return name
