"""Which floors a reader uses: its own, those cached from an earlier corpus, or new ones from a first corpus.

Not for: how floors are computed (:mod:`saetext.reader.thresholds.estimation`) or stored
(:mod:`saetext.corpus.calibration`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from saetext.corpus.calibration import Card
from saetext.corpus.notices import warn
from saetext.documents import Document, DocumentSource
from saetext.documents.rejects import nothing_readable
from saetext.errors import InputError, ReaderError
from saetext.io.cache import cache_dir
from saetext.io.progress import OnProgress, Progress

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


def ready(
    reader: Reader,
    source: DocumentSource,
    *,
    floor: float | None = None,
    min_tokens: int | None = None,
    on_progress: OnProgress | None = None,
) -> Reader:
    """Return ``reader`` with cards: its own, cached ones, or made from a sample of ``source``.

    The sample is of the whole source, by the hash of each text: the order of its rows does not matter. Of a
    source with more than a million documents, it is of the first million.
    A card made here is kept in the user's cache, so that the next corpus of the same reader is comparable.

    Parameters
    ----------
    floor : float, optional
        Percentile wanted; by default that of the reader's card, else the 75th. 0 keeps every activation.
    min_tokens : int, optional
        Tokens above the floor that make a feature present; by default the card's, else 1.

    Raises
    ------
    InputError
        If ``floor`` or ``min_tokens`` is out of range, or ``source`` is needed twice and can be read once.

    Warns
    -----
    SaetextWarning
        If floors are made from little text, or cannot be kept.
    """
    from saetext.reader.thresholds.estimation import cache_cards, calibrate

    known = with_known_floors(reader, floor, min_tokens)
    if known is not None:
        return known
    if not source.restartable:
        raise InputError(
            f"{source.name} can be read only once, and {reader.name} has no floors yet: make them first with "
            "'saetext calibrate', or read a file"
        )
    percentile = _wanted(floor)
    calibrated = calibrate(
        reader,
        readable(source),
        percentile=percentile,
        role=source.role,
        reference=source.name,
        on_progress=_reporter(source, on_progress),
    )
    calibrated = _with_cached(calibrated, percentile)
    try:
        cache_cards(calibrated, percentile, 1)
    except OSError as error:
        warn(
            f"cannot keep the floors made from {source.name} in {cache_dir()} ({error.strerror or error}): "
            "read what you compare with it with --reader-of"
        )
    return _on_tokens(calibrated, min_tokens)


def with_known_floors(
    reader: Reader, floor: float | None = None, min_tokens: int | None = None
) -> Reader | None:
    """Return ``reader`` with cards if that takes no text, else None; parameters as in :func:`ready`."""
    from saetext.reader.thresholds.estimation import cached_cards

    if floor is not None and not 0 <= floor < 100:
        raise InputError(f"the threshold is a percentile from 0 to below 100, not {floor:g}")
    if min_tokens is not None and min_tokens < 1:
        raise InputError(f"a feature is present on at least 1 token, not {min_tokens}")
    if floor == 0:
        return reader.with_cards(_floorless(reader, min_tokens))
    if reader.calibrated and all(floor in (None, card.percentile) for card in reader.cards.values()):
        return _on_tokens(reader, min_tokens)
    cards = cached_cards(reader, _wanted(floor), 1)
    return None if cards is None else _on_tokens(reader.with_cards(cards), min_tokens)


def _with_cached(reader: Reader, percentile: float) -> Reader:
    """Return ``reader`` with the cached card of every tap that has one: earlier corpora used it."""
    from saetext.reader.thresholds.estimation import card_path

    cards = reader.cards
    for name in reader.taps:
        path = card_path(reader, name, percentile, 1)
        if path.is_file():
            with contextlib.suppress(ReaderError):  # damaged: the new one takes its place
                cards[name] = Card.read(path)
    return reader.with_cards(cards)


def from_sample(
    reader: Reader, documents: list[Document], role: str, *, floor: float | None = None
) -> Reader:
    """Return ``reader`` with floors from these documents alone, for an estimate; nothing is cached."""
    from saetext.reader.thresholds.estimation import calibrate

    return calibrate(reader, documents, percentile=_wanted(floor), role=role, quiet=True)


def made_note(reader: Reader) -> str:
    """Return what to tell about floors that were just made from a first corpus."""
    card = next(iter(reader.cards.values()))
    tokens = int(card.about["tokens"])
    return (
        f"{reader.name} had no floors: made them from {tokens:,} tokens of {drawn_from(card)}, "
        "and kept them for later corpora"
    )


def drawn_from(card: Card) -> str:
    """Return ``300 of 20,000 documents of a.jsonl``, which a card's floors were made from."""
    drawn = card.about["documents"]
    of = card.about.get("drawn_from", drawn)  # a card of an earlier version does not say
    documents = f"{drawn:,} of {of:,} documents" if drawn < of else f"{of:,} documents"
    return f"{documents} of {card.about['reference']}"


def readable(source: DocumentSource) -> Iterator[Document]:
    """Yield the documents of a source; InputError at its end if there was none."""
    rejects: Counter[str] = Counter()
    found = False
    for item in source:
        if isinstance(item, Document):
            found = True
            yield item
        else:
            rejects[item.reason] += 1
    if not found:
        raise nothing_readable(source.name, rejects)


def _on_tokens(reader: Reader, min_tokens: int | None) -> Reader:
    """Return ``reader`` with cards that ask for so many tokens; floors do not depend on that."""
    if min_tokens is None:
        return reader
    cards = {name: dataclasses.replace(card, min_tokens=min_tokens) for name, card in reader.cards.items()}
    return reader.with_cards(cards)


def _wanted(floor: float | None) -> float:
    from saetext.reader.thresholds.estimation import DEFAULT_PERCENTILE

    return DEFAULT_PERCENTILE if floor is None else floor


def _floorless(reader: Reader, min_tokens: int | None) -> dict[str, Card]:
    """Return cards on which every activation is present; top words stay where a card has them."""
    from saetext.reader.thresholds.estimation import cached_cards

    known = reader.cards if reader.calibrated else cached_cards(reader, _wanted(None), 1) or {}
    cards = {}
    for name, tap in reader.taps.items():
        card = known.get(name) or Card.from_arrays(np.zeros(tap.encoder.d_sae), percentile=None)
        least = min_tokens or card.min_tokens
        cards[name] = dataclasses.replace(card.without_floors(), min_tokens=least)
    return cards


def _reporter(source: DocumentSource, on_progress: OnProgress | None) -> OnProgress | None:
    if on_progress is None:
        return None
    tell = on_progress

    def show(p: Progress) -> None:
        # how far the source has been read is known to the source alone
        tell(dataclasses.replace(p, share=source.progress()) if p.stage == "sampling" else p)

    return show
