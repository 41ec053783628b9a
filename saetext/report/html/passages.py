"""Passages of documents with the words shaded on which features are active: what all pages show.

Not for: choosing documents, or drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from saetext.corpus.protocol import CorpusLike
from saetext.features.shading import FullShade, firing, read_again, read_all_again, shade
from saetext.io.progress import Count
from saetext.text.passages import printable, word_bounds

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.running import TokenEntries

WIDTH = 420  # characters of a passage
_PROMPT = 240  # characters of a prompt
_TOGETHER = 64  # documents read again at a time: progress is told after each
_Mark = TypeVar("_Mark")

#: Start and end of a stretch of text in code points, and how strong it is, from 0 to 1.
Span = tuple[int, int, float]


@dataclass(frozen=True)
class Piece:
    """A stretch of text; ``strength`` from 0 (plain) to 1 or more (as strong as on reference text).

    ``second`` is likewise the strength of a second concept.
    """

    text: str
    strength: float = 0.0
    second: float = 0.0


@dataclass(frozen=True)
class Passage:
    """A part of a document.

    Attributes
    ----------
    document : str
        The document's id.
    pieces : tuple of Piece
        The text in order.
    set : str
        The set it is of, where that is told.
    row : int or None
        Its point on a map.
    cut_before, cut_after : bool
        Whether text was left out that no ellipsis in the pieces stands for.
    place : int or None
        The document's row in the corpus or view it was made of: the id may be shown otherwise than it is.
    """

    document: str
    pieces: tuple[Piece, ...]
    set: str = ""
    row: int | None = None
    cut_before: bool = False
    cut_after: bool = False
    place: int | None = field(default=None, compare=False)


def joined(pieces: Iterable[Piece], mark: Callable[[Piece], _Mark]) -> list[tuple[str, _Mark]]:
    """Return printable stretches with what they are marked by; neighbours of one mark are one stretch."""
    found: list[tuple[str, _Mark]] = []
    for piece in pieces:
        text, marked = printable(piece.text, newlines=True), mark(piece)
        if found and found[-1][1] == marked:
            found[-1] = (found[-1][0] + text, marked)
        elif text:
            found.append((text, marked))
    return found


class PassageBuilder:
    """Makes passages of some corpora, reading each document once.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; documents are named by the number of their corpus and their row.
    saes : sequence of str
        The SAE of each, by its full name.
    readers : sequence of Reader or None
        What reads the documents of each again, to shade every token; None marks the strongest word alone.
    """

    def __init__(
        self, sets: Sequence[CorpusLike], saes: Sequence[str], readers: Sequence[Reader | None]
    ) -> None:
        self._again = self._stored = 0
        self._full = [FullShade([c.calibration(sae)]) for c, sae in zip(sets, saes, strict=False)]
        self._saes, self._readers = saes, readers
        self._document: Any = lru_cache(2048)(lambda number, row: sets[number].document(row))
        self._ahead: dict[tuple[int, int], TokenEntries | None] = {}
        # only where a feature is active: reading takes time
        self._alone: Any = lru_cache(512)(
            lambda number, row: read_again(readers[number], saes[number], self._document(number, row))
        )

    def _entries(self, number: int, row: int) -> TokenEntries | None:
        found: TokenEntries | None = (
            self._ahead[number, row] if (number, row) in self._ahead else self._alone(number, row)
        )
        return found

    def read_ahead(
        self, number: int, wanted: Mapping[int, Iterable[int]], on_done: Count | None = None
    ) -> None:
        """Read documents again in batches, before their passages are made: much faster than one by one.

        Parameters
        ----------
        number : int
            The corpus.
        wanted : mapping
            The features to shade, by row; no other can be shaded in these documents afterwards.
        on_done : callable, optional
            Called with documents read and their number.
        """
        reader = self._readers[number]
        rows = [row for row in wanted if self._document(number, row)["text"] is not None]
        if reader is None:
            return
        for start in range(0, len(rows), _TOGETHER):
            part = rows[start : start + _TOGETHER]
            documents = [self._document(number, row) for row in part]
            found = read_all_again(reader, self._saes[number], documents, [wanted[row] for row in part])
            self._ahead.update({(number, row): one for row, one in zip(part, found, strict=True)})
            if on_done is not None:
                on_done(start + len(part), len(rows))

    def prompt(self, documents: Iterable[tuple[int, int]]) -> str:
        """Return the first prompt of some documents, shortened; empty if they have none."""
        prompts = (self._document(number, row).get("prompt") for number, row in documents)
        shown = printable(next((prompt for prompt in prompts if prompt), ""))
        return shown if len(shown) <= _PROMPT else shown[:_PROMPT].rsplit(" ", 1)[0] + "…"

    def focus(self, number: int, row: int, peak: int) -> tuple[int, int]:
        """Return start and end of a token; of no token, or where texts are not stored, of nothing."""
        document = self._document(number, row)
        if document["text"] is None or peak < 0:
            return (0, 0)
        return int(document["token_start"][peak]), int(document["token_end"][peak])

    def word(self, number: int, row: int, token: int) -> tuple[int, int]:
        """Return start and end of the word that a token is of, as :meth:`focus` does of the token."""
        start, end = self.focus(number, row, token)
        text = self._document(number, row)["text"]
        return (start, end) if text is None or token < 0 else word_bounds(text, start, end)

    def text(self, number: int, row: int, span: tuple[int, int]) -> str:
        """Return a stretch of a document's text; nothing where it is not stored."""
        return (self._document(number, row)["text"] or "")[slice(*span)]

    def full(self, number: int, feature: int, shown: Iterable[float]) -> float:
        """Return the activation with the darkest shade: one for everything that is ``shown`` of a feature."""
        return self._full[number].of(feature, shown)

    def spans(self, number: int, row: int, feature: int, value: float, peak: int, full: float) -> list[Span]:
        """Return where a feature is active, relative to ``full``; or its strongest word."""
        document = self._document(number, row)
        text, start, end = document["text"], document["token_start"], document["token_end"]
        if text is None or peak < 0:
            return []
        values = firing(self._entries(number, row), feature, peak, value)
        if values is None:
            self._stored += 1
            return [(*word_bounds(text, int(start[peak]), int(end[peak])), value / full)]
        self._again += 1
        return [(int(start[o]), int(end[o]), values[o] / full) for o in sorted(values)]

    def passage(
        self,
        number: int,
        row: int,
        layers: Sequence[Sequence[Span]],
        focus: tuple[int, int],
        *,
        width: int = WIDTH,
        name: str = "",
        point: int | None = None,
        newlines: bool = False,
    ) -> Passage:
        """Return some ``width`` characters around ``focus``.

        Parameters
        ----------
        number, row : int
            The corpus and the document.
        layers : sequence of sequence of Span
            What is shaded: the spans of one concept, or of two.
        focus : (start, end)
            Code points that must be shown.
        width : int
            Characters to show.
        name : str
            The set's name, where it is told.
        point : int, optional
            The document's point on a map.
        newlines : bool
            Keep line breaks.
        """
        document = self._document(number, row)
        called, text = printable(str(document["id"])), document["text"]
        if text is None:
            return Passage(called, (Piece("(the text is not stored)"),), name, point, place=row)
        cut, strengths = overlaid(layers)
        numbered = [(low, high, 1.0 + at) for at, (low, high) in enumerate(cut)]
        pieces = tuple(
            Piece(piece.text, *(strengths[round(piece.value) - 1] if piece.value else ()))
            for piece in shade(text, numbered, focus, width, newlines=newlines)
        )
        return Passage(called, pieces, name, point, place=row)

    def told(self, all_tokens: str, some_tokens: str, words: str) -> str:
        """Return which of three sentences is true of the passages made; empty if nothing is shaded."""
        if not self._again and not self._stored:
            return ""
        if not self._stored:
            return all_tokens
        return some_tokens if self._again else words


def overlaid(layers: Sequence[Sequence[Span]]) -> tuple[list[tuple[int, int]], list[tuple[float, ...]]]:
    """Cut the spans of all layers into stretches in order, each with its strength in every layer."""
    cuts = sorted({edge for spans in layers for low, high, _ in spans for edge in (low, high)})
    stretches, strengths = [], []
    for low, high in pairwise(cuts):
        found = tuple(
            max((v for x, y, v in spans if x <= low and high <= y), default=0.0) for spans in layers
        )
        if any(found):
            stretches.append((low, high))
            strengths.append(found)
    return stretches, strengths
