"""What is put aside in an explorer: a finding, a pair, a passage, a search or a set, and how it is had again.

The drawer is in the server's memory as long as it runs; each browser has one of its own. Not for: writing it
to a file (``script.py``, ``texts.py``).
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from saetext.errors import InputError
from saetext.report.explore.queries.choosing import Chosen, Without
from saetext.report.explore.queries.packed import PackedRows
from saetext.report.html.passages import Passage

Kind = Literal["finding", "pair", "passage", "search", "set", "turn", "word"]
MOST = 200  # things in one drawer
DRAWERS = 50  # those used last are kept
_LONGEST_NOTE = 2000


@dataclass(frozen=True)
class SetRecipe:
    """How a set of documents is had again.

    Attributes
    ----------
    name : str
        What it was called.
    path : str
        Where its corpus is.
    fingerprint : str
        Of the documents, so that a corpus that has changed is noticed.
    where : str
        The condition, empty for none.
    rows : PackedRows or None
        Rows of the whole corpus, taken before the condition; None for all. Two recipes are not told apart by
        them: the fingerprint is of the documents.
    """

    name: str
    path: str
    fingerprint: str
    where: str = ""
    rows: PackedRows | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Recipe:
    """How what was put aside is computed again with saetext.

    Attributes
    ----------
    verb : {"diff", "correlate", "document", "search", "set", "steer", "why"}
        What is called.
    sets : tuple of SetRecipe
        On which documents.
    options : mapping
        Keywords of the verb, in plain JSON types.
    without : tuple of Without
        What documents are left out for.
    key : tuple of str
        Which row of the result, or which document; of a search the ids that it found; of steer the model and
        the texts that it wrote; of why the model, its SAE and the word.
    figures : mapping
        What the row said: column to number.
    """

    verb: Literal["diff", "correlate", "document", "search", "set", "steer", "why"]
    sets: tuple[SetRecipe, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[Without, ...] = ()
    key: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Item:
    """One thing in the drawer.

    Attributes
    ----------
    kind : {"finding", "pair", "passage", "search", "set", "turn", "word"}
        What it is.
    title : str
        Its name.
    told : tuple of (str, str)
        What is said of it: a word and what stands under it.
    passages : tuple of (str, Passage)
        Texts that show it, each with the name of its set.
    link : str
        Where in the explorer it was, relative to its root.
    recipe : Recipe
        How it is had again.
    note : str
        What somebody wrote to it.
    id : str
        What names it in the drawer.
    """

    kind: Kind
    title: str
    recipe: Recipe
    told: tuple[tuple[str, str], ...] = ()
    passages: tuple[tuple[str, Passage], ...] = ()
    link: str = ""
    note: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(6))


class Drawer:
    """What one browser has put aside, in the order it was put there."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    @property
    def items(self) -> tuple[Item, ...]:
        """What is in it."""
        with self._lock:
            return tuple(self._items.values())

    def __len__(self) -> int:
        """Return how many things are in it."""
        return len(self._items)

    def put(self, item: Item) -> Item:
        """Put something in, and return it; what is there already stays as it is, with its note.

        Raises
        ------
        InputError
            If the drawer is full.
        """
        with self._lock:
            for known in self._items.values():
                if (known.kind, known.recipe) == (item.kind, item.recipe):
                    return known
            if len(self._items) >= MOST:
                raise InputError(f"{MOST} things are kept at most: export them, and take some out")
            self._items[item.id] = item
            return item

    def turn(self, item: Item) -> bool:
        """Put something in, or take it out if it is there; say whether it is there now."""
        for known in self.items:
            if (known.kind, known.recipe) == (item.kind, item.recipe):
                self.take(known.id)
                return False
        self.put(item)
        return True

    def take(self, id: str) -> None:
        """Take something out; what is gone already is no error."""
        with self._lock:
            self._items.pop(id, None)

    def note(self, id: str, text: str) -> None:
        """Write a note to something.

        Raises
        ------
        InputError
            If it is not there any longer, or the note is too long.
        """
        text = text.replace("\r\n", "\n").strip()
        if len(text) > _LONGEST_NOTE:
            raise InputError(f"a note has {len(text):,} characters; at most {_LONGEST_NOTE:,} are kept")
        with self._lock:
            if id not in self._items:
                raise InputError("it is not in the drawer any longer")
            self._items[id] = dataclasses.replace(self._items[id], note=text)


class Drawers:
    """The drawers of all browsers, by a name that only the browser knows.

    Of too many, empty ones go first, then those that were used longest ago.
    """

    def __init__(self) -> None:
        self._drawers: OrderedDict[str, Drawer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str | None) -> tuple[str, Drawer]:
        """Return a browser's drawer and its name; an unknown name gets a new drawer under a new name."""
        with self._lock:
            if name is None or name not in self._drawers:
                name = secrets.token_urlsafe(18)
                self._drawers[name] = Drawer()
            self._drawers.move_to_end(name)
            while len(self._drawers) > DRAWERS:
                others = [other for other in self._drawers if other != name]
                empty = (other for other in others if not len(self._drawers[other]))
                del self._drawers[next(empty, others[0])]
            return name, self._drawers[name]

    def known(self, name: str | None) -> Drawer | None:
        """Return a browser's drawer; None for one that has none."""
        with self._lock:
            if name is None or name not in self._drawers:
                return None
            self._drawers.move_to_end(name)
            return self._drawers[name]

    def count(self, name: str | None) -> int:
        """Return how much is in a browser's drawer; 0 for one that has none."""
        with self._lock:
            found = None if name is None else self._drawers.get(name)
            return 0 if found is None else len(found)


def recipe_of(chosen: Chosen) -> SetRecipe:
    """Return how a set is had again."""
    corpus = chosen.corpus
    path = corpus.elsewhere or str(corpus.path.resolve())
    return SetRecipe(chosen.name, path, corpus.fingerprint, chosen.where, chosen.packed)


def recipes_of(sets: Sequence[Chosen]) -> tuple[SetRecipe, ...]:
    """Return how several sets are had again."""
    return tuple(recipe_of(one) for one in sets)
