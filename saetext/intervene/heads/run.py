"""attend: where each attention head of a model looks in a text, and what kind of head it is by its scores.

Not for: what features a decision comes from (:mod:`saetext.intervene.attribution`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.errors import InputError, refuse_unused
from saetext.intervene.generator import load_causal
from saetext.intervene.heads.measuring import Movers, by_names, by_repetition
from saetext.intervene.heads.probes import repeated, sentences
from saetext.intervene.heads.request import AttendRequest
from saetext.intervene.heads.result import AttendResult
from saetext.intervene.heads.tables import TABLE, TOKENS
from saetext.io.progress import Stages
from saetext.io.request import verb_of_two
from saetext.reader.attention import Heads
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import plain_prompt

_SURE = 0.75  # share of sentences that a model must get right for name-movers to mean anything


@verb_of_two(AttendRequest)
def attend(model: str | Path | CausalModel, text: str, request: AttendRequest) -> AttendResult:
    """Return the attention patterns of a text, and scores of every head on probes made for it.

    Parameters
    ----------
    model : str, path or CausalModel
        A model that writes: Hugging Face id, directory, name of an added one; or one that is loaded.
    text : str
        Plain text, read as it is.

    Returns
    -------
    AttendResult

    Raises
    ------
    InputError
        If the text is empty, there is no such layer, or the model is too small for probes.
    ReaderError
        If the model cannot be loaded, or reads only.

    Examples
    --------
    The text is looked at before a model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.attend("smollm2", " ")
    ... except saetext.SaetextError as error:
    ...     print(error)
    the text is empty: there is nothing to attend to
    """
    if not isinstance(text, str):
        raise InputError("the text is one string")
    if not text.strip():
        raise InputError("the text is empty: there is nothing to attend to")
    loaded = _loaded(model, request)
    layers = request.chosen(loaded.n_layers, loaded.name)
    heads = Heads(loaded)
    say = Stages(request.on_progress, "sequences")
    ids, whole = _cut(loaded, text, request.max_tokens)
    patterns = _patterns(heads, ids, layers)
    probes = repeated(loaded, request.probes, request.seed)
    found, level = by_repetition(heads, probes, layers, request.batch, request.seed, say)
    given = sentences(loaded, request.sentences, request.seed)
    movers = by_names(heads, given, layers, request.batch, say) if given else None
    metrics = {
        "layers": len(layers),
        "heads": heads.n_heads,
        "tokens": len(ids),
        "text_tokens": whole,
        "probes": request.probes,
        "period": probes.period,
        "sentences": len(given),
        "names_right": None if movers is None else movers.right,
        "names_margin": None if movers is None else movers.margin,
        "uniform": {**level, "name_attention": None if movers is None else movers.uniform},
    }
    return AttendResult(
        "attend",
        table=_table(layers, heads.n_heads, found, movers),
        params={
            **request.params(),
            "model": loaded.name,
            "model_revision": loaded.revision,
            "text": text,
        },
        metrics=metrics,
        notes=_notes(metrics, request),
        tokens=pl.DataFrame(
            {"position": range(len(ids)), "token": [loaded.tokenizer.decode([int(i)]) for i in ids]},
            schema=TOKENS,
        ),
        patterns=patterns,
    )


def _loaded(model: str | Path | CausalModel, request: AttendRequest) -> CausalModel:
    if isinstance(model, CausalModel):
        refuse_unused("the model is loaded already", **request.changed("device", "dtype"))
        return model
    dtype = "float32" if request.dtype == "auto" else request.dtype
    return load_causal(model, device=request.device, dtype=dtype)


def _cut(model: CausalModel, text: str, most: int) -> tuple[NDArray[np.int64], int]:
    """Return the text's first tokens, and how many it has."""
    ids = plain_prompt(model.tokenizer, text).ids
    return ids[: min(most, model.max_positions or most)], len(ids)


def _patterns(heads: Heads, ids: NDArray[np.int64], layers: Sequence[int]) -> NDArray[np.float32]:
    found: dict[int, Tensor] = {}

    def keep(layer: int, pattern: Tensor) -> None:
        found[layer] = pattern[0].float().cpu()

    given = torch.from_numpy(ids)[None]
    with heads.watched(keep, layers):
        heads.model.forward(given, torch.ones_like(given), hooks=(), keep=[0])
    return np.asarray(torch.stack([found[layer] for layer in layers]).numpy(), np.float32)


def _table(
    layers: Sequence[int], n_heads: int, found: dict[str, NDArray[np.float64]], movers: Movers | None
) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "layer": np.repeat(layers, n_heads),
        "head": np.tile(np.arange(n_heads), len(layers)),
        **{name: value.ravel() for name, value in found.items()},
    }
    if movers is not None:
        columns |= {
            "name_mover": movers.score.ravel(),
            "name_mover_null": movers.null.ravel(),
            "name_attention": movers.attention.ravel(),
            "name_effect": movers.effect.ravel(),
        }
    return pl.DataFrame({name: columns.get(name) for name in TABLE}, schema=TABLE, strict=False)


def _notes(metrics: dict[str, Any], request: AttendRequest) -> tuple[str, ...]:
    notes = []
    if metrics["tokens"] < metrics["text_tokens"]:
        notes.append(
            f"the text has {metrics['text_tokens']:,} tokens: the first {metrics['tokens']:,} are shown"
        )
    if request.sentences and not metrics["sentences"]:
        notes.append("no name-movers: too few first names are one token of this model")
    elif metrics["sentences"] and metrics["names_right"] < _SURE:
        notes.append(
            f"the model prefers the right name after {metrics['names_right']:.0%} of the sentences: where it "
            "does not do the task, name-mover scores say little"
        )
    return tuple(notes)
