"""One step of batch-top-k training (Bussmann, Leask and Nanda 2024, arXiv 2412.06410).

Each batch keeps its ``k x batch`` largest pre-activations; for inference one threshold replaces the
competition, which makes the result a JumpReLU SAE. Dead features are revived by the auxiliary loss of Gao et
al. 2024 (arXiv 2406.04093). With ``prefixes`` the first features must also reconstruct on their own
(Matryoshka, Bussmann et al. 2025, arXiv 2503.17547). The step is sparse: only the encoder's product is dense,
which makes it several times faster on a CPU than a dense decoder and backward pass. Not for: the loop over
steps (:mod:`saetext.training.optimisation`), or JumpReLU and gated training losses.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor
from torch.nn import functional

from saetext.training.config import TrainConfig
from saetext.training.sparse import Preactivations, decode


class BatchTopK:
    """One optimisation step on scaled tokens; holds the weights.

    Rows of ``enc`` and ``dec`` are features, so that a sparse batch touches contiguous rows.
    """

    def __init__(self, d_in: int, config: TrainConfig, mean: Tensor, generator: torch.Generator) -> None:
        self.config = config
        directions = torch.randn(config.d_sae, d_in, generator=generator)
        directions /= directions.norm(dim=1, keepdim=True)
        self.dec = directions.clone().requires_grad_()
        self.enc = directions.clone().requires_grad_()
        self.b_enc = torch.zeros(config.d_sae, requires_grad=True)
        self.b_dec = mean.clone().requires_grad_()
        self.parameters = [self.enc, self.b_enc, self.dec, self.b_dec]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.lr, betas=(0.9, 0.999), fused=True)
        self.silent_for = torch.zeros(config.d_sae, dtype=torch.int64)
        self.density = torch.zeros(config.d_sae)
        self.threshold = 0.0
        self.running: dict[str, float] = {}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return everything that the next step depends on: tensors by name, and what is plain JSON."""
        tensors = {name: parameter.detach() for name, parameter in self._named()}
        for name, parameter in self._named():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{name}.{key}"] = value
        tensors |= {"silent_for": self.silent_for, "density": self.density}
        return tensors, {"threshold": self.threshold, "running": self.running}

    def restore(self, tensors: Mapping[str, Tensor], told: Mapping[str, Any]) -> None:
        """Take up a state from :meth:`state`.

        Raises
        ------
        KeyError, ValueError
            If it is not that of a step of this size.
        """
        sizes = {name: parameter.shape for name, parameter in self._named()}
        of_adam = {f"adam.{n}.{key}": size for n, size in sizes.items() for key in ("exp_avg", "exp_avg_sq")}
        steps = {f"adam.{name}.step": torch.Size(()) for name in sizes}
        own = {name: getattr(self, name).shape for name in ("silent_for", "density")}
        if {name: tensor.shape for name, tensor in tensors.items()} != {**sizes, **of_adam, **steps, **own}:
            raise ValueError("other tensors")
        with torch.no_grad():
            for name, parameter in self._named():
                parameter.copy_(tensors[name])
                self.optimizer.state[parameter] = {
                    key: tensors[f"adam.{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
                }
        self.silent_for, self.density = tensors["silent_for"], tensors["density"]
        self.threshold = float(told["threshold"])
        self.running = {str(name): float(value) for name, value in told["running"].items()}

    def _named(self) -> list[tuple[str, Tensor]]:
        return list(zip(("enc", "b_enc", "dec", "b_dec"), self.parameters, strict=True))

    def __call__(self, x: Tensor, lr: float) -> dict[str, float]:
        """Learn from scaled tokens ``x`` [batch, d_in]; return the running figures."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        tokens = len(x)
        centred = x - self.b_dec
        with torch.no_grad():
            pre = torch.addmm(self.b_enc, centred, self.enc.T)
            token, feature, lowest = self._largest(pre, tokens * self.config.k)
        values = Preactivations.apply(centred, self.enc, self.b_enc, token, feature, pre[token, feature])
        loss, error = self._reconstruction(x, token, feature, values)
        variance = (x - x.mean(0)).square().sum() / tokens
        fvu = float(error.detach().square().sum() / tokens / variance)
        self.silent_for += tokens
        self.silent_for[feature] = 0
        counts = torch.bincount(feature, minlength=self.config.d_sae)
        self.density.lerp_(counts / tokens, 0.05)
        excess = functional.relu(self.density / self.config.dense_above - 1)
        if self.config.dense_weight and float(excess.max()) > 0:
            loss = (
                loss + self.config.dense_weight * (functional.relu(values) * excess[feature]).sum() / tokens
            )
        dead = torch.nonzero(self.silent_for > self.config.dead_after).squeeze(1)
        if len(dead):
            loss = loss + self.config.aux_weight * self._auxiliary(centred.detach(), error.detach(), dead)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        with torch.no_grad():
            # the length of a decoder row is not the loss's to choose: remove the gradient along it
            along = (self.dec.grad * self.dec).sum(1, keepdim=True)  # type: ignore[operator]
            self.dec.grad.addcmul_(along, self.dec, value=-1)  # type: ignore[union-attr]
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0 * math.sqrt(x.shape[1]))
            self.optimizer.step()
            self.dec /= self.dec.norm(dim=1, keepdim=True).clamp_min(1e-8)
            self.threshold = lowest if self.threshold == 0 else 0.9 * self.threshold + 0.1 * lowest
        now = {
            "fvu": fvu,
            "l0": len(feature) / tokens,
            "dead": len(dead) / self.config.d_sae,
            "densest": float(self.density.max()),
        }
        self.running = {key: 0.98 * self.running.get(key, v) + 0.02 * v for key, v in now.items()}
        return dict(self.running)

    def _reconstruction(
        self, x: Tensor, token: Tensor, feature: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss, the mean over the prefixes, and the error of the whole reconstruction."""
        tokens = len(x)
        error = x - self.b_dec
        if not self.config.prefixes:
            error = error - decode(token, feature, values, self.dec, tokens)
            return error.square().sum() / tokens, error
        loss = torch.zeros(())
        for low, high in itertools.pairwise((0, *self.config.prefixes, self.config.d_sae)):
            mine = torch.nonzero((feature >= low) & (feature < high)).squeeze(1)
            error = error - decode(token[mine], feature[mine], values[mine], self.dec, tokens)
            loss = loss + error.square().sum() / tokens
        return loss / (len(self.config.prefixes) + 1), error

    def _largest(self, pre: Tensor, count: int) -> tuple[Tensor, Tensor, float]:
        """Return (token, feature) of the ``count`` largest positive pre-activations, and the lowest kept.

        A sort of tokens x features would cost more than the product; candidates above a little less than
        the last step's threshold are nearly always enough, and when they are not, all of them are taken.
        """
        flat = pre.reshape(-1)
        candidates = torch.nonzero(flat > 0.8 * self.threshold).squeeze(1)
        if len(candidates) < count and self.threshold > 0:
            candidates = torch.nonzero(flat > 0).squeeze(1)
        values = flat[candidates]
        if len(candidates) > count:
            lowest = float(torch.kthvalue(values, len(values) - count + 1).values)
            candidates = candidates[values >= lowest]
        else:
            lowest = float(values.min()) if len(values) else 0.0
        width = pre.shape[1]
        return torch.div(candidates, width, rounding_mode="floor"), candidates % width, lowest

    def _auxiliary(self, centred: Tensor, error: Tensor, dead: Tensor) -> Tensor:
        """Return the error left when up to d_in / 2 dead features per token explain the residual."""
        pre = functional.relu(centred @ self.enc[dead].T + self.b_enc[dead])
        keep = min(len(dead), max(1, centred.shape[1] // 2))
        top = pre.topk(keep, dim=1)
        acts = torch.zeros_like(pre).scatter(1, top.indices, top.values)
        missing = (error - acts @ self.dec[dead]).square().sum() / len(error)
        return missing
