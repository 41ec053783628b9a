"""What is left of a text without its numbers and names: texts with one skeleton are nearly the same.

Not for: texts that say the same in other words.
"""

from __future__ import annotations

from saetext.text.words import split

LONGEST = 1200  # characters; longer texts are no copies with another name
_FEWEST = 5  # words that have to be left
_SLOT = "#"


def skeleton(text: str) -> str:
    """Return a text's words, small, with one sign for each run of numbers and names; empty if little is left.

    A name is a word with a capital inside a sentence, or before a comma at its beginning. Of the words at
    least five must be left, and more than half.

    Examples
    --------
    >>> a = skeleton("Sorry, Anna Lee, I cannot help with request 17 today.")
    >>> a == skeleton("Sorry, Ben, I cannot help with request 2,310 today."), a
    (True, '# i cannot help with request # today')
    >>> skeleton("Where is Rome?")
    ''
    """
    if len(text) > LONGEST:
        return ""
    cut = split(text)
    found: list[str] = []
    left = slots = 0
    begins = True
    for at in range(1, len(cut), 2):
        word = cut[at]
        name = word[0].isupper() and word.split("'")[0] not in ("I", "A")
        name &= not begins or cut[at + 1].startswith(",")
        if name or any(map(str.isdigit, word)):
            slots += 1
            if not found or found[-1] != _SLOT:
                found.append(_SLOT)
        else:
            left += 1
            found.append(word.lower())
        begins = any(mark in cut[at + 1] for mark in ".!?:\n")
    return " ".join(found) if left >= _FEWEST and left > slots else ""
