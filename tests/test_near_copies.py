"""Which texts are one text, against every pair compared."""

from __future__ import annotations

import random

from saetext.text.near_copies import near_copies
from saetext.text.words import words


def test_by_example() -> None:
    assert near_copies([]).tolist() == []
    assert near_copies(["Thanks!", "thanks", "Thank you", "", None, None, "  "]).tolist() == [
        0,
        0,
        1,
        2,
        3,
        4,
        2,
    ]
    form = "Dear {}, your order {} could not be delivered to the address that you gave us last week, sorry."
    told = [form.format(name, i) for i, name in enumerate(("Ann", "Bob", "Cy"))]
    assert near_copies(
        [*told, "Dear Ann, your cat could not be found in the garden this week."]
    ).tolist() == [0, 0, 0, 1]


def test_against_every_pair() -> None:
    draw = random.Random(0)
    known = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(300)]
    texts: list[str] = []
    for _ in range(60):
        said = [draw.choice(known) for _ in range(draw.randint(25, 60))]
        for _ in range(draw.randint(1, 4)):  # the text again, with a word or two changed
            copy = list(said)
            for _ in range(draw.randint(0, 2)):
                copy[draw.randrange(len(copy))] = draw.choice(known)
            texts.append(" ".join(copy))
    draw.shuffle(texts)
    runs = [{tuple(w[i : i + 3]) for i in range(len(w) - 2)} for w in map(words, texts)]
    leaders: list[int] = []
    slow = []
    for i, mine in enumerate(runs):
        alike = [j for j in leaders if len(mine & runs[j]) / len(mine | runs[j]) >= 0.7]
        if not alike:
            leaders.append(i)
        slow.append(alike[0] if alike else i)
    numbers = {first: at for at, first in enumerate(dict.fromkeys(slow))}
    found = near_copies(texts)
    missed = sum(a != numbers[b] for a, b in zip(found.tolist(), slow, strict=True))
    assert missed <= len(texts) // 50  # hashes may miss a pair that is just alike enough
    assert len(set(found.tolist())) < len(texts) - 60
