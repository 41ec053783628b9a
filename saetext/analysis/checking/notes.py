"""What a reader should know before believing a check, one sentence each. Not for: what it found."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np

from saetext.analysis.checking.figures import Baseline
from saetext.analysis.checking.findings import Found
from saetext.analysis.checking.lengths import length_change
from saetext.analysis.checking.rules import Rule
from saetext.analysis.checking.sides import Sides
from saetext.analysis.checking.subjects import standard
from saetext.corpus.keys import columns
from saetext.features.detectors import LONG_SHARE, LONGEST, long_share
from saetext.io.opener import shown
from saetext.text.marks import MARKS
from saetext.text.passages import printable

LONGER = 0.25  # by how much texts may surely have changed in length before that is said


def notes_of(
    sides: Sides,
    subjects: Sequence[Any],
    found: Found | None,
    told: Sequence[str],
    *,
    rules: Sequence[Rule] = (),
    pair_on: str | None = None,
) -> tuple[str, ...]:
    """Return the notes on pairing, lengths, detectors and baselines, then those of the diff, each once."""
    notes = [
        *(
            _named(note, sides.names)
            for note in sides.design.notes
            if "second half" not in note and "copies of" not in note
        ),
        *_lengths(sides),
        *_long(sides, subjects),
        *_baseline(sides, found, pair_on),
        *_accepted(rules, sides, found),
        *(note for note in told if note not in sides.design.notes and "half" not in note),
    ]
    return tuple(dict.fromkeys(notes))


def _named(note: str, names: tuple[str, str]) -> str:
    return note.replace("in A and B", f"in {names[0]} and {names[1]}")


def _lengths(sides: Sides) -> list[str]:
    found = length_change(sides.tokens, sides.design, 0.95)
    if found.low <= LONGER and found.high >= -LONGER / (1 + LONGER):
        return []
    more = "longer" if found.change > 0 else "shorter"
    return [
        f"the new texts are {more}: {found.new:,.0f} tokens (geometric mean), {found.old:,.0f} before; "
        "shares of marks, words and features change with length alone. 'saetext diff' says what remains at "
        "equal length"
    ]


def _long(sides: Sides, subjects: Sequence[Any]) -> list[str]:
    whole = [
        one.detector.name
        for one in subjects
        if one is not None and one.detector is not None and not one.detector.reach
    ]
    if not whole:
        return []
    old = [] if isinstance(sides.old, Baseline) else [sides.old]
    share = long_share([sides.new, *old], sides.sae)
    if share <= LONG_SHARE:
        return []
    return [
        f"{100 * share:.0f} % of the texts have more than {LONGEST} features (about 370 words): "
        f"probabilities of such texts are too high ({', '.join(dict.fromkeys(whole))})"
    ]


def _baseline(sides: Sides, found: Found | None, pair_on: str | None) -> list[str]:
    from importlib.metadata import version

    old = sides.old
    if not isinstance(old, Baseline):
        return []
    notes = []
    if old.made_by != (now := f"saetext {version('saetext')}"):
        notes.append(
            f"the baseline was written by {old.made_by}, and this is {now}: marks may be counted otherwise"
        )
    if found is not None:
        left = (
            ""
            if sides.design.kind in ("independent", "paired")
            else ", and features are left out, for rows belong together"
        )
        notes.append(
            "against a baseline, words are not among the findings, and each finding stands for itself, not "
            f"under the simplest description{left}"
        )
    if sides.design.kind == "independent" and not old.keys and len(np.unique(sides.design.side)) == 2:
        notes.append("the baseline has no hashes of prompts, so rows were not paired")
    if pair_on != "" and old.keys and not any(key in columns(sides.new) for key in old.keys):
        kept = printable(", ".join(old.keys))
        notes.append(
            f"the baseline has hashes of {kept}, of which the new texts have no column, so rows were "
            "not paired"
        )
    return notes


def _accepted(rules: Sequence[Rule], sides: Sides, found: Found | None) -> list[str]:
    """Return a note on each name under ``except`` that no description has, but one much alike."""
    if found is None:
        return []
    known = {*MARKS, *found.names, *(name for _, name, _ in found.quiet)}
    known |= {name.strip("“”") for name in known}
    known |= {one.title for one in standard(sides.new.spec, sides.sae, texts=True)}
    by_fold = {name.casefold(): name for name in known}
    notes = []
    for rule in rules:
        for name in rule.ignored:
            near = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
            if name.strip("“”").casefold() not in by_fold and near:
                notes.append(
                    f"{printable(rule.name)}: no description is called {shown(name)}, which except names; "
                    f"did you mean {shown(by_fold[near[0]])}?"
                )
    return notes
