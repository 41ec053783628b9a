"""Model names as interpretability tools write them -> Hugging Face ids.

sae-lens's metadata names models as transformer-lens does (``gpt2-small``, ``gemma-2-2b``), or by the last
part of the Hugging Face id (``Llama-3.1-8B-Instruct``). Not for: deciding what can be loaded; see
:mod:`saetext.reader.hooks`.
"""

from __future__ import annotations

# Known by the last part of their id, in any case.
_BY_LAST_PART: dict[str, tuple[str, ...]] = {
    "EleutherAI": (
        *("pythia-14m", "pythia-31m", "gpt-neox-20b"),
        *(
            f"pythia-{size}{variant}"
            for size in ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
            for variant in ("", "-deduped")
        ),
    ),
    "google": (
        *("gemma-2b", "gemma-2b-it", "gemma-7b", "gemma-7b-it"),
        *(f"gemma-2-{size}{variant}" for size in ("2b", "9b", "27b") for variant in ("", "-it")),
        *(f"gemma-3-{size}-{variant}" for size in ("1b", "4b", "12b", "27b") for variant in ("pt", "it")),
        *("gemma-3-270m", "gemma-3-270m-it"),
    ),
    "google-bert": ("bert-base-cased", "bert-base-uncased", "bert-large-cased", "bert-large-uncased"),
    "meta-llama": (
        *("Llama-2-7b-hf", "Llama-2-7b-chat-hf", "Llama-2-13b-hf", "Llama-2-13b-chat-hf"),
        *(f"Meta-Llama-3-{size}{variant}" for size in ("8B", "70B") for variant in ("", "-Instruct")),
        *(f"Llama-3.1-{size}{variant}" for size in ("8B", "70B") for variant in ("", "-Instruct")),
        *(f"Llama-3.2-{size}{variant}" for size in ("1B", "3B") for variant in ("", "-Instruct")),
        "Llama-3.3-70B-Instruct",
    ),
    "deepseek-ai": ("DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1-Distill-Llama-70B"),
    "mistralai": ("Mistral-7B-v0.1", "Mistral-7B-Instruct-v0.1", "Mistral-Nemo-Base-2407"),
    "Qwen": (
        *(f"Qwen2-{size}{variant}" for size in ("0.5B", "1.5B", "7B") for variant in ("", "-Instruct")),
        *(
            f"Qwen2.5-{size}{variant}"
            for size in ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B")
            for variant in ("", "-Instruct")
        ),
        *(f"Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B", "32B")),
        *(f"Qwen3-{size}-Base" for size in ("0.6B", "1.7B", "4B", "8B", "14B")),
    ),
    "openai": ("gpt-oss-20b",),
}

# Names that are not the last part of an id.
_OTHERS: dict[str, str] = {
    "gpt2-small": "gpt2",
    "distil-gpt2": "distilgpt2",
    "gpt-neox": "EleutherAI/gpt-neox-20b",
    "pythia": "EleutherAI/pythia-70m",
    "llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "llama-2-7b-chat": "meta-llama/Llama-2-7b-chat-hf",
    "llama-2-13b": "meta-llama/Llama-2-13b-hf",
    "llama-2-13b-chat": "meta-llama/Llama-2-13b-chat-hf",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "mistral-7b-instruct": "mistralai/Mistral-7B-Instruct-v0.1",
    # where it is not an added model, see saetext.reader.added
    "smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct",
}

ALIASES: dict[str, str] = {
    **{part.lower(): f"{owner}/{part}" for owner, parts in _BY_LAST_PART.items() for part in parts},
    **_OTHERS,
}


def hub_id(name: str) -> str:
    """Return the Hugging Face id that ``name`` stands for; what is not an alias comes back as it is."""
    return ALIASES.get(name.lower(), name)
