"""Attribution by gradients: what each active feature contributes to a metric, from its derivatives.

``grad`` is f * dm/df at the features as they are (gradient times activation). ``ig`` is the integral of
dm/df along the straight way from no features to these, times f (integrated gradients, Sundararajan et al.,
arXiv 1703.01365), by Gauss-Legendre quadrature: its sum is the change of the metric when all are taken out.
The SAE's error is held fixed in both. Not for: exact effects (:mod:`saetext.intervene.attribution.checking`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.intervene.cases import Case, Sheet, sheet_of
from saetext.intervene.latents import Entries, Latents
from saetext.intervene.metrics import BoundMetric
from saetext.io.progress import Count
from saetext.reader.causal import CausalModel
from saetext.reader.edits import Edit

#: Tokens of a pass up to which nodes of a quadrature share it: of short prompts a pass is mostly its start.
TOGETHER = 512


@dataclass(frozen=True)
class Found:
    """What gradients say of a batch of cases; numbers of cases are those within the batch.

    Attributes
    ----------
    entries : Entries
        Active features; ``row`` is the number of the case.
    gradient : float32[n]
        Derivative of the metric with respect to the activation; of ``ig`` its mean along the way.
    attribution : float32[n]
        Activation times gradient.
    error_case, error_position : int64[m]
        Positions in scope.
    error : float32[m]
        Derivative times what the SAE does not reconstruct there.
    value : float[cases]
        The metric.
    without : float[cases] or None
        The metric without any of the features; of ``ig`` only.
    """

    entries: Entries
    gradient: Tensor
    attribution: Tensor
    error_case: Tensor
    error_position: Tensor
    error: Tensor
    value: Tensor
    without: Tensor | None


class Attributor:
    """A model, an SAE at its hook, and a metric.

    Parameters
    ----------
    model : CausalModel
    latents : Latents
    metric : BoundMetric
    edit : callable, optional
        An edit at the hook under which the model runs throughout, the same for every sequence. Features are
        those of the text, as the SAE reads them before the edit; what it adds is held fixed, as the error is.
    """

    def __init__(
        self, model: CausalModel, latents: Latents, metric: BoundMetric, edit: Edit | None = None
    ) -> None:
        self.model, self.latents, self.metric, self.edit = model, latents, metric, edit

    def edits(self, then: Edit | None = None) -> dict[str, Edit]:
        """Return the edits of a pass: the standing one, and another that follows it."""
        both = [edit for edit in (self.edit, then) if edit is not None]

        def one_after_the_other(hidden: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
            for edit in both:
                hidden = edit(hidden, positions, rows)
            return hidden

        return {self.latents.hook: one_after_the_other} if both else {}

    def grad(self, cases: Sequence[Case]) -> Found:
        """Return gradient times activation: one forward and one backward pass."""
        sheet = sheet_of(cases, self.metric.branches)
        value, gradient, hidden = self._differentiated(sheet, None)
        return self._found(cases, sheet, value, gradient, self._before(sheet, hidden))

    def ig(self, cases: Sequence[Case], nodes: int, count: Count | None = None) -> Found:
        """Return integrated gradients over so many Gauss-Legendre nodes, several in a pass of short cases.

        ``count`` is told how many of the nodes are done.
        """
        sheet = sheet_of(cases, self.metric.branches)
        with torch.no_grad():
            done = self.model.forward(
                sheet.ids,
                sheet.mask,
                hooks=[self.latents.hook],
                edits=self.edits(),
                keep=sheet.keep,
                gradients=False,
            )
        hidden, value = self._before(sheet, done.hidden[self.latents.hook]), self.values(sheet, done.logits)
        entries = self._entries(cases, hidden[sheet.first])
        written = self.latents.written(entries, hidden[sheet.first])
        written = written.repeat_interleave(len(sheet.branches), dim=0)
        gradient = torch.zeros_like(hidden, dtype=torch.float32)
        places, together = gauss_legendre(nodes), max(1, TOGETHER // sheet.ids.numel())
        for start in range(0, nodes, together):
            shares, weights = zip(*places[start : start + together], strict=True)
            _, steps, _ = self._differentiated(_repeated(sheet, len(shares)), scaled(written, *shares))
            for weight, step in zip(weights, steps.chunk(len(shares)), strict=True):
                gradient += weight * step
            if count is not None:
                count(min(start + together, nodes), nodes)
        without = self.model.forward(
            sheet.ids, sheet.mask, hooks=(), edits=self.edits(scaled(written, 0.0)), keep=sheet.keep
        )
        nothing = self.values(sheet, without.logits)
        return self._found(cases, sheet, value, gradient, hidden, nothing)

    def _differentiated(self, sheet: Sheet, edit: Edit | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the metric of each case, its derivative at the hook in float32, and the hidden states."""
        hook = self.latents.hook
        done = self.model.forward(
            sheet.ids, sheet.mask, hooks=[hook], edits=self.edits(edit), keep=sheet.keep, gradients=True
        )
        hidden = done.hidden[hook]
        with torch.enable_grad():
            value = self.values(sheet, done.logits)
            (gradient,) = torch.autograd.grad(value.sum(), hidden)
        return value.detach(), gradient.float(), hidden.detach()

    def _before(self, sheet: Sheet, hidden: Tensor) -> Tensor:
        """Return the hidden states as they come to the standing edit; below the hook nothing is edited."""
        if self.edit is None:
            return hidden
        hook = self.latents.hook
        return self.model.forward(sheet.ids, sheet.mask, hooks=[hook], keep=sheet.keep).hidden[hook]

    def values(self, sheet: Sheet, logits: Tensor) -> Tensor:
        """Return float[cases]: the metric of each case of a sheet, from the logits that were kept."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return torch.stack(
            [self.metric.value(sheet.logits(logits, number)) for number in range(len(sheet.lengths))]
        )

    def _entries(self, cases: Sequence[Case], hidden: Tensor) -> Entries:
        return self.latents.read(hidden, self._scope(cases, hidden))

    def _scope(self, cases: Sequence[Case], hidden: Tensor) -> Tensor:
        scope = torch.zeros(len(cases), hidden.shape[1], dtype=torch.bool, device=hidden.device)
        for number, case in enumerate(cases):
            scope[number, : len(case)] = torch.from_numpy(case.scope)
        return scope

    def _found(
        self,
        cases: Sequence[Case],
        sheet: Sheet,
        value: Tensor,
        gradient: Tensor,
        hidden: Tensor,
        without: Tensor | None = None,
    ) -> Found:
        """Put together what a batch gave; ``gradient`` and ``hidden`` have a row for each branch."""
        # what comes before the position is the same in all branches, and moves them all
        gradient = gradient.view(len(cases), len(sheet.branches), *gradient.shape[1:]).sum(1)
        hidden = hidden[sheet.first]
        entries = self._entries(cases, hidden)
        slope = self.latents.along(entries, gradient)
        error = self.latents.error(hidden, self.latents.written(entries, hidden))
        case, position = self._scope(cases, hidden).nonzero(as_tuple=True)
        missed = (error[case, position] * gradient[case, position]).sum(-1)
        return Found(entries, slope, entries.value * slope, case, position, missed, value.detach(), without)


def _repeated(sheet: Sheet, times: int) -> Sheet:
    """Return a sheet whose cases come several times over, one round after the other."""
    ids, mask = sheet.ids.repeat(times, 1), sheet.mask.repeat(times, 1)
    return dataclasses.replace(sheet, ids=ids, mask=mask, lengths=sheet.lengths * times)


def scaled(written: Tensor, *shares: float) -> Edit:
    """Return an edit that leaves a share of what features add: float32[rows, sequence, d_in].

    Of several shares each has a round of the rows.
    """
    left_out = [-(1 - share) * written for share in shares]

    def edit(hidden: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        return changed(hidden, torch.cat(left_out))

    return edit


def changed(hidden: Tensor, by: Tensor) -> Tensor:
    """Return hidden states plus a change, added in float32 at least and rounded once."""
    return (hidden.to(torch.promote_types(hidden.dtype, torch.float32)) + by).to(hidden.dtype)


def gauss_legendre(nodes: int) -> list[tuple[float, float]]:
    """Return places and weights of Gauss-Legendre quadrature from 0 to 1 (Golub and Welsch 1969).

    Exact for polynomials of degree 2 * nodes - 1.
    """
    at, weight = _legendre(nodes)
    return [(float(x + 1) / 2, float(w) / 2) for x, w in zip(at, weight, strict=True)]


def _legendre(nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(nodes)
