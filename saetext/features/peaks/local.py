"""local_evidence: for each feature the words at its peaks in these texts, and whether its label fits them.

Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.labels import FeatureLabels
from saetext.features.peaks import fit as fits_
from saetext.features.peaks.reading import Read, Windows, grams, read
from saetext.features.peaks.sampling import keys_of, sample
from saetext.features.peaks.signals import Signals, signals_of
from saetext.features.peaks.words import LocalWords, local_words
from saetext.io.progress import OnProgress, Stages


@dataclass(frozen=True)
class LocalEvidence:
    """What a feature does in the texts at hand.

    Attributes
    ----------
    words : tuple of str
        Up to four words, phrases or marks that set its peaks apart from the rest of the same texts,
        strongest first, as they are written; ``⏎`` is a line break. Empty where nothing stands out.
    coverage : float
        Share of the sampled peaks beside which one of them stands.
    fit : float or None
        Probability that the label describes what the feature does here; None where there is no label, or no
        text.
    fits : bool
        Whether that is large enough to call the feature by its label; see :mod:`saetext.features.peaks.fit`
        for how often this is right.
    z : tuple of float
        Log-odds of each word in standard errors.
    at : mapping
        Unit (a word in small letters, a mark, ``⏎``) to the share of the sampled peaks that stand at it.
    """

    words: tuple[str, ...]
    coverage: float
    fit: float | None
    fits: bool
    z: tuple[float, ...] = ()
    at: Mapping[str, float] = field(default_factory=dict)


NOTHING = LocalEvidence((), 0.0, None, False)


def local_evidence(
    sets: Sequence[CorpusLike],
    sae: str,
    features: Ints,
    rows: NDArray[np.bool_],
    *,
    labels: FeatureLabels,
    side: NDArray[np.int8] | None = None,
    lead: NDArray[np.int8] | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> dict[int, LocalEvidence]:
    """Say what features do in the documents at hand.

    What is said of a feature depends on its own documents and label only, never on which other features are
    asked for.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora; their rows follow one another.
    sae : str
        The SAE's name, as the corpora call it.
    features : int64[n]
        Features, each once.
    rows : bool[rows]
        Documents to look at, over all sets, those of the first set first.
    labels : FeatureLabels
        What the features are called.
    side : int8[rows], optional
        0 or 1, the side of each document; below 0 it is left out. By default all are on one side.
    lead : int8[n], optional
        Which side of each feature to look at; by default the one on which a larger share has it.
    seed : int
        Which peaks are drawn where there are more than 200.
    on_progress : callable, optional
        Called with the number of documents read.

    Returns
    -------
    dict
        Every feature asked for. One that is not present on its side, or whose texts are not stored, has no
        words and no fit.
    """
    features = np.asarray(features, np.int64)
    if not len(features):
        return {}
    sides = np.zeros(len(rows), np.int8) if side is None else side
    sides = np.where(rows, sides, np.int8(-1)).astype(np.int8)
    say = Stages(on_progress)
    say("looking for peaks")
    peaks = sample(sets, sae, features, sides, lead, keys_of(sets, seed), say.counting("looking for peaks"))
    tell = say.counting("reading the texts around peaks")
    total, done = len({row for found in peaks.values() for row in found.row.tolist()}), 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        tell(done, total)

    found = read(sets, peaks, count)
    numbered = grams(found.cut)
    words = {f: local_words(found, numbered, windows) for f, windows in found.windows.items()}
    calibration = sets[0].calibration(sae)
    signals = {
        f: signals_of(label, found, windows, words[f], calibration)
        for f, windows in found.windows.items()
        if (label := labels.get(f)) is not None
    }
    at = {f: _shares(found, windows) for f, windows in found.windows.items()}
    return {f: _made(words.get(f), signals.get(f), at.get(f, {})) for f in features.tolist()}


def _shares(found: Read, windows: Windows) -> dict[str, float]:
    """Return the share of the peaks at each unit, the largest first."""
    units = (found.cut[p].name[u].casefold() for p, u in zip(windows.piece, windows.at, strict=True))
    return {unit: n / len(windows.at) for unit, n in Counter(units).most_common()}


def _made(words: LocalWords | None, signals: Signals | None, at: Mapping[str, float]) -> LocalEvidence:
    if words is None:
        return NOTHING
    fit = None if signals is None else fits_.probability(signals)
    fits = fit is not None and fit >= fits_.LEAST
    return LocalEvidence(words.words, words.coverage, fit, fits, words.z, at)
