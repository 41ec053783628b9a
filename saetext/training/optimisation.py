"""Train a batch-top-k SAE on token activations: the loop over steps, from a seed to a JumpReLU SAE.

This is how the embedded reader's SAE was made, and works the same on activations of any model (see
:mod:`saetext.training.activations` for texts -> activations). Not for: the step itself
(:mod:`saetext.training.batch_topk`), several devices, or reading documents.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.corpus.notices import warn
from saetext.errors import SaetextError
from saetext.training.batch_topk import BatchTopK
from saetext.training.checkpoint import Checkpoint
from saetext.training.config import TrainConfig
from saetext.training.jumprelu import TrainedSae
from saetext.training.schedule import TokenOrder, learning_rate
from saetext.training.threads import torch_threads

MANY_PASSES = 10  # over the same tokens, above which an SAE learns them rather than what is typical of them

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
        File (safetensors) that holds the state of an unfinished run: written every ``every`` seconds,
        continued from if it exists. A continued run uses as many threads as the interrupted one did, and
        ends as it would have.

    Raises
    ------
    SaetextError
        If there are fewer tokens than one batch, or the checkpoint is of another configuration or data, or
        damaged, or cannot be written.

    Warns
    -----
    SaetextWarning
        If the steps make many passes over the same tokens.

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
    _warn_of_passes(n, config)
    mean, scale = _centre_and_scale(activations)
    step = BatchTopK(d_in, config, mean, torch.Generator().manual_seed(config.seed))
    order = TokenOrder(n, config)
    if checkpoint is None:
        _run(step, order, activations, scale, config, progress)
        return _finish(step, activations, scale, config)
    kept = Checkpoint.of(checkpoint, config, activations, scale)
    done = kept.resume(step, order)
    with torch_threads(kept.threads):
        _run(step, order, activations, scale, config, progress, kept=kept, done=done, every=every)
        return _finish(step, activations, scale, config)


def passes_over(tokens: int, config: TrainConfig) -> float:
    """Return how often training sees each of so many tokens."""
    return config.steps * config.batch / tokens


def _warn_of_passes(tokens: int, config: TrainConfig) -> None:
    passes = passes_over(tokens, config)
    if passes > MANY_PASSES:
        enough = max(1, MANY_PASSES * tokens // config.batch)
        warn(
            f"{config.steps:,} steps are {passes:,.0f} passes over {tokens:,} tokens: such an SAE fits these "
            f"texts and little else; give more text, or fewer steps (--steps {enough} makes {MANY_PASSES} "
            "passes)"
        )


def _run(
    step: BatchTopK,
    order: TokenOrder,
    activations: NDArray[np.floating],
    scale: float,
    config: TrainConfig,
    progress: Progress | None,
    *,
    kept: Checkpoint | None = None,
    done: int = 0,
    every: float = 0,
) -> None:
    """Do the steps from ``done`` on, with a checkpoint every so many seconds."""
    saved = time.monotonic()
    for i in range(done, config.steps):
        x = torch.from_numpy(np.asarray(activations[next(order)], dtype=np.float32)) * scale
        figures = step(x, learning_rate(i, config))
        if progress is not None and ((i + 1) % 10 == 0 or i + 1 == config.steps):
            progress(i + 1, config.steps, figures)
        if kept is not None and time.monotonic() - saved >= every:
            kept.save(step, order, i + 1)
            saved = time.monotonic()


def _centre_and_scale(activations: NDArray[np.floating], sample: int = 65_536) -> tuple[Tensor, float]:
    """Return the mean of the scaled tokens and the factor that makes their mean squared norm d_in."""
    stride = max(1, len(activations) // sample)
    x = torch.from_numpy(np.asarray(activations[::stride][:sample], dtype=np.float32))
    mean = x.mean(0)
    scale = math.sqrt(x.shape[1] / max(float((x - mean).square().sum(1).mean()), 1e-12))
    return mean * scale, scale


def _finish(
    step: BatchTopK,
    activations: NDArray[np.floating],
    scale: float,
    config: TrainConfig,
    sample: int = 100_000,
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
