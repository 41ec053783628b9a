"""Words and phrases of up to four words, by document: no two that say the same, spelled as texts spell them.

A phrase is what can be said in one breath: between its words stand blanks, a comma, a hyphen, quotation marks
or marks of emphasis, nothing else. It crosses no end of a sentence, colon, bracket or line break: words on
either side of one are neighbours by chance (the last of one list item and the first of the next), and no
reader would find them as a phrase. Words without letters end a phrase and are none: "1", "2" and "3" of a
numbered list would each be a finding that :mod:`saetext.text.marks` makes once. Not for: names of clusters
(:mod:`saetext.text.terms`), or testing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.text.function_words import only_function_words
from saetext.text.passages import printable
from saetext.text.terms import MOST_TERMS, TOLD_EVERY, TermMatrix
from saetext.text.words import spelled, split

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LONGEST = 4  # words in a phrase
SAME = 0.05  # share of its documents that a phrase may have without the longer one that stands for it
FEW = 3  # or fewer documents than these
_LONGEST_WORD = 60  # characters; beyond that it is an address or encoded data
_JOINTS = ("", " ", ", ", "-", "")  # how what stands between words is shown; the first parts them
_SOFT = re.compile("[ \t\u00a0\u2009\u202f\"'“”‘’„«»*~,‐‑-]*")

Ints = NDArray[np.int64]
Ids = NDArray[np.int32]


def phrase_matrix(
    texts: Sequence[str],
    *,
    min_documents: int,
    most: int = MOST_TERMS,
    count: Callable[[int, int], None] | None = None,
) -> TermMatrix:
    """Count phrases of one to four words, in any case.

    Left out are phrases of function words alone ("of the"; one such word stays), and each phrase of which
    nearly all documents have a longer one with it: at most 5 % of its documents or fewer than 3 lack that.
    Candidates of n words are those whose two parts of n - 1 words are frequent (Agrawal and Srikant, VLDB
    1994), so memory grows with the words of the texts, not with their different phrases.

    Parameters
    ----------
    texts : sequence of str
        The documents.
    min_documents : int
        Documents a phrase must be in.
    most : int
        Phrases to keep, those in most documents first.
    count : callable, optional
        Gets how many of the texts have been read, and of how many.

    Returns
    -------
    TermMatrix
        Names in alphabetical order, each in its most frequent spelling; float32 counts.

    Examples
    --------
    >>> texts = ["Let me know.", "Please let me know!", "Let me know: yes"]
    >>> phrase_matrix(texts, min_documents=3).names
    ('Let me know',)
    """
    from scipy import sparse

    read = _read(texts, count)
    levels = _levels(read, max(min_documents, 1))
    kept = _kept(read, levels, most)
    found = [
        (name, column)
        for level, ids in zip(levels, kept, strict=True)
        for name, column in level.columns(read, ids)
    ]
    del levels
    if not found:
        return TermMatrix((), sparse.csr_matrix(np.zeros((len(texts), 0), np.float32)))
    return _in_order(found, len(texts))


def containing(names: Sequence[str]) -> list[Ints]:
    """Return for each phrase the places of those that contain it, in order: of "know" those of "let me know".

    Parameters
    ----------
    names : sequence of str
        Phrases, of any number of words; case and what stands between words do not count.

    Examples
    --------
    >>> [places.tolist() for places in containing(["know", "Let me know", "let me"])]
    [[1], [], [1]]
    """
    keys = [_key(name) for name in names]
    places: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    found: list[set[int]] = [set() for _ in names]
    for place, key in enumerate(keys):
        parts = {key[i : i + n] for n in range(1, len(key)) for i in range(len(key) - n + 1)}
        for part in parts:
            for shorter in places.get(part, ()):
                found[shorter].add(place)
    return [np.array(sorted(longer), np.int64) for longer in found]


def covers(longer: str, shorter: str) -> bool:
    """Return whether a phrase has all words of a shorter one, in their order and without others between.

    Examples
    --------
    >>> covers("I'm sorry, but", "Sorry but"), covers("let me know", "let know"), covers("a b", "a b")
    (True, False, False)
    """
    a, b = _key(longer), _key(shorter)
    return 0 < len(b) < len(a) and any(a[i : i + len(b)] == b for i in range(len(a) - len(b) + 1))


def with_phrases(texts: Sequence[str], phrases: Sequence[str]) -> Ints:
    """Count in each text the places of phrases: their words in order, in any case, nothing but marks between.

    Parameters
    ----------
    texts : sequence of str
        The documents.
    phrases : sequence of str
        Of one word or more each, and of any length: unlike those of :func:`phrase_matrix` they may cross the
        end of a sentence.

    Returns
    -------
    int64[texts]
        Places of all phrases together.

    Examples
    --------
    >>> with_phrases(["Let me know!", "know", "LET ME, know; let me know"], ["let me know"]).tolist()
    [1, 0, 2]
    """
    wanted = [f" {' '.join(key)} " for phrase in phrases if (key := _key(phrase))]
    found = np.zeros(len(texts), np.int64)
    for at, text in enumerate(texts):
        # two blanks between words, so that places side by side do not share one
        words = f" {'  '.join(_key(text))} "
        found[at] = sum(words.count(phrase.replace(" ", "  ")[1:-1]) for phrase in wanted)
    return found


def phrase_named(name: str) -> Callable[[str], bool] | None:
    """Return what says whether a text has a phrase of :func:`phrase_matrix`; None if that has no such phrase.

    Examples
    --------
    >>> has = phrase_named("Let me know")
    >>> [has(text) for text in ("please LET me know", "let me. Know")]
    [True, False]
    """
    key = _key(name)
    if not key or not all(map(is_word, key)):
        return None
    # a quick look first: a piece of its words that no other spelling lacks
    piece = max((part for word in key for part in word.split("'")), key=len) if name.isascii() else ""
    n = len(key)
    printed: dict[str, str] = {}

    def counted(word: str) -> str:
        if word not in printed:
            if len(printed) > MOST_TERMS:
                printed.clear()
            printed[word] = plain(printable(word))
        return printed[word]

    def has(text: str) -> bool:
        if piece not in text.lower():
            return False
        pieces = split(text)
        words, gaps = list(map(plain if name.isascii() else counted, pieces[1::2])), pieces[2::2]
        return any(
            words[at : at + n] == list(key) and all(map(joint, gaps[at : at + n - 1]))
            for at in range(len(words) - n + 1)
            if words[at] == key[0]
        )

    return has


def joint(gap: str) -> int:
    """Return how what stands between two words joins them: 0 not at all, else its place in what is shown."""
    if len(gap) > 8 or not _SOFT.fullmatch(gap) or gap.count(",") > 1:
        return 0
    if "," in gap:
        return 2
    if any(c in "‐‑-" for c in gap):
        return 3 if len(gap) == 1 else 0  # with blanks it is a dash
    return 1 if gap else 4


def shown(words: Sequence[str], joints: Sequence[int]) -> str:
    """Return words with what stands between them, printable."""
    text = words[0] + "".join(_JOINTS[j] + word for j, word in zip(joints, words[1:], strict=True))
    return printable(text)


def plain(word: str) -> str:
    """Return a word as it is counted: in lower case, with straight apostrophes."""
    return word.lower().replace("’", "'")


def is_word(word: str) -> bool:
    """Return whether a word has letters and is no encoded data."""
    return len(word) <= _LONGEST_WORD and any(map(str.isalpha, word))


def _key(name: str) -> tuple[str, ...]:
    return tuple(map(plain, spelled(name)))


# -- Texts to numbers -------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Read:
    """All words of all texts, in order.

    ``spelling`` and ``word`` are int32 numbers of how a word is spelled and of the word, -1 where there is
    none; ``joint`` is what joins it to the next one, 0 nothing; ``document`` its text.
    """

    spellings: list[str]
    words: list[str]
    spelling: Ids
    word: Ids
    joint: NDArray[np.uint8]
    document: Ids


class _Numbers(dict[str, int]):
    """Numbers of spellings, in order of their first occurrence; -1 of what is no word."""

    def __missing__(self, spelling: str) -> int:
        number = len(self) if is_word(spelling) else -1
        if number >= 0:
            self[spelling] = number
        return number


class _Gaps(dict[str, int]):
    def __missing__(self, gap: str) -> int:
        found = joint(gap)
        if len(gap) <= 8:
            self[gap] = found
        return found


def _read(texts: Sequence[str], count: Callable[[int, int], None] | None) -> _Read:
    numbers, gaps = _Numbers(), _Gaps()
    spelling, joints, lengths = [], [], []
    for text in texts:
        pieces = split(text)  # between, word, between, word, between
        spelling.append(np.fromiter(map(numbers.__getitem__, pieces[1::2]), np.int32))
        joints.append(np.fromiter(map(gaps.__getitem__, pieces[2::2]), np.uint8))
        if len(joints[-1]):
            joints[-1][-1] = 0
        lengths.append(len(joints[-1]))
        if count is not None and not len(lengths) % TOLD_EVERY:
            count(len(lengths), len(texts))
    spellings = list(numbers)
    words = _Numbers()
    word_of = np.array([words.setdefault(plain(s), len(words)) for s in spellings] or [0], np.int32)
    all_spelling = np.concatenate([*spelling, np.zeros(0, np.int32)])
    word = np.where(all_spelling >= 0, word_of[all_spelling], -1).astype(np.int32)
    document = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    return _Read(
        spellings, list(words), all_spelling, word, np.concatenate([*joints, np.zeros(0, np.uint8)]), document
    )


# -- Frequent phrases -------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _Level:
    """Frequent phrases of ``n`` words.

    ``at`` are the places in which one begins and ``phrase`` which; ``documents`` how many documents each has;
    ``words`` int32[phrases, n] its words; ``first`` and ``last`` its parts of n - 1 words, by their numbers.
    """

    n: int
    at: Ints
    phrase: Ids
    documents: Ints
    words: Ids
    first: Ids
    last: Ids

    def columns(self, read: _Read, ids: Ints) -> list[tuple[str, _Column]]:
        """Return the name and the documents of some phrases."""
        slot = np.full(len(self.documents), -1, np.int64)
        slot[ids] = np.arange(len(ids))
        mine = slot[self.phrase]
        at, mine = self.at[mine >= 0], mine[mine >= 0]
        order = np.argsort(mine, kind="stable")
        at = at[order]
        ends = np.searchsorted(mine[order], np.arange(len(ids) + 1))
        return [
            (
                _spelling(read, at[a:b], self.n),
                _Column(*np.unique(read.document[at[a:b]], return_counts=True)),
            )
            for a, b in pairwise(ends.tolist())
        ]


class _Column(NamedTuple):
    document: Ids
    times: Ints


def _spelling(read: _Read, at: Ints, n: int) -> str:
    """Return the most frequent spelling of the phrase that begins in these places, of equals the first."""
    rows = [read.spelling[at + i] for i in range(n)] + [read.joint[at + i] for i in range(n - 1)]
    forms = Counter(zip(*(row.tolist() for row in rows), strict=True))
    best = max(forms, key=forms.__getitem__)
    return shown([read.spellings[i] for i in best[:n]], best[n:])


def _levels(read: _Read, least: int) -> list[_Level]:
    at = np.flatnonzero(read.word >= 0)
    at, phrase, documents, codes = _frequent(read, at, read.word[at].astype(np.int64), least)
    none = np.zeros(0, np.int32)
    levels = [_Level(1, at, phrase, documents, codes[:, None].astype(np.int32), none, none)]
    for n in range(2, LONGEST + 1):
        level = levels[-1]
        # phrases that begin in neighbouring places; of two words and more they share all but one word
        near = np.flatnonzero(np.diff(level.at) == 1)
        if n == 2:
            near = near[read.joint[level.at[near]] > 0]
        many = max(len(level.documents), 1)
        code = level.phrase[near].astype(np.int64) * many + level.phrase[near + 1]
        at, phrase, documents, codes = _frequent(read, level.at[near], code, least)
        first, last = (part.astype(np.int32) for part in np.divmod(codes, many))
        words = np.column_stack([level.words[first], level.words[last][:, -1:]])
        levels.append(_Level(n, at, phrase, documents, words, first, last))
    return levels


def _frequent(read: _Read, at: Ints, code: Ints, least: int) -> tuple[Ints, Ids, Ints, Ints]:
    """Return where frequent phrases begin, which, in how many documents, and their codes."""
    codes, phrase = np.unique(code, return_inverse=True)
    order = np.argsort(phrase, kind="stable")  # places, and so documents, in order within each phrase
    ordered, document = phrase[order], read.document[at[order]]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]) | (document[1:] != document[:-1])
    documents = np.bincount(ordered[new], minlength=len(codes))
    enough = documents >= least
    slot = np.where(enough, np.cumsum(enough) - 1, -1).astype(np.int32)
    mine = slot[phrase]
    there = mine >= 0
    return at[there], mine[there], documents[enough].astype(np.int64), codes[enough]


# -- Which of them to keep --------------------------------------------------------------------------------
def _kept(read: _Read, levels: Sequence[_Level], most: int) -> list[Ints]:
    """Return the phrases of each level that no longer one stands for, at most ``most`` in all."""
    stands: list[Ints] = [np.zeros(len(level.documents), np.int64) for level in levels]
    keep: list[NDArray[np.bool_]] = [np.zeros(0, bool)] * len(levels)
    for i in range(len(levels) - 1, -1, -1):
        level = levels[i]
        lacking = level.documents - stands[i]
        keep[i] = (stands[i] == 0) | ((lacking >= FEW) & (lacking > SAME * level.documents))
        if i:
            for phrase in np.flatnonzero(keep[i]).tolist():
                keep[i][phrase] = not only_function_words(
                    [read.words[w] for w in level.words[phrase].tolist()]
                )
            best = np.maximum(stands[i], np.where(keep[i], level.documents, 0))
            np.maximum.at(stands[i - 1], level.first, best)
            np.maximum.at(stands[i - 1], level.last, best)
    documents = np.concatenate([level.documents[k] for level, k in zip(levels, keep, strict=True)])
    chosen = np.zeros(len(documents), bool)
    chosen[np.argsort(-documents, kind="stable")[:most]] = True
    ids, start = [], 0
    for k in keep:
        mine = np.flatnonzero(k)
        ids.append(mine[chosen[start : start + len(mine)]])
        start += len(mine)
    return ids


def _in_order(found: Sequence[tuple[str, _Column]], n: int) -> TermMatrix:
    from scipy import sparse

    found = sorted(found, key=lambda one: (plain(one[0]), one[0]))
    indptr = np.concatenate([[0], np.cumsum([len(column.document) for _, column in found])])
    document = np.concatenate([column.document for _, column in found])
    count = np.concatenate([column.times for _, column in found]).astype(np.float32)
    columns = sparse.csc_matrix((count, document, indptr), shape=(n, len(found)))
    matrix: csr_matrix = columns.tocsr()
    return TermMatrix(tuple(name for name, _ in found), matrix)
