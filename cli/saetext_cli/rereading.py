"""The reader that made a corpus, to shade the tokens of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saetext.errors import SaetextError
from saetext_cli.common import note, telling

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


def reader_of(corpus: Any, device: str, dtype: str) -> Reader | None:
    """Return the reader that made a corpus; None, and a line that says why, where it cannot be had."""
    if not corpus.stores_text:
        return None
    with telling("loading the reader"):
        try:
            from saetext.reader.reader import Reader

            calibrations = {sae: corpus.calibration(sae) for sae in corpus.saes}
            return Reader.from_spec(corpus.spec, calibrations, device=device, dtype=dtype)
        except SaetextError as error:
            note(f"tokens are not shaded, since the reader cannot be loaded: {error}")
            return None
