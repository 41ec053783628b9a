"""What stands in the unedited texts where edits are made: activations, their means, hidden states.

From it come the means and resampled activations, which features are alike, how far an edit moves the hidden
states, and the difference of means. Not for: the texts themselves (:mod:`saetext.intervene.writing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.errors import InputError
from saetext.intervene.cases import batches
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.intervene.strength import Strengths, summarised
from saetext.reader.sinks import are_sinks

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.intervene.writing import Written
    from saetext.reader.prompts import Prompt

TOKENS = 30_000  # looked at; of each prompt the first sample in any case
_HELD = 512  # hidden states that are kept to measure edits by
LEAST = 5  # tokens on either side of a difference of means

Ints = NDArray[np.int64]


class States(NamedTuple):
    """Hidden states at edited positions of some texts: float32[T, width], and int64[T] each.

    ``row`` is the number of the prompt, ``sample`` that of the sample, ``following`` the token that was
    written next, -1 within a prompt.
    """

    x: Tensor
    row: Tensor
    position: Tensor
    sample: Tensor
    following: Tensor


@dataclass(frozen=True, eq=False)
class Survey:
    """What stands in the unedited texts at the positions that are edited.

    Attributes
    ----------
    strengths : Strengths
        How strong and how often active each feature is there.
    mean : float64[d_sae]
        Mean activation over these tokens, zeros included.
    prompts : sequence of Prompt
    entries : tuple of int64[n], int64[n], int64[n], float32[n]
        Feature, prompt, position and activation in the first text of each prompt, sorted by feature.
    edited : tuple of int64[k]
        Of each prompt, the edited positions in its first text.
    held : States
        Some of the states, evenly over all.
    """

    strengths: Strengths
    mean: NDArray[np.float64]
    prompts: Sequence[Prompt]
    entries: tuple[Ints, Ints, Ints, NDArray[np.float32]]
    edited: tuple[Ints, ...]
    held: States

    def activations(self, feature: int) -> dict[int, dict[int, float]]:
        """Return the activations of a feature in the first text of each prompt, by position."""
        features, prompts, positions, values = self.entries
        low, high = np.searchsorted(features, [feature, feature + 1])
        found: dict[int, dict[int, float]] = {}
        places = zip(prompts[low:high].tolist(), positions[low:high].tolist(), strict=True)
        for (prompt, position), value in zip(places, values[low:high].tolist(), strict=True):
            found.setdefault(prompt, {})[position] = value
        return found

    def resampled(self, feature: int, partners: Sequence[int], most: int) -> Tensor:
        """Return activations taken from other prompts, float32[prompts, positions].

        The k-th edited token of a prompt gets what the k-th of its partner's prompt has, and the k-th that is
        written what the k-th written of the partner has; a shorter partner is gone through again.

        Parameters
        ----------
        feature : int
        partners : sequence of int
            Of each prompt the prompt whose activations it gets.
        most : int
            Most tokens that are written.
        """
        found = self.activations(feature)
        longest = max(map(len, self.prompts))
        table = np.zeros((len(self.prompts), longest + most), np.float32)
        for prompt, partner in enumerate(partners):
            inside, behind = self._halves(partner, found.get(partner, {}))
            content = self.edited[prompt]
            content = content[content < len(self.prompts[prompt])]
            if len(inside) or len(behind):
                table[prompt, content] = np.resize(inside if len(inside) else behind, len(content))
                written = slice(len(self.prompts[prompt]), len(self.prompts[prompt]) + most)
                table[prompt, written] = np.resize(behind if len(behind) else inside, most)
        return torch.from_numpy(table)

    def _halves(self, prompt: int, found: dict[int, float]) -> tuple[NDArray[np.float64], ...]:
        """Return the activations at a prompt's edited positions, and at those of its text."""
        positions = self.edited[prompt]
        values = np.array([found.get(position, 0.0) for position in positions.tolist()])
        end = len(self.prompts[prompt])
        return values[positions < end], values[positions >= end]


def survey(
    generator: Generator,
    prompts: Sequence[Prompt],
    texts: Sequence[Written],
    mode: str,
    batch: int,
    changes: Sequence[Change] = (),
) -> Survey:
    """Look at unedited texts where edits would be made.

    Parameters
    ----------
    generator : Generator
        With an SAE.
    prompts : sequence of Prompt
    texts : sequence of Written
        Of all prompts; one sample each at least.
    mode : str
        Which positions are edited.
    batch : int
        Most texts at once.
    changes : sequence of Change
        The edit under which they were written, if any.

    Raises
    ------
    InputError
        If no position is edited in any text.
    """
    assert generator.sae is not None
    sae, limit = generator.sae, generator.sae.norm_limit
    some = _some(prompts, texts)
    # all hidden states of long texts would not fit into memory
    step = max(1, sum(len(prompts[text.prompt]) + len(text.ids) for text in some) // _HELD)
    parts, places, held, norms = [], [], [], []
    for one in states(generator, prompts, some, mode, batch, changes):
        token, which, strong = (part.cpu() for part in sae.entries(one.x))
        parts.append((which, one.row[token], one.position[token], one.sample[token], strong))
        places.append((one.row, one.position, one.sample))
        x = one.x.float().cpu()
        norms.append(x.norm(dim=-1) if limit is None else x.norm(dim=-1)[~are_sinks(x, limit)])
        held.append(States(x[::step], *(column[::step] for column in one[1:])))
    if not any(len(row) for row, _, _ in places):
        raise InputError(f"no token would be edited: --positions {mode} is empty in all prompts and texts")
    feature, row, position, sample, value = (torch.cat(c).numpy() for c in zip(*parts, strict=True))
    rows, positions, samples = (torch.cat(c).numpy() for c in zip(*places, strict=True))
    inside = torch.cat(norms)
    strengths = summarised(feature, value, sae.encoder.d_sae, inside.numpy(), "the unedited texts")
    first = np.flatnonzero(sample == 0)
    order = first[np.lexsort((position[first], row[first], feature[first]))]
    own = samples == 0
    edited = tuple(np.sort(positions[own & (rows == at)]) for at in range(len(prompts)))
    return Survey(
        strengths,
        np.bincount(feature, value, minlength=sae.encoder.d_sae) / len(rows),
        prompts,
        (feature[order], row[order], position[order], value[order]),
        edited,
        States(*(torch.cat(column) for column in zip(*held, strict=True))),
    )


@dataclass(frozen=True, eq=False)
class Means:
    """A difference of means.

    Attributes
    ----------
    direction : float32[width]
        Mean hidden state before the tokens, less the mean elsewhere.
    level : float
        Coordinate of the mean elsewhere along the direction.
    before, elsewhere : int
        Tokens on either side.
    """

    direction: Tensor
    level: float
    before: int
    elsewhere: int


def difference_of_means(
    generator: Generator,
    prompts: Sequence[Prompt],
    texts: Sequence[Written],
    tokens: Sequence[int],
    batch: int,
) -> tuple[Means | None, int]:
    """Return the difference of means of what was written before some tokens and before others.

    Returns
    -------
    Means or None
        None where there are fewer than 5 tokens on either side.
    int
        Written tokens that were followed by one of these.
    """
    wanted = torch.tensor(list(tokens))
    sums = torch.zeros(2, generator.model.width(generator.hook), dtype=torch.float64)
    counts = [0, 0]
    for one in states(generator, prompts, texts, "generated", batch):
        before = torch.isin(one.following.cpu(), wanted)
        for side, chosen in enumerate((before, ~before)):
            part = one.x.double().cpu()[chosen]
            sums[side] += part.sum(dim=0)
            counts[side] += len(part)
    if min(counts) < LEAST:
        return None, counts[0]
    means = sums / torch.tensor(counts, dtype=torch.float64)[:, None]
    direction = means[0] - means[1]
    length = float(direction.norm())
    if length == 0:
        return None, counts[0]
    level = float(means[1] @ direction) / length
    return Means(direction.float(), level, counts[0], counts[1]), counts[0]


def _some(prompts: Sequence[Prompt], texts: Sequence[Written]) -> list[Written]:
    """Return the first text of each prompt, then others, until there are enough tokens."""
    kept, tokens = [], 0
    for text in sorted(texts, key=lambda text: (text.sample, text.prompt)):
        if text.sample and tokens >= TOKENS:
            break
        kept.append(text)
        tokens += len(prompts[text.prompt]) + len(text.ids)
    return kept


@torch.no_grad()
def states(
    generator: Generator,
    prompts: Sequence[Prompt],
    texts: Sequence[Written],
    mode: str,
    batch: int,
    changes: Sequence[Change] = (),
) -> Iterator[States]:
    """Yield the hidden states of texts at the positions that a mode edits, a batch at a time.

    With ``changes``, as they are after that edit.
    """
    model, hook = generator.model, generator.hook
    where = positions_of(mode, prompts)
    # the last token was written and never fed
    whole = [np.concatenate([prompts[text.prompt].ids, text.ids])[:-1] for text in texts]
    for chosen in batches([len(ids) for ids in whole], batch):
        longest = max(len(whole[at]) for at in chosen)
        ids = torch.zeros(len(chosen), longest, dtype=torch.int64)
        mask, following = torch.zeros_like(ids), torch.full_like(ids, -1)
        for line, at in enumerate(chosen):
            n, written = len(whole[at]), texts[at].ids
            ids[line, :n] = torch.from_numpy(whole[at])
            mask[line, :n] = 1
            following[line, n - len(written) : n] = torch.from_numpy(written)
        positions = torch.arange(longest).expand(len(chosen), -1).where(mask.bool(), -1)
        rows = torch.tensor([texts[at].prompt for at in chosen])
        samples = torch.tensor([texts[at].sample for at in chosen])
        edited = where(positions, rows)
        made = {}
        if changes:
            some = positions_of(mode, [prompts[texts[at].prompt] for at in chosen])
            made = {hook: FeatureEdit(changes, some, generator.sae)}
        hidden = model.forward(ids, mask, hooks=[hook], edits=made, keep=[0]).hidden[hook]
        x = hidden[edited.to(hidden.device)].float()
        own = edited.nonzero()[:, 0]
        yield States(x, rows[own], positions[edited], samples[own], following[edited])
