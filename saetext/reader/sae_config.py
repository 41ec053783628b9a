"""SaeConfig: what decides an SAE's activations besides its weights, read from sae-lens's ``cfg.json``.

Understands the flat files of sae-lens before 6.0 and the later ones with ``metadata``. Not for: files or
tensors (:mod:`saetext.reader.weights`); this module is plain data.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saetext.corpus.shapes import MOST_FEATURES, MOST_WIDTH
from saetext.errors import ReaderError
from saetext.io.json_file import load
from saetext.io.shape import INT32, Either, Flag, List, Maybe, Number, Record, Text, Whole
from saetext.reader.hooks import hook_of_sae

CONFIG_NAME = "cfg.json"

# sae-lens's inference architectures and the tensors their encoders need
ENCODER_TENSORS = {
    "standard": ("W_enc", "b_enc"),
    "gated": ("W_enc", "b_gate", "b_mag", "r_mag"),
    "topk": ("W_enc", "b_enc"),
    "jumprelu": ("W_enc", "b_enc", "threshold"),
    "matching_pursuit": ("W_dec",),
    "transcoder": ("W_enc", "b_enc"),
    "skip_transcoder": ("W_enc", "b_enc"),
    "jumprelu_transcoder": ("W_enc", "b_enc", "threshold"),
    "jumprelu_skip_transcoder": ("W_enc", "b_enc", "threshold"),
}
# ... and those that other libraries have beside them (saetext.reader.foreign)
OTHER_TENSORS = {"groupmax": ("W_enc", "b_enc")}
_TRAINING_ONLY = "exists only for training; save it for inference with sae.save_inference_model(directory)"
REFUSED = {
    "abstopk": "has negative activations, which do not fit presence and max-pooling; choose another",
    "temporal": "attends over the whole context, so tokens cannot be read one by one; choose another",
    "batchtopk": _TRAINING_ONLY,
    "matryoshka_batchtopk": _TRAINING_ONLY,
}
# where centring the writing weights changes what is read: the residual stream and what is added to it
_CENTRED_HOOKS = (
    "hook_embed",
    "hook_pos_embed",
    "hook_resid_pre",
    "hook_resid_mid",
    "hook_resid_post",
    "hook_attn_in",
    "hook_attn_out",
    "hook_mlp_in",
    "hook_mlp_out",
)
_ABOUT = {
    "model_name": Maybe(Text(longest=1000)),
    "hook_name": Maybe(Text(longest=1000)),
    "hook_point": Maybe(Text(longest=1000)),
    "context_size": Maybe(Either((Whole(1, INT32), Number(1, INT32)))),
    "exclude_special_tokens": Maybe(Either((Flag(), List(Whole(0, INT32), most=1_000_000)))),
    "seqpos_slice": Maybe(List(Maybe(Whole(-INT32, INT32)), most=3)),
    "norm_limit": Maybe(Number(0, above=True)),
}
_SHAPE = Record({}, {**_ABOUT, "metadata": Maybe(Record({}, _ABOUT))})
_OLD_NAMES = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}


@dataclass(frozen=True)
class SaeMetadata:
    """How an SAE wants its language model to be run; None where its configuration does not say.

    Attributes
    ----------
    model_name : str or None
        Hugging Face id or transformer-lens alias of the language model.
    model_class_name : str or None
        ``HookedTransformer`` unless the hook is a module path of another model class.
    hook_name : str or None
        Hook as in transformer-lens.
    prepend_bos : bool or None
        Whether contexts began with BOS in training.
    context_size : int or None
        Tokens in a training context.
    exclude_special_tokens : bool, tuple of int, or None
        Whether (or which) special tokens were left out of training.
    seqpos_slice : tuple or None
        Arguments of the ``slice`` of positions that were trained on.
    norm_limit : float or None
        Norm above which tokens were left out of training: see :mod:`saetext.reader.sinks`. saetext's own.
    neuronpedia_id : str or None
        ``model/sae`` on Neuronpedia.
    model_from_pretrained_kwargs : mapping
        Arguments transformer-lens loaded the model with.
    """

    model_name: str | None = None
    model_class_name: str | None = None
    hook_name: str | None = None
    prepend_bos: bool | None = None
    context_size: int | None = None
    exclude_special_tokens: bool | tuple[int, ...] | None = None
    seqpos_slice: tuple[int | None, ...] | None = None
    norm_limit: float | None = None
    neuronpedia_id: str | None = None
    model_from_pretrained_kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SaeConfig:
    """What decides an SAE's activations besides its weights.

    Attributes
    ----------
    normalize : str
        Per-token normalisation of the input: ``none``, ``layer_norm`` or ``constant_norm_rescale``.
    centre : bool
        Subtract each token's mean over d_in first (the model was trained on with ``center_writing_weights``).
    scale_folded : bool
        An ``expected_average_only_in`` factor has been multiplied into the weights.
    apply_b_dec_to_input : bool
        Subtract the decoder's bias from the input.
    k, rescale_acts_by_decoder_norm
        Of ``topk``; ``k`` of ``groupmax`` too, where it is the number of groups.
    residual_threshold, max_iterations, stop_on_duplicate_support
        Of ``matching_pursuit``; ``max_iterations`` None means d_in.
    raw : mapping
        The configuration as it was found.
    """

    architecture: str
    d_in: int
    d_sae: int
    normalize: str = "none"
    centre: bool = False
    scale_folded: bool = False
    apply_b_dec_to_input: bool = False
    k: int = 0
    rescale_acts_by_decoder_norm: bool = False
    residual_threshold: float = 0.01
    max_iterations: int | None = None
    stop_on_duplicate_support: bool = True
    metadata: SaeMetadata = field(default_factory=SaeMetadata)
    raw: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> str:
        """Return what besides the weights decides the activations, as JSON with sorted keys."""
        fields = dataclasses.asdict(self)
        for name in ("metadata", "raw", "architecture", "d_in", "d_sae"):
            del fields[name]
        return json.dumps(fields, sort_keys=True)


def read_config(path: Path) -> dict[str, Any]:
    """Return a sae-lens configuration as it is, its common fields checked.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it is no such JSON; the message names the field.
    """
    # other programs wrote it, with NaN where they mean it
    return dict(load(path, _SHAPE, loose=True))


def parse_config(cfg: Mapping[str, Any], where: str) -> SaeConfig:
    """Read a sae-lens configuration and refuse what cannot be honoured.

    ``scale_folded`` of the result says that a factor must be folded into the weights.

    Raises
    ------
    ReaderError
        Naming ``where`` and the setting at fault.
    """
    flat = {_OLD_NAMES.get(key, key): value for key, value in cfg.items()}
    nested = isinstance(flat.get("metadata"), Mapping)
    about = {**flat, **flat["metadata"]} if nested else flat
    activation = flat.get("activation_fn") or "relu"
    options = flat.get("activation_fn_kwargs") or {}
    architecture = flat.get("architecture", None if nested else "standard")
    if activation == "topk":
        architecture = "topk"
    if isinstance(architecture, str) and architecture in REFUSED:
        raise ReaderError(f"{where}: the architecture {_brief(architecture)} {REFUSED[architecture]}")
    if not isinstance(architecture, str) or architecture not in ENCODER_TENSORS:
        known = ", ".join(ENCODER_TENSORS)
        raise ReaderError(f"{where}: unknown SAE architecture {_brief(architecture)}; known are {known}")
    if activation not in ("relu", "topk"):
        raise ReaderError(f"{where}: unknown activation_fn {_brief(activation)}; known are relu and topk")
    if about.get("hook_head_index") is not None:
        head = _brief(about["hook_head_index"])
        raise ReaderError(
            f"{where}: it reads one attention head (hook_head_index {head}), saetext "
            "reads whole hooks; choose another SAE"
        )
    normalize = flat.get("normalize_activations")
    if isinstance(normalize, bool) or normalize is None:  # before 6.0
        normalize = "expected_average_only_in" if normalize else "none"
    if normalize not in ("none", "layer_norm", "constant_norm_rescale", "expected_average_only_in"):
        raise ReaderError(
            f"{where}: normalize_activations is {_brief(normalize)}, which must be folded into the weights "
            "first; save the finished SAE with sae.save_inference_model(directory)"
        )
    metadata = _metadata(about, where, prepend_bos_default=None if nested else True)
    centred = metadata.model_from_pretrained_kwargs.get("center_writing_weights") is True
    transcoder = "transcoder" in architecture
    k = 0
    if architecture == "topk":
        old_k = options.get("k") if isinstance(options, Mapping) else None
        k = _whole(flat.get("k") if old_k is None else old_k, "k", where)
    iterations = flat.get("max_iterations")
    threshold = flat.get("residual_threshold", SaeConfig.residual_threshold)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not abs(threshold) < 1e30:
        found = _brief(threshold)
        raise ReaderError(f"{where}: residual_threshold is {found} in {CONFIG_NAME}, not a number")
    return SaeConfig(
        architecture=architecture,
        d_in=_whole(flat.get("d_in"), "d_in", where, MOST_WIDTH),
        d_sae=_whole(flat.get("d_sae"), "d_sae", where, MOST_FEATURES),
        normalize="none" if normalize == "expected_average_only_in" else normalize,
        centre=centred and (metadata.hook_name or "").endswith(_CENTRED_HOOKS),
        scale_folded=normalize == "expected_average_only_in",
        # a transcoder's b_dec belongs to another hook
        apply_b_dec_to_input=not transcoder and bool(flat.get("apply_b_dec_to_input", True)),
        k=k,
        rescale_acts_by_decoder_norm=bool(k and flat.get("rescale_acts_by_decoder_norm")),
        residual_threshold=float(threshold),
        max_iterations=None if iterations is None else _whole(iterations, "max_iterations", where),
        stop_on_duplicate_support=bool(flat.get("stop_on_duplicate_support", True)),
        metadata=metadata,
        raw=dict(cfg),
    )


def _metadata(about: Mapping[str, Any], where: str, *, prepend_bos_default: bool | None) -> SaeMetadata:
    def typed(name: str, kind: type) -> Any:
        value = about.get(name)
        return value if isinstance(value, kind) and isinstance(value, bool) == (kind is bool) else None

    bos = typed("prepend_bos", bool)
    excluded = about.get("exclude_special_tokens")
    if not isinstance(excluded, bool):
        excluded = tuple(excluded) if isinstance(excluded, list | tuple) else None
    if excluded and not isinstance(excluded, bool) and not all(type(i) is int for i in excluded):
        found = _brief(excluded)
        raise ReaderError(f"{where}: exclude_special_tokens is {found} in {CONFIG_NAME}, not token ids")
    positions = about.get("seqpos_slice")
    if isinstance(positions, list | tuple):
        known = len(positions) <= 3 and all(p is None or type(p) is int for p in positions)
        if not known or (len(positions) == 3 and positions[2] not in (None, 1)):
            raise ReaderError(
                f"{where}: seqpos_slice {_brief(positions)} in {CONFIG_NAME} is no range of positions"
            )
    return SaeMetadata(
        model_name=typed("model_name", str),
        model_class_name=typed("model_class_name", str),
        hook_name=hook_of_sae(about) if typed("hook_name", str) else None,
        prepend_bos=prepend_bos_default if bos is None else bos,
        context_size=typed("context_size", int),
        exclude_special_tokens=excluded,
        seqpos_slice=tuple(positions) if isinstance(positions, list | tuple) else None,
        norm_limit=_limit(about.get("norm_limit"), where),
        neuronpedia_id=typed("neuronpedia_id", str),
        model_from_pretrained_kwargs=typed("model_from_pretrained_kwargs", dict) or {},
    )


def _limit(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise ReaderError(f"{where}: norm_limit is {_brief(value)} in {CONFIG_NAME}, not a number above 0")
    return float(value)


def _whole(value: Any, name: str, where: str, most: int = INT32) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= most
    if not number or value != int(value):
        raise ReaderError(
            f"{where}: {name} is {_brief(value)} in {CONFIG_NAME}, not a whole number from 1 to {most:,}"
        )
    return int(value)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
