"""What was put aside as one HTML report, or as Markdown.

Everything in it may come from strangers: in the page it is escaped, in Markdown nothing is markup. Not for:
the script that computes it again (``script.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saetext.report.explore.collect.items import Item, SetRecipe
from saetext.report.html.parts import draw, shade_of
from saetext.report.html.passages import Passage, joined
from saetext.report.markdown import escaped
from saetext.text.one_line import many, one_line
from saetext.text.passages import printable

TITLE = "Collected in saetext explore"
_KINDS = {
    "finding": "finding",
    "pair": "pair",
    "passage": "passage",
    "search": "search result",
    "set": "set",
    "turn": "turned feature",
    "word": "explained word",
}


def html_of(items: Sequence[Item], title: str = TITLE) -> str:
    """Return one self-contained page; only its own style sheet is admitted, by its hash."""
    return draw(
        "explore/collected.html.j2",
        ("base.css", "explore/collected.css"),
        (),
        title=printable(title),
        summary=summary(items),
        items=[shown(item) for item in items],
        sets=[(printable(one.name), told_of_set(one)) for one in sets_of(items)],
    )


def markdown_of(items: Sequence[Item], title: str = TITLE) -> str:
    """Return Markdown: a heading for each thing, its figures as a list, its passages as quotes."""
    lines = [f"# {escaped(title)}", "", escaped(summary(items)), ""]
    for number, item in enumerate(items, start=1):
        lines += [f"## {number}. {escaped(item.title)}", ""]
        if item.note:
            lines += [*(f"{escaped(part)}  " for part in item.note.split("\n")), ""]
        lines += [f"- {escaped(word)}: {escaped(text)}" for word, text in item.told]
        for name, passage in item.passages:
            lines += ["", f"**{escaped(name)}** {escaped(passage.document)}", "", f"> {_quoted(passage)}"]
        lines.append("")
    if sets := sets_of(items):
        lines += ["## Documents", ""]
        lines += [f"- {escaped(one.name)}: {escaped(told_of_set(one))}" for one in sets]
        lines.append("")
    return "\n".join(lines)


def summary(items: Sequence[Item]) -> str:
    """Say what there is, in one sentence."""
    counts = [
        many(n, noun) for kind, noun in _KINDS.items() if (n := sum(item.kind == kind for item in items))
    ]
    return f"{', '.join(counts)}." if counts else "Nothing is collected."


def sets_of(items: Sequence[Item]) -> list[SetRecipe]:
    """Return the sets of documents that some things are about, each once."""
    return list(dict.fromkeys(one for item in items for one in item.recipe.sets))


def told_of_set(recipe: SetRecipe) -> str:
    """Say how a set is had again."""
    told = [printable(recipe.path)]
    if recipe.rows is not None:
        told.append(f"{many(len(recipe.rows), 'row')} of it")
    if recipe.where:
        told.append(f"where {printable(recipe.where)}")
    return ", ".join([*told, recipe.fingerprint[:12]])


def shown(item: Item) -> dict[str, Any]:
    """Return what a page shows of one thing, all of it printable."""
    return {
        "id": item.id,
        "kind": item.kind,
        "title": printable(item.title),
        "note": printable(item.note, newlines=True),
        "link": item.link,
        "told": [(printable(word), printable(text)) for word, text in item.told],
        "passages": [
            {
                "set": printable(name),
                "side": _side(item, at, name),
                "document": printable(passage.document),
                "pieces": [
                    {"text": text, "shade": shade}
                    for text, shade in joined(passage.pieces, lambda p: shade_of(max(p.strength, p.second)))
                ],
                "before": passage.cut_before,
                "after": passage.cut_after,
            }
            for at, (name, passage) in enumerate(item.passages)
        ],
    }


def _side(item: Item, at: int, name: str) -> str:
    """Return the colour of a passage: of two sides each its own, of a turned text that of what is turned."""
    if item.kind == "word":
        return "b" if name.startswith("turned") else "a"
    return "ab"[at % 2] if item.kind in ("finding", "turn") else "a"


def _quoted(passage: Passage) -> str:
    """Return a passage in one line of Markdown, the words that show it bold."""
    told = []
    for text, strong in joined(passage.pieces, lambda piece: max(piece.strength, piece.second) > 0):
        word = escaped(one_line(text, 4000))
        before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
        told.append(f"{before}**{word}**{after}" if strong and word else f"{before}{word}{after}")
    line = "".join(told).strip()
    return f"{'… ' if passage.cut_before else ''}{line}{' …' if passage.cut_after else ''}"
