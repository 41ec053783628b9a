"""Examples of words, marks, properties and themes: a document that has one, its partner, and where it is.

Not for: examples of features (:mod:`saetext.features.evidence`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.examples import TOGETHER, Marked, MarkedSides
from saetext.analysis.differences.families import Families
from saetext.analysis.differences.simplest import FAMILY_OF, Description
from saetext.features.places import Term, places
from saetext.text.passages import Snippet, printable, snippet

_WIDTH = 80  # characters of a snippet
_EACH = 3  # examples of a finding
_SPANS = 20  # places marked in one text
_LINE, _PIECES = 2000, 200  # characters of a line, and lines and sentences, that are looked at for a mark
#: Marks that only a text as a whole has.
_WHOLE = frozenset(
    (
        "more words than the median document", "a single sentence", "no capital letter",
        "mostly capital letters", "a capital at the beginning of most words",
    )
)  # fmt: skip
_OPENING = re.compile(r'the opening "(.+)"')
_AT_BEGINNING = re.compile(r"first line|at the start")
_AT_END = re.compile(r"at the end$|sign-off|closing question")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class _Pair:
    """A text that has a finding, and one of the other side; ``both`` says whether that has it too."""

    text: int
    partner: int | None
    both: bool = False


class Finder:
    """Looks for examples of all kinds but features in the texts compared: a document and its partner.

    Parameters
    ----------
    families : Families
        What was compared.
    leads : sequence of Description
        The findings to illustrate, in order. The example of each is another document than that of the one
        before it, as far as there are enough.
    """

    def __init__(self, families: Families, leads: Sequence[Description]) -> None:
        self._families = families
        design, self._rows = families.design, families.rows
        self._side, self._unit = design.side[self._rows], design.unit[self._rows]
        self._together = design.kind in TOGETHER
        counted = families.counted
        self._starts = np.cumsum([0] + [corpus.n_documents for corpus in counted.sets])
        self._chosen: list[list[_Pair]] = [[] for _ in leads]
        wanted: dict[int, list[Term]] = {}
        for nth, lead in enumerate(leads if families.texts is not None else ()):
            self._chosen[nth] = self._choose(lead, nth)
            if lead.kind in ("property", "theme"):
                for at in self._showing(nth):
                    wanted.setdefault(int(self._rows[at]), []).append((lead.kind, str(lead.key)))
        self._places = places(counted.sets, counted.sae, wanted)

    def snippets(self, lead: Description, nth: int) -> tuple[str | None, str | None]:
        """Return a snippet of each side for the ``nth`` finding; None where it has no example to show."""
        texts = self._families.texts
        if texts is None or not self._chosen[nth]:
            return None, None
        pair = self._chosen[nth][0]
        side = 0 if lead.numbers["diff"] >= 0 else 1
        told: list[str | None] = [None, None]
        told[side] = self._at_its_place(pair.text, lead) or _excerpt(texts[pair.text], lead)
        if pair.partner is not None and not pair.both:
            told[1 - side] = _opening(texts[pair.partner])
        return told[0], told[1]

    def marked(self, lead: Description, nth: int) -> tuple[MarkedSides, ...]:
        """Return the examples of the ``nth`` finding, with the places in them that show it."""
        found = []
        for pair in self._chosen[nth]:
            first, other = self._marked(pair.text, lead), None
            if pair.partner is not None:
                other = self._marked(pair.partner, lead) if pair.both else Marked(*self._place(pair.partner))
            found.append((first, other) if lead.numbers["diff"] >= 0 else (other, first))
        return tuple(found)

    def _marked(self, at: int, lead: Description) -> Marked:
        number, row = self._place(at)
        if shown := self._places.get((int(self._rows[at]), (lead.kind, str(lead.key)))):
            return Marked(number, row, features=shown.features)
        text = (self._families.texts or [])[at]
        return Marked(number, row, tuple(spans_of(text, lead.kind, str(lead.key))))

    def _place(self, at: int) -> tuple[int, int]:
        """Return of which corpus a counted row is, and which document there."""
        row = int(self._rows[at])
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return number, row - int(self._starts[number])

    def _showing(self, nth: int) -> list[int]:
        """Return the texts among the examples of a finding that have it."""
        pairs = self._chosen[nth]
        return [pair.text for pair in pairs] + [
            pair.partner for pair in pairs if pair.both and pair.partner is not None
        ]

    def _choose(self, lead: Description, nth: int) -> list[_Pair]:
        """Choose documents for a finding: each with its partner, or with one of the other set that has it."""
        if lead.kind == "feature":
            return []
        has = self._has(FAMILY_OF[lead.kind], lead.column)
        side = 0 if lead.numbers["diff"] >= 0 else 1
        few = self._examples(has, side, nth)
        if self._together:
            return [self._with_partner(at, has) for at in few]
        theirs = np.flatnonzero(has & (self._side == 1 - side)).tolist()
        return [
            _Pair(at, theirs[(nth + k) % len(theirs)] if k < len(theirs) else None, k < len(theirs))
            for k, at in enumerate(few)
        ]

    def _at_its_place(self, at: int, lead: Description) -> str | None:
        """Return where a property or a theme shows in a text; None for what has no such place."""
        shown = self._places.get((int(self._rows[at]), (lead.kind, str(lead.key))))
        if shown is None:
            return None
        number, row = self._place(at)
        document = self._families.counted.sets[number].document(row)
        start, end = document["token_start"], document["token_end"]
        token = shown.token(document)
        return snippet(document["text"], start, end, token, _WIDTH).marked() if token < len(start) else None

    def _has(self, family: str, column: int) -> NDArray[np.bool_]:
        """bool[rows]: which texts have a term."""
        matrix = self._families.counted.columns(family)
        part = slice(*matrix.indptr[column : column + 2])
        has = np.zeros(matrix.shape[0], bool)
        has[matrix.indices[part][matrix.data[part] > 0]] = True
        return has

    def _examples(self, has: NDArray[np.bool_], side: int, nth: int) -> list[int]:
        """Return a few documents of the side that have it, if possible such whose partner has not."""
        mine = np.flatnonzero(has & (self._side == side))
        if self._together:
            other = np.unique(self._unit[has & (self._side == 1 - side)])
            alone = mine[~np.isin(self._unit[mine], other)]
            mine = alone if len(alone) else mine
        return [int(mine[(nth + k) % len(mine)]) for k in range(min(_EACH, len(mine)))]

    def _with_partner(self, at: int, has: NDArray[np.bool_]) -> _Pair:
        """Return a text with the other side's of its unit, if possible one that has not the finding."""
        found = np.flatnonzero((self._unit == self._unit[at]) & (self._side == 1 - self._side[at]))
        without = found[~has[found]]
        if len(without):
            return _Pair(at, int(without[0]))
        return _Pair(at, int(found[0]), True) if len(found) else _Pair(at, None)


def spans_of(text: str, kind: str, term: str) -> list[tuple[int, int]]:
    """Return where in a text a word or a mark is, in code points: the first few places.

    Of a mark these are the lines that have it by themselves, of a long line the sentences; else neighbours
    that have it together, such as the first two items of a list. What is said of the beginning or the end is
    looked for there. What only a text as a whole has, such as its length, is nowhere.
    """
    if kind == "word":
        return [match.span() for match in islice(_pattern(term).finditer(text), _SPANS)]
    if kind != "format" or term in _WHOLE:
        return []
    if opening := _OPENING.fullmatch(term):
        start = len(text) - len(text.lstrip())
        return [(start, start + len(opening[1]))]
    pieces = _pieces(text)
    for together in (1, 2):
        windows = [(pieces[at][0], pieces[at + together - 1][1]) for at in range(len(pieces) - together + 1)]
        if _AT_BEGINNING.search(term):
            found = _having(text, windows[:1], term)
            cut = pieces[:1]
        elif _AT_END.search(term):
            found = _having(text, windows[-1:], term)
            cut = pieces[-1:]
        else:
            found = cut = _having(text, windows, term)
        if found:
            return cut
    return []


def _having(text: str, windows: list[tuple[int, int]], mark: str) -> list[tuple[int, int]]:
    """Return the stretches of a text that have a mark, the first few; those that overlap are one."""
    from saetext.text.marks import mark_matrix

    if not windows:
        return []
    marks = mark_matrix([text[low:high] for low, high in windows])
    if mark not in marks.names:  # openings are those of the texts given
        return []
    column = marks.matrix[:, [marks.names.index(mark)]].toarray().ravel()
    found: list[tuple[int, int]] = []
    for at in np.flatnonzero(column > 0).tolist():
        low, high = windows[at]
        if found and low < found[-1][1]:
            found[-1] = found[-1][0], high
        else:
            found.append((low, high))
    return found[:_SPANS]


def _pieces(text: str) -> list[tuple[int, int]]:
    """Return the first lines that are not blank, long ones in sentences."""
    found: list[tuple[int, int]] = []
    start = 0
    for line in text.splitlines(keepends=True)[:_PIECES]:
        cuts = [0]
        if len(line) > _WIDTH:
            cuts += [match.end() for match in _SENTENCE.finditer(line[:_LINE])]
        for low, high in pairwise([*cuts, min(len(line), _LINE)]):
            if piece := line[low:high].rstrip():
                found.append((start + low, start + low + len(piece)))
        start += len(line)
    return found[:_PIECES]


def _excerpt(text: str, lead: Description) -> str:
    """Return the place of a text where a term or a mark is, the words in question marked «so»."""
    found = spans_of(text, lead.kind, str(lead.key))
    if found and (lead.kind == "word" or _OPENING.fullmatch(str(lead.key))):
        reach = 4 * _WIDTH
        start, end = found[0]
        before, after = text[max(start - reach, 0) : start], text[end : end + reach]
        cut = Snippet(
            ("…" if start > reach else "") + printable(before).lstrip(),
            printable(text[start:end]),
            printable(after).rstrip() + ("…" if end + reach < len(text) else ""),
        )
        return cut.fit(_WIDTH).marked()
    if lead.kind == "format" and found:
        return _in_context(text, *found[0])
    return _opening(text)


def _in_context(text: str, low: int, high: int) -> str:
    """Return a stretch of a text; with what follows it, else with what goes before, where it is short."""
    if high - low >= _WIDTH // 2:
        return _opening(text[low:high])
    if len(text[low:].strip()) >= _WIDTH // 2 or not text[:low].strip():
        return _opening(text[low:])
    start = max(high - _WIDTH + 1, 0)
    if start and (space := text.find(" ", start, low)) >= 0:
        start = space + 1
    return ("…" if start else "") + _opening(text[start:high])


def _pattern(term: str) -> re.Pattern[str]:
    words = r"\W+".join(map(re.escape, term.split()))
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _opening(text: str) -> str:
    """Return the beginning of a text, its line breaks shown."""
    shown = printable(re.sub(r"\s*\n\s*", " ↵ ", text[: 4 * _WIDTH].strip())).strip()
    return shown if len(shown) <= _WIDTH else shown[: _WIDTH - 1] + "…"
