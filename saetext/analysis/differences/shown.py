"""One example a side for each row of a diff: what the table, the terminal and JSON show.

Where rows share a prompt, both sides are of one prompt, those first in which only the leading side has the
feature, as on pages. Not for: several examples of a finding (:mod:`saetext.analysis.differences.examples`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.entries import Entries, blocks
from saetext.analysis.differences.examples import TOGETHER, leading
from saetext.analysis.differences.result import Evidence
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.evidence import Example, strongest
from saetext.io.progress import Count, nobody
from saetext.text.passages import Snippet, snippet
from saetext.text.words import words

_TRIED = 12  # examples looked at before the two sides are left with the same words
_AROUND = 3  # words on either side of the peak that make two examples the same, with the word itself
_KEPT = 256  # documents kept at hand: features share their strongest ones


@dataclass(frozen=True)
class _Entry:
    """A feature in a row (over all sets) with its maximum there."""

    row: int
    value: float


@dataclass(frozen=True)
class _Choice:
    """A feature's candidates: the leading side's, best first, and for each those of the other side."""

    lead: int
    mine: tuple[_Entry, ...]
    others: tuple[tuple[_Entry, ...], ...]


def evidence_of(
    asked: Asked, done: Sequence[Contrast], features: Ints, count: Count = nobody
) -> tuple[dict[int, Evidence], list[str]]:
    """Look for an example of each feature in each set; say which sets store no texts.

    ``count`` gets how many documents have been passed over, and of how many, in each pass, where two sets are
    compared whose texts are stored.
    """
    stored = [c.n_documents == 0 or c.document(0)["text"] is not None for c in asked.sets]
    if asked.two and all(stored):
        return of_two_sides(done[0], features, count), []
    return _strongest(asked, done, features)


def _strongest(
    asked: Asked, done: Sequence[Contrast], features: Ints
) -> tuple[dict[int, Evidence], list[str]]:
    found, notes = [], []
    parts = zip(asked.names, asked.sets, asked.starts, asked.starts[1:], strict=False)
    for number, (name, corpus, low, high) in enumerate(parts):
        # rows that the set's own contrast leaves out are not shown
        side = done[min(number, len(done) - 1)].design.side
        examples = strongest(corpus, asked.sae, features, side[low:high] >= 0, asked.d_sae)
        if examples is None:
            notes.append(f"the texts of {name} ({corpus.path}) are not stored, so it has no snippets")
        found.append(examples or {})
    return {f: tuple(examples.get(f) for examples in found) for f in features.tolist()}, notes


def of_two_sides(contrast: Contrast, features: Ints, count: Count = nobody) -> dict[int, Evidence]:
    """Look for an example of each feature on each side; the texts must be stored."""
    choices = _choices(contrast, np.unique(features), count)
    peaks = _peaks(contrast.sets, contrast.sae, choices, count)
    starts = np.cumsum([0] + [corpus.n_documents for corpus in contrast.sets]).tolist()
    reading = _Reading(contrast.sets, starts, peaks)
    # in order of documents, or the few that many features share would be read again and again
    order = sorted(choices, key=lambda f: (choices[f].mine[:1] and choices[f].mine[0].row, f))
    found = {feature: _shown(choices[feature], feature, reading) for feature in order}
    return {f: found.get(f, (None, None)) for f in features.tolist()}


def _choices(contrast: Contrast, features: Ints, count: Count) -> dict[int, _Choice]:
    """Return each feature's candidates, in passes of bounded memory over the entries."""
    design = contrast.design
    difference = dict(zip(contrast.features.tolist(), contrast.columns["diff"].tolist(), strict=True))
    found = {}

    def choose(part: Entries) -> None:
        for i, feature in enumerate(part.features.tolist()):
            mine = slice(part.indptr[i], part.indptr[i + 1])
            row, value = part.row[mine].astype(np.int64), part.value[mine]
            lead = 0 if difference.get(feature, 0.0) >= 0 else 1
            if not (design.side[row] == lead).any():
                lead = 1 - lead
            found[feature] = _choice(design, row, value, lead)

    for _ in map(choose, contrast.entries(features, count)):  # map keeps no part while the next one is made
        pass
    return found


def _choice(design: Design, row: Ints, value: Any, lead: int) -> _Choice:
    def entries(at: Ints) -> tuple[_Entry, ...]:
        return tuple(_Entry(int(row[i]), float(value[i])) for i in at.tolist())

    first = leading(design, row, value, lead, _TRIED)
    together = design.kind in TOGETHER
    other = leading(design, row, value, 1 - lead, None if together else _TRIED)
    if not together:
        ranked = entries(other)
        return _Choice(lead, entries(first[:1]), (ranked,) * len(first[:1]))
    unit = design.unit[row]
    # of the other side's answers to this prompt the strongest
    partners = tuple(entries(other[unit[other] == unit[i]][:1]) for i in first.tolist())
    return _Choice(lead, entries(first), partners)


def _peaks(
    sets: Sequence[CorpusLike], sae: str, choices: Mapping[int, _Choice], count: Count
) -> dict[tuple[int, int], int]:
    """Return the peak of each candidate by feature and row, in one pass that looks at their rows alone."""
    pairs = {
        (entry.row, feature)
        for feature, choice in choices.items()
        for entry in (*choice.mine, *(e for few in choice.others for e in few))
    }
    left = sorted(pairs, reverse=True)
    found: dict[tuple[int, int], int] = {}
    for start, block in blocks(sets, sae, count):
        while left and left[-1][0] < start + len(block):
            row, feature = left.pop()
            first, last = block.indptr[row - start : row - start + 2].tolist()
            at = first + int(np.searchsorted(block.feature[first:last], feature))
            found[feature, row] = int(block.peak[at])
    return found


class _Reading:
    """Turns candidates into examples; a document is read once in a while, not once a feature."""

    def __init__(
        self, sets: Sequence[CorpusLike], starts: Sequence[int], peaks: Mapping[tuple[int, int], int]
    ) -> None:
        self._sets, self._starts, self._peaks = sets, starts, peaks
        self._document = lru_cache(_KEPT)(self._read)

    def _read(self, row: int) -> tuple[int, Mapping[str, Any]]:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return number, self._sets[number].document(row - self._starts[number])

    def example(self, feature: int, entry: _Entry) -> Example | None:
        """Return a candidate with its words; None where its text is not stored."""
        number, document = self._document(entry.row)
        if document["text"] is None:
            return None
        peak = self._peaks[feature, entry.row]
        shown = snippet(document["text"], document["token_start"], document["token_end"], peak)
        return Example(entry.row - self._starts[number], str(document["id"]), entry.value, shown)


def _shown(choice: _Choice, feature: int, reading: _Reading) -> Evidence:
    """Return the first candidates whose two sides do not show the same words; else the leading side's."""
    alone: Example | None = None
    for entry, others in zip(choice.mine, choice.others, strict=True):
        first = reading.example(feature, entry)
        if first is None:
            continue
        alone = alone or first
        if not others:
            return _sides(choice.lead, first, None)
        for other in others:
            second = reading.example(feature, other)
            if second is not None and not same_words(first.snippet, second.snippet):
                return _sides(choice.lead, first, second)
    return _sides(choice.lead, alone, None)


def _sides(lead: int, first: Example | None, second: Example | None) -> Evidence:
    return (first, second) if lead == 0 else (second, first)


def same_words(a: Snippet, b: Snippet) -> bool:
    """Whether two snippets show the same place of a text: the word, and three words on either side of it.

    So a prompt that both answers quote is found, wherever in the answers it stands.
    """
    return _core(a) == _core(b)


def _core(shown: Snippet) -> tuple[str, ...]:
    return (*words(shown.before)[-_AROUND:], "«", shown.match.casefold(), "»", *words(shown.after)[:_AROUND])
