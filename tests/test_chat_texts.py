"""The made texts of chats: the same by the same seed, of every kind, varied, with nobody's data in them."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from benchmark_modules import importing

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SAMPLE = 5000
Document = tuple[str | None, str]


@pytest.fixture(scope="module")
def modules() -> dict[str, ModuleType]:
    names = ("chat_texts", "chat_phenomena", "chat_grammar", "chat_inflection", "chat_sums", "chat_emoji")
    with importing() as load:
        return {name: load(name) for name in names}


@pytest.fixture(scope="module")
def made(modules: dict[str, ModuleType]) -> list[Document]:
    return list(itertools.islice(modules["chat_texts"].documents(0), SAMPLE))


def test_the_same_seed_gives_the_same_texts_and_another_gives_others(
    modules: dict[str, ModuleType], made: list[Document]
) -> None:
    draw = modules["chat_texts"].documents
    assert list(itertools.islice(draw(0), 300)) == made[:300]
    others = {text for _, text in itertools.islice(draw(1), 300)}
    assert len(others & {text for _, text in made}) <= 3  # very short ones may meet


def test_the_file_has_prompt_and_text(
    modules: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Document]
) -> None:
    path = tmp_path / "texts.jsonl"
    monkeypatch.setattr(sys, "argv", ["chat_texts", "-o", str(path), "--documents", "40"])
    modules["chat_texts"].main()
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(row["prompt"], row["text"]) for row in rows] == made[:40]
    assert all(set(row) == {"prompt", "text"} for row in rows)


def test_lengths_and_repetitions(made: list[Document]) -> None:
    counts = [len(text.split()) for _, text in made]
    assert min(counts) >= 5 and max(counts) <= 300 and sum(n > 100 for n in counts) > 100
    assert len({text for _, text in made}) == SAMPLE


def test_every_phenomenon_is_in_one_text_of_a_hundred(
    modules: dict[str, ModuleType], made: list[Document]
) -> None:
    shares = modules["chat_phenomena"].shares(made)
    assert len(shares) > 90
    assert {name: share for name, share in shares.items() if share < 0.01} == {}


def test_few_texts_share_five_words_in_a_row(modules: dict[str, ModuleType], made: list[Document]) -> None:
    seen, count = set(), 0  # counted another way than the report does
    for _, text in made:
        words = text.lower().split()
        for i in range(len(words) - 4):
            count += 1
            seen.add(" ".join(words[i : i + 5]))
    assert len(seen) / count > 0.7  # of 40,000 documents it is over .5
    assert modules["chat_phenomena"].distinct_fives(made) == pytest.approx(len(seen) / count)
    assert modules["chat_phenomena"].distinct_fives([(None, "a b c d e f"), (None, "a b c d e")]) == 2 / 3


def test_addresses_and_numbers_are_those_kept_for_examples(made: list[Document]) -> None:
    everything = "\n".join(f"{prompt or ''}\n{text}" for prompt, text in made)
    hosts = re.findall(r"(?:https?://|www\.|@)((?:\w[\w-]*\.)+\w+)", everything)
    assert len(hosts) > 100
    allowed = r"(?:www\.|shop\.|mail\.)*example\.(?:com|org|net)"
    assert {host for host in hosts if not re.fullmatch(allowed, host.lower())} == set()
    long_numbers = re.findall(r"\+?\d[\d ()-]{8,}\d", everything)
    dated = r"\d{4}-\d\d-\d\d.*|\d\d/\d\d.*"
    telephones = [n for n in long_numbers if not re.fullmatch(dated, n) and " - " not in n]
    assert telephones and {n for n in telephones if "555" not in n} == set()


def test_requests_to_do_harm_are_refused(modules: dict[str, ModuleType]) -> None:
    """What is asked is mild, and no answer to it is more than a refusal, a reason and another offer."""
    grammar = modules["chat_grammar"]
    asked = " ".join(grammar.rules()["ask_bad"])
    assert not re.search(r"(?i)suicid|bomb|kill|weapon|drug|nude|rape|sex|terror|gun\b", asked)
    said = " ".join(" ".join(patterns) for patterns in grammar.rules().values())
    assert not re.search(r"(?i)\b(?:nigg|fagg|bitch|cunt|fuck|shit|whore)", said)


def test_no_braces_or_rule_names_are_left(modules: dict[str, ModuleType]) -> None:
    grammar = modules["chat_grammar"]
    for name, number in itertools.product(grammar.rules(), range(40)):
        writer = grammar.Writer(f"{name}{number}")
        writer.kept |= {"goal": "read a map", "case": "the map is old", "claim": "maps age"}
        text = writer.rule(name)
        assert text and not re.search(r"[{}]|<\^?[a-z_]+(?:/[a-z]+)?>|  |\ba [aeio]", text), text


def test_every_topic_has_every_part(modules: dict[str, ModuleType]) -> None:
    parts = {"things", "stuff", "acts", "tips", "facts", "troubles", "who", "where", "good", "bad", "pair"}
    topics = modules["chat_grammar"].topics()
    assert len(topics) >= 50
    for name, topic in topics.items():
        assert set(topic) == parts, name
        assert all("/" in pair for pair in topic["pair"]), name


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("run a race", ("running a race", "ran a race", "run a race", "runs a race")),
        ("bake bread", ("baking bread", "baked bread", "baked bread", "bakes bread")),
        ("stop it", ("stopping it", "stopped it", "stopped it", "stops it")),
        ("carry wood", ("carrying wood", "carried wood", "carried wood", "carries wood")),
        ("repair", ("repairing", "repaired", "repaired", "repairs")),
        ("wash wool", ("washing wool", "washed wool", "washed wool", "washes wool")),
        ("write", ("writing", "wrote", "written", "writes")),
    ],
)  # fmt: skip
def test_verbs(modules: dict[str, ModuleType], base: str, forms: tuple[str, ...]) -> None:
    inflect = modules["chat_inflection"].inflect
    assert tuple(inflect(base, form) for form in ("ing", "ed", "pp", "s")) == forms


def test_nouns_and_articles(modules: dict[str, ModuleType]) -> None:
    words = modules["chat_inflection"]
    plurals = {"pair of boots": "pairs of boots", "rose bush": "rose bushes", "city map": "city maps",
               "diary": "diaries", "key": "keys", "loaf of bread": "loaves of bread"}  # fmt: skip
    assert {noun: words.plural(noun) for noun in plurals} == plurals
    assert (
        words.repair("a apple, an pear, a hour, a unit ,  and so..")
        == "an apple, a pear, an hour, a unit, and so."
    )


def test_the_sums_are_right(modules: dict[str, ModuleType]) -> None:
    """Every equation of figures alone in the answers holds, by Python's own arithmetic."""
    checked = 0
    for number in range(600):
        writer = modules["chat_grammar"].Writer(f"sum {number}")
        _, answer = modules["chat_sums"].word_problem(writer)
        figures = r"[\d().+×−÷·/ -]+"
        for chain in re.findall(rf"{figures}(?:= {figures})+", answer):
            sides = [side.strip(" .").translate(str.maketrans("×·−÷", "**-/")) for side in chain.split("=")]
            sides = [
                side for side in sides if re.match(r"-?[\d(]", side) and not re.search(r"[. ] |\d \d", side)
            ]
            values = [eval(side) for side in sides if side.count("(") == side.count(")")]
            assert values == pytest.approx([values[-1]] * len(values)), answer
            checked += len(values) > 1
    assert checked > 500


def test_emoji_are_of_every_kind_and_fit(modules: dict[str, ModuleType], made: list[Document]) -> None:
    signs = {sign for kind in modules["chat_emoji"].KINDS.values() for sign in kind}
    used = {sign for sign in signs for _, text in made if sign in text}
    assert len(used) > 0.9 * len(signs)
