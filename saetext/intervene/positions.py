"""Where a running model is edited: which positions of which prompt, by their absolute place.

The BOS position, the chat template's own tokens and padding are never edited, whatever their token ids. Not
for: what is done there (:mod:`saetext.intervene.edit`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.errors import InputError

if TYPE_CHECKING:
    from saetext.reader.prompts import Prompt

MODES = "all, prompt, generated, last, first-N"
_ALL = torch.iinfo(torch.int64).max
_FIRST = re.compile(r"first-([1-9]\d{0,5})")

#: (number of a prompt, absolute position)
Pair = tuple[int, int]


class Where:
    """Says which positions are edited; made by :func:`positions_of`.

    Parameters
    ----------
    prompt : bool[prompts, longest]
        Positions of the prompts that are edited.
    lengths : int64[prompts]
        Tokens of each prompt.
    generated : int
        How many of the tokens that follow a prompt are edited, from the first.
    later : sequence of (int, int)
        Positions behind a prompt that are edited besides: number of the prompt and absolute position.
    """

    def __init__(self, prompt: Tensor, lengths: Tensor, generated: int, later: Sequence[Pair] = ()) -> None:
        if not prompt.shape[1]:  # a place to look at, even if nothing is there
            prompt = torch.zeros(len(prompt), 1, dtype=torch.bool)
        self.prompt, self.lengths, self.generated, self.later = prompt, lengths, generated, tuple(later)

    def __call__(self, positions: Tensor, rows: Tensor) -> Tensor:
        """Return what is edited.

        Parameters
        ----------
        positions : int64[batch, sequence]
            Absolute positions, -1 at padding.
        rows : int64[batch]
            Number of the prompt of each sequence.

        Returns
        -------
        bool[batch, sequence]
        """
        if self.prompt.device != positions.device:
            self.prompt, self.lengths = (t.to(positions.device) for t in (self.prompt, self.lengths))
        lengths = self.lengths[rows][:, None]
        inside = (positions >= 0) & (positions < lengths)
        at = positions.clamp(min=0, max=self.prompt.shape[1] - 1)
        found = inside & self.prompt[rows[:, None], at]
        behind = positions - lengths
        found |= (behind >= 0) & (behind < self.generated)
        for prompt, position in self.later:
            found |= (rows[:, None] == prompt) & (positions == position)
        return found


def positions_of(mode: str | Sequence[Pair], prompts: Sequence[Prompt]) -> Where:
    """Return where the texts of some prompts are edited.

    Parameters
    ----------
    mode : str or sequence of (int, int)
        ``all``: the content of the prompt's turns and every token that is written. ``prompt``: the former.
        ``generated``: the latter. ``last``: the last content token of the prompt. ``first-N``: the first N
        tokens that are written. Or pairs of a prompt's number and an absolute position. A token that is
        written is edited when it is fed back: the token before which nothing is edited is the first one.
    prompts : sequence of Prompt

    Raises
    ------
    InputError
        If there is no such mode, or a pair names a position that is never edited.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts], dtype=torch.int64)
    content = torch.zeros(len(prompts), int(lengths.max()) if len(prompts) else 0, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        content[row, : len(prompt)] = torch.from_numpy(prompt.content())
    if not isinstance(mode, str):
        return _explicit(mode, content, lengths)
    nothing = torch.zeros_like(content)
    if first := _FIRST.fullmatch(mode):
        return Where(nothing, lengths, int(first.group(1)))
    if mode == "last":
        for row in range(len(prompts)):
            if len(at := content[row].nonzero()):
                nothing[row, at[-1]] = True
        return Where(nothing, lengths, 0)
    modes = {"all": (content, _ALL), "prompt": (content, 0), "generated": (nothing, _ALL)}
    if mode not in modes:
        raise InputError(f"there are no positions called {mode[:40]!r}: choose {MODES}")
    edited, generated = modes[mode]
    return Where(edited, lengths, generated)


def require_mode(mode: str) -> None:
    """Raise :class:`InputError` unless this is a mode of :func:`positions_of`."""
    positions_of(mode, [])


def _explicit(pairs: Sequence[Pair], content: Tensor, lengths: Tensor) -> Where:
    edited = torch.zeros_like(content)
    later: list[Pair] = []
    for prompt, position in pairs:
        if not 0 <= prompt < len(lengths) or position < 0:
            raise InputError(f"there is no position {position} of prompt {prompt}")
        if position >= int(lengths[prompt]):
            later.append((prompt, position))
        elif bool(content[prompt, position]):
            edited[prompt, position] = True
        else:
            raise InputError(
                f"position {position} of prompt {prompt} is the template's or BOS, which are never edited"
            )
    return Where(edited, lengths, 0, later)
