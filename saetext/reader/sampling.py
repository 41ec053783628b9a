"""The next token from logits: repetition penalty, temperature, nucleus, and noise with an address.

The noise of a step depends on the seed, the prompt, the sample and the step alone, so that a text is the same
in any batch, and texts written under different edits of the model share their noise. Not for: running the
model (:mod:`saetext.reader.decoding`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """Exponential noise of one text, by step and token; made by :meth:`of`."""

    key: tuple[int, int]

    @classmethod
    def of(cls, seed: int, prompt: Sequence[int] | NDArray[np.integer], sample: int) -> Noise:
        """Return the noise of one sample of a prompt, given by its token ids."""
        ids = np.asarray(prompt, "<i8").tobytes()
        digest = hashlib.sha256(f"{seed}/{sample}/".encode() + ids).digest()
        return cls((int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")))

    def exponential(self, step: int, size: int) -> NDArray[np.float64]:
        """Return float64[size]: independent Exp(1) variates, never zero.

        By Philox 4x64 with the text's key and the step in the upper half of its counter: numpy keeps its raw
        output the same in all versions.
        """
        bits = np.random.Philox(key=np.array(self.key, np.uint64), counter=[0, 0, step, 0]).random_raw(size)
        return -np.log((np.right_shift(bits, np.uint64(12)) + 0.5) * 2.0**-52)


def penalised(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Return logits with those of tokens seen before divided by ``penalty``, or multiplied where negative.

    Parameters
    ----------
    logits : float[rows, vocabulary]
    seen : bool[rows, vocabulary]
        Tokens of the row's prompt and of its text so far.
    penalty : float
        As in Keskar et al. 2019 (arXiv 1909.05858) and transformers; 1 changes nothing.
    """
    lowered = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, lowered, logits)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Return the probabilities with all outside the nucleus set to 0, not renormalised.

    The nucleus is the fewest most probable tokens whose probabilities add up to ``top_p`` (Holtzman et al.
    2020, arXiv 1904.09751); tokens as probable as its last one are in it.

    Parameters
    ----------
    probabilities : float[rows, vocabulary]
    top_p : float
        1 keeps all.
    """
    if top_p >= 1:
        return probabilities
    if probabilities.device.type == "cpu":
        least = torch.from_numpy(np.array([_least(row, top_p) for row in probabilities.numpy()]))[:, None]
    else:
        first = probabilities.sort(dim=-1, descending=True).values
        before = first.double().cumsum(-1) - first
        least = first.gather(-1, (before < top_p).sum(-1, keepdim=True).clamp(min=1) - 1)
    return torch.where(probabilities >= least, probabilities, 0.0)


def _least(probabilities: NDArray[np.floating], top_p: float) -> np.floating:
    """Return the smallest probability in the nucleus.

    All tokens less probable than (1 - p) / vocabulary have less than 1 - p together, so none of them is in
    it: half of that leaves room for rounding, and few are left to sort.
    """
    likely = probabilities[probabilities >= 0.5 * (1 - top_p) / len(probabilities)]
    first: NDArray[np.floating] = np.sort(likely)[::-1]
    before = np.cumsum(first, dtype=np.float64) - first
    least: np.floating = first[max(1, int(np.count_nonzero(before < top_p))) - 1]
    return least


def drawn(logits: Tensor, noise: Sequence[tuple[Noise, int]], temperature: float, top_p: float) -> Tensor:
    """Return the token of each row, drawn from the nucleus of softmax(logits / temperature).

    The largest p / E over tokens, E ~ Exp(1), is a draw from p (Gumbel-max, in another spelling); when p
    changes a little, the token mostly stays.

    Parameters
    ----------
    logits : float32[rows, vocabulary]
    noise : sequence of (Noise, int)
        Noise and step of each row; not looked at where ``temperature`` is 0.
    temperature : float
        0 takes the most probable token.
    top_p : float

    Returns
    -------
    int64[rows]
    """
    if temperature == 0:
        return logits.argmax(-1)
    kept = nucleus((logits / temperature).softmax(-1), top_p)
    waits = np.stack([each.exponential(step, logits.shape[-1]) for each, step in noise])
    return (kept / torch.from_numpy(waits).to(kept.device, kept.dtype)).argmax(-1)


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return float32[rows]: the log-probability of one token of each row, at temperature 1 and unfiltered."""
    return logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
