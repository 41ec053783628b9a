"""A search that is put aside: its documents, and how they are found again, with what was judged.

Not for: the drawer (collect/items.py), or the page of a search (read.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saetext.report.explore.collect.items import Drawer, Item, Recipe, recipe_of
from saetext.report.explore.queries.choosing import choose
from saetext.report.explore.queries.passages import Part, entry_of
from saetext.report.explore.queries.searching import Question, found_by
from saetext.report.html.parts import SHADES
from saetext.report.html.passages import Passage, Piece
from saetext.text.one_line import one_line

if TYPE_CHECKING:
    from saetext.report.explore.rooms.read import Chosen

PAGE = 20  # documents of a search
_PASSAGES = 5  # of the first documents, which are kept with it
_TITLE = 200  # characters


def recipe_of_search(chosen: Chosen, question: Question) -> Recipe:
    """Return how the first page of a search is had again."""
    corpus = question.corpus
    found = found_by(question, 0, PAGE)
    options = {"top": PAGE, **question.options}
    if len(corpus.whole.saes) > 1:
        options["sae"] = question.sae
    home = recipe_of(choose(chosen.loaded, chosen.name, chosen.where))
    words = (question.asked,) if question.by == "property" else ()
    ids = [corpus.whole[row].id for row in found.rows]
    return Recipe("search", (home,), {**options, "words": words}, key=tuple(ids))


def is_put(drawer: Drawer, chosen: Chosen, question: Question) -> bool:
    """Return whether a search is in a drawer; it is looked for again only where there are searches."""
    searches = [item.recipe for item in drawer.items if item.kind == "search"]
    if not searches or not found_by(question, 0, PAGE).rows:  # of no documents there is no set to put aside
        return False
    return recipe_of_search(chosen, question) in searches


def item_of_search(chosen: Chosen, question: Question, link: str) -> Item:
    """Return a search as it is put aside.

    Raises
    ------
    SaetextError
        If nothing is found.
    """
    found = found_by(question, 0, PAGE)
    whole, judged = question.corpus.whole, question.judged
    look = chosen.look(chosen.shade or found.shade, again=False)
    passages = [
        (chosen.name, Passage(whole[row].id, tuple(map(piece_of, entry_of(look, row).parts))))
        for row in found.rows[:_PASSAGES]
    ]
    told = [("corpus", chosen.name), *([("where", chosen.where)] if chosen.where else [])]
    told += [
        (side, ", ".join(whole[row].id for row in rows))
        for side, rows in (("wanted", judged.more), ("unwanted", judged.less))
        if rows
    ]
    told.append(("documents with a score", f"{found.found:,}"))
    like = "" if question.by == "property" else "like "
    title = one_line(f"{like}{question.asked}", _TITLE)
    return Item("search", title, recipe_of_search(chosen, question), tuple(told), tuple(passages), link)


def piece_of(part: Part) -> Piece:
    """Return a stretch of a shaded text as a piece of a passage."""
    return Piece(part.text, part.shade / SHADES)
