"""A tiny model that writes a word because its system prompt says so, and an SAE whose features are known.

The only layer attends to everything alike: what the system prompt holds of one word is carried along one
direction to every token, and the head reads that direction as another word. Of the SAE's features one reads
and writes that direction; one reads it and writes where the head does not look; one is off; one reads it, and
without it the text is one token again and again. A helper for tests, not a test.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planted import WORD
from safetensors.torch import load_file, save_file
from tiny_models import make_tokenizer, save_model
from tiny_reader import make_sae, tiny

from saetext.analysis.differences import DiffResult, diff
from saetext.encoding.encoder import encode
from saetext.intervene.causes.asked import halves_of
from saetext.intervene.causes.compared import compared_of
from saetext.intervene.causes.judging import Evidence, Measured, figures, judged
from saetext.intervene.causes.request import WhyRequest
from saetext.intervene.causes.sides import sides_of
from saetext.intervene.causes.study import Study
from saetext.intervene.causes.trial import Desk, Tested, Texts, evidence_of, means_of
from saetext.intervene.effects import repetition
from saetext.intervene.generator import Generator, load_generator

HOOK = "blocks.0.hook_resid_post"
WRITES, READS, OFF, BREAKS, D_SAE = 5, 6, 7, 8, 512
VERDICTS = {
    WRITES: "drives it", READS: "only reads it", OFF: "not shown", BREAKS: "breaks the text",
}  # fmt: skip
_SIGNAL, _JUNK = "answer", "was"
SYSTEM_A, SYSTEM_B = "so" + f" {_SIGNAL}" * 16, "so" + " the" * 16
# the user's words are the last: the template's own tokens are never edited, and would write the first one
_TEMPLATE = "{% for m in messages %}<bos>{{ m['role'] }}\n{{ m['content'] }}{% endfor %}"
_GAIN = 1.5  # of the direction, where a third of what is read is the signal
_WORDS = ("and", "then", "in", "she", "he", "there", "are", "to", "them", "sun", "short", "long")
PROMPTS = [f"the {a} {b}" for a in _WORDS for b in ("quick", "lazy")]


@functools.cache
def planted_cause() -> tuple[Path, Path]:
    """Make the directories of the model and the SAE, once per process."""
    root = Path(tempfile.mkdtemp(prefix="saetext causes "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    model = save_model(
        "llama",
        root / "model",
        chat_template=_TEMPLATE,
        max_position_embeddings=600,
        tie_word_embeddings=False,
        num_hidden_layers=1,
    )
    weights = load_file(model / "model.safetensors")
    tokenizer = make_tokenizer("llama").backend_tokenizer

    def token(word: str) -> int:
        [found] = tokenizer.encode(f" {word}", add_special_tokens=False).ids
        return int(found)

    read = weights["lm_head.weight"] * weights["model.norm.weight"]
    word = read[token(WORD)] / read[token(WORD)].norm()
    junk = read[token(_JUNK)] - (read[token(_JUNK)] @ word) * word
    junk = junk / junk.norm()
    unseen = torch.linalg.svd(read)[2][-1]
    unseen = unseen - (unseen @ word) * word
    signal = torch.linalg.svd(torch.stack([word, junk, unseen]))[2][-1]
    _carry(weights, word, signal, token(_SIGNAL))
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    sae = make_sae(root / "sae", hook=HOOK, seed=3, d_sae=D_SAE)
    tensors = load_file(sae / "sae_weights.safetensors")
    tensors["W_dec"] /= 4.0
    for feature in (WRITES, READS, OFF, BREAKS):
        tensors["W_enc"][:, feature] = word
        tensors["b_enc"][feature] = -0.2
        tensors["W_dec"][feature] = word
    tensors["W_dec"][READS] = 0.1 * unseen / unseen.norm()
    tensors["W_dec"][BREAKS] = -12.0 * junk
    tensors["b_enc"][OFF] = -1e6
    tensors["b_dec"][:] = 0.0
    save_file(tensors, sae / "sae_weights.safetensors")
    return model, sae


def _carry(weights: dict[str, torch.Tensor], word: torch.Tensor, signal: torch.Tensor, token: int) -> None:
    """Let a model carry the direction of one token to that of the word, over all tokens it reads."""
    embedding = weights["model.embed_tokens.weight"]
    for direction in (word, signal):
        embedding -= (embedding @ direction)[:, None] * direction
    embedding[token] = signal * embedding.norm(dim=1).mean()
    layer = "model.layers.0"
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        weights[f"{layer}.self_attn.{name}.weight"].zero_()
    weights[f"{layer}.self_attn.v_proj.weight"][0] = signal / weights[f"{layer}.input_layernorm.weight"]
    weights[f"{layer}.self_attn.o_proj.weight"][:, 0] = _GAIN * word
    weights[f"{layer}.mlp.down_proj.weight"].zero_()


@functools.cache
def generator() -> Generator:
    """Load both."""
    model, sae = planted_cause()
    return load_generator(model, str(sae), device="cpu", dtype="float32")


@functools.cache
def corpora(system: bool = False) -> tuple[Any, Any]:
    """Return texts of both sides as another, tiny reader read them: those of A have the word.

    With ``system`` a column says what the model was told.
    """
    root = Path(tempfile.mkdtemp(prefix="saetext compared "))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    found = []
    for name, told in (("a", SYSTEM_A), ("b", SYSTEM_B)):
        rows = [
            {"id": f"{name}{at}", "prompt": prompt, "text": _between(prompt, WORD if name == "a" else at)}
            | ({"system": told} if system else {})
            for at, prompt in enumerate(PROMPTS)
        ]
        found.append(encode(rows, root / f"{name}.corpus", reader=tiny().reader()))
    return found[0], found[1]


def _between(prompt: str, word: str | int) -> str:
    """Return the words of a prompt with one between them: the planted one, or one that no other text has."""
    first, second = prompt.split()[1:]
    return f"{first} {word if isinstance(word, str) else chr(97 + word) * 3} {second}"


@functools.cache
def compared(system: bool = False) -> DiffResult:
    """Return a diff that found the word."""
    made: DiffResult = diff(*corpora(system), names=("A", "B"), pair_on="prompt", top=0)
    return made


def study(**options: Any) -> Study:
    """Return a study of the word alone, as :func:`saetext.why` makes it."""
    defaults: dict[str, Any] = {
        "system_a": SYSTEM_A, "system_b": SYSTEM_B, "samples": 1, "max_new_tokens": 5, "batch": 64,
        "findings": 1,
    }  # fmt: skip
    request = WhyRequest(**{**defaults, **options})
    found = compared_of(compared())
    [word] = [one for one in found.findings if one.term == WORD]
    found = dataclasses.replace(found, findings=(word,))
    sides = sides_of(request, found.names, generator())
    assert sides is not None
    halves = halves_of(PROMPTS, request.most_prompts, request.seed)
    return Study(generator(), request, found, sides, halves, corpora())


def verdicts_by_sample(made: Study, features: Sequence[int], controls: int) -> dict[int, list[str | None]]:
    """Return what is said of each sample's texts alone, each feature with as many matched ones as asked.

    Samples have noise of their own, as runs of other seeds have. All features are judged together.
    """
    tested = [made._tested(0, feature) for feature in features]
    rows: dict[int, list[dict[str, Any]]] = {}
    for one in tested:
        if not one.unit:
            off = {"feature": one.feature, "tested": False, "independent": True}
            for sample in range(made.request.samples):
                rows.setdefault(sample, []).append(off)
            continue
        active = (made._testing[one.more.key][:, one.feature], made._testing[one.less.key][:, one.feature])
        evidence_of(made.test, one, made.request.amounts, active)
        pairs = _matched(made, one, features, controls)
        for sample in range(made.request.samples):
            evidence = _of_sample(made, one, active, pairs, sample)
            row = figures(evidence, made.request.nll_within)
            rows.setdefault(sample, []).append(
                {**row, "feature": one.feature, "tested": True, "independent": True}
            )
    found: dict[int, list[str | None]] = {feature: [] for feature in features}
    for own in rows.values():
        for row in judged(own):
            found[row["feature"]].append(row["verdict"])
    return found


def _matched(made: Study, one: Tested, barred: Sequence[int], controls: int) -> list[tuple[Texts, Texts]]:
    others = made._matcher.matched(one, controls, made.request.seed, list(barred)) if controls else []
    dose = made.request.amounts[one.at]
    return [
        (
            made.test.ablated(one.more, other, "matched"),
            made.test.steered(one.less, other, dose, made._matcher.unit(one, other), "matched"),
        )
        for other in others
    ]


def _of_sample(
    made: Study, one: Tested, active: Any, pairs: Sequence[tuple[Texts, Texts]], sample: int
) -> Evidence:
    desk, doses = made.test, made.request.amounts
    high, low = desk.texts(one.more), desk.texts(one.less)
    ablated = desk.ablated(one.more, one.feature)
    steered = [desk.steered(one.less, one.feature, dose, one.unit) for dose in doses]

    def measured(what: str) -> Measured:
        first, second, third, *rest = (
            _values(desk, texts, what, sample) for texts in (high, low, ablated, *steered)
        )
        return Measured(first, second, third, np.stack(rest, axis=1))

    gauge = measured("gauge")
    effects = tuple(
        (
            float((gauge.high - _values(desk, out, "gauge", sample)).mean()),
            float((_values(desk, up, "gauge", sample) - gauge.low).mean()),
        )
        for out, up in pairs
    )
    return Evidence(
        gauge, measured("nll"), measured("repetition"), (), doses, one.at, *active, effects, len(effects)
    )


def _values(desk: Desk, texts: Texts, what: str, sample: int) -> np.ndarray:
    own = [at for at, text in enumerate(texts.written) if text.sample == sample]
    number = np.array([texts.written[at].prompt for at in own])
    if what == "gauge":
        values = [float(WORD in texts.written[at].text.split()) for at in own]
    elif what == "nll":
        values = [float(texts.each_nll[at]) for at in own]
    else:
        values = [repetition(texts.written[at].ids.tolist()) or 0.0 for at in own]
    return means_of(number, np.array(values), desk.n)
