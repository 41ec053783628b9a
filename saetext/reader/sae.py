"""SparseEncoder: hidden states -> the sparse feature activations of one SAE.

Computes what sae-lens's ``sae.encode`` computes, but hands out only the entries above zero (or above a cut
per feature) and never holds more than one block of tokens x features. Not for: loading weights
(:mod:`saetext.reader.weights`), pooling, or decoding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from torch import Tensor

from saetext.errors import ReaderError
from saetext.reader.sae_config import SaeConfig

# One block of pre-activations is at most 4096 x 4096 float32, 64 MB, allocated once. Smaller blocks cost
# speed, because every call of the matrix product has a price: for d_in 384 and d_sae 4096 on one thread,
# `entries` takes 11 % longer than the bare product with 4,096 tokens a block, 17 % with 1,024, 26 % with 512.
TOKEN_BLOCK = 4096
FEATURE_BLOCK = 4096
_NORM_EPS = 1e-5  # sae-lens's, in its layer_norm

Entries = tuple[Tensor, Tensor, Tensor]


class SparseEncoder:
    """The encoder of an SAE or transcoder.

    Every architecture but ``topk``, ``groupmax`` and ``matching_pursuit`` comes down to one comparison per
    feature: with ``p = x @ W_enc``, the activation is ``p * scale + offset`` where ``p`` exceeds ``gate`` and
    the activation exceeds ``low``, else zero. So a block of products is scanned once against a limit on ``p``
    and never written to again.

    Parameters
    ----------
    config : SaeConfig
        Architecture and settings.
    tensors : mapping of str to Tensor
        sae-lens's names; float32 on the CPU. ``W_enc`` (``W_dec`` for matching pursuit) and the biases that
        the architecture has; ``b_dec`` if it is applied to the input; ``W_dec`` if activations are rescaled
        by its norms.
    weights_sha256 : str
        Identity of the weights.
    load_decoder : callable
        Returns ``W_dec`` as sae-lens has it, float[d_sae, d_out]; called when :attr:`decoder` is first used.

    Attributes
    ----------
    bias : float32[d_out] or None
        ``b_dec``, which the decoder adds; None where the SAE has none.
    """

    def __init__(
        self,
        config: SaeConfig,
        tensors: Mapping[str, Tensor],
        *,
        weights_sha256: str,
        load_decoder: Callable[[], Tensor],
    ) -> None:
        self.config = config
        self.architecture = config.architecture
        self.d_in = config.d_in
        self.d_sae = config.d_sae
        self.metadata = config.metadata
        self.hook = config.metadata.hook_name or ""
        self.weights_sha256 = weights_sha256
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self._load_decoder = load_decoder
        self._decoder: Tensor | None = None
        self._buffers: list[Tensor] = []
        self._b_dec = tensors["b_dec"] if config.apply_b_dec_to_input else None
        self.bias = tensors.get("b_dec")
        self._scale: Tensor | None = None
        self._gate: Tensor | None = None
        self._low = torch.zeros(config.d_sae)
        self._offset = torch.zeros(config.d_sae)
        if config.architecture == "matching_pursuit":
            self._weight = tensors["W_dec"].T
            return
        self._weight = tensors["W_enc"]
        if config.architecture == "gated":
            self._scale = tensors["r_mag"].exp()
            self._gate = -tensors["b_gate"]
            self._offset = tensors["b_mag"]
        else:
            self._offset = tensors["b_enc"]
        if "threshold" in tensors:
            self._low = tensors["threshold"].clamp(min=0)
        if config.rescale_acts_by_decoder_norm:
            norm = tensors["W_dec"].norm(dim=-1)
            self._weight = self._weight * norm
            self._offset = self._offset * norm

    @property
    def preprocessing(self) -> str:
        """What happens to hidden states first: ``none``, ``centre``, ``layer_norm``, ..., joined by ``+``."""
        steps = ["centre"] if self.config.centre else []
        if self.config.scale_folded:
            steps.append("expected_average_only_in (folded)")
        if self.config.normalize != "none":
            steps.append(self.config.normalize)
        return "+".join(steps) or "none"

    @property
    def decoder(self) -> Tensor:
        """float32[d_sae, d_out]: the features' directions, read from disk when first used.

        ``activations @ decoder`` is the reconstruction, but for the decoder's bias and the undoing of a
        per-token normalisation.
        """
        if self._decoder is None:
            decoder = self._load_decoder().to(torch.float32)
            if self.config.rescale_acts_by_decoder_norm:
                decoder = decoder / decoder.norm(dim=-1, keepdim=True)
            self._decoder = decoder.to(self.device)
        return self._decoder

    def output_scale(self, x: Tensor) -> Tensor:
        """Return what a decoded vector is multiplied by to be one of the hidden states, float[..., 1].

        It undoes the normalisation of each token (sae-lens, ``run_time_activation_norm_fn_out``); 1 where
        there is none.

        Parameters
        ----------
        x : float[..., d_in]
            Hidden states at :attr:`hook`; the result is float64 if they are, else float32.
        """
        x = x if x.dtype == torch.float64 else x.to(torch.float32)
        if self.config.centre:
            x = x - x.mean(dim=-1, keepdim=True)
        if self.config.normalize == "layer_norm":
            return x.std(dim=-1, keepdim=True)
        if self.config.normalize == "constant_norm_rescale":
            return x.norm(dim=-1, keepdim=True) / self.d_in**0.5
        return torch.ones_like(x[..., :1])

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> SparseEncoder:
        """Return this encoder on another device.

        ``dtype`` is that of the matrix product only; below float32 it is faster where the hardware is, and
        moves activations that are close to their threshold across it.
        """
        moved = copy.copy(self)
        moved.device = torch.device(device)
        moved.dtype = dtype
        moved._buffers = []
        moved._weight = self._weight.to(device=device, dtype=dtype)
        for name in ("_b_dec", "bias", "_scale", "_gate", "_low", "_offset", "_decoder"):
            tensor = getattr(self, name)
            setattr(moved, name, None if tensor is None else tensor.to(device))
        return moved

    def restricted(self, features: Sequence[int]) -> SparseEncoder | None:
        """Return an encoder of a few features alone, in the order given, which costs as much less.

        None where the activation of a feature depends on the others' (``topk``, ``groupmax``,
        ``matching_pursuit``).
        """
        if self.architecture in ("topk", "groupmax", "matching_pursuit"):
            return None
        at = torch.as_tensor(list(features), dtype=torch.int64, device=self.device)
        few = copy.copy(self)
        few.d_sae = len(at)
        few._buffers, few._decoder = [], None
        few._load_decoder = lambda: self.decoder[at]
        few._weight = self._weight[:, at].contiguous()
        for name in ("_scale", "_gate", "_low", "_offset"):
            tensor = getattr(self, name)
            setattr(few, name, None if tensor is None else tensor[at])
        return few

    @torch.no_grad()
    def entries(
        self,
        x: Tensor,
        cut: Tensor | None = None,
        *,
        token_block: int = TOKEN_BLOCK,
        feature_block: int = FEATURE_BLOCK,
    ) -> Entries:
        """Return every activation above zero and above its feature's cut.

        Parameters
        ----------
        x : float[T, d_in]
            Hidden states at :attr:`hook`; a ``hook_z`` flattened over heads.
        cut : float32[d_sae], optional
            What an activation must exceed, besides zero.
        token_block, feature_block : int
            Largest block of tokens x features held at once.

        Returns
        -------
        token : int64[n]
            Row of ``x``; entries are sorted by it, then by feature.
        feature : int64[n]
            Feature index.
        value : float32[n]
            Activation.

        Raises
        ------
        ReaderError
            If ``x`` has another width than the SAE, or is not finite.
        """
        if x.ndim != 2 or x.shape[1] != self.d_in:
            raise ReaderError(
                f"the SAE at {self.hook or 'an unnamed hook'} reads {self.d_in} values a token, "
                f"the model gives a tensor of shape {tuple(x.shape)}; choose the model that it was trained on"
            )
        low = self._low if cut is None else torch.maximum(self._low, cut.to(self._low))
        blocks = []
        for start in range(0, x.shape[0], token_block):
            prepared = self._prepare(x[start : start + token_block])
            if self.architecture == "topk":
                token, feature, value = self._top(prepared, low, feature_block)
            elif self.architecture == "groupmax":
                token, feature, value = self._group_maxima(prepared, low, feature_block)
            elif self.architecture == "matching_pursuit":
                token, feature, value = self._pursue(prepared, low, feature_block)
            else:
                token, feature, value = self._above(prepared, low, feature_block)
            blocks.append((token + start if start else token, feature, value))
        if len(blocks) == 1:
            return blocks[0]
        nothing = torch.empty(0, dtype=torch.int64, device=self.device)
        columns = zip(*blocks, strict=True) if blocks else ([nothing], [nothing], [nothing.float()])
        token, feature, value = (torch.cat(tuple(column)) for column in columns)
        return token, feature, value

    def encode(self, x: Tensor) -> Tensor:
        """Return the activations as a dense float32[T, d_sae], for a few texts; errors as in ``entries``."""
        dense = torch.zeros(x.shape[0], self.d_sae, device=self.device)
        token, feature, value = self.entries(x)
        dense[token, feature] = value
        return dense

    def _prepare(self, x: Tensor) -> Tensor:
        """Centre, normalise, and subtract the decoder's bias, in sae-lens's order and in float32."""
        x = x.to(device=self.device, dtype=torch.float32)
        if not bool(torch.isfinite(x.sum())):  # one sum: any NaN or infinity survives it
            raise ReaderError(
                f"the hidden states at {self.hook or 'the hook'} are not all finite; "
                "run the language model in float32 (--dtype float32)"
            )
        if self.config.centre:
            x = x - x.mean(dim=-1, keepdim=True)
        if self.config.normalize == "layer_norm":
            x = x - x.mean(dim=-1, keepdim=True)
            x = x / (x.std(dim=-1, keepdim=True) + _NORM_EPS)
        elif self.config.normalize == "constant_norm_rescale":
            # sae-lens gives NaN for an all-zero token; here it stays zero
            norm = x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            x = x * (self.d_in**0.5 / norm)
        if self._b_dec is not None:
            x = x - self._b_dec
        return x.to(self.dtype)

    def _product(self, x: Tensor, start: int, stop: int, buffer: Tensor | None) -> Tensor:
        """Return ``x @ W_enc[:, start:stop]`` in float32, in ``buffer`` if there is one."""
        weight = self._weight[:, start:stop]
        if buffer is None:
            return torch.mm(x, weight).float()
        out = buffer[: x.shape[0] * weight.shape[1]].view(x.shape[0], weight.shape[1])
        if self.dtype == torch.float32:
            return torch.mm(x, weight, out=out)
        return out.copy_(torch.mm(x, weight))

    def _above(self, x: Tensor, low: Tensor, feature_block: int) -> Entries:
        """Entries of the architectures that decide feature by feature."""
        limit = low - self._offset
        if self._scale is not None and self._gate is not None:
            # a scale that underflows to 0 leaves the bias alone, and 0 / 0 is a bias that never exceeds `low`
            limit = torch.nan_to_num(limit / self._scale, nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
            limit = torch.maximum(limit, self._gate)
        if _use_kernels(self.device):
            token, feature, value = self._scan(x, limit, feature_block)
        else:
            token, feature, value = self._compare(x, limit, feature_block)
        if self._scale is not None:
            value = value * self._scale[feature]
        value = value + self._offset[feature]
        kept = value > low[feature]  # the limit was rounded; the activation itself decides
        if not bool(kept.all()):
            token, feature, value = token[kept], feature[kept], value[kept]
        return token, feature, value

    def _scan(self, x: Tensor, limit: Tensor, feature_block: int) -> Entries:
        """CPU: products above ``limit``, by a compiled scan of one reused block."""
        from saetext.reader.kernels import compact

        limits = limit.contiguous().numpy()
        n, capacity = 0, 64 * x.shape[0]
        token, feature = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        value = np.empty(capacity, np.float32)
        buffer = self._take_buffer(x.shape[0] * min(feature_block, self.d_sae))
        for start in range(0, self.d_sae, feature_block):
            stop = min(start + feature_block, self.d_sae)
            block = self._product(x, start, stop, buffer).numpy()
            found = compact(block, limits[start:stop], 0, start, n, token, feature, value)
            if found > capacity:
                spare = max(found, 2 * capacity) - n
                token, feature = np.pad(token[:n], (0, spare)), np.pad(feature[:n], (0, spare))
                value = np.pad(value[:n], (0, spare))
                capacity = n + spare
                found = compact(block, limits[start:stop], 0, start, n, token, feature, value)
            n = found
        self._buffers.append(buffer)
        if self.d_sae > feature_block:
            order = np.argsort(token[:n], kind="stable")
            token, feature, value = token[order], feature[order], value[order]
        else:
            # copies let go of the spare capacity
            token, feature, value = token[:n].copy(), feature[:n].copy(), value[:n].copy()
        return torch.from_numpy(token), torch.from_numpy(feature), torch.from_numpy(value)

    def _compare(self, x: Tensor, limit: Tensor, feature_block: int) -> Entries:
        """Any device: products above ``limit``, in plain torch."""
        found = []
        for start in range(0, self.d_sae, feature_block):
            stop = min(start + feature_block, self.d_sae)
            block = self._product(x, start, stop, None)
            token, feature = (block > limit[start:stop]).nonzero(as_tuple=True)
            found.append((token, feature + start, block[token, feature]))
        token, feature, value = (torch.cat(column) for column in zip(*found, strict=True))
        if len(found) > 1:
            order = torch.argsort(token, stable=True)
            token, feature, value = token[order], feature[order], value[order]
        return token, feature, value

    def _top(self, x: Tensor, low: Tensor, feature_block: int) -> Entries:
        """The k largest positive pre-activations of each token, kept while walking over the features."""
        k = min(self.config.k, self.d_sae)
        n_tokens = x.shape[0]
        values = torch.zeros(n_tokens, k, device=self.device)
        features = torch.full((n_tokens, k), self.d_sae, device=self.device)
        if _use_kernels(self.device):
            from saetext.reader.kernels import merge_top

            bias = self._offset.contiguous().numpy()
            sizes = torch.zeros(n_tokens, dtype=torch.int64)
            buffer = self._take_buffer(n_tokens * min(feature_block, self.d_sae))
            for start in range(0, self.d_sae, feature_block):
                stop = min(start + feature_block, self.d_sae)
                block = self._product(x, start, stop, buffer)
                heaps = (sizes.numpy(), values.numpy(), features.numpy())
                merge_top(block.numpy(), bias[start:stop], start, *heaps)
            self._buffers.append(buffer)
        else:
            for start in range(0, self.d_sae, feature_block):
                stop = min(start + feature_block, self.d_sae)
                block = self._product(x, start, stop, None) + self._offset[start:stop]
                top, index = block.topk(min(k, stop - start), dim=1)
                values, chosen = torch.cat([values, top], dim=1).topk(k, dim=1)
                features = torch.cat([features, index + start], dim=1).gather(1, chosen)
        features, order = torch.sort(features, dim=1)
        values = values.gather(1, order)
        present = values > 0
        token = present.nonzero()[:, 0]
        feature, value = features[present], values[present]
        kept = value > low[feature]
        return token[kept], feature[kept], value[kept]

    def _group_maxima(self, x: Tensor, low: Tensor, feature_block: int) -> Entries:
        """The largest positive pre-activation of each of k groups of neighbouring features."""
        size = self.d_sae // self.config.k
        step = max(feature_block // size, 1) * size  # whole groups
        values, features = [], []
        for start in range(0, self.d_sae, step):
            stop = min(start + step, self.d_sae)
            block = self._product(x, start, stop, None) + self._offset[start:stop]
            best, index = block.view(x.shape[0], -1, size).max(dim=2)
            values.append(best)
            features.append(index + torch.arange(start, stop, size, device=self.device))
        value, feature = torch.cat(values, dim=1), torch.cat(features, dim=1)
        kept = (value > 0) & (value > low[feature])
        return kept.nonzero()[:, 0], feature[kept], value[kept]

    def _pursue(self, x: Tensor, low: Tensor, feature_block: int) -> Entries:
        """Matching pursuit: again and again the direction that fits the residual best, until a token is done.

        A token is done when its residual is small, when it picks a feature it already has (if the SAE stops
        there), or when no direction fits at all: nothing would change any more.
        """
        config = self.config
        directions = self._weight.T
        residual = x.float()
        active = torch.arange(x.shape[0], device=self.device)
        history = torch.full((x.shape[0], 0), -1, device=self.device)  # features picked by the active tokens
        keys, values = [active[:0]], [residual.new_empty(0)]
        for _ in range(self.d_in if config.max_iterations is None else config.max_iterations):
            if len(active) == 0:
                break
            best = torch.full((len(active),), -torch.inf, device=self.device)
            feature = torch.zeros_like(active)
            for start in range(0, self.d_sae, feature_block):
                stop = min(start + feature_block, self.d_sae)
                fit, index = self._product(residual.to(self.dtype), start, stop, None).max(dim=1)
                feature = torch.where(fit > best, index + start, feature)
                best = torch.maximum(fit, best)
            direction = directions[feature].float()
            value = (residual * direction).sum(dim=-1).relu()
            residual = residual - value[:, None] * direction
            fits = value > 0
            keys.append((active * self.d_sae + feature)[fits])
            values.append(value[fits])
            going = fits
            if config.residual_threshold > 0:
                going = going & (residual.norm(dim=-1) >= config.residual_threshold)
            if config.stop_on_duplicate_support:
                going = going & ~(history == feature[:, None]).any(dim=1)
                history = torch.cat([history, feature[:, None]], dim=1)[going]
            active, residual = active[going], residual[going]
        key, inverse = torch.unique(torch.cat(keys), return_inverse=True)
        value = torch.zeros(len(key), device=self.device).index_add_(0, inverse, torch.cat(values))
        token, feature = key // self.d_sae, key % self.d_sae
        kept = value > low[feature]
        return token[kept], feature[kept], value[kept]

    def _take_buffer(self, size: int) -> Tensor:
        """Return a buffer of at least ``size`` floats; a fresh one costs up to a third of the product."""
        buffer = self._buffers.pop() if self._buffers else torch.empty(0)
        return buffer if buffer.numel() >= size else torch.empty(size)


def _use_kernels(device: torch.device) -> bool:
    return device.type == "cpu"
