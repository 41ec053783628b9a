"""What the list of findings calls its features: their label where it fits these texts, else their words.

A label was written for other texts. Not for: measuring whether it fits (:mod:`saetext.features.peaks`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
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
            again = _where_it_peaks(name, found, up)
        if again < 0 and name is not None and not name.labelled and places:
            again = min(places)
        if again >= 0:
            above = found[again]
            found[again] = replace(above, members=(*above.members, one.lead, *one.members))
            continue
        alike[len(found)] = bracket
        for token in told:
            said.setdefault((up, token), len(found))
        found.append(one)
    return found


def _where_it_peaks(name: FeatureName, found: Sequence[Led], up: bool) -> int:
    """Return the finding of the same side that counts most of what a feature peaks at; -1 of no such ones.

    Only what is counted in texts says where it is: words, openings and marks, those that lead and those under
    them. A feature that is called by its words is there already if a finding counts each of them.
    """
    if not name.at:
        return -1
    best, most, all_together = -1, 0.0, set[str]()
    for place, one in enumerate(found):
        where = _said_where(one) if (one.lead.numbers["diff"] > 0) == up else []
        if not where:
            continue
        mine = {unit for unit in name.at if _counted_in(where, unit)}
        if not name.labelled and name.words and all(_counted_in(where, unit) for unit in name.words[:WORDS]):
            return place
        share = sum(name.at[unit] for unit in mine)
        if share > most:
            best, most = place, share
        all_together |= mine
    return best if sum(name.at[unit] for unit in all_together) >= SAME_PLACE else -1


def _said_where(one: Led) -> list[tuple[str, str]]:
    """Return what a finding has that says where in a text it is: kind and key."""
    return [(each.kind, str(each.key)) for each in (one.lead, *one.members) if each.kind in _COUNTED]


def _counted_in(where: Sequence[tuple[str, str]], unit: str) -> bool:
    folded = unit.casefold()
    return any(_counts(kind, key, folded) for kind, key in where)


@functools.lru_cache(1 << 16)  # a list of hundreds of findings asks for each pair some thirty times
def _counts(kind: str, key: str, unit: str) -> bool:
    """Whether a word or mark of format is counted where a text has a unit."""
    if kind == "word":
        return words_of(key) == [unit]
    opening = key.removeprefix("the opening ")
    return words_of(opening) == [unit] if opening != key else is_made_of(key, unit)


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
