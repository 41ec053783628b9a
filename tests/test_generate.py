"""The decode loop against transformers and against no cache; sampling, edits, ends, prompts."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from test_causal import CAUSAL, load, theirs
from tiny_models import make_tokenizer, save_model
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor, TopPLogitsWarper

from saetext.errors import InputError, ReaderError
from saetext.io.progress import Progress
from saetext.reader import kv_cache
from saetext.reader.causal import CausalModel
from saetext.reader.decoding import Generation
from saetext.reader.edits import Edit
from saetext.reader.prompts import Prompt
from saetext.reader.sampling import Noise, drawn, nucleus, penalised

LENGTHS = (9, 17, 1, 9, 12, 30)
HOOK = "blocks.1.hook_resid_post"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family))


@pytest.fixture(scope="module")
def llama(saved: Callable[[str], Path]) -> CausalModel:
    return load(saved("llama"))


def prompt(ids: list[int]) -> Prompt:
    return Prompt("", np.array(ids), np.zeros(len(ids), np.int32), ("text",))


def prompts(*lengths: int, seed: int = 0) -> list[Prompt]:
    draw = np.random.default_rng(seed)
    return [prompt(draw.integers(5, 190, n).tolist()) for n in lengths]


def ids_of(texts: list[Generation]) -> list[list[int]]:
    return [text.ids.tolist() for text in texts]


def uncached(
    model: CausalModel, given: Prompt, steps: int, edits: dict[str, Edit] | None = None
) -> list[int]:
    """The most probable tokens, every one by reading the whole text anew."""
    ids = given.ids.tolist()
    for _ in range(steps):
        now = torch.tensor([ids])
        ids.append(int(model.logits(now, torch.ones_like(now), edits=edits)[0, -1].argmax()))
        if ids[-1] in model.eos_ids:
            break
    return ids[len(given) :]


# --- against transformers and without a cache ---------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1.0, 1.4])
@pytest.mark.parametrize("family", CAUSAL)
@torch.no_grad()
def test_greedy_equals_transformers(family: str, penalty: float, saved: Callable[[str], Path]) -> None:
    """Mixed lengths in a batch smaller than their number; each text against transformers' alone."""
    model, full = load(saved(family)), theirs(family, saved(family))
    given = prompts(*LENGTHS)
    options = {"max_new_tokens": 25, "repetition_penalty": penalty}
    texts = model.generate(given, temperature=0, batch=4, **options)
    assert [text.prompt for text in texts] == list(range(len(given)))
    for one, text in zip(given, texts, strict=True):
        ids = torch.from_numpy(one.ids)[None]
        expected = full.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=0,
            eos_token_id=sorted(model.eos_ids), **options,
        )  # fmt: skip
        assert text.ids.tolist() == expected[0, len(one) :].tolist()
    assert len({tuple(t) for t in ids_of(texts)}) > 3


@pytest.mark.parametrize("family", CAUSAL)
def test_cached_equals_uncached_and_logprobs_are_those_of_the_model(
    family: str, saved: Callable[[str], Path]
) -> None:
    model = load(saved(family))
    given = prompts(20, 3)
    for one, text in zip(given, model.generate(given, temperature=0, max_new_tokens=20), strict=True):
        assert text.ids.tolist() == uncached(model, one, 20)
        whole = torch.tensor([[*one.ids.tolist(), *text.ids.tolist()]])
        logits = model.logits(whole, torch.ones_like(whole))[0, len(one) - 1 : -1]
        expected = logits.log_softmax(-1).gather(1, torch.from_numpy(text.ids)[:, None])[:, 0]
        np.testing.assert_allclose(text.logprobs, expected.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "mistral"])
def test_a_text_does_not_depend_on_its_batch(family: str, saved: Callable[[str], Path]) -> None:
    """Alone, in a batch, in a batch that rows leave and join, and with columns trimmed."""
    model = load(saved(family))
    given = prompts(*LENGTHS)
    options: dict[str, Any] = {"max_new_tokens": 30, "temperature": 1.5, "seed": 4, "stop": ["e", "o", "!"]}
    together = model.generate(given, samples=3, batch=64, **options)
    assert len({len(text.ids) for text in together}) > 3
    few = model.generate(given, samples=3, batch=4, **options)
    assert ids_of(few) == ids_of(together)
    turned = model.generate(given[::-1], samples=3, batch=5, **options)
    order = [(len(given) - 1 - text.prompt, text.sample) for text in turned]
    assert {place: text.ids.tolist() for place, text in zip(order, turned, strict=True)} == {
        (text.prompt, text.sample): text.ids.tolist() for text in together
    }
    alone = [text for one in given for text in model.generate([one], samples=3, batch=1, **options)]
    assert ids_of(alone) == ids_of(together)
    more = model.generate(given[:2], samples=5, **options)
    assert ids_of(more[:3]) == ids_of(together[:3]) and more[3].ids.tolist() != more[0].ids.tolist()
    assert ids_of(model.generate(given[:1], **{**options, "seed": 5})) != ids_of(together[:1])


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_columns_that_nobody_needs_are_dropped(
    family: str, saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(saved(family))
    options: dict[str, Any] = {
        "max_new_tokens": 30,
        "temperature": 1.5,
        "stop": ["e"],
        "batch": 3,
        "samples": 2,
    }
    given = prompts(40, 9, 9, 5, 5, 3, 2, 1)
    expected = model.generate(given, **options)
    widest: list[int] = []
    trimmed: list[int] = []
    trim, mask = kv_cache._Layer.trim, kv_cache.Memory.mask
    monkeypatch.setattr(kv_cache, "_AHEAD", 1)
    monkeypatch.setattr(kv_cache._Layer, "trim", lambda self, n: (trimmed.append(n), trim(self, n)))
    monkeypatch.setattr(
        kv_cache.Memory, "mask", lambda self, device: (widest.append(self.columns), mask(self, device))[1]
    )
    assert ids_of(model.generate(given, **options)) == ids_of(expected)
    assert trimmed and max(widest) < 90


# --- sampling -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (2.0, 0.8), (1.3, 0.5)])
def test_marginals_are_those_of_the_softmax(llama: CausalModel, temperature: float, top_p: float) -> None:
    n = 4000
    [one] = prompts(6)
    texts = llama.generate(
        [one], samples=n, max_new_tokens=1, temperature=temperature, top_p=top_p, batch=n, seed=1
    )
    logits = llama.logits(torch.from_numpy(one.ids)[None], torch.ones(1, 6))[0, -1].double()
    p = (logits / temperature).softmax(-1).numpy()
    order = np.argsort(-p)
    inside = order[: int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1] if top_p < 1 else order
    exact = np.zeros_like(p)
    exact[inside] = p[inside] / p[inside].sum()
    counts = np.bincount([text.ids[0] for text in texts], minlength=len(p))
    assert counts[exact == 0].sum() == 0
    often = exact * n >= 5
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(exact[often], exact[~often].sum()) * n
    kept = expected > 0
    assert scipy.stats.chisquare(observed[kept], expected[kept]).pvalue > 0.01
    assert kept.sum() > 4


def test_later_tokens_are_drawn_from_their_own_distribution(llama: CausalModel) -> None:
    """The second token, given the first: its noise is not that of the first."""
    n = 6000
    [one] = prompts(6)
    texts = llama.generate([one], samples=n, max_new_tokens=2, batch=n, temperature=1.5)
    first = np.bincount([text.ids[0] for text in texts]).argmax()
    second = [text.ids[1] for text in texts if text.ids[0] == first and len(text.ids) == 2]
    ids = torch.tensor([[*one.ids.tolist(), int(first)]])
    exact = (llama.logits(ids, torch.ones_like(ids))[0, -1].double() / 1.5).softmax(-1).numpy()
    counts = np.bincount(second, minlength=len(exact))
    often = exact * len(second) >= 5
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(exact[often], exact[~often].sum()) * len(second)
    assert len(second) > 150 and scipy.stats.chisquare(observed, expected).pvalue > 0.01


def test_noise_is_exponential_and_has_an_address() -> None:
    noise = Noise.of(0, [1, 2, 3], 0)
    drawn_ = noise.exponential(5, 20_000)
    assert scipy.stats.kstest(drawn_, "expon").pvalue > 0.01 and drawn_.min() > 0
    assert np.array_equal(drawn_[:50], noise.exponential(5, 50))  # a token's noise is its own
    others = [
        noise.exponential(6, 20_000),
        Noise.of(1, [1, 2, 3], 0).exponential(5, 20_000),
        Noise.of(0, [1, 2, 4], 0).exponential(5, 20_000),
        Noise.of(0, [1, 2, 3], 1).exponential(5, 20_000),
    ]
    for other in others:
        assert abs(np.corrcoef(drawn_, other)[0, 1]) < 0.03
    # the same on every machine and in every version
    np.testing.assert_allclose(
        noise.exponential(0, 3), [0.9562007157560304, 0.4351109031102265, 0.8269901881695519], rtol=1e-12
    )


def test_a_small_change_mostly_leaves_the_token() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(400, 300, generator=generator)
    noise = [(Noise.of(0, [i], 0), 0) for i in range(400)]
    before = drawn(logits, noise, 1.0, 1.0)
    after = drawn(logits + 0.01 * torch.randn(400, 300, generator=generator), noise, 1.0, 1.0)
    other = drawn(logits, [(Noise.of(1, [i], 0), 0) for i in range(400)], 1.0, 1.0)
    assert (before == after).float().mean() > 0.97 > 0.5 > (before == other).float().mean()


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("top_p", [0.01, 0.5, 0.9, 0.999, 1.0])
def test_the_nucleus_is_that_of_transformers(spread: float, top_p: float) -> None:
    """Flat enough that it has more than the tokens looked at first, and a single token."""
    logits = spread * torch.randn(7, 3000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = TopPLogitsWarper(top_p)(None, logits.clone()).isfinite() if top_p < 1 else torch.ones(7, 3000)
    actual = nucleus(logits.softmax(-1), top_p)
    assert torch.equal(actual > 0, expected.bool())
    assert torch.equal(actual[actual > 0], logits.softmax(-1)[actual > 0])


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(5, 90, generator=generator), torch.randint(90, (5, 30), generator=generator)
    seen = torch.zeros(5, 90, dtype=torch.bool).scatter_(1, ids, True)
    for penalty in (0.7, 1.0, 1.3):
        expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
        assert torch.equal(penalised(logits, seen, penalty), expected)


# --- edits --------------------------------------------------------------------------------------------------


def adding(positions: list[int], strength: float = 6.0, width: int = 32, row: int | None = None) -> Edit:
    vector = strength * torch.linspace(-1, 1, width)

    def add(hidden: torch.Tensor, at: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        there = torch.isin(at, torch.tensor(positions))
        if row is not None:
            there &= (rows == row)[:, None]
        return hidden + there[..., None] * vector

    return add


def skipping(edit: Edit) -> Edit:
    """The common hook that takes a single token for something that needs no edit."""
    return lambda hidden, at, rows: hidden if hidden.shape[1] == 1 else edit(hidden, at, rows)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gpt_neox"])
@pytest.mark.parametrize(
    "hook", ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"]
)
def test_edited_texts_equal_those_written_without_a_cache(
    family: str, hook: str, saved: Callable[[str], Path]
) -> None:
    """At positions of the prompt and of what is written, in a batch of mixed lengths."""
    model = load(saved(family))
    given = prompts(9, 4, 12)
    edit = adding([2, 10, 12, 13, 14, 18])
    texts = model.generate(given, temperature=0, max_new_tokens=15, edits={hook: edit})
    assert ids_of(texts) == [uncached(model, one, 15, {hook: edit}) for one in given]
    assert ids_of(texts) != ids_of(model.generate(given, temperature=0, max_new_tokens=15))


def test_an_edit_that_skips_single_tokens_must_fail(llama: CausalModel) -> None:
    """Without a cache it does what it should; with one it does nothing after the prompt."""
    given = prompts(9, 4, 12)
    right = adding(list(range(64)), strength=3.0)
    wrong = skipping(right)
    expected = [uncached(llama, one, 15, {HOOK: right}) for one in given]
    assert [uncached(llama, one, 15, {HOOK: wrong}) for one in given] == expected  # no cache, no fault
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 15}
    assert ids_of(llama.generate(given, edits={HOOK: right}, **options)) == expected
    assert ids_of(llama.generate(given, edits={HOOK: wrong}, **options)) != expected


def test_arms_share_their_noise_and_rows_are_prompts(llama: CausalModel) -> None:
    """The same prompt thrice, one of them edited from position 12 on: the others are as without edits."""
    [one] = prompts(9)
    options: dict[str, Any] = {"samples": 4, "max_new_tokens": 20, "temperature": 1.2}
    plain = ids_of(llama.generate([one], **options))
    edits = {HOOK: adding(list(range(12, 64)), row=1)}
    arms = ids_of(llama.generate([one] * 3, batch=5, edits=edits, **options))
    assert arms[:4] == plain and arms[8:] == plain
    assert arms[4:8] != plain
    for edited, bare in zip(arms[4:8], plain, strict=True):
        assert edited[:4] == bare[:4]  # tokens at positions 9 to 12; the last was chosen before the edit
    nothing = {HOOK: lambda hidden, at, rows: hidden + 0.0}
    assert ids_of(llama.generate([one], edits=nothing, **options)) == plain


# --- how a text ends ----------------------------------------------------------------------------------------


def test_texts_end_at_eos_stop_texts_lengths_and_the_window(llama: CausalModel) -> None:
    [one, long] = prompts(9, 58)
    [text] = llama.generate([one], temperature=0, max_new_tokens=12)
    assert text.finish == "length" and len(text.ids) == len(text.logprobs) == 12
    [full] = llama.generate([long], temperature=1.5, max_new_tokens=50, seed=3)
    assert full.finish == "window" and len(full.ids) == 6
    texts = llama.generate([one], samples=30, temperature=1.5, max_new_tokens=40)
    ended = [t for t in texts if t.finish == "eos"]
    assert ended and all(int(t.ids[-1]) in llama.eos_ids for t in ended)
    assert not any(set(t.ids[:-1].tolist()) & llama.eos_ids for t in texts)
    tokenizer = llama.tokenizer
    assert ended[0].text == tokenizer.decode(ended[0].ids[:-1], skip_special_tokens=True)
    words = [(t, tokenizer.decode([i])) for t in texts for i in t.ids[5:-2].tolist()]
    whole, stop = next((t, word) for t, word in words if word.isascii() and len(word.strip()) > 1)
    options: dict[str, Any] = {"samples": 30, "temperature": 1.5, "max_new_tokens": 40}
    cut = llama.generate([one], stop=["\x00?", stop], **options)[whole.sample]
    assert cut.finish == "stop" and cut.text == whole.text[: whole.text.index(stop)]
    assert whole.ids.tolist()[: len(cut.ids)] == cut.ids.tolist() and len(cut.ids) < len(whole.ids)
    assert stop not in tokenizer.decode(cut.ids[:-1]) and stop in tokenizer.decode(cut.ids)


def test_texts_come_as_they_are_finished_and_an_interrupt_leaves_nothing(llama: CausalModel) -> None:
    given = prompts(*LENGTHS)
    options: dict[str, Any] = {
        "temperature": 1.5,
        "max_new_tokens": 30,
        "batch": 2,
        "edits": {HOOK: adding([3])},
    }
    expected = {t.prompt: t.ids.tolist() for t in llama.generate(given, **options)}
    stream = llama.stream(given, **options)
    first = next(stream)
    assert expected[first.prompt] == first.ids.tolist()
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    stream.close()
    heard: list[Progress] = []

    def interrupt(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        llama.generate(given, on_progress=interrupt, **options)
    hooked = [m for m in llama._base.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert hooked == [] and torch.is_grad_enabled()
    heard.clear()
    again = llama.generate(given, on_progress=heard.append, **options)
    assert {t.prompt: t.ids.tolist() for t in again} == expected
    assert (heard[-1].done, heard[-1].total, heard[-1].unit) == (6, 6, "texts")
    assert heard[-1].tokens == sum(len(t.ids) for t in again)
    assert [p.tokens for p in heard] == sorted(p.tokens for p in heard)


def test_bfloat16_writes(saved: Callable[[str], Path]) -> None:
    texts = load(saved("gemma3"), dtype="bfloat16").generate(prompts(9, 4), samples=2, max_new_tokens=8)
    assert all(np.isfinite(t.logprobs).all() and (t.logprobs <= 0).all() for t in texts)


def test_wrong_options_are_named(llama: CausalModel) -> None:
    given = prompts(3)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"samples": 0}, "samples must be at least 1"),
        ({"temperature": -1}, "temperature must be at least 0"),
        ({"temperature": float("nan")}, "NaN"),
        ({"top_p": 0}, "top_p must be more than 0"),
        ({"top_p": 1.5}, "top_p must be at most 1"),
        ({"repetition_penalty": 0}, "repetition_penalty must be more than 0"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"stop": "x"}, "stop is a list of texts"),
        ({"stop": ["x", ""]}, "stop is a list of texts"),
    ]
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            llama.generate(given, **options)
    with pytest.raises(ReaderError, match="no hook"):
        llama.generate(given, edits={"blocks.9.hook_resid_post": adding([1])})
    assert llama.generate([]) == []


# --- prompts ------------------------------------------------------------------------------------------------

# as SmolLM2's: BOS opens every turn, and a system prompt is put where there is none
CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    directory = save_model("llama", tmp_path_factory.mktemp("chat") / "talker", max_position_embeddings=400)
    tokenizer = make_tokenizer("gpt2")
    tokenizer.add_special_tokens({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"})
    tokenizer.chat_template = CHATML
    for file in directory.glob("*token*"):
        file.unlink()
    tokenizer.save_pretrained(directory)
    return load(directory)


def shown(model: CausalModel, made: Prompt, number: int) -> str:
    return str(model.tokenizer.decode(made.ids[made.turn == number]))


def test_what_stands_at_each_position_is_told_by_its_place(chat: CausalModel) -> None:
    made = chat.encode_prompt("What is a fox?")
    start = chat.tokenizer.bos_token_id
    assert made.roles == ("user",) and shown(chat, made, 0) == "What is a fox?"
    assert np.flatnonzero(made.bos).tolist() == [0]
    starts = np.flatnonzero(made.ids == start)
    assert len(starts) == 3 and made.template[starts[1:]].all()
    assert (made.bos | made.template | made.content()).all()
    assert "helpful assistant" in chat.tokenizer.decode(made.ids[made.template])
    assert made.text.endswith("<|im_start|>assistant\n")
    expected = chat.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is a fox?"}], add_generation_prompt=True, return_dict=False
    )
    assert made.ids.tolist() == list(expected)


def test_turns_of_a_longer_chat(chat: CausalModel) -> None:
    turns = [("user", "A dog?"), ("assistant", "Lazy."), ("user", "user")]
    messages = [{"role": role, "content": content} for role, content in turns]
    made = chat.encode_prompt(messages, system="Be brief.")
    assert made.roles == ("system", "user", "assistant", "user")
    assert [shown(chat, made, i) for i in range(4)] == ["Be brief.", "A dog?", "Lazy.", "user"]
    assert chat.tokenizer.decode(made.ids[made.content("user")]) == "A dog?user"
    assert not (made.content("assistant") & made.content("user")).any()
    assert "helpful" not in made.text
    same = chat.encode_prompt([{"role": "system", "content": "Be brief."}, *messages])
    assert same.ids.tolist() == made.ids.tolist()
    # the name of a special token that a user writes is text, and ends no turn
    odd, even = (chat.encode_prompt(f"a {mark} b") for mark in ("<|im_end|>", "-"))
    assert shown(chat, odd, 0) == "a <|im_end|> b"
    ends = [np.count_nonzero(made.ids == chat.tokenizer.eos_token_id) for made in (odd, even)]
    assert ends[0] == ends[1] and odd.template[odd.ids == chat.tokenizer.eos_token_id].all()
    raw = chat.encode_prompt("a <|im_end|> b", raw=True)
    assert np.count_nonzero(raw.ids == chat.tokenizer.eos_token_id) == 1


def test_raw_text_has_no_template(chat: CausalModel, llama: CausalModel) -> None:
    made = chat.encode_prompt("Once upon", raw=True)
    assert chat.tokenizer.decode(made.ids) == "Once upon" and made.content().all() and made.roles == ("text",)
    with_bos = llama.encode_prompt("Once upon", raw=True)
    assert with_bos.ids[0] == llama.tokenizer.bos_token_id
    assert with_bos.bos.tolist() == [True] + [False] * (len(with_bos) - 1)
    assert with_bos.content()[1:].all()
    said = chat.generate(["What is a fox?", made], temperature=0, max_new_tokens=3)
    assert ids_of(said)[0] == uncached(chat, chat.encode_prompt("What is a fox?"), 3)


def test_prompts_that_cannot_be_used(chat: CausalModel, llama: CausalModel) -> None:
    user = {"role": "user", "content": "x"}
    wrong: list[tuple[CausalModel, Any, dict[str, Any], str]] = [
        (llama, "x", {}, "llama has no chat template: give plain text with --raw"),
        (chat, "", {}, "a prompt is empty"),
        (chat, " \n", {}, "a prompt is empty"),
        (chat, "", {"raw": True}, "a prompt is empty"),
        (chat, [], {}, "nothing to answer"),
        (chat, [user, {"role": "assistant", "content": "y"}], {}, "the last turn of a prompt is the user's"),
        (chat, [{"role": "user"}], {}, "a role and a content"),
        (chat, [{"role": "system", "content": "a"}, user], {"system": "b"}, "given twice"),
        (chat, [user], {"raw": True}, "a raw prompt is one text"),
        (chat, "x", {"raw": True, "system": "b"}, "a raw prompt is one text"),
        (chat, "fox " * 400, {}, r"leaves no room to write: talker has 400 positions"),
        (llama, "fox " * 64, {"raw": True}, "64 positions"),
    ]
    for model, given, options, message in wrong:
        with pytest.raises(InputError, match=message) as caught:
            model.encode_prompt(given, **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(ReaderError, match="chat template of talker cannot write these turns"):
        chat.encode_prompt("\ue000")
    with pytest.raises(InputError, match="no chat template"):
        llama.generate(["x"])


def test_a_generation_is_plain_data(llama: CausalModel) -> None:
    [text] = llama.generate(prompts(3), max_new_tokens=2)
    assert dataclasses.asdict(text)["prompt"] == 0
    assert text.ids.dtype == np.int64 and text.logprobs.dtype == np.float32


def test_what_the_documentation_says_runs(chat: CausalModel) -> None:
    page = (Path(__file__).parents[1] / "docs" / "readers.md").read_text("utf-8")
    section = page.split("## A model that writes\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if not line or line.startswith("    ")]
    code = textwrap.dedent("\n".join(lines))
    assert code.count("CausalModel.load(") == 1
    known: dict[str, Any] = {}
    exec(code.replace('"smollm2"', repr(str(chat.path))), known)
    assert known["gradient"].shape == known["done"].hidden[known["hook"]].shape
    assert len(known["texts"]) == 1 and known["model"].name == chat.name
