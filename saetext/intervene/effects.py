"""What a text is measured by: words, likelihood under the unedited model, repetition.

Not for: features of the SAE that was edited, which would only say that the edit was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.reader.continuing import Readings, log_probabilities_after
from saetext.text.words import words

if TYPE_CHECKING:
    from saetext.reader.causal import CausalModel
    from saetext.reader.prompts import Prompt

_GRAM = 3


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
    """
    each = log_probabilities_after(model, prompts, texts, readings)
    return [-float(own.mean()) if len(own) else None for own in each]
