"""A rule: what may change, by how much. From plain values to rules, everything unknown refused.

Not for: files (:mod:`saetext.analysis.checking.rules_file`), or whether the reader has what a rule names
(:mod:`saetext.analysis.checking.subjects`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from saetext.corpus.shapes import MOST_FEATURES
from saetext.errors import InputError
from saetext.io.opener import shown

#: What a rule can be about.
KINDS = ("detector", "theme", "format", "words", "feature", "findings", "length")
#: The kinds of findings, as a diff lists them; ``all`` of them.
FINDING_KINDS = ("format", "property", "word", "theme", "feature")
_LIMITS = ("max_rise", "max_fall")
_OF_RULE = (*KINDS, *_LIMITS, "name", "except")
MOST_RULES = 200
_LONGEST = 200  # characters of a name
_MOST_WORDS = 50  # phrases in one rule
_MOST_CHANGE = 10_000  # percent by which texts may become longer; else 100 is all there is


@dataclass(frozen=True)
class Rule:
    """One subject and how much it may change.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`.
    of : tuple of str
        What is watched: the name of a detector (or its file), theme or mark of format, the number of a
        feature as text; phrases; kinds of findings. Empty for the length.
    max_rise, max_fall : float or None
        Largest rise and fall allowed: percentage points of the texts, of the length percent. At least one.
    name : str
        What reports call it.
    ignored : tuple of str
        Findings that are accepted, by their names.
    place : str
        Where it was written, for messages: ``rules.toml, line 3``.
    folder : str
        Where a detector's file is looked for.
    """

    kind: str
    of: tuple[str, ...]
    max_rise: float | None = None
    max_fall: float | None = None
    name: str = ""
    ignored: tuple[str, ...] = ()
    place: str = ""
    folder: str = ""

    def limits(self) -> list[tuple[str, float]]:
        """Return ``("rise", limit)`` and ``("fall", limit)``, those there are, as shares of 1."""
        both = (("rise", self.max_rise), ("fall", self.max_fall))
        return [(direction, limit / 100) for direction, limit in both if limit is not None]

    @property
    def all_kinds(self) -> bool:
        """Whether it is about findings of any kind, so that none was named."""
        return self.kind == "findings" and self.of == FINDING_KINDS


def rules_of(
    given: Sequence[Mapping[str, Any]], place_of: Callable[[int, str], str], folder: str = ""
) -> list[Rule]:
    """Return rules from plain values.

    Parameters
    ----------
    given : sequence of mapping
        What each says.
    place_of : callable
        Gets a rule's number from 0 and a key (or an empty text), and returns where that stands, for messages.
    folder : str
        Where detectors' files are looked for.

    Raises
    ------
    InputError
        In one line that says where and what is wrong.
    """
    if len(given) > MOST_RULES:
        raise InputError(f"{place_of(0, '')}: {len(given):,} rules; at most {MOST_RULES} are checked")
    found = [_rule(each, partial(place_of, at), folder) for at, each in enumerate(given)]
    seen: dict[str, Rule] = {}
    for rule in found:
        if rule.name in seen:
            raise InputError(
                f"{rule.place}: a rule on {rule.name} stands at {seen[rule.name].place} already; "
                "say both limits in one, or give each a name"
            )
        seen[rule.name] = rule
    return found


def _rule(given: Any, place: Callable[[str], str], folder: str) -> Rule:
    if not isinstance(given, Mapping):
        _refuse(place(""), f"a rule is a table of keys, not {shown(given)}")
    for key in given:
        if key not in _OF_RULE:
            _refuse(place(str(key)), f"no key {shown(key)} in a rule{nearest(str(key), _OF_RULE)}")
    about = [key for key in given if key in KINDS]
    if len(about) != 1:
        told = " and ".join(about) or "nothing"
        _refuse(
            place(about[1] if about else ""),
            f"a rule is about one of {', '.join(KINDS)}; this is about {told}",
        )
    kind = about[0]
    of = _of(kind, given[kind], place(kind))
    limits = {key: _limit(given[key], kind, key, place(key)) for key in _LIMITS if key in given}
    if not limits:
        _refuse(place(kind), f"the rule on {kind} has no limit: give it max_rise, max_fall or both")
    ignored: tuple[str, ...] = ()
    if "except" in given:
        if kind != "findings":
            _refuse(place("except"), "except names findings that are accepted: it goes with findings")
        ignored = _texts(given["except"], "except", place("except"))
    name = given.get("name", "")
    if (
        not isinstance(name, str)
        or len(name) > _LONGEST
        or not name.isprintable()
        or ("name" in given and not name.strip())
    ):
        _refuse(place("name"), f"a name is one line of 1 to {_LONGEST} characters")
    return Rule(
        kind,
        of,
        **limits,
        name=name.strip() or _named(kind, of),
        ignored=ignored,
        place=place(kind),
        folder=folder,
    )


def _of(kind: str, value: Any, place: str) -> tuple[str, ...]:
    if kind == "feature":
        if type(value) is not int or not 0 <= value < MOST_FEATURES:
            _refuse(place, f"feature is the number of a feature, not {shown(value)}")
        return (str(value),)
    if kind == "length":
        if value != "tokens":
            _refuse(place, f'length is counted in "tokens", not {shown(value)}')
        return ()
    if kind == "words":
        return _texts(value, kind, place)
    if kind == "findings":
        kinds = _texts(value, kind, place)
        for each in kinds:
            if each not in ("all", *FINDING_KINDS):
                _refuse(place, f"no kind of findings {shown(each)}{nearest(each, ('all', *FINDING_KINDS))}")
        return FINDING_KINDS if "all" in kinds else kinds
    if not isinstance(value, str) or not value.strip() or len(value) > 1000:
        _refuse(place, f"{kind} is a name in quotation marks, not {shown(value)}")
    return (value.strip(),)


def _texts(value: Any, key: str, place: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    fits = isinstance(texts, list | tuple) and 0 < len(texts) <= _MOST_WORDS
    if not fits or not all(isinstance(t, str) and t.strip() and len(t) <= _LONGEST for t in texts):
        _refuse(place, f"{key} is a text or a list of 1 to {_MOST_WORDS} texts, not {shown(value)}")
    return tuple(dict.fromkeys(t.strip() for t in texts))


def _limit(value: Any, kind: str, key: str, place: str) -> float:
    most = _MOST_CHANGE if kind == "length" and key == "max_rise" else 100
    unit = "percent" if kind == "length" else "percentage points"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:  # nan is neither
        _refuse(place, f"{key} is a number of {unit} from 0 to {most:,}, not {shown(value)}")
    return float(value)


def _named(kind: str, of: tuple[str, ...]) -> str:
    if kind == "findings":
        return "any finding" if of == FINDING_KINDS else f"any finding ({', '.join(of)})"
    if kind == "length":
        return "length"
    if kind == "words":
        told = " / ".join(f"“{each}”" for each in of[:3]) + (
            f" and {len(of) - 3} more" if len(of) > 3 else ""
        )
        return told if told.isprintable() else "words"
    name = Path(of[0]).stem if is_file(of[0]) and kind == "detector" else of[0]
    return f"feature {name}" if kind == "feature" else name


def is_file(name: str) -> bool:
    """Return whether a detector is named by its file."""
    return name.endswith(".json")


def nearest(name: str, known: Sequence[str], listing: int = 30) -> str:
    """Return how a message goes on: with the name that was meant, or those there are."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    folded = [each for each in known if each.casefold() == name.casefold()]
    if folded or near:
        return f"; did you mean {shown((folded or near)[0], 80)}?"
    more = f" and {len(known) - listing} more" if len(known) > listing else ""
    return f"; there are: {', '.join(known[:listing])}{more}" if known else "; there are none"


def _refuse(place: str, what: str) -> NoReturn:
    raise InputError(f"{place}: {what}" if place else what)
