"""The output score of a feature: whether its direction makes the words likelier that activate it.

Features that read a concept often do not write it: Arad, Mueller and Belinkov, "SAEs are good for steering,
if you select the right features" (arXiv 2505.20063), tell them apart by what an edit does to the next token.
Here the edit is run through the rest of the model on ordinary texts, and the feature's own words are ranked
among all tokens. Not for: what the edit does to whole texts (:mod:`saetext.intervene.summary`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.io.progress import OnProgress, Stages
from saetext.text.passages import piece_shown

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.reader.prompts import Prompt

TEXTS, TOKENS = 4, 32  # ordinary texts, and tokens of each, after which the next one is looked at
PROMOTED = 5  # tokens that are told
OWN = 8  # words that activate a feature most, which count as its own
_ENTRIES = 1 << 24  # logits that are held at once
_RARE = 1e-3  # share of an even spread, below which a token is none that the model ever writes


@dataclass(frozen=True)
class Output:
    """What a direction does to the next token.

    Attributes
    ----------
    score : float or None
        How often one of the own tokens rises more than another token does: 1 if they rise most of all, .5 if
        the direction has nothing to do with them. None where no own word is a token.
    own : tuple of str
        The own words that are one token.
    promoted : tuple of str
        The tokens that rise most, of those that the model ever writes.
    """

    score: float | None
    own: tuple[str, ...]
    promoted: tuple[str, ...]


class OutputScores:
    """Scores directions at the hook of a generator.

    Parameters
    ----------
    generator : Generator
    texts : sequence of str
        Ordinary texts; the first tokens of the first few are used.
    on_progress : callable, optional
        Told after each direction.
    """

    def __init__(
        self, generator: Generator, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> None:
        self.generator = generator
        model = generator.model
        self._prompts = [_cut(model.encode_prompt(text[:1000], raw=True)) for text in texts[:TEXTS]]
        self._say, self._done = Stages(on_progress, "features"), 0

    @cached_property
    def _base(self) -> NDArray[np.float64]:
        """float64[vocabulary]: of the unedited model."""
        return self._mean(None)

    def __call__(self, change: Change, words: Sequence[str]) -> Output:
        """Return what a change does, made at every token, to the words that activate the feature."""
        if not self._prompts:
            return Output(None, (), ())
        moved = self._mean(change) - self._base
        own = own_tokens(self.generator.model.tokenizer, words, len(moved))
        score = rank_score(moved, list(own.values())) if own else None
        self._done += 1
        self._say("scoring what directions write", self._done)
        return Output(score, tuple(own), self._promoted(moved))

    def _promoted(self, moved: NDArray[np.float64]) -> tuple[str, ...]:
        written = self._base > np.log(_RARE / len(self._base))
        tokenizer = self.generator.model.tokenizer
        written[[i for i in tokenizer.all_special_ids if i < len(written)]] = False
        order = np.argsort(np.where(written, -moved, np.inf), kind="stable")[:PROMOTED]
        decode = tokenizer.decode
        return tuple(piece_shown(decode([int(i)])) for i in order if written[i] and moved[i] > 0)

    @torch.no_grad()
    def _mean(self, change: Change | None) -> NDArray[np.float64]:
        """Return float64[vocabulary]: the mean log-probability of each token after all positions."""
        model = self.generator.model
        total, count = torch.zeros(model.vocabulary, dtype=torch.float64), 0
        step = max(1, _ENTRIES // (TOKENS * model.vocabulary))
        for start in range(0, len(self._prompts), step):
            some = self._prompts[start : start + step]
            ids, mask = _side_by_side(some)
            edits: dict[str, Any] = {}
            if change is not None:
                edit = FeatureEdit([change], positions_of("all", some), self.generator.sae)
                edits = {self.generator.hook: edit}
            logits = model.logits(ids, mask, edits=edits)
            for row, prompt in enumerate(some):
                inner = torch.from_numpy(prompt.content()).to(logits.device)
                kept = logits[row, : len(prompt)][inner].float().log_softmax(-1)
                total += kept.sum(0, dtype=torch.float64).cpu()
                count += len(kept)
        return (total / max(count, 1)).numpy()


def own_tokens(tokenizer: Any, words: Sequence[str], vocabulary: int) -> dict[str, int]:
    """Return the token of each word that is one: after a blank, with a capital, or as it stands."""
    backend = tokenizer.backend_tokenizer
    found: dict[str, int] = {}
    for word in filter(str.strip, words):
        for form in (f" {word}", f" {word[:1].upper()}{word[1:]}", word):
            ids = backend.encode(form, add_special_tokens=False).ids
            if len(ids) == 1 and ids[0] < vocabulary and ids[0] not in found.values():
                found[word] = int(ids[0])
                break
    return found


def rank_score(moved: NDArray[np.floating], own: Sequence[int]) -> float:
    """Return how often one of the own tokens moved up more than one of the others; ties count half.

    Parameters
    ----------
    moved : float[vocabulary]
        Mean change of each token's log-probability.
    own : sequence of int
        One at least, and not all.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.intervene.output_score import rank_score
    >>> round(rank_score(np.array([3.0, 2.0, 1.0, 0.0, 0.0]), [1, 3]), 3)
    0.417
    """
    others = np.sort(np.delete(np.asarray(moved, np.float64), own))
    mine = np.asarray(moved, np.float64)[list(own)]
    below, upto = (np.searchsorted(others, mine, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(others))


def _cut(prompt: Prompt) -> Prompt:
    return type(prompt)(prompt.text, prompt.ids[:TOKENS], prompt.turn[:TOKENS], prompt.roles)


def _side_by_side(prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, prompts))
    ids, mask = (torch.zeros(len(prompts), longest, dtype=torch.int64) for _ in range(2))
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.from_numpy(np.asarray(prompt.ids, np.int64))
        mask[row, : len(prompt)] = 1
    return ids, mask
