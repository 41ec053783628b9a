"""One fit: a shift, or a dense vector, that moves the model's answers to those of a group.

Loss: KL(group || model over options) + displacement + KL(unedited || edited) on neutral text, and for a shift
the sum of its sizes. Part of the training questions says when to stop, and which step counts. Not for: which
groups there are, or what a fit is worth on held-out questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.shifts.answering import Put, by_option
from saetext.intervene.shifts.change import Change, dense_change, sparse_change
from saetext.intervene.shifts.descent import Dense, Sparse
from saetext.intervene.shifts.losses import displacement_loss, opinion_loss, preserve_loss
from saetext.intervene.shifts.panel import Kept, Panel

if TYPE_CHECKING:
    from saetext.intervene.shifts.request import ShiftRequest

_FIRST = 12  # questions whose gradient says how much the sparsity weighs
_PASSAGES = 1  # of neutral text in each step
_SLOWEST = 0.1  # pace of the last step


@dataclass(frozen=True, eq=False)
class Target:
    """What answers are moved to: a question in its orders, and the shares of its options."""

    puts: tuple[Put, ...]
    shares: Tensor


@dataclass(frozen=True, eq=False)
class Material:
    """What all fits share.

    Attributes
    ----------
    panel : Panel
    letters : sequence of int
        Tokens of the letters.
    neutral : sequence of Kept
        Passages that steps draw from.
    watched : sequence of Kept
        Passages by which a fit is checked.
    norm : float
        Median norm of the hidden states.
    mean_square : float
        Their mean square.
    """

    panel: Panel
    letters: Sequence[int]
    neutral: Sequence[Kept]
    watched: Sequence[Kept]
    norm: float
    mean_square: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit gave.

    Attributes
    ----------
    value : float32[d_sae] or float32[width]
    steps : int
        Steps until the one that counts; 0 where none was better than nothing.
    taken : int
        Steps in all.
    before, after : float
        KL(group || model) on the questions set aside, at zero and at the step that counts.
    """

    value: Tensor
    steps: int
    taken: int
    before: float
    after: float


class Fit(Protocol):
    """What is being fitted."""

    @property
    def parts(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    def value(self) -> Tensor: ...  # noqa: D102
    def move(self, gradients: Sequence[Tensor], pace: float) -> None: ...  # noqa: D102


#: Told after each step: how many were taken.
OnStep = Callable[[int], None]


def fit_sparse(
    material: Material,
    train: Sequence[Target],
    check: Sequence[Target],
    request: ShiftRequest,
    seed: Sequence[int],
    on_step: OnStep | None = None,
) -> Fitted:
    """Fit a shift of features."""
    panel = material.panel
    weight = request.sparsity * largest_gradient(material, train[:_FIRST])
    fit = Sparse(panel.decoder, request.step * material.norm, weight)
    return _fitted(fit, lambda: _sparse(fit, panel), material, train, check, request, seed, on_step)


def fit_dense(
    material: Material,
    train: Sequence[Target],
    check: Sequence[Target],
    request: ShiftRequest,
    seed: Sequence[int],
    on_step: OnStep | None = None,
) -> Fitted:
    """Fit one vector that is added at every token: the shift's rival without features."""
    panel = material.panel
    fit = Dense(panel.decoder, request.step * material.norm)
    return _fitted(fit, lambda: dense_change(fit.vector), material, train, check, request, seed, on_step)


def _sparse(fit: Sparse, panel: Panel) -> Change:
    up, down, lengths = fit.up, fit.down, fit.lengths
    return lambda tokens: sparse_change(up / lengths, down / lengths, panel.decoder, tokens)


def largest_gradient(material: Material, train: Sequence[Target]) -> float:
    """Return the smallest weight of the sum of sizes at which no feature moves from zero."""
    panel = material.panel
    fit = Sparse(panel.decoder, 1.0, 0.0)
    totals = [torch.zeros_like(part) for part in fit.parts]
    for some in _chunks(train, panel.batch):
        loss, _ = option_losses(material, some, _sparse(fit, panel), gradients=True)
        for total, gradient in zip(totals, torch.autograd.grad(loss, fit.parts), strict=True):
            total += gradient * len(some) / len(train)
    return max(0.0, *(float((-total).max()) for total in totals))


def option_losses(
    material: Material, some: Sequence[Target], change: Change | None, *, gradients: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the mean KL(group || model) of questions under a change, and the change of each token."""
    puts = [put for target in some for put in target.puts]
    logits, moved = material.panel.logits([put.kept for put in puts], change, gradients=gradients)
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        losses, at = [], 0
        for target in some:
            rows = [
                by_option(exact[at + i], material.letters, put.asking.order)
                for i, put in enumerate(target.puts)
            ]
            losses.append(opinion_loss(rows, target.shares.to(exact)))
            at += len(target.puts)
        return torch.stack(losses).mean(), moved


def neutral_loss(
    material: Material, passages: Sequence[Kept], change: Change | None, *, gradients: bool = False
) -> Tensor:
    """Return the mean KL(unedited || edited) over the tokens of passages."""
    panel = material.panel
    unedited, _ = panel.logits(passages, None, whole=True)
    edited, _ = panel.logits(passages, change, gradients=gradients, whole=True)
    with torch.inference_mode(False), torch.set_grad_enabled(gradients):
        return preserve_loss(unedited.detach(), edited, [len(kept) for kept in passages])


def _fitted(
    fit: Fit,
    change: Callable[[], Change],
    material: Material,
    train: Sequence[Target],
    check: Sequence[Target],
    request: ShiftRequest,
    seed: Sequence[int],
    on_step: OnStep | None,
) -> Fitted:
    draw = np.random.default_rng(list(seed))
    before, best = _checked(material, check, None, request)
    kept, at, after, worse, taken = fit.value(), 0, before, 0, 0
    order = _endless(len(train), draw)
    each = max(1, material.panel.batch // max(len(target.puts) for target in train))
    for taken in range(1, request.steps + 1):
        some = [train[next(order)] for _ in range(min(each, len(train)))]
        gradients = _gradients(fit, change(), material, some, request, draw)
        fit.move(gradients, 1 - (1 - _SLOWEST) * (taken - 1) / request.steps)
        if on_step is not None:
            on_step(taken)
        if taken % request.check_every and taken != request.steps:
            continue
        own, objective = _checked(material, check, change(), request)
        if objective < best:
            best, kept, at, after, worse = objective, fit.value(), taken, own, 0
        else:
            worse += 1
        if worse >= request.patience:
            break
    return Fitted(kept, at, taken, before, after)


def _gradients(
    fit: Fit,
    change: Change,
    material: Material,
    some: Sequence[Target],
    request: ShiftRequest,
    draw: np.random.Generator,
) -> list[Tensor]:
    loss, moved = option_losses(material, some, change, gradients=True)
    with torch.inference_mode(False), torch.enable_grad():
        loss = loss + request.displacement * displacement_loss(moved, material.mean_square)
    if request.preserve and len(material.neutral):
        chosen = draw.permutation(len(material.neutral))[:_PASSAGES]
        passages = [material.neutral[i] for i in chosen]
        more = neutral_loss(material, passages, change, gradients=True)
        with torch.inference_mode(False), torch.enable_grad():
            loss = loss + request.preserve * more
    return list(torch.autograd.grad(loss, fit.parts))


def _checked(
    material: Material, check: Sequence[Target], change: Change | None, request: ShiftRequest
) -> tuple[float, float]:
    """Return KL(group || model) on the questions set aside, and the whole that decides when to stop."""
    own, shifted = 0.0, 0.0
    for some in _chunks(check, material.panel.batch):
        loss, moved = option_losses(material, some, change)
        own += float(loss.detach()) * len(some) / len(check)
        shifted += float(displacement_loss(moved.detach(), material.mean_square)) * len(some) / len(check)
    whole = own + request.displacement * shifted
    if change is not None and request.preserve and len(material.watched):
        whole += request.preserve * float(neutral_loss(material, material.watched, change).detach())
    return own, whole


def _chunks(targets: Sequence[Target], batch: int) -> list[Sequence[Target]]:
    each = max(1, batch // max(len(target.puts) for target in targets))
    return [targets[at : at + each] for at in range(0, len(targets), each)]


class _endless:
    """Numbers of questions in random order, each once before any comes again."""

    def __init__(self, n: int, draw: np.random.Generator) -> None:
        self._n, self._draw = n, draw
        self._left: list[int] = []

    def __next__(self) -> int:
        if not self._left:
            self._left = self._draw.permutation(self._n).tolist()
        return self._left.pop()


def targets_of(
    puts: Mapping[int, Sequence[Put]], shares: Mapping[int, NDArray[np.float64]], most: int
) -> list[Target]:
    """Return questions as targets, each in some of its orders."""
    return [
        Target(tuple(puts[question][:most]), torch.from_numpy(np.ascontiguousarray(own)).float())
        for question, own in shares.items()
    ]
