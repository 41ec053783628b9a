"""Which tokens of reference text are attention sinks: above the SAE's limit, or one measured on that text.

Not for: reading texts without them (:mod:`saetext.reader.parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


@dataclass(frozen=True)
class Sinks:
    """The sinks among an SAE's reference tokens.

    Attributes
    ----------
    tokens : bool[n_tokens]
        Which they are.
    measured : float or None
        The limit measured on these tokens; None where the SAE states one, or tokens see both ways.
    about : dict
        What is to be told: the median norm, the number of tokens left out. Empty where there is no rule.
    """

    tokens: NDArray[np.bool_]
    measured: float | None
    about: dict[str, Any]

    @classmethod
    def of(cls, reader: Reader, sae: str, norms: NDArray[np.float32]) -> Sinks:
        """Return the sinks among all reference tokens, by their norms float32[n_tokens] at the SAE's hook."""
        from saetext.reader.sinks import limit_of

        stated = reader.saes[sae].encoder.metadata.norm_limit
        measured = None if reader.model.bidirectional or stated is not None else limit_of(norms)
        limit = measured if stated is None else stated
        if limit is None:
            return cls(np.zeros(len(norms), bool), None, {})
        above = norms > np.float32(limit)
        about = {"median_norm": float(np.median(norms)), "left_out": int(above.sum())}
        return cls(above, measured, about)
