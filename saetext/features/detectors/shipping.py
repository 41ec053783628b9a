"""The detectors that come with the package, and those read from files. Not for: scoring."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from saetext.corpus.spec import ReaderSpec, SaeSpec
from saetext.errors import InputError
from saetext.features.detectors.detector import Detector

_PAGES = Path(__file__).parent / "embedded"
_TOPICS = Path(__file__).parent / "topics"
#: Title of a detector of a topic to the theme of the embedded reader that is about the same.
SUBJECTS = {
    "animals": "Animals", "cars and traffic": "Roads, cars and driving",
    "clothes and fashion": "Clothes and fashion", "computers and software": "Computers and the internet",
    "films and television": "Films", "food and cooking": "Food and cooking",
    "law and courts": "Law and courts", "medicine and health": "Medicine and health",
    "money and banking": "Banking and finance", "music": "Music",
    "plants and gardens": "Plants, gardens and farms",
    "politics and elections": "Elections and politics", "religion": "Religion",
    "school and education": "School and education", "science": "Science and research",
    "sport and games": "Sport and games", "travel": "Travel", "war and weapons": "War, weapons and fighting",
    "weather": "Weather and seasons",
}  # fmt: skip


def shipped(
    spec: ReaderSpec | SaeSpec | None = None, sae: str | None = None, *, topics: bool = False
) -> tuple[Detector, ...]:
    """Return the detectors that come with the package and fit an SAE, in the order of their names.

    Parameters
    ----------
    spec : ReaderSpec or SaeSpec, optional
        The reader, or an SAE of one; without either, all that there are.
    sae : str, optional
        Which of its SAEs, if it has several.
    topics : bool
        Whether those of what texts are about follow those of what they do. Comparisons and pairs use them.

    Returns
    -------
    tuple of Detector
        Empty for an SAE that has none.
    """
    found = (*_all(_PAGES), *_all(_TOPICS)) if topics else _all(_PAGES)
    if spec is None:
        return found
    mine = spec if isinstance(spec, SaeSpec) else spec.sae(sae)
    return tuple(d for d in found if (d.weights_sha256, d.d_sae) == (mine.weights_sha256, mine.d_sae))


@lru_cache(2)
def _all(folder: Path) -> tuple[Detector, ...]:
    return tuple(Detector.read(path) for path in sorted(folder.glob("*.json")))


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
