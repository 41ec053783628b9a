"""Windows -> padded batches of like length under a token budget.

Not for: running a model; everything here is NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.reader.tokenization import Prepared, Tokens, Window


@dataclass(frozen=True)
class Batch:
    """One padded batch.

    Attributes
    ----------
    ids, mask : int64[n_windows, length]
        Token ids with the special tokens around each window, and 1 where there is a token.
    positions : int64[n_counted]
        Places of the counted tokens in the flattened batch.
    rows : int64[n_counted]
        Document of each counted token.
    ordinals : int32[n_counted]
        Its number among the document's counted tokens.
    windows : tuple of Window
        What the batch was made of.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    positions: NDArray[np.int64]
    rows: NDArray[np.int64]
    ordinals: NDArray[np.int32]
    windows: tuple[Window, ...]


class Batcher:
    """Forms batches; ``budget`` is the largest number of tokens, padding included, in one forward pass.

    When memory runs out, :meth:`split` halves the batch, and what is left of these documents (a shard) comes
    in batches that are no larger. The next :meth:`groups` begin with ``budget`` again, and fail again if
    memory is still short: batches of other sizes round differently in the last bits, and a shard's bytes must
    not depend on what happened in another one.
    """

    def __init__(self, tokens: Tokens, budget: int) -> None:
        self.tokens = tokens
        self.budget = budget
        self._limit = budget  # what memory has been seen to suffice for, of the documents at hand
        self._prepared: Sequence[Prepared] = ()
        self._ordinals: dict[int, NDArray[np.int32]] = {}

    def groups(self, prepared: Sequence[Prepared]) -> list[list[Window]]:
        """Return the windows of each batch, to be taken by :meth:`take` (longest first)."""
        windows = [w for i, p in enumerate(prepared) for w in self.tokens.windows(i, p)]
        # sorted by length so that padding is small; ties in document order keep runs reproducible
        windows.sort(key=lambda w: (w.stop - w.start, w.document, w.start))
        self._prepared = prepared
        self._ordinals = {}
        self._limit = self.budget
        extra = len(self.tokens.prefix_ids) + len(self.tokens.suffix_ids)
        groups: list[list[Window]] = []
        for window in windows:
            length = window.stop - window.start + extra
            if groups and self._joins(
                length, len(groups[-1]), groups[-1][0].stop - groups[-1][0].start + extra
            ):
                groups[-1].append(window)
            else:
                groups.append([window])
        return groups

    def _joins(self, length: int, n: int, shortest: int) -> bool:
        """Say whether a window joins a batch of ``n``: within the budget, and not for much padding.

        A batch of an eighth of the budget is worth a pass of its own, so there padding may not pass a fifth.
        """
        if (n + 1) * length > self.budget:
            return False
        return length <= 1.25 * shortest or n * length < self.budget // 8

    def take(self, pending: list[list[Window]]) -> list[Window]:
        """Remove the last group of :meth:`groups` and return it: what memory suffices for, the rest stays."""
        group = pending.pop()
        while len(group) > 1 and len(group) * self._longest(group) > self._limit:
            rest, group = _halves(group)
            pending.append(rest)
        return group

    def split(self, group: Sequence[Window]) -> list[list[Window]] | None:
        """Return ``group``, which was too large, in two halves, or None if it is a single window.

        No group that :meth:`take` returns is larger than these, until the next :meth:`groups`.
        """
        if len(group) == 1:
            return None
        rest, last = _halves(group)
        self._limit = min(self._limit, max(self.tokens.window, len(last) * self._longest(group)))
        return [rest, last]

    def _longest(self, group: Sequence[Window]) -> int:
        extra = len(self.tokens.prefix_ids) + len(self.tokens.suffix_ids)
        return max(w.stop - w.start for w in group) + extra

    def build(self, windows: Sequence[Window]) -> Batch:
        """Return the padded batch of these windows."""
        prefix, suffix = self.tokens.prefix_ids, self.tokens.suffix_ids
        length = max(w.stop - w.start for w in windows) + len(prefix) + len(suffix)
        ids = np.zeros((len(windows), length), np.int64)
        mask = np.zeros((len(windows), length), np.int64)
        positions, rows, ordinals = [], [], []
        for i, w in enumerate(windows):
            p = self._prepared[w.document]
            body = w.stop - w.start
            ids[i, : len(prefix)] = prefix
            ids[i, len(prefix) : len(prefix) + body] = p.ids[w.start : w.stop]
            ids[i, len(prefix) + body : len(prefix) + body + len(suffix)] = suffix
            mask[i, : len(prefix) + body + len(suffix)] = 1
            owned = np.flatnonzero(p.counted[w.own_start : w.own_stop]) + w.own_start
            positions.append(owned - w.start + len(prefix) + i * length)
            rows.append(np.full(len(owned), w.document, np.int64))
            ordinals.append(self._ordinal(w.document)[owned])
        return Batch(
            ids,
            mask,
            np.concatenate(positions),
            np.concatenate(rows),
            np.concatenate(ordinals),
            tuple(windows),
        )

    def _ordinal(self, document: int) -> NDArray[np.int32]:
        """Return, for every body token, its number among the counted ones (meaningless for the others)."""
        found = self._ordinals.get(document)
        if found is None:
            found = (np.cumsum(self._prepared[document].counted) - 1).astype(np.int32)
            self._ordinals[document] = found
        return found


def _halves(group: Sequence[Window]) -> tuple[list[Window], list[Window]]:
    half = len(group) // 2
    return list(group[:half]), list(group[half:])
