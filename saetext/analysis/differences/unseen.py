"""What differs between two sets of texts that a reader does not see: case, line breaks and blanks, emoji.

A reader whose words are uncased, or which drops line breaks, finds no feature for what it does not see; its
silence is no finding. Not for: comparing marks in general (:mod:`saetext.analysis.differences.families`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from saetext.stats import fisher_exact_p, newcombe
from saetext.text.emoji import without_emoji
from saetext.text.marks import mark_matrix

MOST = 0.5  # of the pairs that differ: from here on they are said to differ in nothing else
LEAST = 0.1  # difference of rates that is told
_ALPHA = 0.001
_WIDE = re.compile(r"[^\S\n]{2,}|\t")


@dataclass(frozen=True)
class _Unseen:
    """Something a reader does not see: its name, how to take it out of a text, and the marks that show it."""

    name: str
    without: Callable[[str], str]
    marks: tuple[str, ...]


def _joined(text: str) -> str:
    return " ".join(text.split())


_CASE = _Unseen(
    "upper and lower case",
    str.lower,
    (
        "no capital letter", "mostly capital letters", "a capital at the beginning of most words",
        "word in capitals",
    ),
)  # fmt: skip
_WHITESPACE = _Unseen("line breaks and blanks", _joined, ("line breaks", "several paragraphs", "wide blanks"))


def _no_emoji(text: str) -> str:
    """Take emoji out, and the blanks that they leave."""
    bare = without_emoji(text)
    if bare == text:
        return text
    return "\n".join(line.strip() for line in re.sub("  +", " ", bare).split("\n"))


_EMOJI = _Unseen("emoji", _no_emoji, ("emoji",))


def invisible_differences(
    texts_a: Sequence[str],
    texts_b: Sequence[str],
    *,
    cased: bool = False,
    sees_whitespace: bool = False,
    sees_emoji: bool = False,
    paired: bool = False,
    names: tuple[str, str] = ("A", "B"),
) -> list[str]:
    """Say in which ways two sets of texts differ that the reader does not see.

    Parameters
    ----------
    texts_a, texts_b : sequence of str
        The texts of the sets.
    cased : bool
        The reader tells upper from lower case.
    sees_whitespace : bool
        The reader sees line breaks and runs of blanks.
    sees_emoji : bool
        The reader tells emoji apart; one that does not reads each as an unknown token.
    paired : bool
        ``texts_a[i]`` and ``texts_b[i]`` belong together. Then pairs that are equal without what the reader
        does not see are counted too.
    names : (str, str)
        What the sets are called.

    Returns
    -------
    list of str
        Sentences; empty if nothing is found. Of marks, those whose rates of texts differ by at least .1 with
        a Fisher's exact p below .001, the largest difference of each kind.

    Raises
    ------
    ValueError
        If the texts are paired and the sets have different numbers of texts.

    Examples
    --------
    >>> invisible_differences(["Hello You"] * 9, ["hello you"] * 9, paired=True)
    ['9 of 9 pairs differ only in upper and lower case, which the reader does not see']
    """
    if paired and len(texts_a) != len(texts_b):
        raise ValueError(f"pairs need as many texts in both sets: {len(texts_a)} and {len(texts_b)} came")
    seen = ((_CASE, cased), (_WHITESPACE, sees_whitespace), (_EMOJI, sees_emoji))
    unseen = [kind for kind, sees in seen if not sees]
    if not unseen:
        return []
    told = _of_pairs(texts_a, texts_b, unseen) if paired else []
    if not len(texts_a) or not len(texts_b):
        return told
    return told + _of_marks(texts_a, texts_b, unseen, names)


def _of_pairs(texts_a: Sequence[str], texts_b: Sequence[str], unseen: Sequence[_Unseen]) -> list[str]:
    """Say that most pairs are equal to the reader, and what in them it does not see."""
    different = [(a, b) for a, b in zip(texts_a, texts_b, strict=True) if a != b]
    equal, by = 0, dict.fromkeys((kind.name for kind in unseen), 0)
    for a, b in different:
        if _without(a, unseen) != _without(b, unseen):
            continue
        equal += 1
        for kind in unseen:  # one that has to be taken out for the two to be equal
            others = [other for other in unseen if other is not kind]
            by[kind.name] += _without(a, others) != _without(b, others)
    if not equal or equal < MOST * len(different):
        return []
    ways = " or in ".join(name for name, n in by.items() if n) or " or in ".join(by)
    which = "pairs differ" if len(different) == len(texts_a) else "pairs of different texts differ"
    return [f"{equal:,} of {len(different):,} {which} only in {ways}, which the reader does not see"]


def _without(text: str, unseen: Sequence[_Unseen]) -> str:
    for kind in (_EMOJI, _CASE, _WHITESPACE):  # blanks around an emoji go after it
        if kind in unseen:
            text = kind.without(text)
    return text


def _of_marks(
    texts_a: Sequence[str], texts_b: Sequence[str], unseen: Sequence[_Unseen], names: tuple[str, str]
) -> list[str]:
    marks = mark_matrix([*texts_a, *texts_b], most_openings=0)
    table = marks.matrix.tocsc()
    n_a, n_b = len(texts_a), len(texts_b)
    told = []
    for kind in unseen:
        rows = []
        for name in kind.marks:
            if name == "wide blanks":
                has = np.array([_WIDE.search(text.strip()) is not None for text in (*texts_a, *texts_b)])
            else:
                has = table[:, [marks.names.index(name)]].toarray()[:, 0] > 0
            x_a, x_b = int(has[:n_a].sum()), int(has[n_a:].sum())
            diff = x_a / n_a - x_b / n_b
            if abs(diff) >= LEAST and float(fisher_exact_p(x_a, n_a, x_b, n_b)) < _ALPHA:
                rows.append((abs(diff), name, x_a, x_b))
        if rows:
            _, name, x_a, x_b = max(rows)
            low, high = (100 * float(end) for end in newcombe(x_a, n_a, x_b, n_b))
            told.append(
                f"the texts differ in {kind.name}, which the reader does not see: {name} in"
                f" {100 * x_a / n_a:.0f} % of {names[0]} and {100 * x_b / n_b:.0f} % of {names[1]}"
                f" ({100 * (x_a / n_a - x_b / n_b):+.0f} [{low:+.0f}, {high:+.0f}])"
            )
    return told
