"""The test of one feature on one finding: arms are written, measured, and matched features written beside.

Not for: what the measures say (:mod:`saetext.intervene.causes.judging`), or how texts are written
(:mod:`saetext.intervene.causes.sides`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.causes.gauges import Measurer
from saetext.intervene.causes.judging import REPEATS, Evidence, Measured, against, hopeless
from saetext.intervene.causes.sides import Pen, Side
from saetext.intervene.controls import Kind, matches_of
from saetext.intervene.edit import Change
from saetext.intervene.effects import repetition

if TYPE_CHECKING:
    from saetext.intervene.strength import Strengths
    from saetext.intervene.writing import Written
    from saetext.reader.parts import LoadedSae

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of one arm with their measures.

    Attributes
    ----------
    name, kind, side : str
    dose : float or None
    features : tuple of int
        What is edited.
    written : list of Written
    gauges : float64[prompts, gauges]
        Means over the samples of each prompt.
    nll, repetition : float64[prompts]
        NaN where no sample has it.
    each_nll : float64[texts]
        The same of each text.
    """

    name: str
    kind: Kind
    side: str
    dose: float | None
    features: tuple[int, ...]
    written: list[Written]
    gauges: Floats
    nll: Floats
    repetition: Floats
    each_nll: Floats


class Desk:
    """Writes arms on one half of the prompts, each once, and measures them.

    Parameters
    ----------
    pen : Pen
    measure : Measurer
    sides : sequence of Side
        Under which likelihood is taken.
    """

    def __init__(self, pen: Pen, measure: Measurer, sides: Sequence[Side]) -> None:
        self.pen, self.measure, self.sides, self.n = pen, measure, sides, len(pen.given)
        self.done: dict[tuple[str, str, str], Texts] = {}

    def texts(
        self,
        side: Side,
        name: str = "unedited",
        kind: Kind = "base",
        changes: Sequence[Change] = (),
        dose: float | None = None,
    ) -> Texts:
        """Return an arm, written if it was not yet."""
        key = side.key, kind, name
        if key not in self.done:
            written = self.pen.write(side, changes, name, kind)
            features = tuple(change.feature for change in changes if change.feature is not None)
            self.done[key] = self._measured(name, kind, side.key, dose, features, written)
        return self.done[key]

    def ablated(self, side: Side, feature: int, kind: Kind = "ablated") -> Texts:
        """Return the arm with a feature taken out."""
        return self.texts(side, f"{feature} taken out", kind, [Change(feature, "scale", 0.0)])

    def steered(self, side: Side, feature: int, dose: float, unit: float, kind: Kind = "dose") -> Texts:
        """Return the arm with a feature turned up."""
        name = f"{feature} turned up, dose {dose:g}" if kind == "dose" else f"{feature} turned up"
        return self.texts(
            side, f"{name} ({dose * unit:.4g})", kind, [Change(feature, "add", dose * unit)], dose
        )

    def _measured(
        self, name: str, kind: Kind, side: str, dose: float | None, features: tuple[int, ...],
        written: list[Written],
    ) -> Texts:  # fmt: skip
        number = np.array([text.prompt for text in written], np.int64)
        by_text = self.measure([text.text for text in written])
        gauges = np.stack(
            [means_of(number, by_text[:, column], self.n) for column in range(by_text.shape[1])], axis=1
        )
        nll = self._nll(kind, written)
        repeats = [repetition(text.ids.tolist()) for text in written]
        again = np.array([np.nan if value is None else value for value in repeats])
        return Texts(
            name, kind, side, dose, features, written, gauges,
            means_of(number, nll, self.n), means_of(number, again, self.n), nll,
        )  # fmt: skip

    def _nll(self, kind: Kind, written: list[Written]) -> Floats:
        """Return float64[texts]: under the model as it writes on the side on which a text is more usual.

        A text from which a finding was taken is held against the side without it, not called broken. Of
        matched features nobody asks.
        """
        if kind == "matched" or not written:
            return np.full(len(written), np.nan)
        found = np.array([self.pen.likelihood(side, written) for side in self.sides], np.float64)
        return found.min(axis=0)


def means_of(number: NDArray[np.int64], values: Floats, n: int) -> Floats:
    """Return float64[n]: the mean of the values of each number; NaN where there is none."""
    there = ~np.isnan(values)
    total = np.bincount(number[there], values[there], minlength=n)
    count = np.bincount(number[there], minlength=n)
    return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


@dataclass(frozen=True, eq=False)
class Tested:
    """A feature that is tested on a finding.

    Attributes
    ----------
    finding : int
        Number of the finding, which is that of its gauge.
    feature : int
    more, less : Side
        The side that shows more of the finding, and the other.
    unit : float
        Activation of dose 1; 0 of a feature that is never active.
    at : int
        Which dose was chosen.
    """

    finding: int
    feature: int
    more: Side
    less: Side
    unit: float
    at: int = 0


def choose_dose(desk: Desk, tested: Tested, doses: Sequence[float], nll_within: float) -> int:
    """Return the dose of most effect among those that leave the text intact, the first if none does.

    On other prompts than those that test it.
    """
    low, usual = desk.texts(tested.less), [desk.texts(side) for side in (tested.more, tested.less)]
    best, most = 0, -np.inf
    for at, dose in enumerate(doses):
        arm = desk.steered(tested.less, tested.feature, dose, tested.unit)
        effect = float((arm.gauges - low.gauges)[:, tested.finding].mean())
        if effect > most and is_intact(arm, usual, nll_within):
            best, most = at, effect
    return best


def is_intact(edited: Texts, usual: Sequence[Texts], nll_within: float) -> bool:
    """Return whether texts are about as usual, and repeat as little, as unedited ones of either side."""
    rise = min(_rise(edited.nll, texts.nll) for texts in usual)
    again = min(_rise(edited.repetition, texts.repetition) for texts in usual)
    return rise <= nll_within and (again <= REPEATS or np.isinf(again))


def _rise(edited: Floats, unedited: Floats) -> float:
    there = (edited - unedited)[~np.isnan(edited - unedited)]
    return float(there.mean()) if len(there) else np.inf


def evidence_of(
    desk: Desk,
    tested: Tested,
    doses: tuple[float, ...],
    active: tuple[Floats, Floats],
    *,
    independent: bool = True,
) -> Evidence:
    """Write and measure the arms of a feature, without matched features.

    Parameters
    ----------
    desk : Desk
        Of the prompts that test.
    tested : Tested
    doses : tuple of float
    active : (float64[n], float64[n])
        Its activation on the side that shows more of the finding, and on the other.
    independent : bool
        Of the gauge.
    """
    high, low = desk.texts(tested.more), desk.texts(tested.less)
    ablated = desk.ablated(tested.more, tested.feature)
    steered = [desk.steered(tested.less, tested.feature, dose, tested.unit) for dose in doses]
    arms = (high, low, ablated, steered)

    def gauge(column: int) -> Measured:
        return _measured(arms, lambda texts: texts.gauges[:, column])

    columns = range(high.gauges.shape[1])
    return Evidence(
        gauge(tested.finding),
        _measured(arms, lambda texts: texts.nll),
        _measured(arms, lambda texts: texts.repetition),
        tuple(gauge(column) for column in columns if column != tested.finding),
        doses,
        tested.at,
        *active,
        independent=independent,
    )


def _measured(arms: tuple[Texts, Texts, Texts, list[Texts]], of: Callable[[Texts], Floats]) -> Measured:
    high, low, ablated, steered = arms
    return Measured(of(high), of(low), of(ablated), np.stack([of(texts) for texts in steered], axis=1))


def with_controls(
    desk: Desk, tested: Tested, evidence: Evidence, matched: Sequence[int], matcher: Matcher
) -> Evidence:
    """Write with matched features, each taken out and turned up as far, until it is clear.

    No more are written once so many are as strong that the feature cannot be shown (Besag and Clifford 1991,
    doi:10.1093/biomet/78.2.301).
    """
    found: list[tuple[float, float]] = []
    dose = evidence.doses[tested.at]
    high, low = desk.texts(tested.more), desk.texts(tested.less)
    for feature in matched:
        unit = matcher.unit(tested, feature)
        out = desk.ablated(tested.more, feature, "matched")
        up = desk.steered(tested.less, feature, dose, unit, "matched")
        removed = (high.gauges - out.gauges)[:, tested.finding].mean()
        added = (up.gauges - low.gauges)[:, tested.finding].mean()
        found.append((float(removed), float(added)))
        evidence = dataclasses.replace(evidence, controls=tuple(found), asked=len(matched))
        if hopeless(against(evidence), len(matched)):
            break
    return evidence


class Matcher:
    """Features that are about as often active and as strong as one, where a finding is.

    Parameters
    ----------
    sae : LoadedSae
    strengths : mapping
        By side, how strong features are in its unedited texts.
    """

    def __init__(self, sae: LoadedSae, strengths: dict[str, Strengths]) -> None:
        self.decoder = sae.encoder.decoder.cpu()
        self.norms = self.decoder.norm(dim=1)
        self.strengths = strengths

    def matched(self, tested: Tested, n: int, seed: int, barred: Sequence[int]) -> list[int]:
        """Return matched features, fewer where there are not as many."""
        feature = tested.feature
        bottom = (self.norms * self.norms[feature]).clamp(min=1e-30)
        cosines = (self.decoder @ self.decoder[feature]) / bottom
        return matches_of(
            feature, self.norms.numpy(), self.strengths[tested.more.key], cosines.numpy(), n, seed, barred
        )

    def unit(self, tested: Tested, feature: int) -> float:
        """Return the activation that moves hidden states by a feature as far as the tested one does."""
        own, other = float(self.norms[tested.feature]), float(self.norms[feature])
        return tested.unit * own / other


def rows_of_texts(desk: Desk, shown: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield each text but those of matched features."""
    for texts in desk.done.values():
        if texts.kind == "matched":
            continue
        for text, nll in zip(texts.written, texts.each_nll.tolist(), strict=True):
            yield {
                "arm": f"{texts.side}: {texts.name}", "kind": texts.kind, "side": texts.side,
                "dose": texts.dose, "prompt": text.prompt, "prompt_text": shown[text.prompt],
                "sample": text.sample, "text": text.text, "finish": text.finish,
                "nll": None if np.isnan(nll) else nll,
                "repetition": repetition(text.ids.tolist()),
            }  # fmt: skip
