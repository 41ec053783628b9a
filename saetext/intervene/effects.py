"""What a text is measured by: words, likelihood under the unedited model, repetition.

Not for: features of the SAE that was edited, which would only say that the edit was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray

from saetext.reader.continuing import Readings, log_probabilities_after
from saetext.text.words import words

if TYPE_CHECKING:
    from saetext.reader.causal import CausalModel
    from saetext.reader.edits import Edit
    from saetext.reader.prompts import Prompt

_GRAM = 3
_POSITIONS = 1024  # of logits held at once: 200 MB for 49,152 tokens of vocabulary in float32


def word_share(text: str, wanted: frozenset[str]) -> float:
    """Return the share of a text's words that are among those wanted, in any case; 0 of no words."""
    found = [word.casefold() for word in words(text)]
    return sum(word in wanted for word in found) / len(found) if found else 0.0


def repetition(ids: Sequence[int]) -> float | None:
    """Return the share of a text's token trigrams that it had before; None of fewer than 3 tokens."""
    grams = list(zip(*(ids[i:] for i in range(_GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else None


def likelihood(
    model: CausalModel,
    prompts: Sequence[Prompt],
    texts: Sequence[NDArray[np.int64]],
    readings: Readings | None = None,
    edits: Callable[[Sequence[Prompt]], Mapping[str, Edit]] | None = None,
) -> list[float | None]:
    """Return the mean negative log-likelihood of each text's tokens, in nats, by the unedited model.

    Parameters
    ----------
    model : CausalModel
    prompts : sequence of Prompt
        What each text goes on from.
    texts : sequence of int64[n]
        Token ids, the end-of-sequence token included; None for a text of none.
    readings : Readings, optional
        What was read of prompts before.
    edits : callable, optional
        Gets the prompts of a batch and returns the edits under which the model judges their texts, where it
        is not the unedited one. No readings are used then.
    """
    if edits is not None:
        return _likelihood_edited(model, prompts, texts, edits)
    each = log_probabilities_after(model, prompts, texts, readings)
    return [-float(own.mean()) if len(own) else None for own in each]


def _likelihood_edited(
    model: CausalModel,
    prompts: Sequence[Prompt],
    texts: Sequence[NDArray[np.int64]],
    edits: Callable[[Sequence[Prompt]], Mapping[str, Edit]],
) -> list[float | None]:
    whole = [np.concatenate([p.ids, ids]) for p, ids in zip(prompts, texts, strict=True)]
    order = sorted(range(len(whole)), key=lambda i: -len(whole[i]))
    found: list[float | None] = [None] * len(whole)
    at = 0
    while at < len(order):
        longest = len(whole[order[at]])
        batch = order[at : at + max(1, _POSITIONS // longest)]
        at += len(batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.int64)
        mask = torch.zeros(len(batch), longest, dtype=torch.int64)
        for row, i in enumerate(batch):
            ids[row, : len(whole[i])] = torch.from_numpy(whole[i])
            mask[row, : len(whole[i])] = 1
        first = min(len(prompts[i]) for i in batch) - 1
        # the head is a fifth of a small model's work, and prompts are longer than what is written
        made = edits([prompts[i] for i in batch])
        logits = model.forward(ids, mask, hooks=(), edits=made, keep=range(first, longest)).logits
        for row, i in enumerate(batch):
            if len(texts[i]):
                written = torch.from_numpy(texts[i]).to(logits.device)
                own = logits[row, len(prompts[i]) - 1 - first : len(whole[i]) - 1 - first].float()
                picked = own.gather(-1, written[:, None])[:, 0] - own.logsumexp(-1)
                found[i] = -float(picked.mean())
    return found
