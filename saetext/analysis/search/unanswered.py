"""Says when nothing of a reader's vocabulary is close to a description; refuses one that says nothing.

Not for: descriptions that no feature answers; those are refused by :mod:`saetext.analysis.search.asking`.
"""

from __future__ import annotations

from collections.abc import Sequence

from saetext.analysis.search.asked import Asked
from saetext.errors import InputError
from saetext.text.one_line import quoted

# Chosen on the development half of benchmarks/agreement.py: nonsense, unknown names and facts that are not in
# the words, against questions that have answers.
FAR = 0.36  # cosine similarity of the closest label, theme or detector below which nothing is close
UNKNOWN = 3  # pieces that an unknown word is cut into
UNKNOWN_FAR = 0.5  # and the same for a description with such a word
LETTERS = 2.0  # letters of a piece, on average, at most which a word is cut as if it were none


def is_unanswered(asked: Asked) -> bool:
    """Return whether no label, theme or detector is close to what is asked for."""
    return asked.best < (UNKNOWN_FAR if asked.pieces >= UNKNOWN else FAR)


def require_words(text: str) -> None:
    """Raise :class:`InputError` if a description has neither a letter nor a digit."""
    if not any(sign.isalnum() for sign in text):
        raise InputError(
            f"{quoted(text)} has no words: say in words what documents should be like, or find it as it is "
            "written with --words TEXT"
        )


def is_nonsense(pieces: Sequence[tuple[str, int]]) -> bool:
    """Whether a model cuts every word of a description into next to letters, as it does with none it knows.

    Parameters
    ----------
    pieces : sequence of (str, int)
        Runs of letters, and how many pieces the model knows each by.
    """
    return bool(pieces) and all(count >= UNKNOWN and len(word) <= LETTERS * count for word, count in pieces)


def unanswered_notes(asked: Sequence[Asked], what_then: str) -> tuple[str, ...]:
    """Return one line for each description that nothing is close to.

    Parameters
    ----------
    asked : sequence of Asked
        The descriptions.
    what_then : str
        What was done instead, or what to try.
    """
    return tuple(
        f"no feature fits {quoted(each.text)} (the closest label is {quoted(each.closest)}, cosine "
        f"similarity {each.best:.2f}): {what_then}"
        for each in asked
        if is_unanswered(each)
    )
