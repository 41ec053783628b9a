"""Train a batch-top-k SAE on token activations and save it as a sae-lens directory.

This is how the embedded reader's SAE was made, and works the same on activations of any model (see
:mod:`saetext.training.activations` for texts -> activations). Batch-top-k (Bussmann, Leask and Nanda 2024,
arXiv 2412.06410): each batch keeps its ``k x batch`` largest pre-activations; for inference one threshold
replaces the competition, which makes the result a JumpReLU SAE. Dead features are revived by the auxiliary
loss of Gao et al. 2024 (arXiv 2406.04093). With ``prefixes`` the first features must also reconstruct on
their own (Matryoshka, Bussmann et al. 2025, arXiv 2503.17547). The step is sparse: only the encoder's product
is dense, which makes it several times faster on a CPU than a dense decoder and backward pass. Not for:
JumpReLU or gated training losses, several devices, or reading documents.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from saetext.errors import SaetextError
from saetext.io.files import atomic_path, write_atomic
from saetext.reader.published import sae_lens_version, shipped_version
from saetext.training.config import TrainConfig as TrainConfig


@dataclass
class TrainedSae:
    """An SAE ready for inference: ``relu(pre) * (pre > threshold)`` with ``pre = (x - b_dec) W_enc + b_enc``.

    All tensors are float32 on the CPU: ``w_enc`` [d_in, d_sae], ``b_enc`` [d_sae], ``w_dec`` [d_sae, d_in],
    ``b_dec`` [d_in], ``threshold`` [d_sae].
    """

    w_enc: Tensor
    b_enc: Tensor
    w_dec: Tensor
    b_dec: Tensor
    threshold: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """Return activations [T, d_sae] of ``x`` [T, d_in]."""
        pre = torch.addmm(self.b_enc, x - self.b_dec, self.w_enc)
        return torch.where(pre > self.threshold, torch.relu(pre), torch.zeros((), dtype=pre.dtype))

    def decode(self, activations: Tensor) -> Tensor:
        """Return reconstructions [T, d_in]."""
        return torch.addmm(self.b_dec, activations, self.w_dec)


@dataclass(frozen=True)
class Quality:
    """How well an SAE describes activations it was not trained on.

    Attributes
    ----------
    fvu : float
        Fraction of variance unexplained: squared error over squared distance from the mean.
    l0 : float
        Mean active features per token.
    dead : float
        Share of features that are never active on these tokens.
    dense : int
        Number of features that are active on more than 20 % of them.
    max_density : float
        Share of tokens on which the densest feature is active.
    tokens : int
        Tokens measured.
    """

    fvu: float
    l0: float
    dead: float
    dense: int
    max_density: float
    tokens: int


def evaluate(sae: TrainedSae, activations: NDArray[np.floating], block: int = 4096) -> Quality:
    """Measure ``sae`` on ``activations`` [n_tokens, d_in]."""
    n, d_in = activations.shape
    fired = torch.zeros(sae.b_enc.shape[0], dtype=torch.int64)
    error = square = 0.0
    total = torch.zeros(d_in, dtype=torch.float64)
    for x in _blocks(activations, block):
        acts = sae.encode(x)
        fired += (acts > 0).sum(0)
        error += float((sae.decode(acts) - x).double().square().sum())
        square += float(x.double().square().sum())
        total += x.double().sum(0)
    variance = square - float(total.square().sum()) / n
    density = fired.double() / n
    return Quality(
        fvu=error / variance if variance > 0 else 0.0,
        l0=float(fired.sum()) / n,
        dead=float((fired == 0).double().mean()),
        dense=int((density > 0.2).sum()),
        max_density=float(density.max()),
        tokens=n,
    )


Progress = Callable[[int, int, Mapping[str, float]], None]


def train_sae(
    activations: NDArray[np.floating],
    config: TrainConfig,
    progress: Progress | None = None,
    *,
    checkpoint: Path | None = None,
    every: float = 60,
) -> TrainedSae:
    """Train an SAE on ``activations`` [n_tokens, d_in] (a memory-mapped array is fine).

    ``progress(step, steps, figures)`` is called every 10 steps with the running ``fvu``, ``l0``, ``dead`` and
    ``densest`` (share of tokens on which the densest feature is active).

    Parameters
    ----------
    checkpoint : Path, optional
        File that holds the state of an unfinished run: written every ``every`` seconds, continued from if it
        exists. A continued run ends as an uninterrupted one would.

    Raises
    ------
    SaetextError
        If there are fewer tokens than one batch, or the checkpoint is of another configuration or data, or
        damaged.

    Examples
    --------
    >>> import numpy as np
    >>> import saetext
    >>> activations = np.random.default_rng(0).normal(size=(512, 16)).astype(np.float32)
    >>> config = saetext.TrainConfig(d_sae=32, k=4, batch=64, steps=20)
    >>> saetext.train_sae(activations, config).w_dec.shape
    torch.Size([32, 16])
    """
    n, d_in = activations.shape
    if n < config.batch:
        raise SaetextError(f"{n:,} tokens are fewer than one batch of {config.batch:,}: give more text")
    generator = torch.Generator().manual_seed(config.seed)
    mean, scale = _centre_and_scale(activations)
    step = _Step(d_in, config, mean, generator)
    figures: dict[str, float] = {}
    data = {"tokens": n, "d_in": d_in, "scale": scale}
    done = _resume(checkpoint, step, config, data) if checkpoint is not None else 0
    order = _token_order(n, config, done)
    saved = time.monotonic()
    for i in range(done, config.steps):
        index = next(order)
        x = torch.from_numpy(np.asarray(activations[index], dtype=np.float32)) * scale
        figures = step(x, _learning_rate(i, config))
        if progress is not None and ((i + 1) % 10 == 0 or i + 1 == config.steps):
            progress(i + 1, config.steps, figures)
        if checkpoint is not None and time.monotonic() - saved >= every:
            _save(checkpoint, step, config, data, i + 1)
            saved = time.monotonic()
    return _finish(step, activations, scale, config)


def _save(path: Path, step: _Step, config: TrainConfig, data: Mapping[str, Any], done: int) -> None:
    state = {
        "config": json.dumps(config_dict(config), sort_keys=True),
        "data": json.dumps(data, sort_keys=True),
        "done": done,
        **step.state(),
    }
    with atomic_path(path) as beside:
        torch.save(state, beside)


def _resume(path: Path, step: _Step, config: TrainConfig, data: Mapping[str, Any]) -> int:
    """Put the state in ``path`` into ``step``, if there is one; return the number of steps done."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        ours = {"config": config_dict(config), "data": dict(data)}
        theirs = {key: json.loads(state[key]) for key in ours}
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise SaetextError(f"{path} is damaged or not a checkpoint: remove it to start again") from error
    for kind, wanted in ours.items():
        wanted = json.loads(json.dumps(wanted))
        if different := [f"{k} {theirs[kind].get(k)}" for k, v in wanted.items() if theirs[kind].get(k) != v]:
            raise SaetextError(
                f"{path} is the checkpoint of another run ({', '.join(different)}): "
                "give the same settings, or remove it to start again"
            )
    step.restore(state)
    return int(state["done"])


def _blocks(activations: NDArray[np.floating], block: int) -> Iterator[Tensor]:
    for start in range(0, len(activations), block):
        yield torch.from_numpy(np.asarray(activations[start : start + block], dtype=np.float32))


def _centre_and_scale(activations: NDArray[np.floating], sample: int = 65_536) -> tuple[Tensor, float]:
    """Return the mean of the scaled tokens and the factor that makes their mean squared norm d_in."""
    stride = max(1, len(activations) // sample)
    x = torch.from_numpy(np.asarray(activations[::stride][:sample], dtype=np.float32))
    mean = x.mean(0)
    scale = math.sqrt(x.shape[1] / max(float((x - mean).square().sum(1).mean()), 1e-12))
    return mean * scale, scale


def _token_order(n: int, config: TrainConfig, skip: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield sorted batches of token positions from batch ``skip``, a fresh permutation for every pass."""
    rng = np.random.default_rng(config.seed)
    while True:
        permutation = rng.permutation(n)
        for start in range(0, n - config.batch + 1, config.batch):
            if skip:
                skip -= 1
                continue
            # sorted, because a memory-mapped file is read in order far faster
            yield np.sort(permutation[start : start + config.batch])


def _learning_rate(step: int, config: TrainConfig) -> float:
    rise = min(1.0, (step + 1) / max(1.0, config.warmup * config.steps))
    fall = min(1.0, (config.steps - step) / max(1.0, config.decay * config.steps))
    return config.lr * min(rise, fall)


class _Step:
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

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "weights": [p.detach() for p in self.parameters],
            "optimizer": self.optimizer.state_dict(),
            "silent_for": self.silent_for,
            "density": self.density,
            "threshold": self.threshold,
            "running": self.running,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state from :meth:`state`."""
        with torch.no_grad():
            for parameter, saved in zip(self.parameters, state["weights"], strict=True):
                parameter.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        self.silent_for = state["silent_for"]
        self.density = state["density"]
        self.threshold = float(state["threshold"])
        self.running = dict(state["running"])

    def __call__(self, x: Tensor, lr: float) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        tokens = len(x)
        centred = x - self.b_dec
        with torch.no_grad():
            pre = torch.addmm(self.b_enc, centred, self.enc.T)
            token, feature, lowest = self._largest(pre, tokens * self.config.k)
        values = _Gather.apply(centred, self.enc, self.b_enc, token, feature, pre[token, feature])
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
            error = error - _decode(token, feature, values, self.dec, tokens)
            return error.square().sum() / tokens, error
        loss = torch.zeros(())
        for low, high in itertools.pairwise((0, *self.config.prefixes, self.config.d_sae)):
            mine = torch.nonzero((feature >= low) & (feature < high)).squeeze(1)
            error = error - _decode(token[mine], feature[mine], values[mine], self.dec, tokens)
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


class _Gather(torch.autograd.Function):
    """Pre-activations at (token, feature), with a gradient that touches only those entries."""

    @staticmethod
    def forward(
        ctx: Any, centred: Tensor, enc: Tensor, b_enc: Tensor, token: Tensor, feature: Tensor, values: Tensor
    ) -> Tensor:
        ctx.save_for_backward(centred, enc, token, feature)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        centred, enc, token, feature = ctx.saved_tensors
        by_token = _csr(token, feature, grad, (len(centred), len(enc)))
        order = torch.argsort(feature, stable=True)
        by_feature = _csr(feature[order], token[order], grad[order], (len(enc), len(centred)))
        grad_centred = by_token @ enc if ctx.needs_input_grad[0] else None
        grad_bias = torch.zeros(len(enc)).index_add_(0, feature, grad)
        return grad_centred, by_feature @ centred, grad_bias, None, None, None


def _csr(row: Tensor, column: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return a sparse CSR matrix from entries sorted by row."""
    crow = torch.zeros(shape[0] + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(row, minlength=shape[0]), 0, out=crow[1:])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(crow, column, values, shape, check_invariants=False)


def _decode(token: Tensor, feature: Tensor, values: Tensor, dec: Tensor, tokens: int) -> Tensor:
    """Return the reconstruction [tokens, d_in] without the bias; entries are sorted by token."""
    counts = torch.bincount(token, minlength=tokens)
    offsets = torch.cumsum(counts, 0) - counts
    return functional.embedding_bag(
        feature, dec, offsets, mode="sum", per_sample_weights=functional.relu(values)
    )


def _finish(
    step: _Step, activations: NDArray[np.floating], scale: float, config: TrainConfig, sample: int = 100_000
) -> TrainedSae:
    """Undo the scaling and choose the one threshold at which training tokens have k features on average."""
    with torch.no_grad():
        stride = max(1, len(activations) // sample)
        x = torch.from_numpy(np.asarray(activations[::stride][:sample], dtype=np.float32)) * scale
        kept: list[Tensor] = []
        for block in x.split(4096):
            pre = torch.addmm(step.b_enc, block - step.b_dec, step.enc.T)
            kept.append(pre[pre > 0.5 * step.threshold])
        values = torch.cat(kept)
        count = min(len(values), len(x) * config.k)
        cut = float(torch.kthvalue(values, len(values) - count + 1).values) if count else 0.0
        return TrainedSae(
            w_enc=step.enc.detach().T.contiguous(),
            b_enc=step.b_enc.detach() / scale,
            w_dec=step.dec.detach().clone(),
            b_dec=step.b_dec.detach() / scale,
            threshold=torch.full((config.d_sae,), max(cut, 0.0) / scale),
        )


def save_sae(
    sae: TrainedSae,
    directory: Path,
    *,
    hook: str,
    model: str,
    metadata: Mapping[str, Any],
    dtype: str = "float32",
) -> None:
    """Write a sae-lens inference directory (``cfg.json`` and ``sae_weights.safetensors``).

    ``dtype`` is stored on disk: ``float32``, ``float16`` or ``bfloat16``; readers compute in float32.

    Raises
    ------
    SaetextError
        If the directory already holds an SAE.
    """
    from safetensors.torch import save_file

    if (directory / "cfg.json").exists():
        raise SaetextError(f"{directory} already holds an SAE; choose another directory")
    directory.mkdir(parents=True, exist_ok=True)
    kind = getattr(torch, dtype)
    tensors = {
        "W_enc": sae.w_enc,
        "b_enc": sae.b_enc,
        "W_dec": sae.w_dec,
        "b_dec": sae.b_dec,
        "threshold": sae.threshold,
    }
    with atomic_path(directory / "sae_weights.safetensors") as beside:
        save_file({k: v.to(kind).contiguous() for k, v in tensors.items()}, beside)
    d_in, d_sae = sae.w_enc.shape
    cfg = {
        "architecture": "jumprelu",
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": dtype,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        # without its version sae-lens takes the file for one of its first layout and drops the metadata
        "metadata": {
            "sae_lens_version": sae_lens_version() or shipped_version(),
            "hook_name": hook,
            "model_name": model,
            **metadata,
        },
    }
    # written last: a directory without it is not an SAE
    write_atomic(directory / "cfg.json", (json.dumps(cfg, indent=2) + "\n").encode())


def config_dict(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration as plain JSON types, for records and metadata."""
    return dataclasses.asdict(config)
