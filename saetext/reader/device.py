"""Where a model runs and in which precision, from what the user wrote. Not for: moving anything there."""

from __future__ import annotations

import os
import platform

import saetext.reader.stack  # noqa: F401 - says what is missing

import torch

from saetext.errors import ReaderError
from saetext.io.opener import LARGE, read_text

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(device: str) -> torch.device:
    """Return the device called ``device``; ``auto`` takes cuda, else mps, else cpu.

    Raises
    ------
    ReaderError
        If there is no such device here.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ReaderError(f"unknown device {device!r}: expected auto, cpu, cuda, cuda:N or mps") from error
    count = torch.cuda.device_count() if chosen.type == "cuda" else 1
    if not available.get(chosen.type, False) or (chosen.index or 0) >= count:
        there = ", ".join(name for name, is_there in available.items() if is_there)
        raise ReaderError(f"device {device!r} is not available here; there is: {there}")
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the dtype called ``dtype``; ``auto`` is bfloat16 where ``device`` is fast at it, else float32.

    The environment variable ``SAETEXT_DTYPE`` says what ``auto`` is, so that machines of different kinds read
    alike.

    Raises
    ------
    ReaderError
        If the name is not known.
    """
    if dtype == "auto" and (dtype := os.environ.get("SAETEXT_DTYPE") or "auto") == "auto":
        return torch.bfloat16 if _fast_at_bfloat16(device) else torch.float32
    if dtype not in _DTYPES:
        raise ReaderError(f"unknown dtype {dtype!r}: expected auto, {', '.join(_DTYPES)}")
    return _DTYPES[dtype]


def _fast_at_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or platform.system() != "Linux":
        return False
    try:
        flags = read_text("/proc/cpuinfo", LARGE).split()
    except (OSError, ValueError):
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
