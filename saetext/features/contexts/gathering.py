"""Contexts with and without activation of a feature: the evidence for a label.

A label is made on one half of the documents and scored on the other (``half``); which half a document is in
follows from its id alone. Not for: naming features (:mod:`saetext.features.labelling`) or showing one
(:mod:`saetext.features`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.features.contexts.sampling import LONGEST_TEXT, backdrop, flat, scan, shuffled
from saetext.reader.thresholds.estimation import token_words
from saetext.text.passages import Snippet, snippet, word_bounds

Half = Literal["all", "make", "score"]
Level = Literal["top", "middle", "weak", "near", "other"]
HALVES = ("all", "make", "score")
MIN_FIRING = 3  # documents of a half in which a feature must be present for its label to be scored
_REACH = 8  # tokens on either side of a peak that count as its surroundings
_NEAR_SHARE = 4  # of so many trials without the feature, one is a near miss
_BULLET = re.compile(r"\s*(?:[-*•]+|\(?\d{1,3}[.):]|[A-Za-z][.)])\s*")
# Where a word stands in its text.
PLACES = ("document start", "line start", "list item", "sentence start", "inside", "end")


@dataclass(frozen=True)
class Context:
    """A piece of a document, around the token where a feature is strongest, or might have been.

    Attributes
    ----------
    document : str
        The document's id.
    row : int
        Its position in the corpus.
    value : float
        The feature's maximum in the document; 0 where it is not present.
    snippet : Snippet
        The surroundings, the word singled out.
    level : str
        ``top``, ``middle`` or ``weak`` of the documents with the feature; ``near`` or ``other`` without it.
    place : str
        Where in the text the word stands, one of :data:`PLACES`.
    """

    document: str
    row: int
    value: float
    snippet: Snippet
    level: Level
    place: str = "inside"


@dataclass(frozen=True)
class FeatureContexts:
    """A feature's contexts, one a document, strongest first.

    Attributes
    ----------
    feature : int
        Which feature.
    support : int
        Documents it is present in, of those looked at.
    top, middle, weak : tuple of Context
        Its strongest documents, those around the median of its values, and those just above its threshold; no
        document is in two of them.
    near : tuple of Context
        Documents without it, at a word on which it is active elsewhere, or else at one that stands around it.
    other : tuple of Context
        Random documents without it, at a random token.
    """

    feature: int
    support: int
    top: tuple[Context, ...] = ()
    middle: tuple[Context, ...] = ()
    weak: tuple[Context, ...] = ()
    near: tuple[Context, ...] = ()
    other: tuple[Context, ...] = ()

    @property
    def firing(self) -> tuple[Context, ...]:
        """Those with the feature, strongest first."""
        return (*self.top, *self.middle, *self.weak)

    @property
    def silent(self) -> tuple[Context, ...]:
        """Those without it."""
        return (*self.near, *self.other)


@dataclass(frozen=True)
class Trial:
    """A passage without marks, and whether the feature is active in it."""

    text: str
    fires: bool


def gather(
    corpus: CorpusLike,
    sae: str | None,
    features: Sequence[int],
    *,
    per_level: int = 6,
    width: int = 160,
    seed: int = 0,
    half: Half = "all",
) -> dict[int, FeatureContexts]:
    """Collect contexts of features, in one pass over a corpus's rows and one over the texts needed.

    Parameters
    ----------
    corpus : Corpus
        Where to look; it must store its texts.
    sae : str or None
        Which SAE, if there are several.
    features : sequence of int
        Features wanted.
    per_level : int
        Most contexts of each level.
    width : int
        Most characters of a snippet.
    seed : int
        Decides which documents stand for those without the feature.
    half : {"all", "make", "score"}
        Which documents: all, or one of two halves.

    Returns
    -------
    dict
        Every feature asked for, in that order; one that is present nowhere has no contexts. Of texts that
        repeat, one is taken.

    Raises
    ------
    InputError
        If the corpus stores no texts, ``half`` is unknown, or the SAE has no such feature.
    """
    spec = corpus.spec.sae(sae)
    if half not in HALVES:
        raise InputError(f"unknown half {half!r}; choose one of {', '.join(HALVES)}")
    wanted = np.zeros(spec.d_sae, bool)
    for feature in features:
        if not 0 <= feature < spec.d_sae:
            raise InputError(f"there is no feature {feature}: {spec.origin} has 0 to {spec.d_sae - 1}")
        wanted[feature] = True

    kept, priority = shuffled(corpus, seed, half)
    chosen = backdrop(kept, priority)
    entries, support, present = scan(corpus, spec.name, wanted, kept, priority, chosen, per_level)
    firing, background = _read(corpus, entries, chosen, width)
    calibration = corpus.calibration(spec.name)
    contexts = {}
    for feature in features:
        seen = firing.get(feature, _Firing())
        near: list[Context] = []
        other: list[Context] = []
        if seen.contexts:
            rng = np.random.default_rng([seed, feature])
            silent = np.ones(len(background.documents), bool)
            silent[present.get(feature, ())] = False
            near = background.near(seen, calibration.top_words(feature), silent, per_level, width, rng)
            silent[[background.at[context.row] for context in near]] = False
            other = background.other(silent, per_level, width, rng)
        top, middle, weak = _levels(seen.contexts, per_level)
        contexts[feature] = FeatureContexts(
            feature, int(support[feature]), top, middle, weak, tuple(near), tuple(other)
        )
    return contexts


def trials(
    corpus: CorpusLike,
    sae: str | None,
    features: Sequence[int],
    *,
    per_side: int = 8,
    width: int = 160,
    seed: int = 0,
) -> dict[int, list[Trial]]:
    """Return texts to test labels on, from the half of the documents that no label was made from.

    Parameters
    ----------
    per_side : int
        Texts in which it is active, drawn evenly from its strongest, middle and weakest documents, and
        texts in which it is not, a quarter of them hard negatives.

    Returns
    -------
    dict
        Shuffled texts for each feature; without those active in fewer than three documents of this half.

    Raises
    ------
    InputError
        As :func:`gather` does.
    """
    found: dict[int, list[Trial]] = {}
    for feature, contexts in gather(
        corpus, sae, features, per_level=per_side, width=width, seed=seed, half="score"
    ).items():
        fires = _in_turn([contexts.top, contexts.middle, contexts.weak], per_side)
        near = contexts.near[: max(per_side // _NEAR_SHARE, 1)]
        silent = [*near, *contexts.other[: per_side - len(near)]]
        silent += contexts.near[len(near) : len(near) + per_side - len(silent)]
        if len(fires) < MIN_FIRING or len(silent) < MIN_FIRING:
            continue
        made = [Trial(context.snippet.marked("", ""), True) for context in fires]
        made += [Trial(context.snippet.marked("", ""), False) for context in silent]
        order = np.random.default_rng([seed, feature, 1]).permutation(len(made))
        found[feature] = [made[i] for i in order]
    return found


@dataclass
class _Firing:
    """What was read of a feature's documents, strongest first."""

    contexts: list[Context] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)  # of the documents, in tokens
    words: Counter[str] = field(default_factory=Counter)  # at the peaks
    around: Counter[str] = field(default_factory=Counter)  # beside them


@dataclass(frozen=True)
class _Silent:
    """A document of the background."""

    row: int
    name: str
    text: str
    flat: str  # line breaks as spaces
    start: NDArray[np.int32]
    end: NDArray[np.int32]

    def context(self, token: int, width: int, level: Level) -> Context:
        start, end = int(self.start[token]), int(self.end[token])
        where = _place(self.text, start, end)
        shown = snippet(self.flat if self.text[start:end].strip() else self.text, [start], [end], 0, width)
        return Context(self.name, self.row, 0.0, shown, level, where)


def _read(
    corpus: CorpusLike,
    entries: Mapping[int, Sequence[tuple[int, int, float]]],
    chosen: NDArray[np.int64],
    width: int,
) -> tuple[dict[int, _Firing], _Background]:
    """Read each text needed once: contexts of the features that are active there, and the background."""
    firing: dict[int, _Firing] = {}
    background = _Background()
    chosen_rows = set(chosen.tolist())
    for row in sorted(chosen_rows | entries.keys()):
        document = corpus.document(row)
        text, start, end = document["text"], document["token_start"], document["token_end"]
        if text is None:
            raise InputError(
                f"{corpus.path} stores no texts, so there are no contexts: encode it without --no-text"
            )
        if not len(start):
            continue
        words = token_words(text, start, end)
        name = str(document["id"])
        spaced = flat(text)
        for feature, peak, value in entries.get(row, ()):
            begins, ends = int(start[peak]), int(end[peak])
            shown = snippet(spaced if text[begins:ends].strip() else text, [begins], [ends], 0, width)
            where = _place(text, begins, ends)
            seen = firing.setdefault(feature, _Firing())
            seen.contexts.append(Context(name, row, value, shown, "top", where))
            seen.lengths.append(len(start))
            seen.words[words[peak]] += 1
            seen.around.update({*words[max(peak - _REACH, 0) : peak], *words[peak + 1 : peak + 1 + _REACH]})
        if row in chosen_rows:
            n = int(np.searchsorted(end, min(LONGEST_TEXT, len(text)), side="right")) or 1
            stop = int(end[n - 1])
            background.add(_Silent(row, name, text[:stop], spaced[:stop], start[:n], end[:n]), words[:n])
    background.index()
    return firing, background


class _Background:
    """Random documents, found by their words."""

    def __init__(self) -> None:
        self.documents: list[_Silent] = []
        self.at: dict[int, int] = {}  # row to place
        self._vocabulary: dict[str, int] = {}
        self._words: list[NDArray[np.int64]] = []

    def add(self, document: _Silent, words: Sequence[str]) -> None:
        self.at[document.row] = len(self.documents)
        self.documents.append(document)
        known = self._vocabulary
        self._words.append(np.array([known.setdefault(word, len(known)) for word in words], np.int64))

    def index(self) -> None:
        """Note in which documents, and there at which token first, each word stands."""
        lengths = np.array([len(words) for words in self._words], np.int64)
        self._lengths = np.maximum(lengths, 1)
        word = np.concatenate(self._words) if self._words else np.empty(0, np.int64)
        document = np.repeat(np.arange(len(lengths)), lengths)
        token = np.arange(len(word)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        _, first = np.unique(word * max(len(lengths), 1) + document, return_index=True)
        self._document, self._token = document[first], token[first]
        self._begins = np.searchsorted(word[first], np.arange(len(self._vocabulary) + 1))

    def _holding(self, word: str) -> slice:
        at = self._vocabulary.get(word)
        return slice(0, 0) if at is None else slice(self._begins[at], self._begins[at + 1])

    def near(
        self,
        seen: _Firing,
        top_words: Sequence[str],
        silent: NDArray[np.bool_],
        size: int,
        width: int,
        rng: np.random.Generator,
    ) -> list[Context]:
        """Return contexts at the feature's own words, or else at the words around it."""
        own = list(dict.fromkeys([w for w, _ in seen.words.most_common(8)] + list(top_words)))
        n = len(self.documents)
        told = {
            word: times * np.log((n + 1) / (held.stop - held.start + 1))
            for word, times in seen.around.items()
            if times > 1 and word not in own and 0 < (held := self._holding(word)).stop - held.start < n / 2
        }
        around = sorted(told, key=lambda word: (-told[word], word))[:8]
        unlike = np.abs(np.round(np.log2(self._lengths / np.median(seen.lengths))))
        chance = rng.random(n)
        taken: dict[int, int] = {}  # place to token
        used = np.zeros(n, bool)
        some = max(size // 3, 1)  # of one word, so that there are several
        for words, most in ((own, some), (own, size), (around, some), (around, size)):
            for word in words:
                held = self._holding(word)
                documents, tokens = self._document[held], self._token[held]
                free = silent[documents] & ~used[documents]
                documents, tokens = documents[free], tokens[free]
                best = np.lexsort((chance[documents], unlike[documents]))[: min(most, size - len(taken))]
                taken.update(zip(documents[best].tolist(), tokens[best].tolist(), strict=True))
                used[documents[best]] = True
        return [self.documents[d].context(token, width, "near") for d, token in taken.items()]

    def other(
        self, silent: NDArray[np.bool_], size: int, width: int, rng: np.random.Generator
    ) -> list[Context]:
        """Return contexts of random documents at random tokens."""
        places = rng.permutation(np.flatnonzero(silent))[:size].tolist()
        return [
            self.documents[d].context(int(rng.integers(len(self.documents[d].start))), width, "other")
            for d in places
        ]


def _levels(contexts: Sequence[Context], size: int) -> Iterator[tuple[Context, ...]]:
    """Yield the strongest, those around the middle of the sample, and the weakest; texts that repeat once."""
    once = {c.snippet.marked().lower(): c for c in sorted(contexts, key=lambda c: (c.value, -c.row))}
    ranked = list(once.values())[::-1]
    n = min(size, -(-len(ranked) // 3))
    top, rest = ranked[:n], ranked[n:]
    weak = rest[max(len(rest) - n, 0) :]
    rest = rest[: len(rest) - len(weak)]
    begin = (len(rest) - n + 1) // 2 if len(rest) > n else 0
    yield tuple(top)
    yield tuple(replace(context, level="middle") for context in rest[begin : begin + n])
    yield tuple(replace(context, level="weak") for context in weak)


def _in_turn(levels: Sequence[Sequence[Context]], size: int) -> list[Context]:
    """Take one of each level in turn."""
    taken = [context for together in zip_longest(*levels) for context in together if context is not None]
    return taken[:size]


def _place(text: str, start: int, end: int) -> str:
    """Return where in its text a word stands, one of :data:`PLACES`."""
    start, end = word_bounds(text, start, end)
    before = text[max(start - 200, 0) : start]
    if start <= 200 and not before.strip():
        return "document start"
    line = before.rpartition("\n")[2] if "\n" in before else None
    if line is not None and not line.strip():
        return "line start"
    if line is not None and _BULLET.fullmatch(line):
        return "list item"
    if before.rstrip(" \"'“”)»*").endswith((".", "!", "?", "…")) and before[-1:].isspace():
        return "sentence start"
    last = end + 200 >= len(text) and not text[end:].strip(" \t\r\n.!?\"'“”)")
    return "end" if last else "inside"
