"""What a page shows a command to print, against what it prints now: the same lines, about the same numbers.

A helper for tests, not a test. There is a tolerance because pages are rendered on one machine and checked on
others: another processor adds floating-point numbers in another order, so an activation next to its threshold
counts on one and not on the other. Then a count moves by one or two, and rows that are almost equal trade
places, with their labels and passages. On the machine that rendered a page, nothing differs.
"""

from __future__ import annotations

import difflib
import math
import re

RELATIVE = 0.05
COUNTS = 3.0  # how far whole numbers may be apart
PERCENT = 1.0  # numbers with one decimal: of 150 documents, one is .7 %
LAST_PLACE = 3  # of numbers with more decimals
SWAPPED = 3  # one line in so many may have other words: another label, another passage
LENGTH = 3  # how many lines more or fewer

# not the 08 of writing-08-gentle; 5e-06 and 1,143 and .043 are one number each
_NUMBER = re.compile(
    r"(?<![\w.-])[+-]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?(?![\w-]*-)"
)
_BARS = re.compile(r"[─-▟]+")  # drawn, with the number beside them


def differences(shown: str, printed: str) -> list[str]:
    """Return what is not as shown; empty if the outputs are the same but for what the tolerance allows."""
    old, new = shown.splitlines(), printed.splitlines()
    found = []
    if abs(len(old) - len(new)) > LENGTH:
        found.append(f"{len(old)} lines are shown, {len(new)} printed")
    words = [[_words(line) for line in lines] for lines in (old, new)]
    same = difflib.SequenceMatcher(None, *words, autojunk=False).get_matching_blocks()
    other = len(old) - sum(block.size for block in same)
    if other > len(old) // SWAPPED:
        found.append(f"{other} of {len(old)} lines are not printed:\n{_diff(old, new)}")
    for block in same:
        for at in range(block.size):
            before, after = old[block.a + at], new[block.b + at]
            if not all(map(is_close, numbers(before), numbers(after))):
                found.append(f"numbers differ:\n- {before}\n+ {after}")
    return found


def numbers(line: str) -> list[str]:
    """Return the numbers of a line, as they are written."""
    return _NUMBER.findall(line)


def is_close(one: str, other: str) -> bool:
    """Whether two numbers as they are printed are the same within the tolerance."""
    a, b = (float(number.replace(",", "")) for number in (one, other))
    if a == b:
        return True
    if "e" in one or "e" in other:  # p and q, which move by factors
        if a * b <= 0:
            return False
        logs = math.log10(abs(a)), math.log10(abs(b))
        return abs(logs[0] - logs[1]) <= max(1.0, RELATIVE * max(map(abs, logs)))
    places = max(len(number.partition(".")[2]) for number in (one, other))
    within = {0: COUNTS, 1: PERCENT}.get(places, LAST_PLACE * 10.0**-places)
    return abs(a - b) <= max(RELATIVE * max(abs(a), abs(b)), within + 1e-9)


def _words(line: str) -> str:
    """Return a line without its numbers, bars and spaces between columns."""
    return " ".join(_BARS.sub(" ", _NUMBER.sub("#", line)).split())


def _diff(old: list[str], new: list[str]) -> str:
    return "\n".join(line for line in difflib.ndiff(old, new) if line[0] in "+-")
