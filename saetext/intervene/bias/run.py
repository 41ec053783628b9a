"""bias: find the features that carry gender, dampen them, and measure what falls and what stays.

Not for: how features are found (:mod:`saetext.intervene.bias.finding`), or how arms are compared
(:mod:`saetext.intervene.bias.summary`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl

from saetext.errors import InputError, refuse_unused
from saetext.features.labels import FeatureLabels
from saetext.intervene.bias.arms import Arm, arms_of, matched_sets, strengths_in
from saetext.intervene.bias.finding import Found, find
from saetext.intervene.bias.keeping import Keeper, Scores
from saetext.intervene.bias.measuring import Measured, measures_of
from saetext.intervene.bias.naming import pair_of
from saetext.intervene.bias.request import BiasRequest
from saetext.intervene.bias.result import BiasResult
from saetext.intervene.bias.scoring import Asked, activations_of, asked, nll_of, values_of
from saetext.intervene.bias.spread import Spread, spreads
from saetext.intervene.bias.spread import passages_of as reference_of
from saetext.intervene.bias.suites import Item, Split, items_of, split_of
from saetext.intervene.bias.summary import LEAST_CONTROLS, table_of, units_of, verdict_of
from saetext.intervene.bias.tables import FEATURES
from saetext.intervene.edit import require_editable
from saetext.intervene.latents import Latents
from saetext.intervene.shifts.neutral import passages_of
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.intervene.subject import Subject, open_subject
from saetext.io.opener import read_bytes
from saetext.io.progress import Stages
from saetext.io.request import verb
from saetext.reader.causal import CausalModel
from saetext.text.one_line import quoted

_NEUTRAL = 24  # passages of neutral text


@verb(BiasRequest)
def bias(model: str | Path | CausalModel | Subject, request: BiasRequest) -> BiasResult:
    """Dampen the features that carry gender, and measure the bias that falls and the facts that stay.

    Features are found on half of the professions and measured on the other. Each finished arm is kept in the
    cache, so that an interrupted run resumes.

    Parameters
    ----------
    model : str, path, CausalModel or Subject
        A model that writes; with an SAE already, a :class:`saetext.intervene.subject.Subject`.

    Returns
    -------
    BiasResult

    Raises
    ------
    InputError
        If a suite cannot be used, a pronoun is several tokens, or no feature is found.
    ReaderError
        If the model or the SAE cannot be loaded, or they do not fit.

    Examples
    --------
    What is asked is checked before any model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.bias("smollm2", find=True, dampen="1,half")
    ... except saetext.SaetextError as error:
    ...     print(error)
    doses are numbers separated by commas, such as 1,.5,0, not '1,half'
    """
    items = items_of(request.suites)
    split = split_of(items, request.seed) if request.find else Split((), tuple(items))
    named = [] if request.features is None else named_features(str(request.features))
    subject = _opened(model, request)
    require_editable(subject.sae, named)
    Latents(subject.model, subject.sae)  # says whether they fit
    labels = subject.labels(request.labels)  # before the work: the file may be none
    work = _Work(subject, Panel(subject, request.batch), split, labels, request)
    return work.result(named)


def named_features(given: str) -> list[int]:
    """Return the features of a list or a file.

    Raises
    ------
    InputError
        If it has something else than numbers, or none.
    """
    path = Path(given)
    listed = given
    if not all(part.strip().isdigit() for part in given.split(",")):
        if not path.is_file():
            raise InputError(
                f"features are numbers separated by commas, or a file: {quoted(given, 60)} is neither"
            )
        listed = read_bytes(path, 1 << 20).decode("utf-8", "replace")
    parts = [part for part in listed.replace(",", " ").split() if part]
    if not parts or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InputError(f"{quoted(given, 60)} has no list of features: one number in each line")
    return list(dict.fromkeys(int(part) for part in parts))


@dataclass(frozen=True, eq=False)
class _Work:
    """A model, what is measured, and what was asked."""

    subject: Subject
    panel: Panel
    split: Split
    labels: FeatureLabels
    request: BiasRequest

    @property
    def core(self) -> list[Item]:
        """What every arm is asked: the pronoun after a profession, and facts."""
        return [item for item in self.split.measure if item.measure != "resolution"]

    @property
    def who(self) -> list[Item]:
        """What no verdict goes by, and so is not asked of matched features and random directions."""
        return [item for item in self.split.measure if item.measure == "resolution"]

    def _items(self, arm: Arm) -> list[Item]:
        return self.core if arm.is_control else [*self.core, *self.who]

    def result(self, named: Sequence[int]) -> BiasResult:
        """Find, run all arms, and put the result together."""
        request = self.request
        say = Stages(request.on_progress, "prompts")
        measured = asked(self.panel, self.core, count=say.counting("reading prompts"))
        more = asked(self.panel, self.who, count=say.counting("reading questions"))
        passages = self._neutral()
        found, notes = self._found(named)
        dampened = [one.feature for one in found if not request.find or len(one.ranks) >= request.agree]
        if not dampened:
            raise InputError(
                f"no feature was found by {request.agree} finders: take a lower --agree or a larger --take"
            )
        strengths = strengths_in(
            *activations_of(measured.kept), self.subject.sae.encoder.d_sae, _tokens(measured)
        )
        barred = [one.feature for one in found]
        sets = matched_sets(dampened, self.panel, strengths, request.controls, request.seed, barred)
        if request.strongest == 1:
            sets = []
        arms = arms_of(dampened, found, sets, request)
        scores = self._scores(arms, (measured, more), passages)
        own = [measures_of(self._items(arm), *found) for arm, found in zip(arms, scores, strict=True)]
        table = table_of(arms, own, request.seed)
        verdict = verdict_of(table, request.strongest)
        share = strengths.active / max(_tokens(measured), 1)
        kinds = pl.col("kind").is_in(["base", "dose"])
        return BiasResult(
            "bias",
            table=table.filter(kinds),
            params={**request.params(), "sae": self.subject.sae.origin, "subject": self.subject.about()},
            metrics={**verdict, **self._figures(arms, scores, found, dampened, share)},
            notes=(*notes, *self._notes(verdict, sets, dampened, strengths.active)),
            controls=table.filter(~kinds),
            features=self._features(found, dampened, share),
            units=units_of(arms, own),
        )

    def _neutral(self) -> list[Kept]:
        found = passages_of(self.subject.model, self.request.neutral, self.request.seed)
        return self.panel.keep([*found.held, *found.watched, *found.steps][:_NEUTRAL])

    def _found(self, named: Sequence[int]) -> tuple[list[Found], list[str]]:
        if not self.request.find:
            return [Found(feature) for feature in named], []
        return find(self.subject, self.panel, self.split.find, self.labels, self.request)

    def _scores(
        self, arms: Sequence[Arm], measured: tuple[Asked, Asked], passages: Sequence[Kept]
    ) -> list[Scores]:
        """Return each arm's values of its items, and of neutral passages but for matched features."""
        say = Stages(self.request.on_progress, "arms")
        found: list[Scores] = []
        for number, arm in enumerate(arms):
            say("dampening", number, len(arms))
            neutral = [] if arm.kind in ("matched", "instruction") else passages
            keeper = Keeper(self.panel, self._items(arm), neutral)
            found.append(keeper.kept_or_made(arm, lambda a=arm, n=neutral: self._run(a, measured, n)))  # type: ignore[misc]
        say("dampening", len(arms), len(arms))
        return found

    def _run(self, arm: Arm, measured: tuple[Asked, Asked], passages: Sequence[Kept]) -> Scores:
        parts: Sequence[Asked] = measured[:1] if arm.is_control else measured
        if arm.instruction:
            parts = [asked(self.panel, part.items, arm.instruction) for part in parts]
        change = arm.change(self.panel)
        values = np.concatenate([values_of(self.panel, part, change) for part in parts])
        return values, nll_of(self.panel, passages, change) if len(passages) else None

    def _features(
        self, found: Sequence[Found], dampened: Sequence[int], share: np.ndarray[Any, Any]
    ) -> pl.DataFrame:
        spread = self._spread([one.feature for one in found])
        rows = []
        for one, wide in zip(found, spread, strict=True):
            label = self.labels.get(one.feature)
            rows.append({
                "feature": one.feature,
                "label": None if label is None else label.label,
                "dampened": one.feature in dampened,
                "finders": len(one.ranks),
                **{f"rank_{name}": one.ranks.get(name) for name in ("labels", "attribution", "swapped")},
                **one.figures,
                "active": float(share[one.feature]),
                "contexts": None if wide is None else wide.contexts,
                "elsewhere": None if wide is None else wide.elsewhere,
                "entropy": None if wide is None else wide.entropy,
                "entropy_random": None if wide is None else wide.entropy_random,
            })  # fmt: skip
        return pl.DataFrame(rows, schema=FEATURES)

    def _spread(self, features: Sequence[int]) -> Sequence[Spread | None]:
        request = self.request
        if not request.reference_tokens:
            return [None] * len(features)
        passages = reference_of(self.panel, request.reference, request.reference_tokens, request.seed)
        return spreads(self.panel, passages, features, request.seed, Stages(request.on_progress, "passages"))

    def _figures(
        self,
        arms: Sequence[Arm],
        scores: Sequence[Scores],
        found: Sequence[Found],
        dampened: Sequence[int],
        share: np.ndarray[Any, Any],
    ) -> dict[str, Any]:
        one = next(
            (s for arm, s in zip(arms, scores, strict=True) if arm.dose == 1 and arm.kind == "dose"), None
        )
        return {
            "found": len(found),
            "dampened": len(dampened),
            "active_in_prompts": int((share[list(dampened)] > 0).sum()),
            "shared_by_all": sum(len(f.ranks) == len(self.request.finder_names) for f in found),
            "shared_by_two": sum(len(f.ranks) >= 2 for f in found),
            "prompts_to_find": len(self.split.find),
            "prompts_measured": len(self.split.measure),
            "pair": list(pair_of(self.split.measure)),
            "pair_of_facts": list(pair_of(self.split.measure, "fact")),
            "dose_1_is_unedited": None if one is None else bool(np.array_equal(one[0], scores[0][0])),
            "instruction": self.request.instruction.strip() or None,
        }

    def _notes(
        self,
        verdict: Mapping[str, Any],
        sets: Sequence[Sequence[int]],
        dampened: Sequence[int],
        active: np.ndarray[Any, Any],
    ) -> list[str]:
        notes = []
        request = self.request
        if request.strongest < 1 and len(sets) < request.controls:
            notes.append(
                f"{len(sets)} of {request.controls} matched sets: few other features are active there"
            )
        if request.strongest < 1 and 0 < request.controls < LEAST_CONTROLS:
            notes.append(f"no verdict: give --controls {LEAST_CONTROLS} at least")
        if still := [f for f in dampened if not active[f]]:
            notes.append(
                f"{len(still)} of {len(dampened)} dampened features are never active in the prompts that are "
                "measured, and change nothing there"
            )
        if not request.find:
            notes.append("features were named: if they were chosen on these professions, p is too small")
        if verdict["accuracy_before"] is not None and verdict["accuracy_before"] < 0.75:
            notes.append(
                f"the unedited model gets only {verdict['accuracy_before']:.0%} of the factual sentences "
                "right: that they stay says little"
            )
        return notes


def _tokens(measured: Asked) -> int:
    return sum(len(kept.scope) for kept in measured.kept)


def _opened(model: str | Path | CausalModel | Subject, request: BiasRequest) -> Subject:
    if isinstance(model, Subject):
        told = "the subject has its SAE, and is loaded already"
        refuse_unused(told, **request.changed("sae", "device", "dtype"))
        return model
    return open_subject(model, request.sae, device=request.device, dtype=request.dtype)


__all__ = ["Item", "Measured", "bias", "named_features"]
