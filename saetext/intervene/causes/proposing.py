"""Which features might drive a finding: more active where it is, what its words come from, or called so.

Proposals are made on half of the prompts and tested on the other. Not for: the test
(:mod:`saetext.intervene.causes.trial`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.features.label_index import LabelIndex
from saetext.features.similarity import answering
from saetext.intervene.attribution.run import attribute
from saetext.intervene.causes.spans import opening_of, spans_in
from saetext.intervene.rows import Row
from saetext.intervene.subject import Subject
from saetext.text.function_words import only_function_words

if TYPE_CHECKING:
    from saetext.intervene.causes.compared import Finding
    from saetext.intervene.causes.sides import Side
    from saetext.intervene.generator import Generator
    from saetext.intervene.writing import Written
    from saetext.io.progress import OnProgress
    from saetext.reader.prompts import Messages

MOST = 12  # features of each of the three lists
EXAMPLES = 16  # places that are attributed
_SHARPNESS = 5  # of the sum of reciprocal ranks: how much the first of a list counts more than the next
_LONGEST = 24  # characters of what is attributed

Given = Sequence["str | Messages"]


@dataclass(frozen=True)
class Candidate:
    """A feature that might drive a finding.

    Attributes
    ----------
    feature : int
    found_by : tuple of str
        ``activity``, ``attribution``, ``label``.
    activity : float
        How much more active it is where the finding is, in units of its own spread.
    attribution : float or None
        What it adds to the log-probability of the finding's words; None where that was not asked.
    removes : float or None
        What taking it out removes of the finding on the half that chooses.
    """

    feature: int
    found_by: tuple[str, ...]
    activity: float
    attribution: float | None = None
    removes: float | None = None


@dataclass
class Proposals:
    """Lists of features, put together by the sum of reciprocal ranks."""

    contrast: NDArray[np.float64]
    barred: NDArray[np.bool_]
    attributed: dict[int, float] = field(default_factory=dict)
    labelled: list[int] = field(default_factory=list)

    def best(self, n: int) -> list[Candidate]:
        """Return the first features of the lists together, the one that stands highest in most first."""
        order = np.argsort(-self.contrast, kind="stable")[:MOST]
        lists = {
            "activity": [int(f) for f in order if self.contrast[f] > 0 and not self.barred[f]],
            "attribution": [
                f for f, value in sorted(self.attributed.items(), key=lambda one: (-one[1], one[0]))
                if value > 0 and not self.barred[f]
            ][:MOST],
            "label": [f for f in self.labelled if not self.barred[f]][:MOST],
        }  # fmt: skip
        scores: Counter[int] = Counter()
        found_by: dict[int, list[str]] = {}
        for name, features in lists.items():
            for rank, feature in enumerate(features):
                scores[feature] += 1 / (_SHARPNESS + rank)  # type: ignore[assignment]
                found_by.setdefault(feature, []).append(name)
        best = sorted(scores, key=lambda feature: (-scores[feature], feature))[:n]
        return [
            Candidate(f, tuple(found_by[f]), float(self.contrast[f]), self.attributed.get(f)) for f in best
        ]


def attributed(
    generator: Generator,
    finding: Finding,
    side: Side,
    prompts: Given,
    texts: Sequence[Written],
    *,
    batch: int,
    raw: bool = False,
    on_progress: OnProgress | None = None,
) -> dict[int, float]:
    """Return what features add to the log-probability of a finding's words where they are written.

    A mean over places, the first of each text; the spelling that is most frequent counts. Empty where the
    finding has no place in any text.

    Parameters
    ----------
    generator : Generator
    finding : Finding
    side : Side
        The one that shows more of it.
    prompts : sequence of str or turns
    texts : sequence of Written
        Of that side, unedited.
    batch : int
        Most places at once.
    raw : bool
        Whether prompts are plain text.
    """
    assert generator.sae is not None
    places = [(text, place) for text in texts if (place := _place(finding, text.text)) is not None]
    if not places:
        return {}
    form = Counter(form for _, (_, form) in places).most_common(1)[0][0]
    chosen = [(text, before) for text, (before, own) in places if own == form][:EXAMPLES]
    rows = [
        Row(f"{text.prompt}-{text.sample}", _turns(prompts[text.prompt]), before) for text, before in chosen
    ]
    found = attribute(
        Subject(generator.model, generator.sae),
        rows,
        metric=f"logprob({json.dumps(form, ensure_ascii=False)})",
        top=1,
        checks=0,
        system=side.system,
        raw=raw,
        batch=max(1, batch // 2),
        on_progress=on_progress,
    )
    sums = found.pairs.group_by("feature").agg(pl.col("attribution").sum() / len(rows))
    return {int(feature): float(value) for feature, value in sums.rows()}


def labelled(generator: Generator, finding: Finding) -> list[int]:
    """Return features whose labels are like what a finding is called, the most similar first."""
    if not len(generator.labels):
        return []
    words = finding.name.strip('“”" ')
    if not words or only_function_words(words.split()):
        return []
    found = answering(LabelIndex(generator.labels), words, MOST).found
    return [int(one.feature) for one in found]


def _place(finding: Finding, text: str) -> tuple[str, str] | None:
    """Return what stands before the first place of a finding in a text, and how it is spelled there."""
    spans: list[tuple[int, int]] = []
    if finding.kind == "feature":
        spans = [span for word in finding.words[:1] for span in spans_in(text, "word", word)]
    elif finding.kind == "format" and (opening := opening_of(str(finding.term))) is not None:
        spans = spans_in(text, "opening", opening)
    elif finding.kind in ("word", "format"):
        spans = spans_in(text, finding.kind, str(finding.term))
    if not spans:
        return None
    start, end = spans[0]
    if finding.kind == "format":  # of a line that has a mark, what it begins with
        end = start + len(text[start:end].split(maxsplit=1)[0])
    form, before = text[start : min(end, start + _LONGEST)], text[:start]
    bare = before.rstrip(" ")
    return (bare, f" {form}") if bare != before else (before, form)


def _turns(prompt: str | Messages) -> str | tuple[dict[str, str], ...]:
    return prompt if isinstance(prompt, str) else tuple(dict(turn) for turn in prompt)
