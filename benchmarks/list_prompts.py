"""The prompts of the list study: 23 everyday topics of our own, in three templates.

The answer of an earlier turn shows the form. Without it a small model writes a paragraph an item and seldom
reaches the end; ``lists.py`` measures both. Not for: what is done with them.
"""

from __future__ import annotations

from typing import Any

TOPICS = (
    "things to take on a camping trip",
    "breakfast foods",
    "ways to save electricity at home",
    "gifts for a ten-year-old",
    "tools for a small garden",
    "games for a rainy day",
    "things to clean in a kitchen",
    "pets for a small flat",
    "vegetables for a soup",
    "things to check before a long drive",
    "jobs in a hospital",
    "musical instruments",
    "things to keep in a school bag",
    "sports to play with friends",
    "ways to fall asleep sooner",
    "drinks for a birthday party",
    "clothes for a cold day",
    "things to see in a big city",
    "birds that live near people",
    "reasons to learn a language",
    "things to do at the beach",
    "shops on a high street",
    "chores for a Saturday morning",
)
TEMPLATES = {
    "short": "Write a short list of {}. Give only the list, without explanations.",
    "long": "Write a long list of {}. Give only the list, without explanations.",
    "plain": "Write a list of {}. Give only the list, without explanations.",
}
EXAMPLE = (
    {"role": "user", "content": TEMPLATES["plain"].format("farm animals")},
    {"role": "assistant", "content": "- cows\n- pigs\n- hens\n- sheep\n- goats\n- ducks"},
)


def prompts(topics: tuple[str, ...], *, example: bool) -> list[dict[str, Any]]:
    """Return a prompt for each topic and template, with turns under ``messages``.

    >>> [row["id"] for row in prompts(("birds",), example=True)]
    ['birds: short', 'birds: long', 'birds: plain']
    """
    before = EXAMPLE if example else ()
    return [
        {
            "id": f"{topic}: {name}",
            "topic": topic,
            "template": name,
            "messages": [*before, {"role": "user", "content": template.format(topic)}],
        }
        for topic in topics
        for name, template in TEMPLATES.items()
    ]


def halves(topics: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the topics on which features are chosen, and those on which they are tested."""
    return topics[1::2], topics[::2]
