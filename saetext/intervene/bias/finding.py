"""Three ways to find the features that carry gender, and what they share.

By their labels; by attribution of the gap between he and she, verified by taking each out; by what differs
between texts about a man and the same texts about a woman. Not for: what dampening them does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.similarity import answering
from saetext.intervene.attribution.gathering import gathered
from saetext.intervene.attribution.gradients import Attributor
from saetext.intervene.bias.dampening import dampened
from saetext.intervene.bias.request import BiasRequest
from saetext.intervene.bias.scoring import Asked, asked, prompt_of, values_of
from saetext.intervene.bias.suites import Item
from saetext.intervene.bias.words import CONCEPTS, SWAPPED, swapped
from saetext.intervene.cases import Case, batches
from saetext.intervene.latents import Latents
from saetext.intervene.metrics import parse_metric
from saetext.intervene.rows import Row
from saetext.intervene.shifts.panel import Kept, Panel
from saetext.intervene.subject import Subject
from saetext.io.progress import OnProgress, Stages

Floats = NDArray[np.float64]
_VERIFIED = 3  # times as many as are taken are verified
_FLIPS, _LEVEL = 2_000, 0.05


@dataclass
class Found:
    """One feature: each finder's rank of it, from 1, and its figures.

    Attributes
    ----------
    feature : int
    ranks : dict of str to int
        By finder; a finder that did not find it is not in there.
    figures : dict of str to float
        ``similarity``, ``attribution``, ``exact``, ``widens``, ``swapped``, ``swapped_p``.
    """

    feature: int
    ranks: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it is listed: those of more finders first, then by the best rank."""
        return -len(self.ranks), min(self.ranks.values(), default=0), self.feature


def find(
    subject: Subject, panel: Panel, items: Sequence[Item], labels: FeatureLabels, request: BiasRequest
) -> tuple[list[Found], list[str]]:
    """Return what each finder found, those first that more of them found, and what to know about it.

    Parameters
    ----------
    subject : Subject
    panel : Panel
    items : sequence of Item
        Prompts to find features with.
    labels : FeatureLabels
        May be empty: then nothing is found by them.
    request : BiasRequest

    Raises
    ------
    InputError
        If no finder found a feature.
    """
    found: dict[int, Found] = {}
    notes: list[str] = []
    by_name: dict[str, Any] = {
        "labels": lambda: by_labels(labels, request.take, str(panel.model.device)),
        "attribution": lambda: by_attribution(
            subject, panel, asked(panel, items), request.take, request.on_progress
        ),
        "swapped": lambda: by_swapping(panel, request.take, request.seed),
    }
    for name in request.finder_names:
        rows = by_name[name]()
        if not rows:
            notes.append(f"the finder {name} found no feature{_why(name, labels)}")
        for rank, (feature, figures) in enumerate(rows, 1):
            one = found.setdefault(feature, Found(feature))
            one.ranks[name] = rank
            one.figures |= figures
    if not found:
        raise InputError(
            f"no feature found by {', '.join(request.finder_names)}: name features with --features, other "
            "finders with --finders, or labels with --labels"
        )
    return sorted(found.values(), key=lambda one: one.place), notes


def _why(name: str, labels: FeatureLabels) -> str:
    return ": the SAE has no labels" if name == "labels" and not len(labels) else ""


# ---- labels --------------------------------------------------------------------------------------------


def by_labels(labels: FeatureLabels, top: int, device: str = "cpu") -> list[tuple[int, dict[str, float]]]:
    """Return the features whose labels are most like words for gender, with the similarity."""
    if not len(labels):
        return []
    index = LabelIndex(labels, device=device)
    best: dict[int, float] = {}
    for concept in CONCEPTS:
        for match in answering(index, concept, 2 * top).found:
            best[match.feature] = max(best.get(match.feature, 0.0), match.similarity)
    order = sorted(best, key=lambda feature: (-best[feature], feature))[:top]
    return [(feature, {"similarity": best[feature]}) for feature in order]


# ---- attribution ---------------------------------------------------------------------------------------


def by_attribution(
    subject: Subject, panel: Panel, some: Asked, top: int, on_progress: OnProgress | None = None
) -> list[tuple[int, dict[str, float]]]:
    """Return the features that widen the gap between he and she most, verified by taking each out.

    Gradient times activation, summed over the positions of a prompt; of the features with the largest mean
    size over prompts three times as many as are taken are taken out one at a time. Those count without which
    the mean absolute gap is smaller, the one that narrows it most first.
    """
    mean = attributions(subject, panel, some, Stages(on_progress, "prompts"))
    verified = Stages(on_progress, "features")
    candidates = largest(mean, _VERIFIED * top)
    base = values_of(panel, some, None)
    rows: list[tuple[int, dict[str, float]]] = []
    for number, feature in enumerate(candidates, 1):
        without = values_of(panel, some, dampened([feature], 0.0, panel.decoder))
        verified("verifying features", number, len(candidates))
        widens = float(np.abs(base).mean() - np.abs(without).mean())
        exact = float((base - without).mean())
        rows.append(
            (feature, {"attribution": float(mean[:, feature].mean()), "exact": exact, "widens": widens})
        )
    rows.sort(key=lambda row: (-row[1]["widens"], row[0]))
    return [row for row in rows if row[1]["widens"] > 0][:top]


def largest(found: Floats, n: int) -> list[int]:
    """Return the features with the largest mean size of their attributions, float64[prompts, d_sae]."""
    size = np.abs(found).mean(axis=0)
    return [int(f) for f in np.argsort(-size, kind="stable")[:n] if size[f] > 0]


def attributions(subject: Subject, panel: Panel, some: Asked, say: Stages | None = None) -> Floats:
    """Return float64[prompts, d_sae]: gradient times activation of every feature, positions added up."""
    latents = Latents(subject.model, subject.sae)
    sums = np.zeros((len(some), subject.sae.encoder.d_sae))
    by_pair: dict[tuple[str, str], list[int]] = {}
    for row, owner in enumerate(some.owner.tolist()):
        item = some.items[owner]
        by_pair.setdefault((item.first, item.second), []).append(row)
    done = 0
    for pair, numbers in by_pair.items():
        attributor = Attributor(subject.model, latents, _difference(pair, some.targets[numbers[0]]))
        cases = [_case(some.items[some.owner[row]], some.kept[row]) for row in numbers]
        for chosen in batches([len(case) for case in cases], panel.batch):
            part = [cases[i] for i in chosen]
            whole = gathered(part, [(range(len(part)), attributor.grad(part))])
            owners = np.array([numbers[i] for i in chosen])[whole.case]
            np.add.at(sums, (owners, whole.feature), whole.attribution)
            done += len(chosen)
            if say is not None:
                say("attributing the gap", done, len(some))
    return sums


def _difference(pair: tuple[str, str], tokens: tuple[int, ...]) -> Any:
    """Return the difference of the two logits, which is that of the log-probabilities, bound to tokens."""
    import json

    from saetext.intervene.metrics import BoundMetric

    first, second = (json.dumps(text) for text in pair)
    metric = parse_metric(f"logit({first}) - logit({second})")
    return BoundMetric(metric, tuple(((token,),) for token in tokens))


def _case(item: Item, kept: Kept) -> Case:
    scope = np.zeros(len(kept), bool)
    scope[kept.scope.cpu().numpy()] = True
    return Case(Row(item.group, item.prompt), kept.ids.cpu().numpy(), scope, ())


# ---- gender-swapped texts ------------------------------------------------------------------------------


def by_swapping(
    panel: Panel, top: int, seed: int = 0, templates: Sequence[str] = SWAPPED
) -> list[tuple[int, dict[str, float]]]:
    """Return the features that add most to texts about a man and not about a woman, or the other way round.

    What a feature adds: the mean over tokens of its activation times the length of its direction. Those count
    whose difference holds against the largest of all features' under 2,000 joint flips of the signs of pairs
    (Westfall and Young 1993), at p = .05; of these the ones with the largest mean difference.
    """
    texts = [text for template in templates for text in swapped(template)]
    kept = panel.keep([prompt_of(panel.model, text) for text in texts])
    length = panel.decoder.norm(dim=1).cpu().double().numpy()
    adds = np.stack([_adds(one, length) for one in kept])
    diff = adds[0::2] - adds[1::2]  # man less woman
    p = largest_p(diff, seed)
    mean = diff.mean(axis=0)
    order = [int(f) for f in np.argsort(-np.abs(mean), kind="stable") if p[f] <= _LEVEL]
    return [(f, {"swapped": float(mean[f]), "swapped_p": float(p[f])}) for f in order[:top]]


def largest_p(diff: Floats, seed: int) -> Floats:
    """Return p of each column's mean, adjusted for all columns by the largest under joint sign flips.

    The statistic is the sum over the root of the sum of squares, which flips do not change; 1 where all is 0.

    Parameters
    ----------
    diff : float64[pairs, columns]
    seed : int
        Of the flips.

    Returns
    -------
    float64[columns]
    """
    there = np.flatnonzero(diff.any(axis=0))
    p = np.ones(diff.shape[1])
    if not len(there):
        return p
    unit = diff[:, there] / np.sqrt((diff[:, there] ** 2).sum(axis=0))
    own = np.abs(unit.sum(axis=0))
    signs = 2.0 * np.random.default_rng([seed, 9]).integers(0, 2, (_FLIPS, len(diff))) - 1
    most = np.abs(signs @ unit).max(axis=1)
    p[there] = (1 + (most[:, None] >= own - 1e-9).sum(axis=0)) / (1 + _FLIPS)
    return p


def _adds(kept: Kept, length: Floats) -> Floats:
    value = (kept.value * kept.scale[kept.token, 0]).cpu().double().numpy()
    feature = kept.feature.cpu().numpy()
    total = np.bincount(feature, value, minlength=len(length))
    return np.asarray(total * length / max(len(kept.scope), 1))
