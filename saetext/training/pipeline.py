"""From a user's own texts to an SAE: activations, training, measurement, thresholds, a sae-lens directory.

Every stage is resumable. Unfinished work is in ``OUTPUT.training`` next to the output.
Not for: the training step itself (:mod:`saetext.training.batch_topk`), or labels.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch

from saetext.corpus.notices import FEW_TOKENS, warn
from saetext.documents import Document
from saetext.documents.texts import documents_in
from saetext.errors import ReaderError, SaetextError
from saetext.io.files import write_atomic, writing
from saetext.io.request import verb_of_two
from saetext.reader import embedded
from saetext.reader.configuration import read_config
from saetext.reader.language_model import LanguageModel
from saetext.reader.reader import Reader
from saetext.reader.thresholds.estimation import calibrate
from saetext.reader.tokenization import Tokens
from saetext.training.activations import collect_activations
from saetext.training.config import config_dict
from saetext.training.finishing import put_in_output
from saetext.training.jumprelu import TrainedSae
from saetext.training.norm_limit import RULE, NormLimit, kept_or_measured
from saetext.training.norm_limit import TOKENS as MEASURED
from saetext.training.optimisation import passes_over, train_sae
from saetext.training.quality import Quality, evaluate
from saetext.training.request import TrainRequest
from saetext.training.saving import save_sae
from saetext.training.splitting import digest, split
from saetext.training.telling import Bar, called
from saetext.training.threads import torch_threads
from saetext.training.work import PLAN, agree, locked, require_free, require_space, tidy


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
    tokens : int
        Trained on.
    passes : float
        How often each of them was seen.
    threads : int
        Of torch. The last bits of sums depend on it: another number gives an SAE that differs slightly.
    """

    path: Path
    quality: Quality
    seconds: float
    tokens: int
    passes: float
    threads: int


@verb_of_two(TrainRequest)
def train(documents: Any, output: str | Path, request: TrainRequest) -> Trained:
    """Train an SAE on the activations of a Hugging Face encoder or decoder on ``documents``.

    Parameters
    ----------
    documents : iterable of Document, or what :func:`saetext.open_documents` takes
        All are held in memory; they are shuffled with the configuration's seed.
    output : path
        Directory to make; must not hold an SAE yet.

    Raises
    ------
    InputError
        If the texts are too few, the disk is too small, the output exists, another process trains into it, or
        an unfinished run in ``OUTPUT.training`` had other settings.
    ReaderError
        If the model or hook cannot be used.
    SaetextError
        If something cannot be written, or the checkpoint is damaged.

    Warns
    -----
    SaetextWarning
        If the steps make many passes over the same tokens, if activations of an earlier run are damaged (they
        are made again), or if there are few tokens to measure on.

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
    require_free(output)  # before a model is loaded
    language_model, hook = _model(request)
    texts, valid = split(documents_in(documents), request.held_out, request.seed)
    settings: dict[str, Any] = {
        "model": language_model.revision,
        "hook": hook,
        "window": request.window,
        "role": request.role,
        "max_tokens": request.max_tokens,
        "valid_tokens": request.valid_tokens,
        "documents": digest(texts),
        "held_out": digest(valid),
        **config_dict(request.config()),
    }
    if not language_model.bidirectional:
        settings["attention_sinks"] = RULE
    with locked(output) as work:
        if not (work / PLAN).exists():
            tokens = request.max_tokens + request.valid_tokens
            require_space(work, tokens, language_model.widths[hook])
        threads = agree(work, settings, torch.get_num_threads())
        with torch_threads(threads):
            run = _Run(request, language_model, hook, texts, valid, work)
            trained = run(output)
        tidy(work)
    if trained.quality.tokens < FEW_TOKENS:
        warn(
            f"the measurements of {output} are from few tokens ({trained.quality.tokens:,} held out): more "
            "text improves them and the SAE"
        )
    return trained


@dataclass(frozen=True)
class _Run:
    """The stages of one training, in a working directory that is locked."""

    request: TrainRequest
    model: LanguageModel
    hook: str
    texts: Sequence[Document]
    valid: Sequence[Document]
    work: Path

    def __call__(self, output: Path) -> Trained:
        """Go through all stages, the finished ones from what they left, and put the SAE into ``output``."""
        request, config = self.request, self.request.config()
        norm = self._norm_limit()
        held, _ = self._collect("reading held-out", self.valid, request.valid_tokens, norm)
        x, left_out = self._collect("reading texts", self.texts, request.max_tokens, norm)
        bar = Bar("training", config.steps, request.on_progress)
        started = time.perf_counter()
        sae = train_sae(x, config, bar.step, checkpoint=self.work / "checkpoint.safetensors")
        seconds = time.perf_counter() - started
        quality = evaluate(_stored(sae, request.weights), held)
        made = self._save(sae, norm)
        floors = self._calibrate(made, len(x))
        passes = passes_over(len(x), config)
        about = {
            "model": _name(self.model, request),
            "model_revision": self.model.revision,
            "hook": self.hook,
            "texts": {
                "name": request.reference,
                "train_tokens": len(x),
                "valid_tokens": len(held),
                "window": request.window,
            },
            # no times: the same run ends with the same bytes, whether it was interrupted or not
            "training": {
                **config_dict(config),
                "passes": round(passes, 2),
                "threads": torch.get_num_threads(),
            },
            **_about_sinks(norm, len(x), left_out),
            "valid": dataclasses.asdict(quality),
            "floors": {"percentile": request.percentile, **floors},
        }
        card = (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode()
        with writing(made, SaetextError):
            write_atomic(made / "card.json", card)
        put_in_output(made, output)
        return Trained(output, quality, seconds, len(x), passes, torch.get_num_threads())

    def _norm_limit(self) -> NormLimit | None:
        """Return above which norm a token is an attention sink; None where tokens see both ways."""
        if self.model.bidirectional:
            return None
        meter = Bar("measuring norms", MEASURED, self.request.on_progress)
        return kept_or_measured(
            self.model, self._tokens(), self.hook, self.texts, self.work / "norms.json",
            role=self.request.role, on_tokens=meter.add,
        )  # fmt: skip

    def _tokens(self) -> Tokens:
        return Tokens(
            self.model.tokenizer,
            max_positions=self.model.max_positions,
            context_size=self.request.window,
            bidirectional=self.model.bidirectional,
        )

    def _collect(
        self, stage: str, some: Sequence[Document], limit: int, norm: NormLimit | None
    ) -> tuple[np.ndarray, int]:
        """Return the activations of documents, and how many tokens are left out of them as sinks."""
        # about four characters a token, where the texts are fewer than the limit
        characters = sum(len(d.text or "") + sum(len(m.content) for m in d.messages or ()) for d in some)
        meter = Bar(stage, min(limit, characters // 4), self.request.on_progress)
        left_out: list[int] = []
        rows = collect_activations(
            self.model, self._tokens(), self.hook, some, self.work / f"{stage.split()[-1]}.f16",
            max_tokens=limit, role=self.request.role, norm_limit=None if norm is None else norm.limit,
            on_tokens=meter.add, on_left_out=left_out.append,
        )  # fmt: skip
        return rows, sum(left_out)

    def _save(self, sae: TrainedSae, norm: NormLimit | None) -> Path:
        """Write the SAE where it is not yet in the user's way; return its directory."""
        made = self.work / "sae"
        metadata: dict[str, Any] = {
            "prepend_bos": True,
            "context_size": self.request.window,
            "dataset_path": self.request.reference or "own texts",
        }
        if norm is not None and norm.limit is not None:
            metadata["norm_limit"] = norm.limit
        with writing(made, SaetextError):
            shutil.rmtree(made, ignore_errors=True)
            save_sae(
                sae, made, hook=self.hook, model=_name(self.model, self.request), metadata=metadata,
                dtype=self.request.weights,
            )  # fmt: skip
        return made

    def _calibrate(self, made: Path, tokens: int) -> dict[str, Any]:
        """Set the thresholds of the SAE in ``made``; return what is to be told about them."""
        request = self.request
        stage, total = "computing thresholds", min(request.calibration_tokens, tokens)
        reader = calibrate(
            _reader_of(made, request),
            self.texts,
            percentile=request.percentile,
            max_tokens=request.calibration_tokens,
            role=request.role,
            reference=request.reference,
            on_progress=called(stage, total, request.on_progress),
            quiet=True,  # that the figures rest on few tokens is told elsewhere
        )
        [calibration] = reader.calibrations.values()
        with writing(made, SaetextError):
            calibration.write(made / "card.arrow")
        return dict(calibration.about)


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
    layers = getattr(read_config(name).get_text_config(), "num_hidden_layers", None)
    if not layers:
        raise ReaderError(f"{name} does not say how many layers it has: choose one with --layer")
    return max(1, round(layers * 2 / 3))


def _about_sinks(norm: NormLimit | None, trained: int, left_out: int) -> dict[str, Any]:
    """Return what the card tells of attention sinks; nothing where there is no rule."""
    if norm is None:
        return {}
    told = {
        "norm_limit": norm.limit,
        "median_norm": norm.median,
        "measured_tokens": norm.tokens,
        "left_out": left_out,
        "share": float(f"{left_out / (trained + left_out):.3g}"),
    }
    return {"attention_sinks": told}


def _name(model: LanguageModel, request: TrainRequest) -> str:
    """Return the name by which a reader finds the language model of the SAE again."""
    return embedded.MODEL if request.model is None else model.name


def _stored(sae: TrainedSae, weights: str) -> TrainedSae:
    """Return the SAE as it reads from a file with such weights."""
    kind = getattr(torch, weights)
    return TrainedSae(
        **{f.name: getattr(sae, f.name).to(kind).float() for f in dataclasses.fields(TrainedSae)}
    )
