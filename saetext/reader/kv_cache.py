"""Keys and values of rows that come and go: the memory of a decode loop.

Columns are shared by all rows and every row ends at the last column, so that one step appends one column; a
row that is shorter begins later, after padding that is masked. Not for: which token comes next
(:mod:`saetext.reader.decoding`).
"""

from __future__ import annotations

from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache

_AHEAD = 64  # columns of room that a larger buffer has at least


class Extent:
    """How many rows and columns are in use; shared by all layers."""

    def __init__(self) -> None:
        self.rows = self.columns = 0


class _Layer(CacheLayerMixin):
    """One layer's keys and values, float[rows, heads, columns, width] with room for more."""

    is_sliding = False  # sliding windows are left to the masks, which see every column

    def __init__(self, extent: Extent) -> None:
        super().__init__()
        self.extent = extent

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Needed by the interface: rows are there before the first step."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write behind the last column and return all of it; :meth:`Memory.advance` keeps it."""
        rows, start = self.extent.rows, self.extent.columns
        stop = start + key_states.shape[2]
        both = []
        for name, states in (("keys", key_states), ("values", value_states)):
            self._reserve(name, states, rows, stop)
            buffer = getattr(self, name)
            buffer[:rows, :, start:stop] = states
            both.append(buffer[:rows, :, :stop])
        return both[0], both[1]

    def join(self, states: tuple[Tensor, Tensor], rows: list[int]) -> None:
        """Put rows of a prefill, float[prompts, heads, length, width], behind the rows that are there."""
        first, columns = self.extent.rows, self.extent.columns
        for name, given in zip(("keys", "values"), states, strict=True):
            self._reserve(name, given, first + len(rows), columns)
            into = getattr(self, name)[first : first + len(rows)]
            # what stands before the beginning is masked, but must be finite: 0 * NaN is NaN
            into[:, :, columns - given.shape[2] : columns] = given[rows]

    def move(self, source: int, target: int) -> None:
        """Let a row take the place of another."""
        for buffer in self._buffers():
            buffer[target] = buffer[source]

    def trim(self, columns: int) -> None:
        """Drop the first columns."""
        rows, stop = self.extent.rows, self.extent.columns
        for buffer in self._buffers():
            buffer[:rows, :, : stop - columns] = buffer[:rows, :, columns:stop].clone()

    def _buffers(self) -> tuple[Tensor, Tensor]:
        assert self.keys is not None and self.values is not None
        return self.keys, self.values

    def _reserve(self, name: str, like: Tensor, rows: int, columns: int) -> None:
        old: Tensor | None = getattr(self, name)
        if old is not None and old.shape[0] >= rows and old.shape[2] >= columns:
            return
        there = (0, 0) if old is None else (old.shape[0], old.shape[2])
        wide = there[1] if there[1] >= columns else columns + max(_AHEAD, columns // 2)
        new = like.new_zeros((max(there[0], rows), like.shape[1], wide, like.shape[3]))
        if old is not None:
            new[: there[0], :, : there[1]] = old
        setattr(self, name, new)
        self.is_initialized = True

    def get_mask_sizes(self, query_length: Any) -> tuple[int, int]:
        """Length and offset of what queries see; older versions of transformers give positions here."""
        length = query_length if isinstance(query_length, int) else len(query_length)
        return self.extent.columns + length, 0

    def get_seq_length(self, *args: Any) -> int:
        """Columns in use."""
        return self.extent.columns

    def get_max_length(self) -> int:
        """No maximum."""
        return -1

    def get_max_cache_shape(self) -> int:
        """No maximum, by the older name."""
        return -1


class Memory:
    """The cache of a batch whose rows come and go.

    Attributes
    ----------
    cache : transformers Cache
        What the model's forward pass takes.
    starts : list of int
        The column at which each row begins.
    """

    def __init__(self, n_layers: int) -> None:
        self._extent = Extent()
        self._layers = [_Layer(self._extent) for _ in range(n_layers)]
        self.cache = Cache(layers=list(self._layers))
        self.starts: list[int] = []

    @property
    def columns(self) -> int:
        """Columns in use, padding included."""
        return self._extent.columns

    def join(self, prefill: DynamicCache, rows: list[int]) -> None:
        """Append rows of a prefill without padding; no row of it is longer than those that are there.

        Parameters
        ----------
        prefill : DynamicCache
            Of prompts of one length.
        rows : list of int
            Which prompts, once for each row that is to go on from it.
        """
        length = prefill.get_seq_length()
        if not self.starts:
            self._extent.columns = length
        if length > self.columns:
            raise ValueError(f"a row of {length} tokens joins rows of {self.columns}")
        for layer, given in zip(self._layers, prefill.layers, strict=True):
            assert isinstance(given, CacheLayerMixin) and given.keys is not None and given.values is not None
            layer.join((given.keys, given.values), rows)
        self.starts += [self.columns - length] * len(rows)
        self._extent.rows = len(self.starts)

    def advance(self, new: int = 1) -> None:
        """Keep the columns that the last forward pass wrote."""
        self._extent.columns += new

    def remove(self, row: int) -> None:
        """Remove a row; the last one takes its place."""
        last = len(self.starts) - 1
        if row != last:
            for layer in self._layers:
                layer.move(last, row)
            self.starts[row] = self.starts[last]
        self.starts.pop()
        self._extent.rows = last
        if self.starts and (unused := min(self.starts)) > max(_AHEAD, self.columns // 3):
            for layer in self._layers:
                layer.trim(unused)
            self._extent.columns -= unused
            self.starts = [start - unused for start in self.starts]

    def mask(self, device: torch.device, new: int = 1) -> Tensor | None:
        """Return bool[rows, columns + new], true where a token stands, those of the next step included.

        None if there is no padding.
        """
        if not any(self.starts):
            return None
        starts = torch.tensor(self.starts, device=device)
        return torch.arange(self.columns + new, device=device) >= starts[:, None]
