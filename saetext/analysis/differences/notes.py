"""What a reader should know before believing a diff, one sentence each. Not for: what it found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saetext.analysis.circular import circular_notes
from saetext.analysis.differences.asked import Asked
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.findings import Rows
from saetext.corpus.strata import LEAST_OVERLAP

_LOOKED_AT = 20_000  # documents whose texts are compared in what the reader does not see
LENGTH_RATIO = 1.25  # of median tokens; from there on the result says that lengths differ


def notes_of(asked: Asked, done: Sequence[Contrast], rows: Rows) -> list[str]:
    """Return the notes on designs, numerics, lengths, and on results that say nothing."""
    return [
        *circular_notes(asked.sets[0], asked.request.by),
        *_designs(asked, done),
        *_numerics(asked),
        *_lengths(asked, done),
        *_nothing(asked, done, rows),
    ]


def _designs(asked: Asked, done: Sequence[Contrast]) -> list[str]:
    """Return what each design says, with the sets it is said of unless those are all."""
    told: dict[str, list[str]] = {}
    for name, contrast in zip(asked.names, done, strict=False):
        for note in contrast.design.notes:
            told.setdefault(note, []).append(name)
    return [n if len(which) == len(done) else f"{', '.join(which)}: {n}" for n, which in told.items()]


def _numerics(asked: Asked) -> list[str]:
    numerics = [corpus.spec.numerics for corpus in asked.sets]
    read = {name: [getattr(one, name) for one in numerics] for name in ("model_dtype", "sae_dtype", "device")}
    packages = sorted({package for one in numerics for package in one.versions})
    read |= {package: [one.versions.get(package) for one in numerics] for package in packages}
    differing = [
        f"{what} {', '.join(f'{value} in {name}' for value, name in zip(values, asked.names, strict=True))}"
        for what, values in read.items()
        if len(set(values)) > 1
    ]
    if not differing:
        return []
    return [
        "the sets were read with different numerics, which can change features close to their threshold: "
        + "; ".join(differing)
    ]


def _lengths(asked: Asked, done: Sequence[Contrast]) -> list[str]:
    """Say that the lengths of the sets differ, and where length cannot be told from the rest."""
    medians = [contrast.median_tokens(0) for contrast in done]
    if asked.two:
        medians.append(done[0].median_tokens(1))
    if max(medians) < LENGTH_RATIO * max(min(medians), 1):
        return []
    named = [f"{median:g} in {name}" for median, name in zip(medians, asked.names, strict=True)]
    named[0] = named[0].replace(" in ", " tokens in ", 1)
    note = (
        f"the median document has {', '.join(named[:-1])} and {named[-1]}, and "
        "longer documents have more of most features: see which differences remain at equal length"
    )
    for name, contrast in zip(asked.names, done, strict=False):
        overlap = contrast.length.overlap
        if overlap < LEAST_OVERLAP:
            alike = "both sets" if asked.two else f"{name} and others"
            of_it = "" if asked.two else f" of {name}"
            note += (
                f"; only {100 * overlap:.0f} % of the documents have a length that {alike} have, "
                f"so length cannot be told from the rest{of_it}"
            )
    return [note]


def _nothing(asked: Asked, done: Sequence[Contrast], rows: Rows) -> list[str]:
    if not len(rows.features):
        support = done[0].min_support
        return [f"no feature is present in {support} or more documents, so nothing was tested"]
    if rows.found.any():
        return []
    unseen = _unseen(asked, done[0]) if asked.two else []
    if not unseen and not rows.columns["diff"].any():
        which = "both" if asked.two else "all"
        return [f"every feature is equally frequent in {which} sets: are they the same documents?"]
    return unseen


def _unseen(asked: Asked, done: Contrast) -> list[str]:
    """Return in what the texts differ that the reader does not see, if it is known what that is."""
    from saetext.analysis.differences.unseen import invisible_differences

    design = done.design
    if int((design.side >= 0).sum()) > _LOOKED_AT:
        design = design.without(~design.within(_LOOKED_AT, asked.request.seed))
    texts = np.concatenate(
        [corpus.documents.select("text").collect()["text"].to_numpy() for corpus in asked.sets]
    )
    if asked.sets[0].spec.source.get("kind") != "embedded" or any(text is None for text in texts):
        return []
    sides = [np.flatnonzero(design.side == side) for side in (0, 1)]
    if paired := design.kind == "paired":
        sides = [rows[np.argsort(design.unit[rows], kind="stable")] for rows in sides]
    a, b = (texts[rows].tolist() for rows in sides)
    return invisible_differences(a, b, paired=paired, names=(asked.names[0], asked.names[1]))
