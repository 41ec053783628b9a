"""What the list of findings calls its features: their label where it fits these texts, else their words.

A label was written for other texts. Not for: measuring whether it fits (:mod:`saetext.features.peaks`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.simplest import Description, Led, in_order
from saetext.features.detectors import SUBJECTS
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import WORDS, FeatureName, local_evidence, names_here, tokens
from saetext.io.progress import OnProgress
from saetext.text.mark_units import is_made_of
from saetext.text.words import words as words_of

MOST = 200  # findings whose features are read about by default, the first ones
OPENED = 40  # findings of which members are read about too
BESIDE = 4  # members of each
COMPARABLE = 0.6  # of the size of a lead's difference that a member needs to lead in its place
SAME_PLACE = 0.8  # share of a feature's peaks at what a stronger finding counts
_COUNTED = ("word", "format")  # kinds that say where in a text they are
_BRACKET = re.compile(r"(.+?)\s*\(([^()]+)\)\s*")  # "first person (I, me, my)"
#: Properties and themes to what else is about the same.
_SAME = {
    **SUBJECTS,
    "Apology and regret": "apologising",
    "Exclamation marks": "exclamation mark",
    "First person singular": "first person (I, me, my)",
    "Hedging and caution": "hedging",
    "Thanks and courtesy": "thanking",
    "We and us": "first person (we, us, our)",
}
_UNREAD = 0.3  # how much the size of a difference counts of a feature that was not read about


#: Feature to its name.
Names = Mapping[int, FeatureName]


def names_of(
    led: Sequence[Led],
    done: Contrast,
    groups: Mapping[int, int],
    labels: FeatureLabels,
    *,
    most: int = MOST,
    on_progress: OnProgress | None = None,
) -> dict[int, FeatureName]:
    """Name the features that lead findings, and the first members of the first findings.

    Parameters
    ----------
    led : sequence of Led
        The findings in order.
    done : Contrast
        The two sides.
    groups : mapping
        Feature to the feature that leads its concept group.
    labels : FeatureLabels
        What the features are called elsewhere.
    most : int
        Findings whose features are read about, the first ones.

    Returns
    -------
    dict
        Feature to its name: those that were read about. Where texts are not stored, every feature has its
        label, and ``fits`` is None.
    """
    signs = {int(one.key): one.numbers["diff"] for one in _to_read(led, most)}
    features = np.array(sorted(signs), np.int64)
    lead = np.array([0 if signs[f] >= 0 else 1 for f in features.tolist()], np.int8)
    side = done.design.side
    read = local_evidence(
        done.sets, done.sae, features, side >= 0, labels=labels, side=side, lead=lead, on_progress=on_progress
    )
    return names_here(read, labels, groups)


def _to_read(led: Sequence[Led], most: int) -> Iterator[Description]:
    for at, one in enumerate(led[:most]):
        few = [member for member in one.members if member.kind == "feature"][: BESIDE if at < OPENED else 0]
        yield from (each for each in (one.lead, *few) if each.kind == "feature")


# ---- the order, with names ---------------------------------------------------------------------------------


def by_names(led: Sequence[Led], names: Names) -> list[Led]:
    """Return the findings in the order that their names give them, without those that say nothing new.

    A feature whose label does not fit counts less, and one that no word tells least. One that is told by
    words which a stronger finding of the same side names already is put under that, and so is a finding that
    is called what a stronger one is called, and a feature whose peaks nearly all stand at the words and signs
    that stronger findings count: asterisks are bold, whatever the label says of them.
    """
    promoted = [_better_named(one, names) for one in led]
    ordered = in_order([replace(one, weight=_weight(one.lead, names)) for one in promoted])
    found: list[Led] = []
    counted = {True: _Counted(), False: _Counted()}
    said: dict[tuple[bool, str], int] = {}
    called: dict[tuple[bool, str], dict[int, str]] = {}  # with what each has in brackets
    for one in ordered:
        up = one.lead.numbers["diff"] > 0
        told = _told(one.lead, names)
        places = [said.get((up, token), -1) for token in told]
        name = _named(one.lead, names)
        title, bracket = _title(one.lead, name)
        alike = called.setdefault((up, title), {})
        again = _called_alike(alike, bracket)
        if again < 0 and name is not None:
            again = counted[up].where_it_peaks(name)
        if again < 0 and name is not None and not name.labelled and places:
            again = min(places)
        if again >= 0:
            above = found[again]
            found[again] = replace(above, members=(*above.members, one.lead, *one.members))
        else:
            again = len(found)
            alike[again] = bracket
            for token in told:
                said.setdefault((up, token), again)
            found.append(one)
        counted[up].add(again, (one.lead, *one.members))
    return found


class _Counted:
    """The units that findings of one side count: the words, openings and marks of a text that have places.

    Only what is counted in texts says where it is: words, openings and marks, those that lead and those under
    them.
    """

    def __init__(self) -> None:
        self._by: dict[str, set[int]] = {}  # a unit to the findings that count it as a word or an opening
        self._marks: dict[str, set[int]] = {}  # a mark to the findings that count it

    def add(self, place: int, described: Iterable[Description]) -> None:
        """Let what is described belong to the finding at a place."""
        for each in described:
            if each.kind not in _COUNTED:
                continue
            key = str(each.key)
            opening = key.removeprefix("the opening ")
            if each.kind == "word" or opening != key:
                if len(only := words_of(opening if each.kind == "format" else key)) == 1:
                    self._by.setdefault(only[0], set()).add(place)
            else:
                self._marks.setdefault(key, set()).add(place)

    def where_it_peaks(self, name: FeatureName) -> int:
        """Return the finding that counts most of what a feature peaks at; -1 of no such ones.

        A feature that is called by its words is there already if a finding counts each of them.
        """
        if not name.at:
            return -1
        counts = {unit: self._findings(unit) for unit in name.at}
        each = [self._findings(unit) for unit in name.words[:WORDS]] if not name.labelled else []
        if each and (all_of_them := set.intersection(*each)):
            return min(all_of_them)
        if sum(name.at[unit] for unit, places in counts.items() if places) < SAME_PLACE:
            return -1
        shares: dict[int, float] = {}
        for unit, places in counts.items():
            for place in places:
                shares[place] = shares.get(place, 0) + name.at[unit]
        return min(shares, key=lambda place: (-shares[place], place))

    def _findings(self, unit: str) -> set[int]:
        folded = unit.casefold()
        found = set(self._by.get(folded, ()))
        return found.union(*(places for mark, places in self._marks.items() if _made_of(mark, folded)))


_made_of = functools.lru_cache(1 << 16)(is_made_of)  # features peak at the same few units


def _title(one: Description, name: FeatureName | None) -> tuple[str, str]:
    """Return what a finding is called, and what follows in brackets.

    What tells kinds apart is left out: case, quotes, "the word", and what themes call a subject.
    """
    if one.kind == "feature":
        told = f"feature {one.key}" if name is None else name.name
    else:
        told = str(one.key)
        told = _SAME.get(told, told) if one.kind in ("property", "theme") else told
    parts = _BRACKET.fullmatch(told)
    title, bracket = (told, "") if parts is None else (parts[1], parts[2])
    return _plain(title.casefold().removeprefix("the word ")), _plain(bracket.casefold())


def _plain(told: str) -> str:
    return " ".join(words_of(told)) or told


def _called_alike(found: dict[int, str], bracket: str) -> int:
    """Return the first finding of a title that a bracket does not tell from another one; -1 of no such.

    "first person" is "first person (I, me, my)" from then on, and "first person (we, us, our)" is not.
    """
    at = next((at for at, other in found.items() if not (bracket and other) or bracket == other), -1)
    if at >= 0:
        found[at] = found[at] or bracket
    return at


def _better_named(one: Led, names: Names) -> Led:
    """Let a member lead that says what a lead without a label says, if its difference is not much smaller."""
    named = _named(one.lead, names)
    if named is None or named.labelled:
        return one
    known = [m for m in one.members if m.kind != "feature" or ((n := _named(m, names)) and n.labelled)]
    best = max(known, key=lambda member: (member.strength, str(member.key)), default=None)
    if best is None or best.strength < COMPARABLE * named.weight * one.lead.strength:
        return one
    return Led(best, (one.lead, *(member for member in one.members if member is not best)))


def _named(one: Description, names: Names) -> FeatureName | None:
    return names.get(int(one.key)) if one.kind == "feature" else None


def _weight(one: Description, names: Names) -> float:
    if one.kind != "feature":
        return 1.0
    named = _named(one, names)
    return _UNREAD if named is None else named.weight


def _told(one: Description, names: Names) -> tuple[str, ...]:
    """Return the words that a finding names; nothing of those that are not called by words."""
    named = _named(one, names)
    if named is not None and not named.labelled:
        phrases = named.words[:WORDS]
        return tuple(sorted(tokens(phrases))) or tuple(sorted({w for p in phrases for w in words_of(p)}))
    return tuple(sorted(set(words_of(str(one.key))))) if one.kind == "word" else ()
