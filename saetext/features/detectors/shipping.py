"""The detectors that come with the package, and those read from files. Not for: scoring."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from saetext.corpus.spec import ReaderSpec
from saetext.errors import InputError
from saetext.features.detectors.detector import Detector

_PAGES = Path(__file__).parent / "embedded"


def shipped(spec: ReaderSpec | None = None, sae: str | None = None) -> tuple[Detector, ...]:
    """Return the detectors that come with the package and fit an SAE, in the order of their names.

    Parameters
    ----------
    spec : ReaderSpec, optional
        The reader; without one, all that there are.
    sae : str, optional
        Which of its SAEs, if it has several.

    Returns
    -------
    tuple of Detector
        Empty for an SAE that has none.
    """
    if spec is None:
        return _all()
    mine = spec.sae(sae)
    return tuple(d for d in _all() if (d.weights_sha256, d.d_sae) == (mine.weights_sha256, mine.d_sae))


@lru_cache(1)
def _all() -> tuple[Detector, ...]:
    return tuple(Detector.read(path) for path in sorted(_PAGES.glob("*.json")))


def load(files: Iterable[Path]) -> tuple[Detector, ...]:
    """Read detectors from files.

    Raises
    ------
    InputError
        If one cannot be read, or two have the same name.
    """
    found = tuple(map(Detector.read, files))
    names = [detector.name for detector in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two detectors are named {name!r}")
    return found
