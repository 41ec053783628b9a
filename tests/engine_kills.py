"""A reader, and an embedder, that kill their worker on a certain text, as real ones may by their memory.

A helper for tests, not a test. Nothing of it is imported by the driver's process but its name.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saetext.analysis.search.embedding import EmbedJob, EmbedWorker
from saetext.reader import sentences

DEADLY = "deadly nightshade"
WRONG = "wrong in a worker"


def deadly(opened: Callable[[], Any]) -> Any:
    """Load a reader that ends its process with SIGKILL where it meets the words."""
    reader = opened()
    real = reader.tokens.prepare

    def prepare(documents: Any, role: str) -> Any:
        texts = [document.text or "" for document in documents]
        if any(DEADLY in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(WRONG in text for text in texts):
            raise ZeroDivisionError(WRONG)
        return real(documents, role)

    reader.tokens.prepare = prepare
    return reader


class Letters:
    """Embeds texts by their letters, without a model; kills its process where it is told to."""

    def __init__(self, deadly: str | None = None, once: Path | None = None) -> None:
        self.deadly, self.once = deadly, once

    def embed(self, texts: Sequence[str], on_done: Any = None) -> Any:
        """Return float32[n, 384]; whoever waits is told of them all at once."""
        if on_done is not None:
            on_done(len(texts))
        if self.deadly and any(self.deadly in text for text in texts):
            if self.once is None:
                os.kill(os.getpid(), signal.SIGKILL)
            elif not self.once.exists():
                self.once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        found = np.zeros((len(texts), 384), np.float32)
        for i, text in enumerate(texts):
            found[i, :256] = np.bincount(np.frombuffer(text.encode()[:4000], np.uint8), minlength=256)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class LettersJob(EmbedJob):
    """An :class:`EmbedJob` whose workers embed with :class:`Letters`."""

    deadly: str | None = None
    once: Path | None = None

    def worker(self) -> EmbedWorker:
        """Load it in place of the sentence model."""
        sentences.Embedder.load = lambda *_: Letters(self.deadly, self.once)  # type: ignore[assignment, method-assign, return-value]
        return super().worker()
