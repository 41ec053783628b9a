"""Keeping transformers and huggingface_hub from writing to the terminal. Not for: our own warnings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import saetext.reader.stack  # noqa: F401 - says what is missing

import huggingface_hub
import transformers


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers and huggingface_hub from writing to the terminal; their settings are put back."""
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = transformers.utils.logging.is_progress_bar_enabled()
    hub_bars = not huggingface_hub.utils.are_progress_bars_disabled()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            transformers.utils.logging.disable_progress_bar()
            huggingface_hub.utils.disable_progress_bars()
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers.utils.logging.enable_progress_bar()
        if hub_bars:
            huggingface_hub.utils.enable_progress_bars()
