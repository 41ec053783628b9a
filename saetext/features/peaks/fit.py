"""Whether a label describes what its feature does in the texts at hand: a small logistic model of signals.

Fitted by ``benchmarks/label_fit.py`` on 192 features that lead eight comparisons of texts, each judged by
reading seven of its peaks beside the label. In 88 the label fitted. With coefficients from one half of the
features, labels of the other half that reach :data:`LEAST` fitted in 87 %, and 59 % of those that fitted
reach it (AUC .86; 87 % and 55 % without the sentence model). One reader judged. The usual offline score,
whether the label's embedding is closer to passages around the peaks than to passages without the feature,
told fitting labels from others with an AUC of .63, and added nothing to the signals here. So it is not
computed. Not for: measuring the signals (:mod:`saetext.features.peaks.signals`).
"""

from __future__ import annotations

import math

from saetext.features.peaks.signals import Signals

#: Probability from which on a label is said to fit.
LEAST = 0.6
#: Coefficients with the similarity of label and local words, and where the sentence model is missing.
WITH_ALIKE = {
    "said": 1.62, "known": 1.01, "coverage": 0.89, "strength": 3.93, "alike": 3.08, "constant": -4.3,
}  # fmt: skip
WITHOUT_ALIKE = {"said": 2.1, "known": 0.99, "coverage": 0.81, "strength": 4.06, "constant": -3.47}


def probability(signals: Signals) -> float:
    """Return the probability that a label with these signals fits.

    Examples
    --------
    >>> from saetext.features.peaks.fit import probability
    >>> from saetext.features.peaks.signals import Signals
    >>> round(probability(Signals(said=0.9, known=0.9, coverage=0.9, strength=0.6, alike=0.5)), 2)
    0.94
    """
    weights = WITHOUT_ALIKE if signals.alike is None else WITH_ALIKE
    total = weights["constant"]
    total += sum(w * getattr(signals, name) for name, w in weights.items() if name != "constant")
    return 1 / (1 + math.exp(-total))
