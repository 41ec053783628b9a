"""How the cases of ``truth.py`` are made: sets that differ in one known way, or two things that go together.

Planted cases are real texts split at random, in which a share of one side gets something. In natural ones a
regular expression says the truth. Not for: which cases there are (``truth_list.py``), running them
(``truth.py``) or judging them (``truth_scoring.py``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from truth_plants import PLANTS, Plant
from truth_texts import Data, draw, shortened

Kind = Literal[
    "phrase", "mark", "habit", "topic", "length", "null", "natural", "pair", "apart", "natural pair"
]
Text = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """The texts of a case.

    Attributes
    ----------
    a, b : list of dict
        Rows to encode; ``b`` is empty where things that go together are looked for in ``a``.
    truth : mapping
        What was counted in these texts: for a difference ``a`` and ``b``, the shares that have it; for two
        things the numbers of texts ``n``, ``n_a``, ``n_b``, ``n_ab``.
    """

    a: list[Text]
    b: list[Text] = field(default_factory=list)
    truth: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A known truth.

    Attributes
    ----------
    name, kind : str
        What it is called, and what kind of truth it is.
    make : callable
        From the data and a source of randomness to the texts.
    items : tuple of Item
        What a name has to say: one thing that differs, two that go together, none where there is nothing.
    """

    name: str
    kind: Kind
    make: Callable[[Data, Random], Made]
    items: tuple[Item, ...] = ()

    @property
    def verb(self) -> str:
        """Which analysis it is for."""
        return "correlate" if self.kind in ("pair", "apart", "natural pair") else "diff"

    @property
    def planted(self) -> bool:
        """Whether nothing else than what was planted is true of it."""
        return self.kind != "natural"

    def texts(self, data: Data) -> Made:
        """Make the texts, always the same."""
        return self.make(data, Random(f"truth {self.name}"))


@dataclass(frozen=True)
class Item:
    """Names that say a thing, names that are true of it, and the first letters of its own words."""

    accepted: tuple[str, ...]
    related: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plant: Plant) -> Item:
        """Return the names of what is planted."""
        return cls(plant.accepted, plant.related, plant.stems)


def halves(cases: Sequence[Case]) -> dict[str, str]:
    """Return ``dev`` or ``test`` for each name: within each kind in turn, in an order given by hashes."""
    found = {}
    for kind in dict.fromkeys(case.kind for case in cases):
        names = [case.name for case in cases if case.kind == kind]
        for place, name in enumerate(sorted(names, key=_hashed)):
            found[name] = ("dev", "test")[(place + _hashed(kind)[0] % 2) % 2]
    return found


def _hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def rows(texts: Sequence[str], prefix: str, prompts: Sequence[Any] = ()) -> list[Text]:
    """Return texts with ids, and with their prompts where there are any."""
    ids = [{"id": f"{prefix}{n}", "text": text} for n, text in enumerate(texts)]
    return [{**row, "prompt_id": p} for row, p in zip(ids, prompts, strict=True)] if prompts else ids


def share(texts: Sequence[str], present: Callable[[str], bool]) -> float:
    """Return the share of texts that have something."""
    return sum(map(present, texts)) / len(texts)


# ---- planted differences ----------------------------------------------------------------------------------


def spread(texts: Sequence[str], plant: Plant, n: int, rng: Random) -> list[str]:
    """Put a plant into ``n`` of the texts that lack it, chosen at random; order stays.

    Raises
    ------
    SystemExit
        If too few lack it.
    """
    free = [at for at, text in enumerate(texts) if not plant.present(text)]
    if len(free) < n:
        raise SystemExit(f"{plant.name} cannot be put into {n} of {len(free)} texts")
    chosen = set(rng.sample(free, n))
    return [plant.put(text, rng) if at in chosen else text for at, text in enumerate(texts)]


def planted(plant: str, pool: str, points: int, *, base: int = 0, n: int = 150) -> Case:
    """A plant in ``base`` per cent of one side, and in ``points`` more of the other."""
    what = PLANTS[plant]

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), 2 * n, rng)
        more = spread(texts[:n], what, round(n * (base + points) / 100), rng)
        fewer = spread(texts[n:], what, round(n * base / 100), rng)
        a, b = (more, fewer) if rng.random() < 0.5 else (fewer, more)
        truth = {"a": share(a, what.present), "b": share(b, what.present)}
        return Made(rows(a, "a"), rows(b, "b"), truth)

    name = f"{plant.replace(' ', '-')}-{points}-{pool}"
    return Case(name, what.kind, make, (Item.of(what),))  # type: ignore[arg-type]


# ---- length, and nothing -----------------------------------------------------------------------------------

LENGTH = Item(
    (
        r"^(longer|shorter|length)\b|\b(longer|shorter) (than|texts?|documents?)|\b(text|document) length",
        r"\bnumber of (words|sentences|paragraphs)|\bword count|\b(more|fewer) (words|sentences)",
    )
)


def _lengths(a: list[str], b: list[str]) -> Made:
    words = [sum(len(text.split()) for text in side) / len(side) for side in (a, b)]
    return Made(rows(a, "a"), rows(b, "b"), {"a": words[0], "b": words[1]})


def joined(pool: str, times: int, n: int = 120) -> Case:
    """Several texts in one document against one."""

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), (times + 1) * n, rng)
        several = ["\n\n".join(texts[at * times : (at + 1) * times]) for at in range(n)]
        return _lengths(several, texts[times * n :])

    return Case(f"length-joined-{pool}", "length", make, (LENGTH,))


def cut(pool: str, long: tuple[int, int], short: tuple[int, int], n: int = 130) -> Case:
    """The beginnings of texts, longer and shorter ones, of lengths that overlap."""

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), 2 * n, rng)
        longer = [shortened(text, rng.randint(*long)) for text in texts[:n]]
        shorter = [shortened(text, rng.randint(*short)) for text in texts[n:]]
        return _lengths(longer, shorter)

    return Case(f"length-cut-{pool.replace(' ', '-')}", "length", make, (LENGTH,))


def chosen(pool: str, n: int = 180) -> Case:
    """Longer texts of a pool more often on one side: a text goes there by chance, rather if it is long."""

    def make(data: Data, rng: Random) -> Made:
        texts = sorted(draw(data.pool(pool), 2 * n, rng), key=lambda text: len(text.split()))
        sides: tuple[list[str], list[str]] = ([], [])
        for place, text in enumerate(texts):
            sides[rng.random() > 0.1 + 0.8 * place / len(texts)].append(text)
        return _lengths(*sides)

    return Case(f"length-chosen-{pool.replace(' ', '-')}", "length", make, (LENGTH,))


def nothing(pool: str, n: int = 150) -> Case:
    """Two random halves."""

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), 2 * n, rng)
        return Made(rows(texts[:n], "a"), rows(texts[n:], "b"))

    return Case(f"null-{pool.replace(' ', '-')}", "null", make)


# ---- natural differences -----------------------------------------------------------------------------------


def _regex(pattern: str, flags: int = re.I) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags)
    return lambda text: compiled.search(text) is not None


def models(
    name: str,
    a: str,
    b: str,
    present: str | Callable[[str], bool],
    item: Item,
    *,
    n: int = 130,
    longest: int = 350,
) -> Case:
    """Answers of two models to the same prompts; very long ones cost time and are left out."""
    has = _regex(present) if isinstance(present, str) else present

    def make(data: Data, rng: Random) -> Made:
        table = data.table("alpaca_eval_outputs")
        of = [dict(table.filter(model=m).select("prompt_id", "text").rows()) for m in (a, b)]
        common = sorted(
            p for p in of[0] if p in of[1] and all(20 <= len(x[p].split()) <= longest for x in of)
        )
        prompts = sorted(draw(common, n, rng))
        sides = [[x[p] for p in prompts] for x in of]
        truth = {side: share(texts, has) for side, texts in zip("ab", sides, strict=True)}
        return Made(rows(sides[0], "a", prompts), rows(sides[1], "b", prompts), truth)

    return Case(f"natural-{name}", "natural", make, (item,))


def labelled(
    file: str,
    column: str,
    a: str,
    b: str,
    present: str | Callable[[str], bool],
    item: Item,
    *,
    n: int = 200,
    least: int = 5,
    most: int = 90,
) -> Case:
    """Texts of two labels of a file; their first sentences, up to ``most`` words."""
    has = _regex(present) if isinstance(present, str) else present

    def make(data: Data, rng: Random) -> Made:
        table = data.table(file)
        sides = []
        for label in (a, b):
            texts = [
                shortened(t, most) for t in table.filter(**{column: label})["text"].to_list() if t.strip()
            ]
            kept = [t for t in dict.fromkeys(texts) if len(t.split()) >= least]
            sides.append(draw(kept, min(n, len(kept)), rng))
        truth = {side: share(texts, has) for side, texts in zip("ab", sides, strict=True)}
        return Made(rows(sides[0], "a"), rows(sides[1], "b"), truth)

    return Case(f"natural-{a}-{b}", "natural", make, (item,))


# ---- things that go together -------------------------------------------------------------------------------


def _counted(
    texts: Sequence[str], one: Callable[[str], bool], other: Callable[[str], bool]
) -> dict[str, float]:
    has = [(one(text), other(text)) for text in texts]
    return {
        "n": len(texts),
        "n_a": sum(x for x, _ in has),
        "n_b": sum(y for _, y in has),
        "n_ab": sum(x and y for x, y in has),
    }


def together(one: str, other: str, pool: str, both: int, alone: int, n: int = 400) -> Case:
    """Two plants in ``both`` texts, and each alone in ``alone`` others."""
    plants = PLANTS[one], PLANTS[other]

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), n, rng)
        free = [at for at, text in enumerate(texts) if not any(p.present(text) for p in plants)]
        places = rng.sample(free, both + 2 * alone)
        for at in places[: both + alone]:
            texts[at] = plants[0].put(texts[at], rng)
        for at in places[:both] + places[both + alone :]:
            texts[at] = plants[1].put(texts[at], rng)
        return Made(rows(texts, ""), [], _counted(texts, plants[0].present, plants[1].present))

    name = f"{one}+{other}-{both}-of-{both + alone}".replace(" ", "-")
    return Case(name, "pair", make, (Item.of(plants[0]), Item.of(plants[1])))


def apart(one: str, other: str, pool: str, each: int, n: int = 400) -> Case:
    """Two plants, each in its own random choice of the texts: they go together by chance alone."""
    plants = PLANTS[one], PLANTS[other]

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), n, rng)
        for plant in plants:
            texts = spread(texts, plant, each, rng)
        return Made(rows(texts, ""), [], _counted(texts, plants[0].present, plants[1].present))

    name = f"apart-{one}+{other}".replace(" ", "-")
    return Case(name, "apart", make, (Item.of(plants[0]), Item.of(plants[1])))


def natural_pair(pool: str, one: Sequence[str], other: Sequence[str], n: int = 1000) -> Case:
    """Two words, or kinds of words, that go together in real texts."""
    has = [_regex("|".join(words)) for words in (one, other)]

    def make(data: Data, rng: Random) -> Made:
        texts = draw(data.pool(pool), n, rng)
        return Made(rows(texts, ""), [], _counted(texts, *has))

    name = f"{pool}-{one[0]}-{other[0]}".replace(r"\b", "").replace("?", "")
    return Case(f"natural-{name}", "natural pair", make, (Item(tuple(one)), Item(tuple(other))))
