"""Embedder: MiniLM's own sentence embedding, to find labels by meaning and to score them offline.

The embedded reader's language model, run to its end: mean over all tokens, length 1, as sentence-transformers
computes it. Not for: reading documents; features come from :mod:`saetext.reader`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.io.extras import READER_STACK, installed
from saetext.reader import embedded

if TYPE_CHECKING:
    from saetext.reader.language_model import LanguageModel

WIDTH = 384
MODEL_SHA256 = embedded.WEIGHTS_SHA256
MAX_TOKENS = 256  # with CLS and SEP; sentence-transformers cuts texts there for this model
_LAST_HOOK = "blocks.5.hook_normalized_resid_post"


def available() -> bool:
    """Return whether the model is on this machine, without loading torch or asking the network."""
    if not all(map(installed, READER_STACK)):
        return False
    place = embedded.find_model()
    if place != embedded.MODEL:
        return True
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(place, "model.safetensors"), str)


class Embedder:
    """Texts to vectors whose inner product is their similarity in meaning; made by :meth:`load`."""

    def __init__(self, model: LanguageModel, token_budget: int | None = None) -> None:
        self._model = model
        self._budget = token_budget or (65_536 if model.device.type == "cuda" else 4096)
        tokenizer = model.tokenizer
        self._first, self._last = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)

    @classmethod
    def load(cls, device: str = "auto") -> Embedder:
        """Load the model in float32, downloading it where it is neither installed nor in the hub's cache.

        Raises
        ------
        ReaderError
            If it cannot be had, or is not the published one.
        """
        from saetext.reader.language_model import LanguageModel

        model = LanguageModel.load(embedded.find_model(), [_LAST_HOOK], dtype="float32", device=device)
        embedded.check_weights(Path(model.path))
        return cls(model)

    def embed(
        self, texts: Sequence[str], on_done: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Return one vector of length 1 per text, in order.

        Parameters
        ----------
        texts : sequence of str
            Whatever exceeds 256 tokens is cut off.
        on_done : callable, optional
            Called with the number of texts embedded since the last call.

        Returns
        -------
        float32[n_texts, 384]
        """
        import torch

        found = np.empty((len(texts), WIDTH), np.float32)
        ids = self._ids(texts)
        for batch in self._batches([len(i) for i in ids]):
            longest = max(len(ids[i]) for i in batch)
            tokens = np.zeros((len(batch), longest), np.int64)
            mask = np.zeros((len(batch), longest), np.int64)
            for at, i in enumerate(batch):
                tokens[at, : len(ids[i])] = ids[i]
                mask[at, : len(ids[i])] = 1
            states = self._model.hidden(torch.from_numpy(tokens), torch.from_numpy(mask))[_LAST_HOOK]
            weight = torch.from_numpy(mask).to(states.device, states.dtype)[:, :, None]
            mean = (states * weight).sum(dim=1) / weight.sum(dim=1)
            found[batch] = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
            if on_done is not None:
                on_done(len(batch))
        return found

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """Return each word of a text with the number of pieces that the model knows it by: 1 if it is known.

        A word is a run of letters.
        """
        words = re.findall(r"[^\W\d_]+", text)
        encodings = self._model.tokenizer.backend_tokenizer.encode_batch(words, add_special_tokens=False)
        return [(word, len(encoding.ids)) for word, encoding in zip(words, encodings, strict=True)]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        valid = [text.encode("utf-8", "replace").decode() for text in texts]  # no lone surrogates
        encodings = self._model.tokenizer.backend_tokenizer.encode_batch(valid, add_special_tokens=False)
        return [[self._first, *encoding.ids[: MAX_TOKENS - 2], self._last] for encoding in encodings]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield indices of texts of like length, padding included within the budget, longest first."""
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        at = 0
        while at < len(order):
            size = max(1, self._budget // lengths[order[at]])
            yield order[at : at + size]
            at += size
