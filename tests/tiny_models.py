"""Tiny randomly initialised models of every family the reader knows, saved as real checkpoints.

A helper for tests, not a test. Weights, norms and biases are drawn wide enough that leaving any of them out
shows; the tokenizers are real fast ones, small and made here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from saetext.errors import ReaderError
from saetext.reader.language_model import LanguageModel

HOOK = "blocks.1.hook_resid_post"
HIDDEN = 32
LAYERS = 3
HEADS = 4
POSITIONS = 64

_TEXT = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps in the sun.",
    "She wrote that the answer was short; he wrote that the answer was long.",
    "However, there are many reasons to think otherwise: let us count them, one, two, three.",
]

_COMMON: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
}
_ROPE: dict[str, Any] = {"rope_theta": 10_000.0, "rope_type": "default"}
_GEMMA3: dict[str, Any] = {
    **_COMMON,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 6,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}

# family -> (configuration class, its arguments, class saved to disk)
FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "gpt2": (
        "GPT2Config",
        {
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "max_position_embeddings": POSITIONS,
            "bos_token_id": 0,
            "eos_token_id": 0,
        },
        "GPT2LMHeadModel",
    ),
    "gpt_neox": (
        "GPTNeoXConfig",
        {**_COMMON, "rope_parameters": {**_ROPE, "partial_rotary_factor": 0.25}},
        "GPTNeoXForCausalLM",
    ),
    "gpt_neox_sequential": (
        "GPTNeoXConfig",
        {
            **_COMMON,
            "use_parallel_residual": False,
            "rope_parameters": {**_ROPE, "partial_rotary_factor": 0.25},
        },
        "GPTNeoXForCausalLM",
    ),
    "llama": (
        "LlamaConfig",
        {**_COMMON, "num_key_value_heads": 2, "rope_parameters": _ROPE},
        "LlamaForCausalLM",
    ),
    "mistral": (
        "MistralConfig",
        {**_COMMON, "num_key_value_heads": 2, "sliding_window": 6, "rope_parameters": _ROPE},
        "MistralForCausalLM",
    ),
    "qwen2": (
        "Qwen2Config",
        {**_COMMON, "num_key_value_heads": 2, "rope_parameters": _ROPE},
        "Qwen2ForCausalLM",
    ),
    "qwen3": (
        "Qwen3Config",
        {**_COMMON, "num_key_value_heads": 2, "head_dim": 16, "rope_parameters": _ROPE},
        "Qwen3ForCausalLM",
    ),
    "gemma": (
        "GemmaConfig",
        {**_COMMON, "num_key_value_heads": 1, "head_dim": 16, "rope_parameters": _ROPE},
        "GemmaForCausalLM",
    ),
    "gemma2": (
        "Gemma2Config",
        {
            **_COMMON,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "sliding_window": 6,
            "attn_logit_softcapping": 2.0,  # low, so that it matters
            "rope_parameters": _ROPE,
        },
        "Gemma2ForCausalLM",
    ),
    "gemma3_text": ("Gemma3TextConfig", _GEMMA3, "Gemma3ForCausalLM"),
    "gemma3": ("Gemma3Config", {"text_config": _GEMMA3}, "Gemma3ForConditionalGeneration"),
    "bert": ("BertConfig", _COMMON, "BertForPreTraining"),
}


def save_model(
    family: str,
    directory: Path,
    *,
    seed: int = 0,
    max_shard_size: str = "1GB",
    chat_template: str | None = None,
    **config: Any,
) -> Path:
    """Save a model of ``family`` (a key of :data:`FAMILIES`) with its tokenizer; return the directory.

    Parameters
    ----------
    family, directory, seed
        What, where, and the seed of the weights.
    max_shard_size : str
        As in ``save_pretrained``; ``"20KB"`` gives several shards.
    chat_template : str, optional
        Jinja template saved with the tokenizer.
    **config
        Changes to the configuration, such as ``num_hidden_layers=4``.
    """
    tokenizer = make_tokenizer(family)
    model = make_model(family, seed=seed, vocab_size=len(tokenizer), **config)
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    model.save_pretrained(directory, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(directory)
    return directory


def make_model(family: str, *, seed: int = 0, vocab_size: int = 320, **config: Any) -> Any:
    """Return a model with all of its layers and its head, in evaluation mode."""
    config_class, arguments, model_class = FAMILIES[family]
    arguments = {**arguments, "vocab_size": vocab_size, **config}
    if family == "gemma3":
        text = {**arguments.pop("text_config"), "vocab_size": arguments.pop("vocab_size"), **config}
        vision = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        }
        arguments = {"text_config": text, "vision_config": vision, "mm_tokens_per_image": 4}
    torch.manual_seed(seed)
    model: nn.Module = getattr(transformers, model_class)(getattr(transformers, config_class)(**arguments))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 1:  # norms and biases: about what they were
                parameter.add_(0.3 * noise)
            else:
                parameter.copy_(0.25 * noise)
    return model.eval()


def make_tokenizer(family: str) -> Any:
    """Return a fast tokenizer: WordPiece in CLS ... SEP for BERT, else byte-level BPE with or without BOS."""
    if family == "bert":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()-"]
        vocabulary = _word_pieces(specials, letters, 200)
        backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        backend.normalizer = normalizers.BertNormalizer(lowercase=True)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(t, backend.token_to_id(t)) for t in ("[CLS]", "[SEP]")],
        )
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend,
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            mask_token="[MASK]",
        )
    bos, eos, pad = ("<bos>", "<eos>", "<pad>")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>"] if family.startswith(("gpt", "qwen")) else [pad, eos, bos]
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_TEXT, trainer)
    if len(specials) == 1:
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=backend, bos_token=specials[0], eos_token=specials[0]
        )
    backend.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, backend.token_to_id(bos))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=bos, eos_token=eos, pad_token=pad
    )


def _word_pieces(specials: list[str], letters: list[str], size: int) -> dict[str, int]:
    """Return a vocabulary of the commonest pieces of the texts, with all that any word of letters needs.

    The library's own trainer makes another one in each process, and a model on it other numbers.
    """
    pieces: Counter[str] = Counter()
    for word in re.findall(r"[a-z0-9]+", " ".join(_TEXT).lower()):
        for start in range(len(word)):
            for stop in range(start + 2, len(word) + 1):
                pieces["##" * (start > 0) + word[start:stop]] += 1
    common = sorted(pieces, key=lambda piece: (-pieces[piece], piece))
    every = dict.fromkeys([*specials, *letters, *(f"##{letter}" for letter in letters[:36]), *common])
    return {piece: number for number, piece in enumerate(every) if number < size}


def edit_config(directory: Path, **changes: Any) -> None:
    """Change keys of a saved model's config.json; None removes a key."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def load(model: str | Path, *hooks: str, **options: Any) -> LanguageModel:
    """Load in float32 on the CPU, up to :data:`HOOK` unless told otherwise."""
    return LanguageModel.load(model, hooks or (HOOK,), **{"dtype": "float32", "device": "cpu", **options})


def refusal(model: str | Path, *hooks: str, **options: Any) -> str:
    """Return the one-line message with which loading is refused."""
    with pytest.raises(ReaderError) as caught:
        load(model, *hooks, **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    return message


def batch(*lengths: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random token ids and their mask, one row for each length, padded on the right with 0."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(5, 190, (len(lengths), max(lengths)), generator=generator)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return ids * mask, mask
