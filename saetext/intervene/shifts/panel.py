"""Prompts as the model has them up to the SAE's hook, and their answers from there on under a change.

The lower layers run once for each prompt. Not for: what the change is
(:mod:`saetext.intervene.shifts.change`), or what the answers are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.intervene.cases import batches
from saetext.intervene.shifts.change import Change, Tokens
from saetext.intervene.subject import Subject
from saetext.io.progress import Count
from saetext.reader.prompts import Prompt
from saetext.reader.sinks import are_sinks
from saetext.reader.upper import Upper


@dataclass(frozen=True, eq=False)
class Kept:
    """One prompt up to the hook.

    Attributes
    ----------
    ids : int64[n]
    stream : float[n, width]
        What stands at the hook that is kept, in the model's dtype.
    scope : int64[m]
        Positions that are changed: content, no attention sinks.
    token, feature : int64[k]
        Active features: the index into ``scope``, and the feature.
    value : float32[k]
    scale : float32[m, 1]
    norms : float32[m]
        Of the hidden states at the SAE's hook.
    """

    ids: Tensor
    stream: Tensor
    scope: Tensor
    token: Tensor
    feature: Tensor
    value: Tensor
    scale: Tensor
    norms: Tensor

    def __len__(self) -> int:
        return len(self.ids)


class Panel:
    """A model with an SAE, asked the same prompts again and again under changes at the SAE's hook.

    Parameters
    ----------
    subject : Subject
    batch : int
        Most prompts that are run at once.
    """

    def __init__(self, subject: Subject, batch: int) -> None:
        self.model, self.sae = subject.model, subject.sae
        self.hook = subject.sae.encoder.hook
        self.upper = Upper(self.model, self.hook)
        self.batch = batch
        self.decoder = subject.sae.encoder.decoder

    # ---- once ------------------------------------------------------------------------------------------

    def keep(self, prompts: Sequence[Prompt], count: Count | None = None) -> list[Kept]:
        """Run prompts up to the hook and return what stands there."""
        found: dict[int, Kept] = {}
        for numbers in batches([len(prompt) for prompt in prompts], self.batch):
            some = [prompts[i] for i in numbers]
            ids, mask = _padded([torch.from_numpy(prompt.ids) for prompt in some])
            hooks = [self.upper.stream, self.hook]
            hidden = self.model.forward(ids, mask, hooks=hooks, keep=[0]).hidden
            for row, number in enumerate(numbers):
                size = len(prompts[number])
                stream, x = (hidden[name][row, :size].clone() for name in hooks)
                found[number] = self._kept(prompts[number], ids[row, :size], stream, x)
            if count is not None:
                count(len(found), len(prompts))
        return [found[i] for i in range(len(prompts))]

    def _kept(self, prompt: Prompt, ids: Tensor, stream: Tensor, x: Tensor) -> Kept:
        content = torch.from_numpy(prompt.content()).to(x.device)
        scope = (content & ~are_sinks(x, self.sae.norm_limit)).nonzero()[:, 0]
        inside = x[scope].float()
        token, feature, value = self.sae.entries(inside)
        scale = self.sae.encoder.output_scale(inside)
        return Kept(ids, stream, scope, token, feature, value, scale, inside.norm(dim=1))

    # ---- again and again -------------------------------------------------------------------------------

    def logits(
        self, some: Sequence[Kept], change: Change | None, *, gradients: bool = False, whole: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of prompts under a change, and the change.

        Parameters
        ----------
        some : sequence of Kept
            Run at once.
        change : callable or None
        gradients : bool
            Whether logits can be differentiated with respect to what the change requires.
        whole : bool
            After every token, instead of the last one only.

        Returns
        -------
        logits : float[rows, vocabulary], or float[rows, sequence, vocabulary] where ``whole``
        moved : float32[T, width]
            What was added at each token of the scopes, one prompt after another; empty without a change.
        """
        ids, mask = _padded([kept.ids for kept in some])
        stream = torch.zeros(
            *ids.shape, some[0].stream.shape[-1], dtype=some[0].stream.dtype, device=some[0].stream.device
        )
        for row, kept in enumerate(some):
            stream[row, : len(kept)] = kept.stream
        with torch.inference_mode(False), torch.set_grad_enabled(gradients):
            moved = self._moved(some, change)
            edits = self._edits(some, stream, moved, ids.shape[1])
            ends = sorted({len(kept) - 1 for kept in some})
            with self.upper.alone():
                done = self.model.forward(
                    ids, mask, hooks=(), edits=edits, gradients=gradients, keep=None if whole else ends
                )
        if whole:
            return done.logits, moved
        columns = torch.tensor([ends.index(len(kept) - 1) for kept in some], device=done.logits.device)
        return done.logits[torch.arange(len(some), device=columns.device), columns], moved

    def _moved(self, some: Sequence[Kept], change: Change | None) -> Tensor:
        width = self.decoder.shape[1]
        return torch.zeros(0, width) if change is None else change(joined(some))

    def _edits(
        self, some: Sequence[Kept], stream: Tensor, moved: Tensor, length: int
    ) -> dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]]:
        rows = [kept.scope + row * length for row, kept in enumerate(some)]
        flat = torch.cat(rows)

        def given(x: Tensor, positions: Tensor, numbers: Tensor) -> Tensor:
            return stream

        def changed(x: Tensor, positions: Tensor, numbers: Tensor) -> Tensor:
            base = stream if self.upper.stream == self.hook else x
            if not len(moved):
                return base
            exact = torch.promote_types(base.dtype, torch.float32)
            added = torch.zeros(base.shape, dtype=exact, device=base.device).view(-1, base.shape[-1])
            added = added.index_add(0, flat, moved.to(exact))
            return (base.to(exact) + added.view(base.shape)).to(base.dtype)

        return {self.upper.stream: given, self.hook: changed}


def joined(some: Sequence[Kept]) -> Tokens:
    """Return the tokens of several prompts as one list."""
    starts, at = [], 0
    for kept in some:
        starts.append(at)
        at += len(kept.scope)
    return Tokens(
        torch.cat([kept.token + start for kept, start in zip(some, starts, strict=True)]),
        torch.cat([kept.feature for kept in some]),
        torch.cat([kept.value for kept in some]),
        torch.cat([kept.scale for kept in some]),
    )


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids, mask
