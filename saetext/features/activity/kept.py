"""Statistics over a vocabulary, kept in the user's cache: they follow from the reader alone.

Not for: statistics over texts, which are read anew each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.features.activity.measuring import Activity
from saetext.features.activity.strongest import Strongest
from saetext.io.array_file import load_arrays
from saetext.io.cache import cache_dir
from saetext.io.sealed_file import SealedFile
from saetext.io.warning import warn
from saetext.stats.moments import Summary

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

_FORMAT = 1  # raised whenever the numbers that are kept, or how they are computed, change
_NOT_MEANT = (": card_sha256", ": floor_percentile", ": min_tokens")  # thresholds have no part in it


@dataclass(frozen=True)
class Kept:
    """Where the statistics of one SAE over one vocabulary are kept."""

    file: SealedFile
    d_sae: int
    top_tokens: int

    @classmethod
    def of(cls, reader: Reader, sae: str, ids: NDArray[np.int32], top_tokens: int) -> Kept:
        """Return the place, whose name has the hash of all that decides the numbers."""
        spec = reader.spec
        identity = {k: v for k, v in spec.identity(sae).items() if not k.endswith(_NOT_MEANT)}
        told = {
            "format": _FORMAT,
            "reader": identity,
            "dtype": spec.numerics.model_dtype,
            "device": spec.numerics.device,
            "norm_limit": reader.saes[sae].norm_limit,
            "top_tokens": top_tokens,
            "ids": hashlib.sha256(ids.tobytes()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        path = cache_dir() / "vocabulary" / f"{digest[:24]}.npz"
        return cls(SealedFile(path, digest), reader.saes[sae].encoder.d_sae, top_tokens)

    def read(self) -> Activity | None:
        """Return what is kept; None if there is nothing, or it is damaged, which is warned of."""
        verdict, found = self.file.checked(self._loaded)
        if verdict.state == "damaged":
            warn(f"{verdict}: the vocabulary is read again")
        return found

    def write(self, activity: Activity) -> None:
        """Keep it, if the cache can be written."""
        content = io.BytesIO()
        a, s = activity.active, activity.strongest
        counts = np.array([activity.tokens, activity.sinks], np.int64)
        moments = np.stack([a.n, a.mean, a.m2, a.m3, a.m4])
        np.savez(content, counts=counts, moments=moments, token=s.token, value=s.value)
        with contextlib.suppress(OSError):
            self.file.path.parent.mkdir(parents=True, exist_ok=True)
            self.file.write(content.getvalue())

    def _loaded(self, content: bytes) -> Activity:
        arrays = load_arrays(content)
        counts, moments = arrays["counts"], arrays["moments"]
        strongest = Strongest(self.d_sae, self.top_tokens)
        strongest.token, strongest.value = arrays["token"], arrays["value"]
        shape = (self.d_sae, self.top_tokens)
        if moments.shape != (5, self.d_sae) or strongest.token.shape != shape:
            raise ValueError("it is of another SAE")
        return Activity(Summary(*moments), strongest, int(counts[0]), int(counts[1]))
