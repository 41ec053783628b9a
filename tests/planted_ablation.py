"""A tiny model that writes one word because of one direction, and an SAE that has it: the truth for ablation.

At the SAE's hook, after the last layer, every token carries the direction that the head reads as one word.
One feature reads and writes it; one reads it and writes where the head does not look; one is off. A helper
for tests, not a test.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import torch
from planted import CHATML, WORD
from safetensors.torch import load_file, save_file
from tiny_models import make_tokenizer, save_model
from tiny_reader import make_sae

HOOK = "blocks.0.hook_resid_post"
WRITES, READS, OFF, D_SAE = 5, 6, 7, 64
_PULL = 22.0  # of the direction in every token's embedding
# of one length in tokens, so that all are read at once
TOPICS = ("and", "then", "in", "sun", "she", "he", "there", "are", "to", "them")
ROWS = [{"id": topic, "prompt": f"the {topic}", "topic": topic} for topic in TOPICS]


@functools.cache
def planted_writer() -> tuple[Path, Path]:
    """Make the directories of the model and the SAE, once per process."""
    root = Path(tempfile.mkdtemp(prefix="saetext ablated "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model(
        "llama",
        root / "model",
        chat_template=CHATML,
        max_position_embeddings=600,
        tie_word_embeddings=False,
        num_hidden_layers=1,
    )
    weights = load_file(model / "model.safetensors")
    [token] = make_tokenizer("llama").backend_tokenizer.encode(f" {WORD}", add_special_tokens=False).ids
    read = weights["lm_head.weight"] * weights["model.norm.weight"]
    word = read[token] / read[token].norm()
    # the direction that the head reads least, and nothing of the word's
    unseen = torch.linalg.svd(read)[2][-1]
    unseen = unseen - (unseen @ word) * word
    weights["model.embed_tokens.weight"] += _PULL * word
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    sae = make_sae(root / "sae", hook=HOOK, seed=3, d_sae=D_SAE)
    tensors = load_file(sae / "sae_weights.safetensors")
    tensors["W_dec"] /= 4.0
    for feature in (WRITES, READS, OFF):
        tensors["W_enc"][:, feature] = word
        tensors["b_enc"][feature] = 0.0
        tensors["W_dec"][feature] = word
    tensors["W_dec"][READS] = 0.1 * unseen / unseen.norm()
    tensors["b_enc"][OFF] = -1e6
    tensors["b_dec"][:] = 0.0
    save_file(tensors, sae / "sae_weights.safetensors")
    return model, sae
