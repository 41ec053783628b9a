"""What one would write with transformer-lens and sae-lens, and how much arithmetic that is.

Used by encode.py. Importing this is quick; making a :class:`ByHand` takes as long as sae-lens does to import.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


class ByHand:
    """(c): transformer-lens's ``run_with_cache``, sae-lens's ``encode``, one scipy matrix a document.

    Presence above zero, no thresholds, nothing stored: that is less than saetext does.
    """

    def __init__(self, model: Path, sae: Path, size: common.Size) -> None:
        import sae_lens
        import torch
        import transformers
        from transformer_lens import HookedTransformer
        from transformer_lens.config import HookedTransformerConfig
        from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

        full = transformers.GPT2LMHeadModel.from_pretrained(model, trust_remote_code=False).eval()
        config = HookedTransformerConfig(
            n_layers=size.layers,
            d_model=size.width,
            n_heads=size.heads,
            d_head=size.width // size.heads,
            d_mlp=4 * size.width,
            n_ctx=size.positions,
            d_vocab=size.vocabulary,
            act_fn="gelu_new",
            normalization_type="LN",
            eps=full.config.layer_norm_epsilon,
            device="cpu",
            dtype=torch.float32,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, trust_remote_code=False)
            self.lens = HookedTransformer(config, tokenizer=tokenizer)
            # as from_pretrained_no_processing, sae-lens's way: the residual stream stays what it was
            unprocessed = dict.fromkeys(
                ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"), False
            )
            self.lens.load_and_process_state_dict(convert_gpt2_weights(full, config), **unprocessed)
            self.sae = sae_lens.SAE.load_from_disk(sae, device="cpu")
        self.hook, self.layer = size.hook, size.layer
        self.pad = tokenizer.pad_token_id

    def __call__(self, texts: Sequence[str], batch_size: int, *, stop: bool = True) -> list[Any]:
        import torch
        from scipy.sparse import csr_matrix

        rows: list[Any] = []
        with torch.inference_mode():
            for start in range(0, len(texts), batch_size):
                tokens = self.lens.to_tokens(list(texts[start : start + batch_size]))
                if stop:
                    # what it returns when stopped there is the residual stream at the hook
                    states: Any
                    states, _ = self.lens.run_with_cache(tokens, names_filter=[], stop_at_layer=self.layer)
                else:
                    _, cache = self.lens.run_with_cache(tokens, names_filter=self.hook)
                    states = cache[self.hook]
                activations = self.sae.encode(states)
                activations[tokens == self.pad] = 0  # padding, and BOS, which is the same token
                pooled = activations.amax(dim=1).numpy()
                rows += [csr_matrix(row) for row in pooled]
        return rows

    def padded(self, texts: Sequence[str], batch_size: int) -> tuple[int, int]:
        """Return tokens with padding, and their number times the length of their batch."""
        total = attended = 0
        for start in range(0, len(texts), batch_size):
            shape = self.lens.to_tokens(list(texts[start : start + batch_size])).shape
            total += shape.numel()
            attended += shape.numel() * shape[1]
        return total, attended


def fastest_by_hand(
    hand: ByHand, texts: Sequence[str], batch_sizes: Sequence[int]
) -> dict[tuple[int, bool], float]:
    """Return the seconds that (c) takes for each batch size, texts in file order or sorted by length."""
    hand(texts[:1], 1)
    seconds: dict[tuple[int, bool], float] = {}
    for n in batch_sizes:
        orders = {by_length: sorted(texts, key=len) if by_length else texts for by_length in (False, True)}
        for by_length, ordered in orders.items() if n > 1 else [(False, texts)]:
            times = []
            for _ in range(2):
                started = time.perf_counter()
                hand(ordered, n)
                times.append(time.perf_counter() - started)
            seconds[n, by_length] = round(min(times), 3)
        if min(seconds.get((n, order), 1e9) for order in orders) > 1.25 * min(seconds.values()):
            break  # larger ones only get worse
    return seconds


def multiply_adds(
    size: common.Size, layers: int, padded: int, attended: int, sae_tokens: int, unembedded: int = 0
) -> float:
    """Multiply-adds of the matrix products: 12 d^2 a token and layer, and 2 d for each token attended to."""
    model = layers * (12 * size.width**2 * padded + 2 * size.width * attended)
    return model + size.width * size.features * sae_tokens + size.width * size.vocabulary * unembedded


def require_same(by_hand: Sequence[Any], corpus_path: Path, reader: Reader) -> dict[str, Any]:
    """Check that both ways found the same: every present value of (b) is the maximum that (c) found."""
    import numpy as np

    from saetext.corpus import Corpus

    ours = Corpus.open(corpus_path).csr("max").tocoo()
    theirs = [row.toarray()[0] for row in by_hand]
    found = np.array([theirs[i][j] for i, j in zip(ours.row, ours.col, strict=True)])
    worst = float(np.abs(found - ours.data).max())
    # a threshold that is itself one of the texts' activations is exceeded or not as the last bit falls
    thresholds = np.maximum(next(iter(reader.calibrations.values())).thresholds, 1e-4)
    least, most = (sum(int((row > thresholds + slack).sum()) for row in theirs) for slack in (1e-4, -1e-4))
    if worst > 1e-4 or not least <= ours.nnz <= most:
        entries = f"{ours.nnz} entries, not {least} to {most}"
        raise SystemExit(f"(b) and (c) disagree: {worst:.2g} apart, {entries}")
    return {"entries": int(ours.nnz), "entries_by_hand": [least, most], "largest_difference": worst}
