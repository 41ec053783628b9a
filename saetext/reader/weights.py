"""Loading SAEs: from a directory (without importing sae-lens) or from sae-lens's registry.

Both ways end in the same checks and the same :class:`~saetext.reader.sae.SparseEncoder`. Not for: training or
saving (:mod:`saetext.training.saving`), language models, or downloading anything but through sae-lens.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # the exception only: torch raises it for what it will not unpickle
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saetext.errors import ReaderError
from saetext.io.cache import file_sha256
from saetext.io.extras import require
from saetext.io.opener import require_regular, why
from saetext.reader.published import pretrained_directory
from saetext.reader.sae import SparseEncoder
from saetext.reader.sae_config import (
    CONFIG_NAME,
    ENCODER_TENSORS,
    OTHER_TENSORS,
    REFUSED,
    SaeConfig,
    parse_config,
    read_config,
)

WEIGHTS_NAME = "sae_weights.safetensors"
SCALER_NAME = "activation_scaler.json"  # beside sae-lens's training checkpoints
PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def load_sae_dir(path: Path, *, trust_pickle: bool = False) -> SparseEncoder:
    """Load an SAE from a sae-lens directory: ``cfg.json`` and ``sae_weights.safetensors``.

    Configurations of sae-lens before 6.0 are understood as sae-lens understands them. Weights become float32,
    whatever they are stored in.

    Parameters
    ----------
    path : Path
        The directory.
    trust_pickle : bool
        Accept a single pickled file of tensors where there is no safetensors file. It is still read with
        torch's restricted unpickler.

    Raises
    ------
    ReaderError
        If files, tensors or settings are missing, damaged, contradictory or of a kind that cannot be read.
    """
    path = Path(path)
    cfg = _read_json(path / CONFIG_NAME)
    config = parse_config(cfg, str(path))
    weights = path / WEIGHTS_NAME
    pickled = not weights.is_file()
    if pickled:
        weights = _pickled_weights(path, trust_pickle)

    def read(names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        return read_pickle(weights) if pickled else read_safetensors(weights, names)

    try:
        digest = file_sha256(weights)
    except OSError as error:
        raise ReaderError(f"cannot read {weights}: {why(error)}") from error
    factor = _scale_factor(cfg, path) if config.scale_folded else 1.0
    return build_encoder(config, read, str(weights), digest, factor)


def load_sae_release(release: str, sae_id: str) -> SparseEncoder:
    """Load one of sae-lens's pretrained SAEs from the hub or its local cache; imports sae-lens.

    Parameters
    ----------
    release : str
        Name in sae-lens's directory of pretrained SAEs, or a hub repository with ``/`` in it.
    sae_id : str
        The SAE's id in that release, or the folder in that repository.

    Raises
    ------
    ReaderError
        If the release or the id is unknown, the SAE cannot be downloaded, or its kind cannot be read.
    """
    _require_known(release, sae_id)
    require("sae_lens", "saelens", f"loading the published SAE {release}/{sae_id}", error=ReaderError)
    sae = _from_pretrained(release, sae_id)

    def decoder() -> Tensor:
        return _from_pretrained(release, sae_id).W_dec.detach()

    return from_sae_lens(sae, where=f"{release}/{sae_id}", load_decoder=decoder)


def from_sae_lens(
    sae: Any, *, where: str = "the SAE", load_decoder: Callable[[], Tensor] | None = None
) -> SparseEncoder:
    """Convert a loaded sae-lens inference SAE.

    Parameters
    ----------
    sae : sae_lens.SAE
        Any inference SAE; its encoder's tensors are shared where they are float32 on the CPU already.
    where : str
        How error messages call it.
    load_decoder : callable, optional
        Gets ``W_dec`` when it is needed; without it the SAE's own is kept.

    Raises
    ------
    ReaderError
        If its kind cannot be read.
    """
    cfg = sae.cfg.to_dict()
    config = parse_config(cfg, where)
    if config.scale_folded:
        raise ReaderError(
            f"{where} wants its input scaled (expected_average_only_in) and sae-lens has no factor for it; "
            "choose another SAE"
        )
    state = {name: tensor.detach() for name, tensor in sae.state_dict().items()}

    def read(names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        return {n: as_float32(t) for n, t in state.items() if names is None or n in names}

    encoder = build_encoder(config, read, where, tensors_sha256(state), 1.0)
    if load_decoder is not None and config.architecture != "matching_pursuit":
        encoder._load_decoder = load_decoder  # or the whole of `state` would be kept alive
    return encoder


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, shapes, types and bytes of tensors, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        for rows in tensor.reshape(-1, tensor.shape[-1] if tensor.ndim > 1 else 1).split(4096):
            digest.update(memoryview(rows.cpu().contiguous().flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()


def build_encoder(
    config: SaeConfig,
    read: Callable[[tuple[str, ...] | None], dict[str, Tensor]],
    where: str,
    weights_sha256: str,
    factor: float = 1.0,
) -> SparseEncoder:
    """Check shapes and values, fold the input's scale, and make the encoder.

    Parameters
    ----------
    config : SaeConfig
        What the tensors should be.
    read : callable
        Returns tensors by sae-lens's names, float32 on the CPU; of those asked for the ones that are there,
        for None all.
    where : str
        The file, for messages.
    weights_sha256 : str
        Identity of the weights.
    factor : float
        What inputs are multiplied by first.

    Raises
    ------
    ReaderError
        If a tensor is missing, of another shape than the configuration says, or not finite.
    """
    names = {**ENCODER_TENSORS, **OTHER_TENSORS}[config.architecture]
    if config.apply_b_dec_to_input:
        names = (*names, "b_dec")
    if config.rescale_acts_by_decoder_norm:
        names = (*names, "W_dec")
    tensors = read((*names, "log_threshold", "b_dec"))  # the bias is small, and may be asked for
    if "threshold" in names and "log_threshold" in tensors:  # JumpReLU checkpoints of old
        tensors.setdefault("threshold", tensors["log_threshold"].exp())
    for name in names:
        if name not in tensors:
            there = ", ".join(sorted(read(None))) or "nothing"
            kind = config.architecture
            raise ReaderError(f"{where}: an SAE of type {kind} needs the tensor {name}, there is {there}")
        _check_tensor(name, tensors[name], config, where)
    if factor != 1.0:
        config = _fold_scale(config, tensors, factor)

    tied = tensors["W_dec"] if config.architecture == "matching_pursuit" else None

    def load_decoder() -> Tensor:
        if tied is not None:
            return tied
        decoder = read(("W_dec",)).get("W_dec")
        if decoder is None or decoder.ndim != 2 or decoder.shape[0] != config.d_sae:
            raise ReaderError(f"{where}: there is no decoder (W_dec) of {config.d_sae} rows")
        return decoder / factor

    return SparseEncoder(config, tensors, weights_sha256=weights_sha256, load_decoder=load_decoder)


def _fold_scale(config: SaeConfig, tensors: dict[str, Tensor], factor: float) -> SaeConfig:
    """Make the encoder take unscaled input, in place, as sae-lens folds it."""
    if "b_dec" in tensors:
        tensors["b_dec"] = tensors["b_dec"] / factor
    if config.architecture == "matching_pursuit":
        # tied: encoder up and decoder down cancel, and activations are in units of the unscaled input
        return dataclasses.replace(config, residual_threshold=config.residual_threshold / factor)
    tensors["W_enc"] = tensors["W_enc"] * factor
    if "W_dec" in tensors:
        tensors["W_dec"] = tensors["W_dec"] / factor
    return config


def _check_tensor(name: str, tensor: Tensor, config: SaeConfig, where: str) -> None:
    d_in, d_sae = config.d_in, config.d_sae
    shape = {"W_enc": (d_in, d_sae), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}.get(name, (d_sae,))
    if tuple(tensor.shape) != shape:
        raise ReaderError(
            f"{where}: {name} has shape {tuple(tensor.shape)} where {CONFIG_NAME} says {shape}; "
            "they do not belong together"
        )
    if name == "threshold":  # infinite where a feature shall never fire
        finite = not bool(torch.isnan(tensor).any())
    else:
        finite = bool(torch.isfinite(tensor.sum(dtype=torch.float64)))
    if not finite:
        raise ReaderError(f"{where}: {name} holds NaN or infinity: a damaged file, or training diverged")


def _scale_factor(cfg: Mapping[str, Any], path: Path) -> float:
    """Return the factor that ``expected_average_only_in`` inputs must be multiplied by."""
    about = cfg.get("metadata")
    nested = about if isinstance(about, Mapping) else {}
    factor = cfg.get("norm_scaling_factor", nested.get("norm_scaling_factor"))
    if factor is None and (path / SCALER_NAME).is_file():
        factor = _read_json(path / SCALER_NAME).get("scaling_factor")
    if factor is None:
        raise ReaderError(
            f"{path} wants its input scaled (expected_average_only_in) but has no factor; save the finished "
            f"SAE with sae-lens, or put norm_scaling_factor (sqrt(d_in) / mean norm) in {CONFIG_NAME}"
        )
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < math.inf:
        raise ReaderError(f"{path}: the scaling factor is {factor!r}, not a number above 0")
    return float(factor)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_config(path)
    except (FileNotFoundError, NotADirectoryError):
        there = "it has no such file" if path.parent.is_dir() else "there is no such directory"
        raise ReaderError(f"{path.parent} is no sae-lens SAE: {there} ({path.name})") from None
    except (OSError, ValueError) as error:
        raise ReaderError(f"cannot read {path}: {why(error)}") from error


def read_safetensors(path: Path, names: tuple[str, ...] | None) -> dict[str, Tensor]:
    """Return the named tensors that are there (all of them for None) in float32.

    Raises
    ------
    ReaderError
        If it is no such file.
    """
    with _safetensors(path) as file:
        return {n: as_float32(file.get_tensor(n)) for n in file.keys() if names is None or n in names}  # noqa: SIM118


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a safetensors file's tensors without reading them; errors as above."""
    with _safetensors(path) as file:
        return {n: tuple(file.get_slice(n).get_shape()) for n in file.keys()}  # noqa: SIM118


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    try:
        require_regular(path)
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise ReaderError(f"{path} is no readable safetensors file: {why(error)[:150]}") from error


def _pickled_weights(path: Path, trust_pickle: bool) -> Path:
    """Return the one pickled weights file of a directory without safetensors, if pickles are trusted."""
    found = sorted(p for p in path.iterdir() if p.suffix in PICKLE_SUFFIXES)
    if not found:
        raise ReaderError(f"{path} is no sae-lens SAE: it has no {WEIGHTS_NAME}")
    names = ", ".join(p.name for p in found)
    if not trust_pickle:
        raise ReaderError(
            f"{path} has no {WEIGHTS_NAME}, only pickled weights ({names}), which can run code; convert them "
            "to safetensors, or pass --trust-pickle if you trust their author"
        )
    if len(found) > 1:
        raise ReaderError(f"{path} has several pickled files ({names}) and no {WEIGHTS_NAME}; keep one")
    return found[0]


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a pickled state dict, bare or under ``state_dict``, in float32.

    Raises
    ------
    ReaderError
        If torch's restricted unpickler refuses it, or it is no such dict.
    """
    try:
        require_regular(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ReaderError(f"cannot unpickle {path}: {_one_line(error)}") from error
    data = data.get("state_dict", data) if isinstance(data, dict) else data
    if not isinstance(data, dict):
        raise ReaderError(f"{path} holds {type(data).__name__}, expected a dict of tensors")
    return {str(n): as_float32(t) for n, t in data.items() if isinstance(t, Tensor)}


def _require_known(release: str, sae_id: str) -> None:
    """Raise unless sae-lens's directory has the SAE (or the release is a hub repository of its own)."""
    directory = pretrained_directory()
    if release not in directory:
        if "/" in release:
            return
        raise ReaderError(f"sae-lens has no release {release!r}{_closest(release, directory)}")
    if directory[release].get("conversion_func") == "temporal":
        raise ReaderError(f"{release}: the architecture 'temporal' {REFUSED['temporal']}")
    ids = [str(sae["id"]) for sae in directory[release]["saes"]]
    if sae_id not in ids:
        raise ReaderError(f"release {release} of sae-lens has no SAE {sae_id!r}{_closest(sae_id, ids)}")


def _from_pretrained(release: str, sae_id: str) -> Any:
    """Return sae-lens's own object, with anticipated failures as one line."""
    from huggingface_hub import errors

    # hub < 1.0 raises requests' errors, which are OSErrors; later ones may let their HTTP library's through
    http_error = getattr(errors, "HTTPError", OSError)
    name = f"{release}/{sae_id}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about loading its language model, which saetext does itself
        from sae_lens import SAE

        try:
            return SAE.from_pretrained(release, sae_id, device="cpu", dtype="float32")
        except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
            raise ReaderError(
                f"the hub denies access to {name}: its repository is gated or does not exist; "
                "accept its licence there and log in with `hf auth login`"
            ) from error
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError) as error:
            raise ReaderError(
                f"{name} is not in the local Hugging Face cache and the hub cannot be reached; "
                "load it once while online, or name a directory with an SAE"
            ) from error
        except (errors.EntryNotFoundError, http_error, OSError, ValueError, KeyError, RuntimeError) as error:
            raise ReaderError(f"sae-lens cannot load {name}: {_one_line(error)}") from error


def _closest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    return f"; closest: {', '.join(close)}" if close else "; `saetext readers` lists what there is"


def as_float32(tensor: Tensor) -> Tensor:
    """Return a tensor on the CPU in float32."""
    return tensor.to(device="cpu", dtype=torch.float32)


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]
