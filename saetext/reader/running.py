"""Running a reader: batches of windows through the language model, and its states through the SAEs.

Not for: loading (:mod:`saetext.reader.loading`), or what a text is (:mod:`saetext.reader.tokenization`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.corpus.rows import PooledRows
from saetext.errors import ReaderError
from saetext.reader.batches import Batch, Batcher
from saetext.reader.language_model import LanguageModel
from saetext.reader.parts import LoadedSae
from saetext.reader.pooling import Pooler
from saetext.reader.sinks import norms
from saetext.reader.tokenization import Prepared
from saetext.reader.transfers import to_device, to_host

OnTokens = Callable[[int], None]
Entries = tuple[Tensor, Tensor, Tensor]
T = TypeVar("T")


@dataclass(frozen=True)
class TokenEntries:
    """Activations of one document's counted tokens: ``value[i]`` of ``feature[i]`` at ``ordinal[i]``."""

    ordinal: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """A language model with SAEs, and the batches that it takes."""

    model: LanguageModel
    batcher: Batcher
    saes: Mapping[str, LoadedSae]

    def encoded(
        self, prepared: Sequence[Prepared], thresholds: Mapping[str, Tensor | None]
    ) -> Iterator[tuple[Batch, dict[str, Entries]]]:
        """Yield what is above the ``thresholds`` of each SAE (None: above zero), batch by batch.

        Tokens that are sinks (:mod:`saetext.reader.sinks`) have nothing.
        """

        def encode(hidden: dict[str, Tensor]) -> dict[str, Entries]:
            return {
                name: _at_hand(self.saes[name].entries(hidden[self.saes[name].encoder.hook], threshold))
                for name, threshold in thresholds.items()
            }

        return hidden_states(self.model, self.batcher, prepared, encode)

    def measured(
        self, prepared: Sequence[Prepared]
    ) -> Iterator[tuple[Batch, tuple[dict[str, Entries], dict[str, Tensor]]]]:
        """Yield all above zero of each SAE as if none had a calibration, and each token's norm at its hook.

        The norms are float32[n_counted] by SAE.
        """
        bare = {name: replace(sae, calibration=None) for name, sae in self.saes.items()}

        def encode(hidden: dict[str, Tensor]) -> tuple[dict[str, Entries], dict[str, Tensor]]:
            entries = {name: _at_hand(sae.entries(hidden[sae.encoder.hook])) for name, sae in bare.items()}
            return entries, {name: norms(hidden[sae.encoder.hook]).cpu() for name, sae in bare.items()}

        return hidden_states(self.model, self.batcher, prepared, encode)

    def pooled(
        self, prepared: Sequence[Prepared], on_tokens: OnTokens | None = None
    ) -> dict[str, PooledRows]:
        """Return one pooled row per document and SAE; documents that are the same run once.

        Where an SAE has no calibration, whatever is above zero is present.
        """
        first, place = _distinct(prepared)
        poolers = {
            name: Pooler(sae.encoder.d_sae, 1 if sae.calibration is None else sae.calibration.min_tokens)
            for name, sae in self.saes.items()
        }
        for batch, saes in self.encoded(first, self._thresholds()):
            for name, (token, feature, value) in saes.items():
                poolers[name].add(batch.rows, batch.ordinals, token, feature, value)
            if on_tokens is not None:
                on_tokens(len(batch.rows))
        rows = {name: pooler.finish(len(first)) for name, pooler in poolers.items()}
        if len(first) < len(prepared):
            rows = {name: r.take(place) for name, r in rows.items()}
        return rows

    def _thresholds(self) -> dict[str, Tensor | None]:
        return {
            name: None
            if sae.calibration is None
            else torch.from_numpy(sae.calibration.thresholds.copy()).to(self.model.device)
            for name, sae in self.saes.items()
        }

    def token_entries(self, prepared: Prepared, sae: str) -> TokenEntries:
        """Return all activations above zero of one document's counted tokens, by token then feature."""
        return self.token_entries_of([prepared], sae)[0]

    def token_entries_of(
        self, prepared: Sequence[Prepared], sae: str, features: Sequence[NDArray[np.int64]] | None = None
    ) -> list[TokenEntries]:
        """Return the same of several documents, read together in batches.

        ``features`` are for each document those that are wanted, int64 and increasing; all by default.
        """
        parts: list[list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]] = [[] for _ in prepared]
        for batch, saes in self.encoded(prepared, {sae: None}):
            token, feature, value = (t.cpu().numpy() for t in saes[sae])
            row = batch.rows[token]
            order = np.argsort(row, kind="stable")
            for own in np.split(order, np.flatnonzero(np.diff(row[order])) + 1):
                if not len(own):
                    continue
                at = int(row[own[0]])
                if features is not None:
                    own = own[np.isin(feature[own], features[at])]
                parts[at].append((batch.ordinals[token[own]], feature[own], value[own]))
        return [_in_order(one) for one in parts]


def _in_order(parts: Sequence[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]) -> TokenEntries:
    """Return the entries of one document's windows together, by token then feature."""
    if not parts:
        return TokenEntries(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    ordinal, feature, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((feature, ordinal))
    return TokenEntries(
        ordinal[order].astype(np.int32), feature[order].astype(np.int32), value[order].astype(np.float32)
    )


def _distinct(prepared: Sequence[Prepared]) -> tuple[list[Prepared], list[int]]:
    """Return the documents that differ, and for every document the place of its equal among them."""
    unique: dict[bytes, int] = {}
    first: list[Prepared] = []
    place: list[int] = []
    for p in prepared:
        key = p.ids.tobytes() + p.counted.tobytes()
        if key not in unique:
            unique[key] = len(first)
            first.append(p)
        place.append(unique[key])
    return first, place


def hidden_states(
    model: LanguageModel,
    batcher: Batcher,
    prepared: Sequence[Prepared],
    work: Callable[[dict[str, Tensor]], T],
) -> Iterator[tuple[Batch, T]]:
    """Run the language model over all windows and yield ``work`` of the counted tokens' states.

    ``work`` gets hook -> float32 [n_counted, width] and returns nothing that stays on a GPU: a GPU is given
    the next batch before the last one is yielded, so that it works while the processor pools. When the model
    or ``work`` runs out of GPU memory, the batch is halved and later ones of these documents are smaller. The
    next call begins anew.
    """
    pending = batcher.groups(prepared)
    waiting: tuple[Batch, T] | None = None
    while pending:
        group = batcher.take(pending)
        batch = batcher.build(group)
        try:
            states = _counted_states(model, batch)  # a GPU has only begun when this returns
            if waiting is not None:
                last, waiting = waiting, None
                yield last
                del last
            waiting = batch, work(states)
        except torch.OutOfMemoryError:
            smaller = batcher.split(group)
        else:
            del states
            continue
        # outside the handler: until it ends, the traceback keeps the tensors alive
        states = {}
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        if smaller is None:
            raise ReaderError(
                "out of GPU memory with a single window: choose a smaller model or --device cpu"
            )
        pending.extend(smaller)
    if waiting is not None:
        yield waiting


def _counted_states(model: LanguageModel, batch: Batch) -> dict[str, Tensor]:
    ids, mask, at = (to_device(x, model.device) for x in (batch.ids, batch.mask, batch.positions))
    states = model.hidden(ids, mask)
    return {h: s.reshape(-1, s.shape[-1]).index_select(0, at).float() for h, s in states.items()}


def _at_hand(entries: Entries) -> Entries:
    token, feature, value = to_host(entries)
    return token, feature, value
