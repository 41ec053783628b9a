"""Whether a label describes what its feature does in the texts at hand: a small logistic model of signals.

Fitted by ``benchmarks/label_fit.py`` on 192 features that lead eight comparisons of texts, each judged by
reading seven of its peaks beside the label. In 88 the label fitted. With coefficients from one half of the
features, labels of the other half that reach :data:`LEAST` fitted in 87 %, and 55 % of those that fitted
reach it (AUC .85). One reader judged. The usual offline score, whether the label's embedding is closer to
passages around the peaks than to passages without the feature, told fitting labels from others with an AUC of
.63 and added nothing to the signals here; the similarity of label and local words as sentences found 59 %
instead of 55 %, for five seconds more and results that depend on what is installed. So neither is used.

Not for: measuring the signals (:mod:`saetext.features.peaks.signals`).
"""

from __future__ import annotations

import math

from saetext.features.peaks.signals import Signals

#: Probability from which on a label is said to fit.
LEAST = 0.6
#: Coefficients of the signals, on the scale of log-odds.
WEIGHTS = {"said": 2.1, "known": 0.99, "coverage": 0.81, "strength": 4.06, "constant": -3.47}


def probability(signals: Signals) -> float:
    """Return the probability that a label with these signals fits.

    Examples
    --------
    >>> from saetext.features.peaks.fit import probability
    >>> from saetext.features.peaks.signals import Signals
    >>> round(probability(Signals(said=0.9, known=0.9, coverage=0.9, strength=0.6)), 2)
    0.92
    """
    total = WEIGHTS["constant"]
    total += sum(w * getattr(signals, name) for name, w in WEIGHTS.items() if name != "constant")
    return 1 / (1 + math.exp(-total))
