"""A study of all findings: features proposed on half of the prompts, and tested on the other half.

Not for: the test of one feature (:mod:`saetext.intervene.causes.trial`), or reading what is given
(:mod:`saetext.intervene.causes.run`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.intervene.ablation.survey import survey
from saetext.intervene.causes.activity import activity, contrast
from saetext.intervene.causes.asked import Halves, shown
from saetext.intervene.causes.compared import Compared, Finding
from saetext.intervene.causes.gauges import Gauge, Measurer, gauge_of, same_sae
from saetext.intervene.causes.judging import against, figures, judged, needed_controls, promising
from saetext.intervene.causes.notes import notes
from saetext.intervene.causes.proposing import Candidate, Proposals, attributed, labelled
from saetext.intervene.causes.sides import Pen, Side
from saetext.intervene.causes.tables import ARMS, CANDIDATES, FINDINGS, TABLE, TEXTS
from saetext.intervene.causes.trial import (
    Desk,
    Matcher,
    Tested,
    Texts,
    choose_dose,
    evidence_of,
    is_intact,
    rows_of_texts,
    with_controls,
)
from saetext.io.progress import Stages
from saetext.reader.reader import Reader

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.generator import Generator
    from saetext.intervene.strength import Strengths

Floats = NDArray[np.float64]


class Study:
    """Looks into the findings of a diff with the model that wrote both sides.

    Parameters
    ----------
    generator : Generator
        With an SAE.
    request : WhyRequest
    compared : Compared
    sides : (Side, Side)
    halves : Halves
    corpora : (Corpus, Corpus)
        Of either side; they say which reader measures.
    made_here : bool
        Whether the texts that were compared were written in this run.
    """

    def __init__(
        self,
        generator: Generator,
        request: WhyRequest,
        compared: Compared,
        sides: tuple[Side, Side],
        halves: Halves,
        corpora: tuple[Corpus, Corpus],
        made_here: bool = False,
    ) -> None:
        assert generator.sae is not None
        self.generator, self.request, self.compared = generator, request, compared
        self.sides, self.halves, self.corpora = sides, halves, corpora
        self.sae, self.made_here = generator.sae, made_here
        self.findings = compared.findings[: request.findings]
        spec = corpora[0].spec.sae(compared.sae)
        same = same_sae(spec, self.sae.encoder.weights_sha256)
        self.gauges = [gauge_of(finding, same_sae=same) for finding in self.findings]
        self._say = Stages(request.on_progress, "findings")

    def run(self) -> dict[str, Any]:
        """Return the tables, metrics and notes of the result."""
        candidates: list[dict[str, Any]] = []
        tested: list[Tested] = []
        for number, finding in enumerate(self.findings):
            self._say("looking for features", number, len(self.findings))
            found = self._candidates(number, finding)
            kept = {one.feature for one in found[: self._tested_each]}
            candidates += [self._candidate_row(finding, one, one.feature in kept) for one in found]
            tested += [self._tested(number, one.feature) for one in found[: self._tested_each]]
        live = sum(one.unit > 0 for one in tested)
        controls = needed_controls(live) if self.request.controls is None else self.request.controls
        seen = [self._figures(one, controls, tested) if one.unit > 0 else None for one in tested]
        rows = judged([self._row(*pair) for pair in zip(tested, seen, strict=True)])
        metrics = self._metrics(rows, controls)
        return {
            "table": pl.DataFrame([{name: row.get(name) for name in TABLE} for row in rows], schema=TABLE),
            "metrics": metrics,
            "notes": notes(metrics, rows, self.gauges, self.request, self.made_here),
            "findings_table": pl.DataFrame(self._finding_rows(), schema=FINDINGS, strict=False),
            "candidates": pl.DataFrame(candidates, schema=CANDIDATES, strict=False),
            "arms": pl.DataFrame(self._arm_rows(tested), schema=ARMS, strict=False),
            "texts": pl.DataFrame(self._text_rows(), schema=TEXTS, strict=False),
        }

    # ---- texts -------------------------------------------------------------------------------------------

    @cached_property
    def choose(self) -> Desk:
        """Writes on the half that chooses."""
        return self._desk(self.halves.choose)

    @cached_property
    def test(self) -> Desk:
        """Writes on the half that tests."""
        return self._desk(self.halves.test)

    def _desk(self, prompts: Sequence[Any]) -> Desk:
        # other texts than those that were compared: a finding may be one of these texts alone. At temperature
        # 0 they are the same under each seed: notes say so, and what is compared here is of one half alone
        pen = Pen(self.generator, prompts, self.request, self.request.seed + 1)
        return Desk(pen, self._measurer, self.sides)

    @cached_property
    def _measurer(self) -> Measurer:
        pen = Pen(self.generator, self.halves.choose, self.request, self.request.seed + 1)
        words = [len(text.text.split()) for side in self.sides for text in pen.write(side)]
        return Measurer(
            self.gauges, self._reader, self.compared.sae, float(np.median(words)), self.request.on_progress
        )

    def _reader(self) -> Reader:
        corpus = self.corpora[0]
        calibrations = {sae: corpus.calibration(sae) for sae in corpus.saes}
        return Reader.from_spec(corpus.spec, calibrations, device=self.request.device)

    @cached_property
    def _strengths(self) -> dict[str, Strengths]:
        """How strong features are in the unedited texts of each side, on the half that chooses."""
        request = self.request
        return {
            side.key: survey(
                self.generator, self.choose.pen.prompts(side), self.choose.texts(side).written,
                request.positions, request.batch, side.changes,
            ).strengths
            for side in self.sides
        }  # fmt: skip

    def _activity(self, desk: Desk) -> dict[str, Floats]:
        request = self.request
        return {
            side.key: activity(
                self.generator, desk.pen.prompts(side), desk.texts(side).written, request.positions,
                request.batch, side.changes,
            )
            for side in self.sides
        }  # fmt: skip

    @cached_property
    def _choosing(self) -> dict[str, Floats]:
        return self._activity(self.choose)

    @cached_property
    def _testing(self) -> dict[str, Floats]:
        return self._activity(self.test)

    # ---- features ----------------------------------------------------------------------------------------

    @property
    def _tested_each(self) -> int:
        return len(self.request.numbers) or self.request.handles

    def _more_and_less(self, finding: Finding) -> tuple[Side, Side]:
        a, b = self.sides
        return (a, b) if finding.more == "a" else (b, a)

    def _candidates(self, number: int, finding: Finding) -> list[Candidate]:
        """Return features that might drive a finding, those first that are tested."""
        more, less = self._more_and_less(finding)
        apart = contrast(self._choosing[more.key], self._choosing[less.key])
        if self.request.numbers:
            return [Candidate(f, ("named",), float(apart[f])) for f in self.request.numbers]
        never = self._strengths[more.key].active == 0
        proposals = Proposals(apart, never)
        request = self.request
        proposals.attributed = attributed(
            self.generator, finding, more, self.halves.choose, self.choose.texts(more).written,
            batch=request.batch, raw=request.raw, on_progress=request.on_progress,
        )  # fmt: skip
        proposals.labelled = labelled(self.generator, finding)
        found = proposals.best(max(request.candidates, request.handles))
        if len(found) <= request.handles:
            return found
        return self._tried(number, more, found)

    def _tried(self, number: int, more: Side, found: Sequence[Candidate]) -> list[Candidate]:
        """Return candidates by what taking them out removes of the finding, on the half that chooses.

        Those that break the text come last.
        """
        high, usual = self.choose.texts(more), [self.choose.texts(side) for side in self.sides]
        tried: list[tuple[bool, float, Candidate]] = []
        for one in found:
            out = self.choose.ablated(more, one.feature)
            removed = float((high.gauges - out.gauges)[:, number].mean())
            broken = not is_intact(out, usual, self.request.nll_within)
            tried.append((broken, -removed, dataclasses.replace(one, removes=removed)))
        return [one for _, _, one in sorted(tried, key=lambda each: each[:2])]

    def _tested(self, number: int, feature: int) -> Tested:
        more, less = self._more_and_less(self.findings[number])
        strengths = self._strengths[more.key]
        unit = float(strengths.p99[feature]) if strengths.active[feature] else 0.0
        one = Tested(number, feature, more, less, unit)
        if not unit or len(self.request.amounts) == 1:
            return one
        at = choose_dose(self.choose, one, self.request.amounts, self.request.nll_within)
        return dataclasses.replace(one, at=at)

    def _figures(self, one: Tested, controls: int, every: Sequence[Tested]) -> dict[str, Any]:
        """Return what the arms of a feature show; matched features are written with where they can matter."""
        self._say("testing", every.index(one), len(every))
        active = (self._testing[one.more.key][:, one.feature], self._testing[one.less.key][:, one.feature])
        found = evidence_of(
            self.test, one, self.request.amounts, active, independent=self.gauges[one.finding].independent
        )
        row = figures(found, self.request.nll_within, self.request.seed)
        if not controls or not promising(row):
            return row
        barred = [other.feature for other in every]
        matched = self._matcher.matched(one, controls, self.request.seed, barred)
        return row | against(with_controls(self.test, one, found, matched, self._matcher))

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.sae, self._strengths)

    # ---- rows --------------------------------------------------------------------------------------------

    def _label(self, feature: int) -> str | None:
        labels = self.generator.labels
        return labels.label(feature) if feature in labels else None

    def _row(self, one: Tested, found: dict[str, Any] | None) -> dict[str, Any]:
        finding, gauge = self.findings[one.finding], self.gauges[one.finding]
        row: dict[str, Any] = {
            "finding": finding.name, "kind": finding.kind, "more_in": one.more.name,
            "feature": one.feature, "label": self._label(one.feature),
            "independent": gauge.independent, "tested": found is not None,
        }  # fmt: skip
        return row | (found or {})

    def _candidate_row(self, finding: Finding, one: Candidate, chosen: bool) -> dict[str, Any]:
        return {
            "finding": finding.name, "feature": one.feature, "label": self._label(one.feature),
            "found_by": ", ".join(one.found_by), "activity": one.activity, "attribution": one.attribution,
            "removes": one.removes, "chosen": chosen,
        }  # fmt: skip

    def _finding_rows(self) -> list[dict[str, Any]]:
        new = {side.key: self.test.texts(side).gauges.mean(axis=0) for side in self.sides}
        return [
            finding_row(self.compared, gauge) | {"new_a": float(new["a"][at]), "new_b": float(new["b"][at])}
            for at, gauge in enumerate(self.gauges)
        ]

    def _text_rows(self) -> list[dict[str, Any]]:
        return list(rows_of_texts(self.test, [shown(prompt) for prompt in self.halves.test]))

    def _arm_rows(self, tested: Sequence[Tested]) -> list[dict[str, Any]]:
        rows = []
        for one in tested:
            finding = self.findings[one.finding].name
            for texts in self.test.done.values():
                if texts.kind == "base" or one.feature in texts.features:
                    rows.append(self._arm_row(finding, one, texts))
        matched = [texts for texts in self.test.done.values() if texts.kind == "matched"]
        rows += [self._arm_row(None, None, texts) for texts in matched]
        return rows

    def _arm_row(self, finding: str | None, one: Tested | None, texts: Texts) -> dict[str, Any]:
        return {
            "finding": finding, "feature": None if one is None else one.feature, "arm": texts.name,
            "kind": texts.kind, "side": texts.side, "dose": texts.dose, "features": list(texts.features),
            "gauge": None if one is None else _mean(texts.gauges[:, one.finding]), "nll": _mean(texts.nll),
            "repetition": _mean(texts.repetition), "texts": len(texts.written),
        }  # fmt: skip

    def _metrics(self, rows: Sequence[dict[str, Any]], controls: int) -> dict[str, Any]:
        verdicts = [row["verdict"] for row in rows]
        return {
            "confirmed": len(self.compared.findings),
            "looked_into": len(self.findings),
            "choosing_prompts": len(self.halves.choose),
            "testing_prompts": len(self.halves.test),
            "tested": sum(row["tested"] for row in rows),
            "controls": controls,
            "verdicts": {v: verdicts.count(v) for v in dict.fromkeys(verdicts) if v is not None},
            "texts": sum(len(t.written) for desk in (self.choose, self.test) for t in desk.done.values()),
            "generated": True,
        }


def finding_row(compared: Compared, gauge: Gauge) -> dict[str, Any]:
    """Return what is told of a finding before anything was written."""
    finding = gauge.finding
    return {
        "finding": finding.name, "kind": finding.kind,
        "more_in": compared.names[0 if finding.more == "a" else 1], "rate_a": finding.rate_a,
        "rate_b": finding.rate_b, "q": finding.q, "gauge": gauge.told, "independent": gauge.independent,
        "new_a": None, "new_b": None,
    }  # fmt: skip


def _mean(values: Floats) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
