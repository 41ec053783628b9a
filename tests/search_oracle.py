"""A second, plain implementation of a hybrid search and of a refit, with loops over documents.

The numbers that were tuned are the package's; what is done with them is written again here. Only the weighted
features of a description are taken from the package: they have tests of their own. Not for: tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from corpus_factory import Truth

from saetext.analysis.search import refitting
from saetext.analysis.search.combining import WEIGHTS
from saetext.features.detectors import Detector
from saetext.reader import sentences as embed


class WordVectors:
    """Stands in for the sentence model: each text the mean of random vectors of its words."""

    @classmethod
    def load(cls, device: str = "auto") -> WordVectors:
        return cls()

    def embed(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> np.ndarray:
        found = np.zeros((len(texts), embed.WIDTH), np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                rng = np.random.default_rng(list(word.encode()))
                found[row] += rng.standard_normal(embed.WIDTH).astype(np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def pieces(self, text: str) -> list[tuple[str, int]]:
        return [(word, 1) for word in text.split()]


def strength(values: Iterable[float]) -> float:
    """What a feature has at full strength: nine in ten of its values are no larger."""
    present = sorted(v for v in values if v > 0)
    return present[math.ceil(0.9 * len(present)) - 1] if present else 1.0


def middle(values: Iterable[float]) -> float:
    usual = sorted(values)
    return (usual[(len(usual) - 1) // 2] + usual[len(usual) // 2]) / 2


def standard(scores: Mapping[int, float] | Sequence[float], usual: Sequence[float]) -> list[float]:
    mean = sum(usual) / len(usual)
    spread = math.sqrt(sum((u - mean) ** 2 for u in usual) / len(usual))
    return [0.0 if spread < 1e-12 else min(max((s - mean) / spread, -3.0), 6.0) for s in scores]


@dataclass
class Part:
    """One description with the features that answer it."""

    text: str
    weights: dict[int, float] | None = None  # by feature; None where no feature answers
    missing: float = 0.0


@dataclass
class Slow:
    """A corpus and what its reader knows, as plain lists."""

    truth: Truth
    labels: Sequence[str]
    detectors: Sequence[Detector] = ()
    by_meaning: bool = False  # whether labels are asked by meaning
    value: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.truth.dense("value")
        self.n = len(self.value)
        self.every = range(self.n)
        halves = WordVectors().embed(self.truth.texts).astype(np.float16)
        self.vectors = [np.array(each, float) for each in halves]
        self.full = [strength(self.value[:, f]) for f in range(self.truth.d_sae)]
        self.having = [sum(v > 0 for v in self.value[:, f]) for f in range(self.truth.d_sae)]
        present = [sum(v > 0 for v in row) for row in self.value]
        self.damping = [1 / math.sqrt(1 + middle(present) / 4 + count) for count in present]
        self.middle = sum(self.vectors) / self.n

    # ---- one way alone -------------------------------------------------------------------------------

    def by_features(self, weights: Mapping[int, float]) -> list[float]:
        found = []
        for row, damping in zip(self.value, self.damping, strict=True):
            found.append(damping * sum(w * min(row[f] / self.full[f], 1.0) for f, w in weights.items()))
        return found

    def by_clauses(self, wanted: Sequence[Part], unwanted: Sequence[Part] = ()) -> list[float]:
        """The weakest of what is wanted, less what is not, in units of a fifth of each clause's weights."""
        if len(wanted) == 1 and not unwanted:
            return self.by_features(wanted[0].weights)

        def units(part: Part) -> list[float]:
            whole = part.missing + sum(w for w in part.weights.values() if w > 0)
            unit = 0.2 * whole * middle(self.damping)
            return [each / unit for each in self.by_features(part.weights)]

        plus, minus = [units(part) for part in wanted], [units(part) for part in unwanted]
        return [min(p[i] for p in plus) - sum(max(m[i], 0.0) for m in minus) for i in self.every]

    def by_words(self, texts: Sequence[str]) -> list[float] | None:
        """BM25 with the usual constants; None if no word occurs."""
        bags = [[w for w in text.casefold().split() if w.isalpha()] for text in self.truth.texts]  # no emoji
        mean = sum(map(len, bags)) / self.n
        words = [word for text in texts for word in text.casefold().split()]
        words = [word for word in words if any(word in bag for bag in bags)]
        if not words:
            return None
        found = [0.0] * self.n
        for word in words:
            df = sum(word in bag for bag in bags)
            rarity = math.log(1 + (self.n - df + 0.5) / (df + 0.5))
            for i, bag in enumerate(bags):
                count = bag.count(word)
                found[i] += rarity * count / (count + 1.5 * (0.25 + 0.75 * len(bag) / mean))
        return found

    def by_detector(self, detector: Detector) -> list[float]:
        """Probabilities."""
        found = []
        for row in self.value:
            count = sum(v > 0 for v in row)
            total = detector.bias + detector.length_weight * math.log(1 + count)
            for f, weight, scale in zip(detector.features, detector.weights, detector.scales, strict=True):
                total += weight * min(row[f] / scale, 1.0)
            logit = detector.slope * total + detector.intercept
            found.append(1 / (1 + math.exp(-logit)) if count else 0.0)
        return found

    def meaning(self, texts: Sequence[str], less: Sequence[str] = ()) -> np.ndarray:
        vectors = WordVectors().embed([*texts, *less]).astype(float)
        found = sum(vectors[: len(texts)]) / len(texts)
        if less:
            found = found - sum(vectors[len(texts) :]) / len(less)
        return found / math.sqrt(float(found @ found))

    def along(self, vector: np.ndarray) -> list[float]:
        return [float(each @ vector) for each in self.vectors]

    # ---- what documents have in common ---------------------------------------------------------------

    def common(self, sides: Sequence[tuple[float, Mapping[int, float]]]) -> tuple[list[float], list[float]]:
        """Scores by the features, and by the mean vector, that documents have more than the corpus.

        ``sides`` are what a side counts, and what each of its documents does.
        """
        weights, direction = [0.0] * self.truth.d_sae, np.zeros(embed.WIDTH)
        for counts, rows in sides:
            whole = sum(rows.values())
            for f in range(self.truth.d_sae):
                mean = sum(w * min(self.value[r][f] / self.full[f], 1.0) for r, w in rows.items()) / whole
                weights[f] += counts * (mean - 0.5 * self.having[f] / self.n)
            direction += counts * sum(w * (self.vectors[r] - self.middle) for r, w in rows.items()) / whole
        for f, df in enumerate(self.having):
            weights[f] *= math.log((self.n + 1) / (df + 1)) if df else 0.0
        largest = max(map(abs, weights))
        scores = self.by_features({f: w / largest for f, w in enumerate(weights) if w})
        return scores, self.along(direction / math.sqrt(float(direction @ direction)))

    # ---- all ways together ---------------------------------------------------------------------------

    def likeness(self, text: str) -> float:
        """The cosine of a description and what of the reader's vocabulary is closest to it."""
        said = [*self.labels, *(d.title for d in self.detectors), *(d.description for d in self.detectors)]
        return max(float(self.meaning([text]) @ self.meaning([each])) for each in said)

    def meant(self, text: str) -> Detector | None:
        """The detector whose title or description says much the same (there are no themes)."""
        best = None
        for detector in self.detectors:
            for said in (detector.title, detector.description):
                cosine = float(self.meaning([text]) @ self.meaning([said]))
                if cosine >= 0.6 and (best is None or cosine > best[0]):
                    best = cosine, detector
        return None if best is None else best[1]

    def fit(self, texts: Sequence[str]) -> float:
        if not self.by_meaning:
            return 0.4
        cosines = [self.likeness(text) for text in texts]
        return min(0.0 if c < 0.36 else min(max((c - 0.35) / 0.4, 0.0), 1.0) for c in cosines)

    def ways(self, parts: Sequence[Part], detector: Detector | None, fit: float) -> dict[str, list[float]]:
        texts = [part.text for part in parts]
        found = {"dense": self.along(self.meaning(texts))}
        if (words := self.by_words(texts)) is not None:
            found["bm25"] = words
        if detector is not None:
            bounded = [min(max(p, 1e-4), 1 - 1e-4) for p in self.by_detector(detector)]
            found["detector"] = [math.log(p / (1 - p)) for p in bounded]
        if fit > 0 and all(part.weights is not None for part in parts):
            found["features"] = self.by_clauses(parts)
        return found

    def weighted(self, ways: Mapping[str, list[float]], fit: float) -> dict[str, list[float]]:
        """What each way gives to every document: a softmax of what each counts, times standard scores."""
        near = sum(sorted(ways["dense"])[-10:]) / 10 - 0.45
        meant = WEIGHTS.features_nearness * near + WEIGHTS.features_fit * (fit - 0.4)
        power = {
            "features": math.exp(WEIGHTS.features + meant),
            "detector": math.exp(WEIGHTS.detector + meant),
            "dense": math.exp(WEIGHTS.dense_nearness * near),
            "bm25": math.exp(WEIGHTS.bm25),
        }
        if "detector" in ways and "features" in ways:
            power = {
                name: each / 2 if name in ("detector", "features") else each for name, each in power.items()
            }
        whole = sum(power[name] for name in ways)
        return {
            name: [power[name] / whole * z for z in standard(scores, scores)] for name, scores in ways.items()
        }

    def hybrid(
        self,
        wanted: Sequence[Part],
        unwanted: Sequence[Part] = (),
        *,
        default: bool = False,
        deep: int = 1000,
    ) -> dict[int, dict[str, float]]:
        """What each way gives to the score of each document found, by row.

        ``default``: whether a detector is used where one is meant.
        """
        texts, fit = [part.text for part in wanted], self.fit([part.text for part in wanted])
        detector = self.meant(texts[0]) if default and len(wanted) == 1 and not unwanted else None
        ways = self.ways(wanted, detector, fit)
        parts = self.weighted(ways, fit)

        rows = set(best(self.along(self.meaning(texts, [part.text for part in unwanted])), deep))
        if "bm25" in ways:
            minus = self.by_words([part.text for part in unwanted]) or [0.0] * self.n
            less = [a - b for a, b in zip(ways["bm25"], minus, strict=True)]
            rows |= set(best(less, deep, least=0.0))
        if detector is not None:
            rows |= set(best(self.by_detector(detector), deep, least=0.0))
            if "features" in ways:
                rows |= set(best(ways["features"], deep, least=0.0))
        elif "features" in ways:
            known = [part for part in unwanted if part.weights is not None]
            rows |= set(best(self.by_clauses(wanted, known), deep, least=0.0))

        total = {row: sum(part[row] for part in parts.values()) for row in rows}
        order = sorted(rows, key=lambda row: (-total[row], row))[: WEIGHTS.first]
        first = {row: 1 / math.log2(at + 2) for at, row in enumerate(order)}
        features, dense = self.common([(1.0, first)])
        shared = {"dense": (WEIGHTS.shared_dense, dense)}
        rows |= set(best(dense, deep))
        if fit > 0:
            shared["features"] = WEIGHTS.shared_features, features
            rows |= set(best(features, deep, least=0.0))
        found = {row: {name: part[row] for name, part in parts.items()} for row in rows}
        for name, (counts, scores) in shared.items():
            z = standard(scores, scores)
            for row in rows:
                found[row][name] = found[row].get(name, 0.0) + counts * z[row]
        for given in found.values():
            if "detector" in given:
                given["features"] = given.pop("detector") + given.get("features", 0.0)
        if unwanted:
            have = [sum(part[row] for part in parts.values()) for row in self.every]
            lost = [self.lost(part, have, default) for part in unwanted]
            for row in rows:
                found[row]["not"] = -WEIGHTS.unwanted * sum(each[row] for each in lost)
        return found

    def lost(self, unwanted: Part, have: Sequence[float], default: bool) -> list[float]:
        """How much more of what is not wanted each document has than goes with having what is wanted."""
        fit = self.fit([unwanted.text])
        detector = self.meant(unwanted.text) if default else None
        parts = self.weighted(self.ways([unwanted], detector, fit), fit).values()
        mine = [sum(part[row] for part in parts) for row in self.every]
        a, b = sum(have) / self.n, sum(mine) / self.n
        varies = sum((h - a) ** 2 for h in have)
        together = sum((h - a) * (m - b) for h, m in zip(have, mine, strict=True))
        slope = 0.5 * max(together / varies, 0.0)
        rest = [m - slope * h for h, m in zip(have, mine, strict=True)]
        mean = sum(rest) / self.n
        return [max(each - mean - 0.5, 0.0) for each in rest]

    # ---- documents judged ----------------------------------------------------------------------------

    def refit(
        self,
        before: Mapping[int, float],
        more: Sequence[int],
        less: Sequence[int],
        *,
        may: Iterable[int] | None = None,
        deep: int = 1000,
        vectors: bool = True,
    ) -> dict[int, dict[str, float]]:
        """What each part gives to the score of each document found, by row.

        ``before``: the scores of the search before. ``may``: the documents that may be found.
        """
        live = set(self.every if may is None else may) - {*more, *less}
        trust = 1.0 if more else refitting.WRONG_ALONE
        sides = [(1.0, dict.fromkeys(more, 1.0)), (-refitting.WRONG, dict.fromkeys(less, 1.0))]
        features, dense = self.common([(counts, rows) for counts, rows in sides if rows])
        rows = set(before) | set(best(features, deep, least=0.0, live=live))
        if vectors:
            rows |= set(best(dense, deep, live=live))
        scores = list(before.values())
        known = dict(zip(before, standard(scores, scores), strict=True))
        ways = {"features": (refitting.FEATURES, standard(features, features))}
        if vectors:
            ways["dense"] = refitting.DENSE, standard(dense, dense)
        found = {}
        for row in rows & live:
            found[row] = {"before": known.get(row, min(known.values(), default=0.0))}
            found[row] |= {name: trust * counts * z[row] for name, (counts, z) in ways.items()}
        return found


def best(
    scores: Sequence[float], deep: int, *, least: float = -math.inf, live: set[int] | None = None
) -> list[int]:
    """The first rows by their scores, those above the least one."""
    rows = [row for row, score in enumerate(scores) if score > least and (live is None or row in live)]
    return sorted(rows, key=lambda row: (-scores[row], row))[:deep]
