"""A model's chat template is a program: it writes what transformers writes, and it ends."""

from __future__ import annotations

from typing import Any

import clock
import pytest
from tiny_models import make_tokenizer

from saetext.documents import Document, Message
from saetext.errors import ReaderError
from saetext.reader import chat_template
from saetext.reader.tokenization import Prepared, Tokens, Unreadable

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  What is 1 + 1?\n"},
    {"role": "assistant", "content": "Two. <b>&amp;</b> {{ 3 }}"},
    {"role": "user", "content": "Grüße 🎈"},
]
GIVEN: dict[str, Any] = {"date_string": "26 Jul 2024"}

# of the kinds that well-known models have
ORDINARY = {
    "chatml": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'] | trim }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "namespace": "{%- set ns = namespace(system='', n=0) -%}{%- for m in messages -%}"
    "{%- if m.role == 'system' -%}{%- set ns.system = ns.system ~ m.content + '|' -%}"
    "{%- set ns.n = ns.n + 1 -%}{%- endif -%}{%- endfor -%}[{{ ns.system }}{{ ns.n }}]",
    "loop": "{% for m in messages %}{{ loop.index0 }}/{{ loop.length }}{{ '!' if loop.last else ',' }}"
    "{{ loop.previtem.role if loop.previtem is defined }}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% else %}none{% endfor %}",
    "unsized": "{% for m in messages | rejectattr('role', 'equalto', 'system') %}"
    "{{ loop.index }}{{ loop.revindex }}{{ loop.length }}{% endfor %}{{ messages | length }}",
    "break": "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% elif i > 4 %}{% break %}{% endif %}"
    "{{ i * 2 - 1 }}{{ i ** 2 % 5 }}{% endfor %}",
    "macro": "{% macro turn(m, last=false) %}<{{ m.role }}>{{ caller() if caller }}{{ m.content }}"
    "{{ '$' if last }}{% endmacro %}{% for m in messages %}{{ turn(m, loop.last) }}"
    "{% call turn(m) %}called{% endcall %}{% endfor %}",
    "recursive": "{% for m in messages recursive %}"
    "{{ m if m is string else loop([m.role, 'x']) }}{% endfor %}",
    "filters": "{{ messages | map(attribute='content') | join(' / ') | upper }}{{ messages[0] | tojson }}"
    "{{ messages | selectattr('role', 'in', ['user']) | list | length }}{{ 'a-b'.replace('-', '+') }}"
    "{{ messages | tojson(indent=2) }}{{ nothing | default(1000000) }}{{ '%s: %5.1f' | format('x', 2) }}",
    "methods": "{{ messages[2].content.split('<b>')[-1] }}{{ ','.join(['a', 'b']) }}"
    "{{ '{}-{:>4}'.format(1, 2) }}"
    "{{ 'x'.ljust(4) }}|{{ messages[-1]['content'][::-1] }}{{ 'Two' in messages[2].content }}{{ 'ab' * 3 }}",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "tests": "{{ tools is none }}{{ documents is not defined }}{{ messages is sequence }}"
    "{{ messages == messages }}"
    "{{ 3 is eq 3 }}{{ date_string }}{{ undefined_name }}{{ messages[0].nothing is defined }}",
    "set": "{% set all %}{% for m in messages %}{{ m.role }},{% endfor %}{% endset %}{{ all | trim(',') }}"
    "{% filter upper %}x{{ all }}{% endfilter %}",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer("gpt2")


@pytest.mark.parametrize("name", ORDINARY)
def test_a_template_writes_what_transformers_writes(name: str, tokenizer: Any) -> None:
    given = {**tokenizer.special_tokens_map, **GIVEN}
    wanted = tokenizer.apply_chat_template(CHAT, chat_template=ORDINARY[name], tokenize=False, **GIVEN)
    assert chat_template.render(ORDINARY[name], CHAT, given) == wanted and wanted


def loop(body: str, over: str = "range(99999)", name: str = "a") -> str:
    return f"{{% for {name} in {over} %}}{body}{{% endfor %}}"


def doubled(start: str, step: str) -> str:
    return "{% set ns = namespace(s=" + start + ") %}" + loop("{% set ns.s = " + step + " %}", "range(60)")


LAUGHS = doubled("['ha']", "[ns.s, ns.s]")
LAUGHS_TWICE = LAUGHS + "{% set a = ns.s %}" + LAUGHS
TEXT = "{% set s = 'abcdefgh' * 20000 %}"

# each would take hours or more memory than there is
HOSTILE = {
    "loops": loop(loop("")),
    "loops over a text": TEXT + loop(loop(loop("", "s"), "s"), "s"),
    "loops with content": loop("x" * 50_000),
    "loops in a block": "{% set x %}" + loop("x" * 9000) + "{% endset %}{{ x }}",
    "loop recursive": loop("{{ loop(range(99999)) if loop.depth < 3 }}", "range(99999) recursive"),
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "macro text": "{% macro f() %}" + "x" * 50_000 + "{% endmacro %}" + loop("{% set y = f() %}"),
    "power": "{{ 10 ** 10 ** 10 }}",
    "power of a name": "{% set n = 99999 %}{{ (n ** n) ** n }}",
    "squares": doubled("3", "ns.s * ns.s"),
    "repeat": "{{ 'a' * 10 ** 11 }}",
    "repeat a list": "{{ [1] * 9999999999 }}",
    "repeat from the left": "{{ 9999999999 * 'a' }}",
    "doubled text": doubled("'ab'", "ns.s ~ ns.s"),
    "doubled text by plus": doubled("'ab'", "ns.s + ns.s"),
    "doubled list": doubled("[1]", "ns.s + ns.s"),
    "one long join": TEXT + "{{ " + " ~ ".join(["s"] * 2000) + " }}",
    "laughs shown": LAUGHS + "{{ ns.s }}",
    "laughs as text": LAUGHS + "{% set x = ns.s | string %}",
    "laughs as json": LAUGHS + "{% set x = ns.s | tojson %}",
    "laughs compared": LAUGHS_TWICE + "{% if a == ns.s %}x{% endif %}",
    "laughs tested": LAUGHS_TWICE + "{% if a is eq(ns.s) %}x{% endif %}",
    "laughs selected": LAUGHS_TWICE + "{{ [a] | select('eq', ns.s) | list }}",
    "replace": TEXT + "{{ s.replace('a', s) }}",
    "replace nothing": TEXT + "{{ s.replace('', s) }}",
    "replace filter": TEXT + "{{ s | replace('a', s) }}",
    "join": TEXT + "{{ s.join(s) }}",
    "join filter": TEXT + "{{ s | join(s) }}",
    "join lists": TEXT + "{{ ([s] * 9999) | join }}",
    "ljust": "{{ 'a'.ljust(9999999999) }}",
    "zfill": "{{ 'a'.zfill(9999999999) }}",
    "tabs": "{{ ('\t' * 99999).expandtabs(9999) }}",
    "center": "{{ 'a' | center(9999999999) }}",
    "batch": "{{ [1] | batch(9999999999, 0) | list }}",
    "slice": "{{ [1] | slice(9999999999) | list }}",
    "round": "{{ 1.5 | round(999999999) }}",
    "percent": "{{ '%9999999999d' % 1 }}",
    "percent star": "{{ '%*d' % (9999999999, 1) }}",
    "format filter": "{{ '%9999999999d' | format(1) }}",
    "format": "{{ '{:>9999999999}'.format(1) }}",
    "format nested": "{{ '{:>{w}}'.format(1, w=9999999999) }}",
    "format mapped": "{{ ['{:>9999999999}'] | map('format', 1) | list }}",
    "translate": TEXT + "{{ s.translate({97: s}) }}",
    "indent": "{{ [[1]] | tojson(indent=9999999999) }}",
    "map": TEXT + "{{ [s, s, s] | map('replace', 'a', s) | list }}",
    "output": TEXT + loop("{{ s }}"),
    "length": "{# " + "x" * 200_000 + " #}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_would_not_end_is_refused_within_a_second(name: str) -> None:
    chat_template.render("{{ messages[0].content }}", CHAT, {}, name="some/model")  # with what is imported
    with (
        clock.within(1.0),
        pytest.raises(
            ReaderError, match=r"^the chat template of some/model (takes more work|has 200,)"
        ) as told,
    ):
        chat_template.render(HOSTILE[name], CHAT, {}, name="some/model")
    assert "\n" not in str(told.value) and len(str(told.value)) < 300


def document(*turns: tuple[str, str]) -> Document:
    return Document("0", "", None, tuple(Message(*turn) for turn in turns), {}, 0, "")


def rules(template: str) -> Tokens:
    tokenizer = make_tokenizer("gpt2")
    tokenizer.chat_template = template
    return Tokens(tokenizer, max_positions=64)


def test_a_run_ends_where_a_template_does_not() -> None:
    with pytest.raises(ReaderError, match="takes more work than a chat of 1 turns"):
        rules(HOSTILE["loops"]).prepare([document(("assistant", "the fox"))])


@pytest.mark.parametrize(
    "template",
    ["{{ 1 / 0 }}", "{{ [][9] }}{{ messages[9].x.y }}", "{% for %}", "{{ raise_exception('no') }}",
     "(" * 9000, "{{ " + "(" * 9000, "{{ self.__class__ }}{{ ''.__class__.mro() }}", "{% include 'x' %}",
     "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
     "{% for a in [1] %}" * 30 + "{% endfor %}" * 30],
    ids=range(10),
)  # fmt: skip
def test_a_template_that_fails_makes_a_document_unreadable(template: str) -> None:
    [found] = rules(template).prepare([document(("assistant", "the fox"))])
    assert isinstance(found, Unreadable) and found.reason == "chat template"


def test_a_long_chat_has_a_budget_to_match() -> None:
    turns = [(("user", "assistant")[i % 2], "the quick brown fox " * 20) for i in range(300)]
    [found] = rules(ORDINARY["chatml"]).prepare([document(*turns)])
    assert isinstance(found, Prepared) and found.n_tokens > 3000
