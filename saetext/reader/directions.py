"""Decoder directions of a corpus's SAE where they lie on this machine, without loading torch.

Not for: encoding; :mod:`saetext.reader.weights` loads whole SAEs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.spec import ReaderSpec
from saetext.io.cache import file_sha256
from saetext.io.opener import require_regular
from saetext.reader import shipped


def decoder_of(spec: ReaderSpec, sae: str) -> NDArray[np.float32] | None:
    """Return float32[d_sae, d_in], the decoder of an SAE; None where it is not here or cannot be read so.

    The weights of a shipped reader come with the package, a local SAE's lie in its directory. A file with
    another checksum than the one that made the corpus is not used.
    """
    from safetensors import SafetensorError, safe_open

    names = [t.name for t in spec.saes]
    saes = list(spec.source.get("saes") or [])
    kind = spec.source.get("kind")
    own = shipped.of_source(spec.source)
    if own is not None:
        home = own.home
    elif kind == "local" and names.index(sae) < len(saes):
        home = Path(str(saes[names.index(sae)]))
    else:
        return None
    path = home / "sae_weights.safetensors"
    expected = spec.sae(sae)
    try:
        if file_sha256(path) != expected.weights_sha256:
            return None
        require_regular(path)
        with safe_open(path, framework="np") as file:
            decoder = np.asarray(file.get_tensor("W_dec"), np.float32)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return decoder if decoder.shape[0] == expected.d_sae else None
