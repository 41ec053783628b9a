"""How probable given texts are after given prompts: texts of one prompt share its reading.

Reading the prompt again for each text would be most of the work: prompts are longer than what is written.
Not for: writing texts (:mod:`saetext.reader.decoding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import CacheLayerMixin, DynamicCache

from saetext.reader.kv_cache import Memory

if TYPE_CHECKING:
    from saetext.reader.causal import CausalModel
    from saetext.reader.prompts import Prompt

_STRIDE = 16  # tokens that are read at once; a text that ends leaves the batch, so there is little padding
_ROWS = 64  # with these logits of 1024 positions are held: 200 MB for 49,152 tokens of vocabulary in float32
_COLUMNS = 8192  # keys and values held at once, as tokens
_KEPT = 2048  # the same of prompts that are kept


@dataclass(frozen=True)
class Reading:
    """What a model read of one prompt.

    Attributes
    ----------
    logits : float32[vocabulary]
        After the last token.
    states : list of (float[1, heads, length, width], float[1, heads, length, width])
        Keys and values of each layer.
    """

    logits: Tensor
    states: list[tuple[Tensor, Tensor]]


class Readings:
    """Prompts that were read, kept for other texts that go on from them: the first ones, as far as they fit.

    Parameters
    ----------
    most : int
        Tokens of prompts that are kept: 2,048 are 94 MB for SmolLM2-135M in float32.
    """

    def __init__(self, most: int = _KEPT) -> None:
        self._room = most
        self._kept: dict[bytes, Reading] = {}

    def find(self, name: bytes) -> Reading | None:
        """Return what was kept under a name."""
        return self._kept.get(name)

    def keep(self, name: bytes, reading: Reading, length: int) -> None:
        """Keep a reading if there is room for it."""
        if length <= self._room:
            self._kept[name] = reading
            self._room -= length


def log_probabilities_after(
    model: CausalModel,
    prompts: Sequence[Prompt],
    texts: Sequence[NDArray[np.int64]],
    readings: Readings | None = None,
) -> list[Tensor]:
    """Return the log-probability of each token of texts by the unedited model.

    Parameters
    ----------
    model : CausalModel
    prompts : sequence of Prompt
        What each text goes on from.
    texts : sequence of int64[n]
        Token ids; of no tokens, the result is empty.
    readings : Readings, optional
        What was read of prompts before, of the same model; grows.

    Returns
    -------
    list of float32[n]
        On the CPU.
    """
    found = [torch.zeros(0)] * len(texts)
    readings = Readings() if readings is None else readings
    # longest prompt first: a row that joins is never longer than those that are there; texts of one prompt
    # stand together
    order = [i for i in range(len(texts)) if len(texts[i])]
    order.sort(key=lambda i: (-len(prompts[i]), prompts[i].ids.tobytes(), -len(texts[i])))
    while order:
        n = _fitting(prompts, texts, order)
        some, order = order[:n], order[n:]
        for i, own in zip(some, _together(model, prompts, texts, some, readings), strict=True):
            found[i] = own
    return found


def _fitting(prompts: Sequence[Prompt], texts: Sequence[NDArray[np.int64]], order: Sequence[int]) -> int:
    """Return how many of the next texts are read together, one at least."""
    longest = 0
    for n, i in enumerate(order[:_ROWS]):
        longest = max(longest, len(texts[i]))
        if n and (n + 1) * (len(prompts[order[0]]) + longest) > _COLUMNS:
            return n
    return min(len(order), _ROWS)


def _together(
    model: CausalModel,
    prompts: Sequence[Prompt],
    texts: Sequence[NDArray[np.int64]],
    some: Sequence[int],
    readings: Readings,
) -> list[Tensor]:
    memory, device = Memory(model.n_layers), model.device
    last: list[Tensor] = []  # float[vocabulary]: what comes after the prompt
    at = 0
    while at < len(some):
        length = len(prompts[some[at]])
        group = [i for i in some[at:] if len(prompts[i]) == length]
        last += _read(model, prompts, group, memory, readings)
        at += len(group)
    found = [[_picked(logits[None], texts[i][:1])] for i, logits in zip(some, last, strict=True)]
    rows = list(range(len(some)))  # of the memory: which text each of them is
    at = 0
    _leave(rows, memory, [len(texts[i]) - 1 for i in some], at)  # after its last token nothing is asked
    while rows:
        n = min(_STRIDE, max(len(texts[some[row]]) for row in rows) - 1 - at)
        new = torch.zeros(len(rows), n, dtype=torch.int64)
        for place, row in enumerate(rows):
            own = texts[some[row]][at:-1][:n]
            new[place, : len(own)] = torch.from_numpy(own)
        lengths = torch.tensor([len(prompts[some[row]]) for row in rows])
        positions = lengths[:, None] + torch.arange(at, at + n)
        logits = model.read_on(
            new.to(device), positions.to(device), cache=memory.cache, mask=memory.mask(device, n)
        )
        memory.advance(n)
        for place, row in enumerate(rows):
            found[row].append(_picked(logits[place], texts[some[row]][at + 1 : at + 1 + n]))
        at += n
        _leave(rows, memory, [len(texts[i]) - 1 for i in some], at)
    return [torch.cat(own) for own in found]


def _leave(rows: list[int], memory: Memory, fed: Sequence[int], at: int) -> None:
    """Remove the rows of which all that is needed was fed; the last row takes the place of each."""
    for place in reversed(range(len(rows))):
        if fed[rows[place]] <= at:
            memory.remove(place)
            rows[place] = rows[-1]
            rows.pop()


def _picked(logits: Tensor, ids: NDArray[np.int64]) -> Tensor:
    """Return float32[n] on the CPU: the log-probability of each token by the logits before it."""
    own = logits[: len(ids)].float()
    tokens = torch.from_numpy(ids).to(own.device)
    return (own.gather(-1, tokens[:, None])[:, 0] - own.logsumexp(-1)).cpu()


def _read(
    model: CausalModel,
    prompts: Sequence[Prompt],
    group: Sequence[int],
    memory: Memory,
    readings: Readings,
) -> list[Tensor]:
    """Put prompts of one length before their texts, and return for each text the logits after its prompt."""
    names = [prompts[i].ids.tobytes() for i in group]
    numbers = dict(zip(names, group, strict=True))
    read = {name: own for name in numbers if (own := readings.find(name)) is not None}
    if missing := [name for name in numbers if name not in read]:
        ids = torch.from_numpy(np.stack([prompts[numbers[name]].ids for name in missing])).to(model.device)
        positions = torch.arange(ids.shape[1], device=model.device).expand(len(missing), -1)
        cache, rows = DynamicCache(), torch.arange(len(missing), device=model.device)
        logits = model.step(ids, positions, rows, cache=cache, mask=None, edits={})
        for row, name in enumerate(missing):
            read[name] = Reading(logits[row].clone(), _row_of(cache, row))  # not a view of the group
            readings.keep(name, read[name], ids.shape[1])
    every = list(read.values())
    whole = DynamicCache()
    for layer in range(model.n_layers):
        keys, values = (torch.cat([own.states[layer][part] for own in every]) for part in (0, 1))
        whole.update(keys, values, layer)
    order = list(read)
    memory.join(whole, [order.index(name) for name in names])
    return [read[name].logits for name in names]


def _row_of(cache: DynamicCache, row: int) -> list[tuple[Tensor, Tensor]]:
    """Return the keys and values of one sequence in each layer, float[1, heads, length, width]."""
    found = []
    for layer in cache.layers:
        assert isinstance(layer, CacheLayerMixin) and layer.keys is not None and layer.values is not None
        found.append((layer.keys[row : row + 1].clone(), layer.values[row : row + 1].clone()))
    return found
