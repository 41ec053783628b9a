"""Features of a running model: what an SAE reads at its hook, and what each feature adds there.

The hidden state is x = f W_dec s + b s + mean + error, with f the features and s the scale of a normalising
SAE; a change of features is (f' - f) W_dec s, so that the error and the bias stay as they are. Not for: which
features, or what for.
"""

from __future__ import annotations

from dataclasses import dataclass

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from torch import Tensor

from saetext.errors import ReaderError
from saetext.reader.causal import CausalModel
from saetext.reader.parts import LoadedSae

_BLOCK = 1 << 14  # entries whose directions are gathered at once


@dataclass(frozen=True)
class Entries:
    """Active features, sparse; sorted by row, position, feature.

    Attributes
    ----------
    row, position, feature : int64[n]
    value : float32[n]
        Activation.
    scale : float32[n]
        What the feature's direction is multiplied by at this token, beside the activation.
    """

    row: Tensor
    position: Tensor
    feature: Tensor
    value: Tensor
    scale: Tensor

    def __len__(self) -> int:
        return len(self.value)


class Latents:
    """An SAE at its hook in a model that writes.

    Parameters
    ----------
    model : CausalModel
    sae : LoadedSae

    Raises
    ------
    ReaderError
        If the SAE belongs to another model, or writes elsewhere than it reads.
    """

    def __init__(self, model: CausalModel, sae: LoadedSae) -> None:
        encoder = sae.encoder
        if "transcoder" in encoder.architecture:
            raise ReaderError(
                f"{sae.origin} is a transcoder: it writes elsewhere than it reads; choose an SAE of one hook"
            )
        if (width := model.width(encoder.hook)) != encoder.d_in:
            raise ReaderError(
                f"the SAE {sae.origin!r} reads {encoder.d_in} values at {encoder.hook}, but {model.name} has "
                f"{width} there: the SAE belongs to another model"
            )
        self.sae = sae
        self.hook = encoder.hook
        self._encoder = encoder
        bias = encoder.bias
        self._bias = torch.zeros(encoder.d_in, device=encoder.device) if bias is None else bias

    def read(self, hidden: Tensor, scope: Tensor) -> Entries:
        """Return the features that are active at some positions.

        Parameters
        ----------
        hidden : float[rows, sequence, d_in]
            Hidden states at :attr:`hook`.
        scope : bool[rows, sequence]
            Where to look. Attention sinks have no features wherever they stand.
        """
        hidden = hidden.detach()
        row, position = scope.to(hidden.device).nonzero(as_tuple=True)
        x = hidden[row, position].float()
        token, feature, value = self.sae.entries(x)
        scale = self._encoder.output_scale(x)[:, 0]
        return Entries(row[token], position[token], feature, value, scale[token])

    def along(self, entries: Entries, gradient: Tensor) -> Tensor:
        """Return float32[n]: the derivative of a metric with respect to each entry's activation.

        Parameters
        ----------
        entries : Entries
        gradient : float[rows, sequence, d_in]
            Derivative with respect to the hidden states.
        """
        parts = []
        for at in range(0, max(len(entries), 1), _BLOCK):
            part = slice(at, at + _BLOCK)
            vectors = gradient[entries.row[part], entries.position[part]].float()
            directions = self._encoder.decoder[entries.feature[part]]
            parts.append((vectors * directions).sum(-1) * entries.scale[part])
        return torch.cat(parts)

    def written(self, entries: Entries, like: Tensor) -> Tensor:
        """Return float32[rows, sequence, d_in]: what all entries together add to the hidden states.

        Parameters
        ----------
        entries : Entries
        like : float[rows, sequence, d_in]
            Has the shape.
        """
        total = torch.zeros(like.shape, dtype=torch.float32, device=like.device)
        flat = total.view(-1, like.shape[-1])
        for at in range(0, len(entries), _BLOCK):
            part = slice(at, at + _BLOCK)
            weights = (entries.value[part] * entries.scale[part])[:, None]
            where = entries.row[part] * like.shape[1] + entries.position[part]
            flat.index_add_(0, where, weights * self._encoder.decoder[entries.feature[part]])
        return total

    def error(self, hidden: Tensor, written: Tensor) -> Tensor:
        """Return float32[rows, sequence, d_in]: what the SAE does not reconstruct of the hidden states.

        Parameters
        ----------
        hidden : float[rows, sequence, d_in]
        written : float32[rows, sequence, d_in]
            From :meth:`written`.
        """
        x = hidden.detach().float()
        rest = x - written - self._bias * self._encoder.output_scale(x)
        config = self._encoder.config
        if config.normalize == "layer_norm" or config.centre:
            rest = rest - x.mean(dim=-1, keepdim=True)
        return rest

    def direction(self, feature: int) -> Tensor:
        """Return float32[d_in]: the decoder direction of a feature."""
        return self._encoder.decoder[feature]
