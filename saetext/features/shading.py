"""Which tokens of a stored document a feature is active on, read again, and a passage with those shaded.

Not for: choosing documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.corpus.calibration import Calibration
from saetext.documents import Document
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.running import TokenEntries
    from saetext.reader.tokenization import Prepared

_CLOSE = 0.1  # a value read again may differ by so much: other dtypes and devices round differently


@dataclass(frozen=True)
class Piece:
    """A stretch of a shown text, and the feature's activation on it, 0 where it does not are active."""

    text: str
    value: float = 0.0


class FullShade:
    """The activation at which a feature has the darkest shade: one for all documents shown.

    Its maximum on the reference text of the calibrations; of a feature that was not active there, the
    strongest activation that is shown.

    Parameters
    ----------
    calibrations : sequence of Calibration
        Those of the corpora shown, all of one SAE.
    """

    def __init__(self, calibrations: Sequence[Calibration]) -> None:
        self._maxima = (
            np.max([calibration.maxima for calibration in calibrations], axis=0)
            if calibrations
            else np.empty(0, np.float32)
        )

    def of(self, feature: int, shown: Iterable[float]) -> float:
        """Return it for a feature; ``shown`` are its activations in everything that is shown of it."""
        known = float(self._maxima[feature]) if feature < len(self._maxima) else 0.0
        return known if known > 0 else max(shown, default=0.0) or 1.0


def read_again(reader: Reader | None, sae: str, document: Mapping[str, Any]) -> TokenEntries | None:
    """Return what is active on each token of a stored document; None if that cannot be had.

    A document's other turns are stored as one prompt, so a chat may not be read as it was: the tokens must be
    the stored ones.
    """
    if reader is None:
        return None
    prepared = _as_stored(reader, document)
    return None if prepared is None else reader.token_entries(prepared, sae)


def read_all_again(
    reader: Reader, sae: str, documents: Sequence[Mapping[str, Any]], features: Sequence[Iterable[int]]
) -> list[TokenEntries | None]:
    """Return the same of several documents, read together: faster than one by one.

    ``features`` are those of each document that are wanted; others are left out.
    """
    prepared = [_as_stored(reader, document) for document in documents]
    there = [at for at, one in enumerate(prepared) if one is not None]
    wanted = [np.array(sorted(features[at]), np.int64) for at in there]
    found: list[TokenEntries | None] = [None] * len(documents)
    for at, entries in zip(
        there, reader.token_entries_of([p for p in prepared if p is not None], sae, wanted), strict=True
    ):
        found[at] = entries
    return found


def _as_stored(reader: Reader, document: Mapping[str, Any]) -> Prepared | None:
    """Return a stored document's tokens; None if they would not be the stored ones."""
    from saetext.reader.tokenization import Prepared

    known = Document(document["id"], document["text"], document["prompt"], None, {}, 0, "")
    prepared = reader.tokens.prepare([known])[0]
    if not isinstance(prepared, Prepared) or prepared.text != document["text"]:
        return None
    return prepared if np.array_equal(prepared.start, document["token_start"]) else None


def firing(entries: TokenEntries | None, feature: int, peak: int, value: float) -> dict[int, float] | None:
    """Return a feature's activation by token ordinal; None unless its maximum is the stored one."""
    if entries is None:
        return None
    ours = entries.feature == feature
    values = dict(zip(entries.ordinal[ours].tolist(), entries.value[ours].tolist(), strict=True))
    return values if abs(values.get(peak, 0.0) - value) <= _CLOSE * value else None


def shade(
    text: str,
    spans: Sequence[tuple[int, int, float]],
    focus: tuple[int, int],
    width: int,
    *,
    newlines: bool = False,
) -> tuple[Piece, ...]:
    """Return some ``width`` characters of a text around ``focus``, cut into pieces, printable.

    Parameters
    ----------
    text : str
        The document.
    spans : sequence of (start, end, value)
        Code points of tokens on which the feature is active, in order.
    focus : (start, end)
        Code points that must be shown.
    width : int
        Characters to show; a cut end has an ellipsis.
    newlines : bool
        Keep line breaks; else they are spaces.
    """
    first, last = focus
    room = max(width - (last - first), 0)
    start = max(0, min(first - room // 2, len(text) - (last - first) - room))
    stop = min(len(text), max(last, start + width))
    if start > 0 and not text[start - 1].isspace():  # not in the middle of a word
        start = min(
            first, start + next((i for i, c in enumerate(text[start : start + 40]) if c.isspace()), 0)
        )
    if stop < len(text) and not text[stop].isspace():
        back = next((i for i, c in enumerate(reversed(text[max(stop - 40, 0) : stop])) if c.isspace()), 0)
        stop = max(last, stop - back)
    while start > 0 and start < first and text[start].isspace():
        start += 1
    while last < stop < len(text) and text[stop - 1].isspace():
        stop -= 1
    pieces = [Piece("…")] if start > 0 else []
    at = start
    for begin, end, value in spans:
        begin, end = max(begin, at), min(end, stop)
        if begin >= end:
            continue
        if not text[begin:end].strip():  # a line break or a space that fires must be seen
            shown = "↵" if any(c in text[begin:end] for c in "\n\r\u2028\u2029") else "␣"
        else:
            shown = text[begin:end]
        pieces += [Piece(text[at:begin]), Piece(shown, value)]
        at = end
    pieces.append(Piece(text[at:stop]))
    if stop < len(text):
        pieces.append(Piece("…"))
    printed = (Piece(printable(piece.text, newlines=newlines), piece.value) for piece in pieces)
    return tuple(piece for piece in printed if piece.text)
