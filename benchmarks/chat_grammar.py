"""A small grammar for chat_texts.py: patterns with alternatives and rules by name, expanded by a seeded draw.

``{a|b|}`` draws one of the alternatives, nested as one likes. ``<name>`` expands a rule; ``<^name>`` with a
capital; ``<key=name>`` keeps what was drawn, so that ``<key>`` says it again; ``<name/form>`` inflects it
(``ing ed pp s pl a``). A rule is the lines under ``== name`` in ``chat_patterns/*.txt``, or a part of the
topic of the document (``acts``, ``tips``, ...) from ``topics_*.txt``, or a function of ``chat_numbers.py``.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

import chat_numbers
from chat_inflection import inflect, plural, repair, with_article

PATTERNS = Path(__file__).resolve().parent / "chat_patterns"
_CALL = re.compile(r"<(\^?)(?:([a-z_]+)=)?([a-z_]+)(?:/([a-z]+))?>")
_FORMS: dict[str, Callable[[str], str]] = {
    **{form: functools.partial(inflect, form=form) for form in ("ing", "ed", "pp", "s")},
    "pl": plural,
    "a": with_article,
}
# A parsed pattern: texts, calls of rules, and alternatives.
Part: TypeAlias = "str | tuple[str, ...] | list[list[Part]]"
Topic = dict[str, list[str]]
T = TypeVar("T")


@functools.cache
def rules() -> dict[str, list[str]]:
    """Return rule -> its patterns."""
    found: dict[str, list[str]] = {}
    for path in sorted(set(PATTERNS.glob("*.txt")) - set(PATTERNS.glob("topics_*.txt"))):
        name = ""
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("== "):
                name = line[3:]
            elif line:
                found.setdefault(name, []).append(line.replace("\\n", "\n"))
    return found


@functools.cache
def topics() -> dict[str, Topic]:
    """Return topic -> part -> patterns."""
    found: dict[str, Topic] = {}
    for path in sorted(PATTERNS.glob("topics_*.txt")):
        topic: Topic = {}
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("= "):
                topic = found[line[2:]] = {}
            elif line:
                part, _, items = line.partition(": ")
                topic[part] = items.split("; ")
    return found


@functools.lru_cache(maxsize=20_000)
def parse(pattern: str) -> list[list[Part]]:
    """Return the alternatives of a pattern, each a sequence of parts."""
    alternatives, end = _parse(pattern, 0)
    assert end == len(pattern), f"a brace too many: {pattern}"
    return alternatives


def _parse(pattern: str, at: int) -> tuple[list[list[Part]], int]:
    alternatives: list[list[Part]] = [[]]
    while at < len(pattern) and pattern[at] != "}":
        if pattern[at] == "{":
            inner, at = _parse(pattern, at + 1)
            assert at < len(pattern), f"a brace too few: {pattern}"
            alternatives[-1].append(inner)
            at += 1
        elif pattern[at] == "|":
            alternatives.append([])
            at += 1
        elif call := _CALL.match(pattern, at):
            alternatives[-1].append(tuple(group or "" for group in call.groups()))
            at = call.end()
        else:
            plain = re.compile(r"[^{|}<]+|<").match(pattern, at)
            assert plain is not None
            alternatives[-1].append(plain[0])
            at = plain.end()
    return alternatives, at


class Writer:
    """Writes one document: its draws, its topic, and what it has said."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.topic_name = self.random.choice(sorted(topics()))
        self.topic = topics()[self.topic_name]
        self.kept: dict[str, str] = {"topic_tag": self.topic_name.title().replace("_", "")}
        self.kept["pair_a"], _, self.kept["pair_b"] = self.random.choice(self.topic["pair"]).partition("/")
        singular = not self.kept["pair_a"].endswith("s") or self.kept["pair_a"].startswith(("a ", "an "))
        self.kept["pair_are"] = "is" if singular else "are"
        self._said: set[str] = set()

    def write(self, pattern: str) -> str:
        """Return a pattern expanded, with articles and spaces put right."""
        return repair(self._alternatives(parse(pattern))).strip(" ")

    def rule(self, name: str) -> str:
        return repair(self._rule(name)).strip(" ")

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, things: list[T] | tuple[T, ...]) -> T:
        return self.random.choice(things)

    def between(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def _alternatives(self, alternatives: list[list[Part]]) -> str:
        parts = alternatives[0] if len(alternatives) == 1 else self.random.choice(alternatives)
        return "".join(self._part(part) for part in parts)

    def _part(self, part: Part) -> str:
        if isinstance(part, str):
            return part
        return self._call(part) if isinstance(part, tuple) else self._alternatives(part)

    def _call(self, call: tuple[str, ...]) -> str:
        capital, key, name, form = call
        text = self._rule(name).strip()
        if form:
            text = _FORMS[form](text)
        if key:
            self.kept[key] = text
        return text[:1].upper() + text[1:] if capital else text

    def _rule(self, name: str) -> str:
        if name in self.kept:
            return self.kept[name]
        if name.endswith("_tag"):
            return "".join(word.title() for word in re.findall(r"\w+", self._rule(name[:-4])))
        if name in self.topic:
            return self._alternatives(parse(self._new(self.topic[name])))
        if name in rules():
            return self._alternatives(parse(self._new(rules()[name])))
        return chat_numbers.RULES[name](self.random)

    def _new(self, patterns: list[str]) -> str:
        """Draw a pattern, of three tries the first that this document has not had."""
        for _ in range(3):
            pattern = self.random.choice(patterns)
            if pattern not in self._said:
                break
        if len(patterns) > 4:
            self._said.add(pattern)
        return pattern
