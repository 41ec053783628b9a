"""What counts, what each token covers, and how documents are cut into windows."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import make_tokenizer

from saetext.documents import Document, Message
from saetext.errors import ReaderError
from saetext.reader.tokenization import Prepared, Tokens, Unreadable

# two invented templates: one writes contents as they are, the other strips them and refuses "system"
PLAIN = "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
STRIPPING = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "[{{ m['role'] }}] {{ m['content'] | trim }}\n{% endfor %}"
)
FORGETTING = "{% for m in messages %}{{ m['content'].split('</think>')[-1] }}|{% endfor %}"


def document(text: str = "", prompt: str | None = None, *turns: tuple[str, str]) -> Document:
    messages = tuple(Message(r, c) for r, c in turns) or None
    return Document("0", text, prompt, messages, {}, 0, "")


def tokens(family: str = "gpt2", template: str | None = None, **options: Any) -> Tokens:
    tokenizer = make_tokenizer(family)
    tokenizer.chat_template = template
    return Tokens(tokenizer, max_positions=64, bidirectional=family == "bert", **options)


def one(rules: Tokens, doc: Document, role: str = "assistant") -> Prepared:
    prepared = rules.prepare([doc], role)[0]
    assert isinstance(prepared, Prepared), prepared
    return prepared


def test_bert_special_tokens_are_around_the_window_and_never_counted() -> None:
    rules = tokens("bert")
    tokenizer = rules.tokenizer
    assert rules.prefix_ids == (tokenizer.cls_token_id,)
    assert rules.suffix_ids == (tokenizer.sep_token_id,)
    p = one(rules, document(f"the fox {tokenizer.sep_token} the dog"))
    assert not {tokenizer.sep_token_id, tokenizer.cls_token_id} & set(p.ids.tolist())
    assert p.n_tokens == len(p.ids) and tokenizer.sep_token in p.text


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_the_names_of_special_tokens_in_a_text_are_text(family: str) -> None:
    """They never enter the model as control tokens: alone, among others, in a chat."""
    plain = tokens(family)
    tokenizer = plain.tokenizer
    special = {
        i for i, t in tokenizer.added_tokens_decoder.items() if t.special and i != tokenizer.unk_token_id
    }
    names = [tokenizer.added_tokens_decoder[i].content for i in sorted(special)]
    assert names
    for name in names:
        p = one(plain, document(f"the fox {name} and {name}"))
        assert not special & set(p.ids.tolist()) and p.counted.all() and p.n_tokens > 6
        before = one(plain, document("the fox and"))
        assert one(plain, document("the fox and")).ids.tolist() == before.ids.tolist()
        both = plain.prepare([document("the fox and"), document(f"x {name}")])[0]
        assert isinstance(both, Prepared) and both.ids.tolist() == before.ids.tolist()
    if family == "gpt2":
        chat = tokens(family, PLAIN)
        turns = ("user", f"say {names[0]}"), ("assistant", f"one{names[0]}two")
        inner = one(chat, document("", None, *turns))
        quiet = one(chat, document("", None, ("user", "say"), ("assistant", "onetwo")))
        count = [sum(i in special for i in p.ids.tolist()) for p in (inner, quiet)]
        assert count[0] == count[1]  # those of the template alone
        assert "".join(inner.text[s:e] for s, e in zip(inner.start, inner.end, strict=True)) == inner.text


def test_unknown_tokens_count_and_are_counted() -> None:
    rules = tokens("bert")
    p = one(rules, document("the ☃ fox"))
    assert p.n_unknown == 1
    assert p.text[p.start[1] : p.end[1]] == "☃"


def test_the_unknown_token_of_a_tokenizer_that_knows_every_byte_is_never_made_of_a_text() -> None:
    tokenizer = make_tokenizer("llama")
    tokenizer.add_special_tokens({"unk_token": "<|endoftext|>"})  # SmolLM2: separates documents
    rules = Tokens(tokenizer, max_positions=64)
    p = one(rules, document("one<|endoftext|> ☃"))
    assert tokenizer.unk_token_id not in p.ids and p.n_unknown == 0
    covered = {i for s, e in zip(p.start, p.end, strict=True) for i in range(s, e)}
    assert "".join(p.text[i] for i in sorted(covered)) == "one<|endoftext|> ☃"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_byte_level_tokens_cover_every_character_in_order(text: str) -> None:
    prepared = BYTE_LEVEL.prepare([document(text)])[0]
    if isinstance(prepared, Unreadable):
        return
    covered = np.zeros(len(text), bool)
    for start, end in zip(prepared.start, prepared.end, strict=True):
        covered[start:end] = True
    assert covered.all()
    assert (np.diff(prepared.start) >= 0).all()


BYTE_LEVEL = tokens("gpt2")


def test_bos_is_a_prefix_only_when_the_sae_was_trained_with_it() -> None:
    assert tokens("gpt2", prepend_bos=True).prefix_ids == (0,)
    assert tokens("gpt2", prepend_bos=False).prefix_ids == ()
    assert tokens("gpt2").suffix_ids == ()


def test_excluded_ids_are_context() -> None:
    rules = tokens("gpt2")
    ids = one(rules, document("the fox and the dog")).ids
    p = one(tokens("gpt2", uncounted_ids=(int(ids[0]),)), document("the fox and the dog"))
    assert ids[0] not in p.ids[p.counted]
    assert p.n_tokens < len(p.ids)


@pytest.mark.parametrize("template", [PLAIN, STRIPPING])
@pytest.mark.parametrize(
    "answer", ["the answer", "assistant", "user\nthe", "  padded  ", "ends with <s>", "☃ é"]
)
def test_only_the_answer_of_a_chat_counts(template: str, answer: str) -> None:
    rules = tokens("gpt2", template)
    chat = document("", None, ("user", "assistant"), ("assistant", answer), ("user", answer))
    p = one(rules, chat)
    expected = answer.strip() if template == STRIPPING else answer
    assert p.text == expected
    covered = {i for s, e in zip(p.start, p.end, strict=True) for i in range(s, e)}
    special = {i for i in range(len(expected)) if expected[i : i + 3] == "<s>"}
    assert set(range(len(expected))) - covered <= {j for i in special for j in range(i, i + 3)}
    assert p.n_tokens < len(p.ids)


def test_several_counted_turns_are_joined_and_offsets_follow() -> None:
    rules = tokens("gpt2", PLAIN)
    p = one(rules, document("", None, ("assistant", "one fox"), ("user", "and?"), ("assistant", "two dogs")))
    assert p.text == "one fox\n\ntwo dogs"
    assert "".join(p.text[s:e] for s, e in zip(p.start, p.end, strict=True)) == "one foxtwo dogs"
    assert one(rules, document("", None, ("user", "a"), ("assistant", "b")), "all").text == "a\n\nb"
    assert one(rules, document("", None, ("user", "a"), ("assistant", "b")), "user").text == "a"


def test_a_prompt_is_context_where_there_is_a_template_and_left_out_elsewhere() -> None:
    with_template = one(tokens("gpt2", PLAIN), document("the answer", "the question"))
    without = one(tokens("gpt2"), document("the answer", "the question"))
    assert with_template.text == without.text == "the answer"
    assert len(with_template.ids) > with_template.n_tokens
    assert len(without.ids) == without.n_tokens


@pytest.mark.parametrize(
    ("template", "chat", "reason"),
    [
        (STRIPPING, [("system", "x"), ("assistant", "y")], "chat template"),
        (FORGETTING, [("assistant", "<think>no</think>yes")], "chat template"),
        (PLAIN, [("user", "x")], "no counted turn"),
        (None, [("user", "x")], "no counted turn"),
        (PLAIN, [("assistant", "a\ue000b")], "chat template"),
    ],
)
def test_chats_that_cannot_be_read_say_why(
    template: str | None, chat: list[tuple[str, str]], reason: str
) -> None:
    result = tokens("gpt2", template).prepare([document("", None, *chat)])[0]
    assert isinstance(result, Unreadable)
    assert result.reason == reason
    assert "\n" not in result.detail


def test_a_template_that_writes_bos_gets_no_second_one() -> None:
    rules = tokens("gpt2", "{{ bos_token }}" + PLAIN)
    p = one(rules, document("", None, ("assistant", "the fox")))
    assert p.ids[0] != rules.prefix_ids[0]


def fake(n: int, counted: np.ndarray | None = None) -> Prepared:
    mask = np.ones(n, bool) if counted is None else counted
    zeros = np.zeros(int(mask.sum()), np.int32)
    return Prepared("", np.arange(n, dtype=np.int32), mask, zeros, zeros, 0)


@given(
    n=st.integers(1, 400),
    context=st.integers(4, 64),
    first=st.integers(0, 3),
    bidirectional=st.booleans(),
    seed=st.integers(0, 9),
)
@settings(deadline=None)
def test_every_counted_token_is_owned_by_one_window(
    n: int, context: int, first: int, bidirectional: bool, seed: int
) -> None:
    rules = SimpleNamespace(**vars(BYTE_LEVEL))
    rules.bidirectional, rules.skip_first = bidirectional, first
    rules.capacity = context
    rules.overlap = min(max(context // 8, first), context - 1)
    counted = np.random.default_rng(seed).random(n) < 0.7
    counted[:first] = False
    if not counted.any():
        return
    windows = Tokens.windows(rules, 0, fake(n, counted))  # type: ignore[arg-type]
    owned = np.zeros(n, int)
    for w in windows:
        assert 0 <= w.start <= w.own_start <= w.own_stop <= w.stop <= n
        assert w.stop - w.start <= context
        assert w.own_start - w.start >= first or w.start == 0
        owned[w.own_start : w.own_stop] += 1
    assert (owned[counted] == 1).all()
    assert (owned <= 1).all()


def test_a_long_document_keeps_context_around_every_seam() -> None:
    rules = tokens("bert")
    windows = rules.windows(0, fake(500))
    assert len(windows) > 5
    for before, after in pairwise(windows):
        assert before.stop - before.own_stop >= rules.overlap // 2
        assert after.own_start - after.start >= rules.overlap // 2


def test_positions_outside_the_training_slice_are_context() -> None:
    rules = tokens("gpt2", seqpos_slice=(5, 40))
    assert rules.window == 40
    p = one(rules, document("the fox and the dog " * 30))
    assert not p.counted[:4].any() and p.counted[4:].all()  # BOS is position 0
    for w in rules.windows(0, p):
        assert w.own_start - w.start >= 4 or w.start == 0


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ReaderError, match="leaves no room"):
        tokens("bert", context_size=2)


def test_slow_tokenizers_are_refused() -> None:
    with pytest.raises(ReaderError, match="no fast tokenizer"):
        Tokens(SimpleNamespace(is_fast=False), max_positions=8)


def test_a_template_that_writes_the_date_reads_the_same_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{{ strftime_now('%d %b %Y') }} " + PLAIN
    chat = document("", None, ("assistant", "the fox"))
    p = one(tokens("gpt2", template), chat)
    assert "26 Jul 2024" in BYTE_LEVEL.tokenizer.decode(p.ids)
    assert p.text == "the fox"


def test_what_counts_is_part_of_the_identity() -> None:
    shas = {tokens("gpt2").sha256, tokens("gpt2", uncounted_ids=(5,)).sha256, tokens("bert").sha256}
    shas.add(tokens("gpt2", seqpos_slice=(9, 40)).sha256)
    assert len(shas) == 4
    assert tokens("gpt2").sha256 in shas
