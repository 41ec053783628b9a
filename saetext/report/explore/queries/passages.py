"""What is shown of documents: a passage of each with its words shaded, or a whole document cut into pieces.

Where a reader is at hand every token is shaded, else the strongest of each feature. Not for: choosing them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.corpus import Corpus
from saetext.corpus.frame import column_names
from saetext.corpus.rows import PooledRows
from saetext.features.labels import FeatureLabels
from saetext.features.present import ranking
from saetext.features.shading import firing, read_again, shade
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.about import condition
from saetext.report.explore.queries.counts import calibration_of
from saetext.report.explore.queries.shades import Shade, full_of
from saetext.report.explore.running import RUNNING
from saetext.report.html.parts import shade_of
from saetext.text.passages import printable, word_bounds
from saetext.text.terminal import visible

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.running import TokenEntries

WIDTH = 420  # characters of a passage
_LONGEST = 100_000  # characters of a document that are shown
_CHIPS = 4  # features named below a passage
_PROMPT = 240  # characters of a prompt in a list
_FOUND = 0.5  # how strongly a text that was searched for is marked
_VALUE = 60  # characters of a column's value in a list
_CUT = re.compile(r"(?<=[.!?…\n。！？])\s+|\n+")  # where a long text is cut into pieces that can be linked to
_SPACE = re.compile(r"[^\n\t]")
_ROOM = 128 * 2**20  # bytes of what was read again that are kept
_entries: Kept[TokenEntries | None] = Kept(256, room=_ROOM, size=lambda entries: _bytes(entries))


@dataclass(frozen=True)
class Part:
    """A stretch of text: its step of shading (0 for none), what is said of it, where it begins and ends.

    Of a whole document ``text`` has a character for each of ``start:end``, or none where all are invisible.
    ``line``: it is a line break that is shaded, which must be seen.
    """

    text: str
    shade: int = 0
    told: str = ""
    start: int = 0
    end: int = 0
    here: bool = False
    line: bool = False


@dataclass(frozen=True)
class Chip:
    """A feature of a document: label and score, how strong it is (0 to 1 of full), the word at its peak."""

    feature: int
    label: str
    score: float | None = None
    value: float = 0.0
    strength: float = 0.0
    word: str = ""
    tokens: int = 0


@dataclass(frozen=True)
class Entry:
    """A document in a list, or whole.

    ``at`` has start and end of what the passage is about, ``columns`` name, value and the condition for it,
    ``again`` says whether every token was shaded, ``told`` which part is shown of a very long text.
    """

    row: int
    id: str
    tokens: int
    parts: tuple[Part, ...]
    chips: tuple[Chip, ...] = ()
    prompt: str = ""
    columns: tuple[tuple[str, str, str], ...] = ()
    at: tuple[int, int] | None = None
    there: bool = False
    again: bool = False
    value: float | None = None
    stored: bool = True
    told: str = ""


@dataclass(frozen=True)
class Look:
    """Through what documents are looked at: corpus, SAE, labels, shade, and a reader or None.

    Without a shade, ``words`` are marked where a text has them as they are written.
    """

    corpus: Corpus
    sae: str
    labels: FeatureLabels
    shade: Shade | None = None
    reader: Reader | None = field(default=None, repr=False)
    words: str = ""


@dataclass(frozen=True)
class _Spot:
    start: int
    end: int
    strength: float
    told: str


def known_again(look: Look, rows: Iterable[int]) -> bool:
    """Return whether all these documents were read again already; of none at all there is nothing to read."""
    rows = list(rows)
    return bool(rows) and all((look.corpus.path, look.sae, row) in _entries for row in rows)


def entry_of(look: Look, row: int, *, width: int = WIDTH) -> Entry:
    """Return a document with a passage around where the shade is strongest, or with its beginning."""
    document = look.corpus.whole.document(row)
    text = document["text"]
    common = _common(look, document, row)
    if text is None:
        return Entry(**common, parts=(Part("(the text is not stored)"),), stored=False)
    spots, value, again = _spots(look, document, row)
    best = max(spots, key=lambda spot: spot.strength, default=None)
    focus = (best.start, best.end) if best else (0, 0)
    pieces = shade(text, [(s.start, s.end, float(i + 1)) for i, s in enumerate(spots)], focus, width)
    parts = tuple(
        _part(piece.text, spots[round(piece.value) - 1] if piece.value else None) for piece in pieces
    )
    return Entry(
        **common, parts=parts, at=focus if best else None, there=bool(spots), again=again, value=value
    )


def whole_of(look: Look, row: int, at: tuple[int, int] | None = None, most: int = 100) -> Entry:
    """Return a whole document in pieces, each with where it is in the text.

    Parameters
    ----------
    look : Look
        Without a shade, the ``most`` telling features are marked on the words where they peak.
    row : int
        The document, of the whole corpus.
    at : (start, end), optional
        Code points that are pointed to.
    most : int
        Features listed beside it.
    """
    document = look.corpus.whole.document(row)
    text = document["text"]
    common = _common(look, document, row, most=most, full=True)
    if text is None:
        return Entry(**common, parts=(Part("(the text is not stored)"),), stored=False)
    if look.shade is None:
        spots, value, again = _strongest(look, document, common["chips"][:12]), None, False
    else:
        spots, value, again = _spots(look, document, row)
    low = max(min(at[0] - _LONGEST // 2, len(text) - _LONGEST), 0) if at else 0
    high = min(low + _LONGEST, len(text))
    told = "" if high - low == len(text) else f"Characters {low:,} to {high:,} of {len(text):,}."
    parts = tuple(_cut(text, spots, at, low, high))
    return Entry(**common, parts=parts, there=bool(spots), again=again, value=value, at=at, told=told)


# ---- where a shade is ------------------------------------------------------------------------------------


def _spots(look: Look, document: Any, row: int) -> tuple[list[_Spot], float | None, bool]:
    """Return where the shade is, in order, its largest activation, and whether all tokens are known."""
    if look.shade is None:
        return _written(document["text"], look.words), None, False
    rows: PooledRows = document["entries"][look.sae]
    there = np.flatnonzero(np.isin(rows.feature, np.array(look.shade.features, np.int32)))
    if not len(there):
        return [], None, False
    entries = None
    if look.reader is not None:
        key = (look.corpus.path, look.sae, row)
        entries = _entries.get(key, lambda: _again(look, document))
    full = full_of(look.corpus, look.sae)
    best: dict[tuple[int, int], _Spot] = {}
    again = True
    for i in there.tolist():
        feature, peak, value = int(rows.feature[i]), int(rows.peak[i]), float(rows.value[i])
        if peak < 0:
            continue
        largest = float(full[feature]) or value
        values = firing(entries, feature, peak, value)
        if values is None:
            again = False
            start, end = word_bounds(document["text"], *_token(document, peak))
            _keep(best, start, end, value, largest, look, feature)
        else:
            for ordinal, active in values.items():
                _keep(best, *_token(document, ordinal), active, largest, look, feature)
    ordered = sorted(best.values(), key=lambda spot: (spot.start, spot.end))
    return ordered, float(rows.value[there].max()), again


def _written(text: str, words: str) -> list[_Spot]:
    """Return where a text has words as they are written, capitals or not."""
    if not words:
        return []
    found = re.finditer(re.escape(words), text, re.IGNORECASE)
    return [_Spot(match.start(), match.end(), _FOUND, "") for match in found]


def _bytes(entries: TokenEntries | None) -> int:
    return 0 if entries is None else sum(v.nbytes for v in (entries.ordinal, entries.feature, entries.value))


def _again(look: Look, document: Any) -> TokenEntries | None:
    with RUNNING:
        return read_again(look.reader, look.sae, document)


def _keep(
    best: dict[tuple[int, int], _Spot],
    start: int,
    end: int,
    value: float,
    full: float,
    look: Look,
    feature: int,
) -> None:
    strength = value / full
    if (start, end) in best and best[start, end].strength >= strength:
        return
    many = look.shade is not None and len(look.shade.features) > 1
    told = f"{look.labels.label(feature)}: {value:.2f}" if many else f"{value:.2f}"
    best[start, end] = _Spot(start, end, strength, told)


def _strongest(look: Look, document: Any, chips: Sequence[Chip]) -> list[_Spot]:
    """Return the words where the most telling features peak; several on one word are told together."""
    rows: PooledRows = document["entries"][look.sae]
    found: dict[tuple[int, int], tuple[float, list[str]]] = {}
    for chip in chips:
        i = int(np.searchsorted(rows.feature, chip.feature))
        if rows.peak[i] < 0:
            continue
        bounds = word_bounds(document["text"], *_token(document, int(rows.peak[i])))
        strength, told = found.setdefault(bounds, (0.0, []))
        told.append(chip.label)
        found[bounds] = (max(strength, chip.strength), told)
    spots = [
        _Spot(*bounds, max(strength, 0.15), "; ".join(told)) for bounds, (strength, told) in found.items()
    ]
    return sorted(spots, key=lambda spot: (spot.start, spot.end))


def _token(document: Any, ordinal: int) -> tuple[int, int]:
    return int(document["token_start"][ordinal]), int(document["token_end"][ordinal])


# ---- what is said of a document --------------------------------------------------------------------------


def _common(look: Look, document: Any, row: int, *, most: int = _CHIPS, full: bool = False) -> dict[str, Any]:
    prompt = printable(document["prompt"] or "", newlines=full)
    if not full and len(prompt) > _PROMPT:
        prompt = prompt[:_PROMPT].rsplit(" ", 1)[0] + "…"
    columns = []
    names = column_names(look.corpus.manifest.meta)
    for name, value in document["meta"].items():
        if value is None:
            continue
        shown = printable(str(value))
        cut = shown if full or len(shown) <= _VALUE else shown[: _VALUE - 1] + "…"
        picks = condition(names[name], value) if len(shown) <= 300 else ""
        columns.append((printable(name), cut, picks))
    return {
        "row": row,
        "id": printable(str(document["id"])),
        "tokens": document["n_tokens"],
        "prompt": prompt,
        "columns": tuple(columns),
        "chips": _chips(look, document, most),
    }


def _chips(look: Look, document: Any, most: int) -> tuple[Chip, ...]:
    rows: PooledRows = document["entries"][look.sae]
    calibration = calibration_of(look.corpus, look.sae)
    full = full_of(look.corpus, look.sae)
    text = document["text"]
    chips = []
    for i in ranking(rows.feature, rows.value, calibration)[:most].tolist():
        feature, value, peak = int(rows.feature[i]), float(rows.value[i]), int(rows.peak[i])
        word = ""
        if text is not None and peak >= 0:
            low, high = word_bounds(text, *_token(document, peak))
            word = printable(text[low:high])
        largest = float(full[feature]) or value
        chips.append(
            Chip(
                feature,
                printable(look.labels.label(feature)),
                look.labels.score(feature),
                value,
                min(value / largest, 1.0) if largest else 0.0,
                word,
                int(rows.count[i]),
            )
        )
    return tuple(chips)


# ---- pieces ----------------------------------------------------------------------------------------------


def _part(text: str, spot: _Spot | None) -> Part:
    if spot is None:
        return Part(text)
    return Part(text, max(shade_of(spot.strength), 1), printable(spot.told), spot.start, spot.end)


def _cut(
    text: str, spots: Sequence[_Spot], at: tuple[int, int] | None, first: int, last: int
) -> Iterable[Part]:
    """Cut a text, from ``first`` to ``last``, at its sentences, shaded words, and at what is pointed to."""
    low, high = (-1, -1) if at is None else (max(0, min(at[0], len(text))), max(0, min(at[1], len(text))))
    ends = {found.end() for found in _CUT.finditer(text, first, last)}
    if high > low:
        ends |= {low, high}
    shaded: list[_Spot] = []
    reached = 0
    for spot in spots:  # of those that overlap the first stands
        start, end = max(spot.start, reached), min(spot.end, len(text))
        if start < end:
            shaded.append(_Spot(start, end, spot.strength, spot.told))
            reached = end
    for spot in shaded:
        ends |= {spot.start, spot.end}
    for found in _invisible(text[first:last]):  # apart, so that the rest is as long as it is in the text
        ends |= {first + found.start(), first + found.end()}
    cuts = [first, *sorted(end for end in ends if first < end < last), last]
    k = 0
    for start, end in pairwise(cuts):
        while k < len(shaded) and shaded[k].end <= start:
            k += 1
        over = shaded[k] if k < len(shaded) and shaded[k].start <= start else None
        piece = text[start:end]
        shown = _one_for_one(piece)
        line = over is not None and "\n" in piece and not piece.strip()
        if over is not None and not piece.strip():  # a space that is shaded must be seen
            shown = _SPACE.sub("␣", shown)
        step = 0 if over is None else max(shade_of(over.strength), 1)
        told = "" if over is None else printable(over.told)
        here = low <= start and end <= high and low < high
        yield Part(shown, step, told, start, end, here, line)


def _one_for_one(text: str) -> str:
    """Return a text as :func:`visible` has it, but with tabs, which code is indented with."""
    return "\t".join(visible(part, newlines=True) for part in text.split("\t"))


def _invisible(text: str) -> Iterable[re.Match[str]]:
    """Return where a text has characters that are not shown at all."""
    gone = "" if text.isprintable() else "".join(re.escape(c) for c in sorted(set(text)) if not visible(c))
    return re.finditer(f"[{gone}]+", text) if gone else ()
