"""From a user's own texts to an SAE: activations, training, measurement, thresholds, a sae-lens directory.

Every stage is resumable. Unfinished work is in ``OUTPUT.training`` next to the output.
Not for: the training step itself (:mod:`saetext.training.batch_topk`), or labels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saetext.corpus.notices import FEW_TOKENS, warn
from saetext.documents import Document
from saetext.errors import InputError, ReaderError
from saetext.io.files import atomic_file, write_atomic
from saetext.io.json_file import load, plain
from saetext.io.opener import open_regular
from saetext.io.progress import OnProgress, Progress
from saetext.io.request import verb_of_two
from saetext.io.shape import Table
from saetext.reader import embedded
from saetext.reader.language_model import LanguageModel
from saetext.reader.reader import Reader
from saetext.reader.thresholds.estimation import calibrate
from saetext.reader.tokenization import Tokens
from saetext.training.activations import collect_activations
from saetext.training.batch_topk import (
    Quality,
    TrainedSae,
    config_dict,
    evaluate,
    save_sae,
    train_sae,
)
from saetext.training.request import TrainRequest

_SHARE_HELD_OUT = 50  # one document in so many measures the result


@dataclass(frozen=True)
class Trained:
    """What training left behind.

    Attributes
    ----------
    path : Path
        Directory that sae-lens and :meth:`Reader.load_local` load, with ``card.arrow`` and ``card.json``.
    quality : Quality
        Measured on documents that were not trained on, with the weights as stored.
    seconds : float
        Spent on training steps in this run.
    """

    path: Path
    quality: Quality
    seconds: float


@verb_of_two(TrainRequest)
def train(documents: Iterable[Document], output: str | Path, request: TrainRequest) -> Trained:
    """Train an SAE on the activations of a Hugging Face encoder or decoder on ``documents``.

    Parameters
    ----------
    documents : iterable of Document
        All are held in memory; they are shuffled with the configuration's seed.
    output : path
        Directory to make; must not hold an SAE yet.

    Raises
    ------
    InputError
        If the texts are too few, the disk is too small, or the output exists.
    ReaderError
        If the model or hook cannot be used.
    SaetextError
        If an unfinished run in ``OUTPUT.training`` had other settings.

    Examples
    --------
    A toy; a useful SAE takes millions of tokens.

    >>> import saetext
    >>> trained = saetext.train(
    ...     saetext.open_documents("examples/gentle.jsonl"),
    ...     "toy.sae",
    ...     d_sae=64, k=4, batch=256, steps=30,
    ...     max_tokens=8000, valid_tokens=1000, calibration_tokens=2000,
    ... )
    >>> trained.quality.fvu < 1
    True
    """
    output = Path(output)
    if (output / "cfg.json").exists():
        raise InputError(f"{output} already holds an SAE; choose another directory")
    config = request.config()
    language_model, hook = _model(request)
    width = language_model.widths[hook]
    metadata = {
        "prepend_bos": True,
        "context_size": request.window,
        "dataset_path": request.reference or "own texts",
    }
    tokens = Tokens(
        language_model.tokenizer,
        max_positions=language_model.max_positions,
        context_size=request.window,
        bidirectional=language_model.bidirectional,
    )
    texts, valid = _split(documents, request.held_out, config.seed)
    work = output.with_name(f"{output.name}.training")
    settings = {
        "model": language_model.revision,
        "hook": hook,
        "window": request.window,
        "role": request.role,
        "max_tokens": request.max_tokens,
        "valid_tokens": request.valid_tokens,
        "documents": _digest(texts),
        "held_out": _digest(valid),
        **config_dict(config),
    }
    _begin(work, settings, width, request.max_tokens + request.valid_tokens)

    def collect(stage: str, some: Sequence[Document], limit: int) -> np.ndarray:
        # about four characters a token, where the texts are fewer than the limit
        characters = sum(len(d.text or "") + sum(len(m.content) for m in d.messages or ()) for d in some)
        meter = _Bar(stage, min(limit, characters // 4), request.on_progress)
        return collect_activations(
            language_model, tokens, hook, some, work / f"{stage.split()[-1]}.f16",
            max_tokens=limit, role=request.role, on_tokens=meter.add,
        )  # fmt: skip

    held = collect("reading held-out", valid, request.valid_tokens)
    x = collect("reading texts", texts, request.max_tokens)
    bar = _Bar("training", config.steps, request.on_progress)
    started = time.perf_counter()
    sae = train_sae(x, config, bar.step, checkpoint=work / "checkpoint.pt")
    seconds = time.perf_counter() - started
    quality = evaluate(_stored(sae, request.weights), held)

    unfinished = work / "sae"
    shutil.rmtree(unfinished, ignore_errors=True)
    save_sae(sae, unfinished, hook=hook, model=language_model.name, metadata=metadata, dtype=request.weights)
    reader = calibrate(
        _reader_of(unfinished, request),
        texts,
        percentile=request.percentile,
        max_tokens=request.calibration_tokens,
        role=request.role,
        reference=request.reference,
        on_progress=_called(
            "computing thresholds", min(request.calibration_tokens, len(x)), request.on_progress
        ),
        quiet=True,  # that the figures rest on few tokens is told below
    )
    [calibration] = reader.calibrations.values()
    calibration.write(unfinished / "card.arrow")
    about = {
        "model": language_model.name,
        "model_revision": language_model.revision,
        "hook": hook,
        "texts": {
            "name": request.reference,
            "train_tokens": len(x),
            "valid_tokens": len(held),
            "window": request.window,
        },
        "training": {**config_dict(config), "seconds": round(seconds)},
        "valid": dataclasses.asdict(quality),
        "floors": {"percentile": request.percentile, **calibration.about},
    }
    write_atomic(unfinished / "card.json", (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())
    output.mkdir(parents=True, exist_ok=True)
    # cfg.json last: a directory without it is not an SAE
    for name in sorted((p.name for p in unfinished.iterdir()), key=lambda n: n == "cfg.json"):
        with open_regular(unfinished / name) as made, atomic_file(output / name) as file:
            shutil.copyfileobj(made, file)  # a move, if the output may be on another disk
    shutil.rmtree(work)
    if quality.tokens < FEW_TOKENS:
        warn(
            f"the measurements of {output} are from few tokens ({quality.tokens:,} held out): more text "
            "improves them and the SAE"
        )
    return Trained(output, quality, seconds)


def _model(request: TrainRequest) -> tuple[LanguageModel, str]:
    name = embedded.find_model() if request.model is None else request.model
    layer = request.layer
    if request.hook is None and layer is None:
        layer = _two_thirds(name)
    hook = request.hook or f"blocks.{layer}.hook_resid_pre"
    loaded = LanguageModel.load(
        name, [hook], device=request.device, dtype=request.dtype, trust_pickle=request.trust_pickle
    )
    return loaded, hook


def _reader_of(sae: Path, request: TrainRequest) -> Reader:
    model = request.model
    place = str(Path(model).resolve()) if model is not None and Path(model).is_dir() else model
    return Reader.load_local(
        sae,
        place or embedded.find_model(),
        device=request.device,
        dtype=request.dtype,
        trust_pickle=request.trust_pickle,
    )


def _two_thirds(name: str | Path) -> int:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ReaderError(f"cannot load the configuration of {name}: {reason}") from error
    layers = getattr(config.get_text_config(), "num_hidden_layers", None)
    if not layers:
        raise ReaderError(f"{name} does not say how many layers it has: choose one with --layer")
    return max(1, round(layers * 2 / 3))


def _split(
    documents: Iterable[Document], held_out: Sequence[Document] | None, seed: int
) -> tuple[list[Document], list[Document]]:
    everything = list(documents)
    shuffled = [everything[i] for i in np.random.default_rng(seed).permutation(len(everything))]
    if held_out is not None:
        measured = {_hash(d) for d in held_out}
        texts = [d for d in shuffled if _hash(d) not in measured]
        if not texts:
            raise InputError("every document is also in held_out: nothing is left to train on")
        return texts, list(held_out)
    valid = [d for d in shuffled if int(_hash(d)[:8], 16) % _SHARE_HELD_OUT == 0]
    if not valid and len(shuffled) > 1:
        valid = shuffled[: max(1, len(shuffled) // _SHARE_HELD_OUT)]
    measured = {_hash(d) for d in valid}  # the same text twice must not be on both sides
    texts = [d for d in shuffled if _hash(d) not in measured]
    if not texts or not valid:
        raise InputError(f"{len(everything)} documents are too few to train an SAE on")
    return texts, valid


def _hash(document: Document) -> str:
    content = repr((document.text, document.messages)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _digest(documents: Sequence[Document]) -> str:
    return hashlib.sha256("".join(map(_hash, documents)).encode()).hexdigest()


def _begin(work: Path, settings: Mapping[str, Any], width: int, tokens: int) -> None:
    """Make the working directory, or check that the unfinished run in it had the same settings."""
    wanted = plain(settings)
    plan = work / "plan.json"
    if plan.exists():
        try:
            before = load(plan, Table())
            different = [key for key, value in wanted.items() if before.get(key) != value]
        except (OSError, ValueError):
            different = ["plan.json, which is damaged"]
        if different:
            raise InputError(
                f"{work} holds an unfinished run that differs in {', '.join(different)}: "
                "give the same settings to resume it, or remove it to start again"
            )
        return
    work.mkdir(parents=True, exist_ok=True)
    needed, free = tokens * width * 2, shutil.disk_usage(work).free
    if needed > free:
        work.rmdir()
        raise InputError(
            f"activations of {tokens:,} tokens take {needed / 1e9:.1f} GB next to the output, where "
            f"{free / 1e9:.1f} GB are free: choose fewer with --tokens, or another directory"
        )
    write_atomic(plan, json.dumps(wanted, indent=2).encode())


def _stored(sae: TrainedSae, weights: str) -> TrainedSae:
    """Return the SAE as it reads from a file with such weights."""
    import torch

    kind = getattr(torch, weights)
    return TrainedSae(
        **{f.name: getattr(sae, f.name).to(kind).float() for f in dataclasses.fields(TrainedSae)}
    )


def _called(stage: str, tokens: int, on_progress: OnProgress | None) -> OnProgress | None:
    """Return a callback that hears of a stage by this name, which ends after so many tokens."""
    if on_progress is None:
        return None
    tell = on_progress
    return lambda p: tell(
        dataclasses.replace(p, stage=stage, share=min(1.0, p.tokens / max(1, tokens)), left=None)
    )


class _Bar:
    """Turns counts into :class:`Progress`."""

    def __init__(self, stage: str, total: int, on_progress: OnProgress | None) -> None:
        self.stage, self.total, self.on_progress = stage, total, on_progress
        self.started = time.perf_counter()
        self.done = self.before = 0

    def add(self, tokens: int) -> None:
        """Count tokens."""
        self.done += tokens
        self._tell(tokens=self.done)

    def step(self, step: int, steps: int, figures: Mapping[str, float]) -> None:
        """Show a training step."""
        if not self.done:
            self.before = max(0, step - 10)  # where an earlier run stopped
        self.done = step
        text = (
            f"step {step:,}, FVU {figures['fvu']:.3f}, L0 {figures['l0']:.1f}, "
            f"dead {figures['dead']:.1%}, densest {figures['densest']:.0%}"
        )
        self._tell(figures=text)

    def _tell(self, tokens: int = 0, figures: str = "") -> None:
        if self.on_progress is None:
            return
        seconds = time.perf_counter() - self.started
        share = min(1.0, self.done / max(1, self.total))
        gained = (self.done - self.before) / max(1, self.total)
        left = seconds * (1 - share) / gained if gained > 0 and seconds >= 3 else None
        self.on_progress(
            Progress(self.stage, tokens=tokens, share=share, seconds=seconds, left=left, figures=figures)
        )
