"""The room Collect: what was put aside, with notes, and how it leaves: a report, Markdown, or a script.

Not for: putting things aside (the rooms that show them).
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.errors import InputError
from saetext.report.explore.asked import LONGEST_ADDRESS, Asked
from saetext.report.explore.collect.items import Item, Recipe, recipe_of
from saetext.report.explore.collect.script import script_of
from saetext.report.explore.collect.texts import html_of, markdown_of, shown, summary
from saetext.report.explore.downloads import download
from saetext.report.explore.drawing import asked_of, form_of, loaded_of, page
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of, in_thread, kept, remember
from saetext.report.explore.queries.choosing import choose
from saetext.report.explore.queries.passages import Entry, entry_of, whole_of
from saetext.report.explore.room import Room
from saetext.report.explore.rooms.read import Chosen as Looked
from saetext.report.explore.rooms.search_put import item_of_search, piece_of
from saetext.report.explore.waiting import back
from saetext.report.html.parts import SHADES
from saetext.report.html.passages import Passage, Piece

_WIDTH = 420  # characters of a passage
_REACH = 160  # characters around words that were pointed to
_POINTED = 0.5  # how strong those words are marked
_FORMATS = {"html": html_of, "md": markdown_of, "py": script_of}


def collected(request: Request) -> Response:
    """Show the drawer of this browser."""
    items = drawer_of(request).items
    return page(
        request,
        "collect.html.j2",
        title="Collect",
        items=[shown(item) for item in items],
        summary=summary(items),
        sets=loaded_of(request).sets,
    )


def export(request: Request) -> Response:
    """Return what is in the drawer as a file."""
    kind = asked_of(request).choice("format", tuple(_FORMATS))
    return download(_FORMATS[kind](drawer_of(request).items), "collected", kind)


async def take(request: Request) -> Response:
    """Take something out of the drawer."""
    form = await form_of(request)
    drawer_of(request).take(form.text("id", longest=40))
    return remember(request, back(form.text("back", "collect", longest=LONGEST_ADDRESS), request))


async def note(request: Request) -> Response:
    """Write a note to something in the drawer."""
    form = await form_of(request)
    drawer_of(request).note(form.text("id", longest=40), form.text("note", longest=10_000))
    return remember(request, back("collect", request))


async def passage(request: Request) -> Response:
    """Put a passage of a document aside: the words that were pointed to, or where the shade is strongest."""
    return await _turn(request, "document", passage_of)


def passage_of(loaded: Loaded, asked: Asked, link: str) -> Item:
    """Return the passage that a page of the room Read shows, as it is put aside.

    Raises
    ------
    SaetextError
        If there is no such document.
    """
    chosen = Looked.of(loaded, asked)
    whole = chosen.corpus.whole
    row = asked.maybe_number("row")
    if row is None:
        row = int(whole[asked.text("id")].row)
    look = chosen.look(chosen.shade, again=False)
    low, high = asked.maybe_number("from"), asked.maybe_number("to")
    if low is not None and high is not None and low < high:
        entry = whole_of(look, row, (low, high))
        pieces, before, after = _around(entry, low, high, shaded=look.shade is not None)
    else:
        entry = entry_of(look, row, width=_WIDTH)
        pieces, before, after = tuple(map(piece_of, entry.parts)), False, False
    name = whole[row].id
    told = [("corpus", chosen.name)]
    if chosen.shade is not None:
        told.append(("shaded by", chosen.shade.name))
    home = recipe_of(choose(loaded, loaded.home_of(chosen.name)))  # the page may be of one outside its set
    recipe = Recipe("document", (home,), key=(name, str(low), str(high)))
    shown_passage = Passage(name, pieces, cut_before=before, cut_after=after)
    return Item("passage", name, recipe, tuple(told), ((chosen.name, shown_passage),), link)


async def search(request: Request) -> Response:
    """Put a search aside with what was judged in it, or take it out again."""
    return await _turn(request, "read", search_of)


async def _turn(request: Request, room: str, item_of: Callable[[Loaded, Asked, str], Item]) -> Response:
    """Put aside what the page shows that the form came from, or take it out again."""
    form = await form_of(request)
    address = form.text("back", longest=LONGEST_ADDRESS)
    item = await in_thread(item_of, loaded_of(request), Asked(room, kept(address)), address)
    drawer_of(request).turn(item)
    return remember(request, back(address, request))


def search_of(loaded: Loaded, asked: Asked, link: str) -> Item:
    """Return the search that a page of the room Read shows, as it is put aside.

    Raises
    ------
    SaetextError
        If the page is of no search, or nothing is found.
    """
    chosen = Looked.of(loaded, asked)
    question = chosen.question(asked)
    if question is None:
        raise InputError("collect a search as property or like document")
    return item_of_search(chosen, question, link)


def _around(entry: Entry, low: int, high: int, *, shaded: bool) -> tuple[tuple[Piece, ...], bool, bool]:
    """Return the pieces of a document around a stretch, and whether text was left out on either side."""
    start, end = max(0, low - _REACH), high + _REACH
    pieces = []
    for part in entry.parts:
        first, last = max(part.start, start), min(part.end, end)
        if first < last:
            strength = max(part.shade / SHADES if shaded else 0.0, _POINTED if part.here else 0.0)
            pieces.append(Piece(part.text[first - part.start : last - part.start], strength))
    length = entry.parts[-1].end if entry.parts else 0
    return tuple(pieces), start > 0, end < length


ROOM = Room(
    "collect",
    "Collect",
    (
        Route("/collect", collected),
        Route("/collected", export),
        Route("/collect-take", take, methods=["POST"]),
        Route("/collect-note", note, methods=["POST"]),
        Route("/passage-put", passage, methods=["POST"]),
        Route("/search-put", search, methods=["POST"]),
    ),
)
