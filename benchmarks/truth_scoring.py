"""Judging a first screen: whether the truth is among its first rows, and whether anything above it is false.

The rules are fixed. A row *names the truth* if an accepted pattern matches its name and its sign is right. It
is *true* if one of the related patterns matches, if its name has a longer word of what was planted, or if
what it names (a word, a phrase, a mark of format) can be counted in the texts and differs by at least a
quarter of what is claimed, with the same sign. It is *false* if that count says otherwise, or if only what
was planted differs and none of the above holds; else *unchecked*. Not for: making cases or running an
analysis.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from truth_cases import LENGTH, Case, Item, share
from truth_plants import MARKS

FIRST = 10
ALPHA = 0.05
_LENGTH = {"yes": "yes", "no": "no", "not separable": "unclear", "unclear": "unclear"}
_QUOTED = re.compile(r"[\"“]([^\"”]{1,40})[\"”]")
_THE_WORD = re.compile(r"\bthe (?:word|phrase|pronoun) (\w+)$", re.I)
Verdict = Literal["truth", "true", "false", "unchecked"]


@dataclass(frozen=True)
class Row:
    """What a screen says in one finding.

    Attributes
    ----------
    name : str
        Its name; of a pair both, joined by `` + ``.
    kind : str
        ``format``, ``word``, ``property``, ``feature`` or ``theme``.
    diff : float
        Share of A less share of B; of a pair, its NPMI.
    length : str or None
        Whether it is explained by length: ``yes``, ``no``, ``unclear``, None where that is not asked.
    confirmed : bool
        Whether it held on data that were not used to find it.
    parts : tuple of str
        Of a pair, the two names.
    """

    name: str
    kind: str
    diff: float
    length: str | None
    confirmed: bool = True
    parts: tuple[str, ...] = ()


# ---- what the screen shows -------------------------------------------------------------------------------


def first_rows(result: Any, n: int = FIRST) -> list[Row]:
    """Return the first ``n`` findings that a result shows as found, in the order of its report.

    Rows below the line "not significant" are not findings. Of pairs, those that are more often together.
    """
    rows = _new_rows(result) if getattr(result, "found", None) is not None else _todays_rows(result)
    return rows[:n]


def _new_rows(result: Any) -> list[Row]:
    """Rows of ``result.found``: name, kind, rate_a, rate_b, diff, q, confirmed, length, in order."""
    rows = []
    for row in result.found.to_dicts():
        if not (row["confirmed"] or row["q"] is None or row["q"] < ALPHA):
            continue
        parts = tuple(row[key] for key in ("name_a", "name_b") if row.get(key) is not None)
        if not parts and " + " in row["name"] and result.kind == "correlate":
            parts = tuple(row["name"].split(" + ", 1))
        length = None if row.get("length") is None else _LENGTH[row["length"]]
        size = row["npmi"] if parts else row["diff"]
        rows.append(Row(row["name"], row["kind"], size, length, bool(row["confirmed"]), parts))
    return [row for row in rows if not row.parts or row.diff > 0]


def _todays_rows(result: Any) -> list[Row]:
    rows = []
    for finding in result.grouped():
        row = finding.row
        if not (row["confirmed"] or row["q"] < ALPHA):
            continue
        confirmed = bool(row["confirmed"])
        if "npmi" in row:
            if row["npmi"] > 0 and not row["hidden"]:
                parts = (row["label_a"], row["label_b"])
                rows.append(Row(" + ".join(parts), "feature", row["npmi"], None, confirmed, parts))
            continue
        length = _LENGTH.get(row["explained_by_length"] or "no")
        rows.append(Row(row["label"], "feature", row["diff"], length, confirmed))
    return rows


def n_confirmed(result: Any) -> int:
    """Return how many findings are confirmed, of all kinds."""
    if getattr(result, "found", None) is not None:
        return int(result.found["confirmed"].sum())
    return int(result.n_confirmed)


# ---- what a name claims ----------------------------------------------------------------------------------


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(re.search(pattern, name, re.I) for pattern in patterns)


def says(item: Item, name: str) -> bool:
    """Whether a name says an item."""
    return _any(item.accepted, name)


def belongs(item: Item, name: str) -> bool:
    """Whether a name says an item, something true of it, or one of its longer words."""
    words = re.findall(r"[a-z]{4,}", name.lower())
    return says(item, name) or _any(item.related, name) or any(word[:5] in item.stems for word in words)


def counter(row: Row, name: str | None = None) -> Callable[[str], bool] | None:
    """Return how to count in a text what a name claims, None if it is no word, phrase or mark of format."""
    name = row.name if name is None else name
    if row.kind == "format":
        # the particular before the general: "closing question" has "question" in it
        told = [has for pattern, has in MARKS.values() if re.search(pattern, name, re.I)]
        return told[0] if told else None
    words = [name.strip('"“” ')] if row.kind == "word" else _QUOTED.findall(name)
    if not words and (found := _THE_WORD.search(name)):
        words = [found[1]]
    if not words:
        return None
    return _words(words)


def _words(words: Sequence[str]) -> Callable[[str], bool]:
    """Any of some words or phrases, in any case and with any space between them; I only as a capital."""
    patterns = []
    for text in words:
        inner = r"\W+".join(re.escape(part) for part in text.split())
        before = r"(?<!\w)" if re.match(r"\w", text) else ""
        after = r"(?!\w)" if re.search(r"\w\Z", text) else ""
        flags = "" if text == "I" else "i"
        patterns.append(
            re.compile(f"(?{flags}:{before}{inner}{after})" if flags else f"{before}{inner}{after}")
        )
    return lambda text: any(pattern.search(text) for pattern in patterns)


def holds(row: Row, a: Sequence[str], b: Sequence[str]) -> bool | None:
    """Whether a row's claim can be counted in the texts and is right, at least by a quarter; None if not."""
    if says(LENGTH, row.name):
        middle = statistics.median(len(text.split()) for text in (*a, *b))
        has: Callable[[str], bool] | None = lambda text: len(text.split()) > middle  # noqa: E731
    else:
        has = counter(row)
    if has is None:
        return None
    counted = share(a, has) - share(b, has)
    return counted * row.diff > 0 and abs(counted) >= abs(row.diff) / 4


def verdict_of_difference(row: Row, case: Case, sign: int, a: Sequence[str], b: Sequence[str]) -> Verdict:
    """Judge a row of a diff; ``sign`` is 1 if the truth is more often in A."""
    item = case.items[0] if case.items else Item(())
    if case.items and says(item, row.name):
        return "truth" if row.diff * sign > 0 else "false"
    if case.kind not in ("null", "length") and belongs(item, row.name):
        return "true"
    counted = holds(row, a, b)
    if counted is not None and case.kind not in ("null", "length"):
        return "true" if counted else "false"
    return "false" if case.planted else "unchecked"


def verdict_of_pair(row: Row, case: Case, texts: Sequence[str]) -> Verdict:
    """Judge a pair: false if it names one of the two twice, or if its words are no more often together."""
    if len(row.parts) != 2:
        return "unchecked"
    first, second = case.items
    for x, y in (row.parts, row.parts[::-1]):
        if says(first, x) and says(second, y):
            return "truth"
    for x, y in (row.parts, row.parts[::-1]):
        if belongs(first, x) and belongs(second, y):
            return "true"
    if (
        any(all(belongs(item, part) for part in row.parts) for item in case.items)
        and case.kind != "natural pair"
    ):
        return "false"
    has = [counter(row, part) for part in row.parts]
    if has[0] is None or has[1] is None:
        return "unchecked"
    one, other = has
    together = share(texts, lambda text: one(text) and other(text))
    return "true" if together > share(texts, one) * share(texts, other) else "false"


# ---- a case ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """How a screen did on a case.

    Attributes
    ----------
    rank : int or None
        Which row names the truth first, from 1; of a difference by length, 1 if its rows say so.
    false_above, unchecked_above : int
        Rows before it that are false, and that cannot be judged; all of the first ten if none names it.
    length : str or None
        What is said of length: ``yes``, ``no``, ``unclear``; of several rows the worst.
    length_right : bool or None
        Whether that is so; ``unclear`` is not wrong. None where nothing is said.
    confirmed : int
        Confirmed findings of the whole result.
    right : bool
        Found with nothing false above and nothing false of length; of a null, nothing confirmed.
    """

    rank: int | None
    false_above: int
    unchecked_above: int
    length: str | None
    length_right: bool | None
    confirmed: int
    right: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def judge(case: Case, rows: Sequence[Row], made: Any) -> list[Verdict]:
    """Return the verdict on each row."""
    a, b = ([row["text"] for row in side] for side in (made.a, made.b))
    if case.verb == "correlate":
        return [verdict_of_pair(row, case, a) for row in rows]
    sign = 1 if made.truth.get("a", 0) > made.truth.get("b", 0) else -1
    return [verdict_of_difference(row, case, sign, a, b) for row in rows]


def score(case: Case, rows: Sequence[Row], made: Any, confirmed: int) -> tuple[Score, list[Verdict]]:
    """Score a case by its first rows."""
    rows = rows[:FIRST]
    verdicts = judge(case, rows, made)
    if case.kind == "null":
        wrong = sum(row.confirmed for row in rows)
        return Score(None, wrong, 0, None, None, confirmed, confirmed == 0), verdicts
    if case.kind == "length":
        return _of_length(rows, verdicts, confirmed)
    rank = next((at for at, verdict in enumerate(verdicts, start=1) if verdict == "truth"), None)
    if case.kind == "apart":
        return Score(rank, int(rank is not None), 0, None, None, confirmed, rank is None), verdicts
    above = verdicts[: rank - 1] if rank else verdicts
    length = rows[rank - 1].length if rank else None
    right = None if length is None else length != "yes"
    wrong = above.count("false")
    whole = rank is not None and not wrong and right is not False
    return Score(rank, wrong, above.count("unchecked"), length, right, confirmed, whole), verdicts


def _of_length(rows: Sequence[Row], verdicts: list[Verdict], confirmed: int) -> tuple[Score, list[Verdict]]:
    """Every row has to name length or to be flagged; no row at all does not say what differs."""
    judged: list[Verdict] = [
        "truth"
        if verdict == "truth" or row.length == "yes"
        else "true"
        if row.length == "unclear"
        else "false"
        for row, verdict in zip(rows, verdicts, strict=True)
    ]
    flags = [row.length for row, verdict in zip(rows, verdicts, strict=True) if verdict != "truth"]
    length = next((flag for flag in ("no", "unclear", "yes") if flag in flags), None)
    wrong = judged.count("false")
    told = next((at for at, verdict in enumerate(judged, start=1) if verdict != "false"), None)
    right = None if length is None else length != "no"
    return Score(told, wrong, 0, length, right, confirmed, told is not None and not wrong), judged
