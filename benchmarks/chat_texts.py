"""Write texts of the kinds that chat models read and write, by a grammar and a seed.

    python benchmarks/chat_texts.py -o texts.jsonl [--documents 40000] [--seed 0]

One JSON object a line: ``prompt`` (a string or null) and ``text``. The same seed gives the same file. All
patterns and words are this project's own, in ``chat_patterns/``; no other data is read, so that what is
trained on the texts may be passed on. ``chat_phenomena.py`` counts what is in them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from chat_emoji import with_emoji
from chat_forms import FORMS, Document
from chat_grammar import Writer
from chat_markdown import strong
from chat_phenomena import report

WORDS = (5, 300)  # of a text
_FRAGILE = ("```", "Traceback", "|--", '{"', "://", "`")  # no mark is put into these


def documents(seed: int) -> Iterator[Document]:
    """Yield documents without end, each a prompt or None, and a text; no two alike."""
    seen: set[str] = set()
    for number in itertools.count():
        prompt, text = document(f"{seed}:{number}")
        if WORDS[0] <= len(text.split()) <= WORDS[1] and text not in seen:
            seen.add(text)
            yield prompt, text


def document(seed: str) -> Document:
    writer = Writer(seed)
    [form] = writer.random.choices(list(FORMS), weights=list(FORMS.values()))
    prompt, text = form(writer)
    return prompt, _adorned(writer, text.strip())


def _adorned(w: Writer, text: str) -> str:
    """Add to one text in five what may stand in any: emoji, bold, capitals, lower case, ellipses, marks."""
    if any(sign in text for sign in _FRAGILE):
        return text
    if w.chance(0.15):
        text = with_emoji(w, text)
    if w.chance(0.07):
        text = strong(w, strong(w, text, 1), 0.4)
    if w.chance(0.03):
        text = _shout(w, text)
    if w.chance(0.025):
        text = re.sub(r"[.!](?= |$)", lambda m: w.pick(("...", "…", "!!", m[0])), text)
    if w.chance(0.02):
        text = re.sub(r", (?=\w)", lambda m: w.pick((" – ", " — ", " - ", m[0])), text)
    if w.chance(0.02):
        text = text.lower().rstrip(".")
    return text


def _shout(w: Writer, text: str) -> str:
    words = text.split(" ")
    for _ in range(w.between(1, 2)):
        at = w.between(0, len(words) - 1)
        words[at] = words[at].upper()
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    made = list(itertools.islice(documents(chosen.seed), chosen.documents))
    with chosen.output.open("w", encoding="utf-8") as file:
        for prompt, text in made:
            file.write(json.dumps({"prompt": prompt, "text": text}, ensure_ascii=False) + "\n")
    print(report(made))


if __name__ == "__main__":
    main()
